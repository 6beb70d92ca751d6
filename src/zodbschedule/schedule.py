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
from itertools import chain
from typing import Any
from typing import NamedTuple

from BTrees.LLBTree import LLBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from persistent.TimeStamp import TimeStamp
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from ZODB.utils import p64
from zope.interface import implementer

from zodbschedule import clock
from zodbschedule import processing
from zodbschedule.history import History
from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import IClaimedTask
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import InvalidTime
from zodbschedule.interfaces import IParking
from zodbschedule.interfaces import IScheduleControl
from zodbschedule.interfaces import IScheduleReading
from zodbschedule.interfaces import IScheduleSettings
from zodbschedule.interfaces import IScheduling
from zodbschedule.interfaces import ITask
from zodbschedule.interfaces import NotScheduled
from zodbschedule.interfaces import NotStored
from zodbschedule.parked import ParkedTask
from zodbschedule.parked import ParkedTasks
from zodbschedule.processing import Tally
from zodbschedule.run import refuse_broken
from zodbschedule.storable import refuse_foreign
from zodbschedule.storable import refuse_unstorable
from zodbschedule.task import CallTask
from zodbschedule.task import Task
from zodbschedule.task import task_id
from zodbschedule.timetable import Timetable
from zodbschedule.transact import run_of


# The attribute by which a task says at which instant it was scheduled last,
# in microseconds since 1970.  Writing it makes two who schedule one task at
# the same time conflict, in both orders of commits.  Named after us, since
# the class of the task may be anybody's.
STAMP = '_zodbschedule'


@implementer(IClaimedTask)
class ClaimedTask(NamedTuple):
    """See `IClaimedTask`."""

    task: Persistent
    time: datetime
    worker: str
    running: bool


@implementer(IScheduling, IScheduleControl, IScheduleReading, IParking,
             IScheduleSettings)
class Schedule(Persistent):
    """See `IScheduling`, `IScheduleControl`, `IScheduleReading`, `IParking`.

    Keep it anywhere in the database of the objects that its tasks change.
    """

    # New settings get their defaults here, so that older databases open.
    principals = 'plain'
    import_grace = timedelta(hours=1)
    lease = timedelta(seconds=30)

    def __init__(self, principals: str = 'plain') -> None:
        if principals != type(self).principals:
            self.principals = principals
        self.timetable = Timetable()
        self.claims = OOBTree()
        self.parked = ParkedTasks()
        self.history = History()
        #: task's oid -> how many of its runs ended their process
        self.crashes = LLBTree()

    # -- ISchedule, IScheduling

    def schedule(self, task: Any) -> Any:
        """See `ISchedule`."""
        self._add(self.admit(task), task)
        return task

    def _add(self, instant: datetime, task: Any) -> None:
        self.timetable.add(instant, [task])
        if self._p_jar is not None:
            run = run_of(self._p_jar.transaction_manager.get())
            if run is not None:
                run.scheduled.append((to_micros(instant), task))

    def call(self, func: Callable[..., Any] | str, *args: Any,
             kwargs: Mapping[str, Any] | None = None,
             time: datetime | None = None, delay: timedelta | None = None,
             description: str = '',
             principalId: str | None = None) -> CallTask:
        """See `IScheduling`."""
        if delay is not None:
            if time is not None:
                raise InvalidTime(
                    f'both time, {time!r}, and delay, {delay!r}, are given; '
                    f'give one of them')
            if not isinstance(delay, timedelta):
                raise InvalidTime(
                    f'delay is {delay!r}; it has to be a timedelta')
            try:
                time = clock.now() + delay
            except OverflowError:
                raise InvalidTime(
                    f'delay is {delay!r}, which leads beyond the years that '
                    f'there are') from None
        task = CallTask(func, args, kwargs, time=time,
                        description=description, principalId=principalId)
        return self.schedule(task)  # type: ignore[no-any-return]

    def unschedule(self, task: Any) -> None:
        """See `ISchedule`."""
        mine = self._mine(task)
        if mine is None:
            raise NotScheduled(f'{task!r} is not scheduled here')
        for instant in self._instants(mine):
            if self.timetable.remove(instant, mine):
                return
        if not any(claim.drop(mine) for claim in self.claims.values()):
            parked = self._entry(mine) is not None
            raise NotScheduled(
                f'{task!r} is not scheduled here'
                f'{", but parked; discard its entry" if parked else ""}')

    # -- what comes in

    def admit(self, task: Any, held: bool = False) -> datetime:
        """Check and stamp *task*; the instant at which it is to stand.

        For `schedule`, and for what a run returns.  With *held* it stands in
        the claim of the run that returned it, and nowhere else.
        """
        self._refuse_invalid(task)
        at_once = isinstance(task, Task) and task.time is None
        instant = as_utc(clock.now() if at_once else task.time,
                         f'the time of {task!r}')
        if not held:
            self._refuse_scheduled(task)
            if task._p_jar is None or task._p_changed:
                refuse_unstorable(task, self._p_jar)
        if at_once:
            task.time = instant
        stamp(task, instant)
        return instant

    def _refuse_invalid(self, task: Any) -> None:
        if type(task) is not task.__class__:
            raise InvalidTask(
                f'{task!r} is wrapped or proxied; pass the task itself')
        if not ITask.providedBy(task):
            raise InvalidTask(
                f'{task!r} does not provide ITask; subclass '
                f'zodbschedule.Task, or declare @implementer(ITask)')
        if not isinstance(task, Persistent):
            raise InvalidTask(
                f'{task!r} is not persistent; its class has to inherit '
                f'persistent.Persistent')
        try:
            refuse_foreign(task, self._p_jar)
        except InvalidTask as error:
            raise InvalidTask(
                f'{task!r} cannot be scheduled: {error}') from None
        for name in ('time', 'principalId', 'description'):
            if not hasattr(task, name):
                raise InvalidTask(
                    f'{task!r} has no {name}, which ITask asks for')
        principal: object = task.principalId
        if principal is not None and not isinstance(principal, str):
            raise InvalidTask(
                f'the principalId of {task!r} is {principal!r}; it has to be '
                f'a str or None')

    def _refuse_scheduled(self, task: Any) -> None:
        if never_stamped(task):
            return
        if task in self:
            raise AlreadyScheduled(
                f'{task!r} is scheduled already. To move it, unschedule it '
                f'first; while it runs, return it from its schedule()', task)
        if self._entry(task) is not None:
            raise AlreadyScheduled(
                f'{task!r} is parked; use unpark() on its entry', task)

    # -- IScheduleControl

    def process(self, time: datetime) -> Tally:
        """See `IScheduleControl`."""
        now = as_utc(time)
        if self._p_jar is None:
            raise NotStored(
                'The schedule is in no database, so no run could be '
                "committed; put it there first, as in root['schedule'] = "
                'Schedule(), and commit')
        return processing.process(self, now)

    def getTaskTimes(self, min: datetime | None = None,
                     max: datetime | None = None) -> Iterator[datetime]:
        """See `IScheduleControl`."""
        return self.timetable.times(_bound(min, 'min'), _bound(max, 'max'))

    # -- IScheduleReading

    def tasks(self, min: datetime | None = None,
              max: datetime | None = None) -> Iterator[Any]:
        """See `IScheduleReading`."""
        times = self.getTaskTimes(min, max)
        return (task for instant in times
                for task in self.timetable.at(instant))

    def __iter__(self) -> Iterator[Any]:
        return self.tasks()

    def __contains__(self, task: object) -> bool:
        mine = self._mine(task)
        return mine is not None and not never_stamped(mine) and (
            any(self.timetable.holds(instant, mine)
                for instant in self._instants(mine))
            or any(claim.holds(mine) for claim in self.claims.values()))

    def get(self, id: str, default: Any = None) -> Any:
        """See `IScheduleReading`."""
        if self._p_jar is None:
            return default
        try:
            oid = p64(int(id, 16))
        except (TypeError, ValueError):
            return default
        task = self._load(oid)
        return task if task in self else default

    def next_due(self) -> datetime | None:
        """See `IScheduleReading`."""
        return next(self.getTaskTimes(), None)

    def overdue(self, now: datetime) -> timedelta:
        """See `IScheduleReading`."""
        now = as_utc(now, 'now')
        since = [now, *filter(None, [self.next_due()])]
        for claim in self.claims.values():
            silence = now.timestamp() - TimeStamp(claim.beaten()).timeTime()
            if silence > self.lease.total_seconds():
                since.extend(from_micros(slot.micros)
                             for slot in claim.held())
        return now - min(since)

    def claimed(self) -> Iterator[ClaimedTask]:
        """See `IScheduleReading`."""
        for claim in list(self.claims.values()):
            running = next(claim.held(), None)
            for slot in claim.slots:
                if slot.waiting:
                    yield ClaimedTask(slot.task, from_micros(slot.micros),
                                      claim.name, slot is running)
                elif slot.following is not None:
                    micros, task = slot.following
                    yield ClaimedTask(task, from_micros(micros),
                                      claim.name, False)

    # -- IParking

    def unpark(self, entry: ParkedTask, time: datetime | None = None) -> Any:
        """See `IParking`."""
        self._refuse_unparked(entry)
        task: Any = entry.task
        try:
            refuse_broken(task)
            task._p_activate()
        except CodeMissing as error:
            raise InvalidTask(f'{error}; it stays parked') from error
        except POSKeyError as error:
            raise InvalidTask(
                f'The record of task {entry.id} is gone; discard the entry'
            ) from error
        instant = entry.time
        if time is not None:
            instant = as_utc(time)
            task.time = instant
        self.parked.remove(entry)
        stamp(task, instant)
        self._add(instant, task)
        return task

    def discard(self, entry: ParkedTask) -> None:
        """See `IParking`."""
        self._refuse_unparked(entry)
        self.parked.remove(entry)

    def _refuse_unparked(self, entry: ParkedTask) -> None:
        if not isinstance(entry, ParkedTask) or entry not in self.parked:
            raise NotScheduled(f'{entry!r} is not parked here any more')

    # -- finding

    def _mine(self, task: Any) -> Any:
        """*task* as our own connection has it, and without a wrapper.

        None if it cannot be here.
        """
        if not isinstance(task, Persistent) or not may_be_task(task):
            return None
        theirs = task._p_jar
        if theirs is None or self._p_jar is None:
            return task
        if theirs.db() is not self._p_jar.db():
            return None
        return self._load(task._p_oid)

    def _load(self, oid: bytes) -> Any:
        """The object with that oid, as far as it can be had; else None."""
        try:
            return self._p_jar.get(oid)
        except POSKeyError:
            # Its record is gone, but perhaps not what refers to it.
            everywhere = chain(self, (held.task for held in self.claimed()))
            return next(
                (task for task in everywhere if task._p_oid == oid), None)

    def _instants(self, task: Any) -> Iterator[datetime]:
        """Where *task* stands in the timetable, if it stands there."""
        stamped = stamp_of(task)
        if stamped is not None:
            yield from_micros(stamped)
        elif not keeps_stamp(task):
            found = self.timetable.find(task)
            if found is not None:
                yield found

    def _entry(self, task: Any) -> ParkedTask | None:
        entry = self.parked.get(task_id(task) or '')
        return entry if entry is not None and entry.task is task else None


def may_be_task(obj: Persistent) -> bool:
    """Whether *obj* provides `ITask`, as far as that can be known."""
    try:
        return isinstance(obj, Broken) or ITask.providedBy(obj)
    except POSKeyError:
        return True


def stamp(task: Any, instant: datetime) -> None:
    """Write at which instant *task* is scheduled; written in any case."""
    try:
        setattr(task, STAMP, to_micros(instant))
    except Exception:
        # It takes no attribute of ours; then it is looked for everywhere.
        pass
    task._p_changed = True


def stamp_of(task: Any) -> int | None:
    """When *task* was scheduled last, if it says so."""
    try:
        if isinstance(task, Broken):
            stamped = task.__Broken_state__.get(STAMP)
        else:
            stamped = getattr(task, STAMP, None)
    except (POSKeyError, AttributeError):
        return None
    # Its class may answer anything to anybody who asks.
    return stamped if type(stamped) is int else None


def never_stamped(task: Any) -> bool:
    """Whether *task* stands nowhere, for certain: whatever does has a stamp.

    Asked first: looking into the claims loads every slot that a run has
    written meanwhile, and each insert would pay for that.
    """
    return stamp_of(task) is None and keeps_stamp(task)


def keeps_stamp(task: Any) -> bool:
    """Whether *task* certainly keeps an attribute that it is given.

    If its record is gone, or its class, it is not certain.
    """
    cls = type(task)
    try:
        task._p_activate()
    except POSKeyError:
        return False
    return not isinstance(task, Broken) and cls.__dictoffset__ != 0 and all(
        getattr(cls, name) is getattr(Persistent, name)
        for name in ('__getattribute__', '__setattr__', '__getstate__',
                     '__setstate__'))


def _bound(moment: datetime | None, name: str) -> datetime | None:
    return None if moment is None else as_utc(moment, name)
