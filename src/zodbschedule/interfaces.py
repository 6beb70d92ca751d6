##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""The contract: who may ask what of a schedule, a task and a principal.

Three interfaces are those of the design of 2003, names included: `ISchedule`,
`IScheduleControl` and `ITask`.  The others are split by who reads them.

Every instant is an aware :class:`datetime.datetime`; those that come out of a
schedule are in UTC.  Every duration is a :class:`datetime.timedelta`.
"""

from dataclasses import dataclass
from datetime import datetime

from zope.interface import Attribute
from zope.interface import Interface
from zope.interface import implementer
from zope.schema import Bool
from zope.schema import Bytes
from zope.schema import Choice
from zope.schema import Datetime
from zope.schema import Int
from zope.schema import Object
from zope.schema import Real
from zope.schema import Text
from zope.schema import TextLine
from zope.schema import Timedelta


# -- When next ---------------------------------------------------------------


class IRecurrence(Interface):
    """A rule that names the next occurrence: an immutable value.

    Two that say the same are equal and have one hash.  The state is plain
    data, so a pickle is small and needs no class of a library.  None reads a
    clock: every moment is an aware datetime, or raises `InvalidTime`; the
    answer does not depend on the zone that the moment is written in.
    """

    def next_after(moment):
        """The first occurrence strictly after *moment*, or None at the end.

        An instant that exists, as an aware datetime in the rule's own zone.
        The years of the calendar end with 9999, and so does every rule.
        """

    def upcoming(moment, count):
        """The first *count* occurrences after *moment*, lazily."""

    def passed(start, end, limit):
        """How many occurrences are after *start* and not after *end*.

        Counted up to *limit*, so the answer is at most that.
        """

    def anchored(first):
        """This rule, counted from *first* if it says of itself no start.

        Only an `Every` without a start gives another rule than itself.
        """

    def describe(moment):
        """What the next gap and the next fold after *moment* do, as text.

        A gap are the local times that a zone leaves out when its clocks are
        put forward, a fold those that come twice when they are put back.
        """

    def note(occurrence):
        """How a gap or a fold has changed this *occurrence*, or None.

        *occurrence* is what `next_after` has given.
        """

    def __str__():
        """The rule for a person to read."""

    def __repr__():
        """The rule as an expression that gives an equal one."""


class IRetry(Interface):
    """How long to wait before the next attempt: an immutable value."""

    attempts = Int(title='How many runs there are at most', min=1)
    delay = Timedelta(title='How long to wait after the first of them')
    factor = Real(title='By how much each wait is longer than the last')
    max_delay = Timedelta(
        title='The longest wait, before the jitter, unless delay is longer')
    jitter = Real(title='The part by which a wait is longer or shorter')
    on = Attribute('The dotted names of the errors that are tried again.')

    def delay_after(attempt, token, error):
        """How long to wait after the failed *attempt*, or None: give up.

        *attempt* counts from 1.  *token* is a str that names the occurrence:
        the same token, attempt and rule give the same timedelta, in every
        process.  None if the attempts are used up, or if neither the class
        of *error* nor one that it inherits from is named in ``on``.
        """


# -- What is scheduled -------------------------------------------------------


class ITask(Interface):
    """What to do, and when.

    A class that provides this must be persistent.  It need not inherit
    anything of ours.  A schedule sets one attribute on a task, if the task
    takes it: ``_zodbschedule``, by which it finds it again.
    """

    time = Datetime(
        title='Time',
        description='The time at which the task should execute; aware.',
    )

    principalId = TextLine(
        title='Principal id',
        description='The principal that the task should be executed as; '
                    'None: nobody (anonymous).',
        required=False,
    )

    description = Text(
        title='Description',
        description='What the task is for.',
        default='',
    )

    def __call__():
        """Execute, in a transaction of the task's own.

        It must neither commit nor abort nor begin a transaction; savepoints
        are fine.  Return ``None`` for success.  Return a task, this one or
        another, to retry work after an error: that one takes this one's
        place, at its own ``time``, and what was written is committed.  An
        exception is logged, and everything written is aborted.
        """

    def schedule():
        """Called after a success, in the same transaction.

        Return the next task, this one or another, or ``None`` if nothing
        needs to be scheduled.  This is how repeating tasks are made.
        """


class IScheduledTask(ITask):
    """What a task of ours may carry besides, see `zodbschedule.Task`."""

    key = TextLine(
        title='Key',
        description='At most one waiting task of a schedule holds a key, and '
                    'two tasks of one key never run at once.',
        required=False,
    )

    recurrence = Object(
        title='Recurrence',
        description='The rule that names the next occurrence.',
        schema=IRecurrence,
        required=False,
    )

    missed = Choice(
        title='Missed occurrences',
        description="What becomes of occurrences that nobody ran in time: "
                    "'one' runs once for all of them, 'all' runs each, in "
                    "order, as far back as `IScheduleSettings.catch_up`.",
        values=('one', 'all'),
        default='one',
    )

    expires = Timedelta(
        title='Expires',
        description='How long after its occurrence, and its part of the '
                    'spread, a run may begin; later, the outcome is expired, '
                    'with no call.',
        required=False,
    )

    retry = Object(
        title='Retry',
        description='How often, and after how long, it is tried again after '
                    'a failure; without it, it is parked at once.',
        schema=IRetry,
        required=False,
    )


# -- Who schedules -----------------------------------------------------------


class ISchedule(Interface):
    """A task queue with scheduling policy."""

    def schedule(task):
        """Add a task to the queue, at ``task.time``; return it.

        Happens in the caller's transaction.  A `zodbschedule.Task` that was
        made without a time gets the current one here.  A task stands in one
        schedule at a time.

        Raises `InvalidTask` for what does not provide `ITask`, is not
        persistent, is wrapped or proxied, cannot be stored, or was loaded
        through another connection or from another database; `InvalidTime`,
        which is an `InvalidTask`, if the task has no aware time; and
        `AlreadyScheduled` for a task that stands somewhere in this schedule
        already: it waits, is held by a worker, or is parked.  Nothing has
        changed then, and the transaction can go on.
        """

    def unschedule(task):
        """Remove a task from the queue, wherever its ``time`` points now.

        Happens in the caller's transaction.  A task that a worker holds, or
        runs at this moment, is cancelled: what its run has written is rolled
        back.  Raises `NotScheduled` if the task is not there; a parked one
        is not, see `IParking`.
        """


class IScheduling(ISchedule):
    """The everyday form of scheduling."""

    def schedule(task, *, duplicate='refuse'):
        """As `ISchedule.schedule`; *duplicate* is about the key of the task.

        If another waiting task holds that key: ``'refuse'`` raises
        `AlreadyScheduled`, which carries that one.  ``'keep'`` returns that
        one, and makes certain that its run sees what this transaction
        writes: if it is taken meanwhile, this transaction conflicts.
        ``'replace'`` puts the new task in its place, but keeps it, and writes
        nothing, if both say the same.
        """

    def call(func, *args, kwargs=None, time=None, delay=None,
             duplicate='refuse', **options):
        """Schedule a call of a module-level function; return the task.

        *func* is a module-level function, its dotted name, or a method of a
        persistent object, and is called as ``func(*args, **kwargs)``; see
        `zodbschedule.CallTask`, which takes the *options*.  *time* is an
        aware datetime, *delay* a timedelta from now; at most one of the two
        is given.  Without either the call is due at the next occurrence of
        its recurrence, else at once.  Raises what `schedule` raises, and
        `InvalidTask` for a function that cannot be found again by its name.
        """

    keys = Attribute('The keys that are held: an `IKeys`.')


class IKeys(Interface):
    """The keys that waiting tasks hold."""

    def get(key, default=None):
        """The waiting task that holds *key*.  O(log n)."""

    def __iter__():
        """The keys that are held, ascending, lazily."""

    def __contains__(key):
        """Whether a waiting task holds *key*."""


# -- Who controls ------------------------------------------------------------


class IScheduleControl(Interface):
    """A task queue control interface."""

    def process(time):
        """Process due tasks: each that is due at this datetime gets called.

        Each runs in a transaction of its own, in order of time, then of
        arrival, in one ascending pass.  What the runs schedule waits for the
        next call.  Returns an `ITally`.

        Uses the transaction manager of the schedule's own connection and
        leaves it as found, begun or not.  Raises `PendingChanges` if the
        current transaction holds work, `NotStored` if the schedule is in no
        database, `InvalidTime` for a naive time and `PrincipalsMissing` if
        this process cannot run tasks as the schedule demands; nothing has
        happened then.

        What a task raises does not come out of here, with one exception:
        what is no `Exception`, such as KeyboardInterrupt and SystemExit,
        aborts the run.  It goes through, as does an error that says that the
        database is away and stays away, once everything that was not run
        yet is back in its place.  A task whose runs ended so three times is
        parked.

        Raises `ClaimLost` if another process took this one for dead, because
        it gave no sign of life for longer than the lease.  What was committed
        until then stays; whatever else this call had taken is in its place
        again, or has been run by the other.
        """

    def getTaskTimes(min=None, max=None):
        """All datetimes at which tasks wait: distinct, ascending, in UTC.

        Lazy; goes on rightly if a transaction ends between two steps.  Both
        bounds are inclusive and aware.  What a worker has claimed no longer
        waits; what a run has scheduled, without a key, waits from the next
        turn of its worker on.
        """


class IScheduleAdministration(Interface):
    """Changing what is scheduled already.

    All of these happen in the caller's transaction.  They raise
    `NotScheduled` for a task that is not there, and `InProgress` where a
    worker holds the task at this moment and that is in the way.
    """

    def change(task, **options):
        """Change options of a task, and move it accordingly; return it.

        *options* are those of `zodbschedule.Task`.  With a ``time`` it waits
        for that; with a new ``recurrence`` and no time, for the next
        occurrence from now.  Raises `AlreadyScheduled` for a key that
        another task holds, and `InvalidTask` for a wrong value; nothing has
        changed then.
        """

    def run_now(task):
        """Have *task* run once more, at once, and then as before.

        The next occurrence of a repeating task is left alone, unless it is
        due already: then it is the one that runs.  A repeating task that runs
        at this moment runs again afterwards, never beside itself.
        """

    def pause(task=None, *, reason='', by=None):
        """Take nothing more, or not this task, until `resume`.

        What runs goes on.  Paused tasks keep their place; when they are
        resumed, `IScheduledTask.missed` says what becomes of the occurrences
        that have passed.  *by* says who it was; by default, the user of the
        current transaction.  Pausing what is paused changes the reason.
        """

    def resume(task=None, *, by=None):
        """End a pause; nothing happens if there is none."""

    def paused(task=None):
        """The `IPause` of the schedule, or of *task*; None if there is none.
        """

    def refresh():
        """Compute all occurrences anew, after a zone database has changed.

        Only of waiting tasks that their recurrence has placed, not of first
        times that were given, and of nothing that is to be tried again.  A
        task whose recurrence has come to name no more is left.  Returns a
        list of `IMove`.  Loads every waiting task.
        """

class IPause(Interface):
    """Who has paused, when and why."""

    since = Datetime(title='When it was paused, UTC')
    by = TextLine(title='Who has paused', required=False)
    reason = TextLine(title='Why')


class IMove(Interface):
    """What `IScheduleAdministration.refresh` has moved."""

    task = Attribute('The task.')
    before = Datetime(title='The occurrence that it waited for, UTC')
    after = Datetime(title='The one that it waits for now, UTC')


class IForecast(Interface):
    """One run to come."""

    time = Datetime(title='When it would begin, UTC')
    occurrence = Datetime(title='The occurrence that it stands for, UTC')
    task = Attribute('The task.')
    note = TextLine(
        title='What a gap or a fold has changed, or what is not known',
        required=False)


class ITally(Interface):
    """How many runs of one call of ``process()`` ended in which way."""

    succeeded = Int(title='Returned None, and were committed')
    retried = Int(title='Returned a task, or failed and will be tried again')
    failed = Int(title='Were parked')
    expired = Int(title='Were too late to begin')
    left = Int(title='Are in their place, to be tried again')


# -- Who looks ---------------------------------------------------------------


class IScheduleReading(Interface):
    """Looking at a schedule.  Nothing here writes."""

    def __iter__():
        """The tasks that wait, lazily, by time and then by arrival."""

    def __contains__(task):
        """Whether *task* waits, or is held by a worker, in this schedule.

        True also for a task whose run has ended and that will wait again,
        and for one that a run has scheduled, while the worker still holds it.
        False for anything that is no task.
        """

    def get(id, default=None):
        """The task with this id that waits or is held by a worker.

        An id is what `zodbschedule.task.task_id` gives: the task's oid in
        hex.  Any way to write that number will do, as ``'0x2A'`` for
        ``'2a'``; what is no number gives the *default*.
        """

    def tasks(min=None, max=None):
        """The tasks that wait between two aware instants, both inclusive.

        Lazy, by time and then by arrival; goes on rightly if a transaction
        ends between two steps.
        """

    def next_due():
        """The earliest instant at which a task waits, or None."""

    def overdue(now):
        """How long the task that is due longest has been waiting: timedelta.

        *now* is aware.  Zero if nothing is due then.  A task that is paused
        by itself does not count; a pause of the whole schedule makes no
        difference.  Counts what a worker
        has claimed only if that worker gave no sign of life for longer than
        the lease.
        """

    def claimed():
        """What workers hold: an iterator of `IClaimedTask`, by worker."""

    def forecast(until, now=None):
        """What would run, and when, by *until*: `IForecast`, lazily, by time.

        Through recurrences; runs nothing and writes nothing.  What is paused
        is left out.  *now*, by default the current time, is when that which
        is due would run.
        """

    history = Attribute('The record of outcomes: an `IHistory`.')


class IClaimedTask(Interface):
    """One task that a worker holds.

    It has no outcome yet, or will wait again, or was scheduled by a run.
    """

    task = Attribute('The task.')
    time = Datetime(title='The instant at which it was or will be due, UTC')
    worker = TextLine(title='The name of the worker')
    running = Bool(title='Whether it is the one that the worker runs now')
    progress = Attribute('A pair of done and total, if its run has said so.')


class IWorkers(Interface):
    """Who works on a schedule."""

    workers = Attribute(
        'An iterator of `IWorkerState`, one for each thread of a worker and '
        'each call of ``process()`` that goes on.')

    def recover(name):
        """Put what workers of that name hold in its place again, by hand.

        Happens in the caller's transaction.  Whatever they run at this moment
        is rolled back; one that is alive after all goes on with another
        claim.  Returns how many tasks without an outcome were put back.
        Raises `NotScheduled` if no worker of that name is registered.
        """


class IWorkerState(Interface):
    """One worker, or one thread of it, as it is on record."""

    id = TextLine(title='The id of its claim')
    name = TextLine(title='Its name')
    host = TextLine(title='The host that it works on')
    pid = Int(title='The id of its process there')
    since = Datetime(title='When it was registered, UTC')
    lease = Timedelta(title='For how long it is believed')
    beaten = Datetime(
        title='Its last sign of life, UTC; it gives none while it is idle')
    task = Attribute('The task that it runs, or None.')
    running_since = Datetime(
        title='Since when it runs that, UTC', required=False)
    claimed = Int(title='How many tasks without an outcome it holds')
    counts = Object(
        title='How its runs ended since then', schema=ITally)


class IHistory(Interface):
    """A bounded record of outcomes, and of pauses."""

    keep = Int(title='How many entries are kept; 0 keeps none')
    max_age = Timedelta(title='How old an entry may get', required=False)

    def __iter__():
        """The `IOutcome` entries, newest first, lazily."""

    def select(task=None, outcome=None):
        """Those of one task, or its id, and of one outcome; newest first."""


class IOutcome(Interface):
    """What became of one run."""

    id = TextLine(title='The id of the task')
    time = Datetime(title='The instant for which it was scheduled, UTC')
    occurrence = Datetime(title='The occurrence that it stands for, UTC')
    outcome = TextLine(
        title="'succeeded', 'retried', 'failed', 'expired', 'cancelled' or "
              "'interrupted'; "
              "'paused' or 'resumed', where principalId says who and error "
              "says why, and the id is '0' for the schedule as a whole")
    began = Datetime(title='When the run began, UTC')
    ended = Datetime(title='When the run ended, UTC')
    attempt = Int(title='Which attempt at its occurrence it was, from 1')
    passed = Int(title='How many missed occurrences were passed over then')
    worker = TextLine(title='The name of the worker')
    description = Text(title='The description that the task had')
    principalId = TextLine(title='Whom it ran as', required=False)
    error = TextLine(title='What went wrong, in one line', required=False)
    type = TextLine(
        title='What the task does: the dotted name of the function that it '
              'calls, or of its class')
    tid = Bytes(
        title='The id of the transaction that has settled the outcome: of a '
              'run that was committed, of its commit.  8 bytes; None if that '
              'is not committed yet', required=False)


# -- While a task runs -------------------------------------------------------


class ICurrentRun(Interface):
    """What a task can learn of its own run: `zodbschedule.current_run`."""

    task = Attribute('The task that runs.')
    schedule = Attribute('The schedule that it stands in.')
    now = Datetime(title='When the run began, UTC')
    attempt = Int(title='Which attempt at its occurrence this is, from 1')
    occurrence = Datetime(title='The occurrence that it stands for, UTC')
    token = TextLine(
        title='The same in each attempt at one occurrence, and in no other '
              'run of the database; for effects outside of it')
    cancelled = Bool(
        title='Whether the run is in vain, since it was cancelled or its '
              'claim was recovered.  Looks into the database anew each time')

    def progress(done, total):
        """Show others how far it is, at most once a second.

        Written in a transaction of its own.  Failures are logged and harm
        nothing.
        """


# -- What failed -------------------------------------------------------------


class IParking(Interface):
    """What to do about tasks that were set aside after a failure."""

    parked = Attribute('The parked tasks: an `IParkedTasks`.')

    def unpark(entry, time=None):
        """Schedule the task of a parked entry again; return the task.

        At *time*, an aware datetime, which becomes ``task.time``, or else at
        the instant for which it was scheduled before.  If the entry is for
        one occurrence of a series that goes on, the task runs for that
        occurrence and then returns to its series; while a worker holds it,
        it does so afterwards.  Happens in the caller's transaction.

        Raises `NotScheduled` if the entry is not parked any more,
        `AlreadyScheduled` if another task holds the key by now, and
        `InvalidTask` if the class of the task cannot be imported or its
        record is gone.
        """

    def discard(entry):
        """Forget a parked entry.  Happens in the caller's transaction.

        Raises `NotScheduled` if the entry is not parked any more.
        """


class IParkedTasks(Interface):
    """The tasks that are set aside until a person decides."""

    def __iter__():
        """The `IParkedTask` entries, lazily, in the order of their ids."""

    def __contains__(entry):
        """Whether this very entry is parked."""

    def __len__():
        """How many are parked; costs a walk over all of them."""

    def get(id, default=None):
        """The entry with this id."""


class IParkedTask(Interface):
    """One task that was set aside, and why."""

    id = TextLine(title='The id of the entry; begins with the id of its task')
    task = Attribute('The task itself; may be broken, or a dangling ghost.')
    time = Datetime(title='The instant for which it was scheduled, UTC')
    occurrence = Datetime(
        title='The occurrence that failed, UTC, if its series goes on without '
              'it', required=False)
    parked_at = Datetime(title='When it was set aside, UTC')
    reason = TextLine(title='Why, in one line')
    traceback = Text(title='The traceback, cut to a bounded length')
    description = Text(title='The description that the task had, if known')
    principalId = TextLine(title='Whom it ran as', required=False)


# -- As whom -----------------------------------------------------------------


class IPrincipals(Interface):
    """How a process adopts the principal of a task around a run.

    Register one with `zodbschedule.principals.register`.
    """

    name = TextLine(title='The name under which a schedule asks for it')

    def ready():
        """Raise `PrincipalsMissing` if no run may begin in this process."""

    def adopt(principal_id, task):
        """A context manager inside which *task* runs and is committed.

        *principal_id* is a str or None.  Entered in the run's transaction.
        An unknown principal raises, and the task fails: there is no
        fallback.  Whatever is adopted always ends with the context.
        """


class IRunEnvironment(IPrincipals):
    """An `IPrincipals` that gives each attempt of a run more than a principal.

    A connection of its own at least: that of the schedule is for turns.
    """

    manager = Attribute(
        'The transaction manager of the runs; turns are on that of the '
        "schedule's connection, which may be the same.")

    def enter(schedule, commits=True):
        """A context manager in which one attempt of a run is made.

        It gives *schedule* as it is in the connection of the attempt.
        Entered when the transaction of the attempt has begun on `manager`;
        left when it was committed, or is to be aborted, which is done here.
        Unless it *commits*: then the connection is that of *schedule*, in
        which nothing is to be committed or aborted, as in tests.
        """


# -- The persistent object ---------------------------------------------------


class IScheduleSettings(Interface):
    """What can be set on a schedule, by plain attributes."""

    principals = TextLine(
        title='Principals',
        description='The name of the IPrincipals that every run needs.',
        default='plain',
    )

    import_grace = Timedelta(
        title='Import grace',
        description='How long a task whose class or function cannot be '
                    'imported is left in its place before it is parked.',
    )

    lease = Timedelta(
        title='Lease',
        description='For how long after its last sign of life a claim of '
                    'another machine is believed.',
    )

    catch_up = Timedelta(
        title='Catch up',
        description="How far back a task with missed='all' runs occurrences "
                    "that were missed; what is older is passed over.",
    )

    spread = Timedelta(
        title='Spread',
        description='Recurring tasks begin later than their occurrence by a '
                    'part of this, which is fixed by the id of the task.',
    )


# -- Events ------------------------------------------------------------------
#
# Sent through zope.event after the commit that they tell of, outside of any
# transaction.  They hold plain data and no persistent object.


class IRunEnded(Interface):
    """A run has an outcome, and that is committed."""

    id = TextLine(title='The id of the task')
    outcome = TextLine(title='As in `IOutcome`')
    attempt = Int(title='Which attempt at its occurrence it was, from 1')
    occurrence = Datetime(title='The occurrence that it stands for, UTC')
    error = TextLine(title='What went wrong, in one line', required=False)
    time = Datetime(title='The instant for which it was scheduled, UTC')
    description = Text(title='The description of the task')
    type = TextLine(title='What the task does, as in `IOutcome`')
    principalId = TextLine(title='Whom it ran as', required=False)


class ITaskParked(Interface):
    """A task was set aside, and that is committed."""

    id = TextLine(title='The id of the parked entry')
    time = Datetime(title='The instant for which it was scheduled, UTC')
    reason = TextLine(title='Why, in one line')
    description = Text(title='The description of the task, if known')
    principalId = TextLine(title='Whom it ran as', required=False)


class IPauseChanged(Interface):
    """The schedule, or a task, was paused or resumed; that is committed."""

    id = TextLine(title='The id of the task; None: the whole schedule',
                  required=False)
    paused = Bool(title='Whether it is paused now')
    by = TextLine(title='Who it was', required=False)
    reason = TextLine(title='Why')


@implementer(IRunEnded)
@dataclass(frozen=True)
class RunEnded:
    """See `IRunEnded`."""

    id: str
    outcome: str
    time: datetime
    description: str
    type: str
    principalId: str | None
    attempt: int
    occurrence: datetime
    error: str | None


@implementer(ITaskParked)
@dataclass(frozen=True)
class TaskParked:
    """See `ITaskParked`."""

    id: str
    time: datetime
    reason: str
    description: str
    principalId: str | None


@implementer(IPauseChanged)
@dataclass(frozen=True)
class PauseChanged:
    """See `IPauseChanged`."""

    id: str | None
    paused: bool
    by: str | None
    reason: str


# -- Errors ------------------------------------------------------------------


class ScheduleError(Exception):
    """The root of all errors that this package raises."""


class InvalidTask(ScheduleError, ValueError):
    """What was given cannot be scheduled."""


class InvalidTime(InvalidTask):
    """A time is naive, or no datetime at all."""


class InvalidRecurrence(InvalidTask):
    """A recurrence cannot be what was asked for, or never occurs."""


class AlreadyScheduled(ScheduleError, ValueError):
    """The task stands in the schedule already."""

    def __init__(self, message: str, task: object = None) -> None:
        super().__init__(message)
        #: the task that stands there
        self.task = task


class NotScheduled(ScheduleError, LookupError):
    """The task, or the parked entry, is not there."""


class InProgress(ScheduleError):
    """A worker holds the task, so that it cannot be changed now."""


class PendingChanges(ScheduleError):
    """The caller's transaction holds work that is not ours to end."""


class NotStored(ScheduleError):
    """The schedule is in no database."""


class PrincipalsMissing(ScheduleError):
    """This process cannot run tasks as the schedule demands."""


class CodeMissing(ScheduleError):
    """A class, a function or a time zone cannot be had here, now."""


class TransactionEnded(ScheduleError):
    """A task tried to end the transaction that it runs in."""


class ClaimLost(ScheduleError):
    """A worker was believed dead, and its claim was recovered."""


__all__ = (
    # tasks
    'ITask',
    'IScheduledTask',
    # when next
    'IRecurrence',
    'IRetry',
    # scheduling, controlling, looking, parking
    'ISchedule',
    'IScheduling',
    'IKeys',
    'IScheduleAdministration',
    'IScheduleControl',
    'IScheduleReading',
    'IWorkers',
    'IScheduleSettings',
    'IParking',
    # what those return
    'ITally',
    'IPause',
    'IMove',
    'IForecast',
    'ICurrentRun',
    'IClaimedTask',
    'IWorkerState',
    'IHistory',
    'IOutcome',
    'IParkedTasks',
    'IParkedTask',
    # principals
    'IPrincipals',
    # events
    'IRunEnded',
    'ITaskParked',
    'IPauseChanged',
    'RunEnded',
    'TaskParked',
    'PauseChanged',
    # errors
    'ScheduleError',
    'InvalidTask',
    'InvalidTime',
    'InvalidRecurrence',
    'AlreadyScheduled',
    'NotScheduled',
    'InProgress',
    'PendingChanges',
    'NotStored',
    'PrincipalsMissing',
    'CodeMissing',
    'TransactionEnded',
    'ClaimLost',
)
