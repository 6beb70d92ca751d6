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
"""What has moved of late, held where a pack sees it.

A pack of RelStorage without history, up to 4.3, lists all objects, and takes
the snapshot of their references some time after.  An object that was listed,
and that moves in between into a container which was not, is deleted: nothing
that is listed refers to it.  That it is written as it moves does not help.

So an object of ours that moves into another container is also referred to by
a part of `Moved`, for an hour at least.  The parts are made once, so that they
are listed.  This is needed where BTrees move objects, too: the values of a
bucket that is split, and the buckets behind it.

On other storages no part is made, and nothing is written.
"""

import random
from bisect import bisect_right
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from persistent import Persistent
from persistent.timestamp import TimeStamp
from ZODB.utils import z64

from zodbschedule.store.remains import left
from zodbschedule.transactions.workarounds import loses_what_moves


# How many parts there are.  Fewer, and two transactions write the same one
# more often, and each write repeats more; more, and there are more objects.
PARTS = 256

# How long an object is held after it has moved.  Shorter, and the pack of a
# large database, whose list of objects takes longer, deletes it; longer, and
# each write of a part is larger.  A list of 30 million objects took 12 min.
HELD = timedelta(hours=1)


# Among how many parts one is looked for whose record is there.
TRIES = 3


class Part(Persistent):
    """Some of what has moved of late.

    When the last objects were added is the tid of the part itself, until the
    next are added.  So no clock is read.
    """

    #: what moved last
    last: tuple[Persistent, ...] = ()
    #: the tid of a transaction, and what it has moved
    before: tuple[tuple[bytes, tuple[Persistent, ...]], ...] = ()

    def __getstate__(self) -> tuple[Any, ...]:
        return self.last, self.before

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.last, self.before = state

    def add(self, objects: tuple[Persistent, ...]) -> None:
        """Hold *objects*, and forget what was held for long enough."""
        # One that was made just now has no tid.
        if self.last and not self._p_changed and self._p_serial != z64:
            oldest = TimeStamp(self._p_serial).timeTime() - (
                HELD.total_seconds())
            self.before = (*(moves for moves in self.before
                             if TimeStamp(moves[0]).timeTime() >= oldest),
                           (self._p_serial, self.last))
            self.last = ()
        self.last += objects


class Moved(Persistent):
    """Keeps objects from being deleted by a pack while they move.

    Each method belongs into the transaction that moves them.
    """

    parts: tuple[Part, ...] = ()

    def __getstate__(self) -> Any:
        # With the schedule, if it is stored by whoever loses what moves: no
        # pack has listed a task of it, and not the parts.  Not by an
        # assignment, which would register an object that is being stored.
        if not self.parts and self._is_needed():
            self.__dict__['parts'] = _new_parts()
        return super().__getstate__()

    def note(self, objects: Iterable[Any]) -> None:
        """These move into another container."""
        if self._is_needed():
            self._hold(objects)

    def note_insert(self, tree: Any, key: Any) -> None:
        """*key* will be inserted into *tree*, which moves what is beside it.
        """
        if self._is_needed():
            self._hold(_moved_by_insert(tree, key))

    def _is_needed(self) -> bool:
        jar = self._p_jar
        return jar is not None and loses_what_moves(jar.db().storage)

    def _hold(self, objects: Iterable[Any]) -> None:
        held = tuple(one for one in objects if _is_stored(one))
        part = self._part() if held else None
        if part is not None:
            part.add(held)

    def _part(self) -> Part | None:
        """The part that this transaction writes, or any that is left."""
        if not self.parts:
            # It comes from another storage.
            self.parts = _new_parts()
        part: Part | None = getattr(self, '_v_part', None)
        if part is None or not part._p_changed:
            some = random.sample(self.parts, TRIES)
            part = self._v_part = next(left(some), None)
        return part

    def renew(self, lost: Part) -> None:
        """Put a new part in the place of one whose record is gone."""
        self.parts = tuple(
            Part() if part is lost else part for part in self.parts)


def _new_parts() -> tuple[Part, ...]:
    return tuple(Part() for _ in range(PARTS))


def _is_stored(one: Any) -> bool:
    """Whether a pack may have listed it: it was not made just now."""
    return isinstance(one, Persistent) and one._p_oid is not None and (
        one._p_changed is None or one._p_serial != z64)


def _moved_by_insert(tree: Any, key: Any) -> list[Any]:
    """What an insertion of *key* would move into buckets that are made anew.

    That is nothing, or, if the bucket is full: its values, and the bucket
    behind it, from which all others behind that are found.
    """
    state = tree.__getstate__()
    if state is None:
        return []
    if len(state) == 1:  # one bucket, stored with the tree
        return list(tree.values()) if len(tree) >= tree.max_leaf_size else []
    children, bounds = state[0][::2], state[0][1::2]
    child = children[bisect_right(bounds, key)]
    if type(child) is type(tree):
        return _moved_by_insert(child, key)
    if len(child) < tree.max_leaf_size:
        return []
    return [*child.values(), *child.__getstate__()[1:]]
