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
"""Signs of life for a claim, and what another claim's silence means."""

import logging
import os
import threading
from datetime import timedelta
from typing import Any

from persistent.TimeStamp import TimeStamp

from zodbschedule import incarnation
from zodbschedule.claim import Claim
from zodbschedule.transact import apart


log = logging.getLogger('zodbschedule')

# A claim is beaten so often within its lease: one beat may be lost.
BEATS = 3

#: the claims that calls in this very process hold now: process id, claim id
alive: set[tuple[int, str]] = set()


class Heart:
    """Beats one claim of a schedule while it is held.

    A thread of its own, with a connection of its own that it opens at the
    first beat: a call that is shorter than a third of the lease beats never.
    """

    def __init__(self, schedule: Any, claim_id: str) -> None:
        self.db = schedule._p_jar.db()
        self.schedule_oid = schedule._p_oid
        self.claim_id = claim_id
        self.interval = schedule.lease.total_seconds() / BEATS
        self.stopped = threading.Event()
        self.thread = threading.Thread(
            target=self._run, name='zodbschedule heartbeat', daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        alive.add((os.getpid(), self.claim_id))
        self.thread.start()

    def stop(self) -> None:
        """Beat no more; returns when the last beat is through."""
        alive.discard((os.getpid(), self.claim_id))
        self.stopped.set()
        self.thread.join()

    def _run(self) -> None:
        while not self.stopped.wait(self.interval):
            try:
                self._beat()
            except Exception:
                log.warning('A heartbeat was lost.', exc_info=True)

    def _beat(self) -> None:
        apart(self.db, self._write, 1)

    def _write(self, connection: Any) -> None:
        claim = connection.get(self.schedule_oid).claims.get(self.claim_id)
        if claim is not None:  # else another has recovered it
            claim.heartbeat.beats += 1


def is_abandoned(claim_id: str, claim: Claim) -> bool | None:
    """Whether nobody works on that claim; None if only its age can tell."""
    if (os.getpid(), claim_id) in alive:
        return False
    here = incarnation.this()
    if here.machine and claim.incarnation == here:
        # A call in this process that could not withdraw it: the database
        # was away.
        return True
    # A process that lives may have been stopped, or may have given up its
    # call: then its age tells.
    return incarnation.is_gone(claim.incarnation) or None


def seconds_between(earlier: bytes, later: bytes) -> float:
    """How much time the storage saw between two of its tids."""
    span: float = TimeStamp(later).timeTime() - TimeStamp(earlier).timeTime()
    return span


def looks_stale(claim: Claim, lease: timedelta, now: float) -> bool:
    """Whether it is worth a write to learn the age of *claim*.

    *now*, seconds since 1970 by some clock, decides no more than that.  A
    beat from the future says that the clock is wrong.
    """
    age = now - TimeStamp(claim.beaten()).timeTime()
    return not 0 <= age <= lease.total_seconds()
