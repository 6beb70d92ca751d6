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
"""Where tasks stand: what waits, is held, or is parked."""

import heapq
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from itertools import islice
from typing import Any

from persistent import Persistent

from zodbschedule import Schedule
from zodbschedule.cli.known import Known
from zodbschedule.cli.known import attributes
from zodbschedule.cli.known import known
from zodbschedule.cli.known import outcome_facts
from zodbschedule.cli.known import pause_facts
from zodbschedule.cli.known import plan_of
from zodbschedule.cli.known import read
from zodbschedule.cli.problem import Problem
from zodbschedule.liveness.registry import ClaimedTask
from zodbschedule.store.inspection import normal_id
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask


# How many outcomes of one task are shown with it.
OUTCOMES = 20

# What does not tell when it is due comes first.
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def listed(schedule: Schedule, start: datetime | None,
           until: datetime | None) -> Iterator[Known]:
    """All that stand between two instants, lazily, by time."""
    held = (_held(each) for each in schedule.claimed())
    bounded = [row for row in held
               if (start is None or _time(row) >= start)
               and (until is None or _time(row) <= until)]
    return heapq.merge(sorted(bounded, key=_time),
                       waiting(schedule, start, until), key=_time)


def _time(row: Known) -> datetime:
    return row.time or BEFORE_ALL


def waiting(schedule: Schedule, start: datetime | None = None,
            until: datetime | None = None) -> Iterator[Known]:
    """All that wait.

    By instant, since a task that was changed or is gone does not tell it.
    """
    for instant in schedule.getTaskTimes(start, until):
        for task in schedule.tasks(instant, instant):
            yield _waits(schedule, task, instant)
            schedule._p_jar.cacheGC()  # or a million stay in memory


def _waits(schedule: Schedule, task: Persistent, instant: datetime) -> Known:
    paused = schedule.paused(task) is not None
    return known(task, instant, 'paused' if paused else 'waiting')


def _held(held: ClaimedTask) -> Known:
    state = 'running' if held.running else 'claimed'
    return known(held.task, held.time, state, held.worker)


# -- one task ----------------------------------------------------------------


def facts_of(schedule: Schedule, id: str) -> dict[str, Any] | None:
    """Where the task stands, what it carries, and how its runs ended."""
    found = standing(schedule, id)
    if found is not None:
        return found | {'outcomes': _outcomes_of(schedule, id)}
    entry = parked_entry(schedule, id)
    if entry is not None:
        return parked_facts(entry) | {
            'attributes': attributes(entry.task),
            'outcomes': _outcomes_of(schedule, task_id(entry.task) or id)}
    outcomes = _outcomes_of(schedule, id)
    if outcomes:
        return {'id': id, 'state': 'ended', 'outcomes': outcomes}
    return None


def standing(schedule: Schedule, id: str) -> dict[str, Any] | None:
    """What is known of the task with that id, if it stands somewhere."""
    task = schedule.get(id)
    if task is None:
        return None
    row, more = _place_of(schedule, task)
    return row.as_dict() | plan_of(task, row.time) | {
        'progress': None} | more | {
        'pause': pause_facts(schedule.paused(task)),
        'schedule_pause': pause_facts(schedule.paused()),
        'parked': [entry.id for entry in parked_entries(schedule, row.id)],
        'attributes': attributes(task)}


def _place_of(schedule: Schedule, task: Persistent
              ) -> tuple[Known, dict[str, Any]]:
    """Where *task* stands, and what else is known of its being there."""
    for held in schedule.claimed():
        if held.task is task:
            return _held(held), {'progress': _progress(held)}
    time = _instant_of(schedule, task)
    if time is not None:
        return _waits(schedule, task, time), {}
    # In neither place is what a run has put in its claim to come next.
    return known(task, None, 'claimed'), {}


def _progress(held: ClaimedTask) -> dict[str, float] | None:
    """How far the run has come, if it has said so."""
    return held.progress and dict(
        zip(('done', 'total'), held.progress, strict=True))


def _instant_of(schedule: Schedule, task: Persistent) -> datetime | None:
    """Where *task* waits: mostly at its own time, and cheap to find there."""
    time = read(task, 'time')
    if isinstance(time, datetime) and time.tzinfo is not None and any(
            other is task for other in schedule.tasks(time, time)):
        return time
    return next((instant for instant in schedule.getTaskTimes()
                 if any(other is task
                        for other in schedule.tasks(instant, instant))), None)


def _outcomes_of(schedule: Schedule, id: str) -> list[dict[str, Any]]:
    """The outcomes on record of the task with that id, newest first."""
    return [outcome_facts(each)
            for each in islice(schedule.history.select(id), OUTCOMES)]


# -- what is parked ----------------------------------------------------------


def parked_entries(schedule: Schedule, id: str) -> list[ParkedTask]:
    """The entry with that id, and those of the task with that id."""
    entry = schedule.parked.get(id)
    id = normal_id(id)
    # Their ids are that of the task, a hyphen and an occurrence.
    others = schedule.parked.entries.values(f'{id}-', f'{id}.')
    return [*filter(None, [entry]), *others]


def parked_entry(schedule: Schedule, id: str) -> ParkedTask | None:
    """The entry that is meant by that id, which may be that of its task."""
    entries = parked_entries(schedule, id)
    if len(entries) > 1 and entries[0].id != normal_id(id):
        raise Problem(f'{id} is parked {len(entries)} times; name one of '
                      f'{", ".join(entry.id for entry in entries)}')
    return entries[0] if entries else None


def parked_facts(entry: ParkedTask) -> dict[str, Any]:
    """What is known of a parked task."""
    row = known(entry.task, entry.time, 'parked')
    return {
        'id': entry.id,
        'task': row.id,
        'time': entry.time,
        'occurrence': entry.occurrence,
        'parked_at': entry.parked_at,
        'reason': entry.reason,
        'traceback': entry.traceback,
        'description': entry.description or row.description,
        'principalId': entry.principalId,
        'type': row.type,
        'problem': row.problem,
        'state': row.state,
        'key': row.key,
        'recurrence': row.recurrence}
