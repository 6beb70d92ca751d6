"""What people paste: the next three occurrences, or the refusal.

The rules stand in `pasted_rules.txt`.  What they give was worked out by hand,
with a calendar, not copied from what we answer.
"""

import re
import warnings
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zodbschedule import Cron
from zodbschedule import InvalidRecurrence
from zodbschedule import RecurrenceWarning
from zodbschedule import RRule
from zodbschedule.recurrence.arguments import MAX_DATES


BERLIN = ZoneInfo('Europe/Berlin')
START = datetime(2026, 3, 2, 9, tzinfo=BERLIN)
HOUR = timedelta(hours=1)

TABLE = Path(__file__).with_name('pasted_rules.txt')
HEADING = re.compile(r'== (cron )?(\S+) from (.+)')
RESULT = re.compile('  ([!~] |(Mon|Tue|Wed|Thu|Fri|Sat|Sun) )')
MARKS = {'!': 'refusal', '~': 'warning'}


def cases():
    """Each rule of the table, with its zone, start, and what it gives."""
    kind = start = case = None
    for line in TABLE.read_text().splitlines():
        if heading := HEADING.fullmatch(line):
            kind = heading[1] or 'rrule'
            start = datetime.fromisoformat(heading[3]).replace(
                tzinfo=ZoneInfo(heading[2]))
        elif case is not None and RESULT.match(line):
            case[MARKS.get(line[2], 'times')] = line.strip('!~ ')
        elif line and not line.startswith('#'):
            text = line.replace(r'\n', '\n').replace(r'\r', '\r')
            case = {'text': text, 'start': start, 'kind': kind}
            yield case


def rule_of(case):
    if case['kind'] == 'rrule':
        return RRule(case['text'], case['start'])
    return Cron(case['text'], case['start'].tzinfo)


CASES = [*cases()]
REFUSED = [case for case in CASES if 'refusal' in case]
TAKEN = [case for case in CASES if 'times' in case]
RRULES = [case for case in TAKEN if case['kind'] == 'rrule']


def of(cases):
    return pytest.mark.parametrize(
        'case', cases, ids=[case['text'] for case in cases])


def times(rule, start):
    """The first three from the start on; "-" where there are fewer."""
    found = list(rule.upcoming(start - timedelta(seconds=1), 3))
    shown = [f'{each:%a %Y-%m-%d %H:%M:%S}'.removesuffix(':00')
             for each in found]
    return ', '.join(shown + ['-'] * (3 - len(shown)))


def test_the_table_is_read_whole():
    assert len(CASES) >= 120
    assert len(REFUSED) + len(TAKEN) == len(CASES)


@of(TAKEN)
def test_what_is_pasted_is_taken_in_its_evident_sense(case):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        rule = rule_of(case)
    assert times(rule, case['start']) == case['times']
    assert [each.category for each in caught] == (
        [RecurrenceWarning] if 'warning' in case else [])
    assert all(case['warning'] in str(each.message) for each in caught)


@of(RRULES)
def test_what_has_been_read_is_written_as_the_standard_says(case):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        rule = RRule(case['text'], case['start'])
        again = RRule(rule.text, rule.dtstart, exdate=rule.exdate,
                      rdate=rule.rdate)
    assert again == rule
    assert re.fullmatch(r'([A-Z]+=[A-Z0-9,+-]+(;|$))+', rule.text)


@of(REFUSED)
def test_what_has_no_evident_sense_is_refused_by_its_name(case):
    with pytest.raises(InvalidRecurrence) as error:
        rule_of(case)
    assert str(error.value).endswith(case['refusal'])


PIECES = [
    'RRULE', 'EXDATE', 'RDATE', 'DTSTART', 'FREQ=DAILY', 'FREQ=HOURLY',
    'UNTIL=', 'COUNT=', 'BYDAY=', 'MO', 'TU(1)', '20260303', 'T000000', 'Z',
    'T090000', '00010101', '99991231', 'TZID=', 'Europe/Berlin', 'VALUE=DATE',
    'X-A=1', 'PT1H', *':;=,/-+"2 \n\t\0\u2028é٣']


BEGINNINGS = ['', 'FREQ=DAILY;UNTIL=', 'FREQ=DAILY\nEXDATE:',
              'FREQ=DAILY\nRDATE;TZID=']


@given(st.sampled_from(BEGINNINGS),
       st.lists(st.sampled_from(PIECES), max_size=9), st.booleans())
def test_whatever_is_pasted_is_a_rule_or_refused(begin, pieces, has_start):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RecurrenceWarning)
        try:
            rule = RRule(begin + ''.join(pieces), START if has_start else None)
        except InvalidRecurrence:
            return
        assert str(rule)
        assert RRule(rule.text, rule.dtstart, exdate=rule.exdate,
                     rdate=rule.rdate) == rule


# -- The start in the text


def test_the_start_may_stand_in_the_text_alone():
    rule = RRule('DTSTART;TZID=Europe/Berlin:20260302T090000\n'
                 'RRULE:FREQ=DAILY')
    assert rule == RRule('FREQ=DAILY', START)
    assert RRule('DTSTART:20260302T080000Z\nRRULE:FREQ=DAILY') == RRule(
        'FREQ=DAILY', START.astimezone(UTC))


@pytest.mark.parametrize('line', [
    'DTSTART:20260302T090000', 'DTSTART;VALUE=DATE:20260302'])
def test_a_start_in_the_text_needs_a_zone(line):
    with pytest.raises(InvalidRecurrence, match=(
            'which names no time zone; write DTSTART;TZID=Europe/Berlin:'
            '20260302T0[09]0000, or give the argument dtstart')):
        RRule(f'{line}\nRRULE:FREQ=DAILY')


def test_a_rule_needs_a_start():
    with pytest.raises(InvalidRecurrence, match='dtstart is None'):
        RRule('FREQ=DAILY')


def test_the_second_of_a_fold_agrees_with_its_wall_time():
    start = datetime(2026, 10, 25, 2, 30, 0, 5, tzinfo=BERLIN, fold=1)
    rule = RRule('DTSTART:20261025T023000\nRRULE:FREQ=DAILY', start)
    assert rule.dtstart.fold == 1


# -- The end


@pytest.mark.parametrize('zone', ['Asia/Tokyo', 'America/New_York'])
@pytest.mark.parametrize('until', ['99991231T235959Z', '99991231'])
def test_the_end_of_the_calendar_is_no_end(zone, until):
    start = START.astimezone(ZoneInfo(zone))
    rule = RRule(f'FREQ=DAILY;UNTIL={until}', start)
    assert rule == RRule('FREQ=DAILY', start)
    assert str(rule) == str(RRule('FREQ=DAILY', start))


def test_a_rule_that_ends_with_the_first_day_has_its_dates():
    start = START.astimezone(ZoneInfo('America/New_York'))
    rule = RRule('FREQ=DAILY;UNTIL=00010101T000000Z\nRDATE:20260305T090000',
                 start)
    assert rule.next_after(START).day == 5
    assert str(rule)


# -- What is left out


def test_what_leaves_out_nothing_is_known_of_a_rule():
    with pytest.warns(RecurrenceWarning):
        rule = RRule('FREQ=DAILY\nEXDATE:20260303T100000Z', START,
                     exdate=[START, START + HOUR])
    assert rule.unmatched_exdate == (
        START + HOUR, datetime(2026, 3, 3, 10, tzinfo=UTC))
    assert RRule('FREQ=DAILY', START, exdate=START).unmatched_exdate == ()


def test_the_warning_names_the_line_of_the_caller():
    with pytest.warns(RecurrenceWarning) as caught:
        RRule('FREQ=DAILY', START, exdate=[START + HOUR])
    assert caught[0].filename == __file__


def test_a_date_that_rdate_adds_may_be_left_out():
    rule = RRule('FREQ=DAILY', START, rdate=[START + HOUR],
                 exdate=[START + HOUR])
    assert rule.unmatched_exdate == ()
    assert rule.next_after(START) == START + 24 * HOUR


def test_the_last_day_of_the_calendar_cannot_be_left_out():
    with pytest.raises(InvalidRecurrence, match='exdate is '):
        RRule('FREQ=DAILY\nEXDATE:99991231', START)


@pytest.mark.parametrize('name', ['exdate', 'rdate'])
def test_the_number_of_dates_is_bounded(name):
    dates = [START + day * 48 * HOUR for day in range(MAX_DATES)]
    assert RRule('FREQ=HOURLY', START, **{name: dates})
    with pytest.raises(InvalidRecurrence, match=f'{name} has 501 dates'):
        RRule('FREQ=HOURLY', START, **{name: [*dates, START + HOUR]})


def test_the_end_of_a_line_may_be_typed_as_two_characters():
    rule = RRule(r'RRULE:FREQ=DAILY\nEXDATE:20260302T090000', START)
    assert rule.exdate == (START,)


# -- Long texts


def test_a_rule_of_more_than_1000_characters_is_refused():
    text = 'FREQ=DAILY;BYHOUR=09' + ',9' * 490
    assert RRule(text, START)
    with pytest.raises(InvalidRecurrence) as error:
        RRule(f'{text},9', START)
    assert str(error.value).endswith(
        "...', which has 1,002 characters; it takes 1,000 at most")
    assert len(str(error.value)) < 300


def test_a_text_of_more_than_100_000_characters_is_not_read():
    with pytest.raises(InvalidRecurrence, match='has 100,001 characters'):
        RRule('FREQ=DAILY;\n ' * 7692 + 'COUNT', START)


def test_a_text_with_many_dates_is_read():
    days = [START + day * 24 * HOUR for day in range(200)]
    lines = '\n'.join(f'EXDATE;TZID=Europe/Berlin:{day:%Y%m%d}T000000'
                      for day in days)
    rule = RRule(f'FREQ=DAILY\n{lines}', START)
    assert rule.next_after(START) == days[-1] + 24 * HOUR


# -- Zone names


def test_windows_names_of_zones_are_refused_by_cron_too():
    with pytest.raises(InvalidRecurrence, match="write 'Europe/Paris'"):
        Cron('@daily', 'Romance Standard Time')


@pytest.mark.parametrize('tzid, zone', [
    ('/citadel.org/20190914_1/America/Argentina/Ushuaia',
     'America/Argentina/Ushuaia'),
    ('/example.com/UTC', 'UTC')])
def test_a_global_name_of_a_zone_ends_with_it(tzid, zone):
    text = f'DTSTART;TZID={tzid}:20260302T090000\nRRULE:FREQ=DAILY'
    assert str(RRule(text).dtstart.tzinfo) == zone
