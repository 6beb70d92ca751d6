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
"""One thread of a worker: attends to its schedules in turn, and waits."""

import logging
import threading
import time
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from typing import NamedTuple

import transaction
from ZODB.POSException import POSKeyError

from zodbschedule.liveness.heartbeat import Heart
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import transact
from zodbschedule.worker.availability import Availability
from zodbschedule.worker.loop import SLICE
from zodbschedule.worker.loop import ScheduleLoop
from zodbschedule.worker.watcher import Watcher
from zodbschedule.worker.watcher import back_off
from zodbschedule.worker.watcher import watching


log = logging.getLogger('zodbschedule')

# How long to wait at most before the next try while the database is away, in
# seconds.
LONGEST_PAUSE = 5.0

# If the database has changed and there was nothing to do, again and again,
# so much more time is between one look and the next, in seconds, up to the
# second.
LAG = .005
LONGEST_LAG = .1


#: keys from the root, or what gives the schedule in the root, or None
Path = str | Callable[[Any], Any]


class Paths(ABC):
    """Several schedules, and which they are may change: see `Worker`."""

    @abstractmethod
    def paths(self, root: Any) -> list[Path]:
        """Where they stand now; equal ones stand for the same schedule."""


class WorkerConfig(NamedTuple):
    """What all threads of one worker have in common."""

    name: str
    #: gives the database, opened if need be; raises if that is away
    database: Callable[[], Any]
    paths: tuple['Path | Paths', ...]
    lease: timedelta | None
    #: whether the name was given, and is not made up
    inherits: bool
    #: whether the worker is asked to end
    ends: Callable[[], bool]
    heart: Heart
    availability: Availability
    #: by the names of schedules, why they are not attended to
    said: dict[str, str]
    #: on what its turns are made
    manager: Callable[[], Any] = lambda: transaction.manager


class WorkerThread:
    """One thread, with a connection and a claim of its own.

    Its connection is on the thread's own transaction manager, which is the
    one that packages know that join the current transaction; unless its config
    say otherwise, since runs have connections of their own.
    """

    def __init__(self, config: WorkerConfig, number: int) -> None:
        self.config = config
        self.stopping = threading.Event()
        self.manager = config.manager()
        self.loops: list[ScheduleLoop] = []
        #: where each of them stands
        self.paths: list[Path] = []
        #: what it waits by, while it has a connection
        self.watcher: Watcher | None = None
        #: how often it has tried in vain to get on
        self.failures = 0
        #: whether it has left no claim behind
        self.handed_back = True
        #: whether it has ever looked into the database
        self.has_begun = False
        self.thread = threading.Thread(
            target=self._run, name=f'zodbschedule {config.name} {number}',
            daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self.thread.start()

    def finish(self) -> None:
        """Take nothing more; end when the run that goes on has ended."""
        self.stopping.set()
        watcher = self.watcher
        if watcher is not None:
            watcher.ring()

    def ends(self) -> bool:
        """Whether it is to take nothing more."""
        return self.stopping.is_set() or self.config.ends()

    @property
    def is_alive(self) -> bool:
        """Whether its thread has not ended."""
        return self.thread.is_alive()

    def settle(self, timeout: float) -> None:
        """Wait so many seconds for its end, unless it runs a task."""
        held = [loop.holding for loop in self.loops]
        if not any(one is not None and one.pulse.running for one in held):
            self.thread.join(timeout)

    @property
    def healthy(self) -> bool:
        """Whether it works, and no error keeps it from that."""
        return self.is_alive and self.has_begun and not (
            self.failures or any(loop.failures for loop in self.loops))

    def silence(self) -> float:
        """For how many seconds the database has not answered."""
        now = time.monotonic()
        # Another thread sets them: each is to be read once.
        since = [loop.asking for loop in self.loops]
        watcher = self.watcher
        if watcher is not None:
            since.append(watcher.asking)
        return max((now - then for then in since if then is not None),
                   default=0)

    # -- the thread

    def _run(self) -> None:
        transaction.manager.explicit = True
        self.manager.explicit = True
        while not self.ends():
            try:
                self._work()
            except BaseException as error:
                self._note(error)
                self.failures += 1
                self.stopping.wait(back_off(self.failures, LONGEST_PAUSE))
        self.config.availability.leave(self)
        if not self.handed_back:
            log.warning('Worker %s could not hand back what it held; others '
                        'will recover it.', self.config.name)

    def _note(self, error: BaseException) -> None:
        if isinstance(error, Unopened) or is_storage_failure(error):
            self.config.availability.away(self, error)
            log.debug('The database does not answer.', exc_info=error)
        else:
            log.error('Worker %s: an error that is no task\'s; it goes on.',
                      self.config.name, exc_info=error)

    def _work(self) -> None:
        """Work with one connection, until that fails or it is to end."""
        db = self._database()
        connection = self.connection = db.open(self.manager)
        for loop, path in zip(self.loops, self.paths, strict=True):
            loop.find = partial(find, connection, path)
        try:
            self._refresh_schedules()
            with watching(db, self.config.availability) as self.watcher:
                self._attend(self.watcher)
            for loop in self.loops:
                loop.end()
        finally:
            self.watcher = None
            for loop in self.loops:
                self.handed_back &= loop.holding is None
                loop.drop()
            abort(self.manager)
            connection.close()

    def _database(self) -> Any:
        try:
            return self.config.database()
        except Exception as error:
            raise Unopened(str(error) or type(error).__name__) from error

    def _attend(self, watcher: Watcher) -> None:
        in_vain = 0
        while not self.ends():
            mark, looked = watcher.mark(), time.monotonic()
            if self._round():
                in_vain = 0
            elif self._wait(watcher, mark):
                # Others change what is no business of ours.
                lag = min(LONGEST_LAG, LAG * in_vain)
                self.stopping.wait(max(0, looked + lag - time.monotonic()))
                in_vain += 1
            else:
                in_vain = 0

    def _round(self) -> bool:
        """Attend to each schedule once; whether there was any work."""
        worked = False
        if any(isinstance(path, Paths) for path in self.config.paths):
            self._refresh_schedules()
        for loop in self.loops:
            if self.ends():
                break
            worked |= loop.attend(len(self.loops) > 1)
        self._answered()
        # What it could not hand back before, it has recovered.
        self.handed_back = True
        return worked

    def _refresh_schedules(self) -> None:
        """See which schedules there are: more have come, others are gone."""
        paths = transact(self.manager, self._look_for_paths)
        loops = dict(zip(self.paths, self.loops, strict=True))
        for path in loops.keys() - set(paths):
            loops[path].end()
        self.loops = [loops.get(path) or self._loop(path) for path in paths]
        self.paths = paths

    def _look_for_paths(self) -> list[Path]:
        root = self.connection.root()
        found: list[Path] = []
        for path in self.config.paths:
            found += path.paths(root) if isinstance(path, Paths) else [path]
        abort(self.manager)
        return list(dict.fromkeys(found))

    def _loop(self, path: Path) -> ScheduleLoop:
        config = self.config
        loop = ScheduleLoop(
            spelled(path), self.manager, config.heart, self.ends,
            self._answered, label=config.name, lease=config.lease,
            inherits=config.inherits, said=config.said)
        loop.find = partial(find, self.connection, path)
        return loop

    def _answered(self) -> None:
        self.failures = 0
        self.has_begun = True
        for one in self, self.watcher:
            self.config.availability.back(one)

    def _wait(self, watcher: Watcher, mark: object) -> bool:
        """Wait for something to do; whether the database has changed."""
        while not any(loop.should_look() for loop in self.loops):
            pause = min((loop.pause() for loop in self.loops), default=SLICE)
            if watcher.wait(mark, pause, self.ends):
                return True
        return False


class Unopened(Exception):
    """The database could not be opened."""


def spelled(path: Path | Paths) -> str:
    """*path* for a person to read."""
    return path if isinstance(path, str) else (
        getattr(path, '__qualname__', None) or str(path))


def find(connection: Any, path: Path) -> Any:
    """What stands there, keys from the root separated by slashes; or None."""
    found = connection.root()
    if not isinstance(path, str):
        return path(found)
    for key in filter(None, path.split('/')):
        try:
            found = found[key]
        except POSKeyError:
            raise  # damage, and no key that is missing
        except (KeyError, TypeError, AttributeError):
            return None
    return found
