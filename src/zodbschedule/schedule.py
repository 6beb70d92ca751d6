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

import uuid
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Any
from typing import NamedTuple

from BTrees.LLBTree import LLBTree
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from persistent.TimeStamp import TimeStamp
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from ZODB.utils import p64
from zope.interface import implementer

from zodbschedule import clock
from zodbschedule import processing
from zodbschedule import series
from zodbschedule import steering
from zodbschedule.asked import Asked
from zodbschedule.claim import CANCELLED
from zodbschedule.forecast import Forecast
from zodbschedule.forecast import runs_to_come
from zodbschedule.history import History
from zodbschedule.history import record
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
from zodbschedule.interfaces import ISteering
from zodbschedule.interfaces import ITask
from zodbschedule.interfaces import NotScheduled
from zodbschedule.interfaces import NotStored
from zodbschedule.keys import Keys
from zodbschedule.parked import ParkedTask
from zodbschedule.parked import ParkedTasks
from zodbschedule.pauses import ALL
from zodbschedule.pauses import Pause
from zodbschedule.pauses import Pauses
from zodbschedule.processing import Tally
from zodbschedule.returning import leave
from zodbschedule.returning import policy_of
from zodbschedule.returning import refuse_broken
from zodbschedule.stamp import STAMP
from zodbschedule.stamp import keeps_stamp
from zodbschedule.stamp import never_stamped
from zodbschedule.stamp import stamp
from zodbschedule.stamp import stamp_of
from zodbschedule.storable import refuse_foreign
from zodbschedule.storable import refuse_unstorable
from zodbschedule.task import CallTask
from zodbschedule.task import Task
from zodbschedule.task import check_options
from zodbschedule.task import known_principal
from zodbschedule.task import known_text
from zodbschedule.task import oid_of
from zodbschedule.task import task_id
from zodbschedule.timetable import Timetable
from zodbschedule.transact import run_of


# What may become of a second task with the same key.
DUPLICATE = 'refuse', 'keep', 'replace'

# What a task says of where it stands, not of what it is.
PLACE = frozenset({STAMP, '_time', '_extra', 'recurrence', *series.STATE})


@implementer(IClaimedTask)
class ClaimedTask(NamedTuple):
    """See `IClaimedTask`."""

    task: Persistent
    time: datetime
    worker: str
    running: bool = False
    progress: tuple[float, float] | None = None


@implementer(IScheduling, IScheduleControl, IScheduleReading, IParking,
             ISteering, IScheduleSettings)
class Schedule(Persistent):
    """See `IScheduling`, `IScheduleControl`, `IScheduleReading`, `IParking`,
    `ISteering` and `IScheduleSettings`.

    Keep it anywhere in the database of the objects that its tasks change.
    """

    # New settings get their defaults here, so that older databases open.
    principals = 'plain'
    import_grace = timedelta(hours=1)
    lease = timedelta(seconds=30)
    catch_up = timedelta(days=1)
    spread = timedelta(0)

    def __init__(self, principals: str = 'plain') -> None:
        if principals != type(self).principals:
            self.principals = principals
        self.timetable = Timetable()
        self.claims = OOBTree()
        self.parked = ParkedTasks()
        self.history = History(self.claims)
        self.keys = Keys()
        self.pauses = Pauses()
        self.asked = Asked()
        #: the oid of a task that a run returned -> the repeating task for
        #: whose occurrence that stands
        self.aside = LOBTree()
        #: so that the same task is spread differently in different schedules
        self.seed = uuid.uuid4().hex
        #: task's oid -> how many of its runs ended their process
        self.crashes = LLBTree()

    # -- ISchedule, IScheduling

    def schedule(self, task: Any, *, duplicate: str = 'refuse') -> Any:
        """See `IScheduling`."""
        if duplicate not in DUPLICATE:
            raise InvalidTask(
                f'duplicate is {duplicate!r}; it has to be one of '
                f'{", ".join(map(repr, DUPLICATE))}')
        holder = self._holder(task)
        if holder is None or duplicate == 'refuse':
            self.put(task, self.admit(task))
            return task
        if holder is task or duplicate == 'keep' or (
                says_the_same(holder, task)):
            self._rely_on(holder)
            return holder
        self._replace(holder, task)
        return task

    def _holder(self, task: Any) -> Any:
        """The waiting task that holds the key of *task*, or None."""
        key = key_of(task)
        return None if key is None else self.keys.get(key)

    def _replace(self, holder: Any, task: Any) -> None:
        """Put *task* in the place of *holder*, paused if that is paused."""
        self._refuse_unfit(task)
        pause = self.paused(holder)
        self.take_from_timetable(holder)
        self._forget(holder)
        self.put(task, self.admit(task))
        if pause is not None:
            self.pauses.begin(oid_of(task), pause)
        # A series that it stood for finds its key held by now.
        leave(self, oid_of(holder), clock.now())

    def _rely_on(self, holder: Any) -> None:
        """Conflict, if *holder* is taken before this transaction commits.

        Its run begins after that, and sees what this one has written.
        """
        for instant in self._instants(holder):
            self.timetable.read_current(instant, holder)

    def rely_on(self, mine: Any) -> None:
        """Conflict, if *mine* leaves its place before this is committed."""
        self._rely_on(mine)
        oid = oid_of(mine)
        # Also where its outcome is, until that is collected.
        found = [slot for claim in self.claims.values()
                 for slot in claim.slots if slot.content
                 and (slot.oid == oid or slot.has(mine))]
        found += filter(None, [self._entry(mine)])
        for place in found:
            if place._p_jar is not None:
                place._p_jar.readCurrent(place)
        for stand_in, task in list(self.aside.items()):
            if task is mine:
                self.rely_on(self._load(p64(stand_in)))

    def put(self, task: Any, instant: datetime) -> None:
        """Have *task*, which is nowhere, stand at *instant*; stamped."""
        stamp(task, instant)
        self.timetable.add(instant, [task])
        key = key_of(task)
        if key is not None:
            self.give_oid(task)
            self.keys.come(task, key)
        if self._p_jar is not None:
            run = run_of(self._p_jar.transaction_manager.get())
            if run is not None:
                run.scheduled.append((to_micros(instant), task))

    def give_oid(self, task: Any) -> None:
        """Let *task* have its id before the commit, if that is possible."""
        if task._p_jar is None and self._p_jar is not None:
            self._p_jar.add(task)

    def call(self, func: Callable[..., Any] | str, *args: Any,
             kwargs: Mapping[str, Any] | None = None,
             time: datetime | None = None, delay: timedelta | None = None,
             duplicate: str = 'refuse', **options: Any) -> CallTask:
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
        task = CallTask(func, args, kwargs, time=time, **options)
        return self.schedule(  # type: ignore[no-any-return]
            task, duplicate=duplicate)

    def unschedule(self, task: Any) -> None:
        """See `ISchedule`."""
        mine = self._mine(task)
        if mine is None:
            raise NotScheduled(f'{task!r} is not scheduled here')
        if not self._take_out(mine):
            parked = self._entry(mine) is not None
            raise NotScheduled(
                f'{task!r} is not scheduled here'
                f'{", but parked; discard its entry" if parked else ""}')

    def _take_out(self, mine: Any) -> bool:
        """Remove a task from wherever it stands; whether it did."""
        if self.take_from_timetable(mine):
            self._forget(mine)
            # It may have stood for an occurrence of a series.
            leave(self, oid_of(mine), clock.now())
            return True
        cancelled = partial(self._cancelled, mine)
        if any(claim.drop(mine, cancelled)
               for claim in self.claims.values()) or (
                   self._take_from_aside(mine)):
            self._forget(mine)
            return True
        return False

    def _cancelled(self, mine: Any, micros: int) -> tuple[Any, ...] | int:
        """What is kept of a run that is cancelled: see `Slot.drop`."""
        oid = oid_of(mine)
        if not self.history.keep:
            return oid
        now = to_micros(clock.now())
        return record(
            oid, micros, CANCELLED, now, known_text(mine, 'description'),
            known_principal(mine), began=now)

    def _forget(self, mine: Any) -> None:
        """Forget what was noted of a task that leaves."""
        oid = oid_of(mine)
        if oid:
            self.asked.forget(oid)
            self.pauses.end(oid)

    def take_from_timetable(self, mine: Any) -> bool:
        """Remove a task that waits, and its key; whether it did."""
        for instant in self._instants(mine):
            if self.timetable.remove(instant, mine):
                self.keys.remove(mine)
                return True
        return False

    def _take_from_aside(self, mine: Any) -> bool:
        for oid, task in list(self.aside.items()):
            if task is mine:
                del self.aside[oid]
                self.keys.remove(mine)
                # Which place it had is nowhere written but there.
                self.asked.fence()
                return True
        return False

    # -- what comes in

    def admit(self, task: Any, held: bool = False) -> datetime:
        """Check, place and stamp *task*; the instant at which it stands.

        For `schedule`, and for what a run returns.  With *held* it stands in
        the claim of the run that returned it, and nowhere else.
        """
        if held:
            self._refuse_invalid(task)
            instant = as_utc(task.time, f'the time of {task!r}')
        else:
            self._refuse_unfit(task)
            self.refuse_key(task, key_of(task))
            instant = self._place(task)
        stamp(task, instant)
        return instant

    def _refuse_unfit(self, task: Any) -> None:
        self._refuse_invalid(task)
        self._first(task, clock.now())
        self._refuse_scheduled(task)
        if task._p_jar is None or task._p_changed:
            refuse_unstorable(task, self._p_jar)

    def _first(self, task: Any, now: datetime) -> datetime:
        """The first occurrence of a task that is scheduled now."""
        moment = task.time
        if isinstance(task, Task):
            check_options(task)
            moment = series.first(task, now)
        return as_utc(moment, f'the time of {task!r}')

    def _place(self, task: Any) -> datetime:
        """Put *task* at its first occurrence; the instant it stands at."""
        now = clock.now()
        first = self._first(task, now)
        if not isinstance(task, Task):
            return first
        delay = timedelta(0)
        if self.spread and task.recurrence is not None:
            self.give_oid(task)
            delay = policy_of(self, oid_of(task)).delay
        series.plan(task, first, now, delay)
        return as_utc(task.time)

    def refuse_key(self, task: Any, key: str | None) -> None:
        """Raise `AlreadyScheduled` if another task holds *key*."""
        holder = None if key is None else self.keys.get(key)
        if holder is not None and holder is not task:
            raise AlreadyScheduled(
                f'the key {key!r} is held by {holder!r}, which waits; with '
                f"duplicate='keep' or 'replace' say which of the two is to "
                f'stand', holder)

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
            self.waits(mine) is not None or self.is_held(mine))

    def waits(self, mine: Any) -> datetime | None:
        """Where a task of ours stands in the timetable, if it does."""
        return next((instant for instant in self._instants(mine)
                     if self.timetable.holds(instant, mine)), None)

    def stands(self, mine: Any) -> bool:
        """Whether a task of ours waits, is held, or is parked as a whole."""
        return (self.waits(mine) is not None or self.is_held(mine)
                or self._entry(mine) is not None)

    def is_held(self, mine: Any) -> bool:
        """Whether a task is in a claim, or stands aside for one that is."""
        return (any(claim.holds(mine) for claim in self.claims.values())
                or any(task is mine for task in self.aside.values()))

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
        since = [now, *filter(None, [self._longest_due(now)])]
        for claim in self.claims.values():
            silence = now.timestamp() - TimeStamp(claim.beaten()).timeTime()
            if silence > self.lease.total_seconds():
                since.extend(from_micros(slot.micros)
                             for slot in claim.held())
        return now - min(since)

    def _longest_due(self, now: datetime) -> datetime | None:
        """The first instant at which one waits that is not paused itself."""
        due = ((instant, task) for instant in self.getTaskTimes(max=now)
               for task in self.timetable.at(instant))
        return next((instant for instant, task in due
                     if not oid_of(task) or oid_of(task) not in self.pauses),
                    None)

    def claimed(self) -> Iterator[ClaimedTask]:
        """See `IScheduleReading`."""
        for claim in list(self.claims.values()):
            running = next(claim.held(), None)
            for slot in claim.slots:
                if slot.waiting:
                    yield ClaimedTask(
                        slot.task, from_micros(slot.micros), claim.name,
                        slot is running, claim.progress_of(slot))
                elif slot.following is not None:
                    micros, task = slot.following
                    yield ClaimedTask(task, from_micros(micros), claim.name)

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
        instant = entry.time if time is None else as_utc(time)
        if entry.occurrence is not None:
            steering.ask(self, task, entry.occurrence, instant)
            self.parked.remove(entry)
            return task
        self.refuse_key(task, key_of(task))
        if time is not None:
            task.time = instant
        if isinstance(task, Task):
            series.revive(task, to_micros(entry.time))
        self.parked.remove(entry)
        self.put(task, instant)
        return task

    def discard(self, entry: ParkedTask) -> None:
        """See `IParking`."""
        self._refuse_unparked(entry)
        self.parked.remove(entry)
        if entry.occurrence is None:
            self._forget(entry.task)

    def _refuse_unparked(self, entry: ParkedTask) -> None:
        if not isinstance(entry, ParkedTask) or entry not in self.parked:
            raise NotScheduled(f'{entry!r} is not parked here any more')

    # -- ISteering

    def change(self, task: Any, **options: Any) -> Any:
        """See `ISteering`."""
        return steering.change(self, self._here(task), options)

    def run_now(self, task: Any) -> None:
        """See `ISteering`."""
        steering.run_now(self, self._here(task))

    def pause(self, task: Any = None, *, reason: str = '',
              by: str | None = None) -> None:
        """See `ISteering`."""
        steering.pause(self, self._here_or_all(task), reason, by)

    def resume(self, task: Any = None, *, by: str | None = None) -> None:
        """See `ISteering`."""
        steering.resume(self, self._here_or_all(task), by)

    def paused(self, task: Any = None) -> Pause | None:
        """See `ISteering`."""
        if task is None:
            return self.pauses.get(ALL)
        oid = oid_of(task)
        return self.pauses.get(oid) if oid else None

    def refresh(self) -> list[steering.Move]:
        """See `ISteering`."""
        return steering.refresh(self)

    def forecast(self, until: datetime, now: datetime | None = None
                 ) -> Iterator[Forecast]:
        """See `ISteering`."""
        return runs_to_come(
            self, as_utc(until, 'until'),
            clock.now() if now is None else as_utc(now, 'now'))

    # -- finding

    def _here_or_all(self, task: Any) -> Any:
        return None if task is None else self._here(task)

    def _here(self, task: Any) -> Any:
        """*task* as our connection has it; `NotScheduled` if it is not here.
        """
        if task not in self:
            raise NotScheduled(f'{task!r} is not scheduled here')
        return self._mine(task)

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


def key_of(task: Any) -> str | None:
    """The key that *task* asks for."""
    key = task.key if isinstance(task, Task) else None
    return key if isinstance(key, str) else None


def says_the_same(one: Task, other: Task) -> bool:
    """Whether *other* says what *one* says, which waits."""
    if type(one) is not type(other):
        return False
    if other.time is None and one.recurrence is None or (
            other.time not in (None, one.time)):
        return False
    try:
        return _sayings(one) == _sayings(other) and (
            _is_same_rule(one.recurrence, other.recurrence))
    except Exception:
        # The class of the task may be anybody's, and its values too.
        return False


def _sayings(task: Task) -> dict[str, Any]:
    task._p_activate()
    return {name: value for name, value in vars(task).items()
            if name not in PLACE and not name.startswith('_v_')}


def _is_same_rule(one: Any, other: Any) -> bool:
    # An Every without a start was anchored when it was scheduled.
    start = getattr(one, 'start', None)
    return bool(one == (other.anchored(start) if start and other else other))


def _bound(moment: datetime | None, name: str) -> datetime | None:
    return None if moment is None else as_utc(moment, name)
