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
"""The metrics of a worker, over HTTP."""

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client import Gauge
from prometheus_client import start_http_server
from transaction import TransactionManager

from zodbschedule.errors.text import ErrorText
from zodbschedule.logger import log
from zodbschedule.metrics.database import DatabaseMetrics
from zodbschedule.metrics.database import Figures
from zodbschedule.metrics.database import Found
from zodbschedule.metrics.database import figures_of
from zodbschedule.metrics.runs import RunMetrics
from zodbschedule.schedule import Schedule
from zodbschedule.worker.config import Path
from zodbschedule.worker.config import Paths
from zodbschedule.worker.config import path_text
from zodbschedule.worker.thread import find
from zodbschedule.worker.thread import paths_in
from zodbschedule.worker.worker import Worker


class DatabaseAway(Exception):
    """The worker has no database that answers."""


@contextmanager
def metrics_served(worker: Worker, port: int, address: str,
                   registry: Any = REGISTRY) -> Iterator[int]:
    """Inside this context the metrics of *worker* are served.

    The value is the port: *port*, or a free one for 0.  What else is in
    *registry*, by default that of prometheus_client, is served as well.
    Raises OSError if the port cannot be had.
    """
    runs = RunMetrics(worker.name)
    database = DatabaseMetrics(
        partial(read_of, worker),
        [path for path in worker.paths if isinstance(path, str)])
    healthy = Gauge(
        'zodbschedule_worker_healthy', 'Whether the worker is healthy.',
        ['worker'], registry=None)
    healthy.labels(worker.name).set_function(lambda: worker.healthy)
    with serving(port, address, registry) as bound, runs.counting():
        for each in runs, database, healthy:
            registry.register(each)
        try:
            yield bound
        finally:
            for each in runs, database, healthy:
                registry.unregister(each)
            database.reading.finish()


@contextmanager
def serving(port: int, address: str, registry: Any) -> Iterator[int]:
    """Inside this context *registry* is served there; the value is the port.
    """
    server, thread = start_http_server(port, address, registry)
    bound: int = server.server_port
    log.info('Metrics are served on port %d of %s.', bound, address)
    try:
        yield bound
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read_of(worker: Worker) -> Found:
    """What is read of the schedules of *worker*, by its own database.

    Raises `DatabaseAway`, or what the database raises.
    """
    db = worker.database
    if db is None:
        raise DatabaseAway('the worker has no database that answers')
    return read_schedules(db, worker.paths)


def read_schedules(db: Any, paths: Iterable[Path | Paths]) -> Found:
    """What is read of the schedules at *paths* of a database.

    Raises what the database raises.
    """
    manager = TransactionManager(explicit=True)
    connection = db.open(manager)
    try:
        manager.begin()
        return {label_of(path): _figures_at(connection, path)
                for path in paths_in(connection.root(), paths)}
    finally:
        manager.abort()
        connection.close()


def label_of(path: Path) -> str:
    """*path* as the label of a schedule; a site in Zope has a path."""
    return str(getattr(path, 'path', path_text(path)))


def _figures_at(connection: Any, path: Path) -> Figures | None:
    """The figures, or None if there is no schedule, or a damaged one."""
    try:
        schedule = find(connection, path)
        return figures_of(schedule) if isinstance(
            schedule, Schedule) else None
    except Exception as error:
        log.debug('The metrics of the schedule at %s cannot be read.',
                  path_text(path), exc_info=ErrorText(error).exc_info)
        return None
