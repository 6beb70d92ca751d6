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
"""What is left of a structure that has lost a record, by a pack or by damage.

Whoever reads steps over what is lost, and goes on with the rest.  Each record
that is found missing is logged once in a process.  The check of soundness
finds it too, and mends the structure.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from ZODB.POSException import POSKeyError
from ZODB.utils import u64

from zodbschedule.logger import log
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


#: the oids of the records that this process has told of
_told: set[bytes] = set()


def is_gone(obj: Any) -> bool:
    """Whether the record of *obj* is gone; it is loaded otherwise.

    Not if its class is missing, or refuses the state.  Raises what the
    storage raises if that fails.
    """
    try:
        obj._p_activate()
    except POSKeyError:
        return True
    except Exception as error:
        if is_transient(error) or is_storage_failure(error):
            raise
    return False


def is_left(obj: Any) -> bool:
    """Whether the record of *obj* is there; tells of it if it is not."""
    if not is_gone(obj):
        return True
    tell(obj)
    return False


def tell(obj: Any) -> None:
    """Log, once, that the record of *obj* is gone."""
    _tell(obj._p_oid, type(obj).__name__)


def _tell(oid: bytes, kind: str) -> None:
    if oid not in _told:
        _told.add(oid)
        log.error('Record %x, a %s of a schedule, is gone: it is stepped '
                  'over; zodbschedule check --deep names what is lost',
                  u64(oid), kind)


def left(objects: Iterable[Any]) -> Iterator[Any]:
    """Those of *objects* whose records are there."""
    return filter(is_left, objects)


# -- BTrees


def get(tree: Any, key: Any, default: Any = None) -> Any:
    """The value of *key*; *default* too if its record is gone."""
    try:
        return tree.get(key, default)
    except POSKeyError as error:
        _tell(error.args[0], f'node of a {type(tree).__name__}')
        return default


def items(tree: Any, low: Any = None, high: Any = None,
          excludemin: bool = False) -> Iterator[tuple[Any, Any]]:
    """The items of a BTree between two bounds that are left, ascending."""
    last, passed = low, excludemin
    try:
        for key, value in tree.items(low, high, excludemin):
            last, passed = key, True
            yield key, value
    except POSKeyError:
        for key, value in _left_items(tree):
            if _is_above(key, last, passed) and (high is None or key <= high):
                yield key, value


def _is_above(key: Any, low: Any, excluded: bool) -> bool:
    return low is None or key > low or key == low and not excluded


def smallest(tree: Any, low: Any = None) -> Any:
    """The smallest key that is left and not below *low*; or None.

    By all nodes: for a tree that is known to have lost one.
    """
    return min((key for key, _ in _left_items(tree)
                if low is None or key >= low), default=None)


def largest(tree: Any, high: Any = None) -> Any:
    """The largest key that is left and not above *high*; or None."""
    try:
        return tree.maxKey(high)
    except ValueError:
        return None
    except POSKeyError:
        return max((key for key, _ in _left_items(tree)
                    if high is None or key <= high), default=None)


def nodes(tree: Any) -> Iterator[Any]:
    """*tree* and all nodes below it, the lost ones too.

    By the states of the nodes: a walk from bucket to bucket would end at the
    first that is lost.
    """
    yield tree
    if hasattr(type(tree), '_bucket_type') and not is_gone(tree):
        state = tree.__getstate__()
        if state is not None and len(state) > 1:
            for child in state[0][::2]:
                yield from nodes(child)


def _left_items(tree: Any) -> Iterator[tuple[Any, Any]]:
    """All items of the nodes that are left, in order."""
    for node in left(nodes(tree)):
        if _holds_items(node):
            yield from list(node.items())


def _holds_items(node: Any) -> bool:
    """Whether it is a bucket, or a tree so small that it has none."""
    if not hasattr(type(node), '_bucket_type'):
        return True
    state = node.__getstate__()
    return state is not None and len(state) == 1


def grown(owner: Any, name: str, key: Any) -> Any:
    """The tree of that name of *owner*, which leads to *key*.

    It is grown anew before, from what is left of it, if it does not.
    """
    if not leads_to(getattr(owner, name), key):
        grow_anew(owner, name)
    return getattr(owner, name)


def grow_anew(owner: Any, name: str) -> None:
    """Grow the tree of that name of *owner* anew from what is left of it."""
    tree = getattr(owner, name)
    if is_left(tree):
        regrow(tree)
    else:
        setattr(owner, name, type(tree)())


def discard(owner: Any, name: str, key: Any) -> Any:
    """Remove *key* from the tree of that name of *owner*; its value, or None.
    """
    tree = grown(owner, name, key)
    value = tree.get(key)
    try:
        tree.pop(key, None)
    except POSKeyError:
        # That empties a bucket, and the one before it is lost.
        regrow(tree)
        tree.pop(key, None)
    return value


def regrow(tree: Any) -> None:
    """Grow *tree*, whose own record is there, anew from what is left.

    The nodes that go are emptied, so that whoever inserts into one conflicts:
    BTrees merge no change with one that empties a bucket.
    """
    kept = list(_left_items(tree))
    buckets = [node for node in left(nodes(tree)) if node is not tree]
    tree.clear()
    for node in buckets:
        node.clear()
    tree.update(kept)


def refill(tree: Any, items: Mapping[Any, Any]) -> None:
    """Let *tree* hold *items* and nothing else, if its record is there."""
    if is_left(tree):
        tree.clear()
        tree.update(items)


def leads_to(tree: Any, key: Any) -> bool:
    """Whether the nodes on the way to *key* are there."""
    try:
        tree.get(key)
    except POSKeyError:
        return False
    return True


def count(tree: Any) -> int:
    """How many items of *tree* are left."""
    try:
        return len(tree)
    except POSKeyError:
        return sum(1 for _ in _left_items(tree))


def holds_anything(held: Any) -> bool:
    """Whether a tree or a list is not empty; what is lost counts."""
    try:
        return bool(held)
    except POSKeyError:
        return True
