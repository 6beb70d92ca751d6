"""Tasks of all kinds, and what must have become of them in the end.

Each keeps a list of its effects, and one of the tasks that it has scheduled,
so that no run of one conflicts with a run of another.
"""

from collections import Counter
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from persistent.list import PersistentList
from places import check_empty

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import current_run
from zodbschedule.task import task_id


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

    count = 3

    def __call__(self):
        super().__call__()
        for number in range(self.count):
            self.have(Deed(f'{self.description}.{number}'))


class Handing(Deed):
    """Hands its key on to another task."""

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


class Standing(Repeating):
    """Has a new task stand for each of its runs."""

    outcomes = ('retried',) * 3

    def __call__(self):
        super().__call__()
        other = Deed(f'{self.description}.{len(self.done)}', key=self.key)
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
        Standing('standing', key='standing'),
        Handing('handing', key='handing'),
        Returning('returning'),
        Lasting('lasting', key='lasting'),
        Deed('last'),
    ]


# -- Before and after


def set_up(database, tasks, **settings):
    """A schedule with *tasks*, and with nothing else."""
    connection = database.open()
    root = connection.root()
    schedule = root['schedule'] = Schedule()
    vars(schedule).update(settings)
    for task in tasks:
        schedule.schedule(task)
    root['deeds'] = PersistentList(tasks)
    connection.transaction_manager.commit()
    connection.close()


def all_of(tasks):
    """*tasks* and what they have scheduled."""
    for task in tasks:
        yield task
        yield from all_of(task.made)


def is_done(schedule):
    """Whether nothing is due, and nobody holds anything."""
    manager = schedule._p_jar.transaction_manager
    manager.begin()
    try:
        due = schedule.next_due()
        return (due is None or due > datetime.now(UTC)) and not any(
            True for claim in schedule.claims.values()
            for slot in claim.slots if slot.content)
    finally:
        manager.abort()


def check_done(database):
    """All have had their effects once, and nothing else is left.

    What each outcome is on record for, and what the lists of the tasks say,
    is the same.
    """
    schedule = database.schedule()
    root = schedule._p_jar.root()
    tasks = list(all_of(root['deeds']))
    on_record = {}
    for entry in schedule.history:
        on_record.setdefault(entry.id, []).append(entry)
    for task in tasks:
        check_deed(task, on_record.pop(task_id(task), [])[::-1])
    assert not on_record
    assert Counter(entry.task.description for entry in schedule.parked) == (
        Counter(task.description for task in tasks
                if isinstance(task, Failing)))
    lasting = [task for task in tasks if isinstance(task, Lasting)]
    assert {task.description for task in schedule} == {
        task.description for task in lasting}
    for task in lasting:
        schedule.unschedule(task)
    check_empty(schedule)
    schedule._p_jar.transaction_manager.abort()
    return True


def check_deed(task, entries):
    """*task* has had its effects, and *entries* are its outcomes."""
    name = task.description
    assert tuple(entry.outcome for entry in entries) == task.outcomes, name
    assert len(task.done) == task.effects, name
    runs = [(entry.occurrence, entry.attempt) for entry in entries]
    assert len(set(runs)) == len(runs), name
    assert set(task.done) <= set(runs), name
    made = {Making: Making.count, Handing: 1, Standing: 3}
    assert len(task.made) == made.get(type(task), 0), name
