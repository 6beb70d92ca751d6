"""The model of RRULE against RFC 5545's examples, and others by hand."""

from datetime import datetime
from datetime import timedelta
from itertools import islice

import pytest
from rfc5545 import Rule
from rfc5545_examples import EXAMPLES
from rfc5545_examples import OTHERS


YEARS = timedelta(days=30 * 366)


@pytest.mark.parametrize('start, text, expected', [*EXAMPLES, *OTHERS])
def test_a_rule_occurs_as_the_rfc_and_calendars_say(start, text, expected):
    found = Rule(text, start).occurrences(start + YEARS)
    is_all = 'COUNT' in text or 'UNTIL' in text
    assert [*islice(found, len(expected) + is_all)] == expected


def test_daily_until_the_day_before_christmas():
    start = datetime(1997, 9, 2, 9)
    rule = Rule('FREQ=DAILY;UNTIL=19971224T000000Z', start)
    found = [*rule.occurrences(start + YEARS)]
    assert found[0] == start
    assert found[-1] == datetime(1997, 12, 23, 9)
    assert len(found) == 29 + 31 + 30 + 23


@pytest.mark.parametrize('text', [
    'FREQ=YEARLY;INTERVAL=3;BYDAY=2TU,-1FR',
    'FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=-1,13;BYSETPOS=-1',
    'FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU',
    'FREQ=DAILY;INTERVAL=11;BYMONTH=2,12',
])
def test_the_middle_is_as_if_walked_from_the_start(text):
    rule = Rule(text, datetime(1999, 12, 31, 9))
    end = datetime(2024, 1, 1)
    walls = [*rule.occurrences(end)]
    for year in range(1999, 2024, 5):
        begin = datetime(year, 2, 13)
        assert [*rule.walls(begin, end)] == [
            wall for wall in walls if wall >= begin]
