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
"""How tasks get to their places in a schedule, and away.

All of this happens in the caller's transaction.  A task is given as
`ScheduleState.local` gives it.
"""

from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from ZODB.utils import z64

from zodbschedule import clock
from zodbschedule.instant import to_micros
from zodbschedule.outcomes import CANCELLED
from zodbschedule.scheduling import series
from zodbschedule.scheduling.arrival import identify
from zodbschedule.store import remains
from zodbschedule.store.history import record
from zodbschedule.store.inspection import known_principal
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import stamp
from zodbschedule.store.labels import Codes
from zodbschedule.store.labels import codes_of
from zodbschedule.store.labels import labels_of
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import description_of
from zodbschedule.task import key_of
from zodbschedule.task import type_of
from zodbschedule.transactions.borrowing import run_of


#: who is told of a schedule, a task that has just come into it, and when that
#: is to run; in the transaction of the caller; must not raise
observers: list[Callable[[ScheduleState, Any, datetime], None]] = []


# -- Coming


def put(schedule: ScheduleState, task: Any, instant: datetime) -> None:
    """Let *task*, which is nowhere, wait at *instant*."""
    _wait(schedule, task, instant, in_claim=True)
    for observer in observers:
        observer(schedule, task, instant)


def move(schedule: ScheduleState, task: Any, instant: datetime) -> None:
    """Let *task*, which waits, wait at *instant* instead."""
    in_claim = not take_from_timetable(schedule, task)
    if in_claim:
        any(slot.unschedule(task) for slot in schedule.slots())
    _wait(schedule, task, instant, in_claim)


def _wait(schedule: ScheduleState, task: Any, instant: datetime,
          in_claim: bool) -> None:
    """In the slot of the current run, or in the timetable.

    A task with a key waits in the timetable, where all see that it holds it.
    """
    stamp(task, instant, schedule)
    key = key_of(task)
    added = _labeled(schedule, task) if in_claim else ()
    run = _current_run(schedule)
    if run is not None:
        run.scheduled.append((to_micros(instant), task))
        if in_claim and key is None:
            schedule.moved.note([task])
            run.slot().schedule(to_micros(instant), task)
            run.slot().label(added, ())
            return
    if added:
        schedule.labels.add(added)
    schedule.timetable.add(instant, [task])
    if key is not None:
        identify(schedule)
        give_oid(schedule, task)
        schedule.keys.acquire(task, key)


def _labeled(schedule: ScheduleState, task: Any) -> Codes:
    """The entries of *task*, which comes, by its labels.

    If they are there it has left just now, and no turn is to remove them.
    """
    if not labels_of(task):
        return ()
    identify(schedule)
    give_oid(schedule, task)
    if task._p_oid is None:
        schedule.labels.wait_for_oid(task)
    added = codes_of(task)
    # A new one never was.
    if task._p_serial != z64 and any(
            code in schedule.labels.entries for code in added):
        _forget_labels(schedule, [~code for code in added])
    return added


def _forget_labels(schedule: ScheduleState, codes: Container[int]) -> None:
    """Have no turn add or remove some entries for what has run."""
    for slot in schedule.slots():
        slot.forget_labels(codes)


@contextmanager
def relabeling(schedule: ScheduleState, task: Any) -> Iterator[None]:
    """Inside, the labels of *task*, which is here, may be changed."""
    before = codes_of(task)
    yield
    after = codes_of(task)
    if before != after:
        identify(schedule)
        # A run may have scheduled it just now.
        _forget_labels(schedule, {*before, *(~code for code in after)})
        schedule.labels.remove(set(before) - set(after))
        schedule.labels.add(after)


def _current_run(schedule: ScheduleState) -> Any:
    """The run of one of our tasks, if this is its transaction; or None."""
    if schedule._p_jar is None:
        return None
    run = run_of(schedule._p_jar.transaction_manager.get())
    # It may be that of another schedule.
    return run if run is not None and run.schedule is schedule else None


def give_oid(schedule: ScheduleState, task: Any) -> None:
    """Let *task* have its id before the commit, if that is possible."""
    if task._p_jar is None and schedule._p_jar is not None:
        schedule._p_jar.add(task)


# -- Leaving


def take_out(schedule: ScheduleState, task: Any) -> bool:
    """Remove *task* from the timetable or from a claim; whether it did."""
    removed = take_from_timetable(schedule, task) or any(
        claim.drop(task, partial(_cancelled, schedule, task))
        for _, claim in schedule.left_claims())
    if removed:
        forget(schedule, task)
    return removed


def take_from_timetable(schedule: ScheduleState, task: Any) -> bool:
    """Remove *task*, if it waits, and its key; whether it did."""
    for instant in schedule.instants_of(task):
        if schedule.timetable.remove(instant, task):
            schedule.keys.remove(task)
            return True
    return False


def _cancelled(schedule: ScheduleState, task: Any, micros: int
               ) -> tuple[Any, ...] | int:
    """What is kept of a run that is cancelled: see `Slot.drop`."""
    oid = oid_of(task)
    if not schedule.history.keep:
        return oid
    now = to_micros(clock.now())
    return record(
        oid, micros, CANCELLED, now, description_of(task),
        type_of(task), known_principal(task), began=now)


def forget(schedule: ScheduleState, task: Any) -> None:
    """Forget what was noted of *task*, which leaves."""
    if labels_of(task):
        schedule.labels.forget(task)
    oid = oid_of(task)
    if oid:
        schedule.requests.forget(oid)
        schedule.pauses.end(oid)
        remains.discard(schedule, 'crashes', oid)


def record_dropped(schedule: ScheduleState, task: Any, instead: datetime,
                   now: datetime, why: str) -> None:
    """Record the occurrence for which *task* waits, if that is due *now*.

    It will not run: what runs *instead* comes later.
    """
    waits_at = schedule.waits(task)
    if not oid_of(task) or waits_at is None or instead <= now or (
            not schedule.history.keep):
        return
    micros, moment = to_micros(waits_at), to_micros(now)
    occurrence = series.occurrence_of(task, micros)
    if occurrence <= moment:
        schedule.history.add([record(
            oid_of(task), micros, CANCELLED, moment,
            description_of(task), type_of(task),
            known_principal(task), f'{why} before it ran', began=moment,
            attempt=series.attempt_of(task), occurrence=occurrence)], now, '')


# -- Relying on a place


def read_current_waiting(schedule: ScheduleState, task: Any) -> None:
    """Conflict, if *task* is taken before this transaction commits.

    Its run begins after that, and sees what this one has written.
    """
    for instant in schedule.instants_of(task):
        schedule.timetable.read_current(instant, task)


def read_current_place(schedule: ScheduleState, task: Any) -> None:
    """Conflict, if *task* leaves its place before this is committed."""
    read_current_waiting(schedule, task)
    oid = oid_of(task)
    # Also where its outcome is, until that is collected.
    found: list[Any] = [slot for slot in schedule.slots() if not slot.is_free
                        and (slot.oid == oid or slot.has(task))]
    found += filter(None, [schedule.entry_of(task)])
    for place in found:
        place._p_jar.readCurrent(place)
