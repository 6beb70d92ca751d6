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
"""What is decided about a task is on record: what, when, by whom and why."""

from datetime import datetime
from typing import Any

from zodbschedule import clock
from zodbschedule.instant import to_micros
from zodbschedule.store.history import record
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.pauses import ALL
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import description_of
from zodbschedule.task import type_of


def who(schedule: ScheduleState, by: str | None) -> str | None:
    """*by*, or else the user that the current transaction names."""
    if by or schedule._p_jar is None:
        return by or None
    return schedule._p_jar.transaction_manager.get().user.strip() or None


def record_decision(schedule: ScheduleState, task: Any, what: int,
                    by: str | None, reason: str,
                    occurrence: datetime | None = None) -> None:
    """Record *what* was decided about *task*; None: the whole schedule."""
    if not schedule.history.keep:
        return
    now = clock.now()
    moment = to_micros(now)
    oid, described, type = (ALL, '', '') if task is None else (
        oid_of(task), description_of(task), type_of(task))
    schedule.history.add([record(
        oid, moment, what, moment, described, type, who(schedule, by),
        reason or None, began=moment,
        occurrence=None if occurrence is None else to_micros(occurrence))],
        now, '')


def record_of_person(schedule: ScheduleState, task: Any, what: int,
                     by: str | None, reason: str,
                     occurrence: datetime | None = None, details: str = ''
                     ) -> None:
    """The same, if somebody or a reason is named, and *task* has an id.

    What a program does by itself, perhaps often, is not recorded.
    """
    if oid_of(task) and (reason or who(schedule, by)):
        text = ': '.join(filter(None, (details, reason)))
        record_decision(schedule, task, what, by, text, occurrence)
