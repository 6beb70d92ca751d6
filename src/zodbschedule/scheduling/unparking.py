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
"""What a person decides about a parked entry.

All of this happens in the caller's transaction.
"""

from datetime import datetime
from typing import Any

from ZODB.POSException import POSKeyError

from zodbschedule.instant import as_utc
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import NotScheduled
from zodbschedule.scheduling import series
from zodbschedule.scheduling.admission import refuse_key
from zodbschedule.scheduling.control import request
from zodbschedule.scheduling.decisions import record_of_person
from zodbschedule.scheduling.places import forget
from zodbschedule.scheduling.places import put
from zodbschedule.store.history import DISCARDED
from zodbschedule.store.history import UNPARKED
from zodbschedule.store.inspection import refuse_broken
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import Task
from zodbschedule.task import key_of


def unpark(schedule: ScheduleState, entry: ParkedTask, time: datetime | None,
           by: str | None, reason: str) -> Any:
    """See `IParking`."""
    _refuse_unparked(schedule, entry)
    task = _unpark(schedule, entry, time)
    record_of_person(schedule, task, UNPARKED, by, reason, entry.occurrence)
    return task


def _unpark(schedule: ScheduleState, entry: ParkedTask, time: datetime | None
            ) -> Any:
    task = _loaded(entry)
    instant = entry.time if time is None else as_utc(time)
    if entry.occurrence is not None:
        request(schedule, task, entry.occurrence, instant)
        schedule.parked.remove(entry)
        return task
    refuse_key(schedule, task, key_of(task))
    if time is not None:
        task.time = instant
    if isinstance(task, Task):
        series.revive(task, to_micros(entry.time))
    schedule.parked.remove(entry)
    put(schedule, task, instant)
    return task


def discard(schedule: ScheduleState, entry: ParkedTask, by: str | None,
            reason: str) -> None:
    """See `IParking`."""
    _refuse_unparked(schedule, entry)
    schedule.parked.remove(entry)
    record_of_person(
        schedule, entry.task, DISCARDED, by, reason, entry.occurrence)
    if entry.occurrence is None:
        forget(schedule, entry.task)


def _refuse_unparked(schedule: ScheduleState, entry: ParkedTask) -> None:
    if not isinstance(entry, ParkedTask) or entry not in schedule.parked:
        raise NotScheduled(f'{entry!r} is not parked here any more')


def _loaded(entry: ParkedTask) -> Any:
    """The task of *entry*; `InvalidTask` if it cannot be loaded."""
    try:
        refuse_broken(entry.task)
        entry.task._p_activate()
    except CodeMissing as error:
        raise InvalidTask(f'{error}; it stays parked') from error
    except POSKeyError as error:
        raise InvalidTask(
            f'The record of task {entry.id} is gone; discard the entry'
        ) from error
    return entry.task
