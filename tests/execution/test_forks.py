"""A task that forks: its child does not go on as a second worker."""

import os
import signal
import sys

import pytest
import transaction
import zope.event
from crew import open_database
from databases import wait_until
from sample_work import NOON
from sample_work import Note

from zodbschedule import Task
from zodbschedule import Worker
from zodbschedule.interfaces import RunEnded


# How long a process may take in all, in seconds.
PATIENCE = 60


def raises():
    raise ValueError('of the child')


#: what a child does -> its exit status
CHILDREN = {
    'returns': (int, 0),
    'exits': (sys.exit, 0),
    'exits with 3': (lambda: sys.exit(3), 3),
    'exits with a reason': (lambda: sys.exit('a reason'), 1),
    'raises': (raises, 1),
    'fails to execute': (lambda: os.execvp('/no/such/program', ['it']), 1),
    'commits': (transaction.commit, 1),
    'ends at once': (lambda: os._exit(9), 9),
    'is killed': (lambda: os.kill(os.getpid(), signal.SIGKILL), -9),
}


def fork(name):
    """Fork a child that does what has that name; say how it has ended."""
    pid = os.fork()
    if not pid:
        CHILDREN[name][0]()
        return
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(f'{name}: {status}')


class Forks(Task):
    """Forks a child, which does what the description says."""

    runs = 0

    def __call__(self):
        self.runs += 1
        fork(self.description)


class Hooks(Task):
    """Forks a child in a hook of its commit."""

    def __call__(self):
        transaction.get().addBeforeCommitHook(fork, args=('returns',))


class Heard(Task):
    """A subscriber forks a child when it has run."""

    def __call__(self):
        """Nothing to do."""


def subscriber(event):
    if isinstance(event, RunEnded) and event.description == 'heard':
        fork('returns')


def process(uri):
    """Process what is due, in a process of its own."""
    zope.event.subscribers.append(subscriber)
    db = open_database(uri)
    schedule = db.open().root()['schedule']
    tally = schedule.process(NOON)
    print(f'succeeded: {tally.succeeded}')
    # Otherwise a child that comes here looks like one that has ended well.
    os._exit(7)


def work(uri):
    """Have a worker do what is due, in a process of its own."""
    zope.event.subscribers.append(subscriber)
    db = open_database(uri)
    connection = db.open()
    with Worker(db):
        def count():
            connection.transaction_manager.begin()
            return len(list(connection.root()['schedule'].history))

        wait_until(lambda: count() == len(CHILDREN) + 4, 'the end')
    print(f'succeeded: {count()}')
    os._exit(7)


def schedule_all(database):
    """Schedule a task for each kind of child, and one after them."""
    schedule = database.schedule()
    for name in CHILDREN:
        schedule.schedule(Forks(NOON, description=name))
    schedule.schedule(Hooks(NOON, description='hooks'))
    schedule.schedule(Heard(NOON, description='heard'))
    tasks = [*schedule, *map(schedule.schedule, (Note('a'), Note('b')))]
    schedule._p_jar.root()['tasks'] = tasks
    schedule._p_jar.transaction_manager.commit()
    return len(tasks)


@pytest.mark.parametrize('function', ['process', 'work'])
def test_a_forked_child_ends_as_a_program_and_the_parent_goes_on(
        database, child, capfd, function):
    number = schedule_all(database)
    database.close()
    one = child(f'{__name__}.{function}', database.uri())
    printed, _ = one.process.communicate(timeout=PATIENCE)
    assert one.process.returncode == 7
    assert printed.splitlines() == [
        *(f'{name}: {status}' for name, (_, status) in CHILDREN.items()),
        'returns: 0', 'returns: 0', f'succeeded: {number}']
    said = capfd.readouterr().err
    assert said.count('ValueError: of the child') == 1
    assert said.count('FileNotFoundError') == 1
    assert said.count('a reason\n') == 1
    schedule = database.schedule()
    tasks = schedule._p_jar.root()['tasks']
    assert [task.runs for task in tasks if hasattr(task, 'runs')] == (
        [1] * (number - 2))
    assert not list(schedule.parked)
    assert not list(schedule)
    assert {entry.outcome for entry in schedule.history} == {'succeeded'}
