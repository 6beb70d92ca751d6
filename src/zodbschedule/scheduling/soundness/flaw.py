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
"""A flaw of a schedule, and what the check of soundness reads with."""

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from enum import StrEnum
from itertools import islice
from typing import Any

from zodbschedule.store import remains
from zodbschedule.store.inspection import task_id
from zodbschedule.store.keys import plain
from zodbschedule.task import description_of
from zodbschedule.task import key_of


# So many items of a tree are looked up at once.  Larger, and more is held in
# memory; smaller, and the tree is searched more often.
AHEAD = 256


class FlawKind(StrEnum):
    """What can be wrong, in the order in which it is mended."""

    #: there is a reference to a record, but not the record
    LOST_RECORD = 'lost-record'
    #: a task is in two places
    TWO_PLACES = 'two-places'
    #: a task says that it waits at another instant than it does
    WRONG_STAMP = 'wrong-stamp'
    #: an instant, or a leaf of it, has no tasks
    EMPTY_INSTANT = 'empty-instant'
    #: the key of a task is not noted
    MISSING_KEY = 'missing-key'
    #: a task holds a key, and is in no place
    NO_PLACE = 'no-place'
    #: a key is noted of a task that does not have it
    STRAY_KEY = 'stray-key'
    #: something else is noted of a task that is not here
    STRAY_PAUSE = 'stray-pause'
    STRAY_CRASH = 'stray-crash'
    STRAY_REQUEST = 'stray-request'
    #: something that is here is not in an index, or the reverse
    WRONG_INDEX = 'wrong-index'
    #: a chunk of the history says that it holds more or less than it does, or
    #: there are more or fewer parked tasks than was counted
    WRONG_COUNT = 'wrong-count'


@dataclass(frozen=True)
class Flaw:
    """Something that is wrong in a schedule.

    It holds for the transaction in which it was found.
    """

    kind: FlawKind
    #: the id of the task, see `zodbschedule.store.inspection.task_id`; '' if
    #: the flaw is not one of a task
    id: str
    #: the description of the task, as far as it is known
    description: str
    #: what is wrong
    problem: str
    #: what mending does; '' if it cannot be mended
    remedy: str = ''
    #: mends it, in the current transaction; None if it cannot be mended
    repair: Callable[[], object] | None = field(
        default=None, repr=False, compare=False)

    @property
    def mendable(self) -> bool:
        """Whether `zodbschedule.scheduling.soundness.mend` mends it."""
        return self.repair is not None


def flaw_of(task: Any, kind: FlawKind, problem: str, remedy: str = '',
            repair: Callable[[], object] | None = None) -> Flaw:
    """A flaw of *task*, which has an oid."""
    return Flaw(kind, task_id(task) or '', description_of(task),
                problem, remedy, repair)


def known_key(task: Any) -> str:
    """The key that *task* asks for; '' if there is none, or none is known."""
    try:
        return plain(key_of(task) or '')
    except Exception:
        return ''


def items_of(tree: Any) -> Iterator[tuple[Any, Any]]:
    """The items of a BTree, lazily, while it changes.

    What comes among the next few, at most `AHEAD`, is not given, and what
    goes is.
    """
    found = list(islice(remains.items(tree), AHEAD))
    while found:
        yield from found
        last, _ = found[-1]
        found = list(islice(
            remains.items(tree, last, excludemin=True), AHEAD))
