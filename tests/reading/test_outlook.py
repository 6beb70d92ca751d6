"""What the rule of a task says, what it is to do, and its bounded record."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from cold import cold_loads

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import reading
from zodbschedule.instant import to_micros
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.history import record
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import task_id


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def fail():
    raise RuntimeError('nobody opens')


@pytest.fixture
def nightly(schedule, commit):
    """A task of a calendar, which waits for its first occurrence."""
    task = schedule.call(
        print, time=BEGIN + DAY,
        recurrence=Cron('30 2 * * *', 'Europe/Berlin'))
    commit()
    return task


def test_the_rule_and_the_runs_of_a_task(schedule, nightly):
    found = reading.outlook(schedule, task_id(nightly), BEGIN, 3)
    assert found.rule.rule == 'every day at 02:30, in Europe/Berlin'
    assert (found.rule.text, found.rule.zone) == (
        '30 2 * * *', 'Europe/Berlin')
    assert len(found.rule.occurrences) == len(found.runs) == 3
    assert found.runs[0].time == BEGIN + DAY
    assert 'text' not in reading.to_json(found.rule)


@pytest.mark.parametrize('whole', [False, True])
def test_what_is_paused_has_no_runs(schedule, nightly, commit, whole):
    schedule.pause(None if whole else nightly)
    commit()
    found = reading.outlook(schedule, task_id(nightly), BEGIN, 3)
    assert found.runs == ()
    assert len(found.rule.occurrences) == 3


def test_what_a_worker_holds_runs_and_goes_on(schedule, commit):
    task = schedule.call(print, time=BEGIN, recurrence=Every(HOUR))
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    turn.exchange(schedule, claim, 9, None, BEGIN, lambda *_: True)
    commit()
    found = reading.outlook(schedule, task_id(task), BEGIN, 2)
    assert [run.time for run in found.runs] == [BEGIN, BEGIN + HOUR]


def test_what_is_in_no_place_has_no_runs(schedule, nightly, monkeypatch):
    """A run may have put it off, and its slot says when only later."""
    monkeypatch.setattr(type(schedule), 'waits', lambda *_: None)
    assert reading.outlook(schedule, task_id(nightly), BEGIN, 2).runs == ()


def test_a_parked_task_keeps_its_rule(schedule, commit):
    schedule.call(fail, time=BEGIN, recurrence=Every(HOUR))
    commit()
    schedule.process(BEGIN)
    [entry] = schedule.parked
    found = reading.outlook(schedule, entry.id, BEGIN, 2)
    assert found.rule.text == 'every 1h'
    assert found.runs == ()


@pytest.mark.parametrize('id', ['zz', 'ffff'])
def test_no_task_has_no_outlook(schedule, id):
    assert reading.outlook(schedule, id, BEGIN, 2) == reading.Outlook(None, ())


def test_a_rule_that_cannot_be_told_is_left_out(
        schedule, nightly, commit, monkeypatch):
    def unknown(*_):
        raise ValueError('no such zone')

    monkeypatch.setattr(Cron, 'describe', unknown)
    assert reading.outlook(schedule, task_id(nightly), BEGIN, 2).rule is None


def test_so_much_of_the_history_is_loaded_for_a_task(schedule, commit):
    task = schedule.call(print, time=BEGIN, retry=Retry(3))
    commit()
    for number in range(30):
        schedule.history.add([record(
            oid_of(task), number, SUCCEEDED, number, 'x', 'x', began=number)],
            BEGIN + number * HOUR, 'worker')
    commit()
    id = task_id(task)
    few, all = (
        cold_loads(schedule, lambda again: reading.task(again, id, most))
        for most in (5, None))
    assert few < all - 10
    assert len(reading.task(schedule, id).outcomes) == 20


def test_the_history_is_searched_for_a_text(schedule, commit):
    schedule.call(fail, time=BEGIN, description='open the shop')
    schedule.pause(schedule.call(print, time=BEGIN), by='Zoe')
    commit()
    schedule.process(BEGIN)
    for text, outcome in (
            ('SHOP', 'failed'), ('nobody opens', 'failed'), ('zoe', 'paused')):
        [found] = reading.history(schedule, text=text).items
        assert found.outcome == outcome
    assert reading.history(schedule, text='no such text').items == ()


def test_what_else_a_worker_holds_is_not_loaded_for_a_task(schedule, commit):
    tasks = [schedule.call(print, time=BEGIN) for _ in range(20)]
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    turn.exchange(schedule, claim, 20, None, BEGIN, lambda *_: True)
    commit()
    id = task_id(tasks[7])
    assert reading.task(schedule, id).state == 'claimed'
    read = cold_loads(schedule, lambda again: reading.task(again, id))
    listed = cold_loads(schedule, lambda again: reading.running(again))
    assert read < listed
