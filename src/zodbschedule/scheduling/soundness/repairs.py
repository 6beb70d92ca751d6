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
"""Repairs of a schedule, each of one flaw, in the caller's transaction.

They are made one after the other, so those that another repair may have made
needless look again.  What refers to a record that is gone is parked, as a task
is: so the flaw is not hidden, and the reference is kept in case the record
comes back.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ZODB.POSException import POSKeyError
from ZODB.utils import p64

from zodbschedule import clock
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.scheduling.parking import park_and_notify
from zodbschedule.scheduling.soundness.parts import Part
from zodbschedule.scheduling.soundness.parts import begin_anew
from zodbschedule.scheduling.soundness.sightings import InTimetable
from zodbschedule.scheduling.soundness.sightings import Place
from zodbschedule.scheduling.soundness.sightings import worse
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Heartbeat
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import known_principal
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import stamp_of
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.parked import entry_id
from zodbschedule.store.parked import parts_of
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import description_of


def _park(schedule: ScheduleState, obj: Any, micros: int, reason: str,
          occurrence: int | None = None) -> None:
    """Park *obj*, which may be more than a task, unless it is parked."""
    id = entry_id(oid_of(obj), occurrence)
    if remains.get(schedule.parked.entries, id) is None:
        park_and_notify(schedule, obj, micros, reason, occurrence)


# -- A task


def keep_one(schedule: ScheduleState, task: Any, first: Place, second: Place
             ) -> None:
    """Take *task* out of one of two places, if it is in both."""
    if first.holds(schedule, task) and second.holds(schedule, task):
        worse(schedule, task, first, second).remove(schedule, task)


def park_task(schedule: ScheduleState, task: Any, place: Place, micros: int,
              reason: str) -> None:
    """Park *task*, which has lost a record."""
    place.remove(schedule, task)
    schedule.keys.remove(task)
    _park(schedule, task, micros, reason)


def correct_stamp(schedule: ScheduleState, task: Any, place: Place,
                  micros: int) -> None:
    """Have *task* name the instant at which it waits.

    Not if it waits at the one that it names as well: it will stay there.
    """
    if place.holds(schedule, task) and schedule.in_timetable(task) is None:
        stamp(task, from_micros(micros))


# -- What holds tasks


def park_list(schedule: ScheduleState, instant: datetime, key: int | None,
              lost: Any) -> None:
    """Take a list out of the timetable whose record is gone."""
    schedule.timetable.drop(instant, key)
    _park(schedule, lost, to_micros(instant),
          'the record of a list of tasks is gone')


def drop_list(schedule: ScheduleState, instant: datetime, key: int | None,
              empty: Any) -> None:
    """Take an empty list, or an empty tree of lists, out of the timetable."""
    # Written, so that whoever adds to it conflicts.
    empty._p_changed = True
    schedule.timetable.drop(instant, key)


def park_node(schedule: ScheduleState, lost: Any,
              regrow: Callable[[], object]) -> None:
    """Grow a tree anew that has lost a node."""
    regrow()
    _park(schedule, lost, to_micros(clock.now()),
          'the record of a part of a tree is gone')


def renew_part(schedule: ScheduleState, part: Part) -> None:
    """Put a new one in the place of a part whose record is gone."""
    lost = part.object
    begin_anew(schedule, part)
    _park(schedule, lost, to_micros(clock.now()), part.problem)


def park_claim(schedule: ScheduleState, claim_id: str, lost: Any) -> None:
    """Take a claim out whose record, or that of its slots, is gone."""
    remains.discard(schedule, 'claims', claim_id)
    _park(schedule, lost, to_micros(clock.now()),
          'the record of a claim is gone')


def park_slot(schedule: ScheduleState, claim: Claim, index: int) -> None:
    """Put a new slot in the place of one whose record is gone."""
    lost = claim.slots[index]
    claim.slots[index] = Slot()
    _park(schedule, lost, to_micros(clock.now()),
          'the record of a slot of a claim is gone')


def renew_heartbeat(claim: Claim) -> None:
    """Give *claim* a heartbeat in the place of one whose record is gone."""
    claim.heartbeat = Heartbeat()


def renew_entry(schedule: ScheduleState, id: str, lost: Any) -> None:
    """Park anew what an entry was of, whose record is gone."""
    oid, occurrence = parts_of(id)
    task = lost
    try:
        task = schedule._p_jar.get(p64(oid))
    except POSKeyError:
        pass
    now = clock.now()
    micros = stamp_of(task)
    schedule.parked.forget_lost(lost)
    schedule.parked.add(ParkedTask(
        id, task, now if micros is None else from_micros(micros), now,
        'the record of its entry, with the reason, is gone', '',
        description_of(task), known_principal(task), occurrence))


def note_arrival(schedule: ScheduleState, entry: ParkedTask) -> None:
    """Have a parked entry stand among the arrivals, if it is left."""
    parked = schedule.parked
    if entry in parked and not parked.has_arrived(entry):
        parked.note_arrival(entry)


# -- What is noted of tasks


def note_key(schedule: ScheduleState, task: Any, key: str, place: Place
             ) -> None:
    """Note the key of *task*, which is there."""
    if not place.holds(schedule, task):
        return
    if isinstance(place, InTimetable):
        schedule.keys.remove(task)
        schedule.keys.acquire(task, key)
    else:
        schedule.keys.run(task, key)


def drop_holder(schedule: ScheduleState, key: str) -> None:
    """Nobody holds *key*, if the task that does waits without it."""
    keys = schedule.keys
    task = keys.get(key)
    if task is not None and (
            schedule.in_timetable(task) is None
            or keys.key_of(oid_of(task)) != key):
        del keys.holders[key]


def release_key(schedule: ScheduleState, key: str, oid: int) -> None:
    """No task in a claim has *key*."""
    if schedule.keys.running_with(key) == oid:
        remains.discard(schedule.keys, 'running', key)


def park_keyed(schedule: ScheduleState, task: Any) -> None:
    """Park *task*, which has a key and is in no place."""
    schedule.keys.forget(task)
    micros = stamp_of(task)
    _park(schedule, task,
          to_micros(clock.now()) if micros is None else micros,
          'it had a key, and was in no place')


def park_requests(schedule: ScheduleState, oid: int) -> None:
    """Park the occurrences that were requested of a task that is not here."""
    task, *occurrences = schedule.requests.entries[oid]
    schedule.requests.forget(oid)
    for occurrence in occurrences:
        _park(schedule, task, to_micros(clock.now()),
              'a run was requested, and the task is not here', occurrence)
