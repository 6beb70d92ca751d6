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
"""Requests: occurrences that a person asked for while a claim held their task.

A run writes nothing that is shared, and no other transaction may write what
the run will write.  So requests are kept here until the task comes back.

No request may be lost.  A transaction that adds one writes this object, and
reads the place of the task as current.  A transaction that lets a task come
back or leave reads this object as current.  If two do that at the same time,
the second one conflicts, in both orders.
"""

from typing import Any

from BTrees.LOBTree import LOBTree
from persistent import Persistent
from persistent.list import PersistentList
from ZODB.utils import u64

from zodbschedule.store import remains
from zodbschedule.store.moved import Moved
from zodbschedule.store.remains import is_left


class Requests(Persistent):
    """The occurrences for which each task is to run once more, in order."""

    #: the tasks that wait for nothing but these: their code was missing where
    #: their series has ended
    unserved: tuple[Persistent, ...] = ()

    def __init__(self, moved: Moved | None = None) -> None:
        self.moved = moved or Moved()
        #: oid -> a list of the task, and of occurrences in microseconds
        self.entries = LOBTree()

    def __contains__(self, oid: object) -> bool:
        return self._entry(oid) is not None

    def _entry(self, oid: object) -> Any:
        """What is noted of the task with that oid, as far as it is left."""
        entry = remains.get(self.entries, oid)
        return entry if entry is not None and is_left(entry) else None

    def task(self, oid: int) -> Any:
        """The task with that oid, if it has requests, or None."""
        entry = self._entry(oid)
        return None if entry is None else entry[0]

    def tasks(self) -> list[Any]:
        """The tasks of which something is requested."""
        return [entry[0] for _, entry in remains.items(self.entries)
                if is_left(entry)]

    def read_current(self) -> None:
        """Conflict if a request is added before this is committed."""
        self._p_activate()
        if self._p_jar is not None:
            self._p_jar.readCurrent(self)

    def fence(self) -> None:
        """Conflict with a request that is added, in both orders."""
        self._p_changed = True

    def add(self, task: Persistent, occurrence: int) -> None:
        """Have *task* run for that occurrence when it comes back."""
        oid = u64(task._p_oid)
        entry = self._entry(oid)
        if entry is None:
            entries = remains.grown(self, 'entries', oid)
            self.moved.note_insert(entries, oid)
            entry = entries[oid] = PersistentList([task])
        if occurrence not in entry[1:]:
            entry.append(occurrence)
        self.fence()

    def pop(self, oid: int) -> int:
        """Remove and return the first occurrence requested of that task."""
        entry = self.entries[oid]
        # Written, even if it is left, so that to append to it conflicts.
        occurrence: int = entry.pop(1)
        if len(entry) == 1:
            remains.discard(self, 'entries', oid)
        return occurrence

    def forget(self, oid: int) -> None:
        """Delete the requests of the task with that oid: it has left."""
        self.read_current()
        if not remains.holds_anything(self.entries):
            return
        entry = remains.discard(self, 'entries', oid)
        if entry is not None and is_left(entry):
            self.end_wait(entry[0])
            entry.clear()

    def begin_wait(self, task: Persistent) -> None:
        """*task* waits for its requests alone."""
        self.unserved += (task,)

    def end_wait(self, task: Persistent) -> bool:
        """It does not any more; whether it did."""
        others = tuple(one for one in self.unserved if one is not task)
        if len(others) == len(self.unserved):
            return False
        self.unserved = others
        return True
