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
"""About how many tasks wait, by the shape of the timetable.

A count that is kept would be written by every insert.  So the nodes are looked
at: the root of each tree names its buckets, and some of those are loaded, with
some of the lists in them: less than 200 objects, however many tasks there are.

Exact while there are few lists.  An instant with very many tasks that is not
among those that are looked at counts as the others do; one that is, counts
once, and not also for those that are not.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from itertools import islice
from typing import Any

from BTrees.LOBTree import LOBTree

from zodbschedule.store import remains
from zodbschedule.store.remains import left
from zodbschedule.store.spread import Spread
from zodbschedule.store.spread import fetch


# So many lists are counted one by one, at the most; of more, half as many are
# looked at.  Larger, and more is loaded; smaller, and less is exact.
LISTS = 60

# So many trees are looked into, and so many busy instants.  Larger, and more
# is loaded; smaller, and the estimate is worse.
TREES = 20
BUSY = 14

# An instant with more tasks than this counts once, however large the part of
# the timetable is for which it was looked at.
CROWD = 256


class Sample:
    """What is in some of the buckets, each with how many it stands for."""

    def __init__(self) -> None:
        self.lists: list[tuple[float, Any]] = []
        self.busy: list[tuple[float, Any]] = []
        #: whether all buckets are among them
        self.whole = True

    def add(self, weight: float, values: Iterable[Any]) -> None:
        """Add the values of a bucket that stands for so many."""
        self.whole = self.whole and weight == 1
        for value in values:
            # An emptied instant has None.
            if value is not None:
                held = self.busy if type(value) is LOBTree else self.lists
                held.append((weight, value))


def estimate(instants: Spread) -> int:
    """About how many tasks are in the lists of *instants*."""
    fetch(instants.trees)
    sample = _sampled(list(left(instants.trees)))
    if sample.whole:
        lists = list(islice(_all_lists(sample), LISTS + 1))
        if len(lists) <= LISTS:
            return sum(map(len, left(lists)))
    return round(_in_lists(sample.lists) + _in_busy(sample.busy))


def _sampled(trees: list[Any]) -> Sample:
    """What is in some buckets of *trees*, of which all are loaded."""
    sample = Sample()
    # Those whose children are buckets, and those whose are trees again.
    groups: dict[type[Any], list[list[Any]]] = {}
    for tree in trees:
        children = _children(tree)
        if children:
            groups.setdefault(type(children[0]), []).append(children)
        else:
            sample.add(1, tree.values())
    for group in groups.values():
        for weight, bucket in _buckets(group):
            sample.add(weight, _values(bucket))
    return sample


def _buckets(group: list[list[Any]]) -> Iterator[tuple[float, Any]]:
    """Some buckets below the children of some trees, or all if few."""
    total = sum(map(len, group))
    if total <= 2 * TREES and not hasattr(type(group[0][0]), '_bucket_type'):
        yield from ((1, child) for children in group for child in children)
        return
    some = _some(group, TREES)
    share = total / sum(map(len, some))
    for children in some:
        weight, bucket = _middle(children)
        yield share * weight, bucket


def _all_lists(sample: Sample) -> Iterator[Any]:
    yield from (each for _, each in sample.lists)
    for _, tree in sample.busy:
        yield from (each for _, each in remains.items(tree))


def _children(node: Any) -> list[Any]:
    """The nodes below a node that is loaded; none if it holds the items."""
    if not hasattr(type(node), '_bucket_type'):
        return []
    state = node.__getstate__()
    return [] if state is None or len(state) == 1 else list(state[0][::2])


def _middle(children: list[Any]) -> tuple[float, Any]:
    """The bucket in the middle below some nodes, and about how many are."""
    weight, child = len(children), children[len(children) // 2]
    below = _children(child) if remains.is_left(child) else []
    if not below:
        return weight, child
    deeper, bucket = _middle(below)
    return weight * deeper, bucket


def _values(bucket: Any) -> list[Any]:
    return list(bucket.values()) if remains.is_left(bucket) else []


def _in_lists(lists: list[tuple[float, Any]]) -> float:
    """How many tasks are in all lists, by those that are looked at."""
    return sum(weight for weight, _ in lists) * _mean(
        each for _, each in lists)


def _mean(lists: Iterable[Any]) -> float:
    """How many tasks are in a list, by some of them."""
    some = _some(list(lists), LISTS // 2)
    fetch(some)
    sizes = [len(each) for each in left(some)]
    return sum(sizes) / max(1, len(sizes))


def _in_busy(busy: list[tuple[float, Any]]) -> float:
    """How many tasks are at busy instants, by those that are looked at."""
    some = _some(busy, BUSY)
    fetch([tree for _, tree in some])
    share = len(busy) / max(1, len(some))
    return sum(_tasks_at(tree, weight * share) for weight, tree in some)


def _tasks_at(tree: Any, weight: float) -> float:
    """How many tasks are at a busy instant, and at those it stands for."""
    if not remains.is_left(tree):
        return 0
    buckets, bucket = _middle([tree])
    leaves = _values(bucket)
    # All but the last are filled, if they were not made by turns.
    size = (buckets * len(leaves) - 1) * _mean(leaves[:1]) + _mean(leaves[-1:])
    return max(size, CROWD) - CROWD + weight * min(size, CROWD)


def _some(found: list[Any], most: int) -> list[Any]:
    """At most so many, evenly."""
    step = max(1, -(-len(found) // most))
    return found[step // 2::step]
