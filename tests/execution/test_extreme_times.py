"""The first and the last instants that there are."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule.instant import later


FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
DAY = timedelta(days=1)
NOWS = [FIRST, FIRST + DAY, datetime(1683, 1, 1, tzinfo=UTC),
        datetime(1826, 1, 1, tzinfo=UTC), datetime(2113, 1, 1, tzinfo=UTC),
        datetime(2256, 1, 1, tzinfo=UTC), LAST - DAY, LAST]


def run(schedule, now):
    transaction.commit()
    return schedule.process(now)


@pytest.mark.parametrize('now', NOWS, ids=str)
def test_a_pass_is_made_at_any_instant(schedule, now):
    for _ in range(3):
        schedule.call('math.sqrt', 4, time=now)
        assert run(schedule, now).succeeded == 1
    assert len(list(schedule.history)) == 3
    assert not list(schedule.parked)


@pytest.mark.parametrize('now', NOWS, ids=str)
def test_a_failure_at_any_instant_is_put_off(schedule, now):
    schedule.call('math.sqrt', -1, time=now, retry=Retry(3, delay=DAY))
    assert run(schedule, now).retried == 1


@pytest.mark.parametrize('now', NOWS, ids=str)
def test_the_history_is_in_order_and_bounded_at_any_instant(schedule, now):
    schedule.history.keep = 2
    schedule.history.max_age = DAY
    for number in range(4):
        schedule.call('math.sqrt', number, time=now, description=f'{number}')
        run(schedule, now)
    schedule.history.trim(now)
    assert [entry.description for entry in schedule.history] == ['3', '2']


def test_the_longest_spread_leads_no_further_than_the_last_instant(schedule):
    schedule.spread = timedelta.max
    schedule.call('math.sqrt', 4, time=FIRST,
                  recurrence=Every(DAY, FIRST + 4 * DAY))
    assert run(schedule, FIRST).succeeded == 1
    task, = schedule
    assert FIRST < task.time <= LAST
    assert next(schedule.forecast(LAST, now=FIRST)).time <= LAST


def test_no_instant_is_beyond_the_first_and_the_last():
    assert later(FIRST, -DAY) == FIRST
    assert later(LAST, DAY) == LAST
