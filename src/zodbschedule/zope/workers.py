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
"""Workers for the sites of a Zope.

In the serving process, by a filter in its pipeline::

    [filter:zodbschedule]
    use = egg:zodbschedule#workers

or in a process of their own, by ``zodbschedule worker --zope zope.conf``.
"""

import atexit
import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from queue import SimpleQueue
from typing import Any

import Zope2
from transaction import TransactionManager

from zodbschedule import Worker
from zodbschedule.errors.text import ErrorText
from zodbschedule.execution.process import why_disabled
from zodbschedule.execution.signals import EndingSignals
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.logger import log
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.retrying import transact
from zodbschedule.worker.config import Path
from zodbschedule.worker.config import Paths
from zodbschedule.worker.loop import ScheduleLoop
from zodbschedule.worker.thread import WorkerThread
from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.contributions import synchronize
from zodbschedule.zope.settings import Settings
from zodbschedule.zope.settings import read_settings
from zodbschedule.zope.sites import APPLICATION
from zodbschedule.zope.sites import SiteSchedule
from zodbschedule.zope.sites import bound_schedule
from zodbschedule.zope.sites import site_paths


@dataclass(frozen=True)
class SiteLocation:
    """Finds the schedule of the site at a path from the application root."""

    path: str

    def __call__(self, root: Any) -> SiteSchedule | None:
        """The schedule, by the root of the database; or None."""
        return bound_schedule(root[APPLICATION], self.path)

    def __str__(self) -> str:
        return f'the site {self.path}'


class AllSites(Paths):
    """The locations of all sites that have a schedule at the moment."""

    def paths(self, root: Any) -> list[Path]:
        """See `Paths`."""
        return [SiteLocation(path) for path in site_paths(root[APPLICATION])]

    def __str__(self) -> str:
        return 'all sites'


# How often a thread synchronizes its sites with the contributions, in seconds.
# The longer, the later a site gets a new task; each time is a look into each
# site.
SYNCHRONIZE_INTERVAL = 60.0


class SitesWorkerThread(WorkerThread):
    """A worker thread that gives sites the tasks that add-ons contribute."""

    #: when it last did so for all sites, by the monotonic clock, in seconds
    synchronized_at = 0.0

    def _refresh_schedules(self) -> None:
        super()._refresh_schedules()
        now = time.monotonic()
        if now - self.synchronized_at > SYNCHRONIZE_INTERVAL:
            self.synchronized_at = now
            for path in self.loops:
                self._contribute(path)

    def _loop(self, path: Path) -> ScheduleLoop:
        self._contribute(path)
        return super()._loop(path)

    def _contribute(self, path: Path) -> None:
        try:
            transact(self.manager, partial(self._synchronize, path))
        except Exception as error:
            if is_storage_failure(error):
                raise
            log.error('Tasks could not be contributed to %s.', path,
                      exc_info=ErrorText(error).exc_info)

    def _synchronize(self, location: Any) -> None:
        root = self.connection.root()
        schedule = location(root)
        if schedule is not None and not why_disabled(schedule._p_jar):
            synchronize(object_at(root[APPLICATION], location.path))
            self.manager.get().note('zodbschedule: contribute tasks')
        self.manager.commit()


class SitesWorker(Worker):
    """A `Worker` for the sites of a Zope.

    *db* is ``Zope2.DB``, the database with the application root.  *sites* are
    the paths of sites from the application root; without them, all sites that
    have a schedule.  *options* are those of `Worker`.  Turns have a
    transaction manager of their own.  Runs have that of their thread.

    Raises `InvalidSetting` for arguments that it cannot work with.
    """

    manager = staticmethod(lambda: TransactionManager(explicit=True))
    thread = SitesWorkerThread

    def __init__(self, db: Any, *sites: str, **options: Any) -> None:
        paths: tuple[Path | Paths, ...] = tuple(
            map(_location, sites)) or (AllSites(),)
        super().__init__(db, *paths, **options)


def _location(site: object) -> SiteLocation:
    if not isinstance(site, str):
        raise InvalidSetting(
            f"the site {site!r} is not a str; write its path from the "
            f"application root, for instance '/Plone'")
    return SiteLocation('/' + site.strip('/'))


def make_worker(settings: Settings) -> SitesWorker:
    """The worker of a serving process with these settings."""
    options = {'name': settings.name, 'lease': settings.lease,
               'grace': settings.grace}
    return SitesWorker(
        Zope2.DB, threads=settings.threads,
        **{name: value for name, value in options.items()
           if value is not None})


def enlarge_pools(db: Any, connections: int) -> None:
    """Allow that many more open connections without a warning.

    Each thread has one for turns and one for runs.  The heartbeat of the
    process has one now and then, and so have metrics.
    """
    for each in db.databases.values():
        each.setPoolSize(each.getPoolSize() + connections)


# -- in the serving process


#: the workers that were started beside the web server of this process
serving: list[Worker] = []


def workers(app: Any, global_config: dict[str, str], **options: str) -> Any:
    """Start a worker beside *app*, a WSGI application; return *app*.

    This is a ``paste.filter_app_factory``.  Only a process that serves builds
    its pipeline, so that ``zconsole`` and a debugger start no worker.
    Requests do not pass through a filter of ours.  *options*, texts by name,
    have precedence over ``zope.conf``; see `zodbschedule.zope.settings`.
    With ``threads = 0`` no worker is started.

    SIGTERM, SIGHUP, SIGQUIT and SIGINT drain the worker, if this is called in
    the main thread.  Raises `InvalidSetting`.  The worker has transactions of
    its own.
    """
    settings = read_settings(options)
    if not settings.threads:
        log.info('No worker is started: threads is 0.')
        return app
    worker = make_worker(settings)
    enlarge_pools(Zope2.DB, 2 * settings.threads + 2)
    if settings.metrics_port is not None:
        serve_metrics(worker, settings.metrics_port, settings.metrics_address)
    if threading.current_thread() is threading.main_thread():
        Draining(worker).begin()
    else:
        log.warning(
            'Worker %s was not started in the main thread. Signals do not '
            'drain it; other workers will recover the tasks that it holds.',
            worker.name)
    worker.start()
    serving.append(worker)
    return app


def serve_metrics(worker: Worker, port: int, address: str) -> None:
    """Serve the metrics of *worker* from now on, until the process ends.

    Raises `InvalidSetting` without the extra ``metrics``, or if it cannot
    listen there.
    """
    serving = ExitStack()
    try:
        server = import_module('zodbschedule.metrics.server')
        serving.enter_context(server.metrics_served(worker, port, address))
    except ImportError as error:
        raise InvalidSetting(f'metrics_port is {port}: {error}') from error
    except OSError as error:
        raise InvalidSetting(
            f'metrics_port is {port}: the worker cannot listen there, at '
            f'{address}: {error.strerror}; choose another port or '
            f'metrics_address') from error
    atexit.register(serving.close)


class Draining(EndingSignals):
    """Drains *worker* on a signal, and then has it do what it did before.

    By default that is to end the process at once.  For SIGINT it is to end
    the server, which closes the databases before anything else is told.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        # A signal handler may put something into it at any moment.
        self.requested: SimpleQueue[int] = SimpleQueue()

    def begin(self) -> None:
        """Do so from now on.  Only the main thread may call this."""
        self.install()
        threading.Thread(
            target=self._drain, name='zodbschedule draining',
            daemon=True).start()

    def finish(self, number: int) -> None:
        self.worker.finish()
        self.requested.put(number)

    def abort(self, number: int) -> None:
        self.worker.abort()

    def _drain(self) -> None:
        number = self.requested.get()
        self.worker.stop()
        self.ended = True
        # Only the main thread may restore the previous handler.
        os.kill(os.getpid(), number)
