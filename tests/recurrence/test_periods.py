"""The period of an `Every`: what is no period is told what to write."""

from datetime import timedelta

import pytest
from dateutil.relativedelta import relativedelta

from zodbschedule import Every
from zodbschedule import InvalidRecurrence


MONTHS = 'and a month has no fixed length; write RRule({!r}, dtstart)'
KEEPS = ('; for the same time of day whatever the clocks do, write '
         'RRule({!r}, dtstart)')


@pytest.mark.parametrize('period, instead', [
    (relativedelta(months=2), MONTHS.format('FREQ=MONTHLY;INTERVAL=2')),
    (relativedelta(years=1), MONTHS.format('FREQ=YEARLY')),
    (relativedelta(years=1, months=6),
     MONTHS.format('FREQ=MONTHLY;INTERVAL=18')),
    (relativedelta(months=1, days=3),
     'and no rule repeats by months and days together'),
    (relativedelta(days=3, hours=2), 'such as timedelta(days=3, hours=2)'),
    (relativedelta(months=-1), 'such as timedelta(minutes=15)'),
    ('2 months', MONTHS.format('FREQ=MONTHLY;INTERVAL=2')),
    ('Every 3 Months', MONTHS.format('FREQ=MONTHLY;INTERVAL=3')),
    ('monthly', MONTHS.format('FREQ=MONTHLY')),
    ('quarterly', MONTHS.format('FREQ=MONTHLY;INTERVAL=3')),
    ('annually', MONTHS.format('FREQ=YEARLY')),
    ('2y', MONTHS.format('FREQ=YEARLY;INTERVAL=2')),
    ('0 months', 'such as timedelta(minutes=15)'),
    ('daily', 'such as timedelta(days=1)' + KEEPS.format('FREQ=DAILY')),
    ('2 weeks', 'such as timedelta(weeks=2)' + KEEPS.format(
        'FREQ=WEEKLY;INTERVAL=2')),
    ('15m', 'such as timedelta(minutes=15)'),
    ('1h', 'such as timedelta(hours=1)'),
    (30, 'such as timedelta(seconds=30) or timedelta(minutes=30)'),
    (0, 'such as timedelta(minutes=15)'),
    ('often', 'such as timedelta(minutes=15)')])
def test_what_is_no_period_is_told_what_to_write(period, instead):
    with pytest.raises(InvalidRecurrence) as error:
        Every(period)
    assert str(error.value) == (
        f'period is {period!r}; it has to be a timedelta of more than zero, '
        f'{instead}')


class Duration(timedelta):
    """As some libraries have it: a timedelta that remembers its months."""

    months = 1


def test_a_timedelta_of_months_is_refused():
    with pytest.raises(InvalidRecurrence, match="RRule.'FREQ=MONTHLY'"):
        Every(Duration(days=30))
    assert Every(timedelta(days=30)).period.days == 30
