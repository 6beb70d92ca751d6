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
"""What is paused, since when, by whom and why."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from typing import NamedTuple

from BTrees.Length import Length
from BTrees.LOBTree import LOBTree
from persistent import Persistent
from zope.interface import implementer

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IPause
from zodbschedule.interfaces import IPausedTask
from zodbschedule.store import remains
from zodbschedule.store.remains import is_left


# The schedule as a whole, among the oids of tasks: that of a database's root.
ALL = 0


@implementer(IPause)
class Pause(NamedTuple):
    """See `IPause`."""

    since: datetime
    by: str | None
    reason: str


@implementer(IPausedTask)
class PausedTask(NamedTuple):
    """See `IPausedTask`."""

    id: str
    task: Any
    since: datetime
    by: str | None
    reason: str


class Pauses(Persistent):
    """The pauses of a schedule, by the oid of the task, or `ALL`."""

    #: oid -> since when, in microseconds; by whom; why; and the task.  None
    #: until something is paused, because each run looks here
    entries: LOBTree | None = None
    #: how often a pause has ended; made together with the entries
    ended: Length | None = None

    def __contains__(self, oid: object) -> bool:
        return self._entry(oid) is not None

    def _entry(self, oid: object) -> Any:
        return None if self.entries is None else (
            remains.get(self.entries, oid))

    def hold(self, oid: int) -> bool:
        """Whether the task with that oid, or the whole schedule, is paused."""
        return self.entries is not None and (ALL in self or oid in self)

    def get(self, oid: int) -> Pause | None:
        """The pause of the task with that oid, or of `ALL`; or None."""
        entry = self._entry(oid)
        if not entry:
            return None
        since, by, reason, _ = entry
        return Pause(from_micros(since), by, reason)

    def task(self, oid: int) -> Any:
        """The task with that oid, if it is paused by itself, or None."""
        entry = self._entry(oid)
        return entry[3] if entry else None

    def tasks(self, after: int = ALL) -> Iterator[PausedTask]:
        """The tasks that are paused by themselves, by oid, lazily.

        Those whose oid is above *after*.
        """
        while found := self._next(after):
            after, (since, by, reason, task) = found
            yield PausedTask(
                f'{after:x}', task, from_micros(since), by, reason)

    def _next(self, after: int) -> tuple[int, Any] | None:
        return None if self.entries is None else next(
            remains.items(self.entries, after, excludemin=True), None)

    def begin(self, oid: int, pause: Pause, task: Any = None) -> None:
        """Pause *task*, which has that oid; `ALL` and None: the schedule.

        If it is paused already, only by and reason change.
        """
        since = to_micros(pause.since)
        if self.entries is None:
            self.entries = LOBTree()
            self.ended = Length()
        before = self._entry(oid)
        if before is not None:
            since = before[0]
        entries = remains.grown(self, 'entries', oid)
        entries[oid] = (since, pause.by, pause.reason, task)

    def end(self, oid: int) -> bool:
        """End the pause of that oid, or of `ALL`; whether there was one."""
        if self.ended is None or (
                remains.discard(self, 'entries', oid) is None):
            return False
        if not is_left(self.ended):
            self.ended = Length()
        self.ended.change(1)
        return True

    def count_ended(self) -> int:
        """How often a pause has ended: what it held may be taken then."""
        ended = self.ended
        return 0 if ended is None or not is_left(ended) else ended()
