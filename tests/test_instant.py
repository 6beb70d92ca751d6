"""Instants: in, out, and as numbers."""

from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from datetime import tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import moment_of
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidTime


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
PARIS = ZoneInfo('Europe/Paris')


class Undecided(tzinfo):
    """A zone that does not say how far it is from UTC."""

    def utcoffset(self, moment):
        return None


class Moment(datetime):
    """As freezegun and others make them."""


@given(st.datetimes(
    datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.timezones()))
def test_an_aware_datetime_becomes_the_same_instant_in_utc(moment):
    instant = as_utc(moment)
    assert instant == moment.astimezone(UTC)
    assert type(instant) is datetime
    assert instant.tzinfo is UTC
    assert instant.fold == 0
    assert from_micros(to_micros(instant)) == instant
    assert from_micros(to_micros(moment)) == instant


@given(st.integers(-62135596800000000, 253402300799999999))
def test_microseconds_are_exact(micros):
    assert to_micros(from_micros(micros)) == micros


def test_both_sides_of_a_fold_are_told_apart():
    first = datetime(2024, 10, 27, 2, 30, tzinfo=PARIS)
    assert as_utc(first).isoformat() == '2024-10-27T00:30:00+00:00'
    assert as_utc(first.replace(fold=1)).isoformat() == (
        '2024-10-27T01:30:00+00:00')


def test_a_time_in_a_gap_is_what_its_zone_says():
    gap = datetime(2024, 3, 31, 2, 30, tzinfo=PARIS)
    assert as_utc(gap).isoformat() == '2024-03-31T01:30:00+00:00'


def test_a_fold_in_utc_is_dropped():
    moment = datetime(2003, 4, 1, tzinfo=UTC, fold=1)
    assert as_utc(moment).fold == 0


def test_a_subclass_of_datetime_becomes_a_datetime():
    instant = as_utc(Moment(2003, 4, 1, tzinfo=UTC))
    assert type(instant) is datetime
    assert instant == datetime(2003, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize('moment', [
    datetime(2003, 4, 1), datetime(2003, 4, 1, tzinfo=Undecided())])
def test_a_naive_datetime_is_refused_and_says_how_to_mend_it(moment):
    with pytest.raises(InvalidTime) as error:
        as_utc(moment, 'start')
    assert str(error.value) == (
        f'start is {moment!r}, which names no time zone; say which one is '
        f'meant, for instance moment.replace(tzinfo=timezone.utc)')
    mended = moment.replace(tzinfo=timezone.utc)
    assert as_utc(mended) == mended


@pytest.mark.parametrize('moment', [
    None, '2003-04-01', 1049155200, date(2003, 4, 1), timedelta(1), datetime])
def test_what_is_no_datetime_is_refused(moment):
    with pytest.raises(InvalidTime) as error:
        as_utc(moment)
    assert str(error.value) == (
        f'time is {moment!r}; it has to be an aware datetime, such as '
        f'datetime.now(timezone.utc)')


@pytest.mark.parametrize('moment', [
    datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))])
def test_an_instant_beyond_the_years_of_utc_is_refused(moment):
    with pytest.raises(InvalidTime) as error:
        as_utc(moment)
    assert str(error.value) == (
        f'time is {moment!r}, which is outside the years 1 to 9999 of UTC')


# -- A time or a delay


@pytest.mark.parametrize('time, delay, expected', [
    (None, None, None),
    (NOON, None, NOON),
    (None, timedelta(hours=1), NOON + timedelta(hours=1)),
    (None, timedelta(hours=-1), NOON - timedelta(hours=1)),
    (None, timedelta(0), NOON),
])
def test_a_moment_is_a_time_or_comes_after_a_delay(time, delay, expected):
    assert moment_of(time, delay, NOON) == expected


@pytest.mark.parametrize('time, delay, message', [
    (NOON, timedelta(0), 'give one of them'),
    (None, 60, 'delay is 60; it has to be a timedelta'),
    (None, timedelta.max, 'leads beyond the years 1 to 9999'),
    (None, timedelta.min, 'leads beyond the years 1 to 9999'),
])
def test_no_moment_comes_of_both_or_of_a_wrong_delay(time, delay, message):
    with pytest.raises(InvalidTime, match=message):
        moment_of(time, delay, NOON)
