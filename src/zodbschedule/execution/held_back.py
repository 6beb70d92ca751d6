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
"""Which part of what is due a worker steps over, since nothing may be taken.

Thousands of overdue tasks may stand at the head that are paused, are held off
or miss their code; each look would load them all, and each commit of anybody
is followed by a look.  So a worker remembers up to where nothing may be taken.
Its passes begin there, a little before the last of them::

    │ held back, thousands              │ the last few │ what comes due
    ├──────────[ again ]────────────────┤
               ╰─ a part is looked at from time to time, in rotation ─▶

What comes to stand among them is found by that rotation; all is looked at
again once a pause has ended, or something was handed back.  With fewer tasks
than that nothing is stepped over.
"""

import time
from datetime import datetime
from datetime import timedelta

from zodbschedule import clock
from zodbschedule.store.state import ScheduleState
from zodbschedule.store.timetable import Gap


# How many of the last lists that are held back each pass looks at.  Fewer, and
# what is scheduled for a moment ago waits for the rotation; more, and each
# look takes longer.
NEAR = 64

# How many instants of the others are looked at again at once, and how often,
# in seconds.  More, and a worker is busier for as long as tasks are held back;
# less, and what comes to stand among them waits longer.
PART = 256
INTERVAL = .5


class HeldBack:
    """What one worker knows to be held back, at the head of one timetable."""

    def __init__(self, schedule: ScheduleState) -> None:
        self.schedule = schedule
        #: up to where nothing may be taken, exclusive
        self.end: datetime | None = None
        #: where the next part begins; None: at the head
        self.again: datetime | None = None
        #: when the last part was looked at, by a monotonic clock
        self.looked = float('-inf')
        #: what was seen of all that lets tasks be taken again
        self.seen = 0, 0

    def begin(self, now: datetime) -> tuple[datetime | None, Gap | None]:
        """Where a pass begins, and what it steps over."""
        seen = (self.schedule.timetable.returned,
                self.schedule.pauses.count_ended())
        if seen != self.seen or self.end is not None and self.end > now:
            self.seen = seen
            self.end = self.again = None
        if self.end is None:
            return None, None
        if time.monotonic() - self.looked < INTERVAL:
            return self.end, None
        return self._part(self.end)

    def _part(self, end: datetime) -> tuple[datetime | None, Gap | None]:
        """A pass with the next part of what is held back."""
        self.looked = time.monotonic()
        start = self.again
        self.again = self.schedule.timetable.ahead(start, PART)
        if self.again is None or self.again >= end:
            self.again = None
            return start, None
        return start, (self.again, end)

    def extend(self, passed: list[datetime]) -> None:
        """A look has found nothing to take in lists at these instants."""
        beyond = [instant for instant in passed
                  if self.end is None or instant >= self.end]
        if len(beyond) > 2 * NEAR:
            self.end = beyond[-NEAR]
            self.looked = time.monotonic()

    def next_check(self) -> datetime | None:
        """When a part is to be looked at, though nothing comes due."""
        if self.end is None:
            return None
        left = self.looked + INTERVAL - time.monotonic()
        return clock.now() + timedelta(seconds=left)
