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
"""Setting a task aside."""

from typing import Any

from ZODB.utils import u64

from zodbschedule import clock
from zodbschedule.instant import from_micros
from zodbschedule.scheduling.events import notify_after_commit
from zodbschedule.scheduling.events import parked_event
from zodbschedule.store.inspection import known_principal
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.parked import entry_id
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import description_of


def park(schedule: ScheduleState, task: Any, micros: int, reason: str,
         trace: str = '', occurrence: int | None = None) -> ParkedTask:
    """Set *task* aside, or one occurrence of it, in this transaction."""
    entry = ParkedTask(
        entry_id(u64(task._p_oid), occurrence), task, from_micros(micros),
        clock.now(), reason, trace, description_of(task),
        known_principal(task), occurrence)
    schedule.parked.add(entry)
    return entry


def park_and_notify(schedule: ScheduleState, task: Any, micros: int,
                    reason: str, occurrence: int | None = None) -> None:
    """Set *task* aside, and report that when it is committed."""
    entry = park(schedule, task, micros, reason, occurrence=occurrence)
    notify_after_commit(schedule, parked_event(schedule, entry))
