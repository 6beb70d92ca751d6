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
"""What the runs of this process come to, counted by what is told of them.

Nothing is counted, and so nothing is told, unless somebody asks for it: see
`RunMetrics.counting`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import zope.event
from prometheus_client import Counter
from prometheus_client import Histogram

from zodbschedule import clock
from zodbschedule.execution import conflicts
from zodbschedule.interfaces import RunEnded
from zodbschedule.interfaces import TaskParked
from zodbschedule.logger import place


# The bounds of the histograms, in seconds: from a run that writes one object
# to a night's work.
BUCKETS = (.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900,
           3600, 14400)


class RunMetrics:
    """Counters and histograms of runs, as a collector of prometheus_client.

    *worker* is the name of the worker of this process.
    """

    def __init__(self, worker: str) -> None:
        self.worker = worker
        #: where schedules are, by their ids
        self.paths: dict[str, str] = {}
        where = ['schedule', 'worker']
        self.runs = Counter(
            'zodbschedule_runs', 'Runs, by how they have ended.',
            [*where, 'type', 'outcome'], registry=None)
        self.duration = Histogram(
            'zodbschedule_run_duration_seconds', 'How long runs have lasted, '
            'from the beginning of the attempt that counts to its commit.',
            [*where, 'type'], registry=None, buckets=BUCKETS)
        self.lag = Histogram(
            'zodbschedule_start_lag_seconds',
            'How long after the time of its task a run has begun.',
            where, registry=None, buckets=BUCKETS)
        self.parked = Counter(
            'zodbschedule_parked', 'Tasks, and occurrences, that were parked.',
            [*where, 'type'], registry=None)
        self.retries = Counter(
            'zodbschedule_run_retries', 'Transactions of runs that were '
            'tried again at once, after a conflict.',
            [*where, 'type'], registry=None)
        self.conflicts = Counter(
            'zodbschedule_turn_conflicts', 'Transactions that take tasks and '
            'were tried again, after a conflict.', where, registry=None)

    def collect(self) -> Iterator[Any]:
        """The families of metrics, for a registry."""
        for each in (self.runs, self.duration, self.lag, self.parked,
                     self.retries, self.conflicts):
            yield from each.collect()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Inside this context what is told in this process is counted."""
        zope.event.subscribers.append(self.note_event)
        conflicts.observers.append(self.note_conflict)
        try:
            yield
        finally:
            conflicts.observers.remove(self.note_conflict)
            zope.event.subscribers.remove(self.note_event)

    def note_event(self, event: object) -> None:
        """A subscriber of ``zope.event``."""
        if isinstance(event, RunEnded):
            self._note_run(event)
        elif isinstance(event, TaskParked):
            self.parked.labels(*self._where(event), event.type).inc()

    def _note_run(self, event: RunEnded) -> None:
        where = self._where(event)
        self.runs.labels(*where, event.type, event.outcome).inc()
        if event.began is None or event.outcome == 'expired':
            return
        lag = event.began - event.time
        lasted = clock.now() - event.began
        # The clock of the machine may be set back.
        self.lag.labels(*where).observe(max(0, lag.total_seconds()))
        self.duration.labels(*where, event.type).observe(
            max(0, lasted.total_seconds()))

    def note_conflict(self, conflict: conflicts.Conflict) -> None:
        """An observer of `zodbschedule.execution.conflicts`."""
        where = self._where(conflict)
        if conflict.of == 'turn':
            self.conflicts.labels(*where).inc()
        else:
            self.retries.labels(*where, conflict.type).inc()

    def _where(self, told: RunEnded | TaskParked | conflicts.Conflict
               ) -> tuple[str, str]:
        """The path of the schedule, and the name of the worker.

        What hands tasks back in the end is at no path any more, so paths are
        remembered.
        """
        path = told.site or place.get().get('schedule_path')
        if path is not None:
            self.paths[told.schedule] = str(path)
        return self.paths.get(told.schedule, ''), self.worker
