"""What holds of every rule, in every zone, at every moment.

The reference walks from minute to minute, and asks of each what the clock
shows; what matches is decided by sets of numbers, without any parser.
"""

import os
import pickle
import re
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from itertools import islice
from itertools import takewhile
from zoneinfo import ZoneInfo
from zoneinfo import available_timezones

import pytest
from hypothesis import HealthCheck
from hypothesis import assume
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from rfc5545 import Rule

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import InvalidRecurrence
from zodbschedule import RRule


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

# Their clocks change by half hours, two hours and whole days, at midnight and
# in winter, and some change their standard offset.
ODD = [
    'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe',
    'Antarctica/Troll', 'Asia/Beirut', 'Pacific/Apia', 'Pacific/Kwajalein',
    'Europe/Dublin', 'America/Caracas', 'Asia/Pyongyang', 'Africa/Casablanca',
    'America/Sao_Paulo', 'Africa/Monrovia', 'Asia/Gaza', 'UTC']
ZONES = sorted(available_timezones())


# -- The reference


def offset(instant, zone):
    return instant.astimezone(zone).utcoffset()


def transitions(zone, begin, end):
    """The instants at which the zone's offset changes."""
    step = 6 * HOUR
    before = offset(begin, zone)
    while begin < end:
        after = offset(begin + step, zone)
        if after != before:
            low, high = begin, begin + step
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                middle = middle.replace(microsecond=0)
                if offset(middle, zone) == before:
                    low = middle
                else:
                    high = middle
            yield high
        begin, before = begin + step, after


def walk(zone, begin, end):
    """Each minute of the clock: (instant, wall time, those left out)."""
    instant, shown = begin, None
    while instant <= end:
        wall = instant.astimezone(zone).replace(tzinfo=None)
        if wall.second:  # the offset has seconds
            instant += timedelta(seconds=60 - wall.second)
            continue
        left_out = []
        if shown is not None:
            shown += MINUTE
            while shown < wall:
                left_out.append(shown)
                shown += MINUTE
        yield instant, wall, left_out
        shown = wall
        instant += MINUTE


def expected(matches, zone, gap, fold, begin, end, margin=26 * HOUR):
    """What occurs after *begin* and until *end*, minute by minute.

    The *margin* is longer than any fold, so that both its sides are seen.
    """
    seen = {}
    occurrences = []
    for instant, wall, left_out in walk(zone, begin - margin, end + margin):
        if gap == 'next' and any(map(matches, left_out)):
            # a gap ends at a whole second, the walk goes by whole minutes
            occurrences.append((wall, end_of_gap(zone, instant)))
        if matches(wall):
            seen.setdefault(wall, []).append(instant)
    for wall, instants in seen.items():
        chosen = {'first': instants[:1], 'second': instants[-1:],
                  'both': instants}[fold]
        occurrences.extend((wall, instant) for instant in chosen)
    return sorted({
        instant for _, instant in occurrences if begin < instant <= end})


def end_of_gap(zone, instant):
    return next(transitions(zone, instant - HOUR / 2, instant), instant)


# -- Rules


@st.composite
def fields(draw, low, high):
    """One field of a cron expression: its text, and what it matches."""
    kind = draw(st.sampled_from(
        ['*', '*/', 'one', 'list', 'early', 'range', 'a-b/n', 'a-a/n']))
    one = st.integers(low, high)
    if kind == '*':
        return '*', set(range(low, high + 1))
    if kind == '*/':
        step = draw(st.integers(1, high))
        return f'*/{step}', set(range(low, high + 1, step))
    if kind == 'one':
        value = draw(one)
        return str(value), {value}
    if kind in ('list', 'early'):  # transitions are early in the day
        values = draw(st.lists(one if kind == 'list' else st.integers(
            low, low + 3), min_size=1, max_size=4))
        return ','.join(map(str, values)), set(values)
    first = draw(one)
    if kind == 'a-a/n':
        return f'{first}-{first}/{draw(st.integers(1, high - low))}', {first}
    last = draw(one)
    size = high - low + 1
    # a reversed range goes on with the lowest value
    end = last if first <= last else last + size
    step = 1 if kind == 'range' else draw(
        st.integers(1, min(5, end - first + 1)))
    return f'{first}-{last}/{step}', {
        low + (value - low) % size for value in range(first, end + 1, step)}


@st.composite
def crons(draw):
    """A cron expression, and what tells whether it matches a wall time."""
    minute, minutes = draw(fields(0, 59))
    hour, hours = draw(fields(0, 23))
    rare = draw(st.booleans())
    day, days = draw(fields(1, 31)) if rare else ('*', set(range(1, 32)))
    month, months = draw(fields(1, 12)) if rare else ('*', set(range(1, 13)))
    weekday, weekdays = draw(fields(0, 6)) if rare else ('*', set(range(7)))

    def on_day(wall):
        of_month = wall.day in days
        of_week = wall.isoweekday() % 7 in weekdays
        if day.startswith('*') or weekday.startswith('*'):
            return of_month and of_week
        return of_month or of_week

    def matches(wall):
        return (wall.minute in minutes and wall.hour in hours
                and wall.month in months and on_day(wall))

    return f'{minute} {hour} {day} {month} {weekday}', matches


def made(*args, **options):
    """A rule that occurs."""
    rule = None
    try:
        rule = args[0](*args[1:], **options)
    except InvalidRecurrence as error:
        assert re.search('never occurs|day-of-month is', str(error))
    assume(rule is not None)
    return rule


zones = st.one_of(st.sampled_from(ODD), st.sampled_from(ZONES))


@st.composite
def moments(draw, zone):
    """A moment, more often than not about a transition of the zone."""
    year = draw(st.integers(1970, 2037))
    begin = datetime(year, 1, 1, tzinfo=UTC)
    found = list(transitions(ZoneInfo(zone), begin, begin + 366 * DAY))
    if found and draw(st.integers(0, 3)):
        begin = draw(st.sampled_from(found)) - 5 * HOUR
        return begin + draw(st.integers(0, 36000)) * timedelta(seconds=1)
    return begin + draw(st.integers(0, 365 * 86400)) * timedelta(seconds=1)


@st.composite
def cron_cases(draw):
    expression, matches = draw(crons())
    zone = draw(zones)
    rule = made(Cron, expression, zone,
                gap=draw(st.sampled_from([None, 'next', 'skip'])),
                fold=draw(st.sampled_from([None, 'first', 'second', 'both'])))
    return rule, matches, draw(moments(zone))


FREQUENCIES = {
    'YEARLY': 4000 * DAY, 'MONTHLY': 1000 * DAY, 'WEEKLY': 400 * DAY,
    'DAILY': 200 * DAY, 'HOURLY': 10 * DAY, 'MINUTELY': 6 * HOUR,
    'SECONDLY': 10 * MINUTE}
WEEKDAYS = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU']


def some(values, most=3):
    return st.lists(st.sampled_from(list(values)), min_size=1, max_size=most,
                    unique=True).map(lambda found: ','.join(map(str, found)))


@st.composite
def rrules(draw):
    """The text of a rule that RFC 5545 knows."""
    freq = draw(st.sampled_from(list(FREQUENCIES)))
    is_long = freq in ('YEARLY', 'MONTHLY')
    parts = {
        'BYMONTH': some(range(1, 13), 6),
        'BYDAY': some([f'{number}{day}' for day in WEEKDAYS for number in (
            ('', 1, -1, 3) if is_long else ('',))], 5),
        'BYHOUR': some(range(24)),
        'BYMINUTE': some(range(60)),
        'BYSECOND': some(range(60)),
    }
    if freq not in ('WEEKLY', 'MINUTELY', 'SECONDLY'):
        parts['BYMONTHDAY'] = some([*range(1, 32), -1, -5], 6)
    if freq == 'YEARLY':
        parts['BYYEARDAY'] = some([*range(1, 367), -1, -100], 6)
    chosen = draw(st.lists(
        st.sampled_from(list(parts)), max_size=3, unique=True))
    text = [f'FREQ={freq}', *(f'{name}={draw(parts[name])}'
                              for name in chosen)]
    if draw(st.booleans()):
        text.append(f'INTERVAL={draw(st.integers(1, 40))}')
    if draw(st.booleans()):
        text.append(f'WKST={draw(st.sampled_from(WEEKDAYS))}')
    if chosen and not draw(st.integers(0, 3)):
        text.append(f'BYSETPOS={draw(some([1, 2, -1]))}')
    weeks = draw(some([*range(1, 54), -1]))
    has_weeks = freq == 'YEARLY' and not chosen and draw(st.booleans())
    text.extend([f'BYWEEKNO={weeks}'] * has_weeks)
    return freq, ';'.join(draw(st.permutations(text)))


@st.composite
def rrule_cases(draw):
    freq, text = draw(rrules())
    zone = draw(zones)
    start = draw(moments(zone)).astimezone(ZoneInfo(zone))
    seconds = FREQUENCIES[freq] // timedelta(seconds=1)
    moment = start + draw(st.integers(-100, seconds)) * timedelta(seconds=1)
    fold = draw(st.sampled_from(['first', 'both']))
    return made(RRule, text, start, fold=fold), moment


everies = st.builds(
    Every, st.timedeltas(timedelta(microseconds=1), 400 * DAY),
    st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2037, 1, 1),
                             timezones=zones.map(ZoneInfo)))
cases = st.one_of(
    cron_cases().map(lambda case: (case[0], case[2])), rrule_cases(),
    st.tuples(everies, zones.flatmap(moments)))
law = settings(
    deadline=None, max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


# -- The laws


@law
@given(cases)
def test_occurrences_go_strictly_forward_and_exist(case):
    rule, moment = case
    before = moment.astimezone(UTC)
    for occurrence in rule.upcoming(moment, 20):
        instant = occurrence.astimezone(UTC)
        assert instant > before
        again = instant.astimezone(occurrence.tzinfo)
        assert (again.replace(tzinfo=None), again.fold) == (
            occurrence.replace(tzinfo=None), occurrence.fold)
        before = instant


@law
@given(cases, zones)
def test_the_answer_depends_on_nothing_but_the_instant(case, zone):
    rule, moment = case
    answer = rule.next_after(moment)
    assert rule.next_after(moment) == answer
    assert rule.next_after(moment.astimezone(ZoneInfo(zone))) == answer


@law
@given(cases)
@example((Every(timedelta(hours=1)), datetime(2026, 1, 1, tzinfo=UTC)))
def test_nothing_lies_between_a_moment_and_the_next_occurrence(case):
    rule, moment = case
    for occurrence in rule.upcoming(moment, 3):
        if isinstance(rule, Every) and rule.start is None:
            return
        instant = occurrence.astimezone(UTC)
        begin = moment.astimezone(UTC)
        for part in (begin + (instant - begin) / 3,
                     instant - timedelta(microseconds=1)):
            assert rule.next_after(part).astimezone(UTC) == instant
        moment = occurrence


@law
@given(cases)
def test_a_rule_comes_back_from_a_pickle_and_from_its_repr(case):
    rule, moment = case
    names = {'datetime': __import__('datetime'),
             'zoneinfo': __import__('zoneinfo'),
             'Every': Every, 'Cron': Cron, 'RRule': RRule}
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(rule, protocol)
        assert b'cronsim' not in data
        assert b'dateutil' not in data
        assert b'ZoneInfo' not in data
        assert len(data) < 500
        assert pickle.loads(data) == rule
    again = eval(repr(rule), names)
    assert again == rule
    assert hash(again) == hash(rule)
    assert again.next_after(moment) == rule.next_after(moment)


@law
@given(cases, st.integers(0, 20))
def test_as_many_have_passed_as_are_upcoming(case, limit):
    rule, moment = case
    end = moment + 2 * DAY
    occurrences = [one for one in rule.upcoming(moment, limit)
                   if one.astimezone(UTC) <= end.astimezone(UTC)]
    assert rule.passed(moment, end, limit) == len(occurrences)


@law
@given(cases)
def test_every_rule_can_be_told(case):
    rule, moment = case
    assert str(rule)
    assert rule.describe(moment)
    for occurrence in rule.upcoming(moment, 3):
        assert rule.note(occurrence) != ''


# -- Against the walk


@law
@given(cron_cases())
def test_cron_is_what_a_walk_from_minute_to_minute_finds(case):
    rule, matches, moment = case
    check(rule, matches, moment, moment + 30 * HOUR)


def check(rule, matches, begin, end, *margin):
    """No occurrence is skipped, and none invented."""
    zone = ZoneInfo(rule.timezone)
    assert occurrences(rule, begin, end) == expected(
        matches, zone, rule.gap, rule.fold, begin, end, *margin)


def occurrences(rule, begin, end):
    found = []
    while (begin := rule.next_after(begin).astimezone(UTC)) <= end:
        found.append(begin)
    return found


def tenth():
    """The zones whose turn it is; each has one in ten days."""
    turn = os.environ.get('ZODBSCHEDULE_TENTH') or (
        date.today().timetuple().tm_yday % 10)
    return ZONES if turn == 'all' else ZONES[int(turn)::10]


@pytest.mark.slow
@pytest.mark.parametrize('name', tenth())
def test_a_rule_is_right_around_every_transition_of_a_zone(name):
    zone = ZoneInfo(name)
    for transition in transitions(zone, datetime(1970, 1, 1, tzinfo=UTC),
                        datetime(2037, 12, 31, tzinfo=UTC)):
        size = offset(transition, zone) - offset(transition - MINUTE, zone)
        # in the middle of what is left out, or comes twice
        wall = (transition - MINUTE).astimezone(zone).replace(
            second=0, tzinfo=None) + size / 2
        check_about(transition, abs(size), name, wall.hour, wall.minute)


def check_about(transition, size, name, hour, minute):
    begin, end = transition - size - HOUR, transition + size + HOUR
    for expression, matches in (
            (f'{minute} {hour} * * *',
             lambda wall: (wall.hour, wall.minute) == (hour, minute)),
            ('*/20 * * * *', lambda wall: wall.minute % 20 == 0),
            (f'{minute} * * * *', lambda wall: wall.minute == minute)):
        check(Cron(expression, name), matches, begin, end, size + HOUR)


# -- Against the model


def exists(wall, zone):
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return instant.astimezone(zone).replace(tzinfo=None) == wall


def instants(wall, zone, fold):
    return sorted({
        wall.replace(tzinfo=zone, fold=which).astimezone(UTC)
        for which in ((0, 1) if fold == 'both' else (0,))
        if exists(wall, zone)})


def by_model(rule, moment, end):
    """What is after *moment* and not after *end*, by the model."""
    start = rule.dtstart
    zone = start.tzinfo
    begin = max(start.astimezone(UTC), moment)
    # A fold may lead back, but not so far.
    walls = Rule(rule.text, start.replace(tzinfo=None)).walls(
        (begin - 2 * DAY).astimezone(zone).replace(tzinfo=None),
        (end + 2 * DAY).astimezone(zone).replace(tzinfo=None))
    found = {instant for wall in walls
             for instant in instants(wall, zone, rule.fold)}
    return sorted(instant for instant in found
                  if start.astimezone(UTC) <= instant
                  and moment < instant <= end)


@law
@given(rrule_cases())
def test_rrule_is_what_the_model_finds_at_the_instants_of_its_zone(case):
    rule, moment = case
    assume(rule.dtstart.fold == 0)
    moment = moment.astimezone(UTC)
    freq = next(each for each in FREQUENCIES if f'FREQ={each}' in rule.text)
    end = moment + FREQUENCIES[freq] / 8
    found = [one.astimezone(UTC) for one in takewhile(
        lambda one: one.astimezone(UTC) <= end, rule.upcoming(moment, 100))]
    assert found == by_model(rule, moment, end)[:100]


@law
@given(rrule_cases(), st.integers(1, 30))
def test_count_counts_from_the_start_what_exists(case, count):
    rule, _ = case
    counted = RRule(
        f'{rule.text};COUNT={count}', rule.dtstart, fold=rule.fold)
    before = rule.dtstart - 2 * DAY
    assert list(counted.upcoming(before, count + 5)) == list(islice(
        rule.upcoming(before, count), count))
