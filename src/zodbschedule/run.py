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
"""One task, one transaction: principal, call, outcome, settle.

::

    too late to begin? ─▶ expired: settle, commit
       │
    adopt the principal ─▶ call ─▶ None: ask task.schedule() ─╮
                             │ ╰─▶ a task: it takes the place ─┤
                             │                                 ▼
                             │                        settle, commit
                             ▼
          raised, or returned anything else ─▶ abort ─▶ log
              ╰─▶ in a transaction of its own: try again later, or park

What is transient is tried again a few times, and then the task is left in its
place.  The user's failure and the database's failure are separate paths: the
second is raised, unless the database is there for all others.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple

import zope.event
from persistent import Persistent

from zodbschedule import clock
from zodbschedule import series
from zodbschedule.claim import EXPIRED
from zodbschedule.claim import FAILED
from zodbschedule.claim import OUTCOMES
from zodbschedule.claim import RETRIED
from zodbschedule.claim import SUCCEEDED
from zodbschedule.claim import Claim
from zodbschedule.claim import Slot
from zodbschedule.current import CurrentRun
from zodbschedule.current import Where
from zodbschedule.current import current
from zodbschedule.guard import Guard
from zodbschedule.history import record
from zodbschedule.instant import from_micros
from zodbschedule.instant import later
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import ITask
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.interfaces import RunEnded
from zodbschedule.interfaces import TaskParked
from zodbschedule.parking import announce
from zodbschedule.parking import park
from zodbschedule.parking import report_parked
from zodbschedule.parking import told
from zodbschedule.pauses import ALL
from zodbschedule.retry import GiveUp
from zodbschedule.retry import Retry
from zodbschedule.retry import RetryLater
from zodbschedule.returning import go_on
from zodbschedule.returning import loads
from zodbschedule.returning import refuse_broken
from zodbschedule.series import NOWHERE
from zodbschedule.stamp import stamp
from zodbschedule.task import DESCRIPTION
from zodbschedule.task import Task
from zodbschedule.task import known_principal
from zodbschedule.task import known_text
from zodbschedule.task import text
from zodbschedule.transact import RUN
from zodbschedule.transact import abort
from zodbschedule.transact import is_storage_failure
from zodbschedule.transact import is_transient
from zodbschedule.transact import transact


log = logging.getLogger('zodbschedule')

# What FileStorage can store of a transaction's user and description, in bytes
# of UTF-8.
METADATA = 65_535

# How much of an error the history keeps, in characters.
ERROR = 200

# Parking holds no user code, so it may be tried until it passes.
PARK_TRIES = 100

# How long a task waits that asks for it and does not say how long.
PATIENCE = Retry(sys.maxsize)

#: an instant, and the task that is to stand there
Following = tuple[int, Persistent]


class Ending(NamedTuple):
    """How a run ended."""

    #: one of the constants in `zodbschedule.claim`; None: left in its place
    outcome: int | None
    #: what the run scheduled, each with its instant
    scheduled: tuple[Following, ...] = ()
    #: whether it was left because it conflicts
    conflicted: bool = False


class Verdict(NamedTuple):
    """What is to be settled, after a call."""

    outcome: int
    #: what comes next
    following: Following | None = None
    #: the task of a series, for an occurrence of which that stands
    aside: Persistent | None = None
    #: how many missed occurrences were passed over
    passed: int = 0


@dataclass(frozen=True)
class Context:
    """What all runs of one pass have in common."""

    schedule: Any
    manager: Any
    claim_id: str
    #: an IPrincipals
    principals: Any
    #: the instant up to which tasks are due
    now: datetime
    #: what the clock showed then
    begun: datetime

    def moment(self) -> datetime:
        """The current instant, as the pass counts it: from its *now*."""
        return self.now + (clock.now() - self.begun)


class Run:
    """One execution of the task *id*, in one slot of a claim."""

    def __init__(self, context: Context, index: int, id: str) -> None:
        self.context = context
        self.schedule = context.schedule
        self.manager = context.manager
        self.index = index
        self.id = id
        #: the tasks that are scheduled while it goes on
        self.scheduled: list[Following] = []
        self.guard = Guard()
        #: whether the task was called, in the last attempt
        self.called = False
        #: what is told when its outcome is committed, and if it is parked
        self.event: RunEnded | None = None
        self.parked: TaskParked | None = None

    def __call__(self) -> Ending:
        """Run and commit; or put off, or park, and commit that.

        Raises only what says that the database is away, what is no
        Exception, and `ClaimLost` or `PrincipalsMissing` if that keeps the
        task from being called.
        """
        self.began = clock.now()
        try:
            ending: Ending = transact(self.manager, self._perform)
        except Exception as error:
            refused = isinstance(error, (ClaimLost, PrincipalsMissing))
            if refused and not self.called:
                raise
            ending = self._failed(error)
        if self.event is not None and ending.outcome is not None and (
                self.event.outcome == OUTCOMES[ending.outcome]):
            announce(self.event)
        return ending

    # -- the transaction that holds the user's code

    def _perform(self) -> Ending:
        self.called = False
        slot = self._slot()
        if not slot.waiting:
            return self._found(slot)
        if self._is_paused():
            abort(self.manager)
            return Ending(None)
        self._refuse_other_principals()
        task: Any = slot.task
        refuse_broken(task)
        now = self.context.moment()
        txn = self.manager.get()
        txn.set_data(RUN, self)
        self.scheduled.clear()
        # What the task says of itself before it may change that.
        facts = self._facts(task, slot.micros)
        if series.is_expired(task, slot.micros, now):
            return self._expired(slot, task, facts, now)
        with (self.context.principals.adopt(facts.principal_id, task),
              self.guard.over(self.schedule._p_jar)):
            self.called = True
            with self._as_current(task, facts, now):
                verdict = self._call(slot, task, now)
            self.guard.check()
            label(txn, facts.principal_id, facts.description)
            ending = self._settle(slot, facts, verdict)
            txn.addBeforeCommitHook(self.guard.disarm)
            self.manager.commit()
            # A hook that has aborted leaves a commit nothing to do.
            self.guard.check()
        task._p_deactivate()
        return ending

    def _found(self, slot: Slot) -> Ending:
        """The answer to an earlier commit was lost, or it was cancelled."""
        ending = self._ending(slot)
        abort(self.manager)
        return ending

    def _is_paused(self) -> bool:
        pauses = self.schedule.pauses
        return ALL in pauses or int(self.id, 16) in pauses

    def _refuse_other_principals(self) -> None:
        needed, here = self.schedule.principals, self.context.principals.name
        if needed != here:
            raise PrincipalsMissing(
                f'The schedule was set to run its tasks as {needed!r} says '
                f'while this pass ran them as {here!r} says; call process() '
                f'again')

    def _ending(self, slot: Slot) -> Ending:
        following = (slot.following,) if slot.following else ()
        return Ending(slot.outcome, (*self.scheduled, *following))

    def _slot(self) -> Slot:
        claim = claim_of(self.schedule, self.context.claim_id)
        return claim.slots[self.index]  # type: ignore[no-any-return]

    @contextmanager
    def _as_current(self, task: Any, facts: 'Facts', now: datetime
                    ) -> Iterator[None]:
        where = Where(self.schedule, self.context.claim_id, self.index)
        token = current.set(CurrentRun(
            task, self.id, facts.attempt, facts.occurrence, now, where))
        try:
            yield
        finally:
            current.reset(token)

    def _call(self, slot: Slot, task: Any, now: datetime) -> Verdict:
        """What becomes of a task that is called."""
        micros = slot.micros
        result = task()
        if result is not None:
            return self._retried(slot, task, result, micros)
        if not slot.waiting:
            # It has unscheduled itself.
            return Verdict(SUCCEEDED)
        result = task.schedule()
        if result is not None:
            following = self._following(slot, task, result, 'schedule')
            if result is task and isinstance(task, Task):
                series.forget(task)
            return Verdict(SUCCEEDED, following)
        return self._goes_on(SUCCEEDED, task, micros, now)

    def _retried(self, slot: Slot, task: Any, result: Any, micros: int
                 ) -> Verdict:
        """A returned task stands for the same occurrence."""
        following = self._following(slot, task, result, '__call__')
        if not slot.waiting or not isinstance(task, Task):
            return Verdict(RETRIED, following)
        if result is task:
            series.stay(task, micros)
            return Verdict(RETRIED, following)
        if not series.is_repeating(task):
            return Verdict(RETRIED, following)
        series.hold(task, micros)
        return Verdict(RETRIED, following, task)

    def _goes_on(self, outcome: int, task: Any, micros: int, now: datetime
                 ) -> Verdict:
        """The occurrence has ended, the series may go on."""
        step = NOWHERE
        if series.is_repeating(task):
            step = go_on(
                self.schedule, task, micros, now, outcome == EXPIRED)
        following = None if step.micros is None else (step.micros, task)
        return Verdict(outcome, following, passed=step.passed)

    def _following(self, slot: Slot, task: Any, result: Any, method: str
                   ) -> Following:
        """What comes next, admitted as if it were scheduled."""
        if not ITask.providedBy(result):
            raise InvalidTask(
                f'{method}() of the task returned {result!r}; it has to '
                f'return None or a task')
        own = result is task and slot.waiting
        return to_micros(self.schedule.admit(result, held=own)), result

    def _expired(self, slot: Slot, task: Any, facts: 'Facts', now: datetime
                 ) -> Ending:
        """Too late to begin: no call, but an outcome."""
        verdict = self._goes_on(EXPIRED, task, slot.micros, now)
        label(self.manager.get(), facts.principal_id,
              f'expired: {facts.description}')
        ending = self._settle(slot, facts, verdict)
        self.manager.commit()
        return ending

    # -- on record

    def _facts(self, task: Any, micros: int) -> 'Facts':
        return Facts(
            task.principalId, task.description, micros,
            series.occurrence_of(task, micros), series.attempt_of(task))

    def _settle(self, slot: Slot, facts: 'Facts', verdict: Verdict,
                error: str | None = None) -> Ending:
        """Put a verdict in the place of the task."""
        on_record = self._record(facts, verdict, error)
        slot.settle(
            verdict.outcome, on_record, verdict.following, verdict.aside)
        return self._ending(slot)

    def _record(self, facts: 'Facts', verdict: Verdict, error: str | None
                ) -> tuple[Any, ...] | int:
        """What the history keeps, as plain data; what is told, as well."""
        description = text(str(facts.description or ''), DESCRIPTION)
        if zope.event.subscribers:
            self.event = RunEnded(
                self.id, OUTCOMES[verdict.outcome], from_micros(facts.micros),
                description, facts.principal_id, facts.attempt,
                from_micros(facts.occurrence), error)
        if not self.schedule.history.keep:
            return int(self.id, 16)
        return record(
            int(self.id, 16), facts.micros, verdict.outcome,
            to_micros(clock.now()), description, facts.principal_id, error,
            began=to_micros(self.began), attempt=facts.attempt,
            passed=verdict.passed, occurrence=facts.occurrence)

    # -- after a failure

    def _failed(self, error: Exception) -> Ending:
        away = is_storage_failure(error)
        if away:
            transact(self.manager, self._beat, PARK_TRIES)
        if away or is_transient(error):
            log.warning('Task %s was not committed, and is left for a next '
                        'time: %r', self.id, error)
            return Ending(None, conflicted=True)
        if isinstance(error, CodeMissing) and not self._long_overdue():
            log.warning('Task %s is left in its place: %s', self.id, error)
            return Ending(None)
        ending = self._put_off_or_park(error)
        if ending.outcome == FAILED and self.parked is not None:
            report_parked(self.parked, error)
        return ending

    def _beat(self) -> None:
        """Write something: raises if the database is away for all."""
        claim_of(self.schedule, self.context.claim_id).heartbeat.beats += 1
        self.manager.commit()

    def _long_overdue(self) -> bool:
        def long_overdue() -> bool:
            slot = self._slot()
            found = slot.waiting and is_long_overdue(
                self.schedule, from_micros(slot.micros), self.context.now)
            abort(self.manager)
            return found

        return transact(self.manager, long_overdue)  # type: ignore

    def _put_off_or_park(self, error: Exception) -> Ending:
        """In a transaction of its own, as the aborted one cannot."""
        try:
            return transact(  # type: ignore[no-any-return]
                self.manager, lambda: self._end_badly(error), PARK_TRIES)
        except Exception as problem:
            if is_storage_failure(problem) or is_transient(problem) or (
                    isinstance(problem, ClaimLost)):
                raise
            # Of the task nothing can be written.
            log.warning('Task %s cannot go on: %r', self.id, problem)
            return transact(  # type: ignore[no-any-return]
                self.manager, lambda: self._end_badly(error, False),
                PARK_TRIES)

    def _end_badly(self, error: Exception, may_write: bool = True) -> Ending:
        slot = self._slot()
        if not slot.waiting:
            return self._found(slot)
        task = slot.task
        whole = may_write and loads(task)
        wait = self._wait_after(task, slot.micros, error) if whole else None
        if wait is None:
            self._park(slot, task, error, whole)
        else:
            self._put_off(slot, task, error, wait)
        return self._ending(slot)

    def _wait_after(self, task: Any, micros: int, error: Exception
                    ) -> timedelta | None:
        """How long until it is to be tried again; None: not at all."""
        policy = task.retry if isinstance(task, Task) else None
        asked = isinstance(error, RetryLater)
        if isinstance(error, GiveUp) or (policy is None and not asked):
            return None
        attempt = series.attempt_of(task)
        if policy is not None and attempt >= policy.attempts:
            return None
        if isinstance(error, RetryLater) and error.delay is not None:
            return error.delay
        token = f'{self.id}-{series.occurrence_of(task, micros)}'
        wait = policy and policy.delay_after(attempt, token, error)
        if wait is None and asked:
            wait = PATIENCE.delay_after(attempt, token, error)
        return wait

    def _put_off(self, slot: Slot, task: Any, error: Exception,
                 wait: timedelta) -> None:
        """Try again later, for the same occurrence."""
        facts = self._facts(task, slot.micros)
        at = later(self.context.moment(), wait)
        if isinstance(task, Task):
            series.retry(task, slot.micros, at)
        else:
            task.time = at
        stamp(task, at)
        self._settle(slot, facts, Verdict(RETRIED, (to_micros(at), task)),
                     in_a_line(error))
        label(self.manager.get(), facts.principal_id,
              f'to be tried again: {facts.description}')
        self.manager.commit()
        log.warning('Task %s failed at attempt %d, and is tried again at %s.',
                    self.id, facts.attempt, at, exc_info=error)

    def _park(self, slot: Slot, task: Any, error: Exception, whole: bool
              ) -> None:
        """Set the task aside; of a series, this occurrence only."""
        micros = slot.micros
        facts = Facts(
            known_principal(task), known_text(task, 'description'), micros,
            micros, 1)
        verdict = Verdict(FAILED)
        occurrence = None
        if whole:
            facts = facts._replace(
                occurrence=series.occurrence_of(task, micros),
                attempt=series.attempt_of(task))
            if series.is_repeating(task):
                occurrence = facts.occurrence
                verdict = self._goes_on(
                    FAILED, task, micros, self.context.moment())
        entry = park(
            self.schedule, task, micros, reason_of(error),
            ''.join(traceback.format_exception(error)), occurrence)
        self._settle(slot, facts, verdict, text(entry.reason, ERROR))
        label(self.manager.get(), entry.principalId,
              f'parked: {entry.description}')
        self.parked = told(entry)
        self.manager.commit()


class Facts(NamedTuple):
    """What a task says of itself before its run."""

    principal_id: str | None
    description: str
    micros: int
    occurrence: int
    attempt: int


def reason_of(error: Exception) -> str:
    """Why a task is parked: its own words, if it gave up."""
    if isinstance(error, GiveUp):
        return str(error)
    return ''.join(traceback.format_exception_only(error))


def in_a_line(error: Exception) -> str:
    """*error* in one line of bounded length."""
    words = ''.join(traceback.format_exception_only(error)).split()
    return text(' '.join(words), ERROR)


# -- Shared with turns


def claim_of(schedule: Any, claim_id: str) -> Claim:
    """The claim with that id; `ClaimLost` if another has recovered it."""
    claim = schedule.claims.get(claim_id)
    if claim is None:
        raise ClaimLost(
            f'The claim {claim_id} was recovered by another process, which '
            f'believed this one dead')
    return claim  # type: ignore[no-any-return]


def is_long_overdue(schedule: Any, planned: datetime, now: datetime) -> bool:
    """Whether code that is missing has been missing for too long."""
    return now - planned > schedule.import_grace  # type: ignore


def label(txn: Any, principal_id: str | None, description: str) -> None:
    """Say in the undo log who did what, as far as that can be stored."""
    txn.user = metadata(principal_id or '')
    noted = txn.description
    parts = (str(description or ''), noted)
    txn.description = metadata('\n'.join(filter(None, parts)))


def metadata(value: str) -> str:
    """*value* as valid UTF-8 of at most `METADATA` bytes."""
    data = value.encode('utf-8', 'replace')[:METADATA]
    return data.decode('utf-8', 'ignore')
