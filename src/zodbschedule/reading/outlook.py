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
"""What the rule of one task says, and what the task is to do next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from zodbschedule.reading.attributes import or_default
from zodbschedule.reading.attributes import own_attribute
from zodbschedule.reading.coming import ExpectedRun
from zodbschedule.reading.coming import expected_runs
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.parked import parked_entries
from zodbschedule.reading.rules import RuleFacts
from zodbschedule.reading.rules import rule
from zodbschedule.schedule import Schedule
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.pauses import ALL


@dataclass(frozen=True)
class Outlook(Facts):
    """The rule of a task, and its runs to come."""

    #: None: it has no recurrence, or one that cannot be read here
    rule: RuleFacts | None
    #: none while it is paused, or the schedule is
    runs: tuple[ExpectedRun, ...]


def outlook(schedule: Schedule, id: str, now: datetime, count: int
            ) -> Outlook:
    """The outlook of the task, or the parked entry, with that id.

    From *now* on, an aware datetime; *count* occurrences, and as many runs.
    """
    task = schedule.get(id)
    runs = () if task is None else islice(_runs(schedule, task, now), count)
    if task is None:
        entries = parked_entries(schedule, id)
        task = entries[0].task if entries else None
    recurrence = None if task is None else own_attribute(task, 'recurrence')
    return Outlook(
        None if recurrence is None else or_default(
            lambda: rule(recurrence, now, count), None), tuple(runs))


def _runs(schedule: Schedule, task: Any, now: datetime
          ) -> Iterator[ExpectedRun]:
    if ALL in schedule.pauses or oid_of(task) in schedule.pauses:
        return
    time = schedule.waits(task) or next(
        (each.time for each in schedule.claimed() if each.task is task), None)
    if time is not None:
        yield from expected_runs(schedule, task, time, now)
