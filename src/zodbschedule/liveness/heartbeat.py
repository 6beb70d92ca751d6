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
"""Signs of life for claims, and what another claim's silence means.

A heart is a thread with a connection of its own, beside those that run tasks.
It beats each claim that holds something while a run of it lasts; and it may
relieve a claim whose run lasts long of whatever else that holds.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from persistent.TimeStamp import TimeStamp

from zodbschedule.store import incarnation
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions.retrying import in_own_connection


log = logging.getLogger('zodbschedule')

# A claim is beaten so often within its lease: one beat may be lost.
BEATS = 3

# After so many seconds a run is long: its claim is relieved of the rest.
LONG = 1.0

# How often a heart looks at its claims, in seconds.
LOOK = .25

#: the claims that this very process holds now: process id, claim id
alive: set[tuple[int, str]] = set()


class Pulse:
    """What a heart has to know of one claim, of a schedule in a database.

    Whoever runs the tasks of the claim says when a run begins and ends.
    """

    def __init__(self, schedule: ScheduleState, claim_id: str,
                 lease: timedelta | None = None) -> None:
        self.db = schedule._p_jar.db()
        self.schedule_oid = schedule._p_oid
        self.claim_id = claim_id
        self.lease = lease
        self.follow(schedule)
        #: held by a run as it begins or ends, and while the claim is relieved
        self.lock = threading.Lock()
        self.signed = time.monotonic()
        #: whether the claim holds anything
        self.holds = True
        #: the slot of the run that goes on, and since when it does
        self.running: tuple[int, float] | None = None
        #: whether what it held besides that run may have been handed back,
        #: and whether that is certain
        self.relieved = self.eased = False

    def follow(self, schedule: ScheduleState) -> None:
        """Beat as the lease asks for that *schedule* has now, if not ours."""
        lease = self.lease or schedule.lease
        #: how long after one sign of life the next is due, in seconds
        self.interval = lease.total_seconds() / BEATS

    def sign(self, holds: bool) -> None:
        """A turn was committed, which is a sign of life."""
        self.signed = time.monotonic()
        self.holds = holds
        self.relieved = self.eased = False

    def begin(self, index: int) -> bool:
        """A run is to begin; False if its task was handed back."""
        with self.lock:
            if not self.relieved:
                self.running = index, time.monotonic()
            return not self.relieved

    def end(self) -> None:
        """The run has ended."""
        with self.lock:
            self.running = None

    def beat(self) -> None:
        """Write a sign of life, in a transaction of its own."""
        in_own_connection(self.db, self._write, 1)
        self.signed = time.monotonic()

    def _write(self, connection: Any) -> None:
        claim = connection.get(self.schedule_oid).claims.get(self.claim_id)
        if claim is not None:  # else another has recovered it
            claim.heartbeat.beats += 1


#: hands back what a claim holds besides the slot with that index
Relief = Callable[[Pulse, int], None]


class Heart:
    """A thread that beats claims, and relieves them by *relief* if given.

    Its connections are opened for each beat: claims that make a turn more
    often than in a third of their lease are never beaten.
    """

    def __init__(self, interval: float, relief: Relief | None = None,
                 failed: Callable[[Exception], None] | None = None) -> None:
        self.interval = interval
        self.relief = relief
        self.failed = failed or self._log
        self.pulses: set[Pulse] = set()
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.thread = threading.Thread(
            target=self._run, name='zodbschedule heartbeat', daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self.thread.start()

    def hold(self, pulse: Pulse) -> None:
        """Beat that claim from now on."""
        alive.add((os.getpid(), pulse.claim_id))
        with self.lock:
            self.pulses = self.pulses | {pulse}

    def drop(self, pulse: Pulse) -> None:
        """Beat it no more."""
        alive.discard((os.getpid(), pulse.claim_id))
        with self.lock:
            self.pulses = self.pulses - {pulse}

    def stop(self, timeout: float | None = None) -> None:
        """Beat nothing more; returns when the last beat is through.

        Or after *timeout* seconds: the database may say nothing.
        """
        for pulse in self.pulses:
            self.drop(pulse)
        self.stopped.set()
        self.thread.join(timeout)

    def _run(self) -> None:
        while not self.stopped.wait(self.interval):
            for pulse in self.pulses:
                try:
                    self._care(pulse)
                except Exception as error:
                    self.failed(error)

    def _care(self, pulse: Pulse) -> None:
        now = time.monotonic()
        if self.relief is not None:
            with pulse.lock:
                index, since = pulse.running or (0, now)
                if now - since > LONG and not pulse.eased:
                    # Also if the answer to its commit is lost.
                    pulse.relieved = True
                    self.relief(pulse, index)
                    pulse.eased = True
        if pulse.holds and now - pulse.signed >= pulse.interval:
            pulse.beat()

    @staticmethod
    def _log(error: Exception) -> None:
        log.warning('A heartbeat was lost.', exc_info=error)


def is_abandoned(claim_id: str, holder: Incarnation) -> bool | None:
    """Whether nobody works on that claim; None if only its age can tell."""
    if (os.getpid(), claim_id) in alive:
        return False
    here = incarnation.this()
    if here.machine and holder == here:
        # A call in this process that could not withdraw it: the database
        # was away.
        return True
    # A process that lives may have been stopped, or may have given up its
    # call: then its age tells.
    return incarnation.is_gone(holder) or None


def seconds_between(earlier: bytes, later: bytes) -> float:
    """How much time the storage saw between two of its tids."""
    span: float = TimeStamp(later).timeTime() - TimeStamp(earlier).timeTime()
    return span


def silence(claim: Claim, now: float) -> float:
    """For how many seconds *claim* has given no sign of life.

    *now*, seconds since 1970 by some clock, is good for no more than to see
    whether it is worth a write to learn its age.
    """
    age: float = now - TimeStamp(claim.beaten()).timeTime()
    return age


def looks_stale(claim: Claim, lease: timedelta, now: float) -> bool:
    """Whether it is worth a write to learn the age of *claim*.

    A beat from the future says that the clock is wrong.
    """
    return not 0 <= silence(claim, now) <= lease.total_seconds()
