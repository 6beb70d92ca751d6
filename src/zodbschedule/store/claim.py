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
"""What one worker, or one call of ``process()``, has taken.

A claim belongs to one incarnation of a worker; its id is never used again.
It holds slots, one for each task of a portion, and they are used again by the
next portion.  One slot a task, and not a list of several, so that cancelling
a task undoes the run of that one and of no other.

::

           hold                 settle
    free ───────▶ waiting ────────────────▶ settled
     ▲               │  ╲ cancel               │
     │               │   ╲─────▶ cancelled     │
     ╰───────────────┴───────────────┴─────────╯
                       free

Only the run of its own task settles a slot; a turn holds and frees it; whoever
unschedules a task cancels it.  Whoever recovers a claim frees every slot and
writes it even if it was free: so a run or a turn of a worker that was wrongly
believed dead conflicts, and its effects vanish.  For the same reason a turn
writes every slot whose outcome it collects: undoing that run is then refused.

What a run schedules is kept in its slot too, until the next turn puts it into
the timetable: so the run writes nothing that others write.  Whoever
unschedules or moves one of these before that takes it out of the slot, and so
conflicts with that turn.
"""

from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from persistent import Persistent
from persistent.list import PersistentList
from ZODB.utils import u64

from zodbschedule.outcomes import CANCELLED
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.store.identity import new_oid
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.labels import oid_in
from zodbschedule.store.remains import is_left


#: a task, and the instant at which it waits or will wait, in microseconds
Placed = tuple[int, Persistent]
#: what the history keeps of an outcome; else the oid of the task
Recorded = tuple[Any, ...] | int

#: the fields of a slot that holds nothing
FREE: tuple[Any, ...] = (None, None, None, (), ())


class Slot(Persistent):
    """The place of one task in a claim.

    Its record is a bare tuple, as short as it may be: every run writes it.
    """

    #: one of `zodbschedule.outcomes`; None if free or waiting
    outcome: int | None = None
    #: while it waits, the instant that it was taken from, and the task; then
    #: what is recorded of its run; None if free
    subject: Any = None
    #: where the same task goes on, if it does
    following: Placed | None = None
    #: what the run has scheduled, in order
    scheduled: list[Placed] | tuple[()] = ()
    #: the entries that the next turn adds to the `labels` of the schedule, and
    #: the complements of those that it removes
    labels: tuple[int, ...] = ()

    def __getstate__(self) -> tuple[Any, ...]:
        if self.labels:
            return (self.outcome, self.subject, self.following,
                    self.scheduled, self.labels)
        if self.scheduled:
            return (self.outcome, self.subject, self.following,
                    self.scheduled)
        if self.following is not None:
            return self.outcome, self.subject, self.following
        return () if self.subject is None else (self.outcome, self.subject)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        (self.outcome, self.subject, self.following, self.scheduled,
         self.labels) = state + FREE[len(state):]

    @property
    def is_free(self) -> bool:
        """Whether it holds nothing."""
        return self.subject is None

    @property
    def waiting(self) -> bool:
        """Whether it holds a task that has no outcome yet."""
        return self.outcome is None and self.subject is not None

    @property
    def task(self) -> Persistent:
        """The task that waits."""
        task: Persistent = self.subject[1]
        return task

    @property
    def micros(self) -> int:
        """The instant from which the waiting task was taken."""
        micros: int = self.subject[0]
        return micros

    @property
    def oid(self) -> int:
        """The oid of the task that waits, or that has the outcome."""
        if self.waiting:
            number: int = u64(self.task._p_oid)
        else:
            record = self.record
            number = self.subject if record is None else record[0]
        return number

    @property
    def record(self) -> tuple[Any, ...] | None:
        """What the history is to keep of the outcome."""
        if self.outcome and type(self.subject) is tuple:
            return self.subject
        return None

    @property
    def coming(self) -> list[Placed]:
        """What the next turn puts into the timetable, with the instants."""
        return [*self.scheduled, *filter(None, [self.following])]

    def hold(self, micros: int, task: Persistent) -> None:
        """Take *task*, which waited at that instant, into a free slot."""
        self.outcome = None
        self.subject = micros, task

    def settle(self, outcome: int, recorded: Recorded,
               following: Placed | None = None) -> None:
        """Put the outcome in the task's place, and where it goes on."""
        self.outcome = outcome
        self.subject = recorded
        self.following = following

    def rename(self, oids: Mapping[int, int]) -> None:
        """Give an outcome another oid, by the one that it has.

        The entries of labels, which have oids, are forgotten.
        """
        self.labels = ()
        if self.outcome is not None:
            oid = new_oid(self.oid, oids)
            record = self.record
            self.subject = oid if record is None else (oid, *record[1:])

    def label(self, added: Iterable[int], removed: Iterable[int]) -> None:
        """Have the next turn add and remove those entries."""
        changes = *added, *(~code for code in removed)
        if changes:
            self.labels += changes

    def forget_labels(self, codes: Container[int]) -> None:
        """Have it not do that for some: entries, or their complements."""
        if any(code in codes for code in self.labels):
            self.labels = tuple(
                code for code in self.labels if code not in codes)

    def _forget_labels_of(self, task: Persistent) -> None:
        oid = u64(task._p_oid) if task._p_oid else 0
        self.forget_labels([code for code in self.labels
                            if oid_in(max(code, ~code)) == oid])

    @property
    def labels_removed(self) -> list[int]:
        """The entries that the next turn removes."""
        return [~code for code in self.labels if code < 0]

    @property
    def labels_added(self) -> list[int]:
        """Those that it adds."""
        return [code for code in self.labels if code >= 0]

    def schedule(self, micros: int, task: Persistent) -> None:
        """Keep *task*, which the run schedules, for the next turn."""
        if not self.scheduled:
            self.scheduled = []
        self.scheduled.append((micros, task))
        self._p_changed = True

    def unschedule(self, task: Persistent) -> bool:
        """Forget *task*, if the run has scheduled it; whether it did."""
        if self.instant_of(task) is None:
            return False
        self._forget_labels_of(task)
        self.scheduled = [
            pair for pair in self.scheduled if pair[1] is not task]
        return True

    def instant_of(self, task: Persistent) -> int | None:
        """Where *task* is to wait, if the run has scheduled it."""
        return next((micros for micros, one in self.scheduled
                     if one is task), None)

    def free(self) -> None:
        """Hold nothing; written in any case."""
        self.__setstate__(())
        self._p_changed = True

    def emptied(self) -> 'Slot':
        """A copy of it, which is in no database; it is free now."""
        copy = Slot()
        copy.__setstate__(self.__getstate__())
        self.free()
        return copy

    def has(self, task: Persistent) -> bool:
        """Whether *task* is here, in whatever way."""
        return any(one is task for one in self.tasks())

    def tasks(self) -> Iterator[Persistent]:
        """All that are here, in whatever way."""
        return (task for _, task in self.pending())

    def pending(self) -> Iterator[Placed]:
        """All that are here, each with the instant at which it is due."""
        if self.waiting:
            yield self.subject
        yield from self.coming

    def drop(self, task: Persistent, recorded: Callable[[int], Recorded]
             ) -> bool:
        """Cancel *task* if it is here, in whatever way; whether it was.

        *recorded* says what is kept of a task that waited at an instant.
        """
        if self.unschedule(task):
            return True
        if self.waiting and self.task is task:
            self.settle(CANCELLED, recorded(self.micros))
            return True
        if self.following is not None and self.following[1] is task:
            self._forget_labels_of(task)
            self.following = None
            return True
        return False


class Heartbeat(Persistent):
    """A sign of life; beside the claim, so that beating hits no run."""

    beats = 0
    #: (oid of the task that runs, done, total), if it has said so
    progress: tuple[int, float, float] | None = None

    def __getstate__(self) -> tuple[Any, ...]:
        return self.beats, self.progress

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.beats, self.progress = state


class Claim(Persistent):
    """One incarnation of a worker, and what it holds."""

    #: for how many seconds it is believed; None: as the schedule says
    lease: float | None = None
    #: how many tasks the last turn has put into it
    filled = 0
    #: the tid after which the run began, if it was relieved since; and the
    #: slot of that run, the only one that still holds anything
    run_since: bytes | None = None
    run_in: int | None = None
    #: how many outcomes of each kind were collected from it: see `OUTCOMES`
    counts: tuple[int, ...] = (0,) * (1 + max(OUTCOMES))

    def __init__(self, name: str, incarnation: Incarnation, since: int = 0,
                 lease: float | None = None) -> None:
        self.name = name
        self._incarnation: tuple[Any, ...] = tuple(incarnation)
        #: when it was made, in microseconds
        self.since = since
        if lease is not None:
            self.lease = lease
        self.heartbeat = Heartbeat()
        self.slots = PersistentList()
        #: how many turns it has made; tells a turn whether it was committed
        self.turns = 0

    @property
    def incarnation(self) -> Incarnation:
        """The process that the worker lives in."""
        return Incarnation(*self._incarnation)

    def fill(self, tasks: list[tuple[int, Persistent]]) -> None:
        """Hold *tasks*, each with the instant that it comes from."""
        missing = len(tasks) - len(self.slots)
        if missing > 0:  # else the list would be written all the same
            self.slots.extend(Slot() for _ in range(missing))
        for slot, (micros, task) in zip(self.slots, tasks, strict=False):
            slot.hold(micros, task)
        self.filled = len(tasks)
        if self.run_since is not None:
            self.run_since = self.run_in = None

    def end(self) -> None:
        """Fence off whoever still makes turns with this claim.

        Unlike what any turn has left, so that this is a change even if a turn
        is undone.  The slots are written as they are freed.
        """
        self.turns = -1

    def count(self, outcomes: list[int]) -> None:
        """Add those that were collected."""
        if outcomes:
            counts = list(self.counts)
            for outcome in outcomes:
                counts[outcome] += 1
            self.counts = tuple(counts)

    @property
    def running(self) -> int | None:
        """The slot whose task runs, as far as the claim tells; or None.

        Runs go by the order of the slots.  So it is the first that waits
        behind the last that has an outcome of a run: what waits before that
        was left there, for a conflict for instance.
        """
        ended = max((index for index, slot in numbered_slots(self)
                     if slot.outcome not in (None, CANCELLED)), default=-1)
        return next((index for index, slot in numbered_slots(self)
                     if index > ended and slot.waiting), None)

    def used(self) -> range:
        """The indexes of the slots that may hold anything."""
        if self.run_in is not None:
            return range(self.run_in, self.run_in + 1)
        return range(self.filled)

    def slot(self, index: int) -> Slot | None:
        """The slot with that index; None if its record is gone."""
        slot: Slot | None = self.slots[index] if is_left(self.slots) else None
        return slot if slot is not None and is_left(slot) else None

    def held(self) -> Iterator[Slot]:
        """The slots whose task has no outcome yet, in order."""
        return (slot for slot in left_slots(self) if slot.waiting)

    def holds(self, task: Persistent) -> bool:
        """Whether *task* is here, in whatever way."""
        return any(slot.has(task) for slot in left_slots(self))

    def drop(self, task: Persistent, recorded: Callable[[int], Recorded]
             ) -> bool:
        """Cancel *task*; whether it was here."""
        return any(slot.drop(task, recorded) for slot in left_slots(self))

    def progress_of(self, slot: Slot) -> tuple[float, float] | None:
        """How far the task of *slot* has come, if its run has said so."""
        if not is_left(self.heartbeat):
            return None
        progress = self.heartbeat.progress
        if progress is None or progress[0] != slot.oid:
            return None
        return progress[1:]

    def relieved(self, index: int) -> None:
        """It hands back all but that slot, in which a run goes on."""
        self.run_since = self.running_since()
        self.run_in = index
        self.filled = 1

    def running_since(self) -> bytes:
        """The tid of the last turn or outcome; then the next run begins."""
        self._p_activate()
        serials: list[bytes] = [self.run_since or self._p_serial]
        serials += (slot._p_serial for slot in left_slots(self)
                    if slot.outcome)
        return max(serials)

    def beat(self) -> Heartbeat:
        """Give a sign of life; the heartbeat, written."""
        if not is_left(self.heartbeat):
            self.heartbeat = Heartbeat()
        self.heartbeat.beats += 1
        return self.heartbeat

    def beaten(self) -> bytes:
        """The tid of the last sign of life."""
        self._p_activate()
        serials: list[bytes] = [self._p_serial]
        if is_left(self.heartbeat):
            serials.append(self.heartbeat._p_serial)
        return max(serials)


def left_slots(claim: Claim) -> Iterator[Slot]:
    """The slots of *claim* that are in use, and whose records are there."""
    return (slot for _, slot in numbered_slots(claim))


def numbered_slots(claim: Claim) -> Iterator[tuple[int, Slot]]:
    """The same, each with its index.

    The others are free, and are not loaded: a claim that once held a large
    portion has many of them.
    """
    if is_left(claim) and is_left(claim.slots):
        for index in claim.used():
            if is_left(claim.slots[index]):
                yield index, claim.slots[index]
