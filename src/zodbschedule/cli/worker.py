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
"""The command that runs a worker as a process, and what that process needs.

These are a file by which a probe knows that it is healthy, and a fix of
asyncio.
"""

import functools
import os
import sys
import threading
from asyncio import selector_events
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import closing
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
from ZODB.DB import DB

from zodbschedule import Worker
from zodbschedule.cli import logs
from zodbschedule.cli import parse
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import DatabaseLocation
from zodbschedule.cli.database import Source
from zodbschedule.cli.database import refuse_other
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import failures_of_worker
from zodbschedule.cli.metrics import check_address
from zodbschedule.cli.metrics import metrics_of
from zodbschedule.cli.metrics import metrics_options
from zodbschedule.cli.options import grace_option
from zodbschedule.cli.options import import_modules
from zodbschedule.cli.options import import_option
from zodbschedule.cli.options import locations_options
from zodbschedule.cli.options import log_options
from zodbschedule.cli.signals import Signals
from zodbschedule.cli.signals import exit_at_once
from zodbschedule.cli.zope_site import ZopeLocation
from zodbschedule.interfaces import MIN_LEASE
from zodbschedule.logger import log
from zodbschedule.reading import words
from zodbschedule.worker.config import MAX_THREADS


EXIT_CODES = """\b
Exit codes:
  0    stopped by SIGTERM, SIGINT, SIGHUP or SIGQUIT; the tasks that it held
       are back in the schedule, or left for recovery if the database was
       unavailable; a parked task does not change this code
  2    wrong usage; another start would end in the same way
  3    the worker failed, for instance since another process uses the
       database; it may be started again
  129, 130, 131, 143
       a second signal, SIGHUP, SIGINT, SIGQUIT or SIGTERM, has cut off the
       running tasks"""

# Seconds between two touches of the health file.  Longer, and a probe has to
# be more patient; shorter, and disks are kept awake for nothing.
TOUCH_EVERY = 5.0

# Seconds between two checks of a worker that is not healthy.
CHECK_EVERY = 0.2

#: of each Python that has the fault of asyncio, the first release without it
FIXED_IN = {(3, 12): float('inf'), (3, 13): 10, (3, 14): 1}


@click.command(epilog=EXIT_CODES)
@click.option('--threads', type=int, metavar='N', default=1,
              show_default=True,
              help='The number of tasks that run at the same time.')
@click.option('--name', metavar='NAME',
              help='The name of the worker; no two running workers may share '
                   'one.  Default: host and process id.')
@click.option('--lease', type=parse.seconds, metavar='SECONDS',
              help='How long the worker may be silent before others take it '
                   'for dead.  Default: 30, or the setting of the schedule.')
@grace_option
@click.option('--health-file', metavar='PATH',
              type=click.Path(path_type=Path),
              help='A file to touch every 5 s while the worker is healthy.')
@metrics_options
@import_option
@log_options
@locations_options
@click.pass_context
def worker(ctx: click.Context, locations: list[Any], threads: int,
           name: str | None, lease: timedelta | None, grace: timedelta,
           health_file: Path | None, metrics_port: int | None,
           metrics_address: str | None, modules: tuple[str, ...],
           log: logs.Chosen) -> None:
    """Run tasks when they are due, until SIGTERM or Ctrl-C.

    Any number of workers can share a schedule.  A worker waits for a database
    server that is not available yet, or no longer.
    """
    _check_options(threads, name, lease, health_file)
    check_address(metrics_port, metrics_address)
    options = {'name': name, 'threads': threads, 'lease': lease,
               'grace': grace}
    ending = Ending()
    with (Signals() as signals,
          logs.shown(log_of(locations[0], log),
                     partial(import_modules, modules))):
        with _make_worker(locations, options, ending) as made:
            signals.work = ending.work = made
            with (metrics_of(made, metrics_port, metrics_address),
                  keep_health_file(health_file, lambda: made.healthy)):
                complete = ending.run()
            if not complete:
                exit_at_once(signals.code)
    ctx.exit(signals.code)


def log_of(location: Any, chosen: logs.Chosen) -> logs.Chosen:
    """*chosen*; if that is nothing, a Zope logs as its server does."""
    if not isinstance(location, ZopeLocation) or logs.is_shown() or (
            chosen.format or chosen.config):
        return chosen
    return chosen._replace(config=location.log_config)


@contextmanager
def _make_worker(locations: list[Any], options: dict[str, Any],
                 ending: 'Ending') -> Iterator[Worker]:
    """A worker for the schedules at those locations."""
    first = locations[0]
    if isinstance(first, ZopeLocation):
        with first.started() as zope:
            fix_asyncio()
            paths = dict.fromkeys(filter(None, (
                location.path for location in locations)))
            yield zope.worker(*paths, **options)
        return
    paths = dict.fromkeys(location.label for location in locations)
    source = Source(first.uri, Access.CHANGE)
    fix_asyncio()
    check = partial(_refuse_others, locations)
    with _database(
            source, 2 * options['threads'] + 3, check, ending) as db:
        yield Worker(db, *paths, **options)


def _check_options(threads: int, name: str | None, lease: timedelta | None,
                   health_file: Path | None) -> None:
    if not 1 <= threads <= MAX_THREADS:
        raise CommandError(f'--threads is {threads}; it must be a number from '
                           f'1 to {MAX_THREADS}')
    if name == '':
        raise CommandError('--name is empty; give a name, or omit --name')
    if lease is not None and lease < MIN_LEASE:
        raise CommandError(
            f'--lease is {words.full_duration(lease)}; it must be '
            f'{words.duration(MIN_LEASE)} or longer')
    if health_file is not None:
        clear_health_file(health_file)


class Ending:
    """Ends the *work* of the command when the database tells of an error.

    It may be available late, and waiting does not fix a wrong option.
    """

    work: Worker
    error: CommandError | None = None

    def end(self, error: CommandError) -> None:
        """Called in a thread of the worker."""
        self.error = error
        self.work.finish()

    def run(self) -> bool:
        """As `Worker.run`; raises that error."""
        with failures_of_worker():
            complete = self.work.run()
        if self.error is not None:
            raise self.error
        return complete


@contextmanager
def _database(source: Source, connections: int,
              check: Callable[[DB], None], ending: Ending
              ) -> Iterator[DB | Callable[[], DB]]:
    """The database, if it is a local file: waiting would not make it appear.

    Otherwise a function that opens it; the worker calls that until the server
    is available.  Each thread needs a connection, and at times another one;
    and so do metrics.
    """
    def open_database() -> DB:
        db = source.open()
        db.setPoolSize(max(db.getPoolSize(), connections))
        return db

    def open_late() -> DB:
        db = open_database()
        with ExitStack() as failing:
            failing.callback(db.close)
            try:
                check(db)
            except CommandError as error:
                ending.end(error)
            failing.pop_all()
        return db

    if source.file is None:
        yield open_late
    else:
        with failures_of_worker():
            db = open_database()
        with closing(db):
            check(db)
            yield db


def _refuse_others(locations: list[DatabaseLocation], db: DB) -> None:
    """Raise CommandError if something else is where a schedule should be."""
    with db.transaction() as connection:
        for location in locations:
            refuse_other(connection, location)


# -- the health file ---------------------------------------------------------


@contextmanager
def keep_health_file(path: Path | None, is_healthy: Callable[[], bool]
                     ) -> Iterator[None]:
    """Inside this context the file exists and is new while that is true."""
    if path is None:
        yield
        return
    file = HealthFile(path, is_healthy)
    file.start()
    try:
        yield
    finally:
        file.stop()


def clear_health_file(path: Path) -> None:
    """Remove the file of an earlier worker, and check that one can be made.

    Raises CommandError if it cannot.
    """
    if not path.parent.is_dir():
        raise CommandError(f'--health-file {path}: the folder {path.parent} '
                           f'does not exist; create it')
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(
            f'--health-file {path}: {error.strerror}') from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise CommandError(f'--health-file {path}: the folder {path.parent} '
                           f'is not writable; choose another')


class HealthFile:
    """Touches the file, in its own thread."""

    def __init__(self, path: Path, is_healthy: Callable[[], bool]) -> None:
        self.path = path
        self.is_healthy = is_healthy
        self.failing = False
        self.stopped = threading.Event()
        self.thread = threading.Thread(
            target=self._run, name='zodbschedule health', daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Stop touching the file, and remove it."""
        self.stopped.set()
        self.thread.join()
        self._attempt(lambda: self.path.unlink(missing_ok=True))

    def _run(self) -> None:
        pause = 0.0
        while not self.stopped.wait(pause):
            healthy = self.is_healthy()
            if healthy:
                self._attempt(self.path.touch)
            pause = TOUCH_EVERY if healthy else CHECK_EVERY

    def _attempt(self, change: Callable[[], None]) -> None:
        """A file that cannot be changed is logged once, and harms nothing."""
        try:
            change()
            self.failing = False
        except OSError as error:
            if not self.failing:
                log.warning('The health file cannot be changed: %s', error)
            self.failing = True


# -- a fault of asyncio ------------------------------------------------------
#
# It keeps a client of ZEO from connecting again.  When the server is dead and
# the client writes twice before it knows, the second write, by ``writelines``,
# leaves the number of the socket with the selector, although the connection is
# lost and the socket about to be closed.  The next socket gets the same
# number and is never selected: the client stays disconnected for good.  Later
# Pythons check whether the connection is lost, as ``write`` has always done:
# https://github.com/python/cpython/issues/136234.


def has_asyncio_fault(version: tuple[Any, ...]) -> bool:
    """Whether a Python of that version, as of `sys.version_info`, has it."""
    return bool(version[2] < FIXED_IN.get((version[0], version[1]), 0))


def fix_asyncio(version: tuple[Any, ...] = sys.version_info,
                transport: Any = None) -> None:
    """Have that class of transports check, if Python has the fault.

    By default asyncio's own for sockets, for all of this process.
    """
    if has_asyncio_fault(version):
        transport = transport or vars(selector_events)[
            '_SelectorSocketTransport']
        transport.writelines = unless_lost(transport.writelines)


def unless_lost(writelines: Callable[[Any, Iterable[bytes]], None]
                ) -> Callable[[Any, Iterable[bytes]], None]:
    """*writelines*, but on a lost connection the same as write()."""
    @functools.wraps(writelines)
    def fixed(transport: Any, data: Iterable[bytes]) -> None:
        if transport._conn_lost:
            transport.write(b''.join(data))
        else:
            writelines(transport, data)

    return fixed
