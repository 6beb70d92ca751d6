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
"""The workers of a schedule: which are alive, and what they do."""

from collections import Counter
from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import fields
from datetime import datetime
from datetime import timedelta

from zodbschedule.execution.process import NAME as CALL
from zodbschedule.liveness.registry import WorkerSign
from zodbschedule.liveness.registry import WorkerState
from zodbschedule.liveness.registry import states
from zodbschedule.reading.attributes import label_of
from zodbschedule.reading.facts import Facts
from zodbschedule.schedule import Schedule
from zodbschedule.store.inspection import task_id


# What a worker is, by the states of its threads: the first of these that one
# has tells most.
COUNTED_AS = {'dead': 'dead', 'working': 'alive', 'silent': 'silent',
              'idle': 'alive'}


@dataclass(frozen=True)
class OutcomeCounts(Facts):
    """How the runs of a worker have ended since it was registered."""

    succeeded: int
    retried: int
    failed: int
    expired: int


@dataclass(frozen=True)
class WorkerFacts(Facts):
    """One thread of a worker, or one call of ``process()``."""

    id: str
    name: str
    host: str
    pid: int
    since: datetime
    lease: timedelta
    #: working, idle, silent or dead, see `IWorkerState`
    state: str
    #: its last sign of life; it gives none while it is idle
    heartbeat: datetime
    #: how long ago that was
    silence: timedelta
    #: how many tasks without an outcome it holds
    claimed: int
    #: the id and the description of what it runs now
    task: str | None
    description: str | None
    running_since: datetime | None
    counts: OutcomeCounts


@dataclass(frozen=True)
class WorkerCounts(Facts):
    """How many workers there are; one has a state for each thread."""

    alive: int
    silent: int
    dead: int
    #: how many of those that are alive have nothing to do
    idle: int = 0


def all_workers(schedule: Schedule, among: Container[str] | None = None
                ) -> Iterator[WorkerFacts]:
    """The registered workers, and calls of ``process()``, lazily.

    *among*: those with these ids only.
    """
    return map(_facts, states(schedule, among))


def _facts(state: WorkerState) -> WorkerFacts:
    return WorkerFacts(
        id=state.id,
        name=state.name,
        host=state.host,
        pid=state.pid,
        since=state.since,
        lease=state.lease,
        state=state.state,
        heartbeat=state.beaten,
        silence=state.silence,
        claimed=state.claimed,
        task=None if state.task is None else task_id(state.task),
        description=None if state.task is None else label_of(state.task),
        running_since=state.running_since,
        counts=OutcomeCounts(*(
            getattr(state.counts, each.name)
            for each in fields(OutcomeCounts))))


def count_workers(workers: Iterable[WorkerFacts | WorkerSign]
                  ) -> WorkerCounts:
    """How many are alive, silent and dead; calls of ``process()`` are none.
    """
    states: dict[tuple[str, str, int], set[str]] = {}
    for each in workers:
        if each.name != CALL:
            states.setdefault((each.name, each.host, each.pid), set()).add(
                each.state)
    counts = Counter(next(word for state, word in COUNTED_AS.items()
                          if state in threads) for threads in states.values())
    idle = sum(threads == {'idle'} for threads in states.values())
    return WorkerCounts(
        counts['alive'], counts['silent'], counts['dead'], idle)
