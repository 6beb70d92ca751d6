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
"""Which tasks wait longer than their time says, since they cannot run now.

Kept in memory, for each database: another process finds out by itself.
"""

from datetime import datetime
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary


# For how long a task that could not be committed is held off, at first and at
# most.  Shorter, and a task that always conflicts takes more of the time of
# others; longer, and one that conflicted by chance runs later.
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=1)


class Backoff:
    """Which tasks of one database are held off, and until when.

    Threads share it: what one has just seen here another may have removed.
    """

    def __init__(self) -> None:
        #: oid -> when it last could not run, and for how long it waits then
        self.pauses: dict[int, tuple[datetime, timedelta]] = {}
        #: the missing classes that were told of: one line a class, since
        #: thousands of tasks may be of it
        self.missing: set[str] = set()

    def holds(self, oid: int, now: datetime) -> bool:
        """Whether that task is not to be taken at *now*."""
        since, pause = self.pauses.get(oid, (now, timedelta(0)))
        return since <= now < since + pause

    def hold(self, oid: int, now: datetime) -> None:
        """Hold that task off from *now* on, twice as long as before."""
        _, pause = self.pauses.get(oid, (now, FIRST_PAUSE / 2))
        self.pauses[oid] = now, min(pause * 2, LONGEST_PAUSE)

    def pause_of(self, oid: int) -> float:
        """For how long it was held off the last time, in seconds."""
        _, pause = self.pauses.get(oid, (None, FIRST_PAUSE))
        return pause.total_seconds()

    def forget(self, oid: int) -> None:
        """That task could run."""
        self.pauses.pop(oid, None)

    def next_end(self, oids: set[int], now: datetime) -> datetime | None:
        """When the first of those tasks may be taken again, or None."""
        known = filter(None, map(self.pauses.get, oids))
        return min((since + pause for since, pause in known
                    if since + pause > now), default=None)


_backoffs: WeakKeyDictionary[Any, Backoff] = WeakKeyDictionary()


def backoff_of(db: Any) -> Backoff:
    """What all threads that work on that `ZODB.DB` share."""
    return _backoffs.setdefault(db, Backoff())
