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
"""Which claims of others are stale: their process does not work on them.

A process of this machine that has ended is known at once, without the
database; one that works is not dead because it is silent.  For others, and
for one that was stopped, only the silence of their claim tells, in the time of
the storage; to know that for certain a process has to write something of its
own.  After the clock of the storage was ahead, that time stands still: then
the silence tells that the observer itself has seen, by a monotonic clock.
A claim that holds nothing blocks nobody, and is silent as long as its worker
is idle.
"""

import os
import time
from dataclasses import dataclass
from dataclasses import field
from datetime import timedelta
from typing import NamedTuple

from persistent.TimeStamp import TimeStamp

from zodbschedule import clock
from zodbschedule.liveness.heartbeat import BEATS
from zodbschedule.liveness.heartbeat import alive
from zodbschedule.store import incarnation
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.state import ScheduleState


# For how long a claim is believed that holds nothing, or whose process is at
# work on this machine.  Its worker, if it is alive, registers anew when it
# takes something.
IDLE = timedelta(days=1)

# How often the claims of others are surveyed, at most, in seconds.  More
# often, and a busy worker loads its neighbors' claims at each turn; less
# often, and what a process held that has ended waits longer.
SURVEY_INTERVAL = 1.0


class ClaimsToRecover(NamedTuple):
    """The claims of others that are, or may be, to be recovered."""

    #: the ids of those whose process does not work on them any more
    abandoned: list[str]
    #: the ids of those whose age has to be learned
    doubtful: list[str]


@dataclass
class OtherClaims:
    """What the holder of one claim knows of the claims of others."""

    #: their processes, by the ids of the claims
    known: dict[str, Incarnation] = field(default_factory=dict)
    #: when those that hold something are to be checked again, by a monotonic
    #: clock
    again: dict[str, float] = field(default_factory=dict)
    #: when the others are, provided that the database has changed
    idle: dict[str, float] = field(default_factory=dict)
    #: the last sign of life of those that were in doubt, and since when we
    #: know it, by a monotonic clock
    seen: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    #: why those that are to be recovered are believed dead, in words
    evidence: dict[str, str] = field(default_factory=dict)
    #: when the last survey was made, by a monotonic clock
    surveyed: float = float('-inf')
    #: whether the last look at the schedule has left out the survey
    left_out: bool = False

    def survey(self, schedule: ScheduleState, own_id: str) -> ClaimsToRecover:
        """As `look`, unless that was done a moment ago."""
        self.left_out = not (self.is_survey_due() or self.is_one_gone())
        if self.left_out:
            return ClaimsToRecover([], [])
        self.surveyed = time.monotonic()
        return self.look(schedule, own_id)

    def look(self, schedule: ScheduleState, own_id: str) -> ClaimsToRecover:
        """Check all claims but our own, in the current transaction."""
        there = [claim_id for claim_id, _ in remains.items(schedule.claims)
                 if claim_id != own_id]
        for claim_id in self.known.keys() - set(there):
            self._forget(claim_id)
        return self._sort(schedule, there)

    def _sort(self, schedule: ScheduleState, claim_ids: list[str]
              ) -> ClaimsToRecover:
        claims = ClaimsToRecover([], [])
        for claim_id in claim_ids:
            if claim_id not in self.known:
                claim = schedule.claim(claim_id)
                if claim is None:
                    continue  # Its record is gone.
                self.known[claim_id] = claim.incarnation
            abandoned = is_abandoned(claim_id, self.known[claim_id])
            if abandoned:
                claims.abandoned.append(claim_id)
                self.evidence[claim_id] = _why_abandoned(self.known[claim_id])
            elif abandoned is None and self._is_doubtful(schedule, claim_id):
                claims.doubtful.append(claim_id)
        return claims

    def _is_doubtful(self, schedule: ScheduleState, claim_id: str) -> bool:
        now = time.monotonic()
        if now < self.again.get(claim_id, now):
            return False
        claim = schedule.claim(claim_id)
        if claim is None:
            return False
        lease = patience(claim, schedule)
        then = now + lease.total_seconds() / BEATS
        if claim.filled:
            self.idle.pop(claim_id, None)
            self.again[claim_id] = then
        else:
            # The database changes when it is filled.
            self.again.pop(claim_id, None)
            if now < self.idle.get(claim_id, now):
                return False
            # If a clock is wrong, it may look stale each time.
            self.idle[claim_id] = then
        return looks_stale(claim, lease, clock.now().timestamp())

    def stale(self, schedule: ScheduleState, doubtful: list[str],
              own_claim: Claim) -> list[str]:
        """Those that have been silent for too long.

        By the time of the storage, or as we have seen ourselves.  *own_claim*
        has given a sign of life just now.
        """
        now = own_claim.beaten()
        claims = ((claim_id, schedule.claim(claim_id))
                  for claim_id in doubtful)
        return [claim_id for claim_id, claim in claims
                if claim is not None and self._is_stale(
                    claim_id, claim, patience(claim, schedule), now)]

    def _is_stale(self, claim_id: str, claim: Claim, patience: timedelta,
                  now: bytes) -> bool:
        believed = patience.total_seconds()
        passed = seconds_between(claim.beaten(), now)
        watched = self._watched(claim_id, claim)
        if passed > believed:
            self.evidence[claim_id] = f'it was silent for {passed:.0f} s'
        elif watched > believed:
            ahead = -silence(claim, clock.now().timestamp())
            self.evidence[claim_id] = (
                f'it was silent for {watched:.0f} s, as this process has seen '
                f'itself; its last sign of life is {max(0, ahead):.0f} s in '
                f'the future, since the clock of the storage was ahead')
        return max(passed, watched) > believed

    def _watched(self, claim_id: str, claim: Claim) -> float:
        """For how many seconds we have seen no new sign of life of *claim*.

        After the clock of the storage was ahead, its time hardly passes until
        it has caught up; ours does.
        """
        now = time.monotonic()
        beaten = claim.beaten()
        last, since = self.seen.get(claim_id, (beaten, now))
        if last != beaten:
            since = now
        self.seen[claim_id] = beaten, since
        return now - since

    def _forget(self, claim_id: str) -> None:
        del self.known[claim_id]
        self.seen.pop(claim_id, None)
        self.evidence.pop(claim_id, None)
        self.again.pop(claim_id, None)
        self.idle.pop(claim_id, None)

    def is_survey_due(self) -> bool:
        """Whether the last survey was made long enough ago."""
        return time.monotonic() - self.surveyed >= SURVEY_INTERVAL

    def should_survey(self) -> bool:
        """Whether to make a survey, though the database has not changed."""
        return self.is_survey_due() and (
            self.left_out or self.is_one_due()) or self.is_one_gone()

    def is_one_due(self) -> bool:
        """Whether a claim is to be checked again."""
        now = time.monotonic()
        return any(then <= now for then in self.again.values())

    def is_one_gone(self) -> bool:
        """Whether a process of this machine has ended."""
        return any(
            incarnation.is_gone(one) for one in set(self.known.values()))


def patience(claim: Claim, schedule: ScheduleState) -> timedelta:
    """For how long we wait for a sign of life of *claim*.

    Longer than its lease if its process is at work on this machine: a run may
    hold the lock of the interpreter, and nothing beats then.  Not for ever:
    the process may have given up the claim, and be good for other things.
    """
    if incarnation.is_at_work(claim.incarnation):
        return IDLE
    return believed(claim, schedule)


def believed(claim: Claim, schedule: ScheduleState) -> timedelta:
    """For how long *claim* is believed after its last sign of life."""
    if not claim.filled:
        return IDLE
    if claim.lease is not None:
        return timedelta(seconds=claim.lease)
    lease: timedelta = schedule.lease
    return lease


def is_abandoned(claim_id: str, holder: Incarnation) -> bool | None:
    """Whether nothing works on that claim; None if only its age can tell."""
    if (os.getpid(), claim_id) in alive:
        return False
    here = incarnation.this()
    if here.machine and holder == here:
        # A call in this process could not withdraw it, since the database
        # was away.
        return True
    # A process that is alive may have been stopped, or may have given up its
    # call: then the age tells.
    return incarnation.is_gone(holder) or None


def _why_abandoned(holder: Incarnation) -> str:
    if holder == incarnation.this():
        return 'this process could not hand it back'
    return 'its process has ended'


def namesakes(schedule: ScheduleState, name: str, own_id: str) -> list[str]:
    """The claims of earlier workers of that name.

    Not those of a process that is known to be alive here: they are in use.
    """
    return [claim_id for claim_id, claim in schedule.left_claims()
            if claim_id != own_id and claim.name == name
            and not _is_in_use(claim_id, claim.incarnation)]


def _is_in_use(claim_id: str, holder: Incarnation) -> bool:
    abandoned = is_abandoned(claim_id, holder)
    return abandoned is False or (
        abandoned is None and incarnation.is_gone(holder) is False)


# -- Age


def seconds_between(earlier: bytes, later: bytes) -> float:
    """How much time passed between two tids of one storage, by its clock."""
    span: float = TimeStamp(later).timeTime() - TimeStamp(earlier).timeTime()
    return span


def silence(claim: Claim, now: float) -> float:
    """For how many seconds *claim* has given no sign of life.

    *now*, seconds since 1970 by some clock, only serves to decide whether it
    is worth a write to learn the age.
    """
    age: float = now - TimeStamp(claim.beaten()).timeTime()
    return age


def looks_stale(claim: Claim, lease: timedelta, now: float) -> bool:
    """Whether it is worth a write to learn the age of *claim*.

    A heartbeat from the future says that a clock is wrong.
    """
    return not 0 <= silence(claim, now) <= lease.total_seconds()
