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
from typing import Any
from typing import NamedTuple

from zope.interface import implementer

from zodbschedule import series
from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IForecast
from zodbschedule.pauses import ALL
from zodbschedule.returning import loads
from zodbschedule.returning import policy_of
from zodbschedule.task import Task
from zodbschedule.task import oid_of


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
    #: whether the task stands there already
    stands: bool


def runs_to_come(schedule: Any, until: datetime, now: datetime
                 ) -> Iterator[Forecast]:
    """See `ISteering`.  Keeps one entry for each repeating task."""
    if ALL in schedule.pauses:
        return
    last = to_micros(until)
    standing = _standing(schedule, until)
    heap: list[Coming] = []
    found = next(standing, None)
    number = 0
    while heap or found:
        if found is not None and (not heap or found[0] <= heap[0].micros):
            micros, task = found
            found = next(standing, None)
            coming = Coming(micros, number, task, _occurrence(task, micros),
                            True)
        else:
            coming = heapq.heappop(heap)
        yield _forecast(coming, now)
        number += 1
        following = _following(schedule, coming, now, number)
        if following is not None and following.micros <= last:
            heapq.heappush(heap, following)


def _standing(schedule: Any, until: datetime) -> Iterator[tuple[int, Any]]:
    """What waits, or is held, each with its instant, by time."""
    waiting = ((to_micros(instant), task)
               for instant in schedule.getTaskTimes(max=until)
               for task in schedule.tasks(instant, instant))
    held = sorted(
        ((to_micros(one.time), one.task) for one in schedule.claimed()
         if one.time <= until), key=_instant)
    return ((micros, task)
            for micros, task in heapq.merge(held, waiting, key=_instant)
            if oid_of(task) not in schedule.pauses)


def _instant(pair: tuple[int, Any]) -> int:
    return pair[0]


def _occurrence(task: Any, micros: int) -> int:
    return series.occurrence_of(task, micros) if loads(task) else micros


def _forecast(coming: Coming, now: datetime) -> Forecast:
    time = max(from_micros(coming.micros), now)
    occurrence = from_micros(coming.occurrence)
    return Forecast(time, occurrence, coming.task, _note(coming, time))


def _note(coming: Coming, time: datetime) -> str | None:
    task = coming.task
    if not loads(task):
        return 'its class cannot be imported here, or its record is gone'
    if not isinstance(task, Task):
        return "what comes after it, its schedule() decides"
    occurrence = from_micros(coming.occurrence)
    if task.expires is not None and time - occurrence > task.expires:
        return f'would expire: {task.expires} after {occurrence}'
    if coming.stands and task._attempts:
        return f'attempt {series.attempt_of(task)}'
    if task.recurrence is not None:
        return task.recurrence.note(occurrence)  # type: ignore
    if type(task).schedule is not Task.schedule:
        return "what comes after it, its schedule() decides"
    return None


def _following(schedule: Any, coming: Coming, now: datetime, number: int
               ) -> Coming | None:
    """What comes after that, as far as recurrences say."""
    following = _next(schedule, coming, now, number)
    beside = schedule.aside.get(oid_of(coming.task))
    if following is not None or beside is None or (
            oid_of(beside) in schedule.pauses) or not loads(beside):
        return following
    # It stood for an occurrence of a series, which goes on now.
    stood = series.occurrence_of(beside, to_micros(beside.time))
    return _next(
        schedule, Coming(coming.micros, number, beside, stood, True), now,
        number)


def _next(schedule: Any, coming: Coming, now: datetime, number: int
          ) -> Coming | None:
    """What comes after that in its series."""
    task = coming.task
    if not loads(task) or not isinstance(task, Task):
        return None
    if coming.stands and task._back is not None:
        return _back(task, number)
    if task.recurrence is None:
        return None
    occurrence = from_micros(coming.occurrence)
    policy = policy_of(schedule, oid_of(task))
    start = series.start(
        task, occurrence, max(from_micros(coming.micros), now), policy, False)
    found = task.recurrence.next_after(start)
    if found is None:
        return None
    return Coming(to_micros(as_utc(found) + policy.delay), number, task,
                  to_micros(found), False)


def _back(task: Task, number: int) -> Coming | None:
    """Where it goes after an occurrence that a person asked for."""
    if not task._back:
        return None
    occurrence, time = task._back
    return Coming(time, number, task, occurrence, False)
