"""One thing is done to one task, unless it has moved on since it was seen."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

from zodbschedule import Every
from zodbschedule import reading
from zodbschedule import steering
from zodbschedule.instant import to_micros
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fail():
    raise RuntimeError('nobody opens')


@pytest.fixture
def task(schedule, commit):
    """A task that waits."""
    made = schedule.call(print, time=BEGIN + HOUR)
    commit()
    return made


@pytest.fixture
def entry(schedule, commit):
    """The entry of a task that is parked."""
    schedule.call(fail, time=BEGIN, key='hats')
    commit()
    schedule.process(BEGIN)
    [found] = schedule.parked
    return found


def decisions(schedule):
    """What is on record: what, by whom, why."""
    return [(row.outcome, row.principalId, row.error)
            for row in reading.history(schedule).items
            if row.outcome not in ('failed', 'succeeded')]


def test_a_task_is_cancelled_once(schedule, task, commit):
    id = task_id(task)
    found = steering.cancel(schedule, id, by='zoe', reason='wrong')
    commit()
    assert found == steering.Steered(id, True, f'Task {id} was cancelled.')
    assert decisions(schedule) == [('unscheduled', 'zoe', 'wrong')]
    again = steering.cancel(schedule, id, by='zoe')
    assert not again.done
    assert 'is not here any more' in again.message
    assert len(decisions(schedule)) == 1


def test_what_has_moved_on_is_left(schedule, task, commit):
    schedule.change(task, time=BEGIN + 2 * HOUR)
    commit()
    for act in steering.cancel, steering.run_now, steering.change:
        found = act(schedule, task_id(task), by='zoe', seen=BEGIN + HOUR)
        assert not found.done
        assert found.message == (
            f'Task {task_id(task)} has moved on since you saw it: it is due '
            f'2030-01-31T10:00:00Z now. Look again.')
    assert schedule.waits(task) == BEGIN + 2 * HOUR
    assert steering.cancel(
        schedule, task_id(task), by='zoe', seen=BEGIN + 2 * HOUR).done


def test_what_a_worker_holds_is_known_by_the_time_it_was_due(
        schedule, task, commit):
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    turn.exchange(schedule, claim, 1, None, BEGIN + HOUR, lambda *_: True)
    commit()
    found = steering.change(
        schedule, task_id(task), by='zoe', seen=BEGIN + HOUR, time=BEGIN)
    assert not found.done
    assert found.message.startswith(
        f'Task {task_id(task)} was left as it is: ')
    assert steering.cancel(
        schedule, task_id(task), by='zoe', seen=BEGIN + HOUR).done


def test_a_task_that_comes_next_has_no_time(schedule, task, commit):
    id = task_id(task)
    schedule.timetable.remove(BEGIN + HOUR, task)
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    commit()
    assert claim.filled == 0
    found = steering.cancel(schedule, id, by='zoe', seen=BEGIN + HOUR)
    assert not found.done


def test_a_task_runs_now_and_goes_on(schedule, commit):
    task = schedule.call(print, time=BEGIN + HOUR, recurrence=Every(HOUR))
    commit()
    assert steering.run_now(schedule, task_id(task), by='zoe').done
    assert schedule.waits(task) == BEGIN
    assert decisions(schedule)[0][:2] == ('requested', 'zoe')


def test_a_task_and_the_schedule_are_paused_and_resumed(
        schedule, task, commit):
    for id in task_id(task), '':
        assert steering.pause(schedule, id, by='zoe', reason='we move').done
        commit()
        assert reading.health(schedule).pause or id
        assert steering.resume(schedule, id, by='zoe').done
        commit()
    assert [row[:2] for row in decisions(schedule)] == 2 * [
        ('resumed', 'zoe'), ('paused', 'zoe')]


def test_an_option_that_is_wrong_is_told(schedule, task):
    found = steering.change(schedule, task_id(task), by='zoe', color='red')
    assert not found.done
    assert "'color'" in found.message or 'color' in found.message
    assert steering.change(
        schedule, task_id(task), by='zoe', description='other').done


def test_a_parked_task_is_scheduled_again_once(schedule, entry, commit):
    found = steering.unpark(
        schedule, entry.id, by='zoe', seen=entry.parked_at, time=BEGIN + HOUR)
    commit()
    assert found.done
    assert found.message == f'Task {entry.id} is scheduled again.'
    again = steering.unpark(schedule, entry.id, by='zoe')
    assert again.message == f'Task {entry.id} is not parked any more.'


def test_one_that_was_parked_again_is_left(schedule, entry):
    for act in steering.unpark, steering.discard:
        found = act(schedule, entry.id, by='zoe', seen=BEGIN - HOUR)
        assert not found.done
        assert 'it was parked again, 2030-01-31T08:00:00Z now' in (
            found.message)
    assert steering.discard(schedule, entry.id, by='zoe').done


def test_a_key_that_another_task_has_is_told(schedule, entry, commit):
    schedule.call(print, time=BEGIN + HOUR, key='hats')
    commit()
    found = steering.unpark(schedule, entry.id, by='zoe')
    assert not found.done
    assert "'hats'" in found.message


def test_what_came_of_it_is_json(schedule):
    found = steering.cancel(schedule, 'zz', by='zoe')
    assert reading.to_json(found)['done'] is False
