"""The model of cron expressions, checked by hand."""

from datetime import datetime
from datetime import timedelta

import pytest
from crontab import MONTHS
from crontab import WEEKDAYS
from crontab import Crontab
from crontab import numbers_in


@pytest.mark.parametrize('text, expected', [
    ('7', [7]),
    ('1,5,5', [1, 5]),
    ('9-12', [9, 10, 11, 12]),
    ('9-12/2', [9, 11]),
    ('9-12/4', [9]),
    ('9-9/2', [9]),
    ('9-9', [9]),
    ('17/3', [17, 20, 23]),
    ('*/10', [0, 10, 20]),
    ('*/23', [0, 23]),
    ('22-2', [0, 1, 2, 22, 23]),
    ('22-2/2', [0, 2, 22]),
    ('23-6/3,12', [2, 5, 12, 23]),
    ('*', [*range(24)]),
])
def test_a_field_is_a_set_of_numbers(text, expected):
    assert sorted(numbers_in(text, 0, 23)) == expected


@pytest.mark.parametrize('text, expected', [
    ('SAT-SUN', [0, 6]), ('6-7', [0, 6]), ('7', [0]), ('0', [0]),
    ('FRI-MON', [0, 1, 5, 6]), ('5-7', [0, 5, 6]), ('0-7', [*range(7)]),
    ('7-2', [0, 1, 2]), ('MON-FRI/2', [1, 3, 5]), ('1-7/2', [0, 1, 3, 5])])
def test_a_week_has_two_sundays(text, expected):
    assert sorted(numbers_in(text, 0, 6, WEEKDAYS)) == expected


@pytest.mark.parametrize('text, expected', [
    ('NOV-FEB', [1, 2, 11, 12]), ('12-1', [1, 12]), ('*/5', [1, 6, 11]),
    ('OCT-4/3', [1, 4, 10])])
def test_a_year_begins_with_month_1(text, expected):
    assert sorted(numbers_in(text, 1, 12, MONTHS)) == expected


@pytest.mark.parametrize('days, expected', [
    ('* *', [*range(1, 30)]),
    ('? ?', [*range(1, 30)]),
    ('13 *', [13]),
    ('L ?', [29]),
    ('LW *', [29]),
    ('* 4L', [29]),
    ('* 3L', [28]),
    ('* sunl', [25]),
    ('* thu#5,MON#1', [5, 29]),
    # one of them, or both: 2024-02-01 is a Thursday
    ('13 THU', [1, 8, 13, 15, 22, 29]),
    ('*/7 THU', [1, 8, 15, 22, 29]),
    ('1-8 */4', [1, 4, 8]),
])
def test_the_days_of_february_2024(days, expected):
    day, weekday = days.split()
    crontab = Crontab(f'30 9 {day} feb {weekday}')
    hours = [datetime(2024, 2, 1, 9, 30) + timedelta(hours=number)
             for number in range(29 * 24)]
    assert [wall for wall in hours if crontab.matches(wall)] == [
        datetime(2024, 2, number, 9, 30) for number in expected]


def test_the_last_working_day():
    crontab = Crontab('0 0 LW * *')
    assert crontab.matches(datetime(2024, 3, 29))  # a Friday
    assert not crontab.matches(datetime(2024, 3, 31))


def test_six_fields_begin_with_the_second():
    assert Crontab('15/20 * * * * *').seconds == {15, 35, 55}
    assert Crontab('5 * * * *').seconds == {0}
