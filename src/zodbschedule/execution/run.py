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

from datetime import datetime
from functools import partial
from typing import Any

from zodbschedule import clock
from zodbschedule.execution.current import CurrentRun
from zodbschedule.execution.current import Where
from zodbschedule.execution.current import current
from zodbschedule.execution.failure import Failure
from zodbschedule.execution.outcome import Decision
from zodbschedule.execution.outcome import Following
from zodbschedule.execution.outcome import PassContext
from zodbschedule.execution.outcome import RunBase
from zodbschedule.execution.outcome import RunResult
from zodbschedule.execution.outcome import TaskSnapshot
from zodbschedule.execution.outcome import set_metadata
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import ITask
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.outcomes import EXPIRED
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.outcomes import RETRIED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.scheduling import series
from zodbschedule.scheduling.admission import admit
from zodbschedule.scheduling.admission import readmit
from zodbschedule.scheduling.parking import notify
from zodbschedule.scheduling.places import put
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import refuse_broken
from zodbschedule.task import Task
from zodbschedule.transactions.borrowing import RUN
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import transact


#: the verdict of most runs
SUCCESS = Decision(SUCCEEDED)


class Run(RunBase):
    """One execution of a task."""

    def __init__(self, context: PassContext, index: int, oid: int) -> None:
        super().__init__(context, index, oid)
        #: whether the task was called, in the last attempt
        self.called = False
        self.current: CurrentRun | None = None

    def __call__(self) -> RunResult:
        """Run and commit; or put off, or park, and commit that.

        Raises only what says that the database is away, what is no
        Exception, and `ClaimLost` or `PrincipalsMissing` if that keeps the
        task from being called.
        """
        try:
            ending = self._attempted()
        except self.context.contained as error:
            refused = isinstance(error, (ClaimLost, PrincipalsMissing))
            if refused and not self.called:
                raise
            ending = Failure(self, error)()
        if self.event is not None and ending.outcome is not None and (
                self.event.outcome == OUTCOMES[ending.outcome]):
            notify(self.event)
        return ending

    # -- the transaction that holds the user's code

    def _attempted(self) -> RunResult:
        context = self.context
        if context.environment is None:
            return transact(self.manager, self._perform)
        if context.commits:
            self.manager = context.environment.manager
        try:
            return transact(self.manager, self._surrounded)
        finally:
            # What is left to do is a turn's, or that of a failure.
            self.schedule = self.context.schedule
            self.manager = self.context.manager

    def _surrounded(self) -> RunResult:
        self.called = False
        with self.context.environment.enter(
                self.context.schedule, self.context.commits) as self.schedule:
            self.context.guard.connection = self.schedule._p_jar
            return self._perform()

    def _perform(self) -> RunResult:
        self.called = False
        slot = self.slot()
        if not slot.waiting:
            return self.found(slot)
        if self.schedule.pauses.hold(self.oid):
            abort(self.manager)
            return RunResult(None)
        self._refuse_other_principals()
        task: Any = slot.task
        refuse_broken(task)
        self.began, self.current = clock.now(), None
        now = self.context.moment(self.began)
        txn = self.manager.get()
        txn.set_data(RUN, self)
        self.scheduled.clear()
        # What the task says of itself before it may change that.
        self.facts = facts = self.facts_of(task, slot.micros)
        if series.is_expired(task, slot.micros, now):
            return self._expired(slot, task, facts, now)
        guard = self.context.guard
        with self.context.principals.adopt(facts.principal_id, task), guard:
            self.called = True
            token = current.set(partial(self._shown, task, facts, now))
            try:
                verdict = self._call(slot, task, now)
            finally:
                current.reset(token)
            guard.check()
            set_metadata(txn, facts.principal_id, facts.description)
            ending = self.settle(slot, facts, verdict)
            txn.addBeforeCommitHook(guard.disarm)
            self.manager.commit()
            # A hook that has aborted leaves a commit nothing to do.
            guard.check()
        task._p_deactivate()
        return ending

    def _refuse_other_principals(self) -> None:
        needed, here = self.schedule.principals, self.context.principals.name
        if needed != here:
            raise PrincipalsMissing(
                f'The schedule was set to run its tasks as {needed!r} says '
                f'while this pass ran them as {here!r} says; call process() '
                f'again')

    def _shown(self, task: Any, facts: TaskSnapshot, now: datetime
               ) -> CurrentRun:
        """What the task can learn of this run; made when it first asks."""
        if self.current is None:
            self.current = CurrentRun(
                task, self.schedule, self.id, facts.attempt,
                facts.occurrence, now,
                Where(self.schedule, self.context.claim_id, self.index,
                      self.context.commits))
        return self.current

    def _call(self, slot: Slot, task: Any, now: datetime) -> Decision:
        """What becomes of a task that is called."""
        micros = slot.micros
        result = task()
        if result is not None:
            return self._retried(slot, task, result, micros)
        if not slot.waiting:
            # It has unscheduled itself.
            return SUCCESS
        result = task.schedule()
        if result is not None:
            following = self._following(slot, task, result, 'schedule')
            if result is task and isinstance(task, Task):
                series.forget(task)
            return Decision(SUCCEEDED, following)
        if not series.is_repeating(task):
            return SUCCESS
        return self.goes_on(SUCCEEDED, task, micros, now)

    def _retried(self, slot: Slot, task: Any, result: Any, micros: int
                 ) -> Decision:
        """A returned task stands for the same occurrence."""
        following = self._following(slot, task, result, '__call__')
        if not slot.waiting or not isinstance(task, Task):
            return Decision(RETRIED, following)
        if result is task:
            series.count_attempt(task, micros)
        elif series.is_repeating(task):
            raise InvalidTask(
                f'__call__() of the task returned {result!r}, and the task '
                f'repeats by its recurrence; schedule the other task, and '
                f'return None')
        return Decision(RETRIED, following)

    def _following(self, slot: Slot, task: Any, result: Any, method: str
                   ) -> Following | None:
        """What comes next, admitted as if it were scheduled."""
        if not ITask.providedBy(result):
            raise InvalidTask(
                f'{method}() of the task returned {result!r}; it has to '
                f'return None or a task')
        if result is task and slot.waiting:
            return to_micros(readmit(self.schedule, task)), task
        put(self.schedule, result, admit(self.schedule, result))
        return None

    def _expired(self, slot: Slot, task: Any, facts: TaskSnapshot,
                 now: datetime) -> RunResult:
        """Too late to begin: no call, but an outcome."""
        verdict = self.goes_on(EXPIRED, task, slot.micros, now)
        set_metadata(self.manager.get(), facts.principal_id,
              f'expired: {facts.description}')
        ending = self.settle(slot, facts, verdict)
        self.manager.commit()
        return ending
