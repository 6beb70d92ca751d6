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
"""The end of a claim: our own, or one of another that is recovered.

What it holds goes back to its place, in one transaction that fences off
whoever still works on it: see `zodbschedule.scheduling.turn`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from typing import NamedTuple

from ZODB.POSException import ConflictError

from zodbschedule.instant import from_micros
from zodbschedule.interfaces import TaskParked
from zodbschedule.scheduling.events import parked_event
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.store import incarnation
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import known_text
from zodbschedule.store.inspection import label
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import type_of
from zodbschedule.transactions.retrying import OWN_TRIES
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import commit
from zodbschedule.transactions.retrying import transact


class Dissolved(NamedTuple):
    """A claim that was withdrawn."""

    #: its worker, for a person to read
    holder: str
    #: what was parked, since its runs had ended their process
    parked: list[TaskParked]
    #: how many tasks are back in their places
    returned: int
    #: the run that counts as a crash of its task, for a person to read
    crashed: str = ''


def dissolve(schedule: ScheduleState, manager: Any, claim_id: str, what: str,
             now: datetime, suspect: Callable[[Claim], int | None], seen: str
             ) -> Dissolved | None:
    """Withdraw a claim, and commit that as *what*; None if it is not there.

    *suspect* names the slot whose run was cut off with its process, or has
    ended the call; *seen* says how that was seen.
    """
    # What was perhaps committed, by tries without an answer.
    unanswered: list[Dissolved] = []

    def attempt() -> Dissolved | None:
        claim = schedule.claim(claim_id)
        if claim is None:
            abort(manager)
            return unanswered[-1] if unanswered else None
        dissolved = _withdraw(
            schedule, claim_id, claim, now, suspect(claim), seen)
        unanswered.append(dissolved)
        try:
            commit(manager, what)
        except ConflictError:
            unanswered.clear()
            raise
        return dissolved

    return transact(manager, attempt, OWN_TRIES)


def _withdraw(schedule: ScheduleState, claim_id: str, claim: Claim,
              now: datetime, suspect: int | None, seen: str) -> Dissolved:
    crashed = '' if suspect is None else _crashed(claim.slots[suspect])
    holder, held = _holder(claim), sum(1 for _ in claim.held())
    entries = withdraw(schedule, claim_id, claim, now, suspect, seen)
    return Dissolved(holder, [parked_event(entry) for entry in entries],
                     held - len(entries), crashed)


def suspect_of(claim: Claim) -> int | None:
    """The slot whose task ran when *claim* was heard of last."""
    if claim.incarnation == incarnation.this():
        return None  # This process has not ended.
    return claim.running


def _crashed(slot: Slot) -> str:
    """Which run ended with its process, for a person to read."""
    if not slot.waiting:
        return ''
    task = slot.task
    name = label(slot.oid, known_text(task, 'description'), type_of(task))
    return (f' It was running {name}, due at {from_micros(slot.micros)}: that '
            f'counts as a crash of this task.')


def _holder(claim: Claim) -> str:
    """The worker of *claim*, for a person to read."""
    pid, host = claim.incarnation.pid, claim.incarnation.host
    return f'{claim.name} (process {pid} on {host})'
