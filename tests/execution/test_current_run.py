"""What a task can learn of its run, and say of itself."""

import threading
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
import zope.event
from persistent.list import PersistentList

from zodbschedule import ClaimLost
from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import current_run
from zodbschedule.interfaces import ICurrentRun
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.store.inspection import task_id


BEGIN = datetime(2003, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

#: what a task does, and what it has found
does = {}
found = []


class Curious(Task):
    """Does what the test says."""

    def __call__(self):
        return does['it'](self)

    def schedule(self):
        if 'schedule' in does:
            return does['schedule'](self)
        return super().schedule()


@pytest.fixture(autouse=True)
def anew():
    does.clear()
    found.clear()


@pytest.fixture
def run(schedule, clock):
    """Run a task that does something; the tally."""
    def run(call, **options):
        does['it'] = call
        run.task = schedule.schedule(Curious(BEGIN, **options))
        transaction.commit()
        return schedule.process(clock.now())

    return run


def look(task):
    found.append(current_run())


def test_outside_of_a_run_there_is_none(run):
    assert current_run() is None
    run(lambda task: None)
    assert current_run() is None


def test_a_run_that_fails_leaves_none(run):
    run(lambda task: 1 / 0)
    assert current_run() is None


def test_it_tells_of_the_run(run, schedule, clock):
    clock.set(BEGIN + HOUR)

    def note(task):
        seen = current_run()
        found.append((seen.task is task, seen.schedule is schedule,
                      seen.now, seen.attempt, seen.occurrence,
                      ICurrentRun.providedBy(seen)))

    run(note)
    assert found == [(True, True, BEGIN + HOUR, 1, BEGIN, True)]


def test_schedule_of_the_task_belongs_to_the_run(run):
    does['schedule'] = look
    run(lambda task: None)
    assert found[0] is not None


def test_the_token_names_the_task_and_its_occurrence(run):
    run(lambda task: found.append(current_run().token))
    assert found == [f'{task_id(run.task)}-1049155200000000']


def test_each_occurrence_has_a_token_of_its_own(run, schedule, clock):
    run(lambda task: found.append(current_run().token),
        recurrence=Every(HOUR))
    clock.advance(HOUR)
    schedule.process(clock.now())
    assert len(set(found)) == 2


def test_a_thread_that_a_task_starts_has_none(run):
    def start(task):
        thread = threading.Thread(target=look, args=(task,))
        thread.start()
        thread.join()

    run(start)
    assert found == [None]


def test_two_threads_have_each_its_own(schedule, clock):
    barrier = threading.Barrier(2, timeout=20)

    def meet(task):
        barrier.wait()
        found.append(current_run().task is task)

    does['it'] = meet
    db = schedule._p_jar.db()
    for number in range(2):
        one_more(db, number)
    threads = [threading.Thread(target=process_one, args=(db, number))
               for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True, True]


def one_more(db, name):
    """Make another schedule, with a task."""
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    with manager:
        own = connection.root()[f'schedule {name}'] = Schedule()
        own.schedule(Curious(BEGIN))
    connection.close()


def process_one(db, name):
    """Process that other schedule."""
    connection = db.open(transaction.TransactionManager())
    connection.root()[f'schedule {name}'].process(BEGIN)
    connection.close()


def test_a_run_within_a_run_is_the_current_one(run, schedule):
    def nest(task):
        outer = current_run()
        if not found:
            found.append(None)
            one_more(schedule._p_jar.db(), 'inner')
            process_one(schedule._p_jar.db(), 'inner')
        found.append(current_run().task is task and current_run() is outer)

    run(nest)
    assert found == [None, True, True]


# -- cancelled


def in_own_connection(schedule, work):
    """Do something to the schedule in a transaction of its own."""
    manager = transaction.TransactionManager(explicit=True)
    with manager:
        connection = schedule._p_jar.db().open(manager)
        work(connection.root()['schedule'])
    connection.close()


def test_it_learns_that_it_was_cancelled(run, schedule):
    def cancelled(task):
        found.append(current_run().cancelled)
        in_own_connection(schedule, lambda other: other.unschedule(
            other._p_jar.get(task._p_oid)))
        found.append(current_run().cancelled)

    told = []
    zope.event.subscribers.append(told.append)
    try:
        run(cancelled, description='vain', principalId='bob')
    finally:
        zope.event.subscribers.remove(told.append)
    assert found == [False, True]
    assert run.task not in schedule
    [entry] = schedule.history
    assert (entry.outcome, entry.time, entry.description,
            entry.principalId) == ('cancelled', BEGIN, 'vain', 'bob')
    assert [(event.outcome, event.time, event.description)
            for event in told] == [('cancelled', BEGIN, 'vain')]


def test_a_run_that_is_cancelled_is_not_recorded_without_a_history(
        run, schedule):
    schedule.history.keep = 0

    def cancelled(task):
        in_own_connection(schedule, lambda other: other.unschedule(
            other._p_jar.get(task._p_oid)))

    run(cancelled)
    assert list(schedule.history) == []
    assert run.task not in schedule


def test_it_learns_that_its_claim_was_recovered(run, schedule):
    def recovered(task):
        def recover(other):
            [(id, claim)] = other.claims.items()
            withdraw(other, id, claim, BEGIN)

        in_own_connection(schedule, recover)
        found.append(current_run().cancelled)

    with pytest.raises(ClaimLost):
        run(recovered)
    assert found == [True]


# -- progress


def seen_by_others(schedule):
    seen = []
    in_own_connection(schedule, lambda other: seen.extend(
        one.progress for one in other.claimed()))
    return seen


def test_progress_is_seen_by_others_while_it_runs(run, schedule):
    def work(task):
        found.extend(seen_by_others(schedule))
        current_run().progress(3, 10)
        found.extend(seen_by_others(schedule))

    run(work)
    assert found == [None, (3, 10)]


def test_only_the_task_that_runs_shows_it(run, schedule, clock):
    schedule.schedule(Curious(BEGIN + timedelta(microseconds=1)))

    def work(task):
        if not found:
            current_run().progress(3, 10)
            found.extend(seen_by_others(schedule))

    clock.advance(timedelta(seconds=1))
    run(work)
    assert found == [(3, 10), None]


def test_it_is_written_once_a_second_at_most(run, schedule, clock):
    def work(task):
        before = schedule._p_jar.db().lastTransaction()
        tids = set()
        for step in range(100):
            current_run().progress(step, 100)
            clock.advance(timedelta(milliseconds=100))
            tids.add(schedule._p_jar.db().lastTransaction())
        found.append(len(tids - {before}))
        found.extend(seen_by_others(schedule))

    run(work)
    assert found == [10, (90, 100)]


def test_a_clock_that_is_set_back_does_not_silence_it(run, schedule, clock):
    def work(task):
        current_run().progress(1, 2)
        clock.set(BEGIN - HOUR)
        current_run().progress(2, 2)
        found.extend(seen_by_others(schedule))

    run(work)
    assert found == [(2, 2)]


def test_it_does_not_disturb_the_run(run, schedule):
    schedule._p_jar.root()['notes'] = PersistentList()

    def work(task):
        task._p_jar.root()['notes'].append(1)
        current_run().progress(1, 2)

    assert run(work).succeeded == 1
    assert list(schedule._p_jar.root()['notes']) == [1]


def test_a_report_that_is_lost_harms_nothing(run, schedule, monkeypatch,
                                             caplog):
    def work(task):
        def refuse(*arguments, **options):
            raise OSError('the disk is full')

        monkeypatch.setattr(schedule._p_jar.db(), 'open', refuse)
        current_run().progress(1, 2)
        monkeypatch.undo()

    assert run(work).succeeded == 1
    assert 'a report of progress was lost.' in caplog.text


def test_a_report_of_a_run_that_was_recovered_is_dropped(run, schedule):
    def recovered(task):
        def recover(other):
            [(id, claim)] = other.claims.items()
            withdraw(other, id, claim, BEGIN)

        in_own_connection(schedule, recover)
        current_run().progress(1, 2)
        found.append('told')

    with pytest.raises(ClaimLost):
        run(recovered)
    assert found == ['told']


def test_if_nobody_reports_nothing_is_written(run, schedule):
    run(look)
    log = schedule._p_jar.db().undoLog(0, 3)
    # hand back, the run, and the turn before it
    assert [entry['description'] for entry in log] == [
        'zodbschedule: hand back', f'{__name__}.Curious',
        'zodbschedule: take due tasks']


# -- Saying that there is nothing to do


def cancel(task):
    task.tried = True
    current_run().cancel('nobody has ordered it')


def test_a_run_that_has_nothing_to_do_is_on_record_as_cancelled(
        run, schedule, caplog, monkeypatch):
    caplog.set_level('INFO')
    events = []
    monkeypatch.setattr(zope.event, 'subscribers', [events.append])
    assert not any(run(cancel, description='deliver'))
    assert not list(schedule)
    [outcome] = schedule.history
    [event] = events
    for told in outcome, event:
        assert (told.outcome, told.error) == (
            'cancelled', 'nobody has ordered it')
    assert run.task.tried
    [note] = [entry['description'] for entry in schedule._p_jar.db().undoLog()
              if 'deliver' in entry['description']]
    assert note == 'cancelled: deliver'
    assert (f"The run of task {task_id(run.task)} 'deliver' ("
            f'{__name__}.Curious) is cancelled: nobody has ordered it' in (
                caplog.text))


def test_if_it_repeats_it_goes_on(run, schedule):
    run(cancel, recurrence=Every(HOUR))
    assert list(schedule.getTaskTimes()) == [BEGIN + HOUR]
    assert [each.outcome for each in schedule.history] == ['cancelled']


def test_unless_it_unschedules_itself(run, schedule):
    def end(task):
        cancel(task)
        current_run().schedule.unschedule(task)

    run(end, recurrence=Every(HOUR))
    assert not list(schedule)
    [outcome] = schedule.history
    assert (outcome.outcome, outcome.error) == (
        'cancelled', 'nobody has ordered it')


def test_without_a_reason_a_task_that_unschedules_itself_has_succeeded(
        run, schedule):
    assert run(lambda task: current_run().schedule.unschedule(
        task)).succeeded == 1
    assert [each.outcome for each in schedule.history] == ['succeeded']


def test_one_that_asks_for_a_retry_all_the_same_is_retried(run, schedule):
    def again(task):
        cancel(task)
        return task

    assert run(again).retried == 1
    [outcome] = schedule.history
    assert (outcome.outcome, outcome.error) == ('retried', None)
