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
"""One thing, done to one task by its id, unless the task has moved on.

*seen* is what the person saw: the time of the task, or when the entry was
parked; None: whatever it is now.  *by* is who does it, and *reason* why, for
the history.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from persistent import Persistent

from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import ScheduleError
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import iso
from zodbschedule.schedule import Schedule
from zodbschedule.store.parked import ParkedTask


@dataclass(frozen=True)
class Steered(Facts):
    """What came of it."""

    #: of the task, or of the parked entry; '' for the whole schedule
    id: str
    done: bool
    #: a sentence for the person
    message: str


def cancel(schedule: Schedule, id: str, *, by: str, reason: str = '',
           seen: datetime | None = None) -> Steered:
    """Remove a task, even while it runs."""
    return _to_task(
        schedule, id, seen, 'was cancelled',
        lambda task: schedule.unschedule(task, by=by, reason=reason))


def run_now(schedule: Schedule, id: str, *, by: str, reason: str = '',
            seen: datetime | None = None) -> Steered:
    """Let a task run once more, as soon as possible, and then as before."""
    return _to_task(
        schedule, id, seen, 'is due now',
        lambda task: schedule.run_now(task, by=by, reason=reason))


def change(schedule: Schedule, id: str, *, by: str, reason: str = '',
           seen: datetime | None = None, **options: Any) -> Steered:
    """Change options of a task, see `Schedule.change`."""
    return _to_task(
        schedule, id, seen, 'was changed',
        lambda task: schedule.change(task, by=by, reason=reason, **options))


def pause(schedule: Schedule, id: str = '', *, by: str, reason: str = ''
          ) -> Steered:
    """Keep a task, or without an id the schedule, from starting."""
    return _to_task_or_all(
        schedule, id, 'is paused',
        lambda task: schedule.pause(task, by=by, reason=reason))


def resume(schedule: Schedule, id: str = '', *, by: str) -> Steered:
    """End the pause of a task, or without an id of the schedule."""
    return _to_task_or_all(
        schedule, id, 'is resumed', lambda task: schedule.resume(task, by=by))


def unpark(schedule: Schedule, id: str, *, by: str, reason: str = '',
           seen: datetime | None = None, time: datetime | None = None
           ) -> Steered:
    """Schedule the parked entry with that id again."""
    return _to_entry(
        schedule, id, seen, 'is scheduled again',
        lambda entry: schedule.unpark(entry, time, by=by, reason=reason))


def discard(schedule: Schedule, id: str, *, by: str, reason: str = '',
            seen: datetime | None = None) -> Steered:
    """Delete the parked entry with that id."""
    return _to_entry(
        schedule, id, seen, 'was discarded',
        lambda entry: schedule.discard(entry, by=by, reason=reason))


# -- What has moved on -------------------------------------------------------


def _to_task_or_all(schedule: Schedule, id: str, done: str,
                    act: Callable[[Persistent | None], object]) -> Steered:
    if id:
        return _to_task(schedule, id, None, done, act)
    return _act(id, 'The schedule', done, lambda: act(None))


def _to_task(schedule: Schedule, id: str, seen: datetime | None, done: str,
             act: Callable[[Persistent], object]) -> Steered:
    task = schedule.get(id)
    if task is None:
        return Steered(id, False, f'Task {id} is not here any more: it has '
                                  f'ended, was cancelled or is parked.')
    time = _time_of(schedule, task)
    if seen is not None and time != seen:
        return Steered(id, False, _moved(f'Task {id}', 'it is due', time))
    return _act(id, f'Task {id}', done, lambda: act(task))


def _to_entry(schedule: Schedule, id: str, seen: datetime | None, done: str,
              act: Callable[[ParkedTask], object]) -> Steered:
    entry = schedule.parked.get(id)
    if entry is None:
        return Steered(id, False, f'Task {id} is not parked any more.')
    if seen is not None and entry.parked_at != seen:
        return Steered(id, False, _moved(
            f'Task {id}', 'it was parked again,', entry.parked_at))
    return _act(id, f'Task {id}', done, lambda: act(entry))


def _time_of(schedule: Schedule, task: Persistent) -> datetime | None:
    """When it is due, or was when a worker took it."""
    waits = schedule.waits(task)
    return waits or next((each.time for each in schedule.claimed()
                          if each.task is task), None)


def _moved(what: str, now: str, time: datetime | None) -> str:
    told = f'{now} {iso(time)} now' if time else 'a worker holds it now'
    return f'{what} has moved on since you saw it: {told}. Look again.'


def _act(id: str, what: str, done: str, act: Callable[[], object]) -> Steered:
    try:
        act()
    except (ScheduleError, InvalidTask, ValueError) as error:
        return Steered(id, False, f'{what} was left as it is: {error}')
    return Steered(id, True, f'{what} {done}.')
