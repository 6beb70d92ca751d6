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
"""What plone.observability, where it is installed, is told of this process.

Its probes are asked by threads that know no Zope and must not wait.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from functools import lru_cache
from functools import partial
from importlib import import_module
from typing import Any

from plone.observability.interfaces import ILivenessCheck
from plone.observability.interfaces import IMetricProvider
from plone.observability.interfaces import IReadinessCheck
from plone.observability.metric import Metric
from zope.interface import implementer

from zodbschedule import Worker
from zodbschedule.zope.workers import AllSites
from zodbschedule.zope.workers import serving


# -- probes


@implementer(ILivenessCheck)
class WorkersLive:
    """Fails if only another process helps.  It asks no database."""

    name = 'zodbschedule'

    def __call__(self) -> tuple[bool, str]:
        """See `ILivenessCheck`."""
        return verdict(what_is_lost)


@implementer(IReadinessCheck)
class WorkersReady:
    """Fails while a worker cannot work, or is not to.

    It does not speak of the tasks: what is wrong with them is so in all
    processes, and is no reason to have none that serves pages.
    """

    name = 'zodbschedule'

    def __call__(self) -> tuple[bool, str]:
        """See `IReadinessCheck`."""
        return verdict(what_is_missing)


def verdict(problem: Callable[[Worker], str]) -> tuple[bool, str]:
    """Whether no worker has a *problem*, and a line that says which has."""
    problems = [f'worker {worker.name}: {problem(worker)}'
                for worker in serving if problem(worker)]
    names = ', '.join(worker.name for worker in serving)
    return not problems, '; '.join(problems) or (
        f'well: {names}' if names else 'no worker in this process')


def what_is_lost(worker: Worker) -> str:
    """Why the process has to be started again; empty if it has not."""
    return '' if worker.intact else (
        'it has failed or has lost a thread, as the log says')


def what_is_missing(worker: Worker) -> str:
    """Why it takes no tasks; empty if it does."""
    if worker.ending:
        return 'it ends'
    return 'its database is away' if worker.database is None else ''


# -- metrics


#: ends what the functions below have begun
counting = ExitStack()


@lru_cache(maxsize=1)
def database_metrics(db: Any) -> Any:
    """What tells the metrics of the schedules in a database.

    What is read is kept for some seconds, for all requests.
    """
    server = import_module('zodbschedule.metrics.server')
    database = import_module('zodbschedule.metrics.database')
    return database.DatabaseMetrics(
        partial(server.read_schedules, db, (AllSites(),)))


@cache
def worker_metrics(worker: Worker) -> Any:
    """What counts the runs of a worker, from now on."""
    runs = import_module('zodbschedule.metrics.runs').RunMetrics(worker.name)
    counting.enter_context(runs.counting())
    return runs


@implementer(IMetricProvider)
class ScheduleMetrics:
    """Tells the metrics of the schedules, and of the workers here."""

    name = 'zodbschedule'
    scope = 'global'

    def __init__(self, context: Any) -> None:
        self.context = context

    def collect(self) -> Iterator[Metric]:
        """See `IMetricProvider`."""
        yield from as_told(
            database_metrics(self.context._p_jar.db()), 'global')
        for worker in serving:
            yield from as_told(worker_metrics(worker), 'instance')
            yield Metric(
                'zodbschedule_worker_healthy', float(worker.healthy), 'gauge',
                'instance', 'Whether the worker is healthy.',
                {'worker': escaped(worker.name)})


def as_told(collector: Any, scope: str) -> Iterator[Metric]:
    """What a collector of prometheus_client tells, sample by sample."""
    for family in collector.collect():
        # A part of a histogram has a name of its own, and is none by itself.
        kind = 'untyped' if family.type == 'histogram' else family.type
        for sample in sorted(family.samples, key=lambda each: each.name):
            if not sample.name.endswith('_created'):
                yield Metric(
                    sample.name, sample.value, kind, scope,
                    family.documentation, {
                        name: escaped(text)
                        for name, text in sample.labels.items()})


def escaped(text: str) -> str:
    """The value of a label, as the text format has it.

    The formatter writes what it is given.
    """
    return text.replace('\\', r'\\').replace('"', r'\"').replace('\n', r'\n')
