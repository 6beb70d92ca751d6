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
"""Whether a schedule is processed in time, and what keeps it from that."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from itertools import islice

from zodbschedule import clock
from zodbschedule.instant import MICROSECOND
from zodbschedule.liveness.registry import ClaimedTask
from zodbschedule.liveness.registry import WorkerSign
from zodbschedule.liveness.registry import most_overdue
from zodbschedule.liveness.registry import signs
from zodbschedule.reading.attributes import label_of
from zodbschedule.reading.clocks import clock_problems
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import unsaid
from zodbschedule.reading.one_task import PauseFacts
from zodbschedule.reading.one_task import pause_facts
from zodbschedule.reading.paging import Loads
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.reading.tasks import waiting_tasks
from zodbschedule.reading.workers import WorkerCounts
from zodbschedule.reading.workers import WorkerFacts
from zodbschedule.reading.workers import all_workers
from zodbschedule.reading.workers import count_workers
from zodbschedule.schedule import Schedule
from zodbschedule.store.inspection import label
from zodbschedule.store.inspection import task_id
from zodbschedule.task import type_of
from zodbschedule.transactions.workarounds import loses_what_moves


# How many due tasks are looked at, for whether they can run: each is loaded,
# and a probe is to be quick although there are a million.
MOST_LOOKED_AT = 100

# How many objects are loaded at a glance before no more tasks are looked at: a
# page looks again every few seconds, and shows more than that.
GLANCE_LOADS = 100

# The same, for the one that has been due longest, which may wait behind others
# that are paused.  In a large timetable, 106 are loaded before the first task.
OVERDUE_LOADS = 110


@dataclass(frozen=True)
class OverdueTask(Facts):
    """A task that is due and has not begun."""

    id: str
    description: str
    function: str
    time: datetime
    #: which worker holds it, if one does
    worker: str | None

    @property
    def label(self) -> str:
        """As the log names it."""
        return label(int(self.id, 16), self.description, self.function)


@dataclass(frozen=True)
class Health(Facts):
    """What a person or a monitor asks first."""

    #: when this was read, by the clock of this machine
    now: datetime
    #: how long a task has been due
    overdue: timedelta
    #: the one that has been due longest
    task: OverdueTask | None
    #: whether one may wait behind paused ones, which are too many for a glance
    overdue_unknown: bool
    #: when the next task comes due that is not due yet
    next_due: datetime | None
    #: how many are parked
    parked: int
    workers: WorkerCounts
    #: the pause of the whole schedule
    pause: PauseFacts | None
    #: the due tasks that lack code here, or cannot be loaded, of the first
    unable: tuple[TaskFacts, ...]
    #: those that are paused by themselves, of the first
    paused_tasks: tuple[TaskFacts, ...]
    #: the pause of the first of these
    first_pause: PauseFacts | None
    #: the workers that hold tasks, and are dead or silent
    dead_holders: tuple[WorkerFacts, ...]
    unfit_settings: tuple[str, ...]
    #: whether links that tasks of this site make lead nowhere
    address_unset: bool
    #: what a person may have forgotten to set
    hints: tuple[str, ...]
    clock_problems: tuple[str, ...]
    #: whether a pack of this storage can delete what is needed
    packs_badly: bool
    #: the first `MOST_LOOKED_AT` tasks that wait and are due
    due: tuple[TaskFacts, ...] = unsaid()

    def more_overdue(self, span: timedelta) -> int:
        """How many of `due` are due for longer than that beside `task`."""
        first = None if self.task is None else self.task.id
        return sum(row.state != 'paused' and row.id != first
                   and self.now - (row.time or self.now) > span
                   for row in self.due)


def health(schedule: Schedule, now: datetime | None = None, *,
           glance: bool = False) -> Health:
    """What keeps tasks from running *now*, in UTC; by default, really now.

    Reads a bounded number of objects, and imports what due tasks call.  With
    *glance* it looks at few tasks unless they are in the cache, as a page does
    that is shown again and again; without, at as many as a monitor needs.
    """
    now = now or clock.now()
    loads, most = Loads(schedule), GLANCE_LOADS if glance else None
    late = _late(schedule, now, loads, OVERDUE_LOADS if glance else None)
    due = tuple(loads.bound(islice(
        waiting_tasks(schedule, until=now), MOST_LOOKED_AT), most))
    paused = tuple(row for row in due if row.state == 'paused')
    workers = tuple(signs(schedule))
    return Health(
        now, *late,
        next(schedule.timetable.times(min=now + MICROSECOND), None),
        len(schedule.parked),
        count_workers(workers),
        pause_facts(schedule.paused()),
        tuple(row for row in due if row.problem and row.state != 'paused'),
        paused,
        _pause_of_first(schedule, paused),
        tuple(_dead_holders(schedule, workers)),
        tuple(schedule.unfit_settings + schedule.history.unfit_settings),
        schedule.lacks_address,
        tuple(schedule.hints),
        tuple(clock_problems(
            schedule, now, lambda tasks: loads.bound(tasks, most))),
        loses_what_moves(schedule._p_jar.db().storage),
        due)


def _late(schedule: Schedule, now: datetime, loads: Loads, most: int | None
          ) -> tuple[timedelta, OverdueTask | None, bool]:
    """How late it is, with which task, and whether that is not known."""
    found = most_overdue(
        schedule, now, lambda tasks: loads.bound(tasks, most))
    unknown = loads.cut
    return (timedelta(0), None, unknown) if found is None else (
        now - found.time, _overdue(found), unknown)


def _overdue(found: ClaimedTask) -> OverdueTask:
    return OverdueTask(
        task_id(found.task) or '', label_of(found.task), type_of(found.task),
        found.time, found.worker or None)


def _pause_of_first(schedule: Schedule, paused: tuple[TaskFacts, ...]
                    ) -> PauseFacts | None:
    return pause_facts(
        schedule.paused(schedule.get(paused[0].id))) if paused else None


def _dead_holders(schedule: Schedule, workers: tuple[WorkerSign, ...]
                  ) -> Iterator[WorkerFacts]:
    ended = [each.id for each in workers if each.state in ('dead', 'silent')]
    for each in all_workers(schedule, ended):
        silent = each.silence > timedelta(0) and each.state == 'silent'
        if each.claimed and (silent or each.state == 'dead'):
            yield each
