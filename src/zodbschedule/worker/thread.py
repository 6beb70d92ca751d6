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

import threading
import time
from collections.abc import Iterable
from typing import Any

import transaction
from ZODB.POSException import POSKeyError

from zodbschedule.errors.text import ErrorText
from zodbschedule.logger import log
from zodbschedule.transactions.borrowing import is_on
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import read
from zodbschedule.worker.config import Path
from zodbschedule.worker.config import Paths
from zodbschedule.worker.config import WorkerConfig
from zodbschedule.worker.config import path_text
from zodbschedule.worker.holdoff import SLICE
from zodbschedule.worker.holdoff import pause_after
from zodbschedule.worker.loop import ScheduleLoop
from zodbschedule.worker.watcher import Watcher
from zodbschedule.worker.watcher import watching


# How long to wait at most before the next try while the database is away, in
# seconds.
LONGEST_OUTAGE_PAUSE = 5.0

# When the database changes again and again and there is nothing to do, the
# time from one look to the next grows by the first of these each time, up to
# the second, in seconds.  Longer, and what is scheduled for now begins later;
# shorter, and a busy database costs an idle worker more.
LAG = .005
LONGEST_LAG = .1


class WorkerThread:
    """One thread, with a connection and a claim of its own.

    Its connection uses the transaction manager of the thread, since that is
    the one which other packages join; unless its config says otherwise, when
    runs have connections of their own.
    """

    def __init__(self, config: WorkerConfig, number: int) -> None:
        self.config = config
        self.asked_to_stop = threading.Event()
        self.manager = config.manager()
        #: by the places of their schedules
        self.loops: dict[Path, ScheduleLoop] = {}
        #: what it waits by, while it has a connection
        self.watcher: Watcher | None = None
        #: how many tries have failed since the last one that did not
        self.failures = 0
        #: since when it opens the database, by a monotonic clock
        self.asking: float | None = None
        #: whether it has left no claim behind
        self.handed_back = True
        #: whether the database has ever answered
        self.has_begun = False
        #: by what it has ended, if not by being asked to stop
        self.error: BaseException | None = None
        self.thread = threading.Thread(
            target=self._run, name=f'zodbschedule {config.name} {number}',
            daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def finish(self) -> None:
        """Take nothing more; end when the current run has ended."""
        self.asked_to_stop.set()
        watcher = self.watcher
        if watcher is not None:
            watcher.ring()

    def stopping(self) -> bool:
        """Whether it is to take nothing more."""
        return self.asked_to_stop.is_set() or self.config.stopping()

    @property
    def is_alive(self) -> bool:
        """Whether its thread has not ended."""
        return self.thread.is_alive()

    def join_unless_running(self, timeout: float) -> None:
        """Wait up to *timeout* seconds for its end, if it runs no task."""
        consumers = [loop.consumer for loop in self.loops.values()]
        if not any(consumer is not None and consumer.claim.heartbeat.running
                   for consumer in consumers):
            self.thread.join(timeout)

    @property
    def healthy(self) -> bool:
        """Whether it works, and no error keeps it from that."""
        return self.is_alive and self.has_begun and not (
            self.failures or any(
                loop.has_failed for loop in self.loops.values()))

    def silence(self) -> float:
        """For how many seconds the database has not answered."""
        now = time.monotonic()
        # Another thread sets them: each is read only once.
        since = [self.asking, self.config.heartbeats.asking]
        since += [loop.asking for loop in self.loops.values()]
        watcher = self.watcher
        if watcher is not None:
            since.append(watcher.asking)
        return max((now - then for then in since if then is not None),
                   default=0)

    def cut_if_silent(self) -> None:
        """If the database has been silent for long, connect again."""
        watcher = self.watcher
        if watcher is not None:
            watcher.probe.cut_if_silent()

    # -- the thread

    def _run(self) -> None:
        try:
            self._work_until_stopped()
        except BaseException as error:
            self.error = error
            log.error('Worker %s: a thread has ended by an error. The worker '
                      'is not healthy; start it again.', self.config.name,
                      exc_info=ErrorText(error).exc_info)
        self.config.availability.leave(self)
        if not self.handed_back:
            log.warning('Worker %s could not hand back what it held; others '
                        'will recover it.', self.config.name)

    def _work_until_stopped(self) -> None:
        transaction.manager.explicit = True
        self.manager.explicit = True
        while not self.stopping():
            try:
                self._work()
            except BaseException as error:
                self._note_failure(error)
                self.failures += 1
                self.asked_to_stop.wait(
                    pause_after(self.failures, LONGEST_OUTAGE_PAUSE))

    def _note_failure(self, error: BaseException) -> None:
        if isinstance(error, Unopened) or is_storage_failure(error):
            self.config.availability.away(self, error)
            log.debug('The database does not answer.',
                      exc_info=ErrorText(error).exc_info)
        else:
            log.error('Worker %s: an error that is not a task\'s; it goes on.',
                      self.config.name, exc_info=ErrorText(error).exc_info)

    def _work(self) -> None:
        """Work with one connection, until that fails or it is to stop."""
        self.asking = time.monotonic()
        try:
            db = self._database()
            self.connection = db.open(self.manager)
        finally:
            self.asking = None
        try:
            self._refresh_schedules()
            with watching(db, self.config.availability) as self.watcher:
                self._attend(self.watcher)
            for loop in self.loops.values():
                loop.withdraw()
        finally:
            self.watcher = None
            for loop in self.loops.values():
                self.handed_back &= loop.consumer is None
                loop.abandon()
            abort(self.manager)
            self._close()

    def _close(self) -> None:
        if is_on(self.connection, self.manager):
            # Each leaves its manager when it is closed, so it has to be there.
            for each in self.connection.connections.values():
                self.manager.registerSynch(each)
            self.connection.close()

    def _database(self) -> Any:
        try:
            return self.config.database()
        except Exception as error:
            raise Unopened(ErrorText(error).message) from error

    def _attend(self, watcher: Watcher) -> None:
        useless = 0  # looks in a row, each after a change
        while not self.stopping():
            mark, looked = watcher.mark(), time.monotonic()
            if self._round() or not self._wait(watcher, mark):
                useless = 0
                continue
            lag = min(LONGEST_LAG, LAG * useless)
            self.asked_to_stop.wait(max(0, looked + lag - time.monotonic()))
            useless += 1

    def _round(self) -> bool:
        """Attend to each schedule once; whether there was any work."""
        worked = False
        if not (is_on(self.connection, self.manager)
                and self.manager.registeredSynchs()):
            raise ConnectionLost(
                'Its connection was closed, or the synchronizers of its '
                'transaction manager were cleared, but not by the worker')
        if any(isinstance(path, Paths) for path in self.config.paths):
            self._refresh_schedules()
        for loop in self.loops.values():
            if self.stopping():
                break
            worked |= loop.attend(len(self.loops) > 1)
        self._answered()
        # By now it has recovered what it could not hand back before.
        self.handed_back = True
        return worked

    def _refresh_schedules(self) -> None:
        """Make a loop for each new schedule; withdraw from those removed."""
        paths = read(self.manager, self._paths)
        for path in self.loops.keys() - set(paths):
            self.loops[path].withdraw()
        self.loops = {path: self.loops.get(path) or self._loop(path)
                      for path in dict.fromkeys(paths)}

    def _paths(self) -> list[Path]:
        return paths_in(self.connection.root(), self.config.paths)

    def _loop(self, path: Path) -> ScheduleLoop:
        return ScheduleLoop(
            path_text(path), lambda: find(self.connection, path),
            self.manager, self.config, self.stopping, self._answered)

    def _answered(self) -> None:
        self.failures = 0
        self.has_begun = True
        for source in self, self.watcher:
            self.config.availability.back(source)

    def _wait(self, watcher: Watcher, mark: object) -> bool:
        """Wait for something to do; whether the database has changed."""
        while not any(loop.should_look() for loop in self.loops.values()):
            pause = min((loop.pause() for loop in self.loops.values()),
                        default=SLICE)
            if watcher.wait(mark, pause, self.stopping):
                return True
        return False


class Unopened(Exception):
    """The database could not be opened."""


class ConnectionLost(Exception):
    """Something else, such as a subscriber, has cut off the connection."""


def paths_in(root: Any, places: Iterable[Path | Paths]) -> list[Path]:
    """Where the schedules are now."""
    paths: list[Path] = []
    for path in places:
        paths += path.paths(root) if isinstance(path, Paths) else [path]
    return paths


def find(connection: Any, path: Path) -> Any:
    """The object at *path*, or None."""
    place = connection.root()
    if not isinstance(path, str):
        return path(place)
    for key in filter(None, path.split('/')):
        try:
            place = place[key]
        except POSKeyError:
            raise  # damage, and not a missing key
        except (KeyError, TypeError, AttributeError):
            return None
    return place
