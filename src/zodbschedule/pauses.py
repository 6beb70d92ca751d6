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

from datetime import datetime
from typing import NamedTuple

from BTrees.LOBTree import LOBTree
from persistent import Persistent
from zope.interface import implementer

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IPause


# The schedule as a whole, among the oids of tasks: that of a database's root.
ALL = 0


@implementer(IPause)
class Pause(NamedTuple):
    """See `IPause`."""

    since: datetime
    by: str | None
    reason: str


class Pauses(Persistent):
    """The pauses of a schedule, by the oid of the task, or `ALL`."""

    def __init__(self) -> None:
        self.entries = LOBTree()

    def __contains__(self, oid: object) -> bool:
        return oid in self.entries

    def get(self, oid: int) -> Pause | None:
        """The pause of that one, or None."""
        entry = self.entries.get(oid)
        return entry and Pause(from_micros(entry[0]), *entry[1:])

    def begin(self, oid: int, pause: Pause) -> None:
        """Pause that one; a second time, only by and reason are new."""
        since = to_micros(pause.since)
        before = self.entries.get(oid)
        if before is not None:
            since = before[0]
        self.entries[oid] = (since, pause.by, pause.reason)

    def end(self, oid: int) -> bool:
        """Resume that one; whether it was paused."""
        return self.entries.pop(oid, None) is not None
