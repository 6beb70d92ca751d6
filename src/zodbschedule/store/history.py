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

Each turn adds one chunk, an object of its own.  With one list for all, 44 % of
the turns of four workers conflicted; with a chunk a turn, 7 %.
"""

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from operator import attrgetter
from typing import Any
from typing import NamedTuple

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.utils import z64
from zope.interface import implementer

from zodbschedule.instant import as_utc
from zodbschedule.instant import earlier
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IHistory
from zodbschedule.interfaces import IOutcome
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.store import remains
from zodbschedule.store.claim import left_slots
from zodbschedule.store.identity import new_oid
from zodbschedule.store.inspection import normal_id
from zodbschedule.store.inspection import task_id
from zodbschedule.store.moved import Moved
from zodbschedule.store.remains import is_left
from zodbschedule.store.settings import Configurable


# The low bits of a chunk's key say how many outcomes it holds, so that the
# bound is kept without loading any; the high bits are microseconds.
SIZE = 11

# The bits of the random distance, in microseconds, from a chunk to the one
# before it.  With fewer, two turns at the same time conflict more often.
LOT = 10

# The microseconds in a chunk's key are kept within these, the years 1827 to
# 2112: a key has 64 bits.  Above is room for the chunks that follow.
EARLIEST, LATEST = -1 << 52, (1 << 52) - (1 << 48)

# Outdated chunks are deleted in about one of so many turns, because deleting
# the first bucket of the tree conflicts with every other turn.
TRIM = 32


# What is recorded besides the outcomes of runs.
PAUSED = 7
RESUMED = 8
UNSCHEDULED = 9
REQUESTED = 10
CHANGED = 11
UNPARKED = 12
DISCARDED = 13

#: what was decided about a task, by its name
DECISIONS = {
    PAUSED: 'paused', RESUMED: 'resumed', UNSCHEDULED: 'unscheduled',
    REQUESTED: 'requested', CHANGED: 'changed', UNPARKED: 'unparked',
    DISCARDED: 'discarded'}

NAMES = {**OUTCOMES, **DECISIONS}


# The number of fields that every record has, and the defaults of those that
# may follow; defaults at the end are left out.  They are: the type, None if it
# equals the description; the attempt; the number of occurrences that were
# passed over; how many microseconds the occurrence is before the time.
HEAD = 8
TAIL: tuple[Any, ...] = (None, 1, 0, 0)

# The tid of an outcome that is in a copy of the schedule: it is not known
# there which transaction has settled it.
UNKNOWN = b'\xff' * 8


@implementer(IOutcome)
class Outcome(NamedTuple):
    """See `IOutcome`.  Stored as a plain tuple, see `record`."""

    id: str
    time: datetime
    outcome: str
    ended: datetime
    description: str
    principalId: str | None
    error: str | None
    occurrence: datetime
    began: datetime
    attempt: int
    passed: int
    worker: str
    type: str
    tid: bytes | None

    @classmethod
    def read(cls, record: tuple[Any, ...], worker: str, tid: bytes
             ) -> 'Outcome':
        """The outcome in a stored record, of a run of *worker*."""
        (oid, time, outcome, ended, description, principal, error, lasted,
         type, attempt, passed, early) = record + TAIL[len(record) - HEAD:]
        return cls(
            f'{oid:x}' if oid >= 0 else '', from_micros(time),
            NAMES[outcome], from_micros(ended),
            description, principal, error, from_micros(time - early),
            from_micros(ended - lasted), attempt, passed, worker,
            description if type is None else type,
            None if tid in (z64, UNKNOWN) else tid)


def record(oid: int, micros: int, outcome: int, ended: int, description: str,
           type: str, principal: str | None = None, error: str | None = None,
           *, began: int, attempt: int = 1, passed: int = 0,
           occurrence: int | None = None) -> tuple[Any, ...]:
    """An outcome as it is stored: builtins, instants in microseconds."""
    early = 0 if occurrence is None else micros - occurrence
    tail = (None if type == description else type, attempt, passed, early)
    length = len(tail)
    while length and tail[length - 1] == TAIL[length - 1]:
        length -= 1
    return (oid, micros, outcome, ended, description, principal, error,
            ended - began) + tail[:length]


class Chunk(Persistent):
    """The outcomes of one turn, in order, and the name of its worker.

    The tids are those of the transactions that have settled the outcomes, 8
    bytes each; zeros mean the transaction that has stored the chunk.
    """

    records: tuple[tuple[Any, ...], ...] = ()
    tids = b''
    worker = ''

    def __getstate__(self) -> tuple[Any, ...]:
        return self.worker, self.records, self.tids

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.worker, self.records, self.tids = state

    def rename(self, oids: Mapping[int, int]) -> None:
        """Give the outcomes those oids, by the ones that they have."""
        self.records = tuple(
            (new_oid(oid, oids), *rest) for oid, *rest in self.records)

    def forget_tids(self) -> None:
        """Its outcomes were settled by transactions that are not known."""
        self.tids = UNKNOWN * len(self.records)

    def reduce(self, wanted: list[int]) -> None:
        """Keep only the outcomes at those places."""
        self.tids = b''.join(self._tid(index) for index in wanted)
        self.records = tuple(self.records[index] for index in wanted)

    def _tid(self, index: int) -> bytes:
        """That of an outcome; zeros if it is not stored yet."""
        tid = self.tids[8 * index:8 * index + 8]
        return self._p_serial if tid == z64 else tid

    def newest_first(self) -> Iterator[Outcome]:
        """The outcomes, from the last."""
        for index in reversed(range(len(self.records))):
            yield Outcome.read(
                self.records[index], self.worker, self._tid(index))


@implementer(IHistory)
class History(Configurable):
    """See `IHistory`.

    It also shows the outcomes that are still in the *claims* of the schedule.
    """

    settings = IHistory

    keep = 10_000
    keep_each = 100
    max_age: timedelta | None = None

    def __init__(self, claims: OOBTree, moved: Moved | None = None) -> None:
        self.claims = claims
        self.chunks = LOBTree()
        self.moved = moved or Moved()

    def add(self, records: list[tuple[Any, ...]], now: datetime, worker: str,
            tids: bytes | None = None) -> None:
        """Add the outcomes of one turn of *worker*, made about *now*.

        *tids* are those of the transactions that have settled them, one after
        the other; by default, and where they are zeros, this one has.
        """
        if not records:
            return
        chunk = Chunk()
        chunk.records = tuple(records)
        chunk.tids = tids or z64 * len(records)
        chunk.worker = worker
        high = _bounded(to_micros(now))
        last = self._newest(None)
        if last is not None:
            # By lot, so that two turns at the same time do not conflict.
            lot = 1 + random.getrandbits(LOT)
            high = max(high, (last >> SIZE) + lot)
        self._insert(high << SIZE | len(records), chunk)
        if high % TRIM == 0:
            self.trim(now)

    def trim(self, now: datetime) -> None:
        """Delete what is beyond the bounds.

        If there are too many, first what is too much of one task, and then
        the oldest, by whole chunks.
        """
        kept, oldest = 0, EARLIEST
        if self.max_age is not None:
            oldest = _bounded(to_micros(earlier(now, self.max_age)))
        keys = [key for key, _ in remains.items(self.chunks)]
        if 0 < self.keep < sum(map(_size, keys)):
            keys = self._thinned(keys)
        for key in reversed(keys):
            if kept >= self.keep or key >> SIZE < oldest:
                remains.discard(self, 'chunks', key)
            kept += _size(key)

    def _thinned(self, keys: list[int]) -> list[int]:
        """Delete what is too much of one task; the keys of what is left."""
        known: dict[int, tuple[int, ...]] = getattr(self, '_v_oids', {})
        self._v_oids = {}
        seen: Counter[int] = Counter()
        left = []
        for key in reversed(keys):
            chunk = self.chunks[key]
            oids = known.get(key) or _oids_of(chunk)
            wanted = _wanted(oids, seen, self.keep_each)
            if len(wanted) == len(oids):
                left.append(key)
                # A process loads each chunk once.
                if chunk._p_serial != z64:
                    self._v_oids[key] = oids
            elif wanted:
                chunk.reduce(wanted)
                left.append(self.count_anew(key))
            else:
                remains.discard(self, 'chunks', key)
        return left[::-1]

    @staticmethod
    def is_counted(key: int, chunk: Chunk) -> bool:
        """Whether *key* says how many outcomes *chunk* holds."""
        return _size(key) == len(chunk.records)

    def count_anew(self, key: int) -> int:
        """Put a chunk under a key that says how many outcomes it holds."""
        chunk = self.chunks.pop(key)
        high = key >> SIZE
        while high << SIZE | len(chunk.records) in self.chunks:
            high += 1
        self.moved.note([chunk])
        key = high << SIZE | len(chunk.records)
        self._insert(key, chunk)
        return key

    # -- in a copy of the schedule

    def rename(self, oids: Mapping[int, int]) -> None:
        """Give all outcomes other oids, by the ones that they have."""
        self._v_oids = {}
        for chunk in self._left_chunks():
            chunk.rename(oids)

    def forget_tids(self) -> None:
        """Which transactions have settled the outcomes is not known."""
        for chunk in self._left_chunks():
            chunk.forget_tids()

    def _left_chunks(self) -> list[Chunk]:
        return list(remains.left(
            chunk for _, chunk in remains.items(self.chunks)))

    def _insert(self, key: int, chunk: Chunk) -> None:
        chunks = remains.grown(self, 'chunks', key)
        self.moved.note_insert(chunks, key)
        chunks[key] = chunk

    def __iter__(self) -> Iterator[Outcome]:
        return heapq.merge(
            self.in_claims(), self._in_chunks(), key=_ended, reverse=True)

    def select(self, task: Any = None, outcome: str | None = None,
               since: datetime | None = None) -> Iterator[Outcome]:
        """See `IHistory`."""
        if outcome not in (None, *NAMES.values()):
            raise ValueError(
                f'outcome is {outcome!r}; it has to be one of '
                f'{", ".join(NAMES.values())}')
        id = task if task is None else normal_id(
            task if isinstance(task, str) else task_id(task) or '')
        return (entry for entry in self._since(since)
                if (id is None or id and id == entry.id)
                and outcome in (None, entry.outcome))

    def _since(self, since: datetime | None) -> Iterator[Outcome]:
        """The outcomes from that instant on, newest first."""
        if since is None:
            return iter(self)
        moment = as_utc(since, 'since')
        # What a turn has collected had ended before it.
        recent = heapq.merge(
            self.in_claims(), self._in_chunks(moment),
            key=_ended, reverse=True)
        return (entry for entry in recent if entry.ended >= moment)

    def in_claims(self) -> list[Outcome]:
        """What no turn has collected yet, newest first."""
        found = [Outcome.read(slot.record, claim.name, slot._p_serial)
                 for _, claim in remains.items(self.claims)
                 for slot in left_slots(claim)
                 if slot.outcome and slot.record is not None]
        # Of two that ended at one instant, the later one was last.
        return sorted(reversed(found), key=_ended, reverse=True)

    def _in_chunks(self, since: datetime | None = None) -> Iterator[Outcome]:
        for _, chunk in self.newest_chunks(since=since):
            yield from chunk.newest_first()

    def newest_chunks(self, start: int | None = None,
                      since: datetime | None = None
                      ) -> Iterator[tuple[int, Chunk]]:
        """The chunks, newest first, lazily, from that key on.

        Those that were added at *since*, in UTC, or later.
        """
        oldest = EARLIEST if since is None else _bounded(to_micros(since))
        key = self._newest(None if start is None else start + 1)
        while key is not None and key >> SIZE >= oldest:
            if is_left(self.chunks[key]):
                yield key, self.chunks[key]
            key = self._newest(key)

    def _newest(self, below: int | None) -> int | None:
        """The key of the newest chunk, or of the one before that key."""
        key: int | None = remains.largest(
            self.chunks, None if below is None else below - 1)
        return key


_ended = attrgetter('ended')


def _size(key: int) -> int:
    """How many outcomes are in the chunk with that key."""
    return key & (1 << SIZE) - 1


def _oids_of(chunk: Chunk) -> tuple[int, ...]:
    """The tasks of its outcomes, by oid; none if its record is gone."""
    oids = tuple(record[0] for record in chunk.records) if is_left(
        chunk) else ()
    chunk._p_deactivate()
    return oids


def _wanted(oids: tuple[int, ...], seen: Counter[int], most: int
            ) -> list[int]:
    """The places of those of which not *most* were *seen*, from the last."""
    wanted = []
    for index in reversed(range(len(oids))):
        seen[oids[index]] += 1
        if seen[oids[index]] <= most:
            wanted.append(index)
    return wanted[::-1]


def _bounded(micros: int) -> int:
    """*micros*, or what comes next to it that fits into a key."""
    return max(EARLIEST, min(micros, LATEST))
