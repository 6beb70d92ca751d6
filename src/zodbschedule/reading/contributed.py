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
"""The tasks that add-ons contribute to a site.

What is known of the add-ons is told by whoever knows them: by the package for
Zope.
"""

from collections.abc import Collection
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from persistent import Persistent

from zodbschedule.reading.attributes import label_of
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.one_task import PauseFacts
from zodbschedule.reading.one_task import held_by_oid
from zodbschedule.reading.one_task import pause_facts
from zodbschedule.reading.one_task import placed
from zodbschedule.reading.past import OutcomeFacts
from zodbschedule.reading.past import Past
from zodbschedule.reading.past import outcome_facts
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.reading.tasks import task_facts
from zodbschedule.schedule import Schedule
from zodbschedule.store.history import Outcome
from zodbschedule.store.pauses import Pause


# How many objects are loaded for the last outcomes.
LOADS = 100


class Contributed(NamedTuple):
    """What is known of a contributed task, and of its add-on."""

    name: str
    task: Persistent
    #: the texts of the add-on, for people; None: it has none
    title: str | None
    explanation: str | None
    absent: bool
    unscheduled: bool
    pause: Pause | None
    changes: Collection[str]


@dataclass(frozen=True)
class ContributedFacts(Facts):
    """A contributed task, compared with the definition of its add-on."""

    #: by what the add-on names it
    name: str
    #: of the task
    id: str
    #: for people, in their language as far as that is known
    description: str
    #: a longer text of the add-on
    explanation: str | None
    #: whether the add-on is not installed here
    absent: bool
    #: whether somebody has unscheduled it
    unscheduled: bool
    pause: PauseFacts | None
    #: the options that a manager has changed
    changed: tuple[str, ...]
    #: waiting, paused, claimed, running or unscheduled
    state: str
    #: when it is due, or was when a worker took it
    time: datetime | None
    recurrence: str | None
    #: why it cannot run here, if that is known
    problem: str | None
    #: its last outcome, if that is among the newest on record
    last: OutcomeFacts | None


def contributed(schedule: Schedule, found: Iterable[Contributed]
                ) -> tuple[ContributedFacts, ...]:
    """The facts of contributed tasks of *schedule*, in the same order."""
    held = held_by_oid(schedule)
    rows = [(each, task_facts(each.task, None, 'unscheduled')
             if each.unscheduled else placed(schedule, each.task, held))
            for each in found]
    last = _last_of(schedule, {row.id for _, row in rows})
    return tuple(_facts(each, row, last) for each, row in rows)


def _facts(each: Contributed, row: TaskFacts, last: dict[str, Outcome]
           ) -> ContributedFacts:
    outcome = last.get(row.id)
    return ContributedFacts(
        name=each.name,
        id=row.id,
        description=each.title or label_of(each.task),
        explanation=each.explanation,
        absent=each.absent,
        unscheduled=each.unscheduled,
        pause=pause_facts(each.pause),
        changed=tuple(sorted(each.changes)),
        state=row.state,
        time=row.time,
        recurrence=row.recurrence,
        problem=row.problem,
        last=None if outcome is None else outcome_facts(outcome))


def _last_of(schedule: Schedule, ids: set[str]) -> dict[str, Outcome]:
    """The newest outcome of each of these tasks, as far as it is found."""
    found: dict[str, Outcome] = {}
    for outcome in Past(schedule, LOADS):
        if outcome.id in ids:
            found.setdefault(outcome.id, outcome)
            if len(found) == len(ids):
                break
    return found
