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
"""What a run comes to: an outcome in the place of its task.

Shared by the run itself and by what a failed one leads to.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from typing import NamedTuple

import zope.event
from persistent import Persistent

from zodbschedule import clock
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import RunEnded
from zodbschedule.outcomes import CANCELLED
from zodbschedule.outcomes import EXPIRED
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.scheduling import series
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.history import record
from zodbschedule.store.inspection import DESCRIPTION
from zodbschedule.store.inspection import text
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import type_of
from zodbschedule.transactions.guard import Guard
from zodbschedule.transactions.retrying import abort


# What FileStorage can store of a transaction's user and description, in bytes
# of UTF-8.
METADATA = 65_535

#: an instant, and the task that is to stand there
Following = tuple[int, Persistent]


class RunResult(NamedTuple):
    """How a run ended."""

    #: one of the constants in `zodbschedule.store.claim`; None: left in
    #: its place
    outcome: int | None
    #: what the run scheduled, each with its instant
    scheduled: tuple[Following, ...] = ()
    #: whether it was left because it conflicts
    conflicted: bool = False


class Decision(NamedTuple):
    """What is to be settled, after a call."""

    outcome: int
    #: what comes next
    following: Following | None = None
    #: how many missed occurrences were passed over
    passed: int = 0


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

    def moment(self, shown: datetime | None = None) -> datetime:
        """The current instant, as the pass counts it: from its *now*.

        *shown* is what the clock shows, if that is known.
        """
        return self.now + ((shown or clock.now()) - self.begun)


class TaskSnapshot(NamedTuple):
    """What a task says of itself before its run."""

    principal_id: str | None
    description: str
    type: str
    micros: int
    occurrence: int
    attempt: int


class RunBase:
    """What a run of the task *oid*, in one slot of a claim, comes to.

    See `zodbschedule.execution.run` and `zodbschedule.execution.failure`.
    """

    def __init__(self, context: PassContext, index: int, oid: int) -> None:
        self.context = context
        self.schedule = context.schedule
        self.manager = context.manager
        self.index = index
        self.oid = oid
        #: when its last attempt began
        self.began = context.begun
        #: the tasks that are scheduled while it goes on
        self.scheduled: list[Following] = []
        #: what the task says of itself, in the last attempt
        self.facts: TaskSnapshot | None = None
        #: what is told when its outcome is committed
        self.event: RunEnded | None = None

    @property
    def id(self) -> str:
        """The id of the task."""
        return f'{self.oid:x}'

    def ending(self, slot: Slot) -> RunResult:
        """How it has ended, by what stands in its place."""
        following = slot.following
        scheduled = self.scheduled if following is None else (
            *self.scheduled, following)
        return RunResult(slot.outcome, tuple(scheduled))

    def claim(self) -> Claim:
        """The claim, found anew; `ClaimLost` if another has recovered it."""
        return claim_of(self.schedule, self.context.claim_id)

    def slot(self) -> Slot:
        """The place of the task, found anew."""
        slot: Slot = self.claim().slots[self.index]
        return slot

    def found(self, slot: Slot) -> RunResult:
        """The answer to an earlier commit was lost, or it was cancelled."""
        ending = self.ending(slot)
        if slot.outcome == CANCELLED and self.facts is not None:
            self._tell(self.facts, CANCELLED, None)
        abort(self.manager)
        return ending

    def goes_on(self, outcome: int, task: Any, micros: int, now: datetime
                ) -> Decision:
        """The occurrence has ended, the series may go on."""
        step = series.advance_in(
            self.schedule, task, micros, now, outcome == EXPIRED)
        following = None if step.micros is None else (step.micros, task)
        return Decision(outcome, following, passed=step.passed)

    # -- on record

    def facts_of(self, task: Any, micros: int) -> TaskSnapshot:
        """What a task says that stands at that instant."""
        where = series.series_of(task)
        return TaskSnapshot(
            task.principalId, task.description, type_of(task), micros,
            micros if where.occurrence is None else where.occurrence,
            where.attempts + 1)

    def settle(self, slot: Slot, facts: TaskSnapshot, verdict: Decision,
               error: str | None = None) -> RunResult:
        """Put a verdict in the place of the task."""
        on_record = self._record(facts, verdict, error)
        slot.settle(verdict.outcome, on_record, verdict.following)
        return self.ending(slot)

    def _record(self, facts: TaskSnapshot, verdict: Decision, error: str | None
                ) -> tuple[Any, ...] | int:
        """What the history keeps, as plain data; what is told, as well."""
        description = self._tell(facts, verdict.outcome, error)
        if not self.schedule.history.keep:
            return self.oid
        return record(
            self.oid, facts.micros, verdict.outcome,
            to_micros(clock.now()), description, facts.type,
            facts.principal_id, error,
            began=to_micros(self.began), attempt=facts.attempt,
            passed=verdict.passed, occurrence=facts.occurrence)

    def _tell(self, facts: TaskSnapshot, outcome: int, error: str | None
              ) -> str:
        """Prepare what is told after the commit; the description."""
        description = text(str(facts.description or ''), DESCRIPTION)
        if zope.event.subscribers:
            self.event = RunEnded(
                self.id, OUTCOMES[outcome], from_micros(facts.micros),
                description, facts.type, facts.principal_id, facts.attempt,
                from_micros(facts.occurrence), error)
        return description


def claim_of(schedule: ScheduleState, claim_id: str) -> Claim:
    """The claim with that id; `ClaimLost` if another has recovered it."""
    claim: Claim | None = schedule.claims.get(claim_id)
    if claim is None:
        raise ClaimLost(
            f'The claim {claim_id} was recovered by another process, which '
            f'believed this one dead')
    return claim


def set_metadata(txn: Any, principal_id: str | None, description: str) -> None:
    """Say in the undo log who did what, as far as that can be stored."""
    user = metadata(principal_id or '')
    if txn.user != user:
        txn.user = user
    if description or txn.description:
        parts = (str(description or ''), txn.description)
        txn.description = metadata('\n'.join(filter(None, parts)))


def metadata(value: str) -> str:
    """*value* as valid UTF-8 of at most `METADATA` bytes."""
    if value.isascii() and len(value) <= METADATA:
        return value
    data = value.encode('utf-8', 'replace')[:METADATA]
    return data.decode('utf-8', 'ignore')
