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
"""Which claims of others nobody works on any more.

Of a process on this machine that is known without the database, at any time.
Of others only their silence tells, in the time of the storage; whoever wants
to know that for certain has to write something of its own.  A claim that
holds nothing is in nobody's way, and is silent as long as its worker is idle.
"""

import time
from datetime import timedelta
from typing import NamedTuple

from zodbschedule import clock
from zodbschedule.liveness.heartbeat import BEATS
from zodbschedule.liveness.heartbeat import is_abandoned
from zodbschedule.liveness.heartbeat import looks_stale
from zodbschedule.liveness.heartbeat import seconds_between
from zodbschedule.store import incarnation
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.state import ScheduleState


# A claim that holds nothing is believed for so long.  Its worker, if it lives,
# registers anew when it takes something.
IDLE = timedelta(days=1)


class Found(NamedTuple):
    """What there is to do about the claims of others."""

    #: the ids of those that nobody works on any more
    abandoned: list[str]
    #: the ids of those whose age has to be learned
    doubtful: list[str]


class Others:
    """The claims of others, in one schedule, as one who holds one knows them.
    """

    def __init__(self) -> None:
        #: their processes, by the ids of the claims
        self.known: dict[str, Incarnation] = {}
        #: when those that hold something are to be looked at again, by a
        #: monotonic clock
        self.again: dict[str, float] = {}
        #: and the others, if the database has changed
        self.idle: dict[str, float] = {}

    def look(self, schedule: ScheduleState, mine: str) -> Found:
        """Look at all claims but *mine*, in the current transaction."""
        found = Found([], [])
        here = [claim_id for claim_id in schedule.claims if claim_id != mine]
        for claim_id in self.known.keys() - set(here):
            self._forget(claim_id)
        for claim_id in here:
            if claim_id not in self.known:
                self.known[claim_id] = schedule.claims[claim_id].incarnation
            gone = is_abandoned(claim_id, self.known[claim_id])
            if gone:
                found.abandoned.append(claim_id)
            elif gone is None and self._is_doubtful(schedule, claim_id):
                found.doubtful.append(claim_id)
        return found

    def _is_doubtful(self, schedule: ScheduleState, claim_id: str) -> bool:
        now = time.monotonic()
        if now < self.again.get(claim_id, now):
            return False
        claim = schedule.claims[claim_id]
        lease = believed(claim, schedule)
        then = now + lease.total_seconds() / BEATS
        if claim.filled:
            self.idle.pop(claim_id, None)
            self.again[claim_id] = then
        else:
            # When it is filled the database changes.
            self.again.pop(claim_id, None)
            if now < self.idle.get(claim_id, now):
                return False
            # By a clock that is wrong it may look stale each time.
            self.idle[claim_id] = then
        return looks_stale(claim, lease, clock.now().timestamp())

    def _forget(self, claim_id: str) -> None:
        del self.known[claim_id]
        self.again.pop(claim_id, None)
        self.idle.pop(claim_id, None)

    def is_due(self) -> bool:
        """Whether to look again, though nothing has changed."""
        now = time.monotonic()
        return any(then <= now for then in self.again.values())

    def is_one_gone(self) -> bool:
        """Whether a process has ended; asks nobody but this machine."""
        return any(
            incarnation.is_gone(one) for one in set(self.known.values()))


def stale(schedule: ScheduleState, doubtful: list[str], mine: Claim
          ) -> list[str]:
    """Those that have been silent for too long.

    By the time of the storage: *mine* has given a sign of life just now.
    """
    now = mine.beaten()
    found = []
    for claim_id in doubtful:
        claim = schedule.claims.get(claim_id)
        if claim is not None and seconds_between(claim.beaten(), now) > (
                believed(claim, schedule).total_seconds()):
            found.append(claim_id)
    return found


def believed(claim: Claim, schedule: ScheduleState) -> timedelta:
    """For how long *claim* is believed after its last sign of life."""
    if not claim.filled:
        return IDLE
    if claim.lease is not None:
        return timedelta(seconds=claim.lease)
    lease: timedelta = schedule.lease
    return lease


def namesakes(schedule: ScheduleState, name: str, mine: str) -> list[str]:
    """The claims of earlier workers of that name.

    Not those of a process that is known to live here: they are in use.
    """
    return [claim_id for claim_id, claim in schedule.claims.items()
            if claim_id != mine and claim.name == name
            and not _is_in_use(claim_id, claim.incarnation)]


def _is_in_use(claim_id: str, holder: Incarnation) -> bool:
    gone = is_abandoned(claim_id, holder)
    return gone is False or (
        gone is None and incarnation.is_gone(holder) is False)
