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
"""What comes back from a claim, each to its place.

A task that was not begun, that is to be tried again, that goes on in its
series, or that a run has scheduled, to the timetable, with its key if that is
free; an outcome to the history.  Two things may have happened meanwhile, and
are seen to here, since a run writes nothing that is shared:

* Somebody asked for an occurrence, see `zodbschedule.store.requests`.
* Another task that the run returned stood for the occurrence of a series
  (``schedule.aside``: the oid of that one -> the task of the series).  When
  that has ended, the series goes on.

Each happens in the current transaction, and whoever calls commits.
"""

from datetime import datetime
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.utils import p64
from ZODB.utils import u64

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.scheduling import series
from zodbschedule.scheduling.parking import park_and_tell
from zodbschedule.scheduling.series import Policy
from zodbschedule.scheduling.series import Step
from zodbschedule.store.claim import CANCELLED
from zodbschedule.store.claim import RETRIED
from zodbschedule.store.claim import Slot
from zodbschedule.store.history import record
from zodbschedule.store.stamp import stamp
from zodbschedule.task import Task
from zodbschedule.task import known_text
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


class Returning:
    """One collection of what a worker held."""

    def __init__(self, schedule: Any, worker: str, now: datetime) -> None:
        self.schedule = schedule
        self.worker = worker
        self.now = now
        self.waiting: dict[int, list[Persistent]] = {}
        self.records: list[tuple[Any, ...]] = []
        #: whether there is anything that the end of a task could matter to
        self.matters = bool(schedule.keys.by_oid or schedule.requests.entries
                            or schedule.aside)
        schedule.requests.read_current()

    def finish(self) -> None:
        """Put into the timetable and the history what was found."""
        for micros, tasks in self.waiting.items():
            self.schedule.timetable.add(
                from_micros(micros), tasks, apart=True)
        self.schedule.history.add(self.records, self.now, self.worker)

    def wait(self, micros: int, task: Persistent) -> None:
        """It stands at that instant again, with its key if that is free."""
        if self.matters:
            self.schedule.keys.restore(task)
        self.waiting.setdefault(micros, []).append(task)

    # -- a slot with an outcome

    def settled(self, slot: Slot) -> None:
        """Its task comes back, or another, or none."""
        if slot.record is not None:
            self.records.append(slot.record)
        for micros, task in slot.scheduled:
            self.waiting.setdefault(micros, []).append(task)
        micros, task = slot.following or (0, None)
        if task is not None and u64(task._p_oid) == slot.oid:
            if slot.outcome == RETRIED:
                self.wait(micros, task)
            else:
                self._go_on(micros, task)
            return
        if task is not None:
            self._another(micros, task)
        if task is not None and slot.outcome == RETRIED:
            self._replaced(slot, u64(task._p_oid))
        elif slot.aside is not None:
            self._series_goes_on(slot.aside)
        elif slot.outcome != CANCELLED or not self._is_taken(slot.oid):
            self.end(slot.oid)

    def _another(self, micros: int, task: Any) -> None:
        """A task that the run returned instead of its own."""
        self.stood_in(u64(task._p_oid))
        key = task.key if isinstance(task, Task) and loads(task) else None
        if key is not None:
            self.schedule.keys.acquire(task, key)
        self.waiting.setdefault(micros, []).append(task)

    def _replaced(self, slot: Slot, stand_in: int) -> None:
        """Another task stands for the occurrence of this one."""
        if slot.aside is not None:
            self.schedule.keys.release(slot.oid)
            self.schedule.aside[stand_in] = slot.aside
            return
        self.schedule.keys.drop(slot.oid)
        aside = self.schedule.aside.pop(slot.oid, None)
        if aside is not None:
            self.schedule.aside[stand_in] = aside

    def end(self, oid: int) -> None:
        """A task is here no more, unless somebody has asked for it.

        Or it is here again: parked, or unscheduled and come anew.
        """
        if not self.matters:
            return
        task = self.schedule.requests.task(oid)
        known = task is not None or oid in self.schedule.aside
        if known and self._is_back(oid):
            # What it stands for now is another matter.
            self.schedule.keys.drop(oid)
            return
        if task is None or self.schedule.entry_of(task) is not None:
            self.schedule.keys.drop(oid)
        elif loads(task):
            _, occurrence = self.schedule.requests.pop(oid)
            self.wait(self._ask(task, None, occurrence), task)
        else:
            self.schedule.keys.drop(oid)
            self._park_asked(oid)
        self.stood_in(oid)

    def _is_back(self, oid: int) -> bool:
        """Whether a task that has an outcome waits or is held again."""
        task = self.schedule.load(p64(oid))
        return task is not None and (
            any(one is task for tasks in self.waiting.values()
                for one in tasks)
            or self.schedule.in_timetable(task) is not None
            or self.schedule.is_held(task))

    def _is_taken(self, oid: int) -> bool:
        """Whether a cancelled task was scheduled anew, and taken again.

        What is noted of it is of its run there.
        """
        task = self.schedule.load(p64(oid)) if self.matters else None
        return task is not None and self.schedule.is_taken(task)

    def _park_asked(self, oid: int) -> None:
        """Nothing can be asked of a task whose class is missing here."""
        while (asked := self.schedule.requests.pop(oid)) is not None:
            task, occurrence = asked
            park_and_tell(
                self.schedule, task, to_micros(self.now),
                'somebody has asked for it, and it cannot be loaded',
                occurrence)

    # -- series

    def _go_on(self, micros: int, task: Any) -> None:
        """A task that has done its work waits for what comes next."""
        oid = u64(task._p_oid)
        if self.schedule.keys.is_lost(oid):
            self._superseded(micros, task)
            return
        if loads(task):
            asked = self.schedule.requests.pop(oid)
            if asked is not None:
                micros = self._ask(task, micros, asked[1])
        self.wait(micros, task)
        self.stood_in(oid)

    def _ask(self, task: Any, standing: int | None, occurrence: int) -> int:
        series.ask(task, standing, occurrence, self.now)
        stamp(task, self.now)
        return to_micros(self.now)

    def _superseded(self, micros: int, task: Any) -> None:
        """Its key is held by one that was scheduled while it ran."""
        oid = u64(task._p_oid)
        holder = self.schedule.keys.get(self.schedule.keys.key_of(oid))
        if self.schedule.history.keep:
            moment = to_micros(self.now)
            self.records.append(record(
                oid, micros, CANCELLED, moment,
                known_text(task, 'description'), None,
                f'its key is held by task {u64(holder._p_oid):x}',
                began=moment))
        self.end(oid)

    def stood_in(self, oid: int) -> None:
        """If it stood for the occurrence of a series, that goes on."""
        task = self.schedule.aside.pop(oid, None)
        if task is not None:
            self._series_goes_on(task)

    def _series_goes_on(self, task: Any) -> None:
        """The task that stood aside comes back."""
        try:
            refuse_unloadable(task)
            step = go_on(self.schedule, task, to_micros(task.time), self.now)
        except CodeMissing as error:
            # Waiting, it would run again for what the other has done.
            park_and_tell(
                self.schedule, task, to_micros(self.now), str(error))
            self.end(u64(task._p_oid))
            return
        if step.micros is None:
            self.end(u64(task._p_oid))
        else:
            self._go_on(step.micros, task)


def leave(schedule: Any, oid: int, now: datetime) -> None:
    """A task that waited is here no more: see to what it stood for."""
    if oid in schedule.aside:
        returning = Returning(schedule, '', now)
        returning.end(oid)
        returning.finish()


def come_anew(schedule: Any, oid: int, now: datetime) -> None:
    """A task that stood nowhere has come: what it stood for has ended."""
    if oid and oid in schedule.aside:
        returning = Returning(schedule, '', now)
        returning.stood_in(oid)
        returning.finish()


def go_on(schedule: Any, task: Any, micros: int, now: datetime,
          expired: bool = False) -> Step:
    """Have *task* stand for what comes next, by the settings of *schedule*.

    Raises `CodeMissing` if that cannot be computed here: another process may
    know the time zone.
    """
    policy = policy_of(schedule, u64(task._p_oid))
    try:
        step = series.go_on(task, micros, now, policy, expired)
    except InvalidRecurrence as error:
        raise CodeMissing(
            f'its next occurrence cannot be computed: {error}') from error
    if step.micros is not None:
        stamp(task, from_micros(step.micros))
    return step


def policy_of(schedule: Any, oid: int) -> Policy:
    """What the settings say of the task with that oid."""
    return Policy(schedule.catch_up,
                  series.part(schedule.spread, schedule.seed, oid))


def loads(task: Any) -> bool:
    """Whether the state of *task* can be had here."""
    try:
        refuse_unloadable(task)
    except CodeMissing:
        return False
    return True


def refuse_unloadable(task: Any) -> None:
    """Raise `CodeMissing` if the state of *task* cannot be had here."""
    refuse_broken(task)
    try:
        task._p_activate()
    except Exception as error:
        if is_transient(error) or is_storage_failure(error):
            raise
        raise CodeMissing(f'it cannot be loaded: {error!r}') from error


def refuse_broken(task: Any) -> None:
    """Raise `CodeMissing` if the class of *task* cannot be imported."""
    if isinstance(task, Broken):
        cls = type(task)
        raise CodeMissing(
            f'{cls.__module__}.{cls.__name__} cannot be imported')
