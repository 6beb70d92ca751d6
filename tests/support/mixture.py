"""Tasks of all kinds, and what must have become of them in the end.

Each keeps a list of its effects, and one of the tasks that it has scheduled,
so that no run of one conflicts with a run of another.
"""

from collections import Counter
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from persistent.list import PersistentList
from places import check_empty
from sample_work import begin
from sample_work import commit
from transaction import TransactionManager

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import clock
from zodbschedule import current_run
from zodbschedule.store.incarnation import is_gone
from zodbschedule.store.inspection import task_id


#: what a task does besides in this process, wherever it runs
besides = []

# More than enough for a process to begin, and to end.
OVERDUE = timedelta(hours=1)

AT_ONCE = Retry(3, delay=timedelta(0))


class Deed(Task):
    """Has one effect, once."""

    #: what is on record of it, in order
    outcomes = ('succeeded',)
    #: how many effects it has
    effects = 1
    #: how many others it schedules
    makes = 0

    def __init__(self, name, time=None, **options):
        super().__init__(
            time or datetime.now(UTC) - OVERDUE, description=name, **options)
        self.done = PersistentList()
        self.made = PersistentList()

    def __call__(self):
        for act in besides:
            act(self)
        self.take_effect()

    def take_effect(self):
        run = current_run()
        self.done.append((run.occurrence, run.attempt))

    def have(self, task):
        """Schedule another task."""
        self.made.append(task)
        self._p_jar.root()['schedule'].schedule(task)


class Making(Deed):
    """Schedules others, without keys."""

    makes = 3

    def __call__(self):
        super().__call__()
        for number in range(self.makes):
            self.have(Deed(f'{self.description}.{number}'))


class Handing(Deed):
    """Hands its key on to another task."""

    makes = 1

    def __call__(self):
        super().__call__()
        self.have(Deed(f'{self.description}.next', key=self.key))


class Cancelling(Deed):
    """Cancels another task, which does not come to run."""

    def __init__(self, name, victim):
        super().__init__(name)
        self.victim = victim

    def __call__(self):
        super().__call__()
        self._p_jar.root()['schedule'].unschedule(self.victim)


class Cancelled(Deed):
    """Would run tomorrow."""

    outcomes = ()
    effects = 0

    def __init__(self, name):
        super().__init__(name, datetime.now(UTC) + timedelta(days=1))


class Failing(Deed):
    """Fails for good."""

    outcomes = ('failed',)
    effects = 0

    def __call__(self):
        super().__call__()
        raise ValueError('It is to fail.')


class Wavering(Deed):
    """Fails the first time."""

    outcomes = ('retried', 'succeeded')

    def __init__(self, name):
        super().__init__(name, retry=AT_ONCE)

    def __call__(self):
        super().__call__()
        if current_run().attempt == 1:
            raise ValueError('It is to fail once.')


class Returning(Deed):
    """Asks for another run the first time; what it has done stays done."""

    outcomes = ('retried', 'succeeded')
    effects = 2

    def __call__(self):
        super().__call__()
        return self if len(self.done) == 1 else None


class Expired(Deed):
    """Comes too late."""

    outcomes = ('expired',)
    effects = 0

    def __init__(self, name):
        super().__init__(name, expires=timedelta(minutes=1))


class Repeating(Deed):
    """Comes again twice, and makes up for what was missed."""

    outcomes = ('succeeded',) * 3
    effects = 3

    def __init__(self, name, **options):
        start = datetime.now(UTC) - OVERDUE
        super().__init__(
            name, start, missed='all', recurrence=RRule(
                'FREQ=MINUTELY;COUNT=3', start), **options)


class Delegating(Deed):
    """Has a new task of the same key take its place."""

    outcomes = ('retried',)
    makes = 1

    def __call__(self):
        super().__call__()
        other = Deed(f'{self.description}.next', key=self.key)
        self.made.append(other)
        return other


class Lasting(Deed):
    """Has run once for all that was missed, and goes on tomorrow."""

    def __init__(self, name, **options):
        super().__init__(
            name, recurrence=Every(timedelta(days=1)), **options)


def one_of_each():
    """Tasks of all kinds."""
    cancelled = Cancelled('cancelled')
    return [
        Deed('plain'),
        Repeating('repeating', key='repeating'),
        Deed('keyed', key='keyed'),
        Failing('failing'),
        Making('making'),
        Wavering('wavering'),
        cancelled,
        Cancelling('cancelling', cancelled),
        Expired('expired'),
        Delegating('delegating', key='delegating'),
        Handing('handing', key='handing'),
        Returning('returning'),
        Lasting('lasting', key='lasting'),
        Deed('last'),
    ]


# -- Before and after


@contextmanager
def looking(database):
    """The schedule, in a connection that is closed in the end.

    It is in a transaction; nothing is committed.
    """
    manager = TransactionManager(explicit=True)
    manager.begin()
    connection = database.db.open(manager)
    try:
        yield connection.root()['schedule']
    finally:
        manager.abort()
        connection.close()


@contextmanager
def changing(database):
    """As `looking`, and committed."""
    with looking(database) as schedule:
        yield schedule
        commit(schedule)


def set_up(database, tasks, **settings):
    """A schedule with *tasks*, and with nothing else."""
    with changing(database) as schedule:
        root = schedule._p_jar.root()
        root['schedule'] = schedule = Schedule()
        vars(schedule).update(settings)
        for task in tasks:
            schedule.schedule(task)
        root['deeds'] = PersistentList(tasks)


def add(database, *tasks):
    """Schedule more of them."""
    with changing(database) as schedule:
        for task in tasks:
            schedule.schedule(task)
        schedule._p_jar.root()['deeds'].extend(tasks)


def all_of(tasks):
    """*tasks* and what they have scheduled."""
    for task in tasks:
        yield task
        yield from all_of(task.made)


def count_outcomes(database):
    """How many outcomes there are when all is done."""
    with looking(database) as schedule:
        return sum(len(task.outcomes) for task in all_of(
            schedule._p_jar.root()['deeds']))


def is_done(schedule):
    """Whether all tasks are done, and no claim of a dead worker is left."""
    return all_have_run(schedule) and not any(
        is_gone(claim.incarnation) for claim in schedule.claims.values())


def all_have_run(schedule):
    """Whether nothing is due, and no worker holds anything."""
    begin(schedule)
    now = clock.now()
    due = schedule.next_due()
    return (due is None or due > now) and not any(
        not slot.is_free
        for claim in schedule.claims.values() for slot in claim.slots)


def check_done(database):
    """All have had their effects once, and nothing else is left.

    What each outcome is on record for, and what the lists of the tasks say,
    is the same.
    """
    with looking(database) as schedule:
        tasks = list(all_of(schedule._p_jar.root()['deeds']))
        on_record = {}
        for entry in schedule.history:
            on_record.setdefault(entry.id, []).append(entry)
        for task in tasks:
            check_deed(task, on_record.pop(task_id(task), [])[::-1])
        assert not on_record
        assert Counter(entry.description for entry in schedule.parked) == (
            names(tasks, Failing))
        assert Counter(task.description for task in schedule) == (
            names(tasks, Lasting))
        for task in list(schedule):
            schedule.unschedule(task)
        check_empty(schedule)
    return True


def names(tasks, cls):
    return Counter(
        task.description for task in tasks if isinstance(task, cls))


def check_deed(task, entries):
    """*task* has had its effects, and *entries* are its outcomes.

    Those that were interrupted have run again.
    """
    name = task.description
    entries = [entry for entry in entries if entry.outcome != 'interrupted']
    assert tuple(entry.outcome for entry in entries) == task.outcomes, name
    assert len(task.done) == task.effects, name
    runs = [(entry.occurrence, entry.attempt) for entry in entries]
    assert len(set(runs)) == len(runs), name
    assert set(task.done) <= set(runs), name
    assert len(task.made) == task.makes, name
