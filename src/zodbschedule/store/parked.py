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
"""The parked tasks: set aside until a person unparks or discards them."""

from collections.abc import Iterator
from datetime import UTC
from datetime import datetime

from BTrees.Length import Length
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from zope.interface import implementer

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IParkedTask
from zodbschedule.interfaces import IParkedTasks
from zodbschedule.plain_text import text
from zodbschedule.store import remains
from zodbschedule.store.inspection import normal_id
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import task_id
from zodbschedule.store.moved import Moved
from zodbschedule.store.remains import is_left


# How much of a reason and of a traceback is kept, in characters.  If it were
# more, a task that fails on a large value would fill the database; if less,
# the frames that matter, the first and the last, would be cut.
REASON = 500
TRACEBACK = 20_000


def entry_id(oid: int, occurrence: int | None = None) -> str:
    """The id of the entry of a task, or of one occurrence of it."""
    if occurrence is None:
        return f'{oid:x}'
    moment = from_micros(occurrence)
    part = f'.{moment:%f}' if moment.microsecond else ''
    return f'{oid:x}-{moment:%Y%m%dT%H%M%S}{part}Z'


def parts_of(id: str) -> tuple[int, int | None]:
    """The oid and the occurrence that `entry_id` has made *id* of."""
    oid, _, part = id.partition('-')
    if not part:
        return int(oid, 16), None
    form = '%Y%m%dT%H%M%S.%fZ' if '.' in part else '%Y%m%dT%H%M%SZ'
    moment = datetime.strptime(part, form).replace(tzinfo=UTC)
    return int(oid, 16), to_micros(moment)


@implementer(IParkedTask)
class ParkedTask(Persistent):
    """See `IParkedTask`."""

    _occurrence: int | None = None
    #: see `IParkedTask`; None until it is set aside
    position: int | None = None

    def __init__(self, id: str, task: Persistent, time: datetime,
                 parked_at: datetime, reason: str, traceback: str = '',
                 description: str = '', principalId: str | None = None,
                 occurrence: int | None = None) -> None:
        self.id = id
        self.task = task
        self._time = to_micros(time)
        self._parked_at = to_micros(parked_at)
        self.reason = text(' '.join(reason.split()), REASON)
        self.traceback = text(traceback, TRACEBACK)
        self.description = description
        self.principalId = principalId
        if occurrence is not None:
            self._occurrence = occurrence

    @property
    def time(self) -> datetime:
        return from_micros(self._time)

    @property
    def occurrence(self) -> datetime | None:
        known = self._occurrence
        return None if known is None else from_micros(known)

    def rename(self, oid: int) -> None:
        """Give it the id that it has if its task has that oid."""
        self.id = entry_id(oid, self._occurrence)

    @property
    def parked_at(self) -> datetime:
        return from_micros(self._parked_at)

    @property
    def arrived(self) -> int:
        """The same, in microseconds."""
        return self._parked_at

    def __repr__(self) -> str:
        try:
            return f'<ParkedTask {self.id}: {self.reason}>'
        except Exception:
            # Its record is gone, for instance.
            return f'<ParkedTask {task_id(self)}, which cannot be read>'


@implementer(IParkedTasks)
class ParkedTasks(Persistent):
    """See `IParkedTasks`."""

    def __init__(self, moved: Moved | None = None) -> None:
        #: id -> entry
        self.entries = OOBTree()
        #: position -> the same entry, in the order of arrival
        self.arrivals = LOBTree()
        #: how many there are: a walk would load them all
        self.count = Length()
        self.moved = moved or Moved()

    # -- looking

    def __iter__(self) -> Iterator[ParkedTask]:
        found = self._first(None)
        while found is not None:
            id, entry = found
            if is_left(entry):
                yield entry
            found = self._first(id)

    def _first(self, after: str | None) -> tuple[str, ParkedTask] | None:
        return next(remains.items(
            self.entries, after, excludemin=after is not None), None)

    def newest_first(self, before: int | None = None) -> Iterator[ParkedTask]:
        """See `IParkedTasks`."""
        while (position := self._newest(before)) is not None:
            entry = remains.get(self.arrivals, position)
            if entry is not None and is_left(entry):
                yield entry
            before = position

    def _newest(self, before: int | None = None) -> int | None:
        """The last position, or the last one before that."""
        position: int | None = remains.largest(
            self.arrivals, None if before is None else before - 1)
        return position

    def __contains__(self, entry: object) -> bool:
        return isinstance(
            entry, ParkedTask) and self.get(entry.id) is entry

    def __len__(self) -> int:
        return self.count() if is_left(self.count) else self.counted()

    def counted(self) -> int:
        """How many there are, by a walk over all."""
        return remains.count(self.entries)

    def __bool__(self) -> bool:
        return remains.holds_anything(self.entries)

    def get(self, id: str,
            default: ParkedTask | None = None) -> ParkedTask | None:
        """See `IParkedTasks`."""
        entry = remains.get(self.entries, normal_id(id))
        return entry if entry is not None and is_left(entry) else default

    # -- coming and leaving

    def add(self, entry: ParkedTask) -> None:
        """Set *entry* aside, in the place of another with its id."""
        is_sound = remains.leads_to(self.entries, entry.id)
        entries = remains.grown(self, 'entries', entry.id)
        before = entries.get(entry.id)
        self.moved.note([entry.task])
        self.moved.note_insert(entries, entry.id)
        entries[entry.id] = entry
        if not is_sound:
            self.count_anew()
        elif before is None:
            self._count(1)
        elif is_left(before):
            self._forget_arrival(before)
        self.note_arrival(entry)

    def note_arrival(self, entry: ParkedTask) -> None:
        """Put *entry* behind those that came before."""
        last = self._newest()
        position = entry.arrived if last is None else max(
            entry.arrived, last + 1)
        arrivals = remains.grown(self, 'arrivals', position)
        self.moved.note_insert(arrivals, position)
        arrivals[position] = entry
        entry.position = position

    def remove(self, entry: ParkedTask) -> None:
        """Remove *entry*; it is written, so that two who do this conflict."""
        if remains.discard(self, 'entries', entry.id) is not None:
            self._count(-1)
        self._forget_arrival(entry)
        entry._p_changed = True

    def _forget_arrival(self, entry: ParkedTask) -> None:
        if self.has_arrived(entry):
            remains.discard(self, 'arrivals', entry.position)

    def forget_lost(self, lost: ParkedTask) -> None:
        """Remove an entry whose record is gone from the arrivals."""
        for position, entry in list(remains.items(self.arrivals)):
            if entry is lost:
                remains.discard(self, 'arrivals', position)

    def has_arrived(self, entry: ParkedTask) -> bool:
        """Whether *entry* stands among the arrivals, where it says."""
        return entry.position is not None and remains.get(
            self.arrivals, entry.position) is entry

    def _count(self, change: int) -> None:
        if is_left(self.count):
            self.count.change(change)
        else:
            self.count_anew()

    def count_anew(self) -> None:
        """Have the count say how many there are."""
        self.count = Length(self.counted())

    # -- in a copy of the schedule

    def key_anew(self) -> dict[int, int]:
        """Give all entries the ids that follow from the oids of their tasks.

        Those oids, by the ones of before.  An entry whose record is gone goes:
        nothing else of the copy refers to its task.
        """
        entries, oids = list(self), {}
        for entry in entries:
            before, _ = parts_of(entry.id)
            oids[before] = oid_of(entry.task)
            entry.rename(oids[before])
        remains.refill(self.entries, {entry.id: entry for entry in entries})
        remains.refill(self.arrivals, {
            entry.position: entry for entry in entries
            if self.has_arrived(entry)})
        if len(self) != len(entries):
            self.count_anew()
        return oids
