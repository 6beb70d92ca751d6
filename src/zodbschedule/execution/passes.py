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
"""A pass: once through what is due, ascending, in portions.

Which tasks that are due it takes is decided here.  It leaves in their places:
what its own runs have scheduled, so that it ends; what is paused or held off;
what misses its code; of two tasks with one key the second; and what may have
ended its process, which then runs alone.
"""

import logging
from datetime import datetime

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.utils import u64

from zodbschedule import clock
from zodbschedule.execution.backoff import NO_ROOM
from zodbschedule.execution.backoff import Backoff
from zodbschedule.execution.failure import is_long_overdue
from zodbschedule.execution.held_back import HeldBack
from zodbschedule.execution.outcome import RunResult
from zodbschedule.instant import from_micros
from zodbschedule.logger import log
from zodbschedule.scheduling.turn import is_suspect
from zodbschedule.store.pauses import ALL
from zodbschedule.store.remains import holds_anything
from zodbschedule.store.state import ScheduleState
from zodbschedule.store.timetable import SWEEP
from zodbschedule.store.timetable import Batch
from zodbschedule.store.timetable import Gap
from zodbschedule.task import label_of


class Pass:
    """One pass over what is due at *now*.

    With *patient*, for a loop of passes, a task that could not run for any
    reason is held off, and not only one that conflicted.
    """

    def __init__(self, schedule: ScheduleState, now: datetime,
                 backoff: Backoff, held_back: HeldBack, patient: bool
                 ) -> None:
        self.schedule = schedule
        self.now = now
        self.begun = clock.now()
        self.backoff = backoff
        self.held_back = held_back
        self.patient = patient
        #: where it has begun, and where it goes on, inclusive
        self.start: datetime | None = None
        self.cursor: datetime | None = None
        #: what it steps over, since nothing there may be taken
        self.gap: Gap | None = None
        #: emptied instants that were passed, or left behind
        self.husks = 0
        #: what its runs scheduled ahead of it, which it leaves
        self.fresh: set[int] = set()
        #: what is due and stays in its place
        self.left: set[int] = set()
        #: whether any task has a key, and whether any has ended its process;
        #: None: it was not asked yet
        self.has_keys: bool | None = None
        self.has_crashes: bool | None = None
        #: the keys of what a turn is about to take -> the oid of its task
        self.chosen: dict[str, int] = {}
        #: what it has met, and has to run alone
        self.suspects: set[int] = set()
        #: the one of these that the next turn takes
        self.suspect: int | None = None

    # -- where it is

    def begin(self) -> None:
        """Step over what is known to be held back."""
        self.start, self.gap = self.held_back.begin(self.now)
        self.cursor = self.start

    def begin_anew(self) -> None:
        """Go back to the head: something came back that had not run."""
        self.start = self.cursor = self.gap = None

    def go_on(self, batch: Batch) -> None:
        """A turn that took *batch* was committed."""
        self.cursor = batch.cursor
        self.husks = batch.husks

    def sweep(self, batch: Batch, limit: int) -> None:
        """Remove emptied instants when there are many."""
        batch.husks += self.husks
        if batch.husks >= SWEEP:
            # A full portion has looked no further; the rest would be loaded,
            # each time.
            full = len(batch.tasks) == limit
            self.schedule.timetable.sweep(
                batch.cursor if full and batch.cursor else self.now,
                self.start, self.gap)
            batch.husks = 0

    # -- looking

    def is_anything_due(self) -> bool:
        """Whether there is a task for it to take."""
        self.choose()
        if ALL in self.schedule.pauses or self.backoff.holds(
                NO_ROOM, self.now):
            return False
        portion = Batch(self.cursor, self.gap)
        found = self.schedule.timetable.has(self.now, self._wants, portion)
        self.held_back.extend(portion.passed)
        return found

    def next_due(self) -> datetime | None:
        """When a task comes due, or ceases to be held off."""
        if not self.patient:
            return None  # There is no further pass.
        now = self.now
        times = (at for at in self.schedule.timetable.times(now) if at > now)
        ends = (next(times, None), self.backoff.next_end(self.left, now),
                self.held_back.next_check())
        return min(filter(None, ends), default=None)

    # -- which tasks are taken

    def choose(self) -> None:
        """A look, or a try of a turn, begins to choose tasks."""
        self.chosen.clear()
        self.has_keys = self.has_crashes = None

    def takes(self, instant: datetime, task: Persistent) -> bool:
        """Whether the next turn takes it: a suspect is taken by itself."""
        oid = u64(task._p_oid)
        if self.suspect is not None:
            return oid == self.suspect and self._wants(instant, task)
        wanted = self._wants(instant, task)
        if wanted and self._is_suspect(oid):
            self.suspects.add(oid)
            return False
        return wanted

    def _is_suspect(self, oid: int) -> bool:
        if self.has_crashes is None:
            self.has_crashes = holds_anything(self.schedule.crashes)
        return self.has_crashes and is_suspect(self.schedule, oid)

    def _wants(self, instant: datetime, task: Persistent) -> bool:
        """Whether a task that is due may be taken; loads nothing of it."""
        oid = u64(task._p_oid)
        pauses = self.schedule.pauses
        if oid in self.fresh or (
                pauses.entries is not None and pauses.hold(oid)):
            return False
        if self.backoff.pauses and self.backoff.holds(oid, self.now):
            self.left.add(oid)
            return False
        if isinstance(task, Broken) and not is_long_overdue(
                self.schedule, instant, self.now):
            self._leave_broken(oid, task)
            return False
        return self._key_is_free(oid)

    def _leave_broken(self, oid: int, task: Broken) -> None:
        if oid not in self.left:
            missing = type(task)
            name = f'{missing.__module__}.{missing.__name__}'
            level = logging.DEBUG if name in self.backoff.missing else (
                logging.WARNING)
            self.backoff.missing.add(name)
            log.log(level, 'Task %s is left in its place: %s cannot be '
                    'imported', label_of(task), name)
            if self.patient:
                self.hold_off(oid)
        self.left.add(oid)

    def _key_is_free(self, oid: int) -> bool:
        """Whether no task of the same key is taken, or runs."""
        keys = self.schedule.keys
        if self.has_keys is None:
            # Once, for all tasks: that looks into many trees.
            self.has_keys = bool(keys.by_oid)
        key = keys.key_of(oid) if self.has_keys else ''
        if not key:
            return True
        if keys.running_with(key) is not None or (
                self.chosen.get(key, oid) != oid):
            self.left.add(oid)
            return False
        self.chosen[key] = oid
        return True

    # -- what became of a run

    def note(self, oid: int, result: RunResult) -> None:
        """The run of that task has ended."""
        if result.outcome is None:
            self.left.add(oid)
            self.fresh.add(oid)
        else:
            self.left.discard(oid)
        if result.conflicted or self.patient and result.outcome is None:
            self.hold_off(oid)
        elif self.backoff.pauses:
            self.backoff.forget(oid)
            self.backoff.forget(NO_ROOM)
        for micros, task in result.scheduled:
            if task._p_oid and self._is_ahead(micros):
                self.fresh.add(u64(task._p_oid))

    def _is_ahead(self, micros: int) -> bool:
        """Whether it would still come to that instant."""
        instant = from_micros(micros)
        return instant <= self.now and (
            self.cursor is None or instant >= self.cursor)

    def hold_off(self, oid: int) -> None:
        """Leave that task in its place for a while."""
        self.backoff.hold(oid, self.now)
