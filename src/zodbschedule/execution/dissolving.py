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

from datetime import datetime
from typing import Any
from typing import NamedTuple

from ZODB.POSException import ConflictError

from zodbschedule.errors.text import ErrorText
from zodbschedule.execution.interruption import is_told
from zodbschedule.execution.run import Run
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import TaskParked
from zodbschedule.scheduling.endings import CutOff
from zodbschedule.scheduling.endings import running_in
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


# The runs of this process that were cut off, by the ids of their claims, until
# these are dissolved here.  If another process does that, what is kept stays;
# then the database was away from this one for longer than a lease.
cut_offs: dict[str, CutOff] = {}


class Dissolved(NamedTuple):
    """A claim that was withdrawn."""

    #: its worker, for a person to read
    holder: str
    #: what is to be told of the run that was cut off
    events: list[object]
    #: how many tasks are back in their places
    returned: int
    #: that run, for a person to read
    ran: str = ''


def dissolve(schedule: ScheduleState, manager: Any, claim_id: str, what: str,
             now: datetime, seen: str) -> Dissolved | None:
    """Withdraw a claim, and commit that as *what*; None if it is not there.

    *seen* says why its process is believed dead, if it is of another.
    """
    # What was perhaps committed, by tries without an answer.
    unanswered: list[Dissolved] = []

    def attempt() -> Dissolved | None:
        claim = schedule.claim(claim_id)
        if claim is None:
            abort(manager)
            return unanswered[-1] if unanswered else None
        dissolved = _withdraw(
            schedule, claim_id, claim, now, _cut_off(claim_id, claim, seen))
        unanswered.append(dissolved)
        try:
            commit(manager, what)
        except ConflictError:
            unanswered.clear()
            raise
        return dissolved

    dissolved = transact(manager, attempt, OWN_TRIES)
    cut_offs.pop(claim_id, None)
    return dissolved


def _withdraw(schedule: ScheduleState, claim_id: str, claim: Claim,
              now: datetime, cut_off: CutOff | None) -> Dissolved:
    ran = '' if cut_off is None else _ran(claim.slot(cut_off.slot), cut_off)
    holder, held = _holder(claim), sum(1 for _ in claim.held())
    events = withdraw(schedule, claim_id, claim, now, cut_off)
    parked = sum(isinstance(event, TaskParked) for event in events)
    return Dissolved(holder, events, held - parked, ran)


def note_cut_off(claim_id: str, run: Run, error: BaseException) -> None:
    """A run in that claim of ours has ended with *error*, and no outcome.

    If another has recovered the claim, it has noted that.
    """
    if not run.has_begun or isinstance(error, ClaimLost):
        return
    text = ErrorText(error)
    cut_offs[claim_id] = CutOff(
        run.index, f'it was ended by {text}', to_micros(run.began),
        not (isinstance(error, Exception) or is_told(error)), text.traceback)


def _cut_off(claim_id: str, claim: Claim, seen: str) -> CutOff | None:
    """The run that was cut off in that claim."""
    if claim.incarnation == incarnation.this():
        return cut_offs.get(claim_id)
    return running_in(claim, seen, crashed=True)


def _ran(slot: Slot | None, cut_off: CutOff) -> str:
    """Which run was cut off, for a person to read."""
    if slot is None or not slot.waiting:
        return ''
    task = slot.task
    name = label(slot.oid, known_text(task, 'description'), type_of(task))
    ran = f' It was running {name}, due at {from_micros(slot.micros)}'
    if cut_off.crashed:
        return f'{ran}: that counts as a crash of this task.'
    return f'{ran}.'


def _holder(claim: Claim) -> str:
    """The worker of *claim*, for a person to read."""
    pid, host = claim.incarnation.pid, claim.incarnation.host
    return f'{claim.name} (process {pid} on {host})'
