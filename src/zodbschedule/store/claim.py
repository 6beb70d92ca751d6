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

Only the run of its own task settles a slot; a turn holds and frees it; who
unschedules a task cancels it.  Whoever recovers a claim frees every slot and
writes it even if it was free: so a run or a turn of a worker that was wrongly
believed dead conflicts, and its effects vanish.  For the same reason a turn
writes every slot whose outcome it collects: undoing that run is then refused.

What a run schedules stands in its slot as well, until the next turn puts it
into the timetable: so the run writes nothing that others write.  Who
unschedules or moves one of these before takes it out of the slot, and so
conflicts with that turn.
"""

from collections.abc import Callable
from collections.abc import Iterator
from itertools import chain
from typing import Any

from persistent import Persistent
from persistent.list import PersistentList
from ZODB.utils import u64

from zodbschedule.store.incarnation import Incarnation


# What a slot holds, as a small int in its record.
WAITING = 0
SUCCEEDED = 1
RETRIED = 2
FAILED = 3
EXPIRED = 4
CANCELLED = 5

#: the names of those that are outcomes
OUTCOMES = {
    SUCCEEDED: 'succeeded', RETRIED: 'retried', FAILED: 'failed',
    EXPIRED: 'expired', CANCELLED: 'cancelled'}


# Where in a slot's content that is what the run has scheduled.
SCHEDULED = 5

#: of a task that waited at that instant: the record, or its oid
Cancelled = Callable[[int], tuple[Any, ...] | int]


class Slot(Persistent):
    """The place of one task in a claim.

    Its record is a bare tuple: it is written by every run.
    """

    #: () if free, (WAITING, micros, task), or
    #: (outcome, record[, micros, next[, aside]]), where the oid of the task
    #: stands for a record that is not kept; and, in both, as the sixth, what
    #: the run has scheduled: a list of (micros, task)
    content: tuple[Any, ...] = ()

    def __getstate__(self) -> tuple[Any, ...]:
        return self.content

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.content = state

    @property
    def waiting(self) -> bool:
        """Whether the task has no outcome yet."""
        return self.content[:1] == (WAITING,)

    @property
    def outcome(self) -> int | None:
        """One of the constants above; None if free or waiting."""
        return self.content[0] or None if self.content else None

    @property
    def task(self) -> Persistent:
        """The task that waits."""
        return self.content[2]

    @property
    def micros(self) -> int:
        """The instant from which the waiting task was taken."""
        micros: int = self.content[1]
        return micros

    @property
    def oid(self) -> int:
        """The oid of the task that waits, or that has the outcome."""
        oid: int
        if self.waiting:
            oid = u64(self.task._p_oid)
        elif self.record is not None:
            oid = self.record[0]
        else:
            oid = self.content[1]
        return oid

    @property
    def record(self) -> tuple[Any, ...] | None:
        """What the history is to keep of the outcome."""
        about = self.content[1]
        return about if type(about) is tuple else None

    @property
    def following(self) -> tuple[int, Persistent] | None:
        """The instant and the task that take the place of a settled one."""
        content = self.content
        if len(content) < 4 or content[3] is None:
            return None
        return content[2], content[3]

    @property
    def aside(self) -> Persistent | None:
        """The task of a series, for an occurrence of which another stands."""
        return self.content[4] if len(self.content) > 4 else None

    @property
    def scheduled(self) -> list[tuple[int, Persistent]]:
        """What the run has scheduled, each with its instant, in order."""
        content = self.content
        return content[SCHEDULED] if len(content) > SCHEDULED else []

    @property
    def coming(self) -> list[tuple[int, Persistent]]:
        """What the next turn puts into the timetable, with the instants."""
        return [*self.scheduled, *filter(None, [self.following])]

    def hold(self, micros: int, task: Persistent) -> None:
        """Take *task*, which waited at that instant."""
        self.content = (WAITING, micros, task)

    def settle(self, outcome: int, record: tuple[Any, ...] | int,
               following: tuple[int, Persistent] | None = None,
               aside: Persistent | None = None) -> None:
        """Put the outcome, and what comes next, in the task's place."""
        content = (outcome, record) + (following or ()) + (
            () if aside is None else (aside,))
        if len(self.content) > SCHEDULED:
            content = _with(content, self.scheduled)
        self.content = content

    def schedule(self, micros: int, task: Persistent) -> None:
        """Keep *task*, which the run schedules, for the next turn."""
        found = self.scheduled
        found.append((micros, task))
        self.content = _with(self.content, found)

    def unschedule(self, task: Persistent) -> bool:
        """Forget *task*, if the run has scheduled it; whether it did."""
        if self.instant_of(task) is None:
            return False
        self.content = _with(self.content, [
            pair for pair in self.scheduled if pair[1] is not task])
        return True

    def instant_of(self, task: Persistent) -> int | None:
        """Where *task* is to wait, if the run has scheduled it."""
        return next((micros for micros, one in self.scheduled
                     if one is task), None)

    def free(self) -> None:
        """Hold nothing; written in any case."""
        self.content = ()

    def emptied(self) -> 'Slot':
        """What it has held, apart; it is free now."""
        found = Slot()
        found.content = self.content
        self.free()
        return found

    def has(self, task: Persistent) -> bool:
        """Whether *task* stands here, in whatever way."""
        return any(one is task for one in self.tasks())

    def tasks(self) -> Iterator[Persistent]:
        """All that stand here, in whatever way."""
        return chain(
            filter(_is_task, self.content[2:SCHEDULED]),
            (task for _, task in self.scheduled))

    def drop(self, task: Persistent, record: Cancelled) -> bool:
        """Cancel *task* if it stands here, in whatever way.

        *record* says what the history is to keep of a run that is cancelled.
        """
        if not self.has(task):
            return False
        if self.unschedule(task):
            return True
        if self.waiting:
            content: tuple[Any, ...] = (CANCELLED, record(self.micros))
        elif self.aside is task:
            content = self.content[:4]
        elif self.aside is not None:
            content = (*self.content[:3], None, self.aside)
        else:
            content = self.content[:2]
        self.content = _with(content, self.scheduled)
        return True


def _with(content: tuple[Any, ...], scheduled: list[tuple[int, Persistent]]
          ) -> tuple[Any, ...]:
    """*content* with what the run has scheduled, in no more than it takes."""
    content = content[:SCHEDULED]
    if scheduled:
        return content + (None,) * (SCHEDULED - len(content)) + (scheduled,)
    while content[-1] is None:
        content = content[:-1]
    return content


def _is_task(value: Any) -> bool:
    """Not an instant, and not None."""
    return isinstance(value, Persistent)


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
    #: the tid after which the run began, if it was relieved since
    run_since: bytes | None = None
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
            self.run_since = None

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
        ended = max((index for index, slot in enumerate(self.slots)
                     if slot.outcome not in (None, CANCELLED)), default=-1)
        return next((index for index, slot in enumerate(self.slots)
                     if index > ended and slot.waiting), None)

    def held(self) -> Iterator[Slot]:
        """The slots whose task has no outcome yet, in order."""
        return (slot for slot in self.slots if slot.waiting)

    def holds(self, task: Persistent) -> bool:
        """Whether *task* stands here, in whatever way."""
        return any(slot.has(task) for slot in self.slots)

    def drop(self, task: Persistent, record: Cancelled) -> bool:
        """Cancel *task*; whether it was here."""
        return any(slot.drop(task, record) for slot in self.slots)

    def progress_of(self, slot: Slot) -> tuple[float, float] | None:
        """How far the task of *slot* has come, if its run has said so."""
        progress = self.heartbeat.progress
        if progress is None or progress[0] != slot.oid:
            return None
        return progress[1:]

    def relieved(self) -> None:
        """It is handed back what is not *running*, which goes on."""
        self.run_since = self.running_since()
        self.filled = 1

    def running_since(self) -> bytes:
        """The tid of the last turn or outcome; then the next run begins."""
        self._p_activate()
        serials: list[bytes] = [self.run_since or self._p_serial]
        serials += (slot._p_serial for slot in self.slots if slot.outcome)
        return max(serials)

    def beaten(self) -> bytes:
        """The tid of the last sign of life."""
        self._p_activate()
        self.heartbeat._p_activate()
        serials: tuple[bytes, bytes] = (
            self._p_serial, self.heartbeat._p_serial)
        return max(serials)
