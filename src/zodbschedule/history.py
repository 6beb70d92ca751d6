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
"""A bounded record of outcomes.

Each turn adds one chunk, an object of its own: with one list for all 44 % of
the turns of four workers conflicted, with a chunk a turn 7 %.
"""

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from typing import NamedTuple

from BTrees.LOBTree import LOBTree
from persistent import Persistent
from zope.interface import implementer

from zodbschedule.claim import OUTCOMES
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IHistory
from zodbschedule.interfaces import IOutcome


# The low bits of a chunk's key say how many outcomes it holds, so that the
# bound is kept without loading any; the high bits are microseconds.
SIZE = 11

# By how many bits of microseconds a chunk may stand behind the one before it.
LOT = 10

# Outdated chunks are deleted in about one turn of so many: deleting the first
# bucket of the tree conflicts with every other turn.
TRIM = 32


@implementer(IOutcome)
class Outcome(NamedTuple):
    """See `IOutcome`.  Stored as a plain tuple, instants as integers."""

    id: str
    time: datetime
    outcome: str
    ended: datetime
    description: str
    principalId: str | None
    error: str | None

    @classmethod
    def read(cls, record: tuple[Any, ...]) -> 'Outcome':
        """The outcome that a stored record tells of."""
        oid, time, outcome, ended, description, principal, error = record
        return cls(f'{oid:x}', from_micros(time), OUTCOMES[outcome],
                   from_micros(ended), description, principal, error)


class Chunk(Persistent):
    """The outcomes of one turn, in order."""

    records: tuple[tuple[Any, ...], ...] = ()

    def __getstate__(self) -> tuple[tuple[Any, ...], ...]:
        return self.records

    def __setstate__(self, state: tuple[tuple[Any, ...], ...]) -> None:
        self.records = state


@implementer(IHistory)
class History(Persistent):
    """See `IHistory`."""

    keep = 10_000

    def __init__(self) -> None:
        self.chunks = LOBTree()

    def add(self, records: list[tuple[Any, ...]], now: datetime) -> None:
        """Add the outcomes of one turn, made about *now*."""
        if not records:
            return
        chunk = Chunk()
        chunk.records = tuple(records)
        high = to_micros(now)
        if self.chunks:
            # By lot, so that two turns at the same time do not conflict.
            lot = 1 + random.getrandbits(LOT)
            high = max(high, (self.chunks.maxKey() >> SIZE) + lot)
        self.chunks[high << SIZE | len(records)] = chunk
        if high % TRIM == 0:
            self.trim()

    def trim(self) -> None:
        """Forget what is beyond the bound, by whole chunks."""
        kept = 0
        for key in reversed(list(self.chunks)):
            if kept >= self.keep:
                del self.chunks[key]
            kept += key & (1 << SIZE) - 1

    def __iter__(self) -> Iterator[Outcome]:
        key = self._newest(None)
        while key is not None:
            for record in reversed(self.chunks[key].records):
                yield Outcome.read(record)
            key = self._newest(key)

    def _newest(self, below: int | None) -> int | None:
        """The key of the newest chunk, or of the one before that key."""
        try:
            return self.chunks.maxKey(  # type: ignore[no-any-return]
                *(() if below is None else (below - 1,)))
        except ValueError:  # the tree has no such key
            return None
