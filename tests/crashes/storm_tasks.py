"""The tasks of `storm`, besides those of `mixture`, and what they have done.

Each says in `flaws` what is wrong with what it has done in the end.
"""

from collections import Counter
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import chain

from BTrees.OOBTree import OOTreeSet
from mixture import AT_ONCE
from mixture import Cancelled
from mixture import Cancelling
from mixture import Deed
from mixture import Delegating
from mixture import Expired
from mixture import Failing
from mixture import Handing
from mixture import Lasting
from mixture import Making
from mixture import Repeating
from mixture import Returning
from mixture import Wavering
from mixture import besides
from persistent import Persistent
from persistent.list import PersistentList

from zodbschedule import Every
from zodbschedule import GiveUp
from zodbschedule import RetryLater
from zodbschedule import Task
from zodbschedule import current_run
from zodbschedule.interfaces import NotScheduled
from zodbschedule.store.inspection import task_id


# So many effects are written again at each run of a series.
PAGE = 100


# -- Tasks that run once


class Later(Wavering):
    """Asks to be tried again, as soon as its `Retry` allows."""

    def __call__(self):
        Deed.__call__(self)
        if current_run().attempt == 1:
            raise RetryLater()


class Asking(Deed):
    """Asks to be tried again at once; it has no `Retry`."""

    outcomes = ('retried', 'succeeded')

    def __call__(self):
        super().__call__()
        if current_run().attempt == 1:
            raise RetryLater(timedelta(0))


class GivingUp(Failing):
    """Says that it cannot be done."""

    def __call__(self):
        Deed.__call__(self)
        raise GiveUp('never')


class Mended(Deed):
    """Fails, until somebody has mended it."""

    outcomes = ('failed', 'succeeded')
    is_well = False

    def __call__(self):
        super().__call__()
        if not self.is_well:
            raise ValueError('It is to be mended.')

    def mend(self, entry):
        self.is_well = True


class Chased(Deed):
    """Runs, unless a `Chaser` comes first."""


class Chaser(Deed):
    """Cancels another task, which may be running or done."""

    won = None

    def __init__(self, name, victim):
        super().__init__(name)
        self.victim = victim

    def __call__(self):
        super().__call__()
        try:
            self._p_jar.root()['schedule'].unschedule(self.victim)
            self.won = True
        except NotScheduled:
            self.won = False


class Meter(Persistent):
    """What many tasks change: they conflict."""

    value = 0


def count(meter):
    """Called by tasks."""
    meter.value += 1


class Counting(Deed):
    """Conflicts with others."""

    def take_effect(self):
        super().take_effect()
        count(self._p_jar.root()['meter'])


class Errand(Persistent):
    """Has a method that a task calls."""

    outcomes = Deed.outcomes
    effects = Deed.effects
    makes = 0
    made = ()

    def __init__(self, name):
        self.description = name
        self.done = PersistentList()
        self.task = None

    def run(self):
        for act in besides:
            act(self.task)
        run = current_run()
        self.done.append((run.occurrence, run.attempt))


class Newer(Deed):
    """Is unknown to older code."""


class NewerRepeating(Repeating):
    """Is unknown to older code."""


class Index(Task):
    """Notes which version of a document it has seen."""

    def __call__(self):
        root = self._p_jar.root()
        root['indexed'] = {**root['indexed'],
                           self.key: root['documents'][self.key]}


# -- Series


class Steady(Deed):
    """Goes on all the time, and makes up for all that was missed."""

    def __init__(self, name, period, **options):
        now = datetime.now(UTC).replace(microsecond=0)
        super().__init__(name, now, recurrence=Every(period, now),
                         **{'missed': 'all', **options})
        self.first = now
        self.period = period
        self.pages = PersistentList()

    def take_effect(self):
        if len(self.done) == PAGE:
            self.pages.append(self.done)
            self.done = PersistentList()
        super().take_effect()

    def missing(self, until):
        """The occurrences up to then that have had no effect."""
        # Those that somebody asked for are between them.
        planned = {moment for moment, _ in self.all_done()
                   if not moment.microsecond}
        if self.missed == 'one':
            last = max(planned, default=self.first)
            return [] if last > until - 2 * self.period else [until]
        moments = (self.first + number * self.period for number in range(
            (until - self.first) // self.period + 1))
        return [moment for moment in moments if moment not in planned]

    def all_done(self):
        return [*chain(*self.pages), *self.done]


class SteadyWavering(Steady):
    """Each occurrence fails the first time."""

    def __init__(self, name, period, **options):
        super().__init__(name, period, retry=AT_ONCE, **options)

    def __call__(self):
        super().__call__()
        if current_run().attempt == 1:
            raise ValueError('It is to fail once.')


class SteadyMaking(Steady):
    """Schedules others."""

    def __call__(self):
        super().__call__()
        occurrence = current_run().occurrence
        if not occurrence.microsecond and not occurrence.second % 5:
            self.have(Deed(f'{self.description} {occurrence}'))


class Stumbling(Steady):
    """Each fifth occurrence is parked until somebody has mended that."""

    def __init__(self, name, period, **options):
        super().__init__(name, period, **options)
        self.mended = OOTreeSet()

    def __call__(self):
        super().__call__()
        occurrence = current_run().occurrence
        if not (occurrence.second % 5 or occurrence in self.mended
                or self._p_jar.root()['is_over']):
            raise ValueError('It is to be mended.')

    def mend(self, entry):
        self.mended.add(entry.occurrence)


class Declared(Steady):
    """A series that is declared again and again."""

    def __init__(self, key, period):
        super().__init__(f'declared {key}', period, key=key, missed='one')
        self.recurrence = Every(period, datetime(2020, 1, 1, tzinfo=UTC))


MENDED = Mended, Stumbling
NEWER = Newer, NewerRepeating

KINDS = (*[Deed] * 2, Repeating, Making, Failing, Wavering, Returning, Expired,
         Lasting, Later, Asking, GivingUp, Mended, *[Counting] * 2, *NEWER)
KEYED = Deed, Repeating, Lasting, Delegating, Handing, Making
SERIES = *[Steady] * 4, SteadyWavering, SteadyMaking, Stumbling
DECLARED = 'one', 'other'


def series(period):
    """Those that go on all the time, some with keys."""
    for number, cls in enumerate(SERIES):
        key = f'series {number}' if number % 2 else None
        yield cls(f'{number} {cls.__name__}', period, key=key)
    yield Steady('lazy', period, missed='one')


def a_batch(number):
    """Tasks of each kind that runs once."""
    for index, cls in enumerate(KINDS):
        yield cls(f'{number} {index} {cls.__name__}')
    for index, cls in enumerate(KEYED):
        name = f'{number} {index} {cls.__name__} with a key'
        yield cls(name, key=name)
    for victim, other in (Cancelled, Cancelling), (Chased, Chaser):
        task = victim(f'{number} {victim.__name__}')
        yield task
        yield other(f'{number} {other.__name__}', task)


# -- What is wrong with what they have done


def id_of(task):
    """Also of one that is called by a task."""
    return task_id(task.task if isinstance(task, Errand) else task)


def effects_of(task):
    return task.all_done() if isinstance(task, Steady) else list(task.done)


def flaws_of(task, entries, since):
    """What is wrong with *task*, of which *entries* are on record.

    If it is a series, it was ended after *since*.
    """
    done = effects_of(task)
    runs = Counter(done)
    if runs.total() > len(runs):
        yield f'doubled: {task.description} {runs.most_common(3)}'
    if not runs.keys() <= {(one.occurrence, one.attempt) for one in entries}:
        yield f'wrong: {task.description} has had effects without a record'
    if isinstance(task, Steady):
        yield from flaws_of_series(task, done, entries, since)
    elif not isinstance(task, Chased):
        yield from flaws_of_once(task, entries)


def flaws_of_once(task, entries):
    name = task.description
    # By the order of commits: clocks jump.
    outcomes = tuple(one.outcome for one in sorted(
        entries, key=lambda one: one.tid) if one.outcome != 'interrupted')
    if outcomes != task.outcomes:
        yield f'wrong: {name} {outcomes}'
    yield from compared(name, len(task.done), task.effects)
    yield from compared(f'made by {name}', len(task.made), task.makes)
    if isinstance(task, Chaser):
        yield from compared(f'victim of {name}', len(task.victim.done),
                            int(not task.won))


def compared(name, there, planned):
    if there < planned:
        yield f'lost: {name}: {there}, not {planned}'
    if there > planned:
        yield f'doubled: {name}: {there}, not {planned}'


def flaws_of_series(task, done, entries, since):
    name = task.description
    times = Counter(occurrence for occurrence, _ in done)
    if times.total() > len(times):
        yield f'doubled: {name} {times.most_common(3)}'
    if times != Counter(one.occurrence for one in entries
                        if one.outcome == 'succeeded'):
        yield f'wrong: {name}: its record is not that of its effects'
    if isinstance(task, Declared):
        return
    for moment in task.missing(since):
        yield f'lost: {name} at {moment}'
