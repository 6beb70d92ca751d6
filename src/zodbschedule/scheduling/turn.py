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
"""Turns: short transactions that collect outcomes and take due tasks.

A turn touches what all share and holds no user code.  These are its parts;
each happens in the current transaction, and whoever calls commits.
"""

from datetime import datetime
from typing import Any

from ZODB.utils import u64

from zodbschedule.instant import to_micros
from zodbschedule.scheduling.parking import park
from zodbschedule.scheduling.settlement import Returning
from zodbschedule.store.claim import CANCELLED
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.timetable import SWEEP as SWEEP
from zodbschedule.store.timetable import Batch
from zodbschedule.store.timetable import Wanted


# So many times may a process die, or a task end it, while it runs.
CRASHES = 3


def collect(schedule: Any, claim: Claim, now: datetime,
            suspect: int | None = None, but: int | None = None,
            fence: bool = False) -> list[ParkedTask]:
    """Free all slots of *claim*: every task and outcome to its place.

    The task in slot *suspect*, if that still waits, has ended its process;
    returned is what was parked for that.  The slot *but* is left alone.  With
    *fence* what holds nothing is written as well.
    """
    returning = Returning(schedule, claim.name, now)
    parked: list[ParkedTask] = []
    settled = []
    for index, place in enumerate(claim.slots):
        if index == but or not (place.content or fence):
            continue
        # Freed first: what comes back stands nowhere at that moment.
        slot = place.emptied()
        if slot.waiting:
            entry = crashed(schedule, slot) if index == suspect else None
            if entry is None:
                returning.wait(slot.micros, slot.task)
            else:
                parked.append(entry)
                returning.end(slot.oid)
        elif slot.content:
            settled.append(slot)
            returning.settled(slot)
    returning.finish()
    forgive(schedule, settled)
    claim.count([slot.content[0] for slot in settled])
    return parked


def exchange(schedule: Any, claim: Claim, limit: int, after: datetime | None,
             now: datetime, wanted: Wanted, skip: int = 0) -> Batch:
    """Collect what became of a portion, and take the next one into *claim*.

    In this order: what is written last stays in the connection's cache, and
    the runs need the slots, not the lists.
    """
    schedule.keys.assign_oids()
    portion: Batch = schedule.timetable.take(
        limit, after, now, wanted, skip)
    portion.fetch()
    collect(schedule, claim, now)
    claim.fill([(to_micros(instant), task)
                for instant, task in portion.tasks])
    if schedule.keys.by_oid:
        for _, task in portion.tasks:
            schedule.keys.claim(u64(task._p_oid))
    claim.turns += 1
    return portion


def relieve(schedule: Any, claim_id: str, index: int, now: datetime) -> None:
    """Hand back what a claim holds besides the slot *index*, in which it runs.

    Writes nothing that the run will write.
    """
    claim = schedule.claims.get(claim_id)
    if claim is not None and any(
            slot.content for number, slot in enumerate(claim.slots)
            if number != index):
        claim.relieved()
        collect(schedule, claim, now, but=index)


def withdraw(schedule: Any, claim_id: str, claim: Claim, now: datetime,
             suspect: int | None = None) -> list[ParkedTask]:
    """Dissolve *claim*, our own or one that we recover; see `collect`.

    The claim and every slot are written: whoever still works on it conflicts.
    And no turn can be undone any more: what it has put into the timetable
    would be nowhere.
    """
    claim.end()
    parked = collect(schedule, claim, now, suspect, fence=True)
    del schedule.claims[claim_id]
    return parked


def crashed(schedule: Any, slot: Slot) -> ParkedTask | None:
    """Count a crash of the task in *slot*; the entry if it is parked."""
    oid = u64(slot.task._p_oid)
    count = schedule.crashes.get(oid, 0) + 1
    if count < CRASHES:
        schedule.crashes[oid] = count
        return None
    schedule.crashes.pop(oid, None)
    return park(
        schedule, slot.task, slot.micros,
        f'{count} runs of it ended their process, or the call of process()')


def forgive(schedule: Any, settled: list[Slot]) -> None:
    """Forget the crashes of tasks that have an outcome now.

    Not if that is that they were cancelled: then those who did have forgotten
    them, and what there is by now is of a task that was scheduled anew.
    """
    if schedule.crashes:
        for slot in settled:
            if slot.outcome != CANCELLED:
                schedule.crashes.pop(slot.oid, None)
