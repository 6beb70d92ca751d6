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
"""What a run is made from, and what it comes to: plain values."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from typing import NamedTuple

from zodbschedule import clock
from zodbschedule.execution.observing import RunObserver
from zodbschedule.instant import later
from zodbschedule.store.claim import Placed
from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions.guard import Guard


class RunResult(NamedTuple):
    """How a run ended."""

    #: one of `zodbschedule.outcomes`; None: the task is left in its place
    outcome: int | None
    #: what the run scheduled, each with its instant
    scheduled: tuple[Placed, ...] = ()
    #: whether the task was left because it conflicts
    conflicted: bool = False


class Decision(NamedTuple):
    """What is to be settled, after a call."""

    outcome: int
    #: where the task continues, if it does
    following: Placed | None = None
    #: how many missed occurrences were passed over
    passed: int = 0
    #: whether the recurrence of the task names no further occurrence
    last: bool = False


@dataclass(frozen=True)
class PassContext:
    """What all runs of one pass have in common."""

    schedule: ScheduleState
    manager: Any
    claim_id: str
    #: an IPrincipals
    principals: Any
    #: the instant up to which tasks are due
    now: datetime
    #: what the clock showed then
    begun: datetime
    guard: Guard
    #: what of the errors of a task is a failure of that task
    contained: type[BaseException] = Exception
    #: an IRunEnvironment, if the principals are more than that
    environment: Any = None
    #: whether runs are committed: else there are savepoints only
    commits: bool = True
    #: each makes an observer of a run
    observers: tuple[Callable[[Any], RunObserver], ...] = ()

    def moment(self, shown: datetime | None = None) -> datetime:
        """The current instant, as the pass counts it: from its *now*.

        *shown* is what the clock shows, if that is known.
        """
        return later(self.now, (shown or clock.now()) - self.begun)
