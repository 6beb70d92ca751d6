"""Recurrences: when next, in known cases, and what is refused."""

import dataclasses
import datetime as datetime_module
import pickle
import sys
import time
import zoneinfo
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil.tz import gettz
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyClass
from zope.interface.verify import verifyObject

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import InvalidRecurrence
from zodbschedule import InvalidTime
from zodbschedule import RRule
from zodbschedule.interfaces import IRecurrence
from zodbschedule.recurrence.rrule import MAX_COUNT
from zodbschedule.recurrence.rrule import parse
from zodbschedule.recurrence.walltimes import MAX_TRANSITIONS
from zodbschedule.recurrence.walltimes import WallTimes
from zodbschedule.recurrence.zones import LATEST
from zodbschedule.recurrence.zones import zone_of


BERLIN = ZoneInfo('Europe/Berlin')
NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAILY = RRule('FREQ=DAILY', datetime(2024, 1, 1, 2, 30, tzinfo=BERLIN))
RULES = [Every(HOUR), Every(HOUR, NOON), Cron('30 2 * * *', 'Europe/Berlin'),
         DAILY]


def texts(rule, moment, count=3):
    """The next occurrences, as text, in the rule's zone."""
    return [str(one) for one in rule.upcoming(utc(moment), count)]


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# -- All of them


@pytest.mark.parametrize('rule', RULES)
def test_a_rule_keeps_the_contract(rule):
    assert verifyClass(IRecurrence, type(rule), tentative=False)
    assert verifyObject(IRecurrence, rule, tentative=False)


@pytest.mark.parametrize('rule', RULES)
def test_a_rule_cannot_be_changed(rule):
    for field in dataclasses.fields(rule):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(rule, field.name, None)


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('moment', [datetime(2024, 1, 1), None, '2024-01-01'])
def test_a_moment_has_to_be_aware(rule, moment):
    for ask in (rule.next_after, rule.describe,
                lambda moment: list(rule.upcoming(moment, 1)),
                lambda moment: rule.passed(moment, NOON, 1),
                lambda moment: rule.passed(NOON, moment, 1)):
        with pytest.raises(InvalidTime):
            ask(moment)


def test_upcoming_is_lazy():
    upcoming = Every(HOUR, NOON).upcoming(NOON, sys.maxsize)
    assert list(islice(upcoming, 2)) == [NOON + HOUR, NOON + 2 * HOUR]


@pytest.mark.parametrize('rule', RULES)
def test_a_pickle_is_small_and_holds_no_zone(rule):
    data = pickle.dumps(rule)
    assert len(data) < 250
    assert b'zoneinfo' not in data
    assert pickle.loads(data) == rule
    assert hash(pickle.loads(data)) == hash(rule)


def test_a_rule_can_be_loaded_where_its_zone_is_unknown():
    data = pickle.dumps(Cron('@daily', 'Europe/Berlin'))
    rule = pickle.loads(data.replace(b'Europe/Berlin', b'Europe/Nowhere'[:13]))
    with pytest.raises(InvalidRecurrence, match="'Europe/Nowher'"):
        rule.next_after(NOON)


@pytest.mark.parametrize('rule', RULES[1:])
def test_only_a_rule_without_a_start_can_be_anchored(rule):
    assert rule.anchored(NOON) is rule


@pytest.mark.parametrize('rule', [
    *RULES, Cron('* * * * *', 'America/New_York'),
    Cron('59 23 31 12 *', 'America/New_York'),
    RRule('FREQ=DAILY', NOON.astimezone(ZoneInfo('Asia/Tokyo')))])
def test_the_calendar_ends_with_the_year_9999(rule):
    last = datetime.max.replace(tzinfo=UTC)
    assert rule.next_after(last) is None
    assert len(list(rule.upcoming(last - timedelta(days=5), 9999))) < 9999


@pytest.mark.parametrize('rule', [
    Every(timedelta.max), Cron('0 0 29 2 *', 'UTC'),
    RRule('FREQ=YEARLY;INTERVAL=9000', NOON),
    RRule('FREQ=DAILY;INTERVAL=9000000', NOON)])
def test_there_may_be_no_other_before_the_year_9999_ends(rule):
    assert rule.next_after(utc('9997-01-01')) is None


@pytest.mark.parametrize('rule', RULES)
def test_the_calendar_begins_with_the_year_1(rule):
    first = datetime.min.replace(tzinfo=UTC)
    assert rule.next_after(first) > first
    assert rule.describe(first)


# -- Every


def test_every_is_counted_from_its_start():
    rule = Every(timedelta(minutes=90), NOON)
    assert texts(rule, '2003-04-01 12:00') == [
        '2003-04-01 13:30:00+00:00', '2003-04-01 15:00:00+00:00',
        '2003-04-01 16:30:00+00:00']
    assert rule.next_after(utc('2003-04-01 13:29:59')).minute == 30
    assert rule.start == NOON


def test_every_begins_with_its_start():
    assert Every(HOUR, NOON).next_after(utc('1999-01-01 00:30')) == NOON


def test_every_without_a_start_goes_on_from_the_moment():
    rule = Every(HOUR)
    assert rule.start is None
    assert rule.next_after(utc('2003-04-01 12:20')) == utc('2003-04-01 13:20')
    assert rule.anchored(NOON) == Every(HOUR, NOON)


def test_every_is_elapsed_time_in_the_zone_of_its_start():
    rule = Every(timedelta(days=1), datetime(2024, 3, 30, 12, tzinfo=BERLIN))
    assert texts(rule, '2024-03-30 12:00', 2) == [
        '2024-03-31 13:00:00+02:00', '2024-04-01 13:00:00+02:00']
    assert rule.next_after(NOON).tzinfo is BERLIN
    assert rule.note(rule.next_after(NOON)) is None
    assert 'no gap and no fold' in rule.describe(NOON)


def test_every_keeps_a_fixed_distance_and_takes_utc_for_a_nameless_zone():
    east = timezone(timedelta(hours=5, minutes=30))
    assert Every(HOUR, NOON.astimezone(east)).start.tzinfo == east
    assert Every(HOUR, NOON.astimezone(gettz('Europe/Paris'))).start == NOON


def test_every_does_not_drift():
    rule = Every(timedelta(microseconds=1), NOON)
    late = utc('2303-04-01 12:00')
    assert rule.next_after(late) - late == timedelta(microseconds=1)


@pytest.mark.parametrize('start, end, limit, count', [
    ('2003-04-01 12:00', '2003-04-01 15:00', 9, 3),
    ('2003-04-01 11:59', '2003-04-01 15:00', 9, 4),
    ('2003-04-01 12:00', '2003-04-01 15:00', 2, 2),
    ('1999-01-01', '2003-04-01 11:00', 9, 0),
    ('2003-04-01 15:00', '2003-04-01 12:00', 9, 0),
    ('2003-04-01 12:00', '9999-12-31', 10 ** 9, 70097988),
])
def test_every_knows_how_many_have_passed(start, end, limit, count):
    assert Every(HOUR, NOON).passed(utc(start), utc(end), limit) == count


def test_every_without_a_start_counts_from_the_moment():
    assert Every(HOUR).passed(NOON, NOON + 150 * timedelta(minutes=1), 9) == 2


@pytest.mark.parametrize('rule, text', [
    (Every(timedelta(days=1, hours=2)), 'every 1 day 2 hours'),
    (Every(timedelta(minutes=15)), 'every 15 minutes'),
    (Every(timedelta(seconds=.5)), 'every 0.5 seconds'),
    (Every(HOUR, NOON), 'every hour from 2003-04-01 12:00 in UTC'),
    (Cron('30 2 * * *', 'UTC'), 'every day at 02:30, in UTC'),
    (DAILY, 'every day at 02:30, from 2024-01-01, in Europe/Berlin'),
    (RRule('FREQ=DAILY', NOON, exdate=[NOON], rdate=[NOON + HOUR, NOON]),
     'every day at 12:00, from 2003-04-01, in UTC, 1 left out, 2 added'),
])
def test_a_rule_can_be_read(rule, text):
    assert str(rule) == text


@pytest.mark.parametrize('rule', [
    *RULES, Cron('*/5 * * * *', 'UTC', gap='next', fold='first'),
    Cron('5 5 * * *', 'UTC', gap='skip'), Cron('@hourly', ZoneInfo('UTC')),
    RRule('FREQ=DAILY', NOON, exdate=[NOON], rdate=[NOON], gap='next')])
def test_the_repr_of_a_rule_gives_an_equal_one(rule):
    assert eval(repr(rule), {
        'Every': Every, 'Cron': Cron, 'RRule': RRule,
        'datetime': datetime_module, 'zoneinfo': zoneinfo}) == rule


# -- Gaps and folds, known ones


@pytest.mark.parametrize('expression, zone, moment, occurrences', [
    # the clocks go forward from 02:00 to 03:00
    ('30 2 * * *', 'Europe/Berlin', '2024-03-30 12:00', [
        '2024-03-31 03:00:00+02:00', '2024-04-01 02:30:00+02:00']),
    ('15,45 2 * * *', 'Europe/Berlin', '2024-03-30 12:00', [
        '2024-03-31 03:00:00+02:00', '2024-04-01 02:15:00+02:00']),
    ('0 2,3 * * *', 'Europe/Berlin', '2024-03-30 12:00', [
        '2024-03-31 03:00:00+02:00', '2024-04-01 02:00:00+02:00']),
    ('*/30 * * * *', 'Europe/Berlin', '2024-03-31 00:30', [
        '2024-03-31 03:00:00+02:00', '2024-03-31 03:30:00+02:00']),
    ('15 * * * *', 'Europe/Berlin', '2024-03-31 00:00', [
        '2024-03-31 01:15:00+01:00', '2024-03-31 03:15:00+02:00']),
    # and back from 03:00 to 02:00
    ('30 2 * * *', 'Europe/Berlin', '2024-10-26 12:00', [
        '2024-10-27 02:30:00+02:00', '2024-10-28 02:30:00+01:00']),
    ('*/30 * * * *', 'Europe/Berlin', '2024-10-26 23:59', [
        '2024-10-27 02:00:00+02:00', '2024-10-27 02:30:00+02:00',
        '2024-10-27 02:00:00+01:00', '2024-10-27 02:30:00+01:00',
        '2024-10-27 03:00:00+01:00']),
    ('*/30 2 * * *', 'Europe/Berlin', '2024-10-27 00:45', [
        '2024-10-27 02:00:00+01:00', '2024-10-27 02:30:00+01:00']),
    # by half an hour
    ('45 * * * *', 'Australia/Lord_Howe', '2024-04-06 14:00', [
        '2024-04-07 01:45:00+11:00', '2024-04-07 01:45:00+10:30',
        '2024-04-07 02:45:00+10:30']),
    ('15 2 * * *', 'Australia/Lord_Howe', '2024-10-05 12:00', [
        '2024-10-06 02:30:00+11:00', '2024-10-07 02:15:00+11:00']),
    # by two hours
    ('30 1 * * *', 'Antarctica/Troll', '2024-03-30 12:00', [
        '2024-03-31 03:00:00+02:00', '2024-04-01 01:30:00+02:00']),
    # at midnight
    ('30 0 * * *', 'Asia/Beirut', '2024-03-30 12:00', [
        '2024-03-31 01:00:00+03:00', '2024-04-01 00:30:00+03:00']),
    ('@daily', 'America/Sao_Paulo', '2018-11-03 12:00', [
        '2018-11-04 01:00:00-02:00', '2018-11-05 00:00:00-02:00']),
    # days that were left out
    ('0 12 * * *', 'Pacific/Apia', '2011-12-29 12:00', [
        '2011-12-29 12:00:00-10:00', '2011-12-31 00:00:00+14:00',
        '2011-12-31 12:00:00+14:00']),
    ('0 */12 * * *', 'Pacific/Apia', '2011-12-29 12:00', [
        '2011-12-29 12:00:00-10:00', '2011-12-31 00:00:00+14:00',
        '2011-12-31 12:00:00+14:00']),
    ('0 12 * * *', 'Pacific/Kwajalein', '1993-08-20 12:00', [
        '1993-08-20 12:00:00-12:00', '1993-08-22 00:00:00+12:00',
        '1993-08-22 12:00:00+12:00']),
    # winter time is the one that differs from standard time
    ('30 1 * * *', 'Europe/Dublin', '2024-03-30 12:00', [
        '2024-03-31 02:00:00+01:00', '2024-04-01 01:30:00+01:00']),
    # another zone time from now on
    ('30 2 * * *', 'America/Caracas', '2016-04-30 12:00', [
        '2016-05-01 03:00:00-04:00', '2016-05-02 02:30:00-04:00']),
    ('45 23 * * *', 'Asia/Pyongyang', '2018-05-04 00:00', [
        '2018-05-05 00:00:00+09:00', '2018-05-05 23:45:00+09:00']),
    # there are others than daily ones
    ('0 9 L * *', 'UTC', '2024-02-01', ['2024-02-29 09:00:00+00:00']),
    ('0 9 * * MON#1', 'UTC', '2024-02-01', ['2024-02-05 09:00:00+00:00']),
    ('0 9 * * 5L', 'UTC', '2024-02-01', ['2024-02-23 09:00:00+00:00']),
    ('0 0 29 2 *', 'UTC', '2024-03-01', ['2028-02-29 00:00:00+00:00']),
    ('0 0 1 1 *', 'Europe/Berlin', '2024-03-01', [
        '2025-01-01 00:00:00+01:00']),
    ('*/20 30 2 * * *', 'UTC', '2024-03-01 02:30', [
        '2024-03-01 02:30:20+00:00', '2024-03-01 02:30:40+00:00']),
    ('@Hourly', 'UTC', '2024-03-01 02:30', ['2024-03-01 03:00:00+00:00']),
    ('0 0 1 jan,Feb mon', 'UTC', '2024-03-01', ['2025-01-01 00:00:00+00:00']),
])
def test_cron_in_known_cases(expression, zone, moment, occurrences):
    rule = Cron(expression, zone)
    assert texts(rule, moment, len(occurrences)) == occurrences


@pytest.mark.parametrize('expression, options, moment, occurrences', [
    ('30 2 * * *', {'gap': 'skip'}, '2024-03-30 12:00', [
        '2024-04-01 02:30:00+02:00']),
    ('*/30 * * * *', {'gap': 'next'}, '2024-03-31 00:30', [
        '2024-03-31 03:00:00+02:00', '2024-03-31 03:30:00+02:00']),
    ('15 * * * *', {'gap': 'next'}, '2024-03-31 00:15', [
        '2024-03-31 03:00:00+02:00', '2024-03-31 03:15:00+02:00']),
    ('30 2 * * *', {'fold': 'second'}, '2024-10-26 12:00', [
        '2024-10-27 02:30:00+01:00', '2024-10-28 02:30:00+01:00']),
    ('30 2 * * *', {'fold': 'both'}, '2024-10-26 12:00', [
        '2024-10-27 02:30:00+02:00', '2024-10-27 02:30:00+01:00',
        '2024-10-28 02:30:00+01:00']),
    ('*/30 2 * * *', {'fold': 'first'}, '2024-10-27 00:15', [
        '2024-10-27 02:30:00+02:00', '2024-10-28 02:00:00+01:00']),
])
def test_what_happens_in_gaps_and_folds_can_be_chosen(
        expression, options, moment, occurrences):
    rule = Cron(expression, 'Europe/Berlin', **options)
    assert texts(rule, moment, len(occurrences)) == occurrences


def test_an_occurrence_tells_the_two_of_a_fold_apart():
    rule = Cron('30 2 * * *', 'Europe/Berlin', fold='both')
    assert [one.fold for one in rule.upcoming(
        utc('2024-10-26 12:00'), 3)] == [0, 1, 0]


@pytest.mark.parametrize('rule, moment, notes', [
    (Cron('30 2 * * *', 'Europe/Berlin'), '2024-03-30 12:00', [
        '02:30 does not exist that day', None]),
    (Cron('15,45 2 * * *', 'Europe/Berlin'), '2024-03-30 12:00', [
        '02:15 and 02:45 do not exist that day', None]),
    (Cron('5 30 2 * * *', 'Europe/Berlin'), '2024-03-30 12:00', [
        '02:30:05 does not exist that day', None]),
    (Cron('0 12 * * *', 'Pacific/Apia'), '2011-12-30 00:00', [
        '2011-12-30 12:00 does not exist', None]),
    (Cron('30 2 * * *', 'Europe/Berlin', fold='both'), '2024-10-26 12:00', [
        '02:30 comes twice that day; this is the first',
        '02:30 comes twice that day; this is the second', None]),
    (Cron('0 * * * *', 'Europe/Berlin'), '2024-03-31 00:00', [None, None]),
    (Cron('0 3 * * *', 'Europe/Berlin'), '2024-03-30 12:00', [None, None]),
    (DAILY, '2024-10-26 12:00', [
        '02:30 comes twice that day; this is the first', None]),
])
def test_a_note_says_what_a_gap_or_a_fold_has_done(rule, moment, notes):
    assert [rule.note(one) for one in rule.upcoming(
        utc(moment), len(notes))] == notes


@pytest.mark.parametrize('rule, gap, fold', [
    (Cron('30 2 * * *', 'Europe/Berlin'),
     '02:00 to 03:00 does not exist; 02:30 occurs once, at 03:00.',
     '02:00 to 03:00 comes twice; 02:30 occurs the first time only.'),
    (Cron('30 2 * * *', 'Europe/Berlin', gap='skip', fold='second'),
     '02:00 to 03:00 does not exist; 02:30 is left out.',
     '02:00 to 03:00 comes twice; 02:30 occurs the second time only.'),
    (Cron('*/20 * * * *', 'Europe/Berlin'),
     '02:00 to 03:00 does not exist; 02:00, 02:20 and others are left out.',
     '02:00 to 03:00 comes twice; 02:00, 02:20 and others occur both times.'),
    (Cron('0 9 * * *', 'Europe/Berlin'),
     '02:00 to 03:00 does not exist; nothing is due then.',
     '02:00 to 03:00 comes twice; nothing is due then.'),
    (Cron('0 3 * * *', 'Europe/Berlin'),
     '02:00 to 03:00 does not exist; nothing is due then.',
     '02:00 to 03:00 comes twice; nothing is due then.'),
    (RRule('FREQ=DAILY;UNTIL=20240501T000000Z', DAILY.dtstart),
     '02:00 to 03:00 does not exist; 02:30 is left out.',
     '02:00 to 03:00 comes twice; nothing is due then.'),
])
def test_a_description_tells_of_the_next_gap_and_the_next_fold(
        rule, gap, fold):
    assert rule.describe(utc('2024-03-30')) == (
        f'Next gap: 2024-03-31, {gap}\nNext fold: 2024-10-27, {fold}')


def test_nothing_is_due_in_the_gaps_and_folds_after_the_last_occurrence():
    rule = RRule('FREQ=DAILY;COUNT=3', DAILY.dtstart)
    assert rule.describe(NOON.replace(year=2024)).count('nothing is due') == 2


def test_a_zone_without_transitions_is_described():
    assert Cron('@daily', 'UTC').describe(NOON) == (
        'Next gap: none within ten years.\n'
        'Next fold: none within ten years.')


def test_cron_counts_what_has_passed():
    rule = Cron('*/20 * * * *', 'Europe/Berlin')
    start, end = utc('2024-10-26 22:00'), utc('2024-10-27 22:00')
    assert rule.passed(start, end, 1000) == 72
    assert rule.passed(start, end, 10) == 10
    assert rule.passed(end, start, 10) == 0


def test_a_name_and_a_zone_say_the_same():
    assert Cron('@daily', BERLIN) == Cron('  @daily ', 'Europe/Berlin')
    assert Cron('0 1 * * *', timezone.utc) == Cron('0  1 * * *', 'UTC')
    assert Cron('0 1 * * *', 'UTC', 'next') == Cron('0 1 * * *', 'UTC')
    assert Cron('0 1 * * *', 'UTC') != Cron('0 1 * * *', 'Europe/Berlin')


# -- RRule


@pytest.mark.parametrize('text, options, moment, occurrences', [
    ('FREQ=DAILY', {}, '2024-03-30 12:00', [
        '2024-04-01 02:30:00+02:00', '2024-04-02 02:30:00+02:00']),
    ('RRULE:FREQ=DAILY', {'gap': 'next'}, '2024-03-30 12:00', [
        '2024-03-31 03:00:00+02:00', '2024-04-01 02:30:00+02:00']),
    ('freq=daily', {'fold': 'both'}, '2024-10-26 12:00', [
        '2024-10-27 02:30:00+02:00', '2024-10-27 02:30:00+01:00',
        '2024-10-28 02:30:00+01:00']),
    ('FREQ=DAILY;COUNT=2', {}, '2023-01-01', [
        '2024-01-01 02:30:00+01:00', '2024-01-02 02:30:00+01:00', None]),
    ('FREQ=DAILY;UNTIL=20240102T013000Z', {}, '2024-01-01 12:00', [
        '2024-01-02 02:30:00+01:00', None]),
    ('FREQ=DAILY;COUNT=91', {}, '2024-03-30 12:00', [
        '2024-04-01 02:30:00+02:00', None]),
    ('FREQ=DAILY;COUNT=91', {'gap': 'next'}, '2024-03-30 12:00', [
        '2024-03-31 03:00:00+02:00', None]),
    ('FREQ=WEEKLY;BYDAY=MO,FR;INTERVAL=2', {}, '2024-01-02', [
        '2024-01-05 02:30:00+01:00', '2024-01-15 02:30:00+01:00']),
    ('FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0', {}, '2024-01-02', [
        '2024-01-26 09:00:00+01:00', '2024-02-23 09:00:00+01:00']),
    ('FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29', {}, '2024-01-02', [
        '2024-02-29 02:30:00+01:00', '2028-02-29 02:30:00+01:00']),
    ('FREQ=DAILY\nEXDATE:20240102T013000Z,20240103T013000Z', {},
     '2024-01-01 12:00', ['2024-01-04 02:30:00+01:00']),
    ('FREQ=DAILY\nEXDATE;TZID=Europe/Berlin:20240102T023000', {},
     '2024-01-01 12:00', ['2024-01-03 02:30:00+01:00']),
    ('RRULE:FREQ=DAILY;COUNT=1\nRDATE;VALUE=DATE-TIME:2024\n 0105T120000', {},
     '2023-01-01', ['2024-01-01 02:30:00+01:00', '2024-01-05 12:00:00+01:00',
                    None]),
    ('FREQ=DAILY;COUNT=1', {'rdate': [NOON], 'exdate': DAILY.dtstart},
     '2003-01-01', ['2003-04-01 14:00:00+02:00', None]),
    ('FREQ=SECONDLY;INTERVAL=7;BYHOUR=3;BYMONTH=2;BYMONTHDAY=29', {},
     '2025-01-02', ['2028-02-29 03:00:00+01:00']),
    ('FREQ=HOURLY;INTERVAL=100;BYDAY=SU', {}, '2024-01-02', [
        '2024-01-21 22:30:00+01:00']),
    ('FREQ=MINUTELY;INTERVAL=45;WKST=SU', {}, '2024-01-02', [
        '2024-01-02 01:45:00+01:00']),
    ('FREQ=YEARLY;BYWEEKNO=53', {}, '2024-01-02', [
        '2026-12-28 02:30:00+01:00']),
])
def test_rrule_in_known_cases(text, options, moment, occurrences):
    rule = RRule(text, DAILY.dtstart, **options)
    found = texts(rule, moment, len(occurrences))
    if occurrences[-1] is None:
        assert found == occurrences[:-1]
    else:
        assert found == occurrences


def test_the_start_may_be_the_second_of_a_fold():
    start = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)
    rule = RRule('FREQ=DAILY', start)
    assert rule.dtstart.fold == 1
    assert texts(rule, '2024-10-26', 2) == [
        '2024-10-27 02:30:00+01:00', '2024-10-28 02:30:00+01:00']
    assert rule != RRule('FREQ=DAILY', start.replace(fold=0))


def test_the_start_may_be_in_a_gap():
    start = datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN)
    assert texts(RRule('FREQ=DAILY', start), '2024-03-30', 1) == [
        '2024-04-01 02:30:00+02:00']
    assert texts(RRule('FREQ=DAILY', start, gap='next'), '2024-03-30', 1) == [
        '2024-03-31 03:00:00+02:00']


def test_parts_of_a_second_are_dropped():
    rule = RRule('FREQ=DAILY', NOON.replace(microsecond=999))
    assert rule.dtstart == NOON
    assert rule.next_after(NOON - HOUR) == NOON


def test_a_zone_may_be_a_fixed_distance():
    east = timezone(timedelta(hours=5, minutes=30))
    rule = RRule('FREQ=DAILY', datetime(2024, 1, 1, 9, tzinfo=east))
    assert texts(rule, '2024-01-01', 1) == ['2024-01-01 09:00:00+05:30']
    assert pickle.loads(pickle.dumps(rule)) == rule


def test_dates_are_shown_in_utc():
    rule = RRule('FREQ=DAILY', NOON, exdate=[NOON], rdate=[NOON + HOUR])
    assert rule.exdate == (NOON,)
    assert rule.rdate == (NOON + HOUR,)


def test_an_old_start_costs_little():
    def cost(start):
        rule = RRule('FREQ=DAILY', start)
        rule.next_after(now)
        begun = time.perf_counter()
        for _ in range(50):
            rule.next_after(now)
        return time.perf_counter() - begun

    now = utc('2024-06-15 12:00')
    new = datetime(2024, 6, 14, 9, tzinfo=BERLIN)
    old = new.replace(year=2004)
    assert min(cost(old) / cost(new) for _ in range(5)) < 3


# -- Bad input


@pytest.mark.parametrize('period', [timedelta(), timedelta(-1), None, 'x'])
def test_every_needs_a_period(period):
    with pytest.raises(InvalidRecurrence) as error:
        Every(period)
    assert str(error.value) == (
        f'period is {period!r}; it has to be a timedelta of more than zero, '
        f'such as timedelta(minutes=15)')


@pytest.mark.parametrize('make', [
    lambda start: Every(HOUR, start),
    lambda start: RRule('FREQ=DAILY', start),
    lambda start: RRule('FREQ=DAILY', NOON, exdate=[start]),
    lambda start: RRule('FREQ=DAILY', NOON, rdate=[start])])
def test_a_start_has_to_be_aware(make):
    with pytest.raises(InvalidRecurrence, match='names no time zone; say'):
        make(datetime(2024, 1, 1))
    with pytest.raises(InvalidRecurrence, match='has to be an aware'):
        make('2024-01-01')
    with pytest.raises(InvalidRecurrence, match='from 04 January of the year'):
        make(datetime.max.replace(tzinfo=UTC))


@pytest.mark.parametrize('expression, field', [
    ('60 * * * *', "minute is '60'"),
    ('* 24 * * *', "hour is '24'"),
    ('* * 32 * *', "day-of-month is '32'"),
    ('* * * 13 *', "month is '13'"),
    ('* * * * 8', "day-of-week is '8'"),
    ('* * * * FOO', "day-of-week is 'FOO'"),
    ('61 * * * * *', "second is '61'"),
    ('x * * * *', "minute is 'x'"),
    ('*/0 * * * *', "minute is '*/0'"),
    ('1,,2 * * * *', "minute is '1,,2'"),
    ('0 0 30 2 *', "day-of-month is '30'"),
])
def test_a_wrong_field_is_named(expression, field):
    with pytest.raises(InvalidRecurrence) as error:
        Cron(expression, 'UTC')
    assert str(error.value).startswith(
        f'{field} in the cron expression {expression!r}; it takes ')


@pytest.mark.parametrize('expression, message', [
    ('* * * *', 'has 4 fields; it takes minute, hour'),
    ('', 'has 0 fields'),
    ('@noon', 'has 1 field; it takes .* @hourly'),
    ('0 0 */31 * MON#2', 'never occurs: no year has such a day'),
    (f'{"9" * 5000} * * * *', 'has 5008 characters; it takes 1000 at most'),
    (None, 'cron expression is None; it has to be a str'),
])
def test_an_expression_that_makes_no_sense_is_refused(expression, message):
    with pytest.raises(InvalidRecurrence, match=message):
        Cron(expression, 'UTC')


@given(st.text('0123456789*/-,L#WSUNMON @', max_size=30))
@example('0 0 * * *')
@example('')
def test_whatever_is_typed_is_a_rule_or_refused(expression):
    try:
        rule = Cron(expression, 'Europe/Berlin')
    except InvalidRecurrence:
        return
    assert rule.next_after(NOON) is not None
    assert str(rule)


@pytest.mark.parametrize('zone', [
    'Europe/Nowhere', 'Europe', '', '/etc/passwd', '../UTC', 'a\0b', 'Zürich'])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(InvalidRecurrence) as error:
        Cron('@daily', zone)
    assert str(error.value) == (
        f'timezone is {zone!r}, which the time zone database does not know; '
        f"it takes a name such as 'Europe/Berlin' or 'UTC'")


@pytest.mark.parametrize('zone', [None, 1, timezone(HOUR), gettz('UTC')])
def test_a_zone_without_a_name_is_refused(zone):
    with pytest.raises(InvalidRecurrence, match='has to be a name of the'):
        Cron('@daily', zone)


@pytest.fixture
def no_zone_database(monkeypatch):
    def forget():
        zone_of.cache_clear()
        ZoneInfo.clear_cache()

    for name in [*sys.modules]:
        if name.startswith('tzdata.'):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'tzdata', None)
    zoneinfo.reset_tzpath(to=[])
    forget()
    yield
    zoneinfo.reset_tzpath()
    forget()


def test_a_machine_without_a_zone_database_is_told_how_to_get_one(
        no_zone_database):
    with pytest.raises(InvalidRecurrence, match='install tzdata'):
        Cron('@daily', 'Europe/Berlin')
    assert Cron('@daily', 'UTC').next_after(NOON)


@pytest.mark.parametrize('options, message', [
    ({'gap': 'later'}, "gap is 'later'; it has to be one of 'next', 'skip'"),
    ({'fold': 1}, "fold is 1; it has to be one of 'first', 'second', 'both'"),
])
def test_a_policy_that_there_is_not_is_refused(options, message):
    for make in (lambda: Cron('@daily', 'UTC', **options),
                 lambda: RRule('FREQ=DAILY', NOON, **options)):
        with pytest.raises(InvalidRecurrence) as error:
            make()
        assert str(error.value) == message


@pytest.mark.parametrize('text, message', [
    (None, 'has to be a str'),
    ('', 'has no rule; write one'),
    ('FREQ=DAILY\nFREQ=WEEKLY', 'has 2 rules; it takes one'),
    ('INTERVAL=2', 'has no FREQ; begin with one'),
    ('FREQ=DAYLY', 'has FREQ=DAYLY; it takes YEARLY, '),
    ('FREQ=DAILY;BYDAY', "has 'BYDAY'; its parts are, as in RFC 5545, FREQ"),
    ('FREQ=DAILY;BYTES=1', "has 'BYTES=1'; its parts are"),
    ('FREQ=DAILY;FREQ=DAILY', 'has FREQ twice'),
    ('FREQ=DAILY;INTERVAL=0', 'has INTERVAL=0; it takes a number from 1 on'),
    ('FREQ=DAILY;INTERVAL=x', 'has INTERVAL=X; it takes a number'),
    ('FREQ=DAILY;COUNT=2;UNTIL=20240101T000000Z', 'both COUNT and UNTIL'),
    (f'FREQ=DAILY;COUNT={MAX_COUNT + 1}',
     f'it takes {MAX_COUNT} at most, use UNTIL'),
    ('FREQ=DAILY;UNTIL=20241301T000000Z', 'it takes a moment such as'),
    ('FREQ=DAILY;WKST=XX', 'has WKST=XX; it takes MO, TU'),
    ('FREQ=DAILY;BYHOUR=24', 'has BYHOUR=24; it takes numbers from 0 to 23'),
    ('FREQ=DAILY;BYHOUR=-1', 'has BYHOUR=-1; it takes numbers from 0 to 23'),
    ('FREQ=DAILY;BYMONTHDAY=0', 'from 1 to 31, or -31 to -1'),
    ('FREQ=DAILY;BYMONTH=', 'has BYMONTH=; it takes numbers'),
    ('FREQ=WEEKLY;BYDAY=XX', 'has BYDAY=XX; it takes days'),
    ('FREQ=YEARLY;BYDAY=54MO', 'has BYDAY=54MO; it takes days'),
    ('FREQ=WEEKLY;BYDAY=1MO', 'numbers the days in BYDAY'),
    ('FREQ=YEARLY;BYDAY=1MO;BYWEEKNO=1', 'numbers the days in BYDAY'),
    ('FREQ=WEEKLY;BYMONTHDAY=1', 'does not allow with FREQ=WEEKLY'),
    ('FREQ=DAILY;BYWEEKNO=1', 'does not allow with FREQ=DAILY'),
    ('FREQ=DAILY;BYSETPOS=1', 'no other BY part'),
    ('FREQ=DAILY;BYDAY=MO;BYSETPOS=2', 'BYSETPOS has 1 to choose from'),
    ('FREQ=HOURLY;BYMINUTE=1,2;BYSETPOS=3', 'BYSETPOS has 2 to choose'),
    ('FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30', 'never occurs'),
    ('FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', 'never occurs'),
    ('FREQ=HOURLY;INTERVAL=24;BYHOUR=5', 'never occurs'),
    ('FREQ=DAILY;INTERVAL=7;BYDAY=TU', 'never occurs'),
    ('FREQ=DAILY;UNTIL=20230101T000000Z', 'never occurs from 2024-01-01'),
    ('FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU', 'never occurs'),
    ('FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;COUNT=3', 'never occurs'),
    ('FREQ=DAILY\nEXRULE:FREQ=WEEKLY', "has the line 'EXRULE:FREQ=WEEKLY'"),
    ('DTSTART:20240101T000000Z\nFREQ=DAILY', 'leave one of them out'),
    ('FREQ=DAILY\nEXDATE:2024', "has '2024' in 'EXDATE:2024'"),
    ('FREQ=DAILY\nEXDATE;VALUE=TEXT:20240101', 'has VALUE=TEXT in'),
    ('FREQ=DAILY\nRDATE;TZID=Nowhere:20240101T000000', "timezone is 'Nowher"),
])
def test_an_rrule_that_makes_no_sense_is_refused(text, message):
    with pytest.raises(InvalidRecurrence, match=message):
        RRule(text, DAILY.dtstart)


@pytest.mark.parametrize('text, days', [
    ('FREQ=WEEKLY', ['01', '08', '15']),
    ('FREQ=DAILY;BYHOUR=1,2;BYSETPOS=-1', ['01', '02', '03'])])
def test_what_an_rrule_leaves_open_is_that_of_its_start(text, days):
    start = datetime(2024, 1, 1, 2, 30, tzinfo=BERLIN)
    found = RRule(text, start).upcoming(start - HOUR, 3)
    assert [str(one) for one in found] == [
        f'2024-01-{day} 02:30:00+01:00' for day in days]


def test_a_zone_that_cannot_be_kept_by_name_is_refused():
    start = datetime(2024, 1, 1, tzinfo=gettz('Europe/Berlin'))
    with pytest.raises(InvalidRecurrence, match='write it with zoneinfo'):
        RRule('FREQ=DAILY', start)


# -- What a rule by hours does in a fold


AUTUMN = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)


def test_a_rule_by_hours_goes_through_both_hours_of_a_fold():
    rule = RRule('FREQ=HOURLY', datetime(
        2026, 10, 1, tzinfo=ZoneInfo('Europe/Berlin')))
    found = [moment.astimezone(UTC) for moment in rule.upcoming(AUTUMN, 3)]
    assert found == [AUTUMN + timedelta(minutes=minutes)
                     for minutes in (30, 90, 150)]
    assert repr(rule).count('fold') == 0


def test_a_rule_by_days_takes_the_first_of_two():
    rule = RRule('FREQ=DAILY;BYHOUR=2', datetime(
        2026, 10, 1, tzinfo=ZoneInfo('Europe/Berlin')))
    found = [moment.astimezone(UTC) for moment in rule.upcoming(AUTUMN, 2)]
    assert found[0] == datetime(2026, 10, 25, tzinfo=UTC)
    assert found[1].day == 26


@pytest.mark.parametrize('fold, last', [
    ('both', datetime(2026, 10, 25, 2)), ('first', datetime(2026, 10, 25, 3))])
def test_what_comes_twice_counts_twice(fold, last):
    rule = RRule('FREQ=HOURLY;COUNT=4', datetime(
        2026, 10, 25, 0, tzinfo=ZoneInfo('Europe/Berlin')), fold=fold)
    found = list(rule.upcoming(AUTUMN - timedelta(days=1), 9))
    assert len(found) == 4
    assert found[-1].replace(tzinfo=None) == last


def test_a_rule_may_end_at_a_transition():
    transition = datetime(2026, 10, 25, 1, tzinfo=UTC)
    rule = RRule('FREQ=HOURLY;UNTIL=20261025T010000Z', datetime(
        2026, 10, 25, tzinfo=ZoneInfo('Europe/Berlin')))
    *_, last = rule.upcoming(AUTUMN, 9)
    assert last.astimezone(UTC) == transition


# -- Zones


@pytest.mark.parametrize('zone, wall, instants', [
    ('Europe/Berlin', '2024-10-27 02:30', ['00:30', '01:30']),
    ('America/New_York', '2024-11-03 01:30', ['05:30', '06:30']),
    ('Pacific/Auckland', '2024-04-07 02:30', ['13:30', '14:30']),
    ('Europe/Berlin', '2024-03-31 02:30', []),
    ('America/New_York', '2024-03-10 02:30', []),
    ('Pacific/Auckland', '2024-09-29 02:30', []),
    ('Pacific/Auckland', '2024-09-29 03:00', ['14:00'])])
def test_a_wall_time_has_no_instant_or_one_or_two(zone, wall, instants):
    found = zone_of(zone).instants(datetime.fromisoformat(wall))
    assert [f'{instant:%H:%M}' for instant in found] == instants


# -- The search is bounded


@pytest.mark.parametrize('end, most', [
    (LATEST, MAX_TRANSITIONS + 1), (NOON + 365 * 24 * HOUR, 4)])
def test_a_search_for_times_that_are_always_skipped_ends(end, most):
    def propose(wall):
        starts.append(wall)
        return rule.wall_times(wall)

    rule = parse('FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU',
                 datetime(2003, 3, 30, 2, 30))
    starts = []
    times = WallTimes(propose, zone_of('Europe/Berlin'), 'skip', 'first',
                      end=end)
    assert times.next_after(NOON) is None
    assert len(starts) <= most


# -- At the end of the calendar


LAST = datetime(9999, 12, 24, tzinfo=UTC)


def test_a_rule_of_seconds_on_some_days_ends_with_the_calendar():
    rule = RRule('FREQ=SECONDLY;INTERVAL=7200;BYDAY=MO,FR', LAST)
    found = list(rule.upcoming(LAST - timedelta(days=1), 99))
    assert {moment.strftime('%a') for moment in found} == {'Fri', 'Mon'}
    assert found[-1] == datetime(9999, 12, 27, 22, tzinfo=UTC)
    # What it proposes goes on to the end of the year.
    walls = parse(rule.text, LAST.replace(tzinfo=None)).wall_times(
        datetime(9999, 12, 30))
    assert list(walls)[-1] == datetime(9999, 12, 31, 22)


def test_a_rule_that_comes_no_more_ends_before_the_last_gap():
    rule = Cron('0 0 29 2 *', 'Europe/Berlin', gap='next')
    begin = datetime(9997, 1, 1, tzinfo=UTC)
    assert rule.next_after(begin) is None
    gap = zone_of('Europe/Berlin').transition(
        begin, begin + timedelta(days=180))
    assert rule.note(gap.instant) is None
