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
"""Waiting until a database changes, without writing anything.

Where the last transaction is known without a request (FileStorage; ZEO, whose
server tells its clients) it is read, often.  RelStorage is asked by a short
query, less often, in a transaction that ends at once.

It also asks now and then while nobody waits, so that a server that is gone, or
silent, is noticed during a run.

A thread that waits reads the baseline before it looks for something to do:
what is committed after that look ends the wait, so that no wake-up is missed.
"""

import threading
import time
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from ZODB.interfaces import IMVCCStorage

from zodbschedule.transactions.lines import cut
from zodbschedule.transactions.restores import DatabaseRestored
from zodbschedule.transactions.restores import NewestTransaction
from zodbschedule.transactions.restores import refuse_restored
from zodbschedule.worker.availability import Availability


# How often to look, in seconds.  More often, and an idle process needs more
# of the processor; less often, and what another process schedules for now
# begins later.  Measured in docs/performance.rst.
LOCAL_INTERVAL = .015
POLL_INTERVAL = .2

# How often the server is asked at the least, in seconds: also while no thread
# waits, and where the last transaction is known without a request.  Longer,
# and a worker that is cut off counts as healthy for longer.
PULSE = 5.0

# After how many seconds without an answer the lines to a server are cut, each
# time.  Shorter, and a server that is merely slow gets no rest; longer, and
# it takes longer to go on when the way is open again.
CUT = 30.0

# How long to wait at most before a database that is away is asked again, in
# seconds.
LONGEST_PROBE_PAUSE = 2.0


class Probe(ABC):
    """Asks one storage whether something has changed."""

    #: how often to ask, in seconds
    interval: float

    def __init__(self, storage: Any) -> None:
        self.storage = storage
        #: since when it has no answer, by a monotonic clock; None if it has
        self.unanswered: float | None = None

    @abstractmethod
    def mark(self) -> object:
        """A value that differs when the database has changed."""

    @abstractmethod
    def look(self) -> bool:
        """Whether something has changed; raises if the database is away."""

    def close(self) -> None:
        """Nothing to do."""

    def ask(self) -> bool:
        """As `look`, which is timed.

        Raises `DatabaseRestored` for ever if the database was restored.
        """
        if self.unanswered is None:
            self.unanswered = time.monotonic()
        changed = self.look()
        self.unanswered = None
        refuse_restored(self.storage)
        return changed

    def cut_if_silent(self) -> None:
        """Let everybody here who waits for an answer connect again."""
        since = self.unanswered
        if since is not None and time.monotonic() - since > CUT:
            self.unanswered = time.monotonic()
            cut(self.storage)


class LocalProbe(Probe):
    """Probes a storage that knows its last transaction itself."""

    interval = LOCAL_INTERVAL

    def __init__(self, storage: Any) -> None:
        super().__init__(storage)
        #: when the server was asked last, by a monotonic clock
        self.pinged = -PULSE
        self.is_connected: Callable[[], bool] = getattr(
            storage, 'is_connected', lambda: True)
        self.seen = self.mark()

    def mark(self) -> object:
        """A value that differs when the database has changed."""
        return self.storage.lastTransaction()

    def look(self) -> bool:
        """Whether something has changed; raises if the database is away."""
        if not self.is_connected():
            raise ConnectionError('the server is not connected')
        self._ping()
        before, self.seen = self.seen, self.mark()
        return self.seen != before

    def _ping(self) -> None:
        """Ask the server, if there is one: the line to it may be dead."""
        ping, now = getattr(self.storage, 'ping', None), time.monotonic()
        if ping is not None and now - self.pinged >= PULSE:
            ping()
            self.pinged = now


class PollingProbe(Probe):
    """Asks a storage that is not told of the transactions of others."""

    interval = POLL_INTERVAL

    def __init__(self, storage: Any) -> None:
        super().__init__(storage)
        self.instance: Any = None
        self.count = 0
        self.newest = NewestTransaction(storage)

    def mark(self) -> object:
        """As last seen: a change that was not seen yet ends the wait."""
        return self.count

    def look(self) -> bool:
        """Whether something has changed; raises if the database is away."""
        try:
            if self.instance is None:
                self.instance = self.storage.new_instance()
                self.instance.poll_invalidations()
                changed: Any = True
            else:
                changed = self.instance.poll_invalidations()
            self.newest.check(self.instance)
            # No transaction is left open.
            self.instance.afterCompletion()
        except Exception:
            self.close()
            raise
        # None: the storage cannot tell what has changed.
        has_changed = changed is None or bool(changed)
        self.count += has_changed
        return has_changed

    def close(self) -> None:
        """End the session."""
        instance, self.instance = self.instance, None
        if instance is not None:
            with suppress(Exception):
                instance.release()


class MultiProbe:
    """Probes all databases of one multi-database."""

    def __init__(self, probes: list[Probe]) -> None:
        self.probes = probes
        self.interval = min(probe.interval for probe in probes)
        #: when each is due next, by a monotonic clock
        self.next = [0.0] * len(probes)

    def mark(self) -> object:
        """A value that differs when any of them has changed."""
        return [probe.mark() for probe in self.probes]

    def ask(self) -> bool:
        """Whether one has changed; raises if one is away.

        None that answers is probed more often than it would be alone.
        """
        now, changed = time.monotonic(), False
        errors: list[Exception] = []
        for number, probe in enumerate(self.probes):
            if now >= self.next[number]:
                try:
                    changed |= probe.ask()
                    self.next[number] = now + probe.interval
                except Exception as error:
                    errors.append(error)
        if errors:
            raise errors[0]
        return changed

    def cut_if_silent(self) -> None:
        """See `Probe.cut_if_silent`."""
        for probe in self.probes:
            probe.cut_if_silent()

    def close(self) -> None:
        """Close all of them."""
        for probe in self.probes:
            probe.close()


def probe_of(db: Any) -> Probe | MultiProbe:
    """The probe of *db*, and of all of the same multi-database.

    A schedule may be in any of them, as mounted sites of Zope are.
    """
    storages = {id(one): one.storage for one in (db, *db.databases.values())}
    probes: list[Probe] = [
        (PollingProbe if IMVCCStorage.providedBy(storage) else LocalProbe)(
            storage)
        for storage in storages.values()]
    return probes[0] if len(probes) == 1 else MultiProbe(probes)


class Watcher:
    """A thread that probes one database for all waiting threads here.

    As long as no thread waits, it is probed once in a `PULSE`.
    """

    def __init__(self, db: Any) -> None:
        self.probe = probe_of(db)
        self.condition = threading.Condition()
        self.waiting = 0
        self.stopped = False
        #: what is told whether the database answers
        self.availabilities: list[Availability] = []
        #: since when it asks, by a monotonic clock
        self.asking: float | None = None
        self.thread = threading.Thread(
            target=self._run, name='zodbschedule watcher', daemon=True)
        self.thread.start()

    def mark(self) -> object:
        """The baseline, read before the look for something to do."""
        return self.probe.mark()

    def wait(self, mark: object, seconds: float,
             stopping: Callable[[], bool]) -> bool:
        """Wait until the database is not at *mark*; False if time is over.

        *stopping*, which is asked at each `ring`, ends the wait as well.
        """
        end = time.monotonic() + seconds
        with self.condition:
            self.waiting += 1
            self.condition.notify_all()
            try:
                while not stopping() and self.probe.mark() == mark:
                    left = end - time.monotonic()
                    if left <= 0:
                        return False
                    self.condition.wait(left)
                return True
            finally:
                self.waiting -= 1

    def ring(self) -> None:
        """Have all waiting threads check whether they are to stop."""
        with self.condition:
            self.condition.notify_all()

    def close(self) -> None:
        """End the thread, soon: the database may not answer it."""
        with self.condition:
            self.stopped = True
            self.condition.notify_all()
        self.thread.join(LONGEST_PROBE_PAUSE)

    def _run(self) -> None:
        pause = self.probe.interval
        while self._is_needed():
            self.asking = time.monotonic()
            try:
                if self.probe.ask():
                    self.ring()
            except Exception as error:
                pause = min(LONGEST_PROBE_PAUSE, pause * 2)
                self._tell(error)
            else:
                pause = self.probe.interval
                for availability in self.availabilities:
                    availability.back(self)
            self.asking = None
            time.sleep(pause)
        self.probe.close()

    def _tell(self, error: Exception) -> None:
        for availability in self.availabilities:
            if isinstance(error, DatabaseRestored):
                availability.restored = error
            availability.away(self, error)

    def _is_needed(self) -> bool:
        with self.condition:
            if not self.waiting and not self.stopped:
                self.condition.wait(PULSE)
            return not self.stopped


_watchers: WeakKeyDictionary[Any, Watcher] = WeakKeyDictionary()
_lock = threading.Lock()


@contextmanager
def watching(db: Any, availability: Availability) -> Iterator[Watcher]:
    """The one watcher of *db* in this process, which tells *availability*."""
    with _lock:
        watcher = _watchers.get(db)
        if watcher is None:
            watcher = _watchers[db] = Watcher(db)
        watcher.availabilities = [*watcher.availabilities, availability]
    try:
        yield watcher
    finally:
        with _lock:
            availabilities = list(watcher.availabilities)
            # Only once: each thread of a worker has added the same one.
            availabilities.remove(availability)
            watcher.availabilities = availabilities
            last = not availabilities
            if last:
                del _watchers[db]
        if last:
            watcher.close()
        if availability not in availabilities:
            availability.leave(watcher)
