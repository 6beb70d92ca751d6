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
from typing import NamedTuple

from persistent import Persistent
from ZODB.POSException import POSKeyError
from ZODB.utils import p64
from zope.interface import implementer

from zodbschedule import clock
from zodbschedule.execution import process as processing
from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import IClaimedTask
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import InvalidTime
from zodbschedule.interfaces import IParking
from zodbschedule.interfaces import IScheduleAdministration
from zodbschedule.interfaces import IScheduleControl
from zodbschedule.interfaces import IScheduleReading
from zodbschedule.interfaces import IScheduleSettings
from zodbschedule.interfaces import IScheduling
from zodbschedule.interfaces import IWorkers
from zodbschedule.interfaces import NotScheduled
from zodbschedule.liveness import registry as working
from zodbschedule.liveness.heartbeat import silence
from zodbschedule.liveness.stale import believed
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling import control as steering
from zodbschedule.scheduling import series
from zodbschedule.scheduling.admission import admit
from zodbschedule.scheduling.admission import refuse_key
from zodbschedule.scheduling.admission import says_the_same
from zodbschedule.scheduling.forecast import Forecast
from zodbschedule.scheduling.forecast import runs_to_come
from zodbschedule.scheduling.places import forget
from zodbschedule.scheduling.places import put
from zodbschedule.scheduling.places import read_current_waiting
from zodbschedule.scheduling.places import take_from_timetable
from zodbschedule.scheduling.places import take_out
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import refuse_broken
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.pauses import ALL
from zodbschedule.store.pauses import Pause
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import CallTask
from zodbschedule.task import Task
from zodbschedule.task import key_of


# What may become of a second task with the same key.
DUPLICATE = 'refuse', 'keep', 'replace'

@implementer(IClaimedTask)
class ClaimedTask(NamedTuple):
    """See `IClaimedTask`."""

    task: Persistent
    time: datetime
    worker: str
    running: bool = False
    progress: tuple[float, float] | None = None


@implementer(IScheduling, IScheduleControl, IScheduleReading, IParking,
             IScheduleAdministration, IWorkers, IScheduleSettings)
class Schedule(ScheduleState):
    """See `IScheduling`, `IScheduleControl`, `IScheduleReading`, `IParking`,
    `IScheduleAdministration`, `IWorkers` and `IScheduleSettings`.

    Keep it anywhere in the database of the objects that its tasks change.
    """

    # -- ISchedule, IScheduling

    def schedule(self, task: Any, *, duplicate: str = 'refuse') -> Any:
        """See `IScheduling`."""
        if duplicate not in DUPLICATE:
            raise InvalidTask(
                f'duplicate is {duplicate!r}; it has to be one of '
                f'{", ".join(map(repr, DUPLICATE))}')
        holder = self._holder(task)
        if holder is None or duplicate == 'refuse':
            put(self, task, admit(self, task))
            return task
        if holder is task or duplicate == 'keep' or (
                says_the_same(holder, task)):
            read_current_waiting(self, holder)
            return holder
        self._replace(holder, task)
        return task

    def _holder(self, task: Any) -> Any:
        """The waiting task that holds the key of *task*, or None."""
        key = key_of(task)
        return None if key is None else self.keys.get(key)

    def _replace(self, holder: Any, task: Any) -> None:
        """Put *task* in the place of *holder*, paused if that is paused."""
        instant = admit(self, task, replaced=holder)
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
        scheduled: CallTask = self.schedule(task, duplicate=duplicate)
        return scheduled

    def unschedule(self, task: Any) -> None:
        """See `ISchedule`."""
        local = self.local(task)
        if local is None:
            raise NotScheduled(f'{task!r} is not scheduled here')
        if not take_out(self, local):
            parked = self.entry_of(local) is not None
            raise NotScheduled(
                f'{task!r} is not scheduled here'
                f'{", but parked; discard its entry" if parked else ""}')

    # -- IScheduleControl

    def process(self, time: datetime) -> Tally:
        """See `IScheduleControl`."""
        return processing.process(self, as_utc(time))

    def getTaskTimes(self, min: datetime | None = None,
                     max: datetime | None = None) -> Iterator[datetime]:
        """See `IScheduleControl`."""
        return self.timetable.times(_bound(min, 'min'), _bound(max, 'max'))

    # -- IScheduleReading

    def tasks(self, min: datetime | None = None,
              max: datetime | None = None) -> Iterator[Any]:
        """See `IScheduleReading`."""
        return self.waiting(_bound(min, 'min'), _bound(max, 'max'))

    def __iter__(self) -> Iterator[Any]:
        return self.tasks()

    def __contains__(self, task: object) -> bool:
        return self.has(self.local(task))

    def get(self, id: str, default: Any = None) -> Any:
        """See `IScheduleReading`."""
        if self._p_jar is None:
            return default
        try:
            oid = p64(int(id, 16))
        except (TypeError, ValueError):
            return default
        task = self.load(oid)
        return task if task in self else default

    def next_due(self) -> datetime | None:
        """See `IScheduleReading`."""
        return next(self.getTaskTimes(), None)

    def overdue(self, now: datetime) -> timedelta:
        """See `IScheduleReading`."""
        now = as_utc(now, 'now')
        since = [now, *filter(None, [self._longest_due(now)])]
        for claim in self.claims.values():
            if silence(claim, now.timestamp()) > (
                    believed(claim, self).total_seconds()):
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
            running = claim.running
            for index, slot in enumerate(claim.slots):
                if slot.waiting:
                    yield ClaimedTask(
                        slot.task, from_micros(slot.micros), claim.name,
                        index == running, claim.progress_of(slot))
                for micros, task in slot.coming:
                    yield ClaimedTask(task, from_micros(micros), claim.name)

    # -- IWorkers

    @property
    def workers(self) -> Iterator[working.WorkerState]:
        """See `IWorkers`."""
        return working.states(self)

    def recover(self, name: str) -> int:
        """See `IWorkers`."""
        return working.recover(self, name)

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
            steering.request(self, task, entry.occurrence, instant)
            self.parked.remove(entry)
            return task
        refuse_key(self, task, key_of(task))
        if time is not None:
            task.time = instant
        if isinstance(task, Task):
            series.revive(task, to_micros(entry.time))
        self.parked.remove(entry)
        put(self, task, instant)
        return task

    def discard(self, entry: ParkedTask) -> None:
        """See `IParking`."""
        self._refuse_unparked(entry)
        self.parked.remove(entry)
        if entry.occurrence is None:
            forget(self, entry.task)

    def _refuse_unparked(self, entry: ParkedTask) -> None:
        if not isinstance(entry, ParkedTask) or entry not in self.parked:
            raise NotScheduled(f'{entry!r} is not parked here any more')

    # -- IScheduleAdministration

    def change(self, task: Any, **options: Any) -> Any:
        """See `IScheduleAdministration`."""
        return steering.change(self, self._here(task), options)

    def run_now(self, task: Any) -> None:
        """See `IScheduleAdministration`."""
        steering.run_now(self, self._here(task))

    def pause(self, task: Any = None, *, reason: str = '',
              by: str | None = None) -> None:
        """See `IScheduleAdministration`."""
        steering.pause(self, self._here_or_all(task), reason, by)

    def resume(self, task: Any = None, *, by: str | None = None) -> None:
        """See `IScheduleAdministration`."""
        steering.resume(self, self._here_or_all(task), by)

    def paused(self, task: Any = None) -> Pause | None:
        """See `IScheduleAdministration`."""
        if task is None:
            return self.pauses.get(ALL)
        oid = oid_of(task)
        return self.pauses.get(oid) if oid else None

    def refresh(self) -> list[steering.Move]:
        """See `IScheduleAdministration`."""
        return steering.refresh(self)

    def forecast(self, until: datetime, now: datetime | None = None
                 ) -> Iterator[Forecast]:
        """See `IScheduleAdministration`."""
        return runs_to_come(
            self, as_utc(until, 'until'),
            clock.now() if now is None else as_utc(now, 'now'))

    # -- what is here

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
