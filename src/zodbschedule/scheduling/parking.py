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
"""Setting a task aside, and telling of it."""

import logging
from typing import Any

import zope.event
from ZODB.utils import u64

from zodbschedule import clock
from zodbschedule.instant import from_micros
from zodbschedule.interfaces import TaskParked
from zodbschedule.store.inspection import known_principal
from zodbschedule.store.inspection import known_text
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.parked import entry_id
from zodbschedule.store.state import ScheduleState


log = logging.getLogger('zodbschedule')


def park(schedule: ScheduleState, task: Any, micros: int, reason: str,
         trace: str = '', occurrence: int | None = None) -> ParkedTask:
    """Set *task* aside, or one occurrence of it, in this transaction."""
    entry = ParkedTask(
        entry_id(u64(task._p_oid), occurrence), task, from_micros(micros),
        clock.now(), reason, trace, known_text(task, 'description'),
        known_principal(task), occurrence)
    schedule.parked.add(entry)
    return entry


def park_and_tell(schedule: ScheduleState, task: Any, micros: int, reason: str,
                  occurrence: int | None = None) -> None:
    """Set *task* aside, and report that when it is committed."""
    entry = park(schedule, task, micros, reason, occurrence=occurrence)
    txn = schedule._p_jar.transaction_manager.get()
    txn.addAfterCommitHook(_committed, (parked_event(entry),))


def _committed(success: bool, event: TaskParked) -> None:
    if success:
        report_parked(event)


def parked_event(entry: ParkedTask) -> TaskParked:
    """What is told of *entry* after the commit, as plain data."""
    return TaskParked(entry.id, entry.time, entry.reason, entry.description,
                      entry.principalId)


def report_parked(event: TaskParked, error: BaseException | None = None
                  ) -> None:
    """Tell the log and the subscribers, after the commit."""
    log.error('Task %s was parked: %s', event.id, event.reason,
              exc_info=error)
    notify(event)


def notify(event: object) -> None:
    """Send *event* to each subscriber; their errors harm nothing."""
    for subscriber in list(zope.event.subscribers):
        try:
            subscriber(event)
        except Exception:
            log.exception('A subscriber failed, given %r', event)
