"""One thing is done to all tasks that a filter selects, in portions."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from types import SimpleNamespace

import pytest
from losing import lose
from transaction import TransactionManager
from ZODB.broken import broken_cache
from ZODB.broken import find_global
from ZODB.POSException import ConflictError

from zodbschedule import InvalidTask
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import reading
from zodbschedule import steering
from zodbschedule.instant import to_micros
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.reading import paging
from zodbschedule.scheduling import turn
from zodbschedule.steering import bulk
from zodbschedule.store.claim import Claim
from zodbschedule.store.history import record
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """Pages of two, so that there are portions."""
    monkeypatch.setattr(paging, 'LOOKED_AT', 2)


@pytest.fixture
def tasks(schedule, commit):
    """Five tasks that wait, two of them with a key."""
    made = [schedule.call(print, time=BEGIN + DAY,
                          key=f'hats {number}' if number % 3 == 0 else None)
            for number in range(5)]
    commit()
    return made


def run_all(schedule, clock, most=20):
    """Pass after pass, as a worker would."""
    for _ in range(most):
        if not any(schedule.process(clock.now())):
            return
        clock.advance(timedelta(seconds=1))
    raise AssertionError('it does not end')


def do(schedule, commit, clock, action, **chosen):
    task = schedule.schedule(steering.BulkAction(
        action, reading.Filter(**chosen), 'zoe', 'we move'))
    commit()
    run_all(schedule, clock)
    return task


def unscheduled(schedule):
    """The ids of the tasks that were cancelled, as on record."""
    return [row.id for row in schedule.history.select(outcome='unscheduled')]


def test_all_that_match_are_cancelled_and_that_is_on_record(
        schedule, tasks, commit, clock):
    found = do(schedule, commit, clock, 'cancel', key='hats *')
    assert (found.done, found.left) == (2, 0)
    assert list(schedule) == [tasks[1], tasks[2], tasks[4]]
    record = list(schedule.history)
    assert [(row.outcome, row.principalId) for row in record
            if row.error == 'we move'] == 2 * [('unscheduled', 'zoe')]
    assert [row.description for row in record if row.outcome == 'succeeded'
            ][0] == 'cancel for zoe: 2'


@pytest.fixture
def begun(schedule, tasks, commit, clock):
    """The id of one that has cancelled the first of five."""
    task = schedule.schedule(steering.BulkAction(
        'cancel', reading.Filter(), 'zoe', expected=5))
    commit()
    schedule.process(clock.now())
    assert 0 < task.done < 5
    return task_id(task)


def test_it_says_how_far_it_is(schedule, begun, commit, clock):
    done = 5 - (schedule.estimate() - 1)
    found = reading.task(schedule, begun)
    assert found.description == f'cancel for zoe: {done} of 5'
    assert {name: found.attributes[name] for name in (
        'done', 'left', 'problems', 'expected')} == {
            'done': done, 'left': 0, 'problems': {}, 'expected': 5}
    run_all(schedule, clock)
    assert reading.task(schedule, begun).description == (
        'cancel for zoe: 5 of 5')


def test_it_can_be_cancelled_half_way(schedule, begun, commit, clock):
    left = schedule.estimate() - 1
    clock.advance(timedelta(seconds=1))
    assert steering.cancel(schedule, begun, by='ada', reason='stop').done
    commit()
    run_all(schedule, clock)
    assert schedule.estimate() == left
    last = reading.history(schedule).items[0]
    assert (last.outcome, last.description, last.error) == (
        'unscheduled', f'cancel for zoe: {5 - left} of 5', 'stop')


@pytest.mark.parametrize('ended', [False, True])
def test_it_goes_on_after_its_worker_was_killed(
        schedule, begun, tasks, commit, clock, ended):
    """Within a portion, or when one has ended."""
    dead = this()._replace(started='1')
    claim = schedule.claims['a'] = Claim('dead', dead)
    turn.exchange(schedule, claim, 1, None, clock.now(), lambda *_: True)
    [slot] = claim.slots
    if ended:
        now = to_micros(clock.now())
        slot.settle(SUCCEEDED, record(
            slot.oid, now, SUCCEEDED, now, '', '', began=now),
            (now, slot.task))
    commit()
    assert reading.task(schedule, begun).worker == 'dead'
    run_all(schedule, clock)
    assert list(schedule) == []
    assert sorted(unscheduled(schedule)) == sorted(map(task_id, tasks))


def test_a_portion_that_conflicts_too_often_is_tried_later(
        schedule, begun, commit, clock, monkeypatch):
    def contended(self, task, **record):
        raise ConflictError

    clock.advance(timedelta(seconds=1))
    with monkeypatch.context() as busy:
        busy.setattr(Schedule, 'unschedule', contended)
        assert schedule.process(clock.now()).left == 1
    run_all(schedule, clock)
    assert (list(schedule), list(schedule.parked)) == ([], [])


@pytest.mark.slow
def test_ten_thousand_tasks_are_decided_about(
        schedule, commit, clock, monkeypatch):
    """Its progress is seen, it is cancelled on its way, that is on record."""
    monkeypatch.setattr(paging, 'LOOKED_AT', 100)
    for number in range(10_000):
        schedule.call(print, time=BEGIN + (1 + number // 100) * DAY)
    task = schedule.schedule(steering.BulkAction(
        'cancel', reading.Filter(), 'zoe', 'we move', expected=10_000))
    commit()
    id = task_id(task)
    seen = [0]
    while seen[-1] < 3_000:
        schedule.process(clock.now())
        clock.advance(timedelta(seconds=1))
        seen.append(reading.task(schedule, id, 5).attributes['done'])
    assert seen == list(range(0, 3_001, 50))
    assert steering.cancel(schedule, id, by='ada').done
    commit()
    run_all(schedule, clock)
    assert len(unscheduled(schedule)) == 3_001
    assert len(list(schedule)) == 7_000
    assert reading.task(schedule, id).description == (
        'cancel for zoe: 3000 of 10000')


class Errand(Task):
    """A task whose class comes to be missing."""


@pytest.fixture
def damaged(schedule, tasks, commit, clock):
    """As another process has it: a class is missing, a record is gone."""
    schedule.schedule(Errand(BEGIN + DAY, description='errand'))
    commit()
    db = schedule._p_jar.db()
    db.classFactory = lambda connection, module, name: find_global(
        'no_such_shop' if name == 'Errand' else module, name)
    lose(SimpleNamespace(db=db), tasks[1])
    connection = db.open(TransactionManager())
    yield connection.get(schedule._p_oid)
    connection.close()
    broken_cache.clear()


def test_what_is_broken_is_cancelled_too(damaged, clock):
    found = do(damaged, damaged._p_jar.transaction_manager.commit, clock,
               'cancel')
    assert (found.done, found.left) == (6, 0)
    assert list(damaged) == []


def test_what_is_broken_is_paused_and_resumed_too(damaged, clock):
    commit = damaged._p_jar.transaction_manager.commit
    assert do(damaged, commit, clock, 'pause').done == 6
    assert do(damaged, commit, clock, 'resume').done == 6


def test_what_cannot_run_is_left_and_counted(damaged, clock):
    found = do(damaged, damaged._p_jar.transaction_manager.commit, clock,
               'run-now')
    assert (found.done, found.left) == (4, 2)
    assert found.problems == {'refused': 2}
    assert found.description == 'run-now for zoe: 4, 2 left'


def test_what_cannot_be_unparked_stays_parked_and_can_be_discarded(
        damaged, clock):
    commit = damaged._p_jar.transaction_manager.commit
    for task in list(damaged):
        damaged.unschedule(task)
        damaged.parked.add(ParkedTask(
            task_id(task), task, BEGIN, BEGIN, 'it failed'))
    commit()
    found = do(damaged, commit, clock, 'unpark')
    assert (found.done, found.problems) == (4, {'refused': 2})
    assert do(damaged, commit, clock, 'discard').done == 2
    assert not damaged.parked


def test_tasks_are_paused_resumed_and_run_now(
        schedule, tasks, commit, clock):
    assert do(schedule, commit, clock, 'pause').done == 5
    assert len(reading.paused(schedule).items) == 2  # of the first page
    assert do(schedule, commit, clock, 'resume').done == 5
    assert reading.paused(schedule).items == ()
    assert do(schedule, commit, clock, 'run-now').done == 5
    assert list(schedule) == []


def test_what_is_due_by_itself_is_not_asked_for(schedule, tasks, commit):
    schedule.change(tasks[0], time=BEGIN)
    commit()
    # Before it, so that the task itself does not come with the others.
    schedule.schedule(steering.BulkAction(
        'run-now', reading.Filter(), 'zoe', time=BEGIN - DAY))
    commit()
    schedule.process(BEGIN - DAY)
    assert {row.outcome for row in schedule.history} == {
        'succeeded', 'requested'}
    assert sum(row.outcome == 'requested' for row in schedule.history) == 1


def fail():
    raise RuntimeError('nobody opens')


@pytest.mark.parametrize('action', ['unpark', 'discard'])
def test_parked_tasks_are_decided_about(schedule, commit, clock, action):
    for _ in range(5):
        schedule.call(fail, time=BEGIN)
    commit()
    schedule.process(BEGIN)
    before = {entry.position for entry in schedule.parked}
    assert do(schedule, commit, clock, action).done == 5
    after = {entry.position for entry in schedule.parked}
    # What fails again is parked again, and is not unparked once more.
    assert len(after) == (5 if action == 'unpark' else 0)
    assert not before & after


def test_what_cannot_be_done_is_counted(schedule, tasks, commit, clock):
    schedule.pause()
    commit()
    task = steering.BulkAction('run-now', reading.Filter(), 'zoe')
    schedule.resume()
    for one in tasks:
        schedule.pause(one)
    schedule.schedule(task)
    commit()
    run_all(schedule, clock)
    assert (task.done, task.left) == (0, 5)


def test_several_are_told_of_together(schedule, tasks, commit):
    chosen = [(task_id(task), BEGIN + DAY) for task in tasks]
    found = steering.several(
        schedule, 'cancel', chosen[:1], by='zoe', reason='we move')
    assert found == steering.Several(1, (), 'Cancelled: 1 of 1 task.')
    schedule.change(tasks[1], time=BEGIN)
    commit()
    found = steering.several(
        schedule, 'cancel', chosen[:3], by='zoe', reason='we move')
    commit()
    assert found.done == 1
    assert [each.problem for each in found.left] == ['gone', 'moved']
    assert found.message == ' '.join(
        ['Cancelled: 1 of 3 tasks.', *(each.message for each in found.left)])
    assert [row.error for row in schedule.history.select(
        outcome='unscheduled')] == 2 * ['we move']


def test_of_many_that_are_left_three_are_told(schedule):
    found = steering.several(
        schedule, 'resume', 5 * [('zz', None)], by='zoe', reason='whatever')
    assert found.message.count('is not here any more') == 3
    assert found.message.endswith(' 2 more were left.')


def test_too_many_for_one_transaction_are_refused(schedule, tasks):
    chosen = [(task_id(task), None) for task in tasks]
    with pytest.raises(InvalidTask, match='101 tasks are too many'):
        steering.several(
            schedule, 'cancel', [*chosen, *96 * [('zz', None)]], by='zoe')
    assert len(list(schedule)) == 5


def test_a_preview_counts_and_shows_the_first(schedule, tasks, monkeypatch):
    found = steering.preview(
        schedule, 'cancel', reading.Filter(key='hats *'))
    assert (found.number, found.more, len(found.first)) == (2, False, 2)
    monkeypatch.setattr(bulk, 'PREVIEWED', 1)
    found = steering.preview(schedule, 'cancel', reading.Filter())
    assert (found.number, found.more) == (2, True)
    assert reading.to_json(found)['more'] is True


def test_another_action_is_refused(schedule):
    for make in (
            lambda: steering.BulkAction('delete', reading.Filter(), 'zoe'),
            lambda: steering.several(schedule, 'delete', [], by='zoe'),
            lambda: steering.preview(schedule, 'delete', reading.Filter())):
        with pytest.raises(InvalidTask, match="action is 'delete'"):
            make()
