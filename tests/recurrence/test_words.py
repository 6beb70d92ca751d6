"""What many rules say of themselves, kept in ``words.txt``.

Each rule has its `str()`, its `describe()`, and the `note()` of what occurs
next to the next gap and the next fold.  Where a change is intended, write the
file anew, and read it as English::

    ZODBSCHEDULE_RENEW_GOLDEN=1 pytest tests/recurrence/test_words.py
    git diff tests/recurrence/words.txt
"""

import os
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import RRule
from zodbschedule.recurrence.words import ordinal
from zodbschedule.recurrence.words import rank
from zodbschedule.recurrence.zones import zone_of


GOLDEN = Path(__file__).with_name('words.txt')
RENEW = 'ZODBSCHEDULE_RENEW_GOLDEN'

MOMENT = datetime(2026, 1, 6, 8, tzinfo=UTC)  # a Tuesday
BERLIN = ZoneInfo('Europe/Berlin')
START = MOMENT.astimezone(BERLIN)
NIGHT = START.replace(hour=2, minute=30)
HOUR = timedelta(hours=1)
YEARS = timedelta(days=3653)

PERIODS = [
    {'seconds': 1}, {'minutes': 1}, {'hours': 1}, {'days': 1}, {'days': 7},
    {'minutes': 15}, {'seconds': 90}, {'minutes': 90}, {'hours': 36},
    {'milliseconds': 500}, {'microseconds': 1}, {'seconds': 1.5},
    {'days': 400, 'hours': 1, 'minutes': 1, 'seconds': 1},
    {'seconds': 59, 'microseconds': 999999}]

EXPRESSIONS = [
    # the times of the day
    '0 9 * * *', '30 2 * * *', '* * * * *', '0 * * * *', '5 * * * *',
    '1 * * * *', '15,45 * * * *', '*/15 * * * *', '5/15 * * * *',
    '*/45 * * * *', '*/7 * * * *', '1-59/2 * * * *', '10-20 * * * *',
    '0 */2 * * *', '0 1-23/2 * * *', '0 */5 * * *', '0 */8 * * *',
    '30 */2 * * *', '0 0,12 * * *', '0 9-17 * * *', '*/15 9-17 * * *',
    '0,30 9-17 * * *', '0 8-18/2 * * *', '* 3 * * *', '*/5 3 * * *',
    '10-20 3 * * *', '10-50/20 3 * * *', '5,10,15 3 * * *', '0 22-6 * * *',
    '*/15 9-11,14-16 * * *', '0 6-9,17 * * *', '0 8,12,18 * * *',
    '0,30 8,12,18 * * *', '15,45 */4 * * *', '5,20 9-17 * * *',
    '*/7 9-17 * * *', '17 1,2,5,9,14,20,23 * * *', '0 9-9/2 * * *',
    # seconds
    '* * * * * *', '*/5 * * * * *', '30 * * * * *', '5,17 * * * * *',
    '30 */10 * * * *', '15 0 3 * * *', '0,30 0 3 * * *',
    '*/10 30 9 * * *', '*/10 30 9-17 * * *', '5,17 3,9 4-8 * * *',
    # the days of the week
    '0 9 * * MON', '0 9 * * 1-5', '0 9 * * SAT,SUN', '0 9 * * mon,wed,fri',
    '0 9 * * */2', '0 9 * * fri-mon', '0 9 * * 1-6', '0 9 * * 7',
    '0 * * * MON', '*/15 9-17 * * MON-FRI', '0 * * * SAT,SUN',
    '0 22-6 * * MON', '5 * * * 1-5', '0 9 * * MON#1', '0 9 * * MON#1,WED#3',
    '0 9 * * MON#1,MON#3', '0 9 * * 5L', '0 9 * * TUE#5', '0 9 * * MON,FRI#1',
    '0 * * * 5L',
    # the days of the month
    '0 0 1 * *', '0 0 22 * *', '0 0 31 * *', '0 0 1,15 * *', '0 0 2,3 * *',
    '0 0 11,12,13 * *', '0 0 1-7 * *', '0 0 1-7,15 * *', '0 0 28-31 * *',
    '0 0 30-2 * *', '0 0 */2 * *', '0 0 1/3 * *', '0 0 10-20/2 * *',
    '0 0 L * *', '0 0 LW * *', '0 0 15,L * *', '0 0 1,LW * *',
    '*/10 3 1 * *', '0 0 */31 * *',
    # one of them, or both
    '0 0 13 * 5', '0 0 1-7 * MON', '0 0 1,15 * SAT,SUN', '0 0 L * MON#1',
    '0 0 13 * MON-FRI', '0 0 */2 * 5', '0 0 */2 * MON-FRI',
    '0 0 */2 * 6,0', '0 0 1-7 * */2', '0 * */2 * 5', '0 0 */2 * 5L',
    '0 * 13 * 5',
    # the months
    '0 0 * 1 *', '0 0 * 1,7 *', '0 0 * 6-8 *', '0 0 * nov-feb *',
    '0 0 * */3 *', '0 0 * */2 *', '0 0 1 */2 *', '0 0 1 */3 *',
    '0 0 1,15 1,7 *', '0 0 L 1-6 *', '0 0 25 12 *', '0 12 29 2 *',
    '0 0 1 1-5,9 *', '0 3 * 2 1', '0 3 1 1 1', '0 * * 2 *', '*/2 3 1 1 *',
    '0 9 * 6-8 1-5', '*/30 * * jun-aug 1-5',
    # what no sentence says well
    '5,17 3,9,11 1,2,5,7,11,13,17 1,2,5,7,9-12 1,2,6,10,11,12 *',
    '1,2,5,9,17,31,44 1,3,7,9,14,20,23 3,5,8,13,21,27 1,2,4,8,9,12 2,4',
    # what other programs write
    '@hourly', '@daily', '@weekly', '@monthly', '@yearly',
    '0 0 12 1/1 * ? *', '0 0 9 ? * MON-FRI']

TEXTS = [
    'FREQ=DAILY', 'FREQ=DAILY;INTERVAL=2', 'FREQ=DAILY;COUNT=1',
    'FREQ=DAILY;INTERVAL=14;BYHOUR=9,17', 'FREQ=DAILY;UNTIL=20260630',
    'FREQ=DAILY;UNTIL=20260630T120000Z',
    'FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYMONTH=6,7,8',
    'FREQ=DAILY;INTERVAL=2;BYMONTH=1', 'FREQ=DAILY;INTERVAL=2;BYDAY=MO',
    'FREQ=DAILY;BYHOUR=9;BYMINUTE=0,1,2;BYSETPOS=2',
    'FREQ=WEEKLY', 'FREQ=WEEKLY;BYDAY=MO,FR;COUNT=3', 'FREQ=WEEKLY;INTERVAL=2',
    'FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR',
    'FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR',
    'FREQ=WEEKLY;INTERVAL=3;BYMONTH=6,7',
    'FREQ=WEEKLY;BYDAY=MO,TU,WE;BYHOUR=8,9,10,11;BYMINUTE=0,30',
    'FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;BYHOUR=8,9,10,11',
    'FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;BYHOUR=8,9,10,11',
    'FREQ=WEEKLY;BYDAY=MO,WE;BYSETPOS=1',
    'FREQ=MONTHLY', 'FREQ=MONTHLY;INTERVAL=2', 'FREQ=MONTHLY;BYMONTHDAY=1,15',
    'FREQ=MONTHLY;BYMONTHDAY=-1', 'FREQ=MONTHLY;BYMONTHDAY=-2,-1',
    'FREQ=MONTHLY;BYMONTHDAY=1,-1', 'FREQ=MONTHLY;BYMONTHDAY=31',
    'FREQ=MONTHLY;BYDAY=1MO', 'FREQ=MONTHLY;BYDAY=1MO,3MO',
    'FREQ=MONTHLY;BYDAY=-1FR;INTERVAL=3', 'FREQ=MONTHLY;BYDAY=-2FR',
    'FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13', 'FREQ=MONTHLY;BYDAY=MO,-1FR',
    'FREQ=MONTHLY;BYDAY=MO;INTERVAL=2',
    'FREQ=MONTHLY;INTERVAL=2;BYMONTH=1,3;BYMONTHDAY=1',
    'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=10',
    'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=3',
    'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1',
    'FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=1', 'FREQ=MONTHLY;BYDAY=WE;BYSETPOS=2',
    'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=-3',
    'FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1',
    'FREQ=MONTHLY;BYMONTHDAY=15,16,17;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1',
    'FREQ=MONTHLY;BYDAY=1MO,1TU;BYSETPOS=1',
    'FREQ=MONTHLY;BYDAY=MO;BYHOUR=9,17;BYSETPOS=1',
    'FREQ=YEARLY;BYMONTH=1;BYWEEKNO=2;BYDAY=MO,TU;BYSETPOS=1',
    'FREQ=MONTHLY;BYMONTHDAY=1;BYMONTH=1,4,7,10',
    'FREQ=YEARLY', 'FREQ=YEARLY;INTERVAL=2', 'FREQ=YEARLY;BYMONTH=1,7',
    'FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU',
    'FREQ=YEARLY;BYMONTH=10;BYDAY=SU;BYSETPOS=-1',
    'FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8',
    'FREQ=YEARLY;BYDAY=20MO', 'FREQ=YEARLY;BYDAY=-1FR;INTERVAL=2',
    'FREQ=YEARLY;BYDAY=MO', 'FREQ=YEARLY;BYMONTHDAY=4',
    'FREQ=YEARLY;INTERVAL=2;BYMONTHDAY=4',
    'FREQ=YEARLY;INTERVAL=2;BYDAY=MO;BYMONTH=1',
    'FREQ=YEARLY;INTERVAL=2;BYMONTH=1;BYMONTHDAY=1,15',
    'FREQ=YEARLY;BYYEARDAY=1,100,-1', 'FREQ=YEARLY;BYYEARDAY=100;BYDAY=MO',
    'FREQ=YEARLY;BYWEEKNO=20', 'FREQ=YEARLY;BYWEEKNO=1,27;BYDAY=MO,FR',
    'FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU', 'FREQ=YEARLY;BYWEEKNO=20;BYMONTH=5',
    'FREQ=YEARLY;BYWEEKNO=20;BYYEARDAY=140',
    'FREQ=YEARLY;BYDAY=20MO,MO;BYMONTHDAY=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15',
    'FREQ=YEARLY;BYDAY=MO;BYSETPOS=2', 'FREQ=HOURLY',
    'FREQ=HOURLY;INTERVAL=2', 'FREQ=HOURLY;INTERVAL=6;BYDAY=MO',
    'FREQ=HOURLY;BYHOUR=9,10,11,12,13,14,15,16,17;BYDAY=MO,TU,WE,TH,FR',
    'FREQ=HOURLY;INTERVAL=5;BYMINUTE=0,30', 'FREQ=HOURLY;BYMINUTE=0,30',
    'FREQ=HOURLY;INTERVAL=2;BYHOUR=9,11,13', 'FREQ=DAILY;BYHOUR=9,12',
    'FREQ=HOURLY;INTERVAL=4;BYHOUR=9,12',
    'FREQ=HOURLY;INTERVAL=3;BYHOUR=10\nRDATE:20260107T120000Z',
    'FREQ=MINUTELY;INTERVAL=20',
    'FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10,11',
    'FREQ=MINUTELY;INTERVAL=7;BYHOUR=9', 'FREQ=MINUTELY;BYSECOND=0,30',
    'FREQ=SECONDLY;INTERVAL=90', 'FREQ=SECONDLY;INTERVAL=20;BYMINUTE=30',
    'FREQ=DAILY\nEXDATE;TZID=Europe/Berlin:20260107T090000',
    'FREQ=DAILY\nRDATE:20260107T120000Z,20260108T120000Z']

# At gaps and folds: zone, moment, expression, policies
CHANGES = [
    ('Europe/Berlin', None, '15 2 * * *', {'gap': 'skip', 'fold': 'both'}),
    ('Europe/Berlin', None, '30 2 * * *', {'fold': 'second'}),
    ('Europe/Berlin', None, '0,30 2 * * *', {}),
    ('Europe/Berlin', None, '0,20,40 2 * * *', {}),
    ('Europe/Berlin', None, '0,20,40 2 * * *', {'gap': 'skip'}),
    ('Europe/Berlin', None, '*/15 * * * *', {'gap': 'next'}),
    ('Europe/Berlin', None, '15 30 2 * * *', {}),
    ('Europe/Berlin', None, '30 2 29 3 *', {}),
    ('Pacific/Apia', '2011-12-01', '0 12 * * *', {}),
    ('Pacific/Apia', '2011-12-01', '0 */6 * * *', {'gap': 'next'}),
    ('Australia/Lord_Howe', None, '15 2 * * *', {}),
    ('Antarctica/Troll', None, '30 1,2 * * *', {}),
    ('Africa/Casablanca', None, '30 2 * * *', {}),
    ('Europe/Dublin', None, '30 1 * * *', {}),
    ('Africa/Monrovia', '1972-01-01', '30 0 * * *', {}),
    ('America/Sao_Paulo', '2018-10-01', '30 0 * * *', {}),
    ('America/Sao_Paulo', '2018-10-01', '30 23 * * *', {'fold': 'both'}),
    ('Asia/Kathmandu', '1985-12-01', '5 0 * * *', {}),
    ('Pacific/Kwajalein', '1993-08-01', '0 12,18 * * *', {}),
    ('America/Nuuk', None, '30 23 * * *', {}),
    ('Asia/Kolkata', None, '30 0 * * *', {}),
    ('UTC', None, '0 3 * * *', {})]


def rules():
    """Each with the moment from when on it is asked."""
    for period in PERIODS:
        yield Every(timedelta(**period)), MOMENT
    for start in START, NIGHT.replace(tzinfo=UTC, second=5, microsecond=6):
        yield Every(HOUR, start), MOMENT
    for expression in EXPRESSIONS:
        yield Cron(expression, 'Europe/Berlin'), MOMENT
    for zone, moment, expression, options in CHANGES:
        since = MOMENT if moment is None else datetime.fromisoformat(
            moment).replace(tzinfo=UTC)
        yield Cron(expression, zone, **options), since
    for text in TEXTS:
        yield RRule(text, START), MOMENT
    for text, options in (
            ('FREQ=DAILY', {}), ('FREQ=DAILY', {'gap': 'next'}),
            ('FREQ=HOURLY', {}), ('FREQ=MINUTELY;INTERVAL=20', {}),
            ('FREQ=DAILY;UNTIL=20260301T000000Z', {'gap': 'next'})):
        yield RRule(text, NIGHT, **options), MOMENT


def changed(rule, moment):
    """The occurrences next to the next gap and the next fold."""
    first = rule.next_after(moment - HOUR)
    zone = zone_of(str(first.tzinfo))
    found, end = [], moment + YEARS
    for _ in range(2):
        if transition := zone.transition(moment, end):
            moment = transition.instant
            found += rule.upcoming(moment - HOUR * 1.5, 3)
    return found


def told(rule, moment):
    lines = [repr(rule).replace('datetime.', '').replace('zoneinfo.', ''),
             f'    {rule}']
    lines += [f'    {line}' for line in rule.describe(moment).splitlines()]
    if any('occur' in line for line in lines[2:]):
        lines += [f'    {occurrence}: {note}'
                  for occurrence in changed(rule, moment)
                  if (note := rule.note(occurrence))]
    return '\n'.join(lines)


@pytest.mark.filterwarnings('error')
def test_what_rules_say_is_as_it_was_read():
    text = ''.join(f'{told(*case)}\n\n' for case in rules())
    if os.environ.get(RENEW):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_rules_that_say_the_same_occur_at_the_same_times():
    said = {}
    for rule, moment in rules():
        occurrences = [*rule.upcoming(moment, 5)]
        key = str(rule), getattr(rule, 'gap', ''), getattr(rule, 'fold', '')
        assert said.setdefault(key, occurrences) == occurrences


@pytest.mark.parametrize('number, text', [
    (1, '1st'), (2, '2nd'), (3, '3rd'), (4, '4th'), (11, '11th'),
    (12, '12th'), (13, '13th'), (21, '21st'), (22, '22nd'), (23, '23rd'),
    (31, '31st'), (111, '111th'), (121, '121st')])
def test_a_number_has_the_right_end(number, text):
    assert ordinal(number) == text


@pytest.mark.parametrize('number, text', [
    (1, 'first'), (10, 'tenth'), (22, '22nd'), (-1, 'last'),
    (-2, 'second to last'), (-12, '12th to last')])
def test_a_rank_counts_from_both_ends(number, text):
    assert rank(number) == text
