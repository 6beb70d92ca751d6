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
"""The parked tasks, and parked occurrences of tasks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import unsaid
from zodbschedule.reading.tasks import task_facts
from zodbschedule.schedule import Schedule
from zodbschedule.store import remains
from zodbschedule.store.inspection import normal_id
from zodbschedule.store.parked import ParkedTask


@dataclass(frozen=True)
class ParkedFacts(Facts):
    """One parked task, or one parked occurrence of a task."""

    #: of the entry
    id: str
    #: the id of the task
    task: str
    time: datetime
    occurrence: datetime | None
    parked_at: datetime
    reason: str
    traceback: str
    description: str
    principalId: str | None
    type: str
    function: str
    problem: str | None
    state: str
    key: str | None
    recurrence: str | None
    #: its place in the order of arrival, see `IParkedTask`
    position: int | None = unsaid()


def parked_facts(entry: ParkedTask) -> ParkedFacts:
    """The facts of a parked task."""
    row = task_facts(entry.task, entry.time, 'parked')
    return ParkedFacts(
        id=entry.id,
        task=row.id,
        time=entry.time,
        occurrence=entry.occurrence,
        parked_at=entry.parked_at,
        reason=entry.reason,
        traceback=entry.traceback,
        description=entry.description or row.description,
        principalId=entry.principalId,
        type=row.type,
        function=row.function,
        problem=row.problem,
        state=row.state,
        key=row.key,
        recurrence=row.recurrence,
        position=entry.position)


def all_parked(schedule: Schedule) -> Iterator[ParkedFacts]:
    """The facts of all parked tasks, lazily."""
    return map(parked_facts, schedule.parked)


def parked_entries(schedule: Schedule, id: str) -> list[ParkedTask]:
    """The entry with that id, or else those of the task with that id."""
    entry = schedule.parked.get(id)
    if entry is not None:
        return [entry]
    id = normal_id(id)
    # Their ids are that of the task, a hyphen and an occurrence.
    return [*remains.left(other for _, other in remains.items(
        schedule.parked.entries, f'{id}-', f'{id}.'))]
