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
"""Where the tasks of a schedule stand, and how they get there and away.

A task that is scheduled stands in the timetable, in a claim (to be run there,
or since a run there has scheduled it), aside (while another that its run
returned stands for its occurrence), or in the parked set.
All of this happens in the caller's transaction.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

from BTrees.LLBTree import LLBTree
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from ZODB.utils import p64

from zodbschedule import clock
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ITask
from zodbschedule.scheduling.settlement import come_anew
from zodbschedule.scheduling.settlement import leave
from zodbschedule.store.claim import CANCELLED
from zodbschedule.store.claim import Slot
from zodbschedule.store.history import History
from zodbschedule.store.history import record
from zodbschedule.store.keys import Keys
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.parked import ParkedTasks
from zodbschedule.store.pauses import Pauses
from zodbschedule.store.requests import Requests
from zodbschedule.store.stamp import keeps_stamp
from zodbschedule.store.stamp import stamp
from zodbschedule.store.stamp import stamp_of
from zodbschedule.store.timetable import Timetable
from zodbschedule.task import key_of
from zodbschedule.task import known_principal
from zodbschedule.task import known_text
from zodbschedule.task import oid_of
from zodbschedule.task import task_id
from zodbschedule.transactions.borrowing import run_of


class Places(Persistent):
    """What a schedule is made of.  Not for the public: see `Schedule`."""

    def __init__(self) -> None:
        self.timetable = Timetable()
        self.claims = OOBTree()
        self.parked = ParkedTasks()
        self.history = History(self.claims)
        self.keys = Keys()
        self.pauses = Pauses()
        self.requests = Requests()
        #: the oid of a task that a run returned -> the repeating task for
        #: whose occurrence that stands
        self.aside = LOBTree()
        #: task's oid -> how many of its runs ended their process
        self.crashes = LLBTree()

    # -- finding

    def local(self, task: Any) -> Any:
        """*task* as our own connection has it, and without a wrapper.

        None if it cannot be here.
        """
        if not isinstance(task, Persistent) or not may_be_task(task):
            return None
        theirs = task._p_jar
        if theirs is None or self._p_jar is None:
            return task
        if theirs.db() is not self._p_jar.db():
            return None
        return self.load(task._p_oid)

    def load(self, oid: bytes) -> Any:
        """The object with that oid, as far as it can be had; else None."""
        try:
            return self._p_jar.get(oid)
        except POSKeyError:
            # Its record is gone, but perhaps not what refers to it.
            everywhere = chain(self._waiting(), self._held())
            return next(
                (task for task in everywhere if task._p_oid == oid), None)

    def _instants(self, task: Any) -> Iterator[datetime]:
        """Where *task* stands in the timetable, if it stands there."""
        stamped = stamp_of(task)
        if stamped is not None:
            yield from_micros(stamped)
        elif not keeps_stamp(task):
            found = self.timetable.find(task)
            if found is not None:
                yield found

    def entry_of(self, task: Any) -> ParkedTask | None:
        entry = self.parked.get(task_id(task) or '')
        return entry if entry is not None and entry.task is task else None

    def in_timetable(self, mine: Any) -> datetime | None:
        """Where a task of ours stands in the timetable, if it does."""
        return next((instant for instant in self._instants(mine)
                     if self.timetable.holds(instant, mine)), None)

    def waits(self, mine: Any) -> datetime | None:
        """Where a task of ours stands, or will with the next turn.

        The second if a run has scheduled it, and its claim still holds it.
        """
        found = self.in_timetable(mine)
        if found is not None:
            return found
        scheduled = (slot.instant_of(mine) for slot in self._slots())
        return next((from_micros(micros) for micros in scheduled
                     if micros is not None), None)

    def stands(self, mine: Any) -> bool:
        """Whether a task of ours waits, is held, or is parked as a whole."""
        return (self.in_timetable(mine) is not None or self.is_held(mine)
                or self.entry_of(mine) is not None)

    def is_held(self, mine: Any) -> bool:
        """Whether a task is in a claim, or stands aside for one that is."""
        return any(task is mine for task in self._held())

    def is_taken(self, mine: Any) -> bool:
        """Whether a task is in a claim, to be run there."""
        return any(slot.waiting and slot.task is mine
                   for slot in self._slots())

    def _waiting(self) -> Iterator[Any]:
        return (task for instant in self.timetable.times()
                for task in self.timetable.at(instant))

    def _slots(self) -> Iterator[Slot]:
        return (slot for claim in self.claims.values()
                for slot in claim.slots)

    def _held(self) -> Iterator[Any]:
        """What is in claims, in whatever way, and what stands aside."""
        return chain((task for slot in self._slots()
                      for task in slot.tasks()), self.aside.values())

    # -- relying on a place

    def read_current_waiting(self, holder: Any) -> None:
        """Conflict, if *holder* is taken before this transaction commits.

        Its run begins after that, and sees what this one has written.
        """
        for instant in self._instants(holder):
            self.timetable.read_current(instant, holder)

    def read_current_place(self, mine: Any) -> None:
        """Conflict, if *mine* leaves its place before this is committed."""
        self.read_current_waiting(mine)
        oid = oid_of(mine)
        # Also where its outcome is, until that is collected.
        found = [slot for slot in self._slots() if slot.content
                 and (slot.oid == oid or slot.has(mine))]
        found += filter(None, [self.entry_of(mine)])
        for place in found:
            place._p_jar.readCurrent(place)
        for stand_in, task in list(self.aside.items()):
            if task is mine:
                self.read_current_place(self.load(p64(stand_in)))

    # -- coming and leaving

    def put(self, task: Any, instant: datetime) -> None:
        """Have *task*, which is nowhere, stand at *instant*; stamped."""
        self._place(task, instant, True)
        # A series that it stood for finds its key held by now.
        come_anew(self, oid_of(task), clock.now())

    def move(self, task: Any, instant: datetime) -> None:
        """Have *task*, which waits, stand at *instant* instead."""
        in_slot = not self.take_from_timetable(task)
        if in_slot:
            any(slot.unschedule(task) for slot in self._slots())
        self._place(task, instant, in_slot)

    def _place(self, task: Any, instant: datetime, in_slot: bool) -> None:
        """In the slot of the run that goes on, or in the timetable.

        With a key it waits in the timetable, where all see who holds that.
        """
        stamp(task, instant)
        key = key_of(task)
        run = self._run()
        if run is not None:
            run.scheduled.append((to_micros(instant), task))
            if in_slot and key is None:
                run.slot().schedule(to_micros(instant), task)
                return
        self.timetable.add(instant, [task])
        if key is not None:
            self.give_oid(task)
            self.keys.acquire(task, key)

    def _run(self) -> Any:
        """The run of one of our tasks that goes on, or None."""
        if self._p_jar is None:
            return None
        run = run_of(self._p_jar.transaction_manager.get())
        # It may be that of another schedule.
        return run if run is not None and run.schedule is self else None

    def give_oid(self, task: Any) -> None:
        """Let *task* have its id before the commit, if that is possible."""
        if task._p_jar is None and self._p_jar is not None:
            self._p_jar.add(task)

    def take_out(self, mine: Any) -> bool:
        """Remove a task from wherever it stands; whether it did."""
        if self.take_from_timetable(mine):
            self.forget(mine)
            # It may have stood for an occurrence of a series.
            leave(self, oid_of(mine), clock.now())
            return True
        cancelled = partial(self._cancelled, mine)
        if any(claim.drop(mine, cancelled)
               for claim in self.claims.values()) or (
                   self._take_from_aside(mine)):
            self.forget(mine)
            return True
        return False

    def _cancelled(self, mine: Any, micros: int) -> tuple[Any, ...] | int:
        """What is kept of a run that is cancelled: see `Slot.drop`."""
        oid = oid_of(mine)
        if not self.history.keep:
            return oid
        now = to_micros(clock.now())
        return record(
            oid, micros, CANCELLED, now, known_text(mine, 'description'),
            known_principal(mine), began=now)

    def forget(self, mine: Any) -> None:
        """Forget what was noted of a task that leaves."""
        oid = oid_of(mine)
        if oid:
            self.requests.forget(oid)
            self.pauses.end(oid)
            self.crashes.pop(oid, None)

    def take_from_timetable(self, mine: Any) -> bool:
        """Remove a task that waits, and its key; whether it did."""
        for instant in self._instants(mine):
            if self.timetable.remove(instant, mine):
                self.keys.remove(mine)
                return True
        return False

    def _take_from_aside(self, mine: Any) -> bool:
        for oid, task in list(self.aside.items()):
            if task is mine:
                del self.aside[oid]
                self.keys.remove(mine)
                # Which place it had is nowhere written but there.
                self.requests.fence()
                return True
        return False


def may_be_task(obj: Persistent) -> bool:
    """Whether *obj* provides `ITask`, as far as that can be known."""
    try:
        return isinstance(obj, Broken) or ITask.providedBy(obj)
    except POSKeyError:
        return True
