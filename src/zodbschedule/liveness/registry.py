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
"""The workers of a schedule, as its claims tell."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import NamedTuple

from persistent import Persistent
from persistent.TimeStamp import TimeStamp
from zope.interface import implementer

from zodbschedule import clock
from zodbschedule.instant import from_micros
from zodbschedule.interfaces import IWorkerState
from zodbschedule.interfaces import NotScheduled
from zodbschedule.outcomes import EXPIRED
from zodbschedule.outcomes import FAILED
from zodbschedule.outcomes import RETRIED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.store.claim import Claim
from zodbschedule.store.state import ScheduleState


@implementer(IWorkerState)
class WorkerState(NamedTuple):
    """See `IWorkerState`."""

    id: str
    name: str
    host: str
    pid: int
    since: datetime
    lease: timedelta
    beaten: datetime
    task: Persistent | None
    running_since: datetime | None
    claimed: int
    counts: Tally


def states(schedule: ScheduleState) -> Iterator[WorkerState]:
    """The state of each worker, or call of ``process()``, with a claim."""
    for claim_id, claim in list(schedule.claims.items()):
        yield _state(schedule, claim_id, claim)


def _state(schedule: ScheduleState, claim_id: str, claim: Claim
           ) -> WorkerState:
    lease = schedule.lease if claim.lease is None else timedelta(
        seconds=claim.lease)
    running = claim.running
    counts = Counter(dict(enumerate(claim.counts)))
    counts.update(slot.outcome for slot in claim.slots if slot.outcome)
    return WorkerState(
        claim_id, claim.name, claim.incarnation.host, claim.incarnation.pid,
        from_micros(claim.since), lease, _when(claim.beaten()),
        None if running is None else claim.slots[running].task,
        None if running is None else _when(claim.running_since()),
        len(list(claim.held())), Tally(
            counts[SUCCEEDED], counts[RETRIED], counts[FAILED],
            counts[EXPIRED]))


def _when(tid: bytes) -> datetime:
    return datetime.fromtimestamp(TimeStamp(tid).timeTime(), UTC)


def recover(schedule: ScheduleState, name: str) -> int:
    """Dissolve the claims of that name; how many tasks wait again.

    In the current transaction.  Raises `NotScheduled` if there are none.
    """
    claims = [(claim_id, claim) for claim_id, claim in schedule.claims.items()
              if claim.name == name]
    if not claims:
        raise NotScheduled(f'no worker of the name {name!r} is registered')
    held = 0
    for claim_id, claim in claims:
        held += len(list(claim.held()))
        withdraw(schedule, claim_id, claim, clock.now())
    return held
