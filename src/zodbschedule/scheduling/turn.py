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

What comes back from a claim goes to its place: a task that was not begun, that
is to be tried again, that goes on in its series, or that a run has scheduled,
to the timetable, with its key if that is free; an outcome to the history.
Since a run writes nothing that is shared, a turn also serves what was
requested of a task meanwhile, see `zodbschedule.store.requests`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from persistent import Persistent
from ZODB.utils import p64
from ZODB.utils import u64
from ZODB.utils import z64

from zodbschedule import outcomes
from zodbschedule.errors.text import LINE
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.plain_text import text
from zodbschedule.scheduling import series
from zodbschedule.scheduling.endings import CutOff
from zodbschedule.scheduling.endings import TaskSnapshot
from zodbschedule.scheduling.endings import known_snapshot
from zodbschedule.scheduling.events import parked_event
from zodbschedule.scheduling.parking import park
from zodbschedule.scheduling.soundness.repairs import park_claim
from zodbschedule.scheduling.soundness.repairs import park_list
from zodbschedule.scheduling.soundness.repairs import park_slot
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.claim import numbered_slots
from zodbschedule.store.history import record
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import stamp_of
from zodbschedule.store.labels import codes_of
from zodbschedule.store.remains import is_left
from zodbschedule.store.state import ScheduleState
from zodbschedule.store.timetable import Batch
from zodbschedule.store.timetable import Gap
from zodbschedule.store.timetable import Wanted
from zodbschedule.task import description_of
from zodbschedule.task import type_of


# So often may a run of one task end its process.  More, and it stops the
# others for longer; fewer, and a machine that fails parks what is healthy.
# The last one has to be a run that went on alone: what merely runs beside one
# that ends its process is counted too.
CRASHES = 3


# -- The parts of a turn


def exchange(schedule: ScheduleState, claim: Claim, limit: int,
             after: datetime | None, now: datetime, wanted: Wanted,
             skip: int = 0, gap: Gap | None = None) -> Batch:
    """Collect what became of a portion, and take the next one into *claim*.

    In this order: what is written last stays in the connection's cache, and
    the runs need the slots, not the lists.
    """
    if schedule.keys.without_oid:
        schedule.keys.assign_oids()
    if schedule.labels.without_oid:
        schedule.labels.assign_oids()
    batch = schedule.timetable.take(
        limit, after, now, wanted, skip, gap)
    if schedule.requests.unserved:
        _serve_unserved(schedule, batch, now)
    for instant, key, lost in batch.lost:
        park_list(schedule, instant, key, lost)
    collect(schedule, claim, now)
    schedule.moved.note(task for _, task in batch.tasks)
    claim.fill([(to_micros(instant), task) for instant, task in batch.tasks])
    if schedule.keys.by_oid:
        for _, task in batch.tasks:
            schedule.keys.claim(u64(task._p_oid))
    claim.turns += 1
    return batch


def collect(schedule: ScheduleState, claim: Claim, now: datetime,
            cut_off: CutOff | None = None, but: int | None = None,
            fence: bool = False) -> list[object]:
    """Free all slots of *claim*: every task and outcome to its place.

    The run *cut_off*, if its task still waits, has ended without an outcome;
    returned is what is to be told of that.  The slot *but* is left alone.
    With *fence* what holds nothing is written as well.
    """
    collection = Collection(schedule, claim.name, now)
    for index, slot in enumerate(claim.slots):
        if not is_left(slot):
            park_slot(schedule, claim, index)
        elif index != but and (fence or not slot.is_free):
            collection.add(slot, cut_off if cut_off is not None and (
                index == cut_off.slot) else None)
    collection.finish()
    claim.count(collection.outcomes)
    return collection.events


def relieve(schedule: ScheduleState, claim_id: str, index: int, now: datetime
            ) -> None:
    """Hand back what a claim holds besides the slot *index*, in which it runs.

    Writes nothing that the run will write.
    """
    claim = schedule.claim(claim_id)
    if claim is not None and any(
            not slot.is_free for number, slot in numbered_slots(claim)
            if number != index):
        _hand_back(schedule, claim, but=index)
        claim.relieved(index)
        collect(schedule, claim, now, but=index)


def withdraw(schedule: ScheduleState, claim_id: str, claim: Claim,
             now: datetime, cut_off: CutOff | None = None) -> list[object]:
    """Dissolve *claim*, our own or one that we recover; see `collect`.

    The claim and every slot are written: whoever still works on it conflicts.
    And no turn can be undone any more: what it has put into the timetable
    would be nowhere.
    """
    claim.end()
    if not is_left(claim.slots):
        park_claim(schedule, claim_id, claim.slots)
        return []
    _hand_back(schedule, claim)
    events = collect(schedule, claim, now, cut_off, fence=True)
    remains.discard(schedule, 'claims', claim_id)
    return events


def _hand_back(schedule: ScheduleState, claim: Claim, but: int | None = None
               ) -> None:
    """Tell all passes if *claim* gives back, besides a slot, what has not run.

    Else it would wait until they are over, behind all that is due.
    """
    if any(slot.waiting for index, slot in numbered_slots(claim)
           if index != but):
        schedule.timetable.returned += 1


# -- Collecting


class Collection:
    """What one turn collects from the slots of a claim, and where it goes."""

    def __init__(self, schedule: ScheduleState, worker: str, now: datetime
                 ) -> None:
        self.schedule = schedule
        self.worker = worker
        self.now = now
        #: what is to wait, by its instant in microseconds
        self.waiting: dict[int, list[Persistent]] = {}
        #: for the history, and the tids of those who have settled them
        self.records: list[tuple[Any, ...]] = []
        self.tids = bytearray()
        self.outcomes: list[int] = []
        #: what is to be told of a run that was cut off
        self.events: list[object] = []
        #: whether any task has a key, or is requested
        self.has_indexes = bool(
            schedule.keys.by_oid) or remains.holds_anything(
                schedule.requests.entries)
        self.has_crashes = remains.holds_anything(schedule.crashes)
        schedule.requests.read_current()

    def add(self, slot: Slot, cut_off: CutOff | None) -> None:
        """Free *slot*, and see what becomes of what it holds.

        *cut_off* is the run of its task, if that has begun.
        """
        # Freed first: what comes back is nowhere at that moment.
        content, tid = slot.emptied(), slot._p_serial
        if content.waiting:
            self._not_run(content, cut_off)
        elif not content.is_free:
            self._settled(content, tid)

    def finish(self) -> None:
        """Put into the timetable and the history what was found."""
        for micros, tasks in self.waiting.items():
            self.schedule.timetable.add(
                from_micros(micros), tasks, apart=True)
        if self.records:
            self.schedule.history.add(
                self.records, self.now, self.worker, bytes(self.tids))

    # -- what a slot can hold

    def _not_run(self, slot: Slot, cut_off: CutOff | None) -> None:
        """The task has no outcome: it waits again, where it was."""
        if cut_off is not None:
            snapshot = known_snapshot(
                slot.task, slot.micros, loads(slot.task))
            if cut_off.crashed and _crash(self.schedule, slot):
                self._park(slot, cut_off, snapshot)
                return
            self._note(slot, cut_off, snapshot, outcomes.INTERRUPTED,
                       cut_off.seen)
        self._restore(slot.micros, slot.task)

    def _note(self, slot: Slot, cut_off: CutOff, snapshot: TaskSnapshot,
              outcome: int, error: str, passed: int = 0) -> None:
        """Its run goes on record, and is told."""
        error = text(error, LINE)
        self.events.append(
            snapshot.event(self.schedule, slot.oid, outcome, error))
        if self.schedule.history.keep:
            self.records.append(snapshot.recorded(
                slot.oid, outcome, error, cut_off.began, passed))
            self.tids += z64

    def _park(self, slot: Slot, cut_off: CutOff, snapshot: TaskSnapshot
              ) -> None:
        """Set the task aside; of a series, this occurrence only."""
        step = self._next(slot)
        entry = park(
            self.schedule, slot.task, slot.micros,
            f'{CRASHES} runs of it ended their process, or were believed to; '
            f'the last one, by {self.worker}, while nothing else ran in that '
            f'process: {cut_off.seen}', cut_off.trace,
            None if step is None else snapshot.occurrence)
        self.events.append(parked_event(self.schedule, entry))
        self._note(slot, cut_off, snapshot, outcomes.FAILED, entry.reason,
                   0 if step is None else step.passed)
        if step is None or step.micros is None:
            self._leave(slot.oid, snapshot.labels)
        else:
            self._continue(step.micros, slot.task)

    def _next(self, slot: Slot) -> series.Step | None:
        """Where the series of the task goes on; None: it is parked whole."""
        task = slot.task
        if not loads(task) or not series.is_repeating(task):
            return None
        try:
            return series.advance_in(
                self.schedule, task, slot.micros, self.now)
        except Exception:  # its recurrence cannot tell
            return None

    def _settled(self, slot: Slot, tid: bytes) -> None:
        """The task has an outcome: it waits for what comes next, or leaves."""
        self._forgive(slot)
        if slot.record is not None:
            self.records.append(slot.record)
            self.tids += tid
        for micros, task in slot.scheduled:
            self._wait(micros, task)
        if slot.labels:
            self._label(slot)
        match slot.outcome, slot.following:
            case outcomes.RETRIED, (micros, task):
                self._restore(micros, task)
            case _, (micros, task):
                self._continue(micros, task)
            case outcomes.CANCELLED, _ if self._is_taken_again(slot.oid):
                pass  # What is noted of it is of its run there.
            case _:
                self._leave(slot.oid, slot.labels_removed)

    def _label(self, slot: Slot) -> None:
        """Have what it has scheduled, and what goes on, be found by labels."""
        self.schedule.labels.add(slot.labels_added)
        if slot.following is not None:
            self.schedule.labels.remove(slot.labels_removed)

    def _forgive(self, slot: Slot) -> None:
        """Forget the crashes of a task that has an outcome now.

        Not if it was cancelled: then those who did have forgotten them, and
        what there is by now is of a task that was scheduled anew.
        """
        self.outcomes.append(slot.outcome or 0)
        if self.has_crashes and slot.outcome != outcomes.CANCELLED:
            remains.discard(self.schedule, 'crashes', slot.oid)

    # -- where a task goes

    def _wait(self, micros: int, task: Persistent) -> None:
        """It waits at that instant."""
        self.waiting.setdefault(micros, []).append(task)

    def _restore(self, micros: int, task: Persistent) -> None:
        """It waits again, with its key if that is free."""
        if self.has_indexes:
            self.schedule.keys.restore(task)
        self._wait(micros, task)

    def _continue(self, micros: int, task: Any) -> None:
        """It has done its work, and goes on in its series."""
        oid = u64(task._p_oid)
        if not self.has_indexes:
            self._wait(micros, task)
        elif self.schedule.keys.is_lost(oid):
            self._supersede(micros, task)
        else:
            if oid in self.schedule.requests and loads(task):
                micros = self._serve(task, micros)
            self._restore(micros, task)

    def _supersede(self, micros: int, task: Any) -> None:
        """Its key is held by one that was scheduled while it ran."""
        oid = u64(task._p_oid)
        holder = self.schedule.keys.get(self.schedule.keys.key_of(oid))
        if self.schedule.history.keep:
            moment = to_micros(self.now)
            self.records.append(record(
                oid, micros, outcomes.CANCELLED, moment,
                description_of(task), type_of(task), None,
                f'its key is held by task {u64(holder._p_oid):x}',
                began=moment))
            self.tids += z64
        self._leave(oid, codes_of(task))

    def _leave(self, oid: int, labels: Iterable[int]) -> None:
        """It is not here any more, unless something is requested of it.

        Or it is here again: parked, or unscheduled and scheduled anew.
        """
        if not self.has_indexes or self._leave_indexes(oid):
            self.schedule.labels.remove(labels)
        pauses = self.schedule.pauses
        task = None if pauses.entries is None else pauses.task(oid)
        if task is not None and not self._is_back(task) and (
                self.schedule.entry_of(task) is None):
            # It was paused while it ran.
            pauses.end(oid)

    def _leave_indexes(self, oid: int) -> bool:
        """Whether nothing is requested of it, for which it waits."""
        task = self.schedule.requests.task(oid)
        if task is None or self._is_back(task) or (
                self.schedule.entry_of(task) is not None):
            self.schedule.keys.drop(oid)
            return True
        if loads(task):
            self._restore(self._serve(task, None), task)
        else:
            # It is left in its place, as all whose code is missing.
            self.schedule.requests.begin_wait(task)
            self._restore(stamp_of(task) or to_micros(self.now), task)
        return False

    def _is_back(self, task: Any) -> bool:
        """Whether a task that has an outcome waits or is in a claim again."""
        return (any(one is task for tasks in self.waiting.values()
                    for one in tasks)
                or self.schedule.in_timetable(task) is not None
                or self.schedule.is_in_claim(task))

    def _is_taken_again(self, oid: int) -> bool:
        """Whether a cancelled task was scheduled anew, and taken again."""
        task = self.schedule.load(p64(oid)) if self.has_indexes else None
        return task is not None and self.schedule.is_taken(task)

    # -- what was requested of a task

    def _serve(self, task: Any, waits: int | None) -> int:
        """See `serve`."""
        return to_micros(serve(self.schedule, task, waits, self.now))


def serve(schedule: ScheduleState, task: Any, waits: int | None, now: datetime
          ) -> datetime:
    """Let *task* run for the first of its requests; the instant of that."""
    series.serve(task, waits, schedule.requests.pop(u64(task._p_oid)), now)
    stamp(task, now)
    return now


def _serve_unserved(schedule: ScheduleState, batch: Batch, now: datetime
                    ) -> None:
    """Let those tasks that wait for their requests alone run for them.

    Those whose code is still missing go on waiting, or are parked.
    """
    requests = schedule.requests
    batch.tasks = [
        (serve(schedule, task, None, now), task)
        if loads(task) and requests.end_wait(task)
        else (instant, task) for instant, task in batch.tasks]


def is_suspect(schedule: ScheduleState, oid: int) -> bool:
    """Whether the next run of that task has to go on alone."""
    return _crashes(schedule, oid) >= CRASHES - 1


def _crashes(schedule: ScheduleState, oid: int) -> int:
    """How many runs of that task have ended their process."""
    count: int = remains.get(schedule.crashes, oid, (0, None))[0]
    return count


def _crash(schedule: ScheduleState, slot: Slot) -> bool:
    """Count a crash of the task in *slot*; whether it is to be parked."""
    oid = slot.oid
    count = _crashes(schedule, oid) + 1
    if count < CRASHES:
        crashes = remains.grown(schedule, 'crashes', oid)
        crashes[oid] = count, slot.task
        return False
    remains.discard(schedule, 'crashes', oid)
    return True
