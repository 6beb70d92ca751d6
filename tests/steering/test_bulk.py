"""One thing is done to all tasks that a filter selects, in portions."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

from zodbschedule import InvalidTask
from zodbschedule import reading
from zodbschedule import steering
from zodbschedule.reading import paging
from zodbschedule.steering import bulk
from zodbschedule.store.inspection import task_id


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


def test_all_that_match_are_cancelled_and_that_is_on_record(
        schedule, tasks, commit, clock):
    found = do(schedule, commit, clock, 'cancel', key='hats *')
    assert (found.done, found.left) == (2, 0)
    assert list(schedule) == [tasks[1], tasks[2], tasks[4]]
    record = list(schedule.history)
    assert [(row.outcome, row.principalId) for row in record
            if row.error == 'we move'] == 2 * [('unscheduled', 'zoe')]
    assert {row.description for row in record if row.outcome == 'succeeded'
            } == {'cancel for zoe'}


def test_it_goes_on_where_it_was_and_can_be_cancelled(
        schedule, tasks, commit, clock):
    task = schedule.schedule(
        steering.BulkAction('cancel', reading.Filter(), 'zoe'))
    commit()
    schedule.process(clock.now())
    left = len(list(schedule)) - 1
    assert 0 < left < 5
    schedule.unschedule(task)
    commit()
    run_all(schedule, clock)
    assert len(list(schedule)) == left


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
