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
from zope.schema import Datetime
from zope.schema import Float
from zope.schema import Int
from zope.schema import Text
from zope.schema import TextLine
from zope.schema import Timedelta


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
    factor = Float(title='By how much each wait is longer than the last')
    max_delay = Timedelta(title='The longest wait, before the jitter')
    jitter = Float(title='The part by which a wait is longer or shorter')
    on = Attribute('The dotted names of the errors that are tried again.')

    def delay_after(attempt, token, error):
        """How long to wait after the failed *attempt*, or None: give up.

        *attempt* counts from 1.  *token* is a str that names the occurrence:
        the same token, attempt and rule give the same timedelta, in every
        process.  None if the attempts are used up, or if neither the class
        of *error* nor one that it inherits from is named in ``on``.
        """


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

    def call(func, *args, kwargs=None, time=None, delay=None,
             description='', principalId=None):
        """Schedule a call of a module-level function; return the task.

        *func* is a module-level function, its dotted name, or a method of a
        persistent object, and is called as ``func(*args, **kwargs)``; see
        `zodbschedule.CallTask`.  *time* is an aware datetime, *delay* a
        timedelta from now; at most one of the two is given, and without
        either the call is due at once.  Raises what `ISchedule.schedule`
        raises, and `InvalidTask` for a function that cannot be found again
        by its name.
        """


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
        waits.
        """


class ITally(Interface):
    """How many runs of one call of ``process()`` ended in which way."""

    succeeded = Int(title='Returned None, and were committed')
    retried = Int(title='Returned a task, which took their place')
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
        while its worker still holds it.  False for anything that is no task.
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

        *now* is aware.  Zero if nothing is due then.  Counts what a worker
        has claimed only if that worker gave no sign of life for longer than
        the lease.
        """

    def claimed():
        """What workers hold: an iterator of `IClaimedTask`, by worker."""

    history = Attribute('The record of outcomes: an `IHistory`.')


class IClaimedTask(Interface):
    """One task that a worker holds: it has no outcome yet, or waits again."""

    task = Attribute('The task.')
    time = Datetime(title='The instant at which it was or will be due, UTC')
    worker = TextLine(title='The name of the worker')
    running = Bool(title='Whether it is the one that the worker runs now')


class IHistory(Interface):
    """A bounded record of outcomes."""

    keep = Int(title='How many outcomes are kept; 0 keeps none')

    def __iter__():
        """The `IOutcome` entries, newest first, lazily."""


class IOutcome(Interface):
    """What became of one run."""

    id = TextLine(title='The id of the task')
    time = Datetime(title='The instant for which it was scheduled, UTC')
    outcome = TextLine(
        title="'succeeded', 'retried', 'failed', 'expired' or 'cancelled'")
    ended = Datetime(title='When the run ended, UTC')
    description = Text(title='The description that the task had')
    principalId = TextLine(title='Whom it ran as', required=False)
    error = TextLine(title='What went wrong, in one line', required=False)


# -- What failed -------------------------------------------------------------


class IParking(Interface):
    """What to do about tasks that were set aside after a failure."""

    parked = Attribute('The parked tasks: an `IParkedTasks`.')

    def unpark(entry, time=None):
        """Schedule the task of a parked entry again; return the task.

        At *time*, an aware datetime, which becomes ``task.time``, or else at
        the instant for which it was scheduled before.  Happens in the
        caller's transaction.  Raises
        `NotScheduled` if the entry is not parked any more, and `InvalidTask`
        if the class of the task cannot be imported or its record is gone.
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


# -- Events ------------------------------------------------------------------
#
# Sent through zope.event after the commit that they tell of, outside of any
# transaction.  They hold plain data and no persistent object.


class IRunEnded(Interface):
    """A run has an outcome, and that is committed."""

    id = TextLine(title='The id of the task')
    outcome = TextLine(title='As in `IOutcome`')
    time = Datetime(title='The instant for which it was scheduled, UTC')
    description = Text(title='The description of the task')
    principalId = TextLine(title='Whom it ran as', required=False)


class ITaskParked(Interface):
    """A task was set aside, and that is committed."""

    id = TextLine(title='The id of the parked entry')
    time = Datetime(title='The instant for which it was scheduled, UTC')
    reason = TextLine(title='Why, in one line')
    description = Text(title='The description of the task, if known')
    principalId = TextLine(title='Whom it ran as', required=False)


@implementer(IRunEnded)
@dataclass(frozen=True)
class RunEnded:
    """See `IRunEnded`."""

    id: str
    outcome: str
    time: datetime
    description: str
    principalId: str | None


@implementer(ITaskParked)
@dataclass(frozen=True)
class TaskParked:
    """See `ITaskParked`."""

    id: str
    time: datetime
    reason: str
    description: str
    principalId: str | None


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


class PendingChanges(ScheduleError):
    """The caller's transaction holds work that is not ours to end."""


class NotStored(ScheduleError):
    """The schedule is in no database."""


class PrincipalsMissing(ScheduleError):
    """This process cannot run tasks as the schedule demands."""


class CodeMissing(ScheduleError):
    """A class or a function cannot be imported here, now."""


class TransactionEnded(ScheduleError):
    """A task tried to end the transaction that it runs in."""


class ClaimLost(ScheduleError):
    """A worker was believed dead, and its claim was recovered."""


__all__ = (
    # tasks
    'ITask',
    # when next
    'IRecurrence',
    'IRetry',
    # scheduling, controlling, looking, parking
    'ISchedule',
    'IScheduling',
    'IScheduleControl',
    'IScheduleReading',
    'IScheduleSettings',
    'IParking',
    # what those return
    'ITally',
    'IClaimedTask',
    'IHistory',
    'IOutcome',
    'IParkedTasks',
    'IParkedTask',
    # principals
    'IPrincipals',
    # events
    'IRunEnded',
    'ITaskParked',
    'RunEnded',
    'TaskParked',
    # errors
    'ScheduleError',
    'InvalidTask',
    'InvalidTime',
    'InvalidRecurrence',
    'AlreadyScheduled',
    'NotScheduled',
    'PendingChanges',
    'NotStored',
    'PrincipalsMissing',
    'CodeMissing',
    'TransactionEnded',
    'ClaimLost',
)
