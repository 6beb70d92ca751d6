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
"""Which tasks wait longer than their time says, since they cannot be run now.

Kept in memory, for each database: another process finds out by itself.
"""

from datetime import datetime
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary


# How long a task that could not be committed rests, at first and at most.
REST = timedelta(seconds=1)
LONGEST_REST = timedelta(minutes=1)


class Rest:
    """Which tasks of one database rest, and until when.

    Threads share it: what one has just seen here another may have ended.
    """

    def __init__(self) -> None:
        self.until: dict[int, tuple[datetime, timedelta]] = {}

    def rests(self, oid: int, now: datetime) -> bool:
        """Whether that task is to be left alone at *now*."""
        found = self.until.get(oid)
        if found is None:
            return False
        since, pause = found
        return since <= now < since + pause

    def note(self, oid: int, now: datetime, in_vain: bool) -> None:
        """After a run in vain leave it alone for twice as long as before."""
        if in_vain:
            _, pause = self.until.get(oid, (now, REST / 2))
            self.until[oid] = now, min(pause * 2, LONGEST_REST)
        else:
            self.until.pop(oid, None)

    def ends(self, oids: set[int], now: datetime) -> datetime | None:
        """When the first of those tasks has rested, if any of them rests."""
        known = filter(None, map(self.until.get, oids))
        return min((since + pause for since, pause in known
                    if since + pause > now), default=None)


_rests: WeakKeyDictionary[Any, Rest] = WeakKeyDictionary()


def rest_of(db: Any) -> Rest:
    """What all who work on that `ZODB.DB` know of tasks that rest."""
    return _rests.setdefault(db, Rest())
