"""What a rule of RFC 5545 expands to, and how much work that takes."""

import sys
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from rfc5545_examples import EXAMPLES
from rfc5545_examples import OTHERS

from zodbschedule import InvalidRecurrence
from zodbschedule import RRule
from zodbschedule.recurrence.rrule import MAX_COUNT
from zodbschedule.recurrence.rrule import parse


MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def found(text, start, count, moment=None):
    """The first occurrences, naive, as a rule in UTC has them."""
    start = start.replace(tzinfo=UTC)
    rule = RRule(text, start)
    return [one.replace(tzinfo=None) for one in rule.upcoming(
        moment or start - MICROSECOND, count)]


def days(text, start, count, moment=None):
    """The same as text, without the time of day."""
    return [f'{one:%a %Y-%m-%d}' for one in found(text, start, count, moment)]


@pytest.mark.parametrize('start, text, expected', [*EXAMPLES, *OTHERS])
def test_a_rule_occurs_as_the_rfc_and_the_calendar_say(start, text, expected):
    is_all = 'COUNT' in text or 'UNTIL' in text
    assert found(text, start, len(expected) + is_all) == expected


# -- What BY parts choose from


WEDNESDAY = datetime(2026, 3, 4, 9)


@pytest.mark.parametrize('text, expected', [
    # plain and numbered days are a union
    ('FREQ=MONTHLY;BYDAY=WE,-1MO', [
        'Wed 2026-03-18', 'Wed 2026-03-25', 'Mon 2026-03-30',
        'Wed 2026-04-01']),
    ('FREQ=MONTHLY;BYDAY=3MO,WE,FR', ['Mon 2026-03-16', 'Wed 2026-03-18']),
    ('FREQ=MONTHLY;BYDAY=MO,TU,1MO', ['Mon 2026-03-16', 'Tue 2026-03-17']),
    # a number beyond the month or the year gives nothing
    ('FREQ=MONTHLY;BYDAY=1MO,8MO', ['Mon 2026-04-06', 'Mon 2026-05-04']),
    ('FREQ=YEARLY;BYDAY=53WE', ['Wed 2031-12-31', 'Wed 2036-12-31']),
    # positions count in the whole period
    ('FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1', [
        'Mon 2026-03-16', 'Mon 2026-03-23']),
    ('FREQ=WEEKLY;BYDAY=SU,MO;BYSETPOS=2;WKST=SU', [
        'Mon 2026-03-16', 'Mon 2026-03-23']),
    # in the week of 1 April, a Wednesday, there are only five
    ('FREQ=WEEKLY;BYMONTH=4;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=7', [
        'Sun 2026-04-12', 'Sun 2026-04-19']),
    # what is left open is that of the start, a Wednesday
    ('FREQ=YEARLY;BYWEEKNO=20', ['Wed 2026-05-13', 'Wed 2027-05-19']),
    ('FREQ=YEARLY;BYWEEKNO=14;BYMONTH=4', [
        'Wed 2026-04-01', 'Wed 2027-04-07']),
    ('FREQ=YEARLY;BYMONTH=4,6', ['Sat 2026-04-04', 'Thu 2026-06-04']),
    # the 4th of each month
    ('FREQ=YEARLY;BYMONTHDAY=4', ['Sat 2026-04-04', 'Mon 2026-05-04']),
    # a day is in the week that it is in, of whichever year
    ('FREQ=YEARLY;BYWEEKNO=53;BYDAY=WE,SU', [
        'Wed 2026-12-30', 'Sun 2027-01-03']),
    ('FREQ=YEARLY;BYWEEKNO=-53;BYDAY=MO', ['Mon 2031-12-29']),
    ('FREQ=YEARLY;BYWEEKNO=-1;BYDAY=FR', ['Fri 2027-01-01', 'Fri 2027-12-31']),
    ('FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO,TH;BYSETPOS=-1', [
        'Thu 2027-01-07', 'Thu 2028-01-06']),
])
def test_a_part_chooses_as_the_rfc_says(text, expected):
    moment = datetime(2026, 3, 14, tzinfo=UTC)
    assert days(text, WEDNESDAY, len(expected), moment) == expected


# -- What is refused, and what is not


@pytest.mark.parametrize('text', [
    'FREQ=MONTHLY;BYDAY=8MO', 'FREQ=YEARLY;BYMONTH=12;BYDAY=53MO',
    'FREQ=YEARLY;BYMONTHDAY=30;BYMONTH=2',
    'FREQ=DAILY;BYMONTH=4;BYMONTHDAY=31',
    'FREQ=HOURLY;BYYEARDAY=-61;BYMONTH=10',
    'FREQ=YEARLY;BYWEEKNO=10;BYMONTH=6',
    'FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3',
    'FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6',
    'FREQ=MONTHLY;BYSECOND=9,32;BYSETPOS=-6,-60',
    'FREQ=YEARLY;BYWEEKNO=20;BYDAY=SU,SA;BYSETPOS=3',
    # paces that never meet their days or their times
    'FREQ=MONTHLY;INTERVAL=12;BYMONTH=4',
    'FREQ=DAILY;INTERVAL=7;BYDAY=TU,TH', 'FREQ=DAILY;INTERVAL=28;BYDAY=FR',
    'FREQ=HOURLY;INTERVAL=24;BYHOUR=10', 'FREQ=HOURLY;INTERVAL=168;BYDAY=MO',
    'FREQ=MINUTELY;INTERVAL=60;BYMINUTE=1',
    'FREQ=SECONDLY;INTERVAL=2;BYSECOND=1',
    'FREQ=SECONDLY;INTERVAL=1209600;BYDAY=MO,TU',
    'FREQ=SECONDLY;INTERVAL=2629746;BYMONTHDAY=15',
])
def test_a_rule_that_never_occurs_is_refused(text):
    with pytest.raises(InvalidRecurrence, match='never occurs'):
        RRule(text, WEDNESDAY.replace(tzinfo=UTC))


def is_leap_day(moment):
    return (moment.month, moment.day) == (2, 29)


@pytest.mark.parametrize('text, step, matches', [
    ('FREQ=MONTHLY;BYMONTHDAY=29;BYMONTH=2;BYDAY=MO', DAY,
     lambda moment: is_leap_day(moment) and moment.weekday() == 0),
    ('FREQ=YEARLY;BYYEARDAY=366;BYWEEKNO=1;BYDAY=TU', DAY,
     lambda moment: moment.timetuple().tm_yday == 366
     and moment.weekday() == 1),
    # there are 1461 days to the next, but a century may have one less
    ('FREQ=DAILY;INTERVAL=3;BYMONTHDAY=29;BYMONTH=2', 3 * DAY, is_leap_day),
    # each year a day earlier, or two
    ('FREQ=WEEKLY;INTERVAL=52;BYMONTH=4', 364 * DAY,
     lambda moment: moment.month == 4),
    # each day a second later, or earlier
    ('FREQ=SECONDLY;INTERVAL=86401;BYHOUR=8', DAY + SECOND,
     lambda moment: moment.hour == 8),
    ('FREQ=SECONDLY;INTERVAL=86399;BYHOUR=9;BYMINUTE=59', DAY - SECOND,
     lambda moment: (moment.hour, moment.minute) == (9, 59)),
    # each week a second later
    ('FREQ=SECONDLY;INTERVAL=604801;BYDAY=TH', 7 * DAY + SECOND,
     lambda moment: moment.weekday() == 3),
    ('FREQ=SECONDLY;INTERVAL=43203;BYHOUR=4;BYDAY=SA', DAY / 2 + 3 * SECOND,
     lambda moment: (moment.hour, moment.weekday()) == (4, 5)),
])
def test_a_rule_may_occur_for_the_first_time_after_centuries(
        text, step, matches):
    moment = WEDNESDAY
    while not matches(moment):
        moment += step
    assert found(text, WEDNESDAY, 1) == [moment]


@pytest.mark.parametrize('start', [datetime(1, 1, 4), datetime(9999, 12, 20)])
@pytest.mark.parametrize('text', [
    'FREQ=YEARLY;BYDAY=MO,TU,WE', 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH',
    'FREQ=WEEKLY;BYDAY=SA,SU,MO;WKST=SU', 'FREQ=WEEKLY;BYDAY=MO;WKST=TU',
    'FREQ=DAILY', 'FREQ=DAILY;INTERVAL=3', 'FREQ=HOURLY;INTERVAL=36'])
def test_a_rule_occurs_at_both_ends_of_the_calendar(text, start):
    assert 2 <= len(found(text, start, 5))
    *_, last = parse(text, start).wall_times(datetime(9999, 12, 20))
    assert last >= datetime(9999, 12, 25)


# -- How much work it is


class Work:
    """Counts the calls of functions in a block, as their steps."""

    steps = 0

    def __enter__(self):
        sys.setprofile(self.count)
        return self

    def count(self, frame, event, argument):
        self.steps += event in ('call', 'c_call')

    def __exit__(self, *args):
        sys.setprofile(None)


# So many take the processor 50 ms or less.
MOST = 250_000


def listed(numbers):
    return ','.join(map(str, numbers))


NASTY = [
    f'FREQ=DAILY;COUNT={MAX_COUNT}', f'FREQ=YEARLY;COUNT={MAX_COUNT}',
    f'FREQ=SECONDLY;COUNT={MAX_COUNT}',
    f'FREQ=SECONDLY;BYDAY=MO;BYHOUR=23;BYMINUTE=59;BYSECOND=59;'
    f'COUNT={MAX_COUNT}',
    f'FREQ=WEEKLY;INTERVAL=35;BYMONTH=3;COUNT={MAX_COUNT}',
    f'FREQ=MONTHLY;BYMONTH=2;BYDAY=MO;BYSETPOS=5;COUNT={MAX_COUNT}',
    f'FREQ=YEARLY;BYYEARDAY={listed(range(1, 250))};COUNT={MAX_COUNT}',
    f'FREQ=DAILY;BYHOUR={listed(range(24))};BYMINUTE={listed(range(60))};'
    f'BYSECOND={listed(range(60))};BYSETPOS={listed(range(1, 120))}',
    f'FREQ=SECONDLY;INTERVAL=86401;BYHOUR={listed(range(0, 24, 2))};'
    f'BYSECOND=46;BYDAY=FR,SU;COUNT={MAX_COUNT}',
    f'FREQ=HOURLY;BYMONTHDAY=-20;BYDAY=FR;INTERVAL=1441;COUNT={MAX_COUNT}',
    'FREQ=SECONDLY;INTERVAL=86399;BYHOUR=1;BYMINUTE=2;BYSECOND=3',
    'FREQ=SECONDLY;INTERVAL=604801;BYDAY=MO',
    'FREQ=SECONDLY;INTERVAL=1209601;BYDAY=MO',
    'FREQ=SECONDLY;INTERVAL=302401;BYDAY=SU',
    'FREQ=HOURLY;INTERVAL=8766;BYMONTH=1',
    'FREQ=SECONDLY;INTERVAL=31556952;BYYEARDAY=200',
    'FREQ=SECONDLY;INTERVAL=2629747;BYMONTHDAY=20',
    'FREQ=DAILY;INTERVAL=7;BYDAY=FR',
    'FREQ=HOURLY;INTERVAL=21;BYHOUR=9;BYDAY=TU',
    'FREQ=SECONDLY;INTERVAL=7;BYHOUR=3',
    'FREQ=MONTHLY;INTERVAL=11;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO',
    'FREQ=MINUTELY;BYMONTHDAY=29;BYMONTH=2;BYHOUR=0;BYMINUTE=0;INTERVAL=7']


@pytest.mark.parametrize('text', NASTY)
@pytest.mark.parametrize('start', [
    datetime(26, 3, 4, 9), datetime(2006, 3, 4, 9), WEDNESDAY])
def test_each_step_of_a_rule_is_little_work(text, start):
    start = start.replace(tzinfo=UTC)
    with Work() as work:
        try:
            rule = RRule(text, start)
        except InvalidRecurrence:
            rule = None
    assert work.steps < MOST
    for year in (2026, 2500, 9000) if rule else ():
        with Work() as work:
            rule.next_after(datetime(year, 10, 25, 12, tzinfo=UTC))
        assert work.steps < MOST


@pytest.mark.parametrize('fold', ['first', 'second', 'both'])
@pytest.mark.parametrize('second', [0, 1, 1800, 3599, 3600, 7199])
def test_a_fold_is_little_work(fold, second):
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo('Europe/Berlin'))
    rule = RRule('FREQ=SECONDLY', start, fold=fold)
    moment = datetime(2026, 10, 25, tzinfo=UTC) + second * SECOND
    left_out = {'first': 7200, 'second': 3600}.get(fold, 0)
    is_left_out = left_out - 3600 <= second + 1 < left_out
    with Work() as work:
        found = rule.next_after(moment)
    assert (found.astimezone(UTC) - moment) // SECOND == (
        left_out - second if is_left_out else 1)
    assert work.steps < MOST / 100


def test_an_old_start_is_no_more_work_than_a_new_one():
    def work_of(start):
        rule = RRule('FREQ=DAILY;INTERVAL=3;BYHOUR=9,10', start)
        rule.next_after(now)
        with Work() as work:
            rule.next_after(now)
        return work.steps

    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    assert work_of(now.replace(year=2006)) == work_of(now.replace(day=1))


def test_what_was_asked_before_makes_no_difference():
    start = WEDNESDAY.replace(tzinfo=UTC)
    text = 'FREQ=MONTHLY;INTERVAL=5;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1,2'
    moments = [start + timedelta(days=days) for days in range(0, 2000, 37)]
    rule, same = RRule(text, start), RRule(text, start)
    assert [rule.next_after(moment) for moment in moments] == [
        same.next_after(moment) for moment in reversed(moments)][::-1]
