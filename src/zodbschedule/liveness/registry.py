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
"""Which workers a schedule has, what they hold, and how late they are.

Read from the claims; only `recover` writes, in the caller's transaction.
"""

from collections import Counter
from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from persistent import Persistent
from persistent.TimeStamp import TimeStamp
from zope.interface import implementer

from zodbschedule import clock
from zodbschedule.instant import from_micros
from zodbschedule.interfaces import IClaimedTask
from zodbschedule.interfaces import IWorkerState
from zodbschedule.interfaces import NotScheduled
from zodbschedule.liveness.stale import believed
from zodbschedule.liveness.stale import is_abandoned
from zodbschedule.outcomes import EXPIRED
from zodbschedule.outcomes import FAILED
from zodbschedule.outcomes import RETRIED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling.endings import running_in
from zodbschedule.scheduling.events import notify_after_commit
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.store import incarnation
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import left_slots
from zodbschedule.store.claim import numbered_slots
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.state import ScheduleState


# What can be said of a worker: see `IWorkerState`.
WORKING = 'working'
IDLE = 'idle'
SILENT = 'silent'
DEAD = 'dead'


@implementer(IWorkerState)
class WorkerState(NamedTuple):
    """See `IWorkerState`."""

    id: str
    name: str
    host: str
    pid: int
    since: datetime
    lease: timedelta
    state: str
    beaten: datetime
    silence: timedelta
    task: Persistent | None
    running_since: datetime | None
    claimed: int
    counts: Tally


@implementer(IClaimedTask)
class ClaimedTask(NamedTuple):
    """See `IClaimedTask`."""

    task: Persistent
    time: datetime
    worker: str
    running: bool = False
    progress: tuple[float, float] | None = None


#: passes on what waits, and may end early
Look = Callable[[Iterator[ClaimedTask]], Iterator[ClaimedTask]]


# -- The workers


class WorkerSign(NamedTuple):
    """What a worker is, whatever it holds: that is not loaded."""

    id: str
    name: str
    host: str
    pid: int
    lease: timedelta
    state: str
    #: a sign of life: the last one, unless an earlier one tells enough
    seen: datetime


def signs(schedule: ScheduleState) -> Iterator[WorkerSign]:
    """Those of each worker, or call of ``process()``, with a claim."""
    for claim_id, claim in list(schedule.left_claims()):
        now = clock.now()
        yield WorkerSign(
            claim_id, claim.name, claim.incarnation.host,
            claim.incarnation.pid, _lease(schedule, claim),
            _condition(schedule, claim_id, claim, now),
            _seen(schedule, claim, now))


def _lease(schedule: ScheduleState, claim: Claim) -> timedelta:
    lease: timedelta = schedule.lease
    return lease if claim.lease is None else timedelta(seconds=claim.lease)


def dead_workers(schedule: ScheduleState) -> set[str]:
    """The names of those whose processes have ended; loads the claims only.
    """
    return {claim.name for _, claim in schedule.left_claims()
            if incarnation.is_gone(claim.incarnation)}


def states(schedule: ScheduleState, among: Container[str] | None = None
           ) -> Iterator[WorkerState]:
    """The state of each worker, or call of ``process()``, with a claim.

    *among*: of those with these ids only.
    """
    for claim_id, claim in list(schedule.left_claims()):
        if among is None or claim_id in among:
            yield _state(schedule, claim_id, claim, clock.now())


def _state(schedule: ScheduleState, claim_id: str, claim: Claim,
           now: datetime) -> WorkerState:
    running = claim.running
    counts = Counter(dict(enumerate(claim.counts)))
    counts.update(slot.outcome for slot in left_slots(claim) if slot.outcome)
    return WorkerState(
        claim_id, claim.name, claim.incarnation.host, claim.incarnation.pid,
        from_micros(claim.since), _lease(schedule, claim),
        _condition(schedule, claim_id, claim, now), _when(claim.beaten()),
        now - _when(claim.beaten()),
        None if running is None else claim.slots[running].task,
        None if running is None else _when(claim.running_since()),
        len(list(claim.held())), Tally(
            counts[SUCCEEDED], counts[RETRIED], counts[FAILED],
            counts[EXPIRED]))


def _condition(schedule: ScheduleState, claim_id: str, claim: Claim,
               now: datetime) -> str:
    """What can be said of the worker of *claim*, in one word."""
    if incarnation.is_gone(claim.incarnation):
        return DEAD
    # An idle one gives no sign of life, however long that lasts.
    if _may_be_dead(schedule, claim_id, claim, now) and (
            claim.filled or not incarnation.is_at_work(claim.incarnation)):
        return SILENT
    return WORKING if claim.filled else IDLE


def _when(tid: bytes) -> datetime:
    return datetime.fromtimestamp(TimeStamp(tid).timeTime(), UTC)


def recover(schedule: ScheduleState, name: str) -> int:
    """Dissolve the claims of that name; how many tasks wait again.

    In the current transaction.  Raises `NotScheduled` if there are none.
    """
    claims = [(claim_id, claim) for claim_id, claim in schedule.left_claims()
              if claim.name == name]
    if not claims:
        raise NotScheduled(f'no worker of the name {name!r} is registered')
    held = 0
    for claim_id, claim in claims:
        held += len(list(claim.held()))
        cut_off = running_in(claim, 'its worker was recovered by a person')
        for event in withdraw(
                schedule, claim_id, claim, clock.now(), cut_off):
            notify_after_commit(schedule, event)
    return held


# -- What they hold


def claimed(schedule: ScheduleState) -> Iterator[ClaimedTask]:
    """See `IScheduleReading`."""
    for _, claim in list(schedule.left_claims()):
        yield from _held(claim)


def _held(claim: Claim) -> Iterator[ClaimedTask]:
    running = claim.running
    for index, slot in numbered_slots(claim):
        if slot.waiting:
            yield ClaimedTask(
                slot.task, from_micros(slot.micros), claim.name,
                index == running, claim.progress_of(slot))
        for micros, task in slot.coming:
            yield ClaimedTask(task, from_micros(micros), claim.name)


# -- How late they are


def overdue(schedule: ScheduleState, now: datetime) -> timedelta:
    """See `IScheduleReading`; *now* is in UTC."""
    found = most_overdue(schedule, now)
    return timedelta(0) if found is None else now - found.time


def most_overdue(schedule: ScheduleState, now: datetime,
                 look: Look = iter) -> ClaimedTask | None:
    """The task that has been due longest, as `overdue` counts; or None.

    The name of its worker is empty if it waits.  *look* may end early the
    search for one that is not paused.
    """
    found = list(_longest_due(schedule, now, look))
    for claim_id, claim in schedule.left_claims():
        if _may_be_dead(schedule, claim_id, claim, now):
            found += _held(claim)
    return min((each for each in found if each.time < now),
               key=attrgetter('time'), default=None)


def _may_be_dead(schedule: ScheduleState, claim_id: str, claim: Claim,
                 now: datetime) -> bool:
    """Whether *claim* is dead, or silent for too long, or nobody can tell.

    A sign of life from the future says that a clock was ahead, and not that
    the worker is alive; of one in this process we know.
    """
    if incarnation.is_gone(claim.incarnation):
        return True
    age = now - _seen(schedule, claim, now)
    if age < timedelta(0) and (
            is_abandoned(claim_id, claim.incarnation) is False):
        return False
    return abs(age) > believed(claim, schedule)


def _seen(schedule: ScheduleState, claim: Claim, now: datetime) -> datetime:
    """Its last sign of life; or its last turn, if it is still believed for it.

    Then the heartbeat is not loaded.
    """
    claim._p_activate()
    turn = _when(claim._p_serial)
    if timedelta(0) <= now - turn <= believed(claim, schedule):
        return turn
    return _when(claim.beaten())


def _longest_due(schedule: ScheduleState, now: datetime, look: Look
                 ) -> Iterator[ClaimedTask]:
    """The first task that waits, is due, and is not paused itself."""
    due = look(ClaimedTask(task, instant, '')
               for instant in schedule.timetable.times(max=now)
               for task in schedule.timetable.at(instant))
    return islice((each for each in due if not oid_of(each.task) or oid_of(
        each.task) not in schedule.pauses), 1)
