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
"""The worker as a process of its own."""

import functools
import logging
import os
import signal
import sys
import threading
from asyncio import selector_events
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import click
from ZODB.DB import DB

from zodbschedule import Worker
from zodbschedule.cli import logs
from zodbschedule.cli import parse
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Source
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.options import at_places
from zodbschedule.cli.options import import_modules
from zodbschedule.cli.options import import_option
from zodbschedule.cli.sites import Site


EXIT_CODES = """\b
Exit codes:
  0    it was told to end, by SIGTERM or SIGINT, and has handed back what
       it held, or left it to others if the database was away; a task that
       was parked does not change that
  2    wrong usage, or it could not begin
  130  after a second signal, SIGINT: what ran was cut off at once
  143  after a second signal, SIGTERM: likewise"""

# What tells a process to end.
ENDING = signal.SIGTERM, signal.SIGINT

# Seconds between two touches.  Longer, and a probe has to be more patient;
# shorter, and disks are kept awake for nothing.
TOUCH_EVERY = 5.0

# Seconds between two looks at a worker that is not healthy yet, or any more.
CHECK_EVERY = 0.2

#: of each series that has the fault, the first release that has it not
FIXED_IN = {(3, 12): float('inf'), (3, 13): 10, (3, 14): 1}

log = logging.getLogger('zodbschedule')


@click.command(epilog=EXIT_CODES)
@click.option('--threads', type=int, metavar='N', default=1,
              show_default=True, help='How many tasks it runs at once.')
@click.option('--name', metavar='NAME',
              help='What it is called, used once at a time; without it, host '
                   'and process id.')
@click.option('--lease', type=parse.seconds, metavar='SECONDS',
              help='For how long others believe in it without a sign of '
                   'life; 30 by default, or what the schedule says.')
@click.option('--grace', type=parse.seconds, metavar='SECONDS', default='8',
              show_default=True,
              help='How long a run may go on after it was told to end.')
@click.option('--health-file', metavar='PATH',
              type=click.Path(path_type=Path),
              help='A file that is touched every 5 s while it is healthy.')
@import_option
@at_places
@click.pass_context
def worker(ctx: click.Context, places: list[Any], threads: int,
           name: str | None, lease: timedelta | None, grace: timedelta,
           health_file: Path | None, modules: tuple[str, ...]) -> None:
    """Run tasks as they get due, until SIGTERM or Ctrl-C.

    Any number of workers may share a schedule.  The database may come up
    later, and go away and come back meanwhile.
    """
    _refuse(threads, name, lease, health_file)
    options = {'name': name, 'threads': threads, 'lease': lease,
               'grace': grace}
    with _log(ctx), Signals() as signals:
        import_modules(modules)
        with _made(places, options) as hand:
            signals.worker = hand
            with keep_health_file(health_file, lambda: hand.healthy):
                complete = hand.run()
            if not complete:
                _leave(signals.code)
    ctx.exit(signals.code)


@contextmanager
def _made(places: list[Any], options: dict[str, Any]) -> Iterator[Worker]:
    """A worker for those places."""
    first = places[0]
    if isinstance(first, Site):
        with first.started() as zope:
            fix_asyncio()
            paths = dict.fromkeys(filter(None, (
                place.path for place in places)))
            yield zope.worker(*paths, **options)
        return
    paths = dict.fromkeys('/'.join(place.keys) for place in places)
    source = Source(first.uri, Access.CHANGE)
    fix_asyncio()
    with _opened(source, 2 * options['threads'] + 2) as db:
        yield Worker(db, *paths, **options)


def _refuse(threads: int, name: str | None, lease: timedelta | None,
            health_file: Path | None) -> None:
    """What waiting cannot mend."""
    if threads < 1:
        raise Problem('--threads has to be at least 1')
    if name == '':
        raise Problem('--name has to name it')
    if lease is not None and not lease:
        raise Problem('--lease has to be more than nothing')
    if health_file is not None:
        clear_health_file(health_file)


@contextmanager
def _log(ctx: click.Context) -> Iterator[None]:
    """The log is shown, also if nobody has asked for it by -v."""
    if ctx.find_root().params['verbose']:
        yield
    else:
        with logs.shown():
            yield


@contextmanager
def _opened(source: Source, connections: int
            ) -> Iterator[DB | Callable[[], DB]]:
    """The database, if it is a file here: it is there or never will be.

    Else what opens it, which the worker tries until its server is up.  Each
    thread needs a connection, and now and then another one.
    """
    def opened() -> DB:
        db = source.open()
        db.setPoolSize(max(db.getPoolSize(), connections))
        return db

    if source.file is None:
        yield opened
    else:
        with closing(opened()) as db:
            yield db


def _leave(code: int) -> None:
    """End the process, although a thread still runs what was cut off."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


class Ended(BaseException):
    """The process was told to end before it had a worker."""


class Signals:
    """Inside this context signals tell the worker to end.

    The first one that it ends well, the second that it ends now.  While there
    is no worker, nothing is to be handed back, and this context ends at once.
    """

    worker: Any = None
    code = 0
    heard = False

    def __enter__(self) -> 'Signals':
        self.before = {each: signal.signal(each, self.hear)
                       for each in ENDING}
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 *exception: object) -> bool:
        for each, handler in self.before.items():
            signal.signal(each, handler)
        return kind is Ended

    def hear(self, number: int, frame: FrameType | None) -> None:
        """A handler; it logs nothing, since it may interrupt the log."""
        if self.worker is None:
            raise Ended
        if self.heard:
            self.code = 128 + number
            self.worker.abort()
        else:
            self.heard = True
            self.worker.finish()


# -- the file for probes -----------------------------------------------------


@contextmanager
def keep_health_file(path: Path | None, is_healthy: Callable[[], bool]
             ) -> Iterator[None]:
    """Inside this context the file is there and new while all is well."""
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
    """Remove what an earlier worker has left, and see that one can be made.

    Raises Problem if it cannot.
    """
    if not path.parent.is_dir():
        raise Problem(f'--health-file {path}: there is no folder '
                      f'{path.parent}')
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Problem(f'--health-file {path}: {error.strerror}') from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Problem(f'--health-file {path}: the folder cannot be written')


class HealthFile:
    """Touches the file, in a thread of its own."""

    def __init__(self, path: Path, is_healthy: Callable[[], bool]) -> None:
        self.path = path
        self.is_healthy = is_healthy
        self.fails = False
        self.stopped = threading.Event()
        self.thread = threading.Thread(
            target=self._run, name='zodbschedule health', daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Touch it no more, and remove it."""
        self.stopped.set()
        self.thread.join()
        self._try(lambda: self.path.unlink(missing_ok=True))

    def _run(self) -> None:
        pause = 0.0
        while not self.stopped.wait(pause):
            healthy = self.is_healthy()
            if healthy:
                self._try(self.path.touch)
            pause = TOUCH_EVERY if healthy else CHECK_EVERY

    def _try(self, change: Callable[[], None]) -> None:
        """A folder that is away is told once, and harms no worker."""
        try:
            change()
            self.fails = False
        except OSError as error:
            if not self.fails:
                log.warning('The health file is not to be had: %s', error)
            self.fails = True


# -- a fault of asyncio -------------------------------------------------------
#
# It keeps a client of ZEO from coming back.
# When its server is dead and the client writes twice before it knows, the
# second write, by ``writelines``, leaves the number of the socket with the
# selector although the connection is lost and the socket about to be closed.
# The next socket gets the same number, and is never selected: the client stays
# disconnected for good.  Later Pythons look whether the connection is lost,
# as ``write`` has always done: https://github.com/python/cpython/issues/136234.


def has_asyncio_fault(version: tuple[Any, ...]) -> bool:
    """Whether a Python of that version, as of `sys.version_info`, has it."""
    return bool(version[2] < FIXED_IN.get((version[0], version[1]), 0))


def fix_asyncio(version: tuple[Any, ...] = sys.version_info,
         transport: Any = None) -> None:
    """Have that class of transports look, if Python is affected.

    By default asyncio's own for sockets, for all that this process does.
    """
    if has_asyncio_fault(version):
        transport = transport or vars(selector_events)[
            '_SelectorSocketTransport']
        transport.writelines = unless_lost(transport.writelines)


def unless_lost(writelines: Callable[[Any, Iterable[bytes]], None]
                 ) -> Callable[[Any, Iterable[bytes]], None]:
    """*writelines*, but on a connection that is lost the same as write()."""
    @functools.wraps(writelines)
    def mended(transport: Any, data: Iterable[bytes]) -> None:
        if transport._conn_lost:
            transport.write(b''.join(data))
        else:
            writelines(transport, data)

    return mended
