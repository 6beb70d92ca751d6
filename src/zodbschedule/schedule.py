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
"""`Schedule`: the persistent object that an application keeps in its database.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from typing import Any

from ZODB.utils import p64
from zope.interface import implementer
from zope.interface import providedBy

from zodbschedule import clock
from zodbschedule.execution import process as processing
from zodbschedule.instant import as_utc
from zodbschedule.instant import moment_of
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import IParking
from zodbschedule.interfaces import IScheduleAdministration
from zodbschedule.interfaces import IScheduleControl
from zodbschedule.interfaces import IScheduleReading
from zodbschedule.interfaces import IScheduleSettings
from zodbschedule.interfaces import IScheduling
from zodbschedule.interfaces import IWorkers
from zodbschedule.interfaces import NotScheduled
from zodbschedule.liveness import registry
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling import by_label
from zodbschedule.scheduling import control
from zodbschedule.scheduling import unparking
from zodbschedule.scheduling.admission import admit
from zodbschedule.scheduling.admission import says_the_same
from zodbschedule.scheduling.arrival import AtArrival
from zodbschedule.scheduling.decisions import record_of_person
from zodbschedule.scheduling.forecast import Forecast
from zodbschedule.scheduling.forecast import runs_to_come
from zodbschedule.scheduling.places import forget
from zodbschedule.scheduling.places import put
from zodbschedule.scheduling.places import read_current_waiting
from zodbschedule.scheduling.places import record_dropped
from zodbschedule.scheduling.places import take_from_timetable
from zodbschedule.scheduling.places import take_out
from zodbschedule.store.estimate import estimate
from zodbschedule.store.history import UNSCHEDULED
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.pauses import ALL
from zodbschedule.store.pauses import Pause
from zodbschedule.store.pauses import PausedTask
from zodbschedule.store.state import PARTS
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import CallTask
from zodbschedule.task import key_of


# What may happen to a second task with the same key.
DUPLICATE = 'refuse', 'keep', 'replace'


@implementer(IScheduling, IScheduleControl, IScheduleReading, IParking,
             IScheduleAdministration, IWorkers, IScheduleSettings)
class Schedule(ScheduleState):
    """A persistent queue of tasks.

    Keep it anywhere in the database of the objects that its tasks change::

        root['schedule'] = schedule = Schedule()
        schedule.call(send, 'hello', delay=timedelta(minutes=5))
        transaction.commit()

    Every method except `process` works in the caller's transaction and does
    not end it: what it changes takes effect when that is committed.  Every
    datetime has to be aware; those that are returned are in UTC.

    :param principals: the name of the `IPrincipals` that all runs need.  By
        default no security is enforced.
    """

    # -- ISchedule, IScheduling

    def schedule(self, task: Any, *, duplicate: str = 'refuse') -> Any:
        """Add a task, in the caller's transaction, at its ``time``.

        A `Task` without a time gets one here: the next occurrence of its
        recurrence, or else the current time.  If this raises, nothing has
        changed, and the transaction can continue.

        :param task: a persistent object that provides `ITask`.
        :param duplicate: what to do if another waiting task has the same key.
            ``'refuse'`` raises `AlreadyScheduled`.  ``'keep'`` keeps the
            other task, and ensures that its run sees what this transaction
            writes.  ``'replace'`` puts *task* in its place, unless both are
            equal.  The last two need a task that has a key.
        :returns: *task*, or the other task if that was kept.
        :raises InvalidTask: if *task* cannot be scheduled or stored, or
            *duplicate* needs a key that it does not have.
        :raises InvalidTime: (an `InvalidTask`) if its time is not aware.
        :raises AlreadyScheduled: if *task* waits, is held by a worker or is
            parked, in this schedule or in another one, or if another task
            holds its key.
        """
        if duplicate not in DUPLICATE:
            raise InvalidTask(
                f'duplicate is {duplicate!r}; it has to be one of '
                f'{", ".join(map(repr, DUPLICATE))}')
        key = key_of(task)
        if key is None and duplicate != 'refuse':
            raise InvalidTask(
                f'duplicate is {duplicate!r}, and {task!r} has no key by '
                f'which another could be its duplicate; give it a key')
        holder = None if key is None else self.keys.get(key)
        if holder is None or duplicate == 'refuse':
            put(self, task, admit(self, task))
            return task
        if holder is task or duplicate == 'keep' or (
                says_the_same(holder, task)):
            read_current_waiting(self, holder)
            return holder
        self._replace(holder, task)
        return task

    def _replace(self, holder: Any, task: Any) -> None:
        """Put *task* in the place of *holder*, paused if that is paused."""
        instant = admit(self, task, replaced=holder)
        record_dropped(
            self, holder, instant, clock.now(), 'another took its place')
        pause = self.paused(holder)
        take_from_timetable(self, holder)
        forget(self, holder)
        put(self, task, instant)
        if pause is not None:
            self.pauses.begin(oid_of(task), pause, task)

    def call(self, func: Callable[..., Any] | str, *args: Any,
             kwargs: Mapping[str, Any] | None = None,
             time: datetime | None = None, delay: timedelta | None = None,
             duplicate: str = 'refuse', **options: Any) -> CallTask:
        """Schedule a call of *func*, in the caller's transaction.

        ::

            schedule.call(send, 'hello', delay=timedelta(minutes=5))
            schedule.call(clean, kwargs={'days': 30}, key='clean',
                          recurrence=Cron('0 3 * * *', 'Europe/Berlin'))

        Give *time* or *delay*, not both.  Without either, the call is due at
        the next occurrence of its recurrence, or else immediately.

        :param func: a module-level function, its dotted name, or a method of
            a persistent object of the same database.  It is stored by name.
        :param args: the positional arguments of the call.  They are stored,
            and each run is given what was stored: what it changes in a list
            or a dict is not kept for the next.
        :param kwargs: the keyword arguments of the call, or None; likewise.
        :param time: when to call it: an aware datetime in any zone, or None.
        :param delay: how long after now to call it: a timedelta, or None.
        :param duplicate: what to do if another waiting task has the same
            key: ``'refuse'``, ``'keep'`` or ``'replace'``, see `schedule`.
        :param options: those of `Task`: *description*, *principalId*, *key*,
            *recurrence*, *missed*, *expires*, *retry*.  All other keyword
            arguments of the call go into *kwargs*.
        :returns: the task; with *duplicate*, perhaps the one that was kept.
        :raises InvalidTask: if *func* cannot be found again by its name, or
            is a coroutine function or a generator function; if it does not
            take the arguments, or one of them cannot be stored; if an option
            is unknown or has a wrong value.
        :raises InvalidTime: (an `InvalidTask`) if *time* is not aware, or
            *delay* is not a timedelta, or both are given.
        :raises AlreadyScheduled: if another task holds the key.
        """
        task = CallTask(func, args, kwargs,
                        time=moment_of(time, delay, clock.now()), **options)
        scheduled: CallTask = self.schedule(task, duplicate=duplicate)
        return scheduled

    def unschedule(self, task: Any, *, by: str | None = None,
                   reason: str = '') -> None:
        """Remove a task, in the caller's transaction.

        A task that a worker holds or runs now is cancelled: what its run has
        written is rolled back.

        :param task: the task.  Its ``time`` may have changed meanwhile.
        :param by: who does this; by default the user of the transaction.
        :param reason: why, for people.  If one of them is known, the history
            has it.
        :raises NotScheduled: if *task* is not here.  A parked task is not:
            use `discard`.
        """
        local = self.local(task)
        if local is None:
            raise NotScheduled(f'{task!r} is not scheduled here')
        if not take_out(self, local):
            parked = self.entry_of(local) is not None
            raise NotScheduled(
                f'{task!r} is not scheduled here'
                f'{", but parked; discard its entry" if parked else ""}')
        record_of_person(self, local, UNSCHEDULED, by, reason)

    # -- IScheduleControl

    def process(self, time: datetime) -> Tally:
        """Run all tasks that are due at *time*: one transaction a task.

        One pass, in order of time, then of arrival.  Tasks that the runs
        schedule wait for the next call.  The transactions are those of the
        manager of the schedule's connection, which must not hold changes.

        A failure of a task is handled and does not raise.  An exception that
        is not an `Exception`, such as KeyboardInterrupt, aborts the current
        run and propagates, as does an error of a database that stays
        unavailable.  Tasks that have not run are put back first.

        :param time: an aware datetime in any zone; usually now.
        :returns: how many tasks had which outcome: `ITally`.
        :raises PendingChanges: if the current transaction holds changes.
        :raises NotStored: if the schedule is not in a database.
        :raises InvalidTime: if *time* is not aware.
        :raises PrincipalsMissing: if this process lacks the principal
            adapter that the schedule names.
        :raises ClaimLost: if another process took this call for dead.
        """
        return processing.process(self, as_utc(time))

    def getTaskTimes(self, min: datetime | None = None,
                     max: datetime | None = None) -> Iterator[datetime]:
        """The instants at which tasks wait: distinct, ascending, in UTC.

        Lazy; it may continue in a later transaction.  What a worker holds
        does not wait: see `claimed`.

        :param min: the first instant, inclusive: an aware datetime, or None.
        :param max: the last instant, inclusive: an aware datetime, or None.
        :raises InvalidTime: if *min* or *max* is not aware.
        """
        return self.timetable.times(_bound(min, 'min'), _bound(max, 'max'))

    # -- IScheduleReading

    def tasks(self, min: datetime | None = None,
              max: datetime | None = None) -> Iterator[Any]:
        """The tasks that wait, by time, then by arrival.

        Lazy; it may continue in a later transaction.

        :param min: the first instant, inclusive: an aware datetime, or None.
        :param max: the last instant, inclusive: an aware datetime, or None.
        :raises InvalidTime: if *min* or *max* is not aware.
        """
        return self.waiting(_bound(min, 'min'), _bound(max, 'max'))

    def __iter__(self) -> Iterator[Any]:
        """The tasks that wait, lazily, by time, then by arrival."""
        return self.tasks()

    def __contains__(self, task: object) -> bool:
        """Whether *task* waits in this schedule or is held by a worker."""
        return self.has(self.local(task))

    def get(self, id: str, default: Any = None) -> Any:
        """The task with that id, if it waits or is held by a worker.

        One whose record is gone is found if it is among the next 25 that
        wait, or was listed before in the same transaction.

        :param id: the oid of the task in hex, as
            `zodbschedule.store.inspection.task_id` returns it.
        :param default: what is returned if there is no such task.
        """
        if self._p_jar is None:
            return default
        try:
            oid = p64(int(id, 16))
        except (TypeError, ValueError):
            return default
        task = self.load(oid)
        return task if task in self else default

    def tasks_of(self, principalId: str | None = None,
                 uuid: str | None = None, after: str = '') -> Iterator[Any]:
        """The tasks of a principal, or for an object, lazily, by id.

        Those that wait or are held by a worker.  With both arguments, those
        that have both.

        :param principalId: the principal that they run as; None: any.
        :param uuid: the UUID of the object that they are for; None: any.
        :param after: the id behind which it begins; '': with the first.
        :raises ValueError: if neither *principalId* nor *uuid* is given, or
            *after* is not an id.
        """
        return by_label.tasks_of(
            self, principalId, uuid, int(after or '0', 16))

    def estimate(self) -> int:
        """About how many tasks wait; exact while there are few.

        Loads less than 200 objects, however many there are, and no task.
        """
        return estimate(self.timetable.instants)

    def next_due(self) -> datetime | None:
        """The earliest instant at which a task waits, in UTC, or None."""
        return next(self.getTaskTimes(), None)

    def overdue(self, now: datetime) -> timedelta:
        """How long the task that has been due longest has been waiting.

        Zero if no task is due.  Tasks that are paused themselves do not
        count.  Tasks that a worker holds count only if it has given no sign
        of life for longer than its lease, or if its last one lies further
        than that in the future: a clock was ahead, and nobody can tell.

        :param now: an aware datetime.
        :raises InvalidTime: if *now* is not aware.
        """
        return registry.overdue(self, as_utc(now, 'now'))

    def claimed(self) -> Iterator[registry.ClaimedTask]:
        """The tasks that workers hold, as `IClaimedTask`, by worker."""
        return registry.claimed(self)

    def forecast(self, until: datetime, now: datetime | None = None
                 ) -> Iterator[Forecast]:
        """The runs that are to be expected, as `IForecast`, by time.

        Lazy.  Follows recurrences, but runs nothing and writes nothing.
        Paused tasks are left out.

        :param until: the last instant, inclusive: an aware datetime.
        :param now: when tasks that are already due would run: an aware
            datetime; by default the current time.
        :raises InvalidTime: if *until* or *now* is not aware.
        """
        return runs_to_come(
            self, as_utc(until, 'until'),
            clock.now() if now is None else as_utc(now, 'now'))

    # -- IWorkers

    @property
    def workers(self) -> Iterator[registry.WorkerState]:
        """The registered workers, as `IWorkerState`.

        One for each thread of a worker and each running call of `process`.
        """
        return registry.states(self)

    def recover(self, name: str) -> int:
        """Put the tasks of dead workers back, in the caller's transaction.

        Workers are recovered without this when their lease has expired.  If
        a worker of that name is alive, what it runs now is rolled back.

        :param name: the name of the workers.
        :returns: how many tasks without an outcome were put back.
        :raises NotScheduled: if no worker of that name is registered.
        """
        return registry.recover(self, name)

    # -- IParking

    def unpark(self, entry: ParkedTask, time: datetime | None = None, *,
               by: str | None = None, reason: str = '') -> Any:
        """Schedule a parked task again, in the caller's transaction.

        If the entry is for one occurrence of a series that has continued,
        the task runs for that occurrence and then returns to its series.

        :param entry: an entry of ``schedule.parked``.
        :param time: when to run it: an aware datetime.  By default the
            instant at which it was due before, so it is due immediately.
        :param by: who does this; by default the user of the transaction.
        :param reason: why, for people.  If one of them is known, the history
            has it.
        :returns: the task.
        :raises NotScheduled: if *entry* is not parked here any more.
        :raises AlreadyScheduled: if another task holds its key now.
        :raises InvalidTask: if its class cannot be imported, or its record
            is missing.
        :raises InvalidTime: if *time* is not aware.
        """
        return unparking.unpark(self, entry, time, by, reason)

    def discard(self, entry: ParkedTask, *, by: str | None = None,
                reason: str = '') -> None:
        """Delete a parked entry, in the caller's transaction.

        :param entry: an entry of ``schedule.parked``.
        :param by: who does this; by default the user of the transaction.
        :param reason: why, for people.  If one of them is known, the history
            has it.
        :raises NotScheduled: if *entry* is not parked here any more.
        """
        unparking.discard(self, entry, by, reason)

    # -- IScheduleAdministration

    def change(self, task: Any, *, by: str | None = None, reason: str = '',
               **options: Any) -> Any:
        """Change options of a task, in the caller's transaction.

        ::

            schedule.change(task, time=task.time + timedelta(hours=1))

        With a *time*, the task waits for that.  With a *recurrence* and no
        time, it waits for the next occurrence.

        :param task: a task that waits.  One that a worker holds too, unless
            *time*, *recurrence* or *key* is changed.
        :param by: who does this; by default the user of the transaction.
        :param reason: why, for people.  If one of them is known, the history
            has it.
        :param options: *time* and the other options of `Task`.
        :returns: the task.
        :raises NotScheduled: if *task* is not here.
        :raises InProgress: if a worker holds it, so that it cannot be moved.
        :raises AlreadyScheduled: if another task holds the key.
        :raises InvalidTask: if an option is unknown or has a wrong value.
        """
        return control.change(self, self._here(task), options, by, reason)

    def run_now(self, task: Any, *, by: str | None = None, reason: str = ''
                ) -> None:
        """Let a task run now, in addition; in the caller's transaction.

        It is due when this is committed.  A repeating task keeps its next
        occurrence, unless that is due: then that one runs.  If a worker runs
        it now, it runs again afterwards.

        :param task: the task.
        :param by: who does this; by default the user of the transaction.
        :param reason: why, for people.  If one of them is known, the history
            has it.
        :raises NotScheduled: if *task* is not here.
        :raises InvalidTask: if *task* or the schedule is paused.
        """
        control.run_now(self, self._here(task), by, reason)

    def pause(self, task: Any = None, *, reason: str = '',
              by: str | None = None) -> None:
        """Let no run begin until `resume`; in the caller's transaction.

        Runs that have begun continue.  What is paused already only gets the
        new *reason* and *by*.

        :param task: the task to pause; None: the whole schedule.
        :param reason: why, for people.
        :param by: who pauses it; by default the user of the transaction.
        :raises NotScheduled: if *task* is not here.
        :raises NotStored: if *task* has no id yet, since the schedule is not
            in a database.
        """
        control.pause(self, self._here_or_all(task), reason, by)

    def resume(self, task: Any = None, *, by: str | None = None) -> None:
        """End a pause, if there is one; in the caller's transaction.

        :param task: the task to resume; None: the whole schedule.
        :param by: who resumes it; by default the user of the transaction.
        :raises NotScheduled: if *task* is not here.
        :raises NotStored: as `pause`.
        """
        control.resume(self, self._here_or_all(task), by)

    def paused(self, task: Any = None) -> Pause | None:
        """The pause that is in effect, as `IPause`, or None.

        :param task: the task; None: the whole schedule, whose pause is not
            shown for its tasks.
        """
        if task is None:
            return self.pauses.get(ALL)
        oid = oid_of(task)
        return self.pauses.get(oid) if oid else None

    def paused_tasks(self, after: str = '') -> Iterator[PausedTask]:
        """The tasks that are paused themselves, as `IPausedTask`, by id.

        Lazy; it may continue in a later transaction.  Loads no task.

        :param after: the id behind which it begins; '': with the first.
        :raises ValueError: if *after* is not an id.
        """
        return self.pauses.tasks(int(after or '0', 16))

    def refresh(self) -> list[control.Move]:
        """Compute all occurrences anew, in the caller's transaction.

        For use after the time zone database was updated, or after a clock was
        ahead for more than a day.  Loads every task that waits, and moves
        those whose recurrence now names another time.  What cannot be
        computed here is logged and left.

        :returns: the tasks that were moved, as a list of `IMove`.
        """
        return control.refresh(self)

    # -- what is here

    def __dir__(self) -> list[str]:
        """Without what the other modules of this package use of it."""
        public = {name for each in providedBy(self) for name in each}
        ours = {name for name in dir(ScheduleState())
                if not name.startswith('_')} - public
        return [name for name in super().__dir__() if name not in ours]

    def _here_or_all(self, task: Any) -> Any:
        return None if task is None else self._here(task)

    def _here(self, task: Any) -> Any:
        """*task* as our connection has it; `NotScheduled` if it is not here.
        """
        local = self.local(task)
        if not self.has(local):
            raise NotScheduled(f'{task!r} is not scheduled here')
        return local


def _bound(moment: datetime | None, name: str) -> datetime | None:
    return None if moment is None else as_utc(moment, name)


# Not in the body of the class, where they would hide the types of the parts.
for _name in PARTS:
    setattr(Schedule, _name, AtArrival(_name))
