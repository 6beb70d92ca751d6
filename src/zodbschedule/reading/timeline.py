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
"""What is to run between two moments, task by task."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import fields
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

from persistent import Persistent

from zodbschedule import clock
from zodbschedule.instant import as_utc
from zodbschedule.reading.coming import ExpectedRun
from zodbschedule.reading.coming import expected_runs
from zodbschedule.reading.coming import some_paused
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.one_task import PauseFacts
from zodbschedule.reading.one_task import pause_facts
from zodbschedule.reading.paging import LIMIT
from zodbschedule.reading.paging import MOST
from zodbschedule.reading.paging import instant_in
from zodbschedule.reading.paging import newest_outcomes
from zodbschedule.reading.paging import page
from zodbschedule.reading.paging import place_of
from zodbschedule.reading.paging import places
from zodbschedule.reading.selection import Filter
from zodbschedule.reading.tasks import LastErrors
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.reading.tasks import held_tasks
from zodbschedule.reading.tasks import waiting_task
from zodbschedule.schedule import Schedule
from zodbschedule.store.inspection import oid_of


#: how many of the tasks that workers hold were seen
HELD = re.compile('h([0-9]{1,9})')

# How many runs a page tells at most, shared by as many tasks as it may have.
# More, and tasks that run each minute take long; fewer, and 25 that run
# each hour are not whole in a week.
RUNS = 5_000


@dataclass(frozen=True, kw_only=True)
class TimelineTask(TaskFacts):
    """One task, and its runs between the two moments."""

    runs: tuple[ExpectedRun, ...]
    #: when the first run begins that is left out, since there are too many
    goes_on: datetime | None


@dataclass(frozen=True)
class Timeline(Facts):
    """What is to run between two moments: of some tasks, and a cursor."""

    #: when this was read; nothing begins before that
    now: datetime
    since: datetime
    until: datetime
    #: those that workers hold, then those that wait, by time
    tasks: tuple[TimelineTask, ...]
    #: where the next tasks begin; None: there are none
    cursor: str | None
    #: tasks that are on no page up to this one first run then or later
    whole_until: datetime
    #: the pause of the whole schedule: nothing runs then
    pause: PauseFacts | None
    #: whether some tasks are paused themselves, which are left out
    leaves_out_paused: bool


def timeline(schedule: Schedule, since: datetime | None, until: datetime,
             cursor: str | None = None, limit: int = LIMIT, *,
             filter: Filter = Filter()) -> Timeline:
    """What is to run from *since* until then; *limit* tasks, and a cursor.

    *since* and *until* are aware datetimes, both inclusive; *since* None:
    now.  The later occurrences of repeating tasks are included, of each task
    `RUNS` at most divided by *limit*.  Paused tasks are left out.  What has
    run is in the history.  Raises `InvalidCursor`, or `InvalidTime`.
    """
    now = clock.now()
    span = Span(now, now if since is None else as_utc(since, 'since'),
                as_utc(until, 'until'), RUNS // max(1, min(limit, MOST)))
    pause = pause_facts(schedule.paused())
    found = page(schedule, _rows(schedule, cursor, span)
                 if pause is None else iter(()), limit, Shown(filter))
    return Timeline(
        now, span.since, span.until, found.items, found.cursor,
        _whole_until(found.cursor, span), pause, some_paused(schedule))


class Span(NamedTuple):
    """From when until when, in UTC, and how many runs of one task."""

    now: datetime
    since: datetime
    until: datetime
    runs: int


class Shown(NamedTuple):
    """Which tasks are shown."""

    filter: Filter

    def matches(self, row: TimelineTask) -> bool:
        """Whether it has a run in time, and is meant."""
        return bool(row.runs) and self.filter.matches(row)


def _rows(schedule: Schedule, cursor: str | None, span: Span
          ) -> Iterator[tuple[str, TimelineTask]]:
    """All tasks from the cursor on, each with the cursor to what follows."""
    errors = LastErrors(schedule, newest_outcomes(schedule))
    for place, task, instant, row in _tasks(schedule, cursor, span.until):
        yield place, _row(schedule, task, instant, errors.added(row), span)


def _tasks(schedule: Schedule, cursor: str | None, until: datetime
           ) -> Iterator[tuple[str, Persistent, datetime, TaskFacts]]:
    """What workers hold, and then what waits until then."""
    held = None if cursor is None else HELD.fullmatch(cursor)
    if cursor is None or held is not None:
        start = 0 if held is None else int(held[1])
        for number, (claimed, row) in enumerate(
                held_tasks(schedule, start), start + 1):
            yield f'h{number}', claimed.task, claimed.time, row
        cursor = None
    for instant, key, task in places(schedule, cursor, None, until):
        yield (place_of(instant, key, task), task, instant,
               waiting_task(schedule, task, instant))


def _row(schedule: Schedule, task: Persistent, instant: datetime,
         row: TaskFacts, span: Span) -> TimelineTask:
    runs: list[ExpectedRun] = []
    goes_on = None
    for run in _runs(schedule, task, instant, span):
        if len(runs) == span.runs:
            goes_on = run.time
            break
        runs.append(run)
    return TimelineTask(
        **{each.name: getattr(row, each.name) for each in fields(row)},
        runs=tuple(runs), goes_on=goes_on)


def _runs(schedule: Schedule, task: Persistent, instant: datetime, span: Span
          ) -> Iterator[ExpectedRun]:
    """Those of one task, from where it waits; none if that is paused."""
    if oid_of(task) in schedule.pauses:
        return
    yield from takewhile(
        lambda run: run.time <= span.until,
        expected_runs(schedule, task, instant, span.now, span.since))


def _whole_until(cursor: str | None, span: Span) -> datetime:
    if cursor is None:
        return span.until
    return span.now if HELD.fullmatch(cursor) else max(
        span.now, instant_in(cursor))
