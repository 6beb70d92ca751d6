"""Rules as people type them, and as they are shown to be typed anew."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import InvalidRecurrence
from zodbschedule import RRule
from zodbschedule.recurrence.expressions import read
from zodbschedule.recurrence.expressions import typed


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
BERLIN = ZoneInfo('Europe/Berlin')


@pytest.mark.parametrize('text, rule', [
    ('every 15m', Every(timedelta(minutes=15))),
    (' Every 15 minutes ', Every(timedelta(minutes=15))),
    ('every hour', Every(timedelta(hours=1))),
    ('every 1.5s', Every(timedelta(seconds=1.5))),
    ('30 2 * * *', Cron('30 2 * * *', 'Europe/Berlin')),
    ('FREQ=DAILY', RRule('FREQ=DAILY', BEGIN.astimezone(BERLIN))),
    ('DTSTART:20300201T090000\nRRULE:FREQ=DAILY',
     RRule('FREQ=DAILY', datetime(2030, 2, 1, 9, tzinfo=BERLIN))),
    ('DTSTART:20300201T090000Z\nRRULE:FREQ=DAILY',
     RRule('FREQ=DAILY', datetime(2030, 2, 1, 9, tzinfo=UTC)))])
def test_a_rule_is_read(text, rule):
    assert read(text, 'Europe/Berlin', BEGIN) == rule


def test_a_start_without_a_zone_is_a_wall_time():
    rule = read('FREQ=DAILY', 'Europe/Berlin', datetime(2030, 1, 31, 9))
    assert rule.dtstart == datetime(2030, 1, 31, 9, tzinfo=BERLIN)


@pytest.mark.parametrize('text, said', [
    ('every day', 'day is not a duration; write 30s, 5m, 2h or 1d'),
    ('every 2 months', 'write FREQ=MONTHLY;INTERVAL=2'),
    ('every 0s', 'more than zero'),
    ('61 * * * *', "'61'"),
    ('FREQ=OFTEN', 'OFTEN'),
    ('', 'cron expression')])
def test_what_is_wrong_is_told(text, said):
    with pytest.raises(InvalidRecurrence, match=said):
        read(text, 'Europe/Berlin', BEGIN)


@pytest.mark.parametrize('text', ['FREQ=DAILY', '* * * * *'])
def test_an_unknown_zone_is_told(text):
    with pytest.raises(InvalidRecurrence, match="'Europe/Bonn'"):
        read(text, 'Europe/Bonn', BEGIN)


def test_an_exdate_that_leaves_out_nothing_is_the_rule_s_to_tell():
    rule = read('FREQ=DAILY\nEXDATE:20300201T110000Z', 'UTC', BEGIN)
    assert len(rule.unmatched_exdate) == 1


@pytest.mark.parametrize('rule, text, zone', [
    (Every(timedelta(minutes=90), BEGIN), 'every 90m', None),
    (Every(timedelta(hours=48)), 'every 2d', None),
    (Every(timedelta(seconds=1.5)), 'every 1.5s', None),
    (Cron('30 2 * * *', 'Europe/Berlin'), '30 2 * * *', 'Europe/Berlin'),
    (RRule('FREQ=DAILY', BEGIN), 'FREQ=DAILY', 'UTC')])
def test_a_rule_is_shown_to_be_typed_anew(rule, text, zone):
    assert typed(rule) == (text, zone)
    again = read(text, zone or 'UTC', BEGIN)
    assert again in (rule, Every(getattr(rule, 'period', timedelta(1))))


def test_a_rule_of_somebody_else_is_not_typed():
    assert typed(object()) is None
