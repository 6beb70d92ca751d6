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
"""Keys: at most one waiting task holds one, and none runs beside another.

::

    come ─▶ holds ─ take ─▶ busy ─ give_back ─▶ holds, or waits without it
                              ╰─── end ─▶ gone

A task that comes back from a claim finds its key held, perhaps, by one that
was scheduled meanwhile.  If it has not done its work it waits without the key
then, so that nothing is lost; it still does not run beside the other.
"""

from collections.abc import Iterator
from typing import Any
from zlib import crc32

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.utils import u64
from zope.interface import implementer

from zodbschedule.interfaces import IKeys
from zodbschedule.store import remains
from zodbschedule.store.spread import Spread


class Holders(Spread):
    """Key -> the waiting task that holds it."""

    tree_class = OOBTree

    def number(self, stored: str) -> int:
        return crc32(stored.encode('utf-8', 'surrogatepass'))


class ByOid(Spread):
    """Oid of a task -> its key, and the task.  Oids come in ascending order.
    """

    tree_class = LOBTree


@implementer(IKeys)
class Keys(Persistent):
    """See `IKeys`."""

    #: tasks that had no oid when they were scheduled, with their keys
    without_oid: tuple[tuple[Persistent, str], ...] = ()

    def __init__(self) -> None:
        #: key -> the waiting task that holds it
        self.holders = Holders()
        #: the oid of every task with a key that is here -> the key, the task
        self.by_oid = ByOid()
        #: key -> the oid of the task in a claim
        self.running = OOBTree()

    # -- looking

    def get(self, key: str, default: Any = None) -> Any:
        """See `IKeys`."""
        if not isinstance(key, str):
            return default
        return self.holders.get(plain(key), default)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and plain(key) in self.holders

    def __iter__(self) -> Iterator[str]:
        return self.holders.ascending()

    def key_of(self, oid: int) -> str:
        """The key of the task with that oid; '', which is none."""
        key: str = self.by_oid.get(oid, ('', None))[0]
        return key

    def running_with(self, key: str) -> int | None:
        """The oid of the task in a claim that has *key*, or None."""
        oid: int | None = remains.get(self.running, key)
        return oid

    def is_lost(self, oid: int) -> bool:
        """Whether another task holds the key of that one."""
        holder = self.holders.get(self.key_of(oid))
        return holder is not None and u64(holder._p_oid) != oid

    # -- in the timetable

    def acquire(self, task: Persistent, key: str) -> None:
        """Let *task*, which is to wait, hold *key* if that is free."""
        key = plain(key)
        self.holders.setdefault(key, task)
        if task._p_oid is None:
            self.without_oid += ((task, key),)
            return
        oid = u64(task._p_oid)
        if self.key_of(oid) != key:
            # Unscheduled in a claim, where it had another: the run there
            # comes to nothing.
            self.release(oid)
        self.by_oid[oid] = key, task

    def assign_oids(self) -> None:
        """Note the oids of those that had none; for the first turn."""
        for task, key in self.without_oid:
            self.by_oid[u64(task._p_oid)] = key, task
        self.without_oid = ()

    def remove(self, task: Persistent) -> None:
        """Forget *task*, which is leaving the schedule."""
        key = self._remove_without_oid(task)
        if task._p_oid is not None:
            oid = u64(task._p_oid)
            key = self.key_of(oid) or key
            # Unscheduled in a claim before, it is noted until that is freed.
            if self.running_with(key) != oid:
                self.by_oid.pop(oid, None)
        if self.holders.get(key) is task:
            del self.holders[key]

    def _remove_without_oid(self, task: Persistent) -> str:
        key = next((key for one, key in self.without_oid if one is task), '')
        if key:
            self.without_oid = tuple(
                pair for pair in self.without_oid if pair[0] is not task)
        return key

    # -- in a claim

    def claim(self, oid: int) -> None:
        """The task goes into a claim."""
        key = self.key_of(oid)
        if key:
            holder = self.holders.get(key)
            if holder is not None and u64(holder._p_oid) == oid:
                del self.holders[key]
            remains.grown(self, 'running', key)[key] = oid

    def release(self, oid: int) -> None:
        """The task is not in a claim any more."""
        key = self.key_of(oid)
        if self.running_with(key) == oid:
            remains.discard(self, 'running', key)

    def restore(self, task: Persistent) -> None:
        """The task waits again, with its key if nobody else has that."""
        oid = u64(task._p_oid)
        self.release(oid)
        key = self.key_of(oid)
        if key and key not in self.holders:
            self.holders[key] = task

    def drop(self, oid: int) -> None:
        """The task that was in a claim is not in the schedule any more.

        Unless it was unscheduled there, and scheduled anew.
        """
        key = self.key_of(oid)
        if not key:
            return
        self.release(oid)
        holder = self.holders.get(key)
        if holder is None or u64(holder._p_oid) != oid:
            self.by_oid.pop(oid, None)

    # -- for the check of soundness

    def run(self, task: Persistent, key: str) -> None:
        """Note *key* of *task*, which is in a claim."""
        oid = u64(task._p_oid)
        self.release(oid)
        self.by_oid[oid] = key, task
        self.note_running(key, oid)

    def note_running(self, key: str, oid: int) -> None:
        """Note that the task with that oid, in a claim, has *key*."""
        remains.grown(self, 'running', key).setdefault(key, oid)

    def forget(self, task: Persistent) -> None:
        """Note no key of *task*, which is not here."""
        self.release(u64(task._p_oid))
        self.remove(task)


def plain(key: str) -> str:
    """*key* as a str and no more.

    A class that inherits str may be anybody's, and may be missing one day;
    then nothing of a tree with many keys could be loaded.
    """
    return str.__str__(key)
