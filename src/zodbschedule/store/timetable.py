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
"""The timetable: which tasks wait at which instant.

`Instants` map a UTC datetime to what waits then: a PersistentList of up to
`LEAF` tasks, at a busy instant an LOBTree of such lists (leaves), or None for
an instant that was emptied and not yet swept.  They are kept in several
LOBTrees, by microseconds: with one tree a quarter of the inserts of four
clients conflicted.

All knowledge of BTree conflicts is here.  Two rules keep every task:

*Whoever detaches a list writes it.*  An append writes only the list, and
deleting a key writes only the bucket: both would commit, and the task would
be gone.  So a list or leaf that leaves the tree is always emptied, that is
written, by the transaction that takes it out; so is an inner tree.  (Two that
take the last two leaves out of an inner tree, one each, cannot both pass:
BTrees merge no two changes to nothing.)

*Taking leaves the shape of the tree alone.*  An insert declares every node on
its path as read, and deleting the first bucket writes the root: with each
turn deleting its keys nine of ten users' transactions of 200 ms conflicted.
Deleting the smallest key of a bucket writes the node above as well, if that
has the key as separator.  So most emptied keys are deleted at once, but the
smallest of each bucket stays, and keeps it; those husks are swept in bulk,
and seldom.  (A husk is None: an emptied list in its place would have to be
loaded by whoever looks for the first task.)

Values are found by structure: what hangs in `Instants` is a list, a tree of
lists or None, and what is in a list is a task, even a task that is a list.
Nothing holds a BTree iterator over a change or a yield: they step by cursor.
"""

import random
from bisect import bisect_right
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from BTrees.LOBTree import LOBTree
from persistent import Persistent
from persistent.list import PersistentList
from ZODB.POSException import POSKeyError

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.store import remains
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.moved import Moved
from zodbschedule.store.remains import is_gone
from zodbschedule.store.remains import is_left
from zodbschedule.store.spread import Spread
from zodbschedule.store.spread import fetch


# Tasks in one list.  Larger, and each append to a busy instant writes more;
# smaller, and there are more objects.
LEAF = 16

# The low bits of a leaf's key, drawn by lot, so that two that add a leaf each
# at the same time do not conflict; the high bits count, so that leaves stand
# in the order of arrival.
LOT = 24

# Emptied instants that are swept together.  A sweep writes the root of the
# tree, so that every insert going on at that moment conflicts; husks that are
# left cost the next search for the first due task a bucket for each few.
# Measured in docs/performance.rst.
SWEEP = 500

# So many lists are fetched at once at first: they may hold more than enough.
FETCHED = 16

# With so many lists at one instant, a task is looked for where its oid
# belongs.  With fewer, all are looked through as quickly.
MANY_LEAVES = 8


# In microseconds.
SECOND = 10 ** 6
HOUR = 3600 * SECOND

#: an instant, what it holds, the key and the list of a leaf, husks before it
Place = tuple[datetime, Any, int | None, Any, int]

#: whether a task that waits at that instant may be taken
Wanted = Callable[[datetime, Persistent], bool]

#: two instants; what is between them is stepped over
Gap = tuple[datetime, datetime]

#: from one instant to another, both inclusive
Range = tuple[datetime | None, datetime]


class Instants(Spread):
    """A UTC datetime -> what waits then.

    Spread by the fraction of the second, which differs between times that
    were taken from a clock.  Times a second apart are together for an hour:
    a turn that takes many of them writes few buckets.

    Kept by microseconds: buckets of an LOBTree are twice as large as those of
    an OOBTree, so half as many are split, and written much faster.
    """

    tree_class = LOBTree

    stored = staticmethod(to_micros)
    restored = staticmethod(from_micros)

    def number(self, stored: int) -> int:
        return stored % SECOND + stored // HOUR

    def items_of(self, tree: LOBTree, low: int | None, high: int | None,
                 excludemin: bool) -> Iterator[tuple[int, Any]]:
        # One after the other: a BTree loads the last bucket of a range first.
        key = _smallest(tree, low)
        if excludemin and key is not None and key == low:
            key = _smallest(tree, key + 1)
        while key is not None and (high is None or key <= high):
            yield key, tree[key]
            key = _smallest(tree, key + 1)


class Timetable(Persistent):
    """The tasks that wait.  Never commits, and never asks for the time."""

    #: how often something came back that had not run: a pass that sees another
    #: number begins anew, since that may wait ahead of its cursor
    returned = 0

    def __init__(self, moved: Moved | None = None) -> None:
        self.instants = Instants()
        self.moved = moved or Moved()

    # -- adding and removing

    def add(self, instant: datetime, tasks: Iterable[Persistent],
            apart: bool = False) -> None:
        """Put *tasks* at *instant*, behind those that are there.

        With *apart* they get leaves of their own unless nothing is there:
        turns that reschedule onto the same minutes would otherwise conflict.
        """
        tasks = list(tasks)
        self.moved.note(tasks)
        key = to_micros(instant)
        tree = self.instants.grown(key)
        held = tree.get(key)
        if held is None:
            self.moved.note_insert(tree, key)
            if len(tasks) <= LEAF:
                tree[key] = PersistentList(tasks)
                return
            held = tree[key] = LOBTree()
        elif type(held) is not LOBTree or is_gone(held):
            if not (apart or is_gone(held)) and (
                    len(held) + len(tasks) <= LEAF):
                held.extend(tasks)
                return
            self.moved.note([held])
            leaves = LOBTree()
            leaves[_next_key(leaves)] = held
            held = tree[key] = leaves
        self._grow(held, tasks, apart)

    def _grow(self, leaves: LOBTree, tasks: list[Persistent], apart: bool
              ) -> None:
        """Add *tasks* behind the last leaf of a busy instant."""
        if leaves and not apart:
            last = leaves[remains.largest(leaves)]
            room = LEAF - len(last) if is_left(last) else 0
            if room > 0:
                last.extend(tasks[:room])
                tasks = tasks[room:]
        for start in range(0, len(tasks), LEAF):
            key = _next_key(leaves)
            self.moved.note_insert(leaves, key)
            leaves[key] = PersistentList(tasks[start:start + LEAF])

    def remove(self, instant: datetime, task: Persistent) -> bool:
        """Take *task* out of *instant*; whether it was there."""
        held = self.instants.get(instant)
        for key, leaf in _leaves(held):
            index = _index(leaf, task)
            if index is not None:
                del leaf[index]
                if not leaf:
                    self._drop(instant, held, key)
                return True
        return False

    def take(self, limit: int, after: datetime | None, until: datetime,
             wanted: Wanted, skip: int = 0, gap: Gap | None = None
             ) -> 'Batch':
        """Take the first *limit* wanted tasks from *after* to *until*.

        Both bounds are inclusive.  What is not wanted stays where it is.
        With *skip* so many lists are left to others, if there are enough
        tasks behind them.
        """
        portion = Batch(after, gap)
        chosen = list(self._choose(portion, limit, until, wanted, skip))
        if skip and sum(len(tasks) for *_, tasks in chosen) < limit:
            portion = Batch(after, gap)
            chosen = list(self._choose(portion, limit, until, wanted))
        elif skip:
            portion.cursor = after
        stored = [to_micros(instant) for instant, *_ in chosen]
        keep = self._keepers(stored)
        for micros, (instant, held, key, leaf, tasks) in zip(
                stored, chosen, strict=True):
            taken = {id(task) for task in tasks}
            leaf.data = [task for task in leaf.data if id(task) not in taken]
            portion.leaves.append(leaf)
            if not leaf.data:
                husk = micros in keep
                self._drop(instant, held, key, husk)
                portion.husks += husk
            portion.tasks.extend((instant, task) for task in tasks)
        # What the runs will load, all at once.
        fetch([task for _, task in portion.tasks])
        return portion

    def has(self, until: datetime, wanted: Wanted,
            portion: 'Batch | None' = None) -> bool:
        """Whether there is anything to `take`, or enough to `sweep`.

        Users who unschedule leave husks where nothing is ever due.  *portion*
        says where to look, and is told what was passed.
        """
        portion = portion or Batch(None)
        found = any(self._choose(portion, 1, until, wanted))
        return found or bool(portion.lost) or portion.husks >= SWEEP

    def _choose(self, portion: 'Batch', limit: int, until: datetime,
                wanted: Wanted, skip: int = 0) -> Iterator[tuple[Any, ...]]:
        places = islice(
            self._places(portion.ranges(until), until), skip, None)
        for instant, held, key, leaf, husks in _fetched(places, limit):
            portion.husks += husks
            if leaf is None:
                return
            portion.cursor = instant
            try:
                held_tasks = leaf.data
            except POSKeyError:
                remains.tell(leaf)
                portion.lost.append((instant, key, leaf))
                continue
            tasks = [task for task in held_tasks
                     if wanted(instant, task)][:limit]
            limit -= len(tasks)
            if tasks:
                yield instant, held, key, leaf, tasks
            else:
                portion.passed.append(instant)
            if not limit:
                return

    def _keepers(self, taken: list[int]) -> set[int]:
        """The smallest keys of the buckets that these are in."""
        trees = {id(tree): tree for tree in map(self.instants.tree, taken)}
        return set().union(*(_smallest_keys(tree, taken[0], taken[-1])
                             for tree in trees.values()))

    def _places(self, ranges: list[Range], until: datetime
                ) -> Iterator[Place]:
        """The lists in some ranges of instants, and the husks before each.

        In the end no list, and the husks behind the last.
        """
        husks = 0
        for instant, held in self._in(ranges):
            if held is None:
                husks += 1
                continue
            for key, leaf in _leaves(held):
                yield instant, held, key, leaf, husks
                husks = 0
        yield until, None, None, None, husks

    def _in(self, ranges: list[Range]) -> Iterator[tuple[datetime, Any]]:
        for low, high in ranges:
            yield from self.instants.items(min=low, max=high)

    def _drop(self, instant: datetime, held: Any, key: int | None,
              husk: bool = True) -> None:
        """Take out a list that was just emptied, and so written."""
        if key is not None:
            del held[key]
            if held:
                return
            held._p_changed = True
        if husk:
            self.instants[instant] = None
        else:
            del self.instants[instant]

    def sweep(self, until: datetime, start: datetime | None = None,
              gap: Gap | None = None) -> None:
        """Delete the husks from *start* to *until*, but for those in *gap*."""
        ranges = Batch(start, gap).ranges(until)
        husks = [instant for instant, held in self._in(ranges)
                 if held is None]
        for instant in husks:
            del self.instants[instant]

    # -- looking

    def holds(self, instant: datetime, task: Persistent) -> bool:
        """Whether *task* waits at *instant*."""
        return any(_index(leaf, task) is not None
                   for leaf in _nearest(self.instants.get(instant), task))

    def read_current(self, instant: datetime, task: Persistent) -> None:
        """Conflict with whoever takes *task* before this is committed.

        Taking writes the list; an append of another does so too.
        """
        for _, leaf in _leaves(self.instants.get(instant)):
            if _index(leaf, task) is not None and leaf._p_jar is not None:
                leaf._p_jar.readCurrent(leaf)

    def find(self, task: Persistent) -> datetime | None:
        """The instant at which *task* waits, by looking everywhere."""
        return next((instant for instant, held in self.instants.items()
                     if any(_index(leaf, task) is not None
                            for _, leaf in _leaves(held))), None)

    def times(self, min: datetime | None = None,
              max: datetime | None = None) -> Iterator[datetime]:
        """The instants at which tasks wait, ascending, lazily."""
        return self.instants.ascending(min, max)

    def at(self, instant: datetime) -> Iterator[Persistent]:
        """The tasks that wait at *instant*, by arrival, lazily."""
        for _, leaf in self.lists_at(instant):
            if leaf is not None and is_left(leaf):
                yield from list(leaf.data)

    def ahead(self, start: datetime | None, count: int) -> datetime | None:
        """The instant that is so many behind *start*; None if there is none.

        Emptied ones count.
        """
        instants = (at for at, _ in self.instants.items(min=start))
        return next(islice(instants, count, None), None)

    # -- for the check of soundness

    def held_at(self, instant: datetime) -> Any:
        """What is at *instant*: a list of tasks, a tree of lists, or None."""
        return self.instants.get(instant)

    def lists_at(self, instant: datetime, start: int | None = None
                 ) -> Iterator[tuple[int | None, PersistentList]]:
        """The lists of *instant*, each with its key in the tree, lazily.

        *start* is the key of the first, or where that was.
        """
        held = self.held_at(instant)
        if type(held) is not LOBTree or is_gone(held):
            yield None, held
            return
        key = _smallest(held, start)
        while key is not None:
            yield key, held.get(key)
            key = _smallest(held, key + 1)

    def drop(self, instant: datetime, key: int | None) -> None:
        """Take out a list that is empty, or whose record is gone.

        Without a key, all that is at *instant*.  The caller writes what is
        taken out, if that is there.
        """
        self._drop(instant, self.held_at(instant), key)


class Batch:
    """What one `Timetable.take` found."""

    def __init__(self, cursor: datetime | None, gap: Gap | None = None
                 ) -> None:
        #: what to step over
        self.gap = gap
        #: the instants of the lists that have nothing that is wanted
        self.passed: list[datetime] = []
        #: the tasks, each with its instant
        self.tasks: list[tuple[datetime, Persistent]] = []
        #: the instant to go on from, inclusive
        self.cursor = cursor
        #: how many husks were passed, or left behind
        self.husks = 0
        #: lists whose records are gone: the instant, the key, the list
        self.lost: list[tuple[datetime, int | None, Any]] = []
        #: the lists that it came from
        self.leaves: list[PersistentList] = []

    def ranges(self, until: datetime) -> list[Range]:
        """Where to look: from the cursor to *until*, but for the gap."""
        start, gap = self.cursor, self.gap
        if gap is None or start is not None and start > gap[0]:
            return [(start, until)]
        return [(start, min(gap[0], until)), (gap[1], until)]

    def release(self) -> None:
        """Forget the state of those lists, after the commit.

        They would push out of the connection's cache what the runs need.
        """
        for leaf in self.leaves:
            leaf._p_deactivate()


def _smallest(tree: LOBTree, low: int | None = None) -> int | None:
    """The smallest key that is left and not below *low*, if there is any."""
    try:
        key: int | None = tree.minKey(low)
    except ValueError:
        return None
    except POSKeyError:
        key = remains.smallest(tree, low)
    return key


def _smallest_keys(tree: LOBTree, first: int, last: int) -> set[int]:
    """The smallest key of each bucket that may hold one between the two.

    By the state of the nodes, which are children with the bounds between
    them: walking the buckets from the head would load all the husks before.
    """
    state = tree.__getstate__()
    if len(state) == 1:  # one bucket, and no node above
        return {tree.minKey()}
    children, bounds = state[0][::2], state[0][1::2]
    found = set()
    for child in children[bisect_right(bounds, first):
                          bisect_right(bounds, last) + 1]:
        if not is_left(child):
            continue
        if type(child) is type(tree):
            found |= _smallest_keys(child, first, last)
        else:
            found.add(child.minKey())
    return found


def _fetched(places: Iterator[Place], limit: int) -> Iterator[Place]:
    """*places*, whose lists are fetched together, each time more of them."""
    size = max(1, min(limit, FETCHED))
    while batch := list(islice(places, size)):
        fetch([leaf for _, _, _, leaf, _ in batch if leaf is not None])
        yield from batch
        size *= 2


def _leaves(held: Any) -> Iterable[tuple[int | None, PersistentList]]:
    """The lists of an instant, each with its key in the inner tree."""
    if held is None:
        return ()
    if type(held) is LOBTree and is_left(held):
        return remains.items(held)
    return ((None, held),)


def _nearest(held: Any, task: Persistent) -> Iterator[PersistentList]:
    """The lists of an instant, first where the oid of *task* belongs.

    Tasks come in the order of their oids, or within one transaction in the
    reverse order.  So of many lists, a few are loaded and not all.
    """
    leaves = [leaf for _, leaf in _leaves(held)]
    place = _place_of(leaves, task) if len(leaves) > MANY_LEAVES else 0
    for distance in range(len(leaves)):
        for index in {place - distance, place + distance}:
            if 0 <= index < len(leaves):
                yield leaves[index]


def _place_of(leaves: list[PersistentList], task: Persistent) -> int:
    """About where a task with that oid is, if they are in order of oids."""
    sign = 1 if _first_oid(leaves[0]) <= _first_oid(leaves[-1]) else -1
    place = bisect_right(leaves, sign * oid_of(task), key=lambda leaf: (
        sign * _first_oid(leaf)))
    return max(place - 1, 0)


def _first_oid(leaf: PersistentList) -> int:
    """That of the first task in it; 0 if there is none."""
    return next(map(oid_of, leaf), 0) if is_left(leaf) else 0


def _index(leaf: PersistentList, task: Persistent) -> int | None:
    """Where *task* itself, not its equal, stands in *leaf*."""
    try:
        return next(
            (i for i, one in enumerate(leaf.data) if one is task), None)
    except POSKeyError:
        remains.tell(leaf)
        return None


def _next_key(leaves: LOBTree) -> int:
    last = remains.largest(leaves)
    count = 0 if last is None else (last >> LOT) + 1
    return count << LOT | random.getrandbits(LOT)
