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
"""What would run, and when, without running it."""

import heapq
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any
from typing import NamedTuple

from zope.interface import implementer

from zodbschedule.instant import MICROSECOND
from zodbschedule.instant import earlier
from zodbschedule.instant import from_micros
from zodbschedule.instant import later
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IForecast
from zodbschedule.scheduling import series
from zodbschedule.scheduling.events import problem_of
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.pauses import ALL
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import Task
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


#: the note on a task of which nothing is known
MISSING = 'its class cannot be imported here, or its record is gone'

@implementer(IForecast)
class Forecast(NamedTuple):
    """See `IForecast`."""

    time: datetime
    occurrence: datetime
    task: Any
    note: str | None


class Coming(NamedTuple):
    """One occurrence to come; the first two put them in order."""

    micros: int
    #: what tells two of the same instant apart: the order of their coming
    number: int
    task: Any
    occurrence: int
    #: whether the task waits there already
    waits: bool


def runs_to_come(schedule: ScheduleState, until: datetime, now: datetime
                 ) -> Iterator[Forecast]:
    """See `IScheduleAdministration`.  Keeps an entry for each repeating task.
    """
    if ALL in schedule.pauses:
        return
    last = to_micros(until)
    pending = _pending(schedule, until)
    heap: list[Coming] = []
    found = next(pending, None)
    numbers = count()
    while heap or found:
        if found is not None and (not heap or found[0] <= heap[0].micros):
            micros, task = found
            found = next(pending, None)
            coming = Coming(micros, next(numbers), task,
                            _occurrence(task, micros), True)
        else:
            coming = heapq.heappop(heap)
        time = max(from_micros(coming.micros), now)
        following, note = _look_ahead(schedule, coming, time)
        yield Forecast(time, from_micros(coming.occurrence), coming.task, note)
        if following is not None and following.micros <= last:
            heapq.heappush(heap, following._replace(number=next(numbers)))


def runs_of(schedule: ScheduleState, task: Any, micros: int, now: datetime,
            since: datetime | None = None) -> Iterator[Forecast]:
    """The runs to come of one task, which waits or is held at that instant.

    Lazy, and without end if its recurrence has none.  *now* is as in
    `IScheduleReading.forecast`; what would run before *since*, in UTC, is
    stepped over.
    """
    coming: Coming | None = Coming(
        micros, 0, task, _occurrence(task, micros), True)
    while coming is not None:
        time = max(from_micros(coming.micros), now)
        following, note = _look_ahead(schedule, coming, time, since)
        if since is None or time >= since:
            yield Forecast(
                time, from_micros(coming.occurrence), task, note)
        coming = following


def _pending(schedule: ScheduleState, until: datetime
              ) -> Iterator[tuple[int, Any]]:
    """What waits, or is held, each with its instant, by time."""
    waiting = ((to_micros(instant), task)
               for instant in schedule.timetable.times(max=until)
               for task in schedule.timetable.at(instant))
    held = sorted(
        (pair for slot in schedule.slots() for pair in slot.pending()
         if pair[0] <= to_micros(until)), key=_instant)
    return ((micros, task)
            for micros, task in heapq.merge(held, waiting, key=_instant)
            if oid_of(task) not in schedule.pauses)


def _instant(pair: tuple[int, Any]) -> int:
    return pair[0]


def _occurrence(task: Any, micros: int) -> int:
    return series.occurrence_of(task, micros) if loads(task) else micros


def _look_ahead(schedule: ScheduleState, coming: Coming, time: datetime,
                since: datetime | None = None
                ) -> tuple[Coming | None, str | None]:
    """What comes after *coming*, not before *since*, and the note on it.

    Neither its task nor its recurrence stops the forecast of all others.
    """
    try:
        if not loads(coming.task):
            return None, MISSING
        return (_following(schedule, coming, time, since),
                _note(coming, time))
    except Exception as error:
        if is_transient(error) or is_storage_failure(error):
            raise
        return None, f'what comes after it cannot be told: {problem_of(error)}'


def _note(coming: Coming, time: datetime) -> str | None:
    task = coming.task
    if not isinstance(task, Task):
        return "what comes after it, its schedule() decides"
    occurrence = from_micros(coming.occurrence)
    if _is_late(coming, time):
        return (f'would expire: {task.expires} after '
                f'{from_micros(coming.micros)}')
    if coming.waits and series.series_of(task).attempts:
        return f'attempt {series.attempt_of(task)}'
    if task.recurrence is not None:
        note: str | None = task.recurrence.note(occurrence)
        return note
    if type(task).schedule is not Task.schedule:
        return "what comes after it, its schedule() decides"
    return None


def _is_late(coming: Coming, time: datetime) -> bool:
    """Whether it would expire, if it came to begin at that time."""
    task = coming.task
    if coming.waits:
        return series.is_expired(task, coming.micros, time)
    return (task.expires is not None
            and time - from_micros(coming.micros) > task.expires)


def _following(schedule: ScheduleState, coming: Coming, time: datetime,
               since: datetime | None) -> Coming | None:
    """Where the task of *coming* goes on, when that has ended at *time*."""
    task = coming.task
    if not isinstance(task, Task):
        return None
    back = series.series_of(task).back if coming.waits else None
    if back is not None:
        # After an occurrence that a person asked for.
        return _coming(task, *back) if back else None
    if task.recurrence is None:
        return None
    policy = series.policy_of(schedule, oid_of(task))
    start = series.resume_after(
        task, from_micros(coming.occurrence), time, policy,
        _is_late(coming, time))
    if since is not None and time < since:
        # One step, however many occurrences are between.
        start = max(start, earlier(since, policy.delay + MICROSECOND))
    found = series.next_after(task.recurrence, start)
    return None if found is None else _coming(
        task, to_micros(found), to_micros(later(found, policy.delay)))


def _coming(task: Any, occurrence: int, micros: int) -> Coming:
    """One that does not wait yet; its number is given when it is queued."""
    return Coming(micros, 0, task, occurrence, False)
