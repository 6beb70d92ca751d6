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
"""The tasks of a principal, and those for an object: found by a label.

A label is a principal id or a UUID that a task has.  Only such a task pays for
this: each label is one entry, a number that is made of the label and of the
oid of the task, in one of many trees.

::

    35 bits of a hash of the label, 5 bits that say which part, the oid

An entry does not say when its task waits: so nothing is written when that
changes, and a run of a task that goes on has nothing to do with this.  It is
a number, without a reference to the task, so that it is small; and two labels
may have the same hash.  So whoever looks asks the task for its labels.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from hashlib import blake2b
from heapq import merge
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.broken import Broken
from ZODB.utils import u64

from zodbschedule.store import remains
from zodbschedule.store.spread import Spread
from zodbschedule.store.spread import fetch
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


# The bits of an oid in an entry.  A DemoStorage begins anywhere.
OID = 64

# The entries of one principal are in so many parts, in different trees: many
# may schedule as the same one at the same time.  Fewer, and they conflict more
# often; more, and a look at the tasks of a principal loads more.  Those for an
# object are few, and are together.  The bits of a part are half as many again.
PARTS = 31
PART = 5

Codes = tuple[int, ...]


class Entries(Spread):
    """The entries; nothing stands for them."""

    tree_class = OOBTree

    #: four times as many as elsewhere, so that the nodes above the buckets
    #: stay small, which are written when one is split
    count = 211

    def number(self, stored: int) -> int:
        return stored >> OID


class Labels(Persistent):
    """The entries of the tasks that are in the schedule, and have a label."""

    #: tasks that had no oid when they were scheduled
    without_oid: tuple[Persistent, ...] = ()

    def __init__(self) -> None:
        self.entries = Entries()

    # -- coming and leaving

    def add(self, codes: Iterable[int]) -> None:
        """Add entries, as `codes_of` makes them of a task."""
        for code in codes:
            self.entries.setdefault(code, None)

    def remove(self, codes: Iterable[int]) -> None:
        """Remove entries, as far as they are there."""
        for code in codes:
            self.entries.pop(code)

    def wait_for_oid(self, task: Persistent) -> None:
        """Note *task*, which has labels, and no oid yet."""
        self.without_oid += (task,)

    def forget(self, task: Persistent) -> None:
        """Remove *task*, which leaves."""
        if any(one is task for one in self.without_oid):
            self.without_oid = tuple(
                one for one in self.without_oid if one is not task)
        self.remove(codes_of(task))

    def assign_oids(self) -> None:
        """Add the entries of those that had no oid; for the first turn."""
        for task in self.without_oid:
            self.add(codes_of(task))
        self.without_oid = ()

    def refill(self, codes: list[int]) -> None:
        """Have these entries and no others; all tasks have oids."""
        self.entries.clear()
        self.without_oid = ()
        self.add(sorted(codes))

    # -- looking

    def oids(self, label: str, after: int = 0) -> Iterator[int]:
        """The oids above *after* of the tasks that may have it, ascending."""
        parts = range(PARTS if label.startswith(PRINCIPAL) else 1)
        bases = [(_hash_of(label) << PART | part) << OID for part in parts]
        fetch([self.entries.tree(base) for base in bases])
        new = sorted(u64(task._p_oid) for task in self.without_oid
                     if task._p_oid and label in labels_of(task))
        yield from merge(
            (oid for oid in new if oid > after),
            *(self._in_part(base, after) for base in bases))

    def _in_part(self, base: int, after: int) -> Iterator[int]:
        end = base + (1 << OID) - 1
        while (found := next(remains.items(
                self.entries.tree(base), base + after, end, True), None)):
            after = found[0] - base
            yield after


# -- Of a task

PRINCIPAL = 'principal '
UUID = 'uuid '


def label_of(principal: str | None = None, uuid: str | None = None) -> str:
    """The label of a principal, or else of a UUID."""
    return f'{UUID}{uuid}' if principal is None else f'{PRINCIPAL}{principal}'


def labels_of(task: Any) -> list[str]:
    """The labels of *task*, as far as they can be known."""
    try:
        # Of most tasks, in each run.
        if task.principalId is None and task.uuid is None:
            return []
    except Exception:
        pass  # It is of another class, or cannot be read.
    principal, uuid = _known(task, 'principalId'), _known(task, 'uuid')
    return [*([label_of(principal)] if principal else []),
            *([label_of(uuid=uuid)] if uuid else [])]


def _known(task: Any, name: str) -> str | None:
    """The text attribute *name* of *task*, or None.

    If its class is missing, the record tells it.
    """
    try:
        value = task.__Broken_state__.get(name) if isinstance(
            task, Broken) else getattr(task, name, None)
    except Exception as error:
        if is_transient(error) or is_storage_failure(error):
            raise
        return None
    return value if isinstance(value, str) else None


def codes_of(task: Any) -> Codes:
    """The entries of *task*; none if it has no oid."""
    labels = labels_of(task)
    if not labels or task._p_oid is None:
        return ()
    oid = u64(task._p_oid)
    return tuple(_code(label, oid) for label in labels)


def _code(label: str, oid: int) -> int:
    part = oid % PARTS if label.startswith(PRINCIPAL) else 0
    return (_hash_of(label) << PART | part) << OID | oid


def _hash_of(label: str) -> int:
    data = label.encode('utf-8', 'surrogatepass')
    return int.from_bytes(blake2b(data, digest_size=5).digest()) >> PART


def oid_in(code: int) -> int:
    """The oid in an entry."""
    return code & (1 << OID) - 1
