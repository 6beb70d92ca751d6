"""Two rules that say the same are equal, however they are written."""

import pickle
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from zodbschedule import Cron
from zodbschedule import InvalidRecurrence
from zodbschedule import RRule


BERLIN = ZoneInfo('Europe/Berlin')
START = datetime(2026, 3, 3, 9, tzinfo=BERLIN)  # a Tuesday
HOUR = timedelta(hours=1)


@pytest.mark.parametrize('one, other', [
    ('FREQ=DAILY', 'freq=daily;interval=1'),
    ('FREQ=DAILY', 'RRULE:FREQ=DAILY;WKST=MO'),
    ('FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9', 'BYHOUR=9;BYDAY=FR,MO;FREQ=WEEKLY'),
    ('FREQ=WEEKLY;BYDAY=MO,FR', 'FREQ=WEEKLY;BYDAY=FR,MO,FR'),
    ('FREQ=MONTHLY;BYDAY=1MO', 'FREQ=MONTHLY;BYDAY=+1MO'),
    ('FREQ=DAILY;BYHOUR=9', 'FREQ=DAILY;BYHOUR=09'),
    # what the start says need not be said
    ('FREQ=WEEKLY', 'FREQ=WEEKLY;BYDAY=TU;BYMINUTE=0'),
    ('FREQ=YEARLY', 'FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=3'),
    ('FREQ=DAILY;UNTIL=20260401T070000Z', 'FREQ=DAILY;UNTIL=20260401T090000'),
    ('FREQ=DAILY\nEXDATE;TZID=Europe/Berlin:20260304T090000',
     'FREQ=DAILY\nEXDATE:20260304T080000Z'),
])
def test_texts_that_say_the_same_are_equal(one, other):
    rules = RRule(one, START), RRule(other, START)
    assert rules[0] == rules[1]
    assert len({*rules, pickle.loads(pickle.dumps(rules[1]))}) == 1


RULE = RRule('FREQ=DAILY', START)


@pytest.mark.parametrize('other', [
    RRule('FREQ=DAILY;INTERVAL=2', START), RRule('FREQ=DAILY;COUNT=2', START),
    RRule('FREQ=DAILY;WKST=SU', START), RRule('FREQ=DAILY;BYHOUR=8', START),
    RRule('FREQ=DAILY;UNTIL=20260401T070000Z', START),
    RRule('FREQ=DAILY', START + HOUR),
    RRule('FREQ=DAILY', START.astimezone(UTC)),
    RRule('FREQ=DAILY', START, gap='next'),
    RRule('FREQ=DAILY', START, fold='both'),
    RRule('FREQ=DAILY', START, exdate=START),
    RRule('FREQ=DAILY', START, rdate=START + HOUR),
    Cron('0 9 * * *', 'Europe/Berlin')])
def test_rules_that_differ_are_not_equal(other):
    assert RULE != other


def test_a_rule_that_older_code_has_taken_has_equals():
    rules = [RRule('FREQ=DAILY', START) for _ in range(2)]
    for rule in rules:
        vars(rule)['text'] = 'FREQ=NEVER'
    assert rules[0] == rules[1] != RULE
    assert len({*rules}) == 1
    assert str(rules[0]) == 'FREQ=NEVER from 2026-03-03 09:00 in Europe/Berlin'
    assert rules[0].in_short() == 'FREQ=NEVER, in Europe/Berlin'


# -- The law: equal rules have equal occurrences


def some(term):
    return st.lists(term, min_size=1, max_size=2).map(','.join)


def terms(low, high, names=()):
    """Few values in many ways to write them, so that many are equal."""
    number = st.sampled_from([low, low + 1, high - 1, high]).map(str) | (
        st.sampled_from(names or [str(low)]))
    return number | st.builds('{}-{}'.format, number, number) | (
        st.builds('{}/{}'.format, number, st.sampled_from([1, 2]))) | (
        st.sampled_from(['*', f'*/{high - low}', '*/1', f'{low}-{high}']))


EXPRESSIONS = st.builds(
    '{} {} {} {} {}'.format, some(terms(0, 59)), st.sampled_from(['3', '3-4']),
    some(terms(1, 31)) | st.sampled_from('?L*'), st.sampled_from('*1'),
    some(terms(0, 7, ['sun', 'MON', 'Tue'])) | st.sampled_from('?*'))
TEXTS = st.builds(
    lambda *parts: ';'.join(filter(None, parts)),
    st.sampled_from(['FREQ=WEEKLY', 'FREQ=MONTHLY', 'FREQ=DAILY']),
    st.sampled_from(['', 'INTERVAL=1', 'INTERVAL=2']),
    st.sampled_from(['', 'BYDAY=TU', 'BYDAY=TU,TU', 'BYDAY=MO,TU']),
    st.sampled_from(['', 'WKST=MO', 'WKST=SU']),
    st.sampled_from(['', 'BYHOUR=9', 'BYHOUR=09', 'BYHOUR=3']))


def made(make, text):
    try:
        return [make(text)]
    except InvalidRecurrence:
        return []


@settings(deadline=None, max_examples=30)
@given(st.lists(EXPRESSIONS, min_size=8, max_size=8),
       st.lists(TEXTS, min_size=8, max_size=8))
def test_equal_rules_have_equal_hashes_and_occurrences(expressions, texts):
    rules = [rule for text in expressions for rule in made(
        lambda text: Cron(text, 'Europe/Berlin'), text)]
    rules += [rule for text in texts for rule in made(
        lambda text: RRule(text, START), text)]
    for one in rules:
        for other in rules:
            if one == other:
                assert hash(one) == hash(other)
                assert [*one.upcoming(START, 9)] == [*other.upcoming(START, 9)]
