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
"""A mapping that is spread over several trees, so that inserts do not meet.

At the right edge of a BTree one insert in 15 to 30 splits a bucket.  Then
every other insert into that bucket, or below the node above it, conflicts: a
quarter of those of four clients.  With so many trees they meet so many times
less.

Which tree a key belongs to follows from the key alone.  So two that insert
the same key conflict for certain, and a look for a key is into one tree.
"""

import heapq
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from itertools import islice
from typing import Any
from typing import ClassVar

from persistent import Persistent
from ZODB.POSException import POSKeyError

from zodbschedule.store import remains
from zodbschedule.store.remains import is_left


# How many trees there are.  Fewer, and more inserts conflict; more, and a turn
# that takes many tasks writes more buckets, with fewer of its tasks in each.
# A prime, so that the times of a clock that ticks in milliseconds are spread
# as well.  Stored with each mapping: a change is for new ones.
TREES = 53

# So many keys are looked up ahead, at the most.  Larger, and a walk sees less
# of what comes meanwhile; smaller, and it asks all the trees more often.
AHEAD = 256


class Spread(Persistent):
    """Behaves as one BTree with all the keys, as far as that is used."""

    tree_class: ClassVar[type[Any]]
    #: how many trees are made
    count: ClassVar[int] = TREES

    #: made by the first insert, all at once: were each made when it is needed,
    #: one insert after the other would conflict
    trees: tuple[Any, ...] = ()

    def stored(self, key: Any, /) -> Any:
        """What stands for *key* in a tree, in the same order."""
        return key

    def restored(self, stored: Any, /) -> Any:
        """The key that it stands for."""
        return stored

    def number(self, stored: Any) -> int:
        """A number that differs between keys that come at the same time.

        It says which tree the key is in, and is never to change.
        """
        number: int = stored
        return number

    def tree(self, stored: Any) -> Any:
        """The tree that a key belongs to; an empty one before there is any.
        """
        if not self.trees:
            return self.tree_class()
        return self.trees[self.number(stored) % len(self.trees)]

    def grown(self, stored: Any) -> Any:
        """The tree that a new key belongs to."""
        if not self.trees:
            self.trees = tuple(self.tree_class() for _ in range(self.count))
        return self.regrown(stored)

    def regrown(self, stored: Any) -> Any:
        """The tree of a key; it leads to it even if a record was lost."""
        tree = self.tree(stored)
        try:
            tree.get(stored)
        except POSKeyError:
            self.mend(tree)
            tree = self.tree(stored)
        return tree

    def mend(self, tree: Any) -> None:
        """Grow *tree* anew from what is left of it."""
        if is_left(tree):
            remains.regrow(tree)
        else:
            self.trees = tuple(self.tree_class() if one is tree else one
                               for one in self.trees)

    def items_of(self, tree: Any, low: Any, high: Any, excludemin: bool
                 ) -> Iterator[tuple[Any, Any]]:
        """Those of one tree between two bounds."""
        return remains.items(tree, low, high, excludemin)

    # -- one key

    def __getitem__(self, key: Any) -> Any:
        stored = self.stored(key)
        return self.tree(stored)[stored]

    def get(self, key: Any, default: Any = None) -> Any:
        stored = self.stored(key)
        try:
            return self.tree(stored).get(stored, default)
        except POSKeyError:
            return default

    def __contains__(self, key: Any) -> bool:
        return self.get(key, self) is not self

    def __setitem__(self, key: Any, value: Any) -> None:
        stored = self.stored(key)
        self.grown(stored)[stored] = value

    def setdefault(self, key: Any, value: Any) -> Any:
        stored = self.stored(key)
        return self.grown(stored).setdefault(stored, value)

    def __delitem__(self, key: Any) -> None:
        stored = self.stored(key)
        tree = self.regrown(stored)
        try:
            del tree[stored]
        except POSKeyError:
            # That empties a bucket, and the one before it is lost.
            remains.regrow(tree)
            tree.pop(stored, None)

    def pop(self, key: Any, default: Any = None) -> Any:
        value = self.get(key, self)
        if value is self:
            return default
        del self[key]
        return value

    # -- all of them

    def __bool__(self) -> bool:
        return bool(self._filled())

    def _filled(self) -> list[Any]:
        """The trees that hold anything, as far as they are left."""
        try:
            return [tree for tree in self.trees if tree]
        except POSKeyError:
            return list(remains.left(self.trees))

    def _between(self, low: Any, high: Any) -> list[Any]:
        """The trees that may hold a key between two bounds."""
        if low is not None and low == high:
            return list(remains.left([self.tree(low)]))
        fetch(self.trees)
        return self._filled()

    def items(self, min: Any = None, max: Any = None,
              excludemin: bool = False) -> Iterator[tuple[Any, Any]]:
        """Ascending, as of a BTree; not to be held over a change."""
        low = None if min is None else self.stored(min)
        high = None if max is None else self.stored(max)
        items = heapq.merge(*(self.items_of(tree, low, high, excludemin)
                              for tree in self._between(low, high)))
        return ((self.restored(stored), value) for stored, value in items)

    def keys(self) -> Iterator[Any]:
        return (key for key, _ in self.items())

    __iter__ = keys

    def values(self) -> Iterator[Any]:
        return (value for _, value in self.items())

    def clear(self) -> None:
        """Remove all that is left."""
        for tree in remains.left(self.trees):
            tree.clear()

    def update(self, items: Mapping[Any, Any]) -> None:
        """Add *items*."""
        for key, value in items.items():
            self[key] = value

    def ascending(self, min: Any = None, max: Any = None) -> Iterator[Any]:
        """The keys whose value is not None, lazily, while they change.

        What goes meanwhile is not given.  What comes is, unless it comes
        among the next few, at most `AHEAD`.
        """
        ahead, passed = 1, False
        while True:
            keys = (key for key, value in self.items(min, max, passed)
                    if value is not None)
            found = list(islice(keys, ahead))
            if not found:
                return
            yield from (key for key in found if self.get(key) is not None)
            ahead += ahead if ahead < AHEAD else 0
            min, passed = found[-1], True


def fetch(objects: Iterable[Any]) -> None:
    """Ask the storage for the states of *objects* that are not loaded.

    One request after the other is most of what a turn takes on a server.
    """
    ghosts = [one for one in objects if one._p_changed is None]
    if len(ghosts) > 1:
        ghosts[0]._p_jar.prefetch([ghost._p_oid for ghost in ghosts])
