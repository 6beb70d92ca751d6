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
"""All that is known of one task: its place, its options, its record."""

from dataclasses import dataclass
from dataclasses import fields
from datetime import datetime
from datetime import timedelta
from itertools import chain
from typing import Any

from persistent import Persistent

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.reading.attributes import attributes
from zodbschedule.reading.attributes import bounded_repr
from zodbschedule.reading.attributes import or_default
from zodbschedule.reading.attributes import own_attribute
from zodbschedule.reading.attributes import read
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.masking import Mask
from zodbschedule.reading.parked import ParkedFacts
from zodbschedule.reading.parked import parked_entries
from zodbschedule.reading.parked import parked_facts
from zodbschedule.reading.past import OutcomeFacts
from zodbschedule.reading.past import Past
from zodbschedule.reading.tasks import LastErrors
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.reading.tasks import held_tasks
from zodbschedule.reading.tasks import task_facts
from zodbschedule.reading.tasks import waiting_task
from zodbschedule.schedule import Schedule
from zodbschedule.scheduling import series
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.pauses import Pause
from zodbschedule.store.pauses import PausedTask
from zodbschedule.task import Task


@dataclass(frozen=True)
class PauseFacts(Facts):
    """Since when, by whom and why a task or a schedule is paused."""

    since: datetime
    by: str | None
    reason: str


@dataclass(frozen=True)
class PausedFacts(PauseFacts):
    """The pause of one task."""

    id: str


@dataclass(frozen=True)
class RetryFacts(Facts):
    """How often, and when, it is tried again."""

    attempts: int
    delay: timedelta
    factor: float
    max_delay: timedelta
    jitter: float
    #: the dotted names of the errors after which it is
    on: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TaskDetails(TaskFacts):
    """One task that is in the schedule and not parked, in detail."""

    #: None from here on if it is no `Task`, or cannot be loaded
    occurrence: datetime | None = None
    missed: str | None = None
    expires: timedelta | None = None
    #: a text if it is no `Retry`
    retry: RetryFacts | str | None = None
    pause: PauseFacts | None
    schedule_pause: PauseFacts | None
    #: the ids of its parked occurrences
    parked: tuple[str, ...]
    attributes: dict[str, Any]
    #: the newest first
    outcomes: tuple[OutcomeFacts, ...]


@dataclass(frozen=True, kw_only=True)
class ParkedDetails(ParkedFacts):
    """One parked task in detail."""

    attributes: dict[str, Any]
    outcomes: tuple[OutcomeFacts, ...]


@dataclass(frozen=True, kw_only=True)
class EndedTask(Facts):
    """A task that is gone, and of which something is on record."""

    id: str
    state: str = 'ended'
    description: str
    outcomes: tuple[OutcomeFacts, ...]


def pause_facts(pause: Pause | None) -> PauseFacts | None:
    """The facts of a pause, if there is one."""
    return None if pause is None else PauseFacts(*pause)


def paused_facts(pause: PausedTask) -> PausedFacts:
    """The facts of the pause of one task, which is not loaded."""
    return PausedFacts(pause.since, pause.by, pause.reason, pause.id)


# -- by id -------------------------------------------------------------------


def task(schedule: Schedule, id: str, loads: int | None = None,
         mask: Mask | None = None
         ) -> TaskDetails | ParkedDetails | EndedTask | None:
    """All that is known of the task, or of the parked entry, with that id.

    None if no task has had that id.  Of a task that is parked several times:
    the first entry; `parked_entries` gives all.  *loads* bounds how many
    objects of the history are loaded; None: the whole history is looked at.
    *mask* says which arguments and attributes must not be shown, by their
    names.
    """
    past = Past(schedule, loads)
    found = schedule.get(id)
    if found is not None:
        return _details_of(schedule, found, past, mask)
    entries = parked_entries(schedule, id)
    if entries:
        return _parked_details(entries[0], past, mask)
    outcomes = past.outcomes_of(id)
    if outcomes:
        return EndedTask(id=id, description=outcomes[0].description,
                         outcomes=outcomes)
    return None


def id_of_key(schedule: Schedule, key: str) -> str | None:
    """The id of the task that has that key, or of its parked entry; or None.

    A task that waits comes first: only one has the key.
    """
    waiting = schedule.keys.get(key)
    if waiting is not None:
        return task_id(waiting)
    held = (task_id(each.task) for each in schedule.claimed()
            if own_attribute(each.task, 'key') == key)
    parked = (entry.id for entry in schedule.parked
              if own_attribute(entry.task, 'key') == key)
    return next(chain(held, parked), None)


def _details_of(schedule: Schedule, task: Persistent, past: Past,
                mask: Mask | None) -> TaskDetails:
    row = LastErrors(schedule, past).added(
        placed(schedule, task, held_by_oid(schedule, task)))
    return TaskDetails(
        **{each.name: getattr(row, each.name) for each in fields(row)},
        **_options(task, row.time),
        pause=pause_facts(schedule.paused(task)),
        schedule_pause=pause_facts(schedule.paused()),
        parked=tuple(entry.id for entry in parked_entries(schedule, row.id)),
        attributes=attributes(task, mask),
        outcomes=past.outcomes_of(row.id))


def _parked_details(entry: ParkedTask, past: Past, mask: Mask | None
                    ) -> ParkedDetails:
    row = parked_facts(entry)
    return ParkedDetails(
        **{each.name: getattr(row, each.name) for each in fields(row)},
        attributes=attributes(entry.task, mask),
        outcomes=past.outcomes_of(row.task or row.id))


def held_by_oid(schedule: Schedule, only: Persistent | None = None
                ) -> dict[int, TaskFacts]:
    """The tasks that workers hold; or that one alone, if they hold it."""
    return {oid_of(claimed.task): row
            for claimed, row in held_tasks(schedule, only=only)}


def placed(schedule: Schedule, task: Persistent, held: dict[int, TaskFacts]
           ) -> TaskFacts:
    """The facts of *task* where it is."""
    if oid_of(task) in held:
        return held[oid_of(task)]
    time = schedule.in_timetable(task)
    if time is not None:
        return waiting_task(schedule, task, time)
    # A run has put it into its claim, to come next.
    return task_facts(task, None, 'claimed')


def _options(task: Persistent, time: datetime | None) -> dict[str, Any]:
    """How *task*, which is at *time*, is planned; empty if unknown."""
    if not isinstance(task, Task) or not loads(task):
        return {}
    occurrence = series.series_of(task).occurrence if time is None else (
        series.occurrence_of(task, to_micros(time)))
    return {
        'occurrence': occurrence if occurrence is None else from_micros(
            occurrence),
        'missed': read(task, 'missed'),
        'expires': read(task, 'expires'),
        'retry': or_default(lambda: _retry_facts(task.retry),
                            bounded_repr.repr(read(task, 'retry')))}


def _retry_facts(retry: Any) -> RetryFacts | None:
    return None if retry is None else RetryFacts(
        retry.attempts, retry.delay, retry.factor, retry.max_delay,
        retry.jitter, tuple(retry.on))
