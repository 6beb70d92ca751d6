"""Times, durations and numbers on pages."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from zodbschedule.reading import ProgressFacts
from zodbschedule.web.wording import Words


NOW = datetime(2030, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def words():
    return Words(NOW, ZoneInfo('Europe/Berlin'))


@pytest.mark.parametrize('instant, told', [
    (NOW, 'today 09:00:00'),
    (NOW + 15 * HOUR, 'tomorrow 00:00:00'),
    (NOW - 10 * HOUR, 'yesterday 23:00:00'),
    (NOW + 72 * HOUR, 'Sun 3 Feb 09:00:00'),
    (NOW - 10_000 * HOUR, 'Sun 10 Dec 2028 17:00:00')])
def test_a_moment_is_a_day_and_a_time(words, instant, told):
    assert words.moment(instant) == told


def test_numbers_are_easy_to_read(words):
    assert words.number(10_000) == '10\u202f000'
    assert words.progress(ProgressFacts(6.0, 15.0)) == '6 of 15'
    assert words.progress(ProgressFacts(.5, 1.0)) == '0.5 of 1'
    assert words.zone_name == 'Europe/Berlin'
