"""Cron expressions as people write and paste them."""

import sys
from datetime import UTC
from datetime import datetime
from itertools import cycle
from itertools import islice

import pytest

from zodbschedule import Cron
from zodbschedule import InvalidRecurrence
from zodbschedule.recurrence.cron_refusals import MAX_LENGTH


MOMENT = datetime(2026, 3, 2, 6, tzinfo=UTC)  # a Monday


def occurrences(expression, count):
    return [f'{each:%m-%d %H:%M:%S}'.removesuffix(':00')
            for each in Cron(expression, 'UTC').upcoming(MOMENT, count)]


@pytest.mark.parametrize('expression, expected', [
    # a range of one with a step is that one
    ('0 9-9/2 * * *', ['03-02 09:00', '03-03 09:00']),
    ('5-5/10 9 * * *', ['03-02 09:05', '03-03 09:05']),
    ('0 9 5-5/3 * *', ['03-05 09:00', '04-05 09:00']),
    ('0 9 * 4-4/2 *', ['04-01 09:00', '04-02 09:00']),
    ('0 9 * * fri-fri/2', ['03-06 09:00', '03-13 09:00']),
    ('30-30/7 0 9 * * *', ['03-02 09:00:30', '03-03 09:00:30']),
    # a number with a step begins there
    ('0 9/6 * * *', ['03-02 09:00', '03-02 15:00', '03-02 21:00',
                     '03-03 09:00']),
    ('*/60 */24 * * *', ['03-03 00:00', '03-04 00:00']),
    # a reversed range is the two ranges that it means
    ('0 22-6 * * *', ['03-02 22:00', '03-02 23:00', '03-03 00:00']),
    ('0 22-6/3 * * *', ['03-02 22:00', '03-03 01:00', '03-03 04:00',
                        '03-03 22:00']),
    ('58-1 9 * * *', ['03-02 09:00', '03-02 09:01', '03-02 09:58',
                      '03-02 09:59']),
    ('0 9 * * sat-sun', ['03-07 09:00', '03-08 09:00', '03-14 09:00']),
    ('0 9 * * fri-mon', ['03-02 09:00', '03-06 09:00', '03-07 09:00',
                         '03-08 09:00', '03-09 09:00']),
    ('0 9 * * 7-2', ['03-02 09:00', '03-03 09:00', '03-08 09:00']),
    ('0 9 * * 5-7', ['03-06 09:00', '03-07 09:00', '03-08 09:00']),
    ('0 9 1 nov-feb *', ['11-01 09:00', '12-01 09:00', '01-01 09:00',
                         '02-01 09:00', '11-01 09:00']),
    ('0 9 30-2 * *', ['03-02 09:00', '03-30 09:00', '03-31 09:00',
                      '04-01 09:00', '04-02 09:00', '04-30 09:00']),
    # what other programs write
    ('0 9 ? * MON-FRI', ['03-02 09:00', '03-03 09:00']),
    ('0 9 13 * ?', ['03-13 09:00', '04-13 09:00']),
    ('0 0 12 1/1 * ? *', ['03-02 12:00', '03-03 12:00']),
    ('0 0 9 ? * TUE *', ['03-03 09:00', '03-10 09:00']),
    ('0 9 * * monday,Tues', ['03-02 09:00', '03-03 09:00', '03-09 09:00']),
    ('0 9 1 january,Sept *', ['09-01 09:00', '01-01 09:00']),
    ('0 9 * * FRIL', ['03-27 09:00', '04-24 09:00']),
    ('0 9 * * fridayL', ['03-27 09:00', '04-24 09:00']),
    ('0 9 * * 7L', ['03-29 09:00', '04-26 09:00']),
    ('0 9 * * 7#1', ['04-05 09:00', '05-03 09:00']),
    ('0 9 LW * *', ['03-31 09:00', '04-30 09:00', '05-29 09:00']),
    ('\t0  9\t* * 1-5 \n', ['03-02 09:00', '03-03 09:00']),
    # one of the two fields of days is enough, unless one begins with *
    ('0 9 13 * 5', ['03-06 09:00', '03-13 09:00', '03-20 09:00']),
    ('0 9 */2 * 5', ['03-13 09:00', '03-27 09:00']),
    ('0 9 1-8 * */5', ['03-06 09:00', '03-08 09:00', '04-03 09:00']),
    ('0 9 1-31 * 5', ['03-02 09:00', '03-03 09:00']),
])
def test_an_expression_is_taken_in_its_evident_sense(expression, expected):
    assert occurrences(expression, len(expected)) == expected


@pytest.mark.parametrize('expression, sentence', [
    ('*/90 * * * *', "minute is '*/90' in the cron expression '*/90 * * * *'; "
     'a step of 90 leads out of 0 to 59, so that only 0 is left; write 0, or '
     'for a period Every(timedelta(minutes=90))'),
    ('0 */36 * * *', 'for a period Every(timedelta(hours=36))'),
    ('*/61 * * * * *', 'Every(timedelta(seconds=61))'),
    ('0 0 */32 * *', 'Every(timedelta(days=32))'),
    ('0 0 * * */8', 'Every(timedelta(days=8))'),
    ('0 0 1 */13 *', "write 1, or for a period RRule('FREQ=MONTHLY;INTERVAL="
     "13', start)"),
    ('10-20/30 * * * *', 'a step of 30 leads out of 10 to 20'),
    ('0 22-6/10 * * *', 'a step of 10 leads out of 22 to 6'),
    ('50/20 * * * *', 'a step of 20 leads out of 50 to 59'),
    ('0 9-9/25 * * *', 'a step of 25 leads out of 9 to 9'),
    ('@reboot', "'@reboot', which names no time; schedule a task without a "
     'recurrence where your application starts'),
    ('@every 5m', 'which is a period; write Every(timedelta(minutes=5))'),
    ('@every 1h30m10s',
     'write Every(timedelta(hours=1, minutes=30, seconds=10))'),
    ('@every', 'write Every(timedelta(minutes=5))'),
    ('every 5 minutes', 'has 3 fields; it takes'),
    ('every 5 minutes', '@hourly; a period is an Every'),
    ('CRON_TZ=Europe/Berlin 0 3 * * *',
     "names a zone; write Cron('0 3 * * *', 'Europe/Berlin')"),
    ('TZ=UTC @daily', "write Cron('@daily', 'UTC')"),
    ('0 3 L-3 * *',
     "3 days before the last; write RRule('FREQ=MONTHLY;BYMONTHDAY=-4'"),
    ('0 3 15W * *', 'BYMONTHDAY=15,16,17;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1'),
    ('0 3 W * *', 'write * here and MON-FRI as day-of-week'),
    ('0 3 * * L', 'write SAT, or for the last Saturday 6L'),
    ('0 3 * * 1#6', "day-of-week is '1#6'"),
    ('0 3 1-L * *', "day-of-month is '1-L'"),
    ('H 3 * * *', 'H is a number that Jenkins chooses; write one, such as 17'),
    ('H/15 3 * * *', 'H is a number that Jenkins chooses'),
    ('H(0-29)/10 * * * *', 'H is a number that Jenkins chooses'),
    ('0~59 * * * *', '~ is a number chosen at random'),
    ('? 3 * * *', 'only day-of-month and day-of-week take ?; write *'),
    ('0 0 3 ? * 2-6', 'SUN is 1, elsewhere MON is 1; write names'),
    ('0 0 3 ? * 2 *', 'write names'),
    ('0 0 3 1 1 ? 2027', "has the year '2027'; Cron knows no years, RRule("),
    ('0 3 1 * * 2027', "has the year '2027'"),
    ('0 0 3 1 1 ? 5', 'has 7 fields'),
    ('0 3 * * * # nightly', "has '# nightly' behind its five fields"),
    ('0 3 * * * root /bin/backup', "has 'root /bin/backup' behind its five"),
    ('0 3 * * * Europe/Berlin', 'pass a zone as an argument'),
    ('0 3 * * *\n0 4 * * *', 'has 2 lines; make a rule of each'),
    ('*-5 * * * *', "minute is '*-5'"),
    ('0 3 * * mo', "day-of-week is 'mo'"),
    ('0 3 * ja *', "month is 'ja'"),
    ('0 0 0 30 2 ? *', "day-of-month is '30'"),
])
def test_what_is_refused_is_named_with_what_to_write(expression, sentence):
    with pytest.raises(InvalidRecurrence) as error:
        Cron(expression, 'UTC')
    assert sentence in str(error.value)


@pytest.mark.parametrize('one, other', [
    ('0 0 * * MON', '0 0 * * mon'),
    ('0 0 * * 7', '0 0 * * SUN'),
    ('0 0 * * 0-6', '0 0 * * ?'),
    ('@daily', '0 0 * * *'),
    ('@Midnight', '@daily'),
    ('0 0 3 * * *', '0 3 * * *'),
    ('1,2,3 5 * * *', '1-3 05 * * *'),
    ('3,1,2,1 5 * * *', '1-3/1 5 * * *'),
    ('*/1 * * * *', '* * * * *'),
    ('*/2 * * * *', '0-59/2 * * * *'),
    ('0 3 * jan-dec *', '0 3 * * *'),
    ('0 3 * * sat-sun', '0 3 * * 6,0'),
    ('0 22-1 * * *', '0 0,1,22,23 * * *'),
    ('0 3 * * 5,5L', '0 3 * * FRI'),
    ('0 3 1-31 * 5', '0 3 * * *'),
    ('0 3 1-31,L * *', '0 3 * * *'),
    ('0 3 1 1 ?', '0 0 3 1 JAN * *'),
])
def test_expressions_that_say_the_same_are_equal(one, other):
    rules = [Cron(each, 'UTC') for each in (one, other)]
    assert rules[0] == rules[1]
    assert len({*rules}) == 1
    assert str(rules[0]) == str(rules[1])
    assert [*rules[0].upcoming(MOMENT, 9)] == [*rules[1].upcoming(MOMENT, 9)]


@pytest.mark.parametrize('one, other', [
    (Cron('0 3 * * *', 'UTC'), Cron('0 3 * * *', 'Europe/Berlin')),
    (Cron('0 3 * * *', 'UTC'), Cron('0 3 * * *', 'UTC', gap='skip')),
    (Cron('0 3 * * *', 'UTC'), Cron('0 3 * * *', 'UTC', fold='both')),
    # by default a fixed time is kept in a gap, and an interval is not
    (Cron('0 * * * *', 'UTC'), Cron('0 0-23 * * *', 'UTC')),
    (Cron('0 3 */2 * 5', 'UTC'), Cron('0 3 1-31/2 * 5', 'UTC')),
    (Cron('0 3 L * *', 'UTC'), Cron('0 3 31 * *', 'UTC')),
    (Cron('0 3 * * *', 'UTC'), '0 3 * * *'),
])
def test_rules_that_differ_are_not_equal(one, other):
    assert one != other


def test_a_rule_keeps_what_was_written():
    rule = Cron('0  3 * * Monday', 'UTC')
    assert rule.expression == '0 3 * * Monday'
    assert repr(rule) == "Cron('0 3 * * Monday', 'UTC')"


def test_a_rule_that_older_code_has_taken_has_equals():
    rules = [Cron('0 5 * * *', 'UTC') for _ in range(2)]
    for rule in rules:
        vars(rule)['expression'] = '0 5 * * NEVER'
    assert rules[0] == rules[1] != Cron('0 5 * * *', 'UTC')
    assert len({*rules}) == 1


# -- No expression takes long


LONG = [','.join(map(str, islice(cycle(range(60)), 320))),
        ','.join(['1-59/2'] * 140), ','.join(['*'] * 490)]


def number_of_calls(act):
    """How many functions of Python are called: 100,000 take about 50 ms."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == 'call'

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


def refuse_or_answer(expression, moment, **options):
    try:
        Cron(expression, 'Europe/Berlin', **options).next_after(moment)
    except InvalidRecurrence:
        pass


@pytest.mark.parametrize('expression, options', [
    # on no day, on few, and always in a gap
    ('0 0 */31 * MON#2', {}), ('0 0 */28 2 MON#5', {}), ('0 0 29 2 *', {}),
    ('30 2 * 3 SUNL', {'gap': 'skip'}), ('* 2 * 3 SUNL', {'gap': 'skip'}),
    ('59 59 23 31 12 *', {}), ('59 59 23 */30 */11 SAT#5,SUN#5', {}),
    *((f'{each} * * * *', {}) for each in LONG),
    *((f'{each} 59 23 31 12 *', {}) for each in LONG),
    (f'{"*," * 9999}* * * * *', {}), (f'{"9" * 990} * * * *', {})])
def test_any_expression_answers_or_is_refused_at_once(expression, options):
    # there is no 29th of February until 2104
    moment = datetime(2096, 2, 29, 12, tzinfo=UTC)
    assert number_of_calls(lambda: refuse_or_answer(
        expression, moment, **options)) < 100_000


@pytest.mark.parametrize('length, refused', [
    (MAX_LENGTH, False), (MAX_LENGTH + 1, True)])
def test_a_long_expression_is_refused(length, refused):
    expression = f'{"0" * (length - 8)} * * * *'
    if refused:
        with pytest.raises(InvalidRecurrence, match='takes 1000 at most'):
            Cron(expression, 'UTC')
    else:
        assert Cron(expression, 'UTC').next_after(MOMENT).minute == 0
