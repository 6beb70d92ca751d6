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
"""The tasks that wait and those that workers hold, in order of time."""

import heapq
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

from persistent import Persistent

from zodbschedule.liveness.registry import ClaimedTask
from zodbschedule.liveness.registry import dead_workers
from zodbschedule.reading.attributes import as_text
from zodbschedule.reading.attributes import bounded_repr
from zodbschedule.reading.attributes import label_of
from zodbschedule.reading.attributes import or_default
from zodbschedule.reading.attributes import own_attribute
from zodbschedule.reading.attributes import problem_of
from zodbschedule.reading.attributes import text_of
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import unsaid
from zodbschedule.recurrence import Every
from zodbschedule.recurrence import RRule
from zodbschedule.schedule import Schedule
from zodbschedule.scheduling import series
from zodbschedule.store import remains
from zodbschedule.store.history import Outcome
from zodbschedule.store.inspection import class_name
from zodbschedule.store.inspection import label
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import task_id
from zodbschedule.task import Task
from zodbschedule.task import type_of


# The problem of a task whose worker cannot end it.
WORKER_DEAD = 'its worker is dead'

# A task without a time comes first.
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ProgressFacts(Facts):
    """How far a run says that it has come."""

    done: float
    total: float


@dataclass(frozen=True)
class TaskFacts(Facts):
    """One task."""

    id: str
    #: None if the task is not in the timetable and has no time
    time: datetime | None
    #: waiting, paused, claimed, running or parked
    state: str
    worker: str | None
    description: str
    principalId: str | None
    type: str
    #: why it cannot run here, if that is known
    problem: str | None
    key: str | None
    recurrence: str | None
    function: str
    #: the number of its next attempt, or of the one that runs
    attempt: int
    progress: ProgressFacts | None
    #: what went wrong in the last attempt, if one has failed
    error: str | None
    #: the recurrence without its start, short enough for a table
    short_recurrence: str | None = unsaid()

    @property
    def label(self) -> str:
        """As the log names it."""
        return label(int(self.id, 16), self.description, self.function)


def task_facts(task: Persistent, time: datetime | None,
               state: str = 'waiting', worker: str | None = None,
               progress: ProgressFacts | None = None) -> TaskFacts:
    """The facts of *task*, which is in the schedule at *time*."""
    rule = own_attribute(task, 'recurrence')
    return TaskFacts(
        id=task_id(task) or '',
        time=time,
        state=state,
        worker=worker,
        description=label_of(task),
        principalId=text_of(task, 'principalId'),
        type=class_name(task),
        problem=problem_of(task),
        key=as_text(own_attribute(task, 'key')),
        recurrence=_rule_text(rule),
        function=type_of(task),
        attempt=_attempt(task),
        progress=progress,
        error=None,
        short_recurrence=_rule_text(rule, _short_rule))


def _attempt(task: Persistent) -> int:
    return series.attempt_of(task) if (
        isinstance(task, Task) and loads(task)) else 1


def _rule_text(rule: Any, to_text: Callable[[Any], str] = str) -> str | None:
    return None if rule is None else or_default(
        lambda: to_text(rule), bounded_repr.repr(rule))


def _short_rule(rule: Any) -> str:
    """A recurrence without its start."""
    match rule:
        case Every():
            return str(Every(rule.period))
        case RRule():
            return rule.in_short()
        case _:
            return str(rule)


# -- all of them -------------------------------------------------------------


def all_tasks(schedule: Schedule, start: datetime | None = None,
              until: datetime | None = None) -> Iterator[TaskFacts]:
    """All tasks between two instants, both inclusive, by time, lazily."""
    held = [row for _, row in held_tasks(schedule)
            if (start is None or _time(row) >= start)
            and (until is None or _time(row) <= until)]
    return map(LastErrors(schedule).added, heapq.merge(
        sorted(held, key=_time), waiting_tasks(schedule, start, until),
        key=_time))


def _time(row: TaskFacts) -> datetime:
    return row.time or BEFORE_ALL


def waiting_tasks(schedule: Schedule, start: datetime | None = None,
                  until: datetime | None = None) -> Iterator[TaskFacts]:
    """All waiting tasks, lazily.

    By instant: a task that was changed, or is gone, has no reliable time.
    """
    for instant in schedule.getTaskTimes(start, until):
        for task in schedule.tasks(instant, instant):
            yield waiting_task(schedule, task, instant)
            schedule._p_jar.cacheGC()  # or a million tasks stay in memory


def waiting_task(schedule: Schedule, task: Persistent, instant: datetime
                 ) -> TaskFacts:
    """One that waits at *instant*."""
    paused = schedule.paused(task) is not None
    return task_facts(task, instant, 'paused' if paused else 'waiting')


def held_tasks(schedule: Schedule, start: int = 0,
               only: Persistent | None = None
               ) -> Iterator[tuple[ClaimedTask, TaskFacts]]:
    """The tasks that workers hold, from that one on, and their facts.

    *only*: that one alone; the others are not loaded then.
    """
    dead = dead_workers(schedule)
    for claimed in islice(schedule.claimed(), start, None):
        if only is not None and claimed.task is not only:
            continue
        state = 'running' if claimed.running else 'claimed'
        row = task_facts(claimed.task, claimed.time, state, claimed.worker,
                         claimed.progress and ProgressFacts(*claimed.progress))
        if claimed.worker in dead:
            row = replace(row, problem=row.problem or WORKER_DEAD)
        yield claimed, row


class LastErrors:
    """What went wrong last, of the tasks that are to be tried again."""

    def __init__(self, schedule: Schedule,
                 outcomes: Iterable[Outcome] | None = None) -> None:
        self.schedule = schedule
        #: what is looked at, newest first; None: the whole history
        self.outcomes = schedule.history if outcomes is None else outcomes

    def added(self, row: TaskFacts) -> TaskFacts:
        """*row*, with the error of its last attempt."""
        tried = row.attempt > 1 or remains.get(
            self.schedule.crashes, int(row.id, 16)) is not None
        return replace(row, error=self._by_id.get(row.id)) if tried else row

    @cached_property
    def _by_id(self) -> dict[str, str]:
        """By the id of the task; the history is read once."""
        found: dict[str, str] = {}
        for each in self.outcomes:
            if each.error and each.outcome in ('retried', 'interrupted'):
                found.setdefault(each.id, each.error)
        return found
