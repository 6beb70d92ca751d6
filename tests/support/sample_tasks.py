"""Tasks whose effects can be counted, and a stage to run them on."""

from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

from persistent.list import PersistentList
from ZODB.broken import Broken

from zodbschedule import Schedule
from zodbschedule import Task


MINUTE = timedelta(minutes=1)

# What the tasks of a test do: description -> function of the task.  A task in
# the database cannot hold a function of a test.
calls = {}
nexts = {}


def note(task, text):
    """Leave a mark in the database, with the transaction of the run."""
    task._p_jar.root()['effects'].append(text)


class Noting(Task):
    """Notes its description."""

    def __call__(self):
        note(self, self.description)


class Doing(Noting):
    """Notes its description, and then does what the test says."""

    def __call__(self):
        super().__call__()
        return calls.get(self.description, nothing)(self)

    def schedule(self):
        return nexts.get(self.description, nothing)(self)


class Fading(Noting):
    """A task whose class is taken away, and put back, by `gone`."""


def nothing(task):
    """A task that has nothing more to do."""


@contextmanager
def gone(db, *names):
    """Inside, classes of this module cannot be imported through *db*."""
    find = db.classFactory

    def without(connection, module, name):
        if module == __name__ and name in names:
            module = 'gone'
        return find(connection, module, name)

    db.classFactory = without
    forget(db)
    try:
        yield
    finally:
        db.classFactory = find
        forget(db)


def forget(db):
    """Have every connection load every object anew, class and all."""
    db._connectionMap(_forget)


def _forget(connection):
    connection.cacheMinimize()
    connection._resetCache()
    connection._reader._factory = connection._db.classFactory


class Stage:
    """A schedule with tasks on it, on one transaction manager."""

    def __init__(self, db, manager, clock):
        self.db = db
        self.tm = manager
        self.clock = clock
        self.now = clock.now()
        self.connection = db.open(manager)
        with self.transaction() as root:
            if 'schedule' not in root:
                root['schedule'] = Schedule()
            root['effects'] = PersistentList()

    def close(self):
        """Forget what the tasks do."""
        calls.clear()
        nexts.clear()
        self.connection.close()

    @contextmanager
    def transaction(self):
        """A transaction of our own, committed; gives the root."""
        with self.tm:
            yield self.connection.root()

    @property
    def schedule(self):
        return self.connection.root()['schedule']

    def make(self, description, call=None, next=None, minutes=0, cls=Doing,
             **options):
        """A new task that was due so many minutes ago."""
        if call is not None:
            calls[description] = call
        if next is not None:
            nexts[description] = next
        return cls(self.now - minutes * MINUTE, description=description,
                   **options)

    def add(self, *args, **options):
        """Schedule such a task, and commit."""
        with self.transaction():
            return self.schedule.schedule(self.make(*args, **options))

    def process(self, minutes=0):
        """What is due so many minutes from now."""
        return self.schedule.process(self.now + minutes * MINUTE)

    def run_between(self, **options):
        """Process such a task, named 'bad', between two healthy ones.

        Those must run, once; the tally tells of that task alone.
        """
        self.add('before', minutes=2, cls=Noting)
        self.add('bad', minutes=1, **options)
        self.add('after', cls=Noting)
        tally = self.process()
        seen = self.look()
        assert [text for text in seen.effects
                if text in ('before', 'after')] == ['before', 'after']
        assert not seen.claims
        return tally._replace(succeeded=tally.succeeded - 2)

    def look(self):
        """What is where, as plain data."""
        self.tm.begin()
        try:
            root = self.connection.root()
            schedule = root['schedule']
            return SimpleNamespace(
                effects=list(root['effects']),
                waiting=[_name(task) for task in schedule],
                claims=list(schedule.claims),
                parked={entry.description: entry.reason
                        for entry in schedule.parked},
                outcomes=[(entry.description, entry.outcome)
                          for entry in reversed(list(schedule.history))],
                crashes=dict(schedule.crashes))
        finally:
            self.tm.abort()

    def tid(self):
        """What the database has committed last."""
        return self.db.storage.lastTransaction()


def _name(task):
    return 'broken' if isinstance(task, Broken) else task.description
