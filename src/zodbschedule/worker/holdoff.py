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
"""Why a schedule is left alone, and until when.

The states of a `ScheduleLoop`, of which each attempt to attend to its schedule
sets the next one::

    state        set when                      ends when
    ───────────────────────────────────────────────────────────────────────
    none         there was work                at once
    IDLE         nothing is due                something comes due, or the
                                               database changes, or claims of
                                               others are to be surveyed
    UNAVAILABLE  there is no schedule, or      the database changes, or after
                 tasks may not run here        a minute
    REFUSED      a run found that tasks may    after a pause; nothing else
                 not run here                  ends it
    GIVING_WAY   another thread runs a task    after half a second, or the
                 that has to run alone         database changes
    FAILED       an error was not a task's     after a pause; nothing else
                                               ends it

The pause doubles, up to a minute, while the same happens again.  What is
written to begin with a run, and to end it, would end these two at once.
"""

import random
import time
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from zodbschedule import clock


# For how long to wait at most before the clock, and the processes of this
# machine, are checked again, in seconds.  Neither asks the database.
SLICE = .5

# How long until an unavailable schedule is tried again although the database
# has not changed, in seconds.
UNAVAILABLE_PAUSE = 60.0

# The first pause after what has failed, and the longest for a schedule, in
# seconds.  Longer, and what was mended begins later; shorter, and an error
# that stays fills the log.
FIRST_PAUSE = .1
LONGEST_PAUSE = 60.0


class Reason(Enum):
    """See the table."""

    IDLE = 1
    UNAVAILABLE = 2
    REFUSED = 3
    FAILED = 4
    GIVING_WAY = 5


#: those that no change of the database ends
FIRM = Reason.REFUSED, Reason.FAILED


class HoldOff(NamedTuple):
    """A state of the table."""

    reason: Reason
    #: a datetime by the clock, or seconds by a monotonic clock; None: not by
    #: the passing of time
    until: datetime | float | None = None
    #: how often it was set for this reason, one after the other
    times: int = 1

    def left(self) -> float | None:
        """For how many seconds it lasts; None if no time ends it."""
        if self.until is None:
            return None
        if isinstance(self.until, datetime):
            return (self.until - clock.now()).total_seconds()
        return self.until - time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether enough time has passed."""
        left = self.left()
        return left is not None and left <= 0

    @property
    def is_firm(self) -> bool:
        """Whether nothing but time ends it, and that has not passed."""
        return self.reason in FIRM and not self.is_over

    def pause(self) -> float:
        """For how many seconds to wait before the next check."""
        left = self.left()
        return SLICE if left is None else max(0.0, min(SLICE, left))


def next_hold_off(before: HoldOff | None, reason: Reason,
                  due: datetime | None = None) -> HoldOff:
    """The state after *before*; *due* is when an idle one has work."""
    if reason is Reason.IDLE:
        return HoldOff(reason, due)
    now = time.monotonic()
    if reason is Reason.UNAVAILABLE:
        return HoldOff(reason, now + UNAVAILABLE_PAUSE)
    if reason is Reason.GIVING_WAY:
        return HoldOff(reason, now + SLICE)
    times = 1
    if before is not None and before.reason is reason:
        times += before.times
    return HoldOff(reason, now + pause_after(times, LONGEST_PAUSE), times)


def pause_after(failures: int, longest: float) -> float:
    """How long to wait after that many failures in a row, in seconds."""
    pause = FIRST_PAUSE * 2 ** min(failures - 1, 20)
    return float(min(longest, pause) * random.uniform(.5, 1))
