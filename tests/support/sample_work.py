"""Tasks, and other things that several test modules need."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

from persistent.list import PersistentList
from ZODB.POSException import ConflictError
from zope.interface import implementer

from zodbschedule import Task
from zodbschedule.interfaces import ITask
from zodbschedule.store.incarnation import this


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)


def at(minutes):
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


class Note(Task):
    """Counts its own runs."""

    runs = 0

    def __init__(self, name='', time=NOON):
        super().__init__(time, description=name)

    def __call__(self):
        self.runs += 1


#: what `Hooked` tasks do besides, by their description
hooks = {}


class Hooked(Note):
    """Lets a test do something in the middle of a run, once."""

    def __call__(self):
        super().__call__()
        hooks.pop(self.description, int)()


@implementer(ITask)
class ListTask(PersistentList):
    """A task that is a list, as are the leaves that hold tasks."""

    time = NOON
    principalId = None
    description = ''

    def __call__(self):
        self.append('ran')

    def schedule(self):
        """Once."""


class Alike(Note):
    """Equal to everything, and hashable by accident only."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


class Unlike(Note):
    """Equal to nothing, and says so loudly."""

    def __eq__(self, other):
        raise AssertionError('compared by value')

    __hash__ = None


def prepare(database, *tasks):
    """Schedule *tasks*, and keep them in ``root['tasks']``; a schedule."""
    schedule = database.schedule()
    for task in tasks:
        schedule.schedule(task)
    schedule._p_jar.root()['tasks'] = list(tasks)
    commit(schedule)
    return schedule


def runs(database):
    """How often each of the tasks in ``root['tasks']`` has run."""
    tasks = database.open().root()['tasks']
    return {task.description: task.runs for task in tasks}


def names(schedule):
    """What waits, by description, in order."""
    return [task.description for task in schedule]


def commit(persistent):
    """Commit in the connection of *persistent*, and begin again."""
    manager = persistent._p_jar.transaction_manager
    manager.commit()
    manager.begin()


def begin(persistent):
    """Drop what the connection of *persistent* has not committed."""
    manager = persistent._p_jar.transaction_manager
    manager.abort()
    manager.begin()


def try_to_commit(persistent):
    """Whether there was no conflict."""
    manager = persistent._p_jar.transaction_manager
    try:
        manager.commit()
        return True
    except ConflictError:
        manager.abort()
        return False
    finally:
        manager.begin()


def say_who():
    """Print the incarnation of this process, as another process."""
    print(tuple(this()))
