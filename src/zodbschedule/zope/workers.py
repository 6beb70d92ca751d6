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
"""Workers that live where Zope lives.

In the process that serves, by a filter in its pipeline::

    [filter:zodbschedule]
    use = egg:zodbschedule#workers

or in a process of their own, by ``zodbschedule worker --zope zope.conf``.
"""

import logging
import os
import signal
import threading
import time
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

import Zope2
from transaction import TransactionManager

from zodbschedule import Worker
from zodbschedule.execution.process import why_disabled
from zodbschedule.transactions.retrying import is_storage_failure
from zodbschedule.transactions.retrying import transact
from zodbschedule.worker.config import Path
from zodbschedule.worker.config import Paths
from zodbschedule.worker.loop import ScheduleLoop
from zodbschedule.worker.thread import WorkerThread
from zodbschedule.zope.contributions import synchronize
from zodbschedule.zope.environment import APPLICATION
from zodbschedule.zope.settings import Settings
from zodbschedule.zope.settings import settings
from zodbschedule.zope.sites import settled_at
from zodbschedule.zope.sites import site_at
from zodbschedule.zope.sites import site_paths


log = logging.getLogger('zodbschedule')


@dataclass(frozen=True)
class Site:
    """Gives the schedule of the site at a path, if it stands there."""

    path: str

    def __call__(self, root: Any) -> Any:
        return settled_at(root[APPLICATION], self.path)

    def __str__(self) -> str:
        return f'the site {self.path}'


class Sites(Paths):
    """All sites of a Zope that have a schedule, at each moment."""

    def paths(self, root: Any) -> list[Path]:
        return [Site(path) for path in site_paths(root[APPLICATION])]

    def __str__(self) -> str:
        return 'all sites'


# How often to see whether sites have what is contributed, in seconds.
SYNCHRONIZE = 60.0


class SitesWorkerThread(WorkerThread):
    """Sees to it that sites have what is contributed to them."""

    #: when it has done so for all, by a monotonic clock
    synchronized = 0.0

    def _refresh_schedules(self) -> None:
        super()._refresh_schedules()
        now = time.monotonic()
        if now - self.synchronized > SYNCHRONIZE:
            self.synchronized = now
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
            log.exception('Tasks could not be contributed to %s.', path)

    def _synchronize(self, path: Any) -> None:
        root = self.connection.root()
        schedule = path(root)
        if schedule is not None and not why_disabled(schedule._p_jar):
            synchronize(site_at(root[APPLICATION], path.path))
            self.manager.get().note('zodbschedule: contribute tasks')
        self.manager.commit()


class SitesWorker(Worker):
    """A `Worker` for the sites of a Zope, by default all of them.

    *db* is ``Zope2.DB``, the database with the application root.  Turns have
    a transaction manager of their own; runs that of their thread.
    """

    manager = staticmethod(lambda: TransactionManager(explicit=True))
    thread = SitesWorkerThread

    def __init__(self, db: Any, *sites: str, **options: Any) -> None:
        paths: tuple[Path | Paths, ...] = tuple(
            Site('/' + site.strip('/')) for site in sites) or (Sites(),)
        super().__init__(db, *paths, **options)


def worker_of(told: Settings) -> SitesWorker:
    """One as the process was told."""
    options = {'name': told.name, 'lease': told.lease, 'grace': told.grace}
    return SitesWorker(
        Zope2.DB, threads=told.threads,
        **{name: value for name, value in options.items()
           if value is not None})


def enlarge_pools(db: Any, connections: int) -> None:
    """Let so many connections more be open at once, without a warning.

    Of each thread that is one for turns and one for runs, and the heart has
    one now and then.
    """
    for each in db.databases.values():
        each.setPoolSize(each.getPoolSize() + connections)


# -- in the process that serves


def workers(app: Any, global_config: dict[str, str], **options: str) -> Any:
    """A ``paste.filter_app_factory``: starts workers beside *app*.

    Only a process that serves builds its pipeline, so that none are started
    by ``zconsole`` or a debugger, which make the application alone.  Requests
    pass through untouched: what is returned is *app*.  *options* go before
    what else the process is told, see `zodbschedule.zope.settings`.
    """
    told = settings(options)
    if not told.threads:
        log.info('No worker is started: threads is 0.')
        return app
    worker = worker_of(told)
    enlarge_pools(Zope2.DB, 2 * told.threads + 1)
    worker.start()
    if threading.current_thread() is threading.main_thread():
        Draining(worker).begin()
    else:
        log.warning(
            'Worker %s was not started in the main thread, so that SIGTERM '
            'does not drain it; others will recover what it holds.',
            worker.name)
    return app


class Draining:
    """SIGTERM drains *worker*, and then does what it did before.

    ``runwsgi`` is ended by that signal without any clean-up.  A second one
    cuts off what runs.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.requests = threading.Event()
        self.heard = self.drained = False

    def begin(self) -> None:
        """Be told of the signal."""
        self.before = signal.signal(signal.SIGTERM, self.hear)
        threading.Thread(
            target=self._drain, name='zodbschedule draining',
            daemon=True).start()

    def hear(self, number: int, frame: FrameType | None) -> None:
        """A handler; does no more than it may in the middle of anything."""
        if self.drained:
            signal.signal(number, self.before)
            os.kill(os.getpid(), number)
        elif self.heard:
            self.worker.abort()
        else:
            self.heard = True
            self.worker.finish()
            self.requests.set()

    def _drain(self) -> None:
        self.requests.wait()
        self.worker.stop()
        self.drained = True
        # Only the main thread may say who hears it next.
        os.kill(os.getpid(), signal.SIGTERM)
