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
"""What a database says of its schedules, read when it is asked for.

A scrape must neither load the database nor wait for it: what was read is kept
for some seconds, and is read in a thread that a scrape waits for only so long.
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest
from prometheus_client import write_to_textfile
from prometheus_client.core import GaugeMetricFamily

from zodbschedule.errors.text import ErrorText
from zodbschedule.logger import log
from zodbschedule.reading.healthcheck import health
from zodbschedule.reading.workers import all_workers
from zodbschedule.schedule import Schedule


__all__ = ('DatabaseMetrics', 'Figures', 'Found', 'figures_of',
           'generate_latest', 'registry_of', 'write_to_textfile')

# For how many seconds what was read is told again.  Longer, and two scrapes
# tell the same; shorter, and several Prometheus servers read several times.
KEEP = 5.0

# For how many seconds a scrape waits for the database.  Prometheus gives up
# after 10 by default, and then has no metric of the process either.
WAIT = 4.0


class Figures(NamedTuple):
    """The numbers that are read of one schedule."""

    waiting: int
    due: int
    oldest_due: float
    parked: int
    claimed: int
    paused: bool
    #: by state
    workers: Mapping[str, int]


#: what was read, by the paths of the schedules; None if that failed
Found = Mapping[str, Figures | None]

#: the gauges: the end of the name, what it says, the figure
GAUGES: tuple[tuple[str, str, Callable[[Figures], float]], ...] = (
    ('tasks_waiting', 'Tasks that wait; an estimate if they are many.',
     lambda each: each.waiting),
    ('tasks_due', 'Tasks that wait although they are due, and are not paused '
     'by themselves; of the first 100.', lambda each: each.due),
    ('oldest_due_seconds', 'How long the task that has been due longest has '
     'been due; 0: none is.', lambda each: each.oldest_due),
    ('tasks_parked', 'Tasks and occurrences that are parked.',
     lambda each: each.parked),
    ('tasks_claimed', 'Tasks that workers hold or run.',
     lambda each: each.claimed),
    ('paused', 'Whether the whole schedule is paused.',
     lambda each: each.paused))


def figures_of(schedule: Schedule) -> Figures:
    """What is read of a schedule, in the transaction of the caller.

    Loads a bounded number of objects, and writes nothing.
    """
    found = health(schedule)
    return Figures(
        waiting=schedule.estimate(),
        due=sum(row.state != 'paused' for row in found.due),
        oldest_due=found.overdue.total_seconds(),
        parked=found.parked,
        claimed=sum(each.claimed for each in all_workers(schedule)),
        paused=found.pause is not None,
        workers={state: getattr(found.workers, state)
                 for state in ('alive', 'silent', 'dead')})


class DatabaseMetrics:
    """Gauges of schedules, as a collector of prometheus_client.

    *read* is what reads them; it may raise, and may not answer.  *paths* are
    of the schedules that there should be.
    """

    def __init__(self, read: Callable[[], Found], paths: Iterable[str] = (),
                 keep: float = KEEP, wait: float = WAIT) -> None:
        self.reading = Reading(read, keep, wait)
        self.paths = tuple(paths)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What a registry is told before anything is read."""
        return families({})

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families of metrics, for a registry."""
        found = self.reading.get()
        if found is None:
            return families(dict.fromkeys(self.paths or ['']))
        # Where they are may change, as in Zope.
        self.paths = tuple(found)
        return families(found)


def families(found: Found) -> Iterator[GaugeMetricFamily]:
    """What was read, as metrics."""
    up = _family('up', 'Whether the schedule can be read.')
    for path, figures in found.items():
        up.add_metric([path], float(figures is not None))
    yield up
    known = {path: figures for path, figures in found.items()
             if figures is not None}
    for name, says, figure in GAUGES:
        family = _family(name, says)
        for path, figures in known.items():
            family.add_metric([path], float(figure(figures)))
        yield family
    workers = _family('workers', 'Registered workers, by state.', 'state')
    for path, figures in known.items():
        for state, number in figures.workers.items():
            workers.add_metric([path, state], number)
    yield workers


def registry_of(found: Found) -> Any:
    """A registry of prometheus_client with what was read, and no more."""
    registry: Any = CollectorRegistry()
    registry.register(Reported(found))
    return registry


class Reported:
    """A collector of what was read."""

    def __init__(self, found: Found) -> None:
        self.found = found

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families of metrics."""
        return families(self.found)


def _family(name: str, says: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        f'zodbschedule_{name}', says, labels=['schedule', *labels])


class Reading:
    """What *read* returns, kept for some seconds, and waited for as long.

    There is at most one thread that reads.
    """

    def __init__(self, read: Callable[[], Found], keep: float, wait: float
                 ) -> None:
        self.read = read
        self.keep = keep
        self.wait = wait
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        #: what was read last; None if that failed
        self.found: Found | None = None
        #: when, by a monotonic clock
        self.read_at = float('-inf')
        #: the failure that was logged last
        self.said = ''

    def get(self) -> Found | None:
        """What is so now; None if it cannot be read in time."""
        with self.lock:
            if time.monotonic() - self.read_at < self.keep:
                return self.found
            if self.thread is None:
                self.thread = threading.Thread(
                    target=self._run, name='zodbschedule metrics',
                    daemon=True)
                self.thread.start()
            thread = self.thread
        thread.join(self.wait)
        return None if thread.is_alive() else self.found

    def finish(self) -> None:
        """Wait for a thread that reads, as long as a scrape does."""
        thread = self.thread
        if thread is not None:
            thread.join(self.wait)

    def _run(self) -> None:
        found, problem = None, ''
        try:
            found = self.read()
        except Exception as error:
            problem = str(ErrorText(error))
        with self.lock:
            self.found, self.read_at = found, time.monotonic()
            self.thread = None
        if problem and problem != self.said:
            log.warning('The metrics of the database cannot be read: %s',
                        problem)
        self.said = problem
