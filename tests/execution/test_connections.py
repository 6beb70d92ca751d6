"""What a task does to connections: it may neither close its own, nor cut it
off from its transactions, nor write through a second one.
"""

import os
from datetime import timedelta

import pytest
import transaction
import zope.event
from crew import open_database
from databases import wait_until
from sample_work import NOON
from sample_work import Note
from sample_work import at

from zodbschedule import Task
from zodbschedule import Worker
from zodbschedule import current_run
from zodbschedule.interfaces import RunEnded
from zodbschedule.worker.config import Paths


pytestmark = pytest.mark.storages('FileStorage', 'ZEO', 'PostgreSQL')

# How long a process may take in all, in seconds.
PATIENCE = 60


def connection():
    """That of the run."""
    return current_run().schedule._p_jar


def close():
    connection().close()


def write_and_close():
    current_run().task.written = True
    close()


def close_after_an_abort():
    try:
        transaction.abort()
    finally:
        close()


def clear_synchronizers():
    transaction.manager.clearSynchs()


def write_twice():
    other = connection().db().open()
    other.root()['other'] = 1


def write_twice_in_a_hook():
    transaction.get().addBeforeCommitHook(
        write_twice_by, args=(connection().db(),))


def write_twice_by(db):
    db.open().root()['other'] = 1


def write_apart():
    with connection().db().transaction() as other:
        other.root()['apart'] = 1


def read_twice():
    assert connection().db().open().root()['schedule'] is not None


class Does(Task):
    """Calls the function of this module that its description names."""

    def __call__(self):
        globals()[self.description]()


def process(uri, times):
    """Process what is due so often, in a process of its own."""
    db = open_database(uri)
    schedule = db.open().root()['schedule']
    for _ in range(int(times)):
        print(*schedule.process(at(1)))
    os._exit(7)


def work(uri, times):
    """Have a worker run all, in a process of its own."""
    db = open_database(uri)
    onlooker = db.open(transaction.TransactionManager())
    with Worker(db) as worker:
        def both():
            onlooker.sync()
            return len(list(onlooker.root()['schedule'].history)) == 2

        wait_until(both, 'the end')
        wait_until(lambda: worker.healthy, 'a healthy worker')
    onlooker.sync()
    print(len(onlooker.root()['schedule'].claims))
    os._exit(7)


def lines_of(child, database, function, times=1):
    database.close()
    one = child(f'{__name__}.{function}', database.uri(), str(times))
    printed, _ = one.process.communicate(timeout=PATIENCE)
    assert one.process.returncode == 7
    return printed.splitlines()


def schedule_between(database, name):
    """A task that does what has that name, and a healthy one after it."""
    schedule = database.schedule()
    schedule.schedule(Does(NOON, description=name))
    schedule.schedule(Note('healthy', at(1)))
    schedule._p_jar.transaction_manager.commit()


def reason_of(database):
    [entry] = database.schedule().parked
    return entry.reason


@pytest.mark.parametrize('function, printed', [
    ('process', ['1 0 1 0 0', '0 0 0 0 0']), ('work', ['0'])])
@pytest.mark.parametrize('name, reason', [
    ('close', 'must not close the connection'),
    ('write_and_close', 'must not close the connection'),
    ('close_after_an_abort', 'TransactionEnded'),
    ('clear_synchronizers', 'must not clear the synchronizers'),
    ('write_twice', 'a second connection'),
    ('write_twice_in_a_hook', 'a second connection'),
])
def test_it_is_a_failure_of_that_task_alone(
        database, child, function, printed, name, reason):
    schedule_between(database, name)
    assert lines_of(child, database, function, times=2) == printed
    assert reason in reason_of(database)
    schedule = database.schedule()
    assert not list(schedule)
    assert 'other' not in schedule._p_jar.root()


@pytest.mark.parametrize('name', ['write_apart', 'read_twice'])
def test_a_second_connection_may_read_or_be_on_a_manager_of_its_own(
        database, child, name):
    schedule_between(database, name)
    assert lines_of(child, database, 'process') == ['2 0 0 0 0']


# -- Closed by another than the task


@pytest.fixture
def closing(database):
    """A subscriber closes the connection of the worker when a task has run."""
    def subscriber(event):
        if isinstance(event, RunEnded) and event.description == 'closing':
            database.db._connectionMap(_close)

    zope.event.subscribers.append(subscriber)
    yield ('schedule',)
    zope.event.subscribers.remove(subscriber)


class Clearing(Paths):
    """Clears the synchronizers of the thread that asks for the paths, once."""

    asked = 0

    def paths(self, root):
        self.asked += 1
        if self.asked == 3:
            transaction.manager.clearSynchs()
        return ['schedule']


@pytest.fixture
def clearing(database):
    return (Clearing(),)


def _close(connection):
    """Close it if it is open in this thread."""
    if connection.transaction_manager is transaction.manager:
        connection.close()


def restart(schedule):
    """Have *schedule* as it is now."""
    schedule._p_jar.transaction_manager.abort()
    schedule._p_jar.transaction_manager.begin()


@pytest.mark.storages('FileStorage')
@pytest.mark.parametrize('cut_off', ['closing', 'clearing'])
def test_a_thread_whose_connection_was_cut_off_gets_another(
        database, request, cut_off):
    paths = request.getfixturevalue(cut_off)
    schedule = database.schedule()
    for name, time in ('closing', NOON), ('one', NOON), ('two', at(1)):
        schedule.schedule(Note(name, time))
    schedule._p_jar.transaction_manager.commit()
    schedule._p_jar.transaction_manager.begin()
    with Worker(database.db, *paths) as worker:
        def have_run(number):
            restart(schedule)
            return len(list(schedule.history)) == number

        wait_until(lambda: have_run(3), 'what was due')
        schedule.schedule(Note('three', at(2)))
        schedule._p_jar.transaction_manager.commit()
        schedule._p_jar.transaction_manager.begin()
        wait_until(lambda: have_run(4), 'what is due later')
        wait_until(lambda: worker.healthy, 'a healthy worker')
        assert worker.stop(timedelta(seconds=PATIENCE))
    restart(schedule)
    assert not list(schedule.claims)
    assert not list(schedule.parked)
    assert {entry.outcome for entry in schedule.history} == {'succeeded'}
