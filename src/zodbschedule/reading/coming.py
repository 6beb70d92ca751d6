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
"""The runs to come, those of repeating tasks included."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from persistent import Persistent

from zodbschedule.instant import to_micros
from zodbschedule.reading.attributes import label_of
from zodbschedule.reading.facts import Facts
from zodbschedule.schedule import Schedule
from zodbschedule.scheduling.forecast import runs_of
from zodbschedule.store.inspection import task_id
from zodbschedule.store.remains import holds_anything


@dataclass(frozen=True)
class ExpectedRun(Facts):
    """One run to come of a task."""

    #: when it begins, if a worker is free; a task that is due runs now
    time: datetime
    #: what it runs for
    occurrence: datetime
    #: what a gap, a fold, a retry or the class makes of it
    note: str | None


@dataclass(frozen=True)
class ComingRun(Facts):
    """One run to come, of one of many tasks."""

    time: datetime
    occurrence: datetime
    id: str | None
    description: str
    #: what a gap, a fold, a retry or the class makes of it
    note: str | None


def runs_to_come(schedule: Schedule, until: datetime, now: datetime
                 ) -> Iterator[ComingRun]:
    """The runs from *now* until then, both aware, by time, lazily."""
    for run in schedule.forecast(until, now):
        yield ComingRun(run.time, run.occurrence, task_id(run.task),
                        label_of(run.task), run.note)
        schedule._p_jar.cacheGC()  # or a million tasks stay in memory


def expected_runs(schedule: Schedule, task: Persistent, instant: datetime,
                  now: datetime, since: datetime | None = None
                  ) -> Iterator[ExpectedRun]:
    """The runs to come of one task, see `zodbschedule.scheduling.forecast`."""
    for run in runs_of(schedule, task, to_micros(instant), now, since):
        yield ExpectedRun(run.time, run.occurrence, run.note)


def some_paused(schedule: Schedule) -> bool:
    """Whether a task, or the whole schedule, is paused."""
    return holds_anything(schedule.pauses.entries)
