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
"""What a clock that was ahead has left behind, in words.

It cannot be known which clock that was: each machine has one, and a storage
gives its transactions the time of another.
"""

from collections.abc import Callable
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from persistent import Persistent

from zodbschedule.liveness.registry import signs
from zodbschedule.reading.words import duration
from zodbschedule.schedule import Schedule
from zodbschedule.scheduling import series
from zodbschedule.store.inspection import known_text
from zodbschedule.store.inspection import label
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import oid_of
from zodbschedule.task import Task
from zodbschedule.task import type_of


# How many of the tasks are looked at, at the most, that wait for later than
# `series.AHEAD`.  More, and whoever asks every minute loads more each time;
# fewer, and tasks that rightly wait for that long hide the others.
LOOKED_AT = 1000

#: tasks, each with the instant at which it waits
Waiting = Iterator[tuple[datetime, Persistent]]


def clock_problems(schedule: Schedule, now: datetime,
                   look: Callable[[Waiting], Waiting]) -> list[str]:
    """The claims and the tasks that a clock which was ahead has placed.

    *now* is in UTC.  Of the tasks, the first `LOOKED_AT` that may be; *look*
    may end that earlier.
    """
    tasks = islice(_waiting(schedule, now + series.AHEAD), LOOKED_AT)
    return [*_claims_ahead(schedule, now), *_tasks_ahead(look(tasks), now)]


def _claims_ahead(schedule: Schedule, now: datetime) -> Iterator[str]:
    for sign in signs(schedule):
        if sign.seen - now > sign.lease:
            yield (f'the last sign of life of worker {sign.name} (process '
                   f'{sign.pid} on {sign.host}) is from the future, '
                   f'{duration(sign.seen - now)} ahead: the clock of the '
                   f'database was ahead, or that of this machine is behind. '
                   f'Correct it; until it has caught up, other workers '
                   f'recover this one by the silence that they see themselves')


def _tasks_ahead(tasks: Waiting, now: datetime) -> Iterator[str]:
    found = [(task, instant) for instant, task in tasks
             if isinstance(task, Task) and loads(task)
             and series.is_ahead(task, now)]
    if found:
        task, instant = found[0]
        name = label(
            oid_of(task), known_text(task, 'description'), type_of(task))
        yield (f'repeating tasks that wait too far ahead, since a clock was '
               f'ahead when they ran: {len(found)}; the first is {name}, '
               f'which waits for {instant}. Correct the clock; then '
               f'schedule.refresh() moves them to their next occurrence')


def _waiting(schedule: Schedule, start: datetime) -> Waiting:
    for instant in schedule.timetable.times(min=start):
        for task in schedule.timetable.at(instant):
            yield instant, task
