"""One thing is done to one task, unless it has moved on since it was seen."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from types import SimpleNamespace

import pytest
from cold import cold_loads
from losing import lose

from zodbschedule import Every
from zodbschedule import reading
from zodbschedule import steering
from zodbschedule.instant import to_micros
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.history import record
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
    assert found == steering.Steered(
        id, True, f'Task {id} was cancelled.', said='was cancelled')
    assert decisions(schedule) == [('unscheduled', 'zoe', 'wrong')]
    again = steering.cancel(schedule, id, by='zoe')
    assert not again.done
    assert again.problem == 'gone'
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


@pytest.fixture
def taken(schedule, task, commit):
    """The same task, which a worker has taken since it was seen."""
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    turn.exchange(schedule, claim, 1, None, BEGIN + HOUR, lambda *_: True)
    commit()
    return task_id(task)


def test_what_a_worker_has_taken_is_not_moved(schedule, taken):
    found = steering.change(
        schedule, taken, by='zoe', seen=BEGIN + HOUR, time=BEGIN)
    assert (found.done, found.problem) == (False, 'running')
    assert found.message == (
        f'Task {taken} runs just now, or is about to, and was left as it is; '
        f'try again when that has ended.')


def test_what_a_worker_has_taken_is_cancelled(schedule, taken):
    found = steering.cancel(schedule, taken, by='zoe', seen=BEGIN + HOUR)
    assert found.done
    assert found.message == (
        f'Task {taken} was cancelled; what its run has done is rolled back.')


def test_what_a_worker_has_taken_runs_without_being_asked(schedule, taken):
    found = steering.run_now(schedule, taken, by='zoe', seen=BEGIN + HOUR)
    assert found.message == f'Task {taken} is already claimed by a worker.'
    schedule.get(taken).recurrence = Every(HOUR)
    found = steering.run_now(schedule, taken, by='zoe', seen=BEGIN + HOUR)
    assert found.message.endswith('will run once more afterwards.')


def test_what_a_worker_has_taken_is_paused_and_resumed(schedule, taken):
    for act in steering.pause, steering.resume:
        assert act(schedule, taken, by='zoe', seen=BEGIN + HOUR).done


def test_what_is_nowhere_is_left(schedule, task, commit):
    id = task_id(task)
    schedule.timetable.remove(BEGIN + HOUR, task)
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    commit()
    assert claim.filled == 0
    found = steering.cancel(schedule, id, by='zoe', seen=BEGIN + HOUR)
    assert found.problem == 'gone'


@pytest.fixture
def lost(schedule, commit):
    """The last of many tasks, whose record is gone."""
    tasks = [schedule.call(print, time=BEGIN + number * HOUR)
             for number in range(1, 100)]
    commit()
    id = task_id(tasks[-1])
    lose(SimpleNamespace(db=schedule._p_jar.db()), tasks[-1])
    del tasks
    schedule._p_jar._cache.full_sweep()
    return id


def test_a_task_whose_record_is_gone_is_where_it_was_seen(
        schedule, lost, commit):
    found = steering.change(
        schedule, lost, by='zoe', seen=BEGIN + 99 * HOUR, description='lost')
    assert (found.done, found.problem) == (False, 'refused')
    for act in steering.pause, steering.resume, steering.cancel:
        assert act(schedule, lost, by='zoe', seen=BEGIN + 99 * HOUR).done
        commit()
    assert len(list(schedule)) == 98


def test_an_id_that_no_task_has_costs_little(schedule, lost):
    for seen in None, BEGIN + 99 * HOUR:
        found = []
        loads = cold_loads(schedule, lambda again, seen=seen: found.append(
            steering.cancel(again, 'ffffff', by='zoe', seen=seen)))
        assert [each.problem for each in found] == ['gone']
        assert loads < 200


def test_what_waits_to_be_collected_has_moved_on(schedule, taken, commit):
    """Its run has ended, and its claim still holds it for its next one."""
    [slot] = schedule.slots()
    begin, oid = to_micros(BEGIN), slot.oid
    slot.settle(
        SUCCEEDED, record(oid, begin, SUCCEEDED, begin, '', '', began=begin),
        (to_micros(BEGIN + 2 * HOUR), slot.task))
    commit()
    found = steering.cancel(schedule, taken, by='zoe', seen=BEGIN + HOUR)
    assert found.problem == 'moved'
    assert 'it is due 2030-01-31T10:00:00Z now' in found.message


def test_a_task_runs_now_and_goes_on(schedule, commit):
    task = schedule.call(print, time=BEGIN + HOUR, recurrence=Every(HOUR))
    commit()
    assert steering.run_now(schedule, task_id(task), by='zoe').done
    assert schedule.waits(task) == BEGIN
    assert decisions(schedule)[0][:2] == ('requested', 'zoe')


def test_what_is_paused_does_not_run_now(schedule, task, commit):
    for one, said in (
            (task, 'is paused; resume it first'),
            (None, 'is in a schedule that is paused; resume that first')):
        schedule.pause(one)
        commit()
        found = steering.run_now(schedule, task_id(task), by='zoe')
        assert (found.problem, found.said) == ('paused', said)
        schedule.resume(one)


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


def test_what_is_paused_already_keeps_its_reason(schedule, task, commit):
    for id in task_id(task), '':
        steering.pause(schedule, id, by='zoe', reason='we move')
        commit()
        again = steering.pause(schedule, id, by='ada', reason='backup')
        assert (again.done, again.problem) == (False, 'unchanged')
        assert again.message.endswith(
            'is paused already, since 2030-01-31T08:00:00Z by zoe: we move.')
    assert len(decisions(schedule)) == 2


def test_a_pause_of_nobody_without_a_reason_is_told_by_its_time(
        schedule, task, commit):
    schedule.pause(task)
    commit()
    again = steering.pause(schedule, task_id(task), by='zoe')
    assert again.said == 'is paused already, since 2030-01-31T08:00:00Z'


def test_a_schedule_is_not_resumed_without_the_code_of_its_tasks(
        schedule, task, commit, monkeypatch):
    for id in task_id(task), '':
        steering.pause(schedule, id, by='zoe')
    commit()

    def without_code(connection, module, name):
        """The class factory of a Zope that is not started."""

    without_code.without_code = True
    monkeypatch.setattr(schedule._p_jar.db(), 'classFactory', without_code)
    found = steering.resume(schedule, by='zoe')
    assert (found.done, found.problem) == (False, 'refused')
    assert 'use: zodbschedule resume --all' in found.message
    assert schedule.paused() is not None
    assert steering.resume(schedule, task_id(task), by='zoe').done


def test_what_is_not_paused_is_not_resumed(schedule, task):
    for id in task_id(task), '':
        found = steering.resume(schedule, id, by='zoe')
        assert (found.done, found.problem) == (False, 'unchanged')
        assert found.said == 'was not paused'


def test_a_task_that_has_moved_on_is_not_paused(schedule, task):
    found = steering.pause(schedule, task_id(task), by='zoe', seen=BEGIN)
    assert (found.done, found.problem) == (False, 'moved')


def test_a_pause_that_began_after_it_was_seen_is_not_ended(
        schedule, task, commit):
    for id, one in (task_id(task), task), ('', None):
        schedule.pause(one, by='ada', reason='backup')
        commit()
        found = steering.resume(schedule, id, by='zoe', seen=BEGIN - HOUR)
        assert (found.done, found.problem) == (False, 'moved')
        assert ('it is paused since 2030-01-31T08:00:00Z by ada: backup now'
                in found.message)
        assert steering.resume(schedule, id, by='zoe', seen=BEGIN).done


def test_a_paused_task_is_resumed_by_the_time_that_was_seen(
        schedule, task, commit):
    schedule.pause(task)
    commit()
    assert steering.resume(
        schedule, task_id(task), by='zoe', seen=BEGIN + HOUR).done


def test_a_parked_task_is_told_to_be_parked(schedule, entry):
    for act in (steering.cancel, steering.run_now, steering.change,
                steering.pause, steering.resume):
        found = act(schedule, entry.id, by='zoe')
        assert (found.done, found.problem) == (False, 'parked')
        assert found.said.startswith('is parked; ')


def test_no_id_means_no_task(schedule, task):
    for act in steering.cancel, steering.run_now, steering.change:
        assert act(schedule, '', by='zoe').problem == 'gone'
    for act in steering.unpark, steering.discard:
        assert act(schedule, '', by='zoe').problem == 'not-parked'


def test_an_option_that_is_wrong_is_told(schedule, task):
    found = steering.change(schedule, task_id(task), by='zoe', color='red')
    assert (found.done, found.problem) == (False, 'refused')
    assert 'color' in found.message
    found = steering.change(
        schedule, task_id(task), by='zoe', description='other')
    assert (found.done, found.time) == (True, BEGIN + HOUR)
    assert found.message.endswith(
        'was changed; it is due 2030-01-31T09:00:00Z.')


def test_a_parked_task_is_scheduled_again_once(schedule, entry, commit):
    found = steering.unpark(
        schedule, entry.id, by='zoe', seen=entry.parked_at, time=BEGIN + HOUR)
    commit()
    assert found.done
    assert found.message == (
        f'Task {entry.id} is scheduled for 2030-01-31T09:00:00Z.')
    assert found.time == BEGIN + HOUR
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
    other = schedule.call(print, time=BEGIN + HOUR, key='hats')
    commit()
    found = steering.unpark(schedule, entry.id, by='zoe')
    assert (found.done, found.problem) == (False, 'key-taken')
    assert found.other == task_id(other)
    assert found.message == (
        f"Task {entry.id} was left as it is: the key 'hats' is held by task "
        f"{found.other}, which waits; try again when that has run, or cancel "
        f"it first.")


def test_an_occurrence_is_known_by_the_id_of_its_task(
        schedule, clock, commit):
    task = schedule.call(fail, time=BEGIN, recurrence=Every(HOUR))
    commit()
    schedule.process(BEGIN)
    assert steering.unpark(schedule, task_id(task), by='zoe').done
    commit()
    schedule.process(BEGIN)
    schedule.process(BEGIN + HOUR)
    found = steering.discard(schedule, task_id(task), by='zoe')
    assert (found.done, found.problem) == (False, 'ambiguous')
    assert 'is parked 2 times; give one of these ids: ' in found.message
    first, _ = schedule.parked
    assert steering.discard(schedule, first.id, by='zoe').done


def test_what_an_unparked_occurrence_waits_for_is_told(
        schedule, clock, commit):
    """The task waits for another occurrence, or a worker has it."""
    task = schedule.call(fail, time=BEGIN, recurrence=Every(HOUR))
    commit()
    schedule.process(BEGIN)
    [entry] = schedule.parked
    clock.advance(HOUR)
    schedule.run_now(task)
    assert steering.unpark(schedule, entry.id, by='zoe').said == (
        'will run after the occurrence that is waiting')
    schedule._p_jar.transaction_manager.abort()
    claim = schedule.claims['a'] = Claim('night', this(), to_micros(BEGIN))
    turn.exchange(schedule, claim, 1, None, BEGIN + HOUR, lambda *_: True)
    commit()
    assert steering.unpark(schedule, entry.id, by='zoe').said == (
        'will run when the worker has finished the task')


def test_what_came_of_it_is_json(schedule):
    found = steering.cancel(schedule, 'zz', by='zoe')
    assert reading.to_json(found)['done'] is False
