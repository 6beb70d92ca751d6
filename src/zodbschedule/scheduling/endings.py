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
"""The end of a run: what is recorded and told of it, as plain data."""

from datetime import datetime
from typing import Any
from typing import NamedTuple

from persistent.TimeStamp import TimeStamp

from zodbschedule import clock
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import RunEnded
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.plain_text import text
from zodbschedule.scheduling import series
from zodbschedule.store.claim import Claim
from zodbschedule.store.history import record
from zodbschedule.store.inspection import DESCRIPTION
from zodbschedule.store.inspection import known_principal
from zodbschedule.store.labels import Codes
from zodbschedule.store.labels import codes_of
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import description_of
from zodbschedule.task import type_of


class TaskSnapshot(NamedTuple):
    """What a task said of itself before its run, which may change that."""

    principal_id: str | None
    description: str
    type: str
    #: the instant from which it was taken, in microseconds
    micros: int
    #: the occurrence that it is for, in microseconds
    occurrence: int
    attempt: int
    key: str | None = None
    #: its entries among the labels of the schedule
    labels: Codes = ()

    def recorded(self, oid: int, outcome: int, error: str | None, began: int,
                 passed: int = 0) -> tuple[Any, ...]:
        """What the history keeps of a run that has just ended."""
        return record(
            oid, self.micros, outcome, to_micros(clock.now()),
            text(str(self.description), DESCRIPTION), self.type,
            self.principal_id, error, began=began, attempt=self.attempt,
            passed=passed, occurrence=self.occurrence)

    def event(self, schedule: ScheduleState, oid: int, outcome: int,
              error: str | None, began: datetime | None = None
              ) -> RunEnded:
        """What subscribers are told of it."""
        return RunEnded(
            f'{oid:x}', OUTCOMES[outcome], from_micros(self.micros),
            text(str(self.description), DESCRIPTION), self.type,
            self.principal_id, self.attempt, from_micros(self.occurrence),
            error, *schedule.origin, began)


def known_snapshot(task: Any, micros: int, whole: bool) -> TaskSnapshot:
    """What can be known of a task, of which perhaps nothing can be loaded."""
    return TaskSnapshot(
        known_principal(task), description_of(task), type_of(task),
        micros, series.occurrence_of(task, micros) if whole else micros,
        series.attempt_of(task) if whole else 1, labels=codes_of(task))


class CutOff(NamedTuple):
    """A run that has ended before it had an outcome of its own."""

    #: the slot that holds its task
    slot: int
    #: what was seen of its end, for a person to read
    seen: str
    #: when it began, in microseconds, as far as that is known
    began: int
    #: whether it counts as a crash: it has ended its process
    crashed: bool = False
    #: the traceback of what has ended it, if that was seen
    trace: str = ''


def running_in(claim: Claim, seen: str, crashed: bool = False
               ) -> CutOff | None:
    """The run that is cut off in *claim*, as far as the claim tells."""
    index = claim.running
    if index is None:
        return None
    since = round(TimeStamp(claim.running_since()).timeTime() * 1_000_000)
    # The clock of the storage may be ahead.
    began = min(since, to_micros(clock.now()))
    return CutOff(index, seen, began, crashed)
