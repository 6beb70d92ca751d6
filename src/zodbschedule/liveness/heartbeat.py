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
"""Heartbeats: signs of life for claims, written while their runs last.

A `HeartbeatThread` uses connections of its own, beside those that run tasks.
It beats each claim that holds something while a run of it lasts.  It may also
relieve a claim: hand back what the claim holds besides a run that lasts long.
"""

import os
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from zodbschedule.errors.text import ErrorText
from zodbschedule.logger import log
from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions.retrying import in_own_connection


# How many heartbeats fit into one lease.  More, and each long run writes more;
# fewer than two, and a claim is recovered when one heartbeat is lost.
BEATS = 3

# After how many seconds a run is long: its claim is relieved of the rest.
# Shorter, and more tasks are handed back than others can run; longer, and
# tasks wait behind a long run although another worker is idle.
LONG = 1.0

# How often a heartbeat thread checks its claims, in seconds.
CHECK_INTERVAL = .25

#: the claims that this very process works on: process id, claim id
alive: set[tuple[int, str]] = set()


class ClaimHeartbeat:
    """What a heartbeat thread needs to know of one claim.

    The thread that runs the tasks of the claim says when a run begins and
    ends, and when a turn was committed.
    """

    def __init__(self, schedule: ScheduleState, claim_id: str,
                 lease: timedelta | None = None) -> None:
        self.db = schedule._p_jar.db()
        self.schedule_oid = schedule._p_oid
        self.claim_id = claim_id
        self.lease = lease
        self.follow(schedule)
        #: held while a run begins or ends, and while the claim is relieved
        self.lock = threading.Lock()
        #: when the last sign of life was given, by a monotonic clock
        self.signed = time.monotonic()
        #: whether the claim holds anything
        self.holds = True
        #: the slot of the current run, and when that began, by the same clock
        self.running: tuple[int, float] | None = None
        #: that run, or the last one; its str() names the task
        self.run: object = None
        #: whether what it held besides that run may have been handed back,
        #: and whether that is certain
        self.may_be_relieved = self.is_relieved = False

    def follow(self, schedule: ScheduleState) -> None:
        """Beat as often as the lease of *schedule* needs, or our own lease."""
        lease = self.lease or schedule.lease
        #: how long after one sign of life the next one is due, in seconds
        self.interval = lease.total_seconds() / BEATS

    def turn_committed(self, holds: bool) -> None:
        """A turn is a sign of life; *holds*: whether it took anything."""
        self.signed = time.monotonic()
        self.holds = holds
        self.may_be_relieved = self.is_relieved = False

    def start_run(self, index: int, run: object = None) -> bool:
        """A run is to begin; False if its task was handed back."""
        with self.lock:
            if not self.may_be_relieved:
                self.run = run
                self.running = index, time.monotonic()
            return not self.may_be_relieved

    def finish_run(self) -> None:
        """The run has ended."""
        with self.lock:
            self.running = None

    def check(self, relief: 'Relief | None') -> None:
        """Relieve the claim, and beat it, if it is time for that."""
        if relief is not None:
            with self.lock:
                self._relieve(relief)
        if self.holds and time.monotonic() - self.signed >= self.interval:
            self.beat()

    def _relieve(self, relief: 'Relief') -> None:
        if self.running is None or self.is_relieved:
            return
        index, since = self.running
        if time.monotonic() - since > LONG:
            # Set first: the commit may succeed although its answer is lost.
            self.may_be_relieved = True
            relief(self, index)
            self.is_relieved = True

    def beat(self) -> None:
        """Write a sign of life, in a transaction of its own."""
        in_own_connection(self.db, self._write, 1)
        self.signed = time.monotonic()

    def _write(self, connection: Any) -> None:
        claim = connection.get(self.schedule_oid).claim(self.claim_id)
        if claim is not None:  # else another process has recovered it
            claim.beat()


#: hands back what a claim holds besides the slot with that index
Relief = Callable[[ClaimHeartbeat, int], None]


class HeartbeatThread:
    """A thread that beats claims, and relieves them by *relief* if given.

    *failed* is called with each error.  A connection is opened for each beat:
    a claim that makes a turn more often than three times in its lease is
    never beaten.
    """

    def __init__(self, interval: float, relief: Relief | None = None,
                 failed: Callable[[Exception], None] | None = None) -> None:
        self.interval = interval
        self.relief = relief
        self.failed = failed or _log_failure
        self.heartbeats: set[ClaimHeartbeat] = set()
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        #: since when it may wait for the database, by a monotonic clock
        self.asking: float | None = None
        self.thread = threading.Thread(
            target=self._run, name='zodbschedule heartbeat', daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def add(self, heartbeat: ClaimHeartbeat) -> None:
        """Beat that claim from now on."""
        alive.add((os.getpid(), heartbeat.claim_id))
        with self.lock:
            self.heartbeats = self.heartbeats | {heartbeat}

    def remove(self, heartbeat: ClaimHeartbeat) -> None:
        """Do not beat that claim any more."""
        alive.discard((os.getpid(), heartbeat.claim_id))
        with self.lock:
            self.heartbeats = self.heartbeats - {heartbeat}

    def stop(self, timeout: float | None = None) -> None:
        """Stop; returns when the last beat has ended.

        Or after *timeout* seconds: the database may not answer.
        """
        for heartbeat in self.heartbeats:
            self.remove(heartbeat)
        self.stopped.set()
        if self.thread.ident is not None:  # else it was never started
            self.thread.join(timeout)

    def _run(self) -> None:
        while not self.stopped.wait(self.interval):
            for heartbeat in self.heartbeats:
                self.asking = time.monotonic()
                try:
                    heartbeat.check(self.relief)
                except Exception as error:
                    self.failed(error)
                finally:
                    self.asking = None


@contextmanager
def beating(heartbeat: ClaimHeartbeat) -> Iterator[HeartbeatThread]:
    """Inside, a thread beats that claim, as often as its lease needs."""
    thread = HeartbeatThread(min(CHECK_INTERVAL, heartbeat.interval))
    thread.add(heartbeat)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def _log_failure(error: Exception) -> None:
    log.warning('A heartbeat was lost.', exc_info=ErrorText(error).exc_info)
