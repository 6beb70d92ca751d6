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
"""The contract: what a schedule, a task and a principal adapter do.

`ISchedule`, `IScheduleControl` and `ITask` are the design of 2003, names
included.  The other interfaces are grouped by their readers.

Every instant is an aware :class:`datetime.datetime`; instants that a schedule
returns are in UTC.  Every duration is a :class:`datetime.timedelta`.

All methods of a schedule but `IScheduleControl.process` work in the caller's
transaction and do not end it: a change takes effect when the caller commits.
"""

from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta

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


# The shortest lease.  With a shorter one the claim of a worker that is alive
# is recovered between two heartbeats.
MIN_LEASE = timedelta(seconds=1)


# -- The design of 2003 ------------------------------------------------------


class ISchedule(Interface):
    """A task queue with scheduling policy."""

    def schedule(task):
        """Add a task to the queue, at ``task.time``; return the task.

        Happens in the caller's transaction.  A `zodbschedule.Task` without a
        time gets one here: the next occurrence of its recurrence, or else
        the current time.  A task can be in one schedule at a time.

        Raises `InvalidTask` if *task* does not provide `ITask`, is not
        persistent, is wrapped or proxied, cannot be stored, or was loaded
        through another connection or from another database; and if its
        ``__call__`` or ``schedule`` is a coroutine function or a generator
        function.  Raises
        `InvalidTime`, which is an `InvalidTask`, if it has no aware time.
        Raises `AlreadyScheduled` if it is in this schedule already: it waits,
        is held by a worker, or is parked.  If this raises, nothing has
        changed, and the transaction can continue.
        """

    def unschedule(task):
        """Remove a task from the queue, even if its ``time`` has changed.

        Happens in the caller's transaction.  A task that a worker holds or
        runs now is cancelled: what its run has written is rolled back.
        Raises `NotScheduled` if the task is not here.  A parked task is not:
        see `IParking.discard`.
        """


class IScheduleControl(Interface):
    """A task queue control interface."""

    def process(time):
        """Process due tasks: each task that is due at *time* gets called.

        *time* is an aware datetime, usually the current time.  Returns an
        `ITally`.

        Each task runs in a transaction of its own, in order of time, then of
        arrival, in one ascending pass.  Tasks that the runs schedule wait for
        the next call.  The transactions are those of the transaction manager
        of the schedule's connection, which is left as it was found, begun or
        not.

        Raises `PendingChanges` if the current transaction holds changes,
        `NotStored` if the schedule is not in a database, `InvalidTime` if
        *time* is not aware, and `PrincipalsMissing` if this process cannot
        run tasks as the schedule requires.  Then nothing has happened.

        An exception that a task raises does not propagate, unless it is not
        an `Exception`, such as KeyboardInterrupt and SystemExit.  That aborts
        the run and propagates, as does an error of a database that stays
        unavailable, after all tasks that have not run are back in their
        places.  A task that ends three runs in this way is parked.  What the
        handler of SIGINT, SIGTERM, SIGHUP or SIGQUIT raises, as Python's own
        does for Ctrl-C, propagates in the same way and counts nothing.

        Raises `ClaimLost` if another process took this one for dead, because
        it gave no sign of life for longer than the lease.  What was committed
        before stays committed.  The other tasks are back in their places, or
        the other process has run them.
        """

    def getTaskTimes(min=None, max=None):
        """All datetimes at which tasks wait: distinct, ascending, in UTC.

        *min* and *max* are aware datetimes, both inclusive, or None.  Lazy;
        the iteration may continue in a later transaction.  Tasks that a
        worker has claimed do not wait.  A task that a run has scheduled,
        without a key, waits from the next turn of its worker on.
        """


class ITask(Interface):
    """What to do, and when.

    A class that provides this has to be persistent.  It does not have to
    inherit from a class of this package.  A schedule sets one attribute on a
    task, if the task accepts it: ``_zodbschedule``, by which it finds the
    task again.
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

        It must not commit, abort or begin a transaction; savepoints are
        allowed.

        Return ``None`` for success.  Return a task to retry work after an
        error: what was written is committed, and the returned task takes the
        place of this one, at its own ``time``.  That may be this task or
        another one.  But a `zodbschedule.Task` with a recurrence may return
        only itself: if it returns another task, the run fails with
        `InvalidTask`.  It can schedule the other task, and return ``None``.

        If it raises an exception, that is logged, and everything that was
        written is aborted.
        """

    def schedule():
        """Called after a success, in the same transaction.

        Return the next task, which may be this task or another one, or
        ``None`` if nothing needs to be scheduled.  This is how repeating
        tasks are made.
        """


# -- For those who schedule --------------------------------------------------


class IScheduling(ISchedule):
    """The everyday form of scheduling."""

    def schedule(task, *, duplicate='refuse'):
        """As `ISchedule.schedule`; *duplicate* is about the key of the task.

        It says what to do if another waiting task has that key.
        ``'refuse'`` raises `AlreadyScheduled`, whose ``task`` is the other
        task.  ``'keep'`` returns the other task, and ensures that its run
        sees what this transaction writes: if a worker takes it before the
        commit, this transaction conflicts.  ``'replace'`` puts *task* in the
        place of the other; but if both are equal, it keeps and returns the
        other, and writes nothing.  ``'keep'`` and ``'replace'`` for a task
        without a key raise `InvalidTask`.
        """

    def call(func, *args, kwargs=None, time=None, delay=None,
             duplicate='refuse', **options):
        """Schedule a call of a function; return the task.

        Happens in the caller's transaction.  *func* is a module-level
        function, its dotted name, or a method of a persistent object of the
        same database.  It is called as ``func(*args, **kwargs)``, see
        `zodbschedule.CallTask`, which also takes the *options*.

        *time* is an aware datetime, *delay* a timedelta from now; at most one
        of them is given.  Without either, the call is due at the next
        occurrence of its recurrence, or else immediately.  *duplicate* is as
        for `schedule`.

        Raises the errors of `schedule`, and `InvalidTask` if *func* cannot be
        found again by its name, is a coroutine function or a generator
        function, or does not take the arguments; and if a keyword is no
        option.
        """

    def unschedule(task, *, by=None, reason=''):
        """Remove *task*, as `ISchedule.unschedule`; say who does it and why.

        *by* is the name of who does it, by default the user of the current
        transaction, and *reason* a text for people.  If one of them is known,
        the history has an entry.
        """

    keys = Attribute('The keys of waiting tasks: an `IKeys`.')


class IRecurrence(Interface):
    """A rule that names the next occurrence: an immutable value.

    Two rules that say the same are equal and have the same hash.  The state
    is plain data, so that a pickle is small and does not need a class of a
    library.  No rule reads a clock.  Every *moment* is an aware datetime of
    any zone, else `InvalidTime` is raised; the zone does not change the
    result.
    """

    def next_after(moment):
        """The first occurrence strictly after *moment*, or None at the end.

        An instant that exists, as an aware datetime in the zone of the rule.
        Every rule ends with the year 9999.
        """

    def upcoming(moment, count):
        """The first *count* occurrences after *moment*, lazily."""

    def passed(start, end, limit):
        """The number of occurrences after *start* and not after *end*.

        At most *limit*, at which it stops to count.
        """

    def anchored(first):
        """This rule, with the start *first* if it has no start of its own.

        Every rule but an `Every` without a start returns itself.
        """

    def describe(moment):
        """What the next gap and the next fold after *moment* do, as text.

        A gap is the local times that do not exist when the clocks of a zone
        are put forward.  A fold is the local times that occur twice when
        they are put back.
        """

    def note(occurrence):
        """How a gap or a fold has changed *occurrence*, as text, or None.

        *occurrence* is a result of `next_after`.
        """

    def __str__():
        """The rule in words."""

    def __repr__():
        """The rule as an expression that gives an equal rule."""


class IRetry(Interface):
    """How often, and after how long, to retry: an immutable value."""

    attempts = Int(title='The maximum number of attempts, the first included',
                   min=1)
    delay = Timedelta(title='The wait after the first attempt')
    factor = Real(title='The factor by which each wait is longer than the '
                        'one before')
    max_delay = Timedelta(
        title='The longest wait, before the jitter, unless delay is longer')
    jitter = Real(title='The fraction by which a wait is longer or shorter')
    on = Attribute('The dotted names of the errors that are retried.')

    def delay_after(attempt, token, error):
        """How long to wait after the failed *attempt*, or None: give up.

        *attempt* counts from 1.  *token* is a str that identifies the
        occurrence: with the same token, attempt and rule the timedelta is the
        same in every process.  None if the attempts are used up, or if
        neither the class of *error* nor one of its bases is named in ``on``.
        """


class IScheduledTask(ITask):
    """The options of the tasks of this package, see `zodbschedule.Task`."""

    key = TextLine(
        title='Key',
        description='At most one waiting task of a schedule has a key, and '
                    'two tasks with the same key never run at once.',
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
        description="What to do about occurrences that were not run in time: "
                    "'one' runs once for all of them, 'all' runs each, in "
                    "order, as far back as `IScheduleSettings.catch_up`.",
        values=('one', 'all'),
        default='one',
    )

    uuid = TextLine(
        title='UUID',
        description='The UUID of the object that the task is for, by which '
                    '`IScheduleReading.tasks_of` finds it.',
        required=False,
    )

    expires = Timedelta(
        title='Expires',
        description='How long after its occurrence, and its part of the '
                    'spread, a run may begin; after that the task is not '
                    'called, and the outcome is expired.',
        required=False,
    )

    retry = Object(
        title='Retry',
        description='How often, and after how long, the task is retried '
                    'after a failure; without it, it is parked at the first.',
        schema=IRetry,
        required=False,
    )


class IKeys(Interface):
    """The keys of waiting tasks."""

    def get(key, default=None):
        """The waiting task with *key*, a str, or *default*; in O(log n)."""

    def __iter__():
        """The keys of waiting tasks, ascending, lazily."""

    def __contains__(key):
        """Whether a waiting task has *key*."""


# -- For those who control ---------------------------------------------------


class ITally(Interface):
    """The number of tasks of one call of ``process()``, by outcome."""

    succeeded = Int(title='Returned None, and were committed')
    retried = Int(title='Returned a task, or failed and will be retried')
    failed = Int(title='Were parked')
    expired = Int(title='Were too late to begin')
    left = Int(title='Have no outcome, and stay in their places')


class IScheduleAdministration(Interface):
    """Changing what is scheduled.

    Everything here happens in the caller's transaction.  For a task that is
    not here, `NotScheduled` is raised.  *by* is the name of who decides, by
    default the user of the current transaction, and *reason* why, a text for
    people.  Pauses are always in the history, the others if one of them is
    known.
    """

    def change(task, *, by=None, reason='', **options):
        """Change options of a task, and move it if necessary; return it.

        *options* are those of `zodbschedule.Task`.  With a ``time`` the task
        waits for that; with a new ``recurrence`` and no time, for the next
        occurrence from now.  *by* and *reason* are for the record.

        Raises `InProgress` if a worker holds the task, and its time,
        recurrence or key is to be changed; `AlreadyScheduled` if another task
        has the key; and `InvalidTask` for an unknown option or a wrong value,
        or if the class of the task is missing in this process.  Then nothing
        has changed.
        """

    def run_now(task, *, by=None, reason=''):
        """Let *task* run once more, immediately, and then as before.

        A repeating task keeps its next occurrence, unless that is due
        already: then that one runs.  A repeating task that runs now runs
        again afterwards, never beside itself.  *by* and *reason* are for the
        record.  Raises `InvalidTask` if the task, or the whole schedule, is
        paused, or if its class is missing in this process.
        """

    def pause(task=None, *, reason='', by=None):
        """Let no run begin, or none of *task*, until `resume`.

        Runs that have begun continue.  Paused tasks keep their places; when
        they are resumed, `IScheduledTask.missed` applies to the occurrences
        that have passed.  *reason* is a text for people.  *by* is the name of
        who pauses, by default the user of the current transaction.  To pause
        again changes *reason* and *by*.

        Raises `NotStored` if *task* has no id, because the schedule is not in
        a database.
        """

    def resume(task=None, *, by=None):
        """End the pause of *task*, or of the schedule, if there is one.

        *by* is the name of who resumes, as in `pause`.  Raises `NotStored`
        as `pause`.
        """

    def paused(task=None):
        """The `IPause` of the schedule, or of *task*; None if there is none.

        Raises nothing for a task that is not here.
        """

    def paused_tasks(after=''):
        """The tasks that are paused themselves: `IPausedTask`, lazily, by id.

        The pause of the whole schedule is not among them.  *after* is an id:
        the iteration begins behind it; '': with the first.  Reads in the
        current transaction, and may continue in a later one.  Loads one
        object for some dozens of pauses, and no task.  Raises ValueError if
        *after* is not an id.
        """

    def refresh():
        """Compute all occurrences anew, after a zone database has changed.

        Also of tasks that wait too far ahead, because a clock was ahead when
        they were placed: those then wait for the next occurrence from now.

        Only for waiting tasks whose time was computed by their recurrence:
        not for a first time that was given, and not for a retry.  A task
        whose recurrence names no further occurrence is not changed, nor one
        whose occurrence cannot be computed here, which is logged.  Returns a
        list of `IMove`.  Loads every waiting task.
        """


class IPause(Interface):
    """A pause of a task or of the whole schedule."""

    since = Datetime(title='When it was paused, UTC')
    by = TextLine(title='Who has paused it', required=False)
    reason = TextLine(title='Why')


class IPausedTask(IPause):
    """The pause of one task."""

    id = TextLine(title='The id of the task')
    task = Attribute('The task; its class or its record may be missing.')


class IMove(Interface):
    """One task that `IScheduleAdministration.refresh` has moved."""

    task = Attribute('The task.')
    before = Datetime(title='The occurrence for which it waited, UTC')
    after = Datetime(title='The occurrence for which it waits now, UTC')


# -- For those who look ------------------------------------------------------


class IScheduleReading(Interface):
    """Looking at a schedule.  Nothing here writes."""

    def __iter__():
        """The tasks that wait, lazily, by time, then by arrival."""

    def __contains__(task):
        """Whether *task* waits in this schedule or is held by a worker.

        Also True while the worker still holds a task whose run has ended and
        that will wait again, or that a run has scheduled.  False for anything
        that is not a task.
        """

    def get(id, default=None):
        """The task with this id that waits or is held by a worker.

        *id* is the oid of the task in hex, a str, as
        `zodbschedule.store.inspection.task_id` returns it.  Other forms of
        the same number are accepted, such as ``'0x2A'`` for ``'2a'``.  If
        there is no such task, or *id* is not a number: *default*.  A task
        whose record is gone is found if it is among the next 25 that wait, or
        was listed before in the same transaction.
        """

    def tasks(min=None, max=None):
        """The tasks that wait, lazily, by time, then by arrival.

        *min* and *max* are aware datetimes, both inclusive, or None.  The
        iteration may continue in a later transaction.
        """

    def tasks_of(principalId=None, uuid=None, after=''):
        """The tasks of a principal, or for an object, lazily, by id.

        Those that wait or are held by a worker and have that *principalId*,
        see `ITask`, or that *uuid*, see `IScheduledTask`, both of type str;
        with both, those that have both.  In the order of their ids: not by
        time, since that would have to be written whenever a task moves.
        *after* is an id: the iteration begins behind it; '': with the first.

        What a run has scheduled is found from the next turn of its worker on.
        An attribute that was set without `IScheduleAdministration.change`
        is found by neither value, until ``zodbschedule check --deep --mend``.
        A task whose record is missing is left out.

        Reads in the current transaction, and may continue in a later one.
        Loads less than 100 objects, and each task when it is reached.  Raises
        ValueError if neither is given, or *after* is not an id.
        """

    def estimate():
        """About how many tasks wait, an int; exact while there are few.

        By the shape of the timetable, so that no insert keeps a count.
        Within a few percent, unless a large part of the tasks is at few of
        many instants.  Loads less than 200 objects, however many tasks there
        are, and no task.
        """

    def next_due():
        """The earliest instant at which a task waits, UTC, or None."""

    def overdue(now):
        """How long the task that has been due longest has been waiting.

        A timedelta; zero if no task is due at *now*, an aware datetime.  A
        task that is paused itself does not count; a pause of the whole
        schedule makes no difference.  A task that a worker has claimed counts
        only if that worker gave no sign of life for longer than the lease.
        """

    def claimed():
        """The tasks that workers hold: an iterator of `IClaimedTask`."""

    def forecast(until, now=None):
        """The runs to expect by *until*: `IForecast`, lazily, by time.

        Follows recurrences; runs nothing and writes nothing.  Paused tasks
        are left out.  *until*, inclusive, and *now* are aware datetimes.
        *now*, by default the current time, is when tasks that are due would
        run.
        """

    history = Attribute('The record of outcomes: an `IHistory`.')


class IClaimedTask(Interface):
    """One task that a worker holds.

    It has no outcome yet, or will wait again, or was scheduled by a run.
    """

    task = Attribute('The task.')
    time = Datetime(title='The instant at which it was or will be due, UTC')
    worker = TextLine(title='The name of the worker')
    running = Bool(title='Whether the worker runs it now')
    progress = Attribute(
        'A pair of done and total, if its run has reported that, or None.')


class IForecast(Interface):
    """One run to expect."""

    time = Datetime(title='When it would begin, UTC')
    occurrence = Datetime(title='The occurrence that it is for, UTC')
    task = Attribute('The task.')
    note = TextLine(
        title='What a gap or a fold has changed, or what is not known',
        required=False)


class IWorkers(Interface):
    """The workers of a schedule."""

    workers = Attribute(
        'An iterator of `IWorkerState`, one for each thread of a worker and '
        'each running call of ``process()``.')

    def recover(name):
        """Put the tasks that workers of that name hold back in their places.

        Happens in the caller's transaction.  What such a worker runs now is
        rolled back; if it is alive, it continues with another claim.  Returns
        the number of tasks without an outcome that were put back.  Raises
        `NotScheduled` if no worker of that name is registered.
        """


class IWorkerState(Interface):
    """One thread of a worker, or one call of ``process()``, as recorded."""

    id = TextLine(title='The id of its claim')
    name = TextLine(title='Its name')
    host = TextLine(title='The host that it runs on')
    pid = Int(title='The id of its process there')
    since = Datetime(title='When it was registered, UTC')
    lease = Timedelta(title='How long it is trusted without a sign of life')
    state = TextLine(
        title="'working': it has taken tasks; 'idle': it has none, or was "
              "lost with its machine less than a day ago; 'silent': it has "
              "given no sign of life for longer than its lease, or while idle "
              "on another machine for a day, or its last one lies in the "
              "future; 'dead': its process on this machine has ended")
    beaten = Datetime(
        title='Its last sign of life, UTC; it gives none while it is idle')
    silence = Timedelta(
        title='How long ago that was, by the clock of this machine')
    task = Attribute('The task that it runs now, or None.')
    running_since = Datetime(
        title='When that run began, UTC', required=False)
    claimed = Int(title='The number of tasks without an outcome that it holds')
    counts = Object(
        title='How its runs have ended since it was registered',
        schema=ITally)


class IHistory(Interface):
    """A bounded record of outcomes, and of what people have decided.

    Its bounds are checked when they are set, as in `IScheduleSettings`.
    """

    keep = Int(title='The number of entries that are kept; 0 keeps none',
               min=0, default=10_000)
    keep_each = Int(
        title='The number of entries of one task that are kept when there '
              'are too many in all',
        min=1, default=100)
    max_age = Timedelta(title='The maximum age of an entry',
                        min=timedelta(seconds=1), required=False)

    def __iter__():
        """The `IOutcome` entries, newest first, lazily."""

    def select(task=None, outcome=None, since=None):
        """The entries of a task and with an outcome, newest first, lazily.

        *task* is a task or its id; None: of all tasks.  *outcome* is a text
        as in `IOutcome`; None: with any.  Raises ValueError for another text.
        *since* is an aware datetime: only what ended then or later; None:
        all.  Raises `InvalidTime` if it is not aware.
        """


class IOutcome(Interface):
    """The outcome of one run, or one decision, as recorded."""

    id = TextLine(
        title="The id of the task; '' if the schedule is a copy, and the task "
              "had left before that")
    time = Datetime(title='The instant for which it was scheduled, UTC')
    occurrence = Datetime(title='The occurrence that it was for, UTC')
    outcome = TextLine(
        title="'succeeded', 'retried', 'failed', 'expired', 'cancelled' or "
              "'interrupted'; or what was decided: 'paused', 'resumed', "
              "'unscheduled', 'requested' (to run now), 'changed', 'unparked' "
              "or 'discarded', where principalId is who did that and error is "
              "why, and the id is '0' for the whole schedule")
    began = Datetime(title='When the run began, UTC')
    ended = Datetime(title='When the run ended, UTC')
    attempt = Int(title='The number of the attempt at its occurrence, from 1')
    passed = Int(
        title='The number of missed occurrences that were passed over; 101 '
              'means more than 100')
    worker = TextLine(title='The name of the worker')
    description = Text(title='The description that the task had')
    principalId = TextLine(title='The principal that it ran as',
                           required=False)
    error = TextLine(title='What went wrong, in one line', required=False)
    type = TextLine(
        title='What the task does: the dotted name of the function that it '
              'calls, or of its class')
    tid = Bytes(
        title='The id of the transaction that has settled the outcome: of a '
              'run that was committed, of its commit.  8 bytes; None if that '
              'is not committed yet, or is from before the schedule was '
              'copied', required=False)


# -- For those who deal with failures ----------------------------------------


class IParking(Interface):
    """What to do about tasks that were set aside after a failure."""

    parked = Attribute('The parked tasks: an `IParkedTasks`.')

    def unpark(entry, time=None, *, by=None, reason=''):
        """Schedule the task of a parked entry again; return the task.

        Happens in the caller's transaction.  The task is due at *time*, an
        aware datetime, which becomes ``task.time``; by default at the instant
        for which it was scheduled before.  If the entry is for one occurrence
        of a series that has continued, the task runs for that occurrence and
        then returns to its series; if a worker holds it now, afterwards.
        *by* is the name of who does it, by default the user of the current
        transaction, and *reason* a text for people.  If one of them is known,
        the history has an entry.

        Raises `NotScheduled` if the entry is not parked any more,
        `AlreadyScheduled` if another task has the key now, `InvalidTask` if
        the class of the task cannot be imported or its record is missing, and
        `InvalidTime` if *time* is not aware.
        """

    def discard(entry, *, by=None, reason=''):
        """Delete a parked entry.  Happens in the caller's transaction.

        *by* and *reason* are for the record, as in `unpark`.

        Raises `NotScheduled` if the entry is not parked any more.
        """


class IParkedTasks(Interface):
    """The tasks that are set aside until a person unparks or discards them."""

    def __iter__():
        """The `IParkedTask` entries, lazily, in the order of their ids."""

    def newest_first(before=None):
        """The entries, those that were parked last first, lazily.

        *before* is the `IParkedTask.position` of an entry, which may have
        been removed meanwhile: the iteration begins behind it; None: with the
        newest.  Loads a few objects, and each entry when it is reached.
        """

    def __contains__(entry):
        """Whether this entry is parked now."""

    def __len__():
        """The number of entries; loads one object."""

    def get(id, default=None):
        """The entry with this id, a str, or *default*."""


class IParkedTask(Interface):
    """One task that was set aside, and why."""

    id = TextLine(title='The id of the entry; begins with the id of its task')
    task = Attribute(
        'The task; its class or its record may be missing.')
    time = Datetime(title='The instant for which it was scheduled, UTC')
    occurrence = Datetime(
        title='The occurrence that failed, UTC, if its series continues '
              'without it', required=False)
    parked_at = Datetime(title='When it was set aside, UTC')
    position = Int(
        title='Its place in the order of arrival; the larger, the newer')
    reason = TextLine(title='Why, in one line')
    traceback = Text(title='The traceback, cut to a bounded length')
    description = Text(title='The description that the task had, if known')
    principalId = TextLine(title='The principal that it ran as',
                           required=False)


# -- For a task while it runs ------------------------------------------------


class ICurrentRun(Interface):
    """The current run of a task: see `zodbschedule.current_run`."""

    task = Attribute('The task that runs.')
    schedule = Attribute('The schedule that it belongs to.')
    now = Datetime(title='When the run began, UTC')
    attempt = Int(title='The number of the attempt at its occurrence, from 1')
    occurrence = Datetime(title='The occurrence that it is for, UTC')
    token = TextLine(
        title='A text that is the same in each attempt at one occurrence, and '
              'differs in every other run of the database; for effects '
              'outside of the database')
    cancelled = Bool(
        title='Whether the run cannot be committed, because it was cancelled '
              'or its claim was recovered.  Looks into the database each time')

    def cancel(reason):
        """Say that the task has nothing to do: the outcome is cancelled.

        For a task that then returns None.  What it has written is committed,
        and a repeating task goes on to its next occurrence, unless it is
        unscheduled.  *reason* is a text for people, in the history.
        """

    def progress(done, total):
        """Show others how far the run is, at most once a second.

        *done* and *total* are numbers.  Written in a transaction of its own.
        A failure of that is logged and has no other effect.
        """


# -- For those who configure -------------------------------------------------


class IScheduleSettings(Interface):
    """The settings of a schedule: attributes that are checked when set.

    A change takes effect when the caller's transaction is committed.  A value
    that a field does not take raises `InvalidSetting`, and nothing is changed.
    If the database holds such a value already, the default is in force, and
    the log says so.
    """

    principals = TextLine(
        title='Principals',
        description='The name of the IPrincipals that every run needs.',
        default='plain',
    )

    import_grace = Timedelta(
        title='Import grace',
        description='How long a task whose class or function cannot be '
                    'imported is left in its place before it is parked.',
        min=timedelta(0),
        default=timedelta(hours=1),
    )

    lease = Timedelta(
        title='Lease',
        description='How long after its last sign of life a claim of '
                    'another machine is trusted; long enough for some '
                    'heartbeats.',
        min=MIN_LEASE,
        default=timedelta(seconds=30),
    )

    catch_up = Timedelta(
        title='Catch up',
        description="How far back a task with missed='all' runs occurrences "
                    "that were missed; older ones are passed over.",
        min=timedelta(0),
        default=timedelta(days=1),
    )

    spread = Timedelta(
        title='Spread',
        description='Repeating tasks begin later than their occurrence by a '
                    'part of this, which is fixed by the id of the task.',
        min=timedelta(0),
        default=timedelta(0),
    )


class IPrincipals(Interface):
    """A principal adapter: makes a run happen as the principal of its task.

    Register one with `zodbschedule.principals.register`.
    """

    name = TextLine(title='The name by which a schedule refers to it')

    def ready():
        """Raise `PrincipalsMissing` if no run may begin in this process."""

    def adopt(principal_id, task):
        """A context manager in which *task* runs and is committed.

        *principal_id* is a str or None.  Entered in the transaction of the
        run.  Raises if the principal is not known, and then the task fails:
        there is no fallback.  The principal always ends with the context.
        """


class IRunEnvironment(IPrincipals):
    """A principal adapter that also sets up each attempt of a run.

    At least it gives the attempt a connection of its own: the connection of
    the schedule is for turns.
    """

    manager = Attribute(
        'The transaction manager of the runs.  Turns use the manager of the '
        "schedule's connection, which may be the same.")

    def enter(schedule, commits=True):
        """A context manager in which one attempt of a run is made.

        Its value is *schedule* as loaded by the connection of the attempt.
        It is entered after the transaction of the attempt has begun on
        `manager`.  When it is left, that was committed, or it is aborted
        here.

        If *commits* is false, as in tests, the connection is that of
        *schedule*, and nothing is committed or aborted.
        """


# -- Events ------------------------------------------------------------------
#
# Sent through zope.event after the commit that they report, outside of any
# transaction.  They hold plain data and no persistent object.


class IScheduleEvent(Interface):
    """What all events say: where it has happened."""

    schedule = TextLine(title='The id of the schedule: its oid in hex')
    site = TextLine(title='The path of the site of the schedule in Zope; '
                          'None: it is of no site', required=False)


class IRunEnded(IScheduleEvent):
    """A run has an outcome, and that is committed."""

    id = TextLine(title='The id of the task')
    outcome = TextLine(title='As in `IOutcome`')
    attempt = Int(title='The number of the attempt at its occurrence, from 1')
    occurrence = Datetime(title='The occurrence that it was for, UTC')
    error = TextLine(title='What went wrong, in one line', required=False)
    time = Datetime(title='The instant for which it was scheduled, UTC')
    description = Text(title='The description of the task')
    type = TextLine(title='What the task does, as in `IOutcome`')
    principalId = TextLine(title='The principal that it ran as',
                           required=False)
    began = Datetime(title='When the run began, UTC; None: the task could not '
                           'be called, or its run was cut off',
                     required=False)


class ITaskParked(IScheduleEvent):
    """A task was set aside, and that is committed."""

    id = TextLine(title='The id of the parked entry')
    time = Datetime(title='The instant for which it was scheduled, UTC')
    reason = TextLine(title='Why, in one line')
    description = Text(title='The description of the task, if known')
    principalId = TextLine(title='The principal that it ran as',
                           required=False)
    type = TextLine(title='What the task does, as in `IOutcome`')
    key = TextLine(title='The key of the task', required=False)


class IPauseChanged(IScheduleEvent):
    """The schedule, or a task, was paused or resumed; that is committed."""

    id = TextLine(title='The id of the task; None: the whole schedule',
                  required=False)
    paused = Bool(title='Whether it is paused now')
    by = TextLine(title='Who has done that', required=False)
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
    schedule: str = ''
    site: str | None = None
    began: datetime | None = None


@implementer(ITaskParked)
@dataclass(frozen=True)
class TaskParked:
    """See `ITaskParked`."""

    id: str
    time: datetime
    reason: str
    description: str
    principalId: str | None
    type: str = ''
    key: str | None = None
    schedule: str = ''
    site: str | None = None


@implementer(IPauseChanged)
@dataclass(frozen=True)
class PauseChanged:
    """See `IPauseChanged`."""

    id: str | None
    paused: bool
    by: str | None
    reason: str
    schedule: str = ''
    site: str | None = None


# -- Errors ------------------------------------------------------------------


class ScheduleError(Exception):
    """The root of all errors that this package raises."""


class InvalidTask(ScheduleError, ValueError):
    """A task cannot be scheduled, or an option has a wrong value."""


class InvalidTime(InvalidTask):
    """A time is naive, or is not a datetime."""


class InvalidRecurrence(InvalidTask):
    """A recurrence cannot be as specified, or never occurs."""


class RecurrenceWarning(UserWarning):
    """A recurrence is valid, but a part of it has no effect."""


class InvalidSetting(ScheduleError, ValueError):
    """A setting of a schedule or of a worker has a wrong value."""


class AlreadyScheduled(ScheduleError, ValueError):
    """The task, or another one with its key, is in the schedule already."""

    def __init__(self, message: str, task: object = None) -> None:
        super().__init__(message)
        #: the task that is there
        self.task = task


class NotScheduled(ScheduleError, LookupError):
    """The task, or the parked entry, is not there."""


class InProgress(ScheduleError):
    """A worker holds the task, so that it cannot be moved now."""


class PendingChanges(ScheduleError):
    """The current transaction holds changes that are not ours to commit."""


class NotStored(ScheduleError):
    """The schedule is not in a database."""


class PrincipalsMissing(ScheduleError):
    """This process cannot run tasks as the schedule requires."""


class CodeMissing(ScheduleError):
    """A class, a function or a time zone is not available in this process."""


class ScheduleDamaged(ScheduleError):
    """A record is gone, and the schedule cannot go on without it."""


class TransactionEnded(ScheduleError):
    """A task tried to end the transaction in which it runs."""


class ClaimLost(ScheduleError):
    """A worker was taken for dead, and its claim was recovered."""


class WorkerEnded(ScheduleError, RuntimeError):
    """A worker has ended, although nobody has asked it to."""


__all__ = (
    # the design of 2003
    'ISchedule',
    'IScheduleControl',
    'ITask',
    # for those who schedule
    'IScheduling',
    'IRecurrence',
    'IRetry',
    'IScheduledTask',
    'IKeys',
    # for those who control
    'ITally',
    'IScheduleAdministration',
    'IPause',
    'IPausedTask',
    'IMove',
    # for those who look
    'IScheduleReading',
    'IClaimedTask',
    'IForecast',
    'IWorkers',
    'IWorkerState',
    'IHistory',
    'IOutcome',
    # for those who deal with failures
    'IParking',
    'IParkedTasks',
    'IParkedTask',
    # for a task while it runs
    'ICurrentRun',
    # for those who configure
    'IScheduleSettings',
    'IPrincipals',
    'IRunEnvironment',
    # events
    'IScheduleEvent',
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
    'RecurrenceWarning',
    'InvalidSetting',
    'AlreadyScheduled',
    'NotScheduled',
    'InProgress',
    'PendingChanges',
    'NotStored',
    'PrincipalsMissing',
    'CodeMissing',
    'ScheduleDamaged',
    'TransactionEnded',
    'ClaimLost',
    'WorkerEnded',
)
