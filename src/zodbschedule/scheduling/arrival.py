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
"""A copy of a schedule arrives: what is noted of its tasks is keyed anew.

A schedule that was copied, or exported and imported, is noticed when it is
loaded: see `zodbschedule.store.identity`.  Parts of it are withheld until
somebody asks for one.  Then all of this happens, in that transaction, once:

- What is noted of a task by its oid, and refers to it, is keyed by the oid
  that it has here: keys, pauses, requests, crashes, what is parked.
- The claims are dissolved.  Their workers know the other schedule, and not
  this one.  What they held waits here, and no crash is counted.
- The history names the tasks that are here by their ids here.

All of it is one transaction, as the copy was, which has written more.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from itertools import chain
from itertools import islice
from operator import itemgetter
from typing import Any

from zodbschedule import clock
from zodbschedule.instant import from_micros
from zodbschedule.interfaces import NotStored
from zodbschedule.logger import log
from zodbschedule.scheduling.soundness.parts import lost_parts
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.store import remains
from zodbschedule.store.claim import left_slots
from zodbschedule.store.identity import new_oid
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import stamp_of
from zodbschedule.store.inspection import stamped_oid
from zodbschedule.store.labels import codes_of
from zodbschedule.store.pauses import ALL
from zodbschedule.store.remains import is_left
from zodbschedule.store.spread import fetch
from zodbschedule.store.state import ScheduleState


# So many tasks are fetched at once, and then given back.  More, and more of
# them are in memory; fewer, and a server is asked more often.
FETCHED = 500


class AtArrival:
    """A part of a schedule that is withheld from a copy until it is used.

    Of no effect where the schedule has the part: it comes before this.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, schedule: ScheduleState | None, owner: object) -> Any:
        if schedule is None:
            return self
        if not schedule.withheld:
            raise AttributeError(self.name)
        arrive(schedule)
        return schedule.__dict__[self.name]


def arrive(schedule: ScheduleState) -> None:
    """Key anew what is noted, in the current transaction.

    Raises `NotStored` if the copy is in no database: then its tasks have no
    oids yet.
    """
    if schedule._p_jar is None:
        raise NotStored(
            'The schedule is a copy that is not in a database yet; put it '
            'there, and commit, before it is used')
    schedule.give_back()
    try:
        arrive_if_whole(schedule)
    except BaseException:
        schedule.withhold()
        raise


def arrive_if_whole(schedule: ScheduleState) -> None:
    """The same, if it is a copy; what is damaged is mended first."""
    if schedule.is_copied and not lost_parts(schedule):
        _key_anew(schedule)


def identify(schedule: ScheduleState) -> None:
    """Have copies be told from now on: something is noted of a task.

    An identity that was not certain may be that of another schedule, which
    has the same oid in another database.
    """
    if schedule.is_identified:
        return
    if schedule.identity is not None and not all(
            old == new for tree, task_of in _noted(schedule)
            for old, new, _ in _notes_in(tree, task_of)):
        _key_anew(schedule)
    schedule.identify()


def _key_anew(schedule: ScheduleState) -> None:
    # It will be written.  Until then it is not to go from the memory, with
    # what was given back.
    schedule._p_changed = True
    notes = [(tree, list(_notes_in(tree, task_of)))
             for tree, task_of in _noted(schedule)]
    oids = {old: new for _, found in notes for old, new, _ in found}
    oids |= schedule.parked.key_anew() | _of_tasks(schedule)
    for tree, found in notes:
        remains.refill(tree, {new: value for _, new, value in found})
    running = schedule.keys.running
    remains.refill(running, {key: new_oid(oid, oids)
                      for key, oid in remains.items(running)})
    schedule.history.rename(oids)
    _dissolve_claims(schedule, oids)
    schedule.history.forget_tids()
    schedule.identify()
    log.info('The schedule %x is a copy, or was imported: what was noted of '
             'its tasks is keyed anew.', oid_of(schedule))


def _dissolve_claims(schedule: ScheduleState, oids: Mapping[int, int]
                     ) -> None:
    requested = schedule.requests.tasks()
    for claim_id, claim in list(schedule.left_claims()):
        for slot in left_slots(claim):
            slot.rename(oids)
        withdraw(schedule, claim_id, claim, clock.now())
    # They may have come back for that.
    schedule.labels.add(code for task in requested if schedule.has(task)
                        for code in codes_of(task))


# -- What is noted


def _noted(schedule: ScheduleState
           ) -> Iterator[tuple[Any, Callable[[Any], Any]]]:
    """What is keyed by oids, and how the task is found in a value."""
    yield schedule.keys.by_oid, itemgetter(1)
    yield schedule.crashes, itemgetter(1)
    yield schedule.requests.entries, _requested
    if schedule.pauses.entries is not None:
        yield schedule.pauses.entries, itemgetter(3)


def _requested(entry: Any) -> Any:
    """The task of which something is requested; None if that is lost."""
    return entry[0] if is_left(entry) else None


def _notes_in(tree: Any, task_of: Callable[[Any], Any]
              ) -> Iterator[tuple[int, int, Any]]:
    """What is noted: by which oid, by which it is to be, and the value.

    The pause of the whole schedule is of no task, and stays.
    """
    for oid, value in remains.items(tree):
        task = task_of(value)
        if task is not None or oid == ALL:
            yield oid, oid_of(task) if oid else ALL, value


# -- The tasks


def _of_tasks(schedule: ScheduleState) -> dict[int, int]:
    """The oids of tasks by those before; they are stamped and labeled anew.
    """
    oids: dict[int, int] = {}
    codes: list[int] = []
    for task in chain(_waiting(schedule), schedule.in_claims()):
        codes += codes_of(task)
        oids[_stamped_anew(schedule, task)] = oid_of(task)
    for entry in schedule.parked:
        oids[_stamped_anew(schedule, entry.task)] = oid_of(entry.task)
    schedule.labels.refill(codes)
    oids.pop(0, None)
    return oids


def _stamped_anew(schedule: ScheduleState, task: Any) -> int:
    """Stamp *task* with its oid; that of before, or 0 if it is not known.

    Those that have no oid in their stamp have neither run nor been moved, and
    there is nothing of them in the history.
    """
    before, micros = stamped_oid(task), stamp_of(task)
    if before not in (0, oid_of(task)) and micros is not None and loads(task):
        stamp(task, from_micros(micros), schedule)
    return before


def _waiting(schedule: ScheduleState) -> Iterator[Any]:
    """The tasks that wait; they are fetched, and may go from the memory."""
    waiting = schedule.waiting()
    while batch := list(islice(waiting, FETCHED)):
        fetch(batch)
        yield from batch
        schedule._p_jar.cacheGC()
