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
"""One run of a task: one task, one transaction.

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

What is transient is tried again a few times, each time by another attempt,
and then the task is left in its place.  The user's failure and the database's
failure are separate paths: the second is raised.  Which of them it is, if the
storage has raised it, the database is asked: see `execution.failure`.
"""

from datetime import datetime
from functools import partial
from typing import Any

import zope.event

from zodbschedule import clock
from zodbschedule.callables.deferred import refuse_deferred
from zodbschedule.errors.chain import is_a
from zodbschedule.errors.text import ErrorText
from zodbschedule.execution.conflicts import tell_conflict
from zodbschedule.execution.current import CurrentRun
from zodbschedule.execution.current import Where
from zodbschedule.execution.current import current
from zodbschedule.execution.failure import handle_failure
from zodbschedule.execution.interruption import is_told
from zodbschedule.execution.observing import LEFT
from zodbschedule.execution.outcome import Decision
from zodbschedule.execution.outcome import PassContext
from zodbschedule.execution.outcome import RunResult
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import ITask
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.interfaces import RunEnded
from zodbschedule.logger import Subject
from zodbschedule.logger import log
from zodbschedule.outcomes import CANCELLED
from zodbschedule.outcomes import EXPIRED
from zodbschedule.outcomes import INTERRUPTED
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.outcomes import RETRIED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.scheduling import series
from zodbschedule.scheduling.admission import admit
from zodbschedule.scheduling.admission import readmit
from zodbschedule.scheduling.admission import refuse_principal
from zodbschedule.scheduling.endings import TaskSnapshot
from zodbschedule.scheduling.events import notify
from zodbschedule.scheduling.missing import refuse_incomplete
from zodbschedule.scheduling.places import put
from zodbschedule.scheduling.series import Foreseen
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Placed
from zodbschedule.store.claim import Recorded
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import TaskLabel
from zodbschedule.store.inspection import known_text
from zodbschedule.store.labels import Codes
from zodbschedule.store.labels import codes_of
from zodbschedule.store.remains import is_left
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import Task
from zodbschedule.task import key_of
from zodbschedule.task import type_of
from zodbschedule.transactions.borrowing import RUN
from zodbschedule.transactions.errors import is_full
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.retrying import OWN_TRIES
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import transact


# What FileStorage can store of a transaction's user and description, in bytes
# of UTF-8.
METADATA = 65_535

# How often the storage may fail in one run, while the database takes what
# others write, before that is a failure of the task.  More, and a task that is
# at fault is called for nothing; fewer, and a server that is restarted twice
# in a row counts as an attempt.
STORAGE_FAILURES = 3

# How long to wait after the first of them, in seconds; after the second, twice
# as long.
STORAGE_PAUSE = .5

#: what is decided after most calls
SUCCESS = Decision(SUCCEEDED)


class Run(Subject):
    """One run of the task *oid*, which is in one slot of a claim.

    What is known of it between its transactions, and how its outcome is put
    in the place of the task.
    """

    def __init__(self, context: PassContext, index: int, oid: int) -> None:
        self.context = context
        self.index = index
        self.oid = oid
        #: who is told how it goes
        self.observers = [observe(self) for observe in context.observers]
        #: whether the task was called, in the last attempt
        self.called = False
        #: the same, in any attempt
        self.has_begun = False
        #: how often the storage has failed, although the database is there
        self.storage_failures = 0
        #: when the last attempt began
        self.began = context.begun
        #: what the task said of itself, in the last attempt
        self.snapshot: TaskSnapshot | None = None
        #: what the task has scheduled, in the last attempt
        self.scheduled: list[Placed] = []
        #: what is told when its outcome is committed
        self.event: RunEnded | None = None
        #: whether that is the last occurrence of a series
        self.is_last = False

    @property
    def id(self) -> str:
        """The id of the task."""
        return f'{self.oid:x}'

    def __str__(self) -> str:
        """The task, for a person to read; in any thread, and never fails."""
        return f'task {self.label}'

    @property
    def label(self) -> TaskLabel:
        """What is known of the task; in any thread, and never fails."""
        known = self.snapshot
        if known is None:
            return TaskLabel(self.oid)
        return TaskLabel(self.oid, known_text(known, 'description'),
                         known.type, known.key, known.attempt)

    def log_attributes(self) -> dict[str, object]:
        """See `Subject`."""
        return self.label.log_attributes()

    def execute(self) -> RunResult:
        """Run and commit; or put off, or park, and commit that.

        Raises only what says that the database is away, what is not an
        Exception, and `ClaimLost` or `PrincipalsMissing` if that keeps the
        task from being called.
        """
        result = self._observed() if self.observers else self._until_decided()
        if self.is_last and result.outcome is not None:
            log.info('The series of %s has ended: its recurrence names no '
                     'further occurrence.', self)
        if self.event is not None and result.outcome is not None and (
                self.event.outcome == OUTCOMES[result.outcome]):
            notify(self.event)
        return result

    def _until_decided(self) -> RunResult:
        result = None
        while result is None:
            try:
                result = self._try()
            except self.context.contained as error:
                result = self._handle(error)
        return result

    def _observed(self) -> RunResult:
        outcome = OUTCOMES[INTERRUPTED]
        try:
            result = self._until_decided()
            outcome = LEFT if result.outcome is None else (
                OUTCOMES[result.outcome])
            return result
        except BaseException as error:
            self._tell_failure(error)
            raise
        finally:
            if self.has_begun:
                for observer in reversed(self.observers):
                    observer.ends(outcome)

    def _tell_failure(self, error: BaseException) -> None:
        for observer in self.observers:
            observer.fails(error)

    def _try(self) -> RunResult:
        context = self.context
        manager = context.manager
        if context.environment is None:
            return transact(manager, lambda: Attempt(
                self, context.schedule, manager).execute(), storage_tries=1,
                retried=self._tell_retry)
        if context.commits:
            manager = context.environment.manager
        return transact(manager, partial(self._try_in_environment, manager),
                        storage_tries=1, retried=self._tell_retry)

    def _try_in_environment(self, manager: Any) -> RunResult:
        context = self.context
        self.called = False
        with context.environment.enter(
                context.schedule, context.commits) as schedule:
            context.guard.connection = schedule._p_jar
            return Attempt(self, schedule, manager).execute()

    def _handle(self, error: BaseException) -> RunResult | None:
        """What becomes of the failed run; None: it is tried again."""
        self._tell_failure(error)
        refused = is_a(error, (ClaimLost, PrincipalsMissing))
        if refused and not self.called or is_told(error) or is_full(error):
            raise error
        if is_storage_failure(error):
            self._ask(error)
            self.storage_failures += 1
            if self.storage_failures < STORAGE_FAILURES:
                clock.wait(STORAGE_PAUSE * self.storage_failures)
                return None
        return handle_failure(self, error)

    def _ask(self, error: BaseException) -> None:
        """Write something: raises if the database is away for all."""
        def beat() -> None:
            self.claim(self.context.schedule).beat()
            self.context.manager.commit()

        transact(self.context.manager, beat, OWN_TRIES)
        log.warning('The storage has failed in the run of %s, and takes what '
                    'others write: %s', self, ErrorText(error))

    # -- the slot of the task

    def claim(self, schedule: ScheduleState) -> Claim:
        """The claim in *schedule*, found anew.

        Raises `ClaimLost` if another process has recovered it.
        """
        return claim_of(schedule, self.context.claim_id)

    def slot(self, schedule: ScheduleState) -> Slot:
        """The place of the task in the claim, found anew."""
        slot: Slot = self.claim(schedule).slots[self.index]
        return slot

    def settle(self, slot: Slot, snapshot: TaskSnapshot, decision: Decision,
               error: str | None = None) -> RunResult:
        """Put a decision in the place of the task."""
        self.is_last = decision.last
        if slot.waiting:
            self._label(slot, snapshot.labels, decision.following is not None)
        slot.settle(
            decision.outcome, self._recorded(snapshot, decision, error),
            decision.following)
        return self._result(slot)

    @staticmethod
    def _label(slot: Slot, before: Codes, stays: bool) -> None:
        """Have the next turn note by which labels the task is found now.

        Not if it was unscheduled: then it has none here any more.
        """
        now = codes_of(slot.task)
        if not stays:
            # It may have changed them itself.
            slot.label((), {*before, *now})
        elif now != before:
            slot.label(now, set(before) - set(now))

    def settled(self, slot: Slot, manager: Any) -> RunResult:
        """The answer to an earlier commit was lost, or it was cancelled."""
        result = self._result(slot)
        if slot.outcome == CANCELLED and self.snapshot is not None:
            self._tell(self.snapshot, CANCELLED, None)
        abort(manager)
        return result

    def _result(self, slot: Slot) -> RunResult:
        following = () if slot.following is None else (slot.following,)
        return RunResult(slot.outcome, (*self.scheduled, *following))

    def continue_series(self, schedule: ScheduleState, task: Any, micros: int,
                        outcome: int, now: datetime,
                        foreseen: Foreseen | None = None) -> Decision:
        """The occurrence has ended with that outcome; the series may go on."""
        step = series.advance_in(
            schedule, task, micros, now, outcome == EXPIRED, foreseen)
        following = None if step.micros is None else (step.micros, task)
        return Decision(outcome, following, step.passed, following is None)

    # -- on record

    @staticmethod
    def snapshot_of(task: Any, micros: int) -> TaskSnapshot:
        """What a task says of itself that was taken from that instant."""
        where = series.series_of(task)
        described, what = task.description, type_of(task)
        return TaskSnapshot(
            task.principalId, described or what, what, micros,
            micros if where.occurrence is None else where.occurrence,
            where.attempts + 1, key_of(task), codes_of(task))

    def _recorded(self, snapshot: TaskSnapshot, decision: Decision,
                  error: str | None) -> Recorded:
        """What the history keeps, as plain data; what is told, as well."""
        self._tell(snapshot, decision.outcome, error)
        if not self.context.schedule.history.keep:
            return self.oid
        return snapshot.recorded(
            self.oid, decision.outcome, error, to_micros(self.began),
            decision.passed)

    @staticmethod
    def set_metadata(manager: Any, principal_id: str | None, description: str
                     ) -> None:
        """Say in the undo log who did what, as far as that can be stored."""
        txn = manager.get()
        user = storable_text(principal_id or '')
        if txn.user != user:
            txn.user = user
        parts = (str(description or ''), txn.description)
        txn.description = storable_text('\n'.join(filter(None, parts)))

    def _tell(self, snapshot: TaskSnapshot, outcome: int, error: str | None
              ) -> None:
        """Prepare what is told after the commit."""
        if zope.event.subscribers:
            self.event = snapshot.event(
                self.context.schedule, self.oid, outcome, error,
                None if self.snapshot is None else self.began)

    def _tell_retry(self, error: BaseException) -> None:
        self._tell_failure(error)
        tell_conflict(
            error, self.context.schedule, 'run',
            '' if self.snapshot is None else self.snapshot.type)


class Attempt:
    """One attempt of a run, in the transaction that holds the user's code.

    *schedule* is as the connection of the attempt has it.
    """

    def __init__(self, run: Run, schedule: ScheduleState, manager: Any
                 ) -> None:
        self.run = run
        self.context = run.context
        self.schedule = schedule
        self.manager = manager
        #: see `Run`
        self.scheduled = run.scheduled
        self.current: CurrentRun | None = None

    #: set as it begins: the current instant, and what the task says
    now: datetime
    snapshot: TaskSnapshot

    def slot(self) -> Slot:
        """The place of the task, found anew."""
        return self.run.slot(self.schedule)

    def execute(self) -> RunResult:
        """Run the task, if it is still there, and commit; see above."""
        self.run.called = False
        slot = self.slot()
        if not is_left(slot):
            # The next turn parks it.
            abort(self.manager)
            return RunResult(None)
        if not slot.waiting:
            return self.run.settled(slot, self.manager)
        pauses = self.schedule.pauses
        if pauses.entries is not None and pauses.hold(self.run.oid):
            abort(self.manager)
            return RunResult(None)
        self._refuse_other_principals()
        micros, task = slot.subject
        try:
            refuse_incomplete(task)
            self._begin(task, micros)
            if series.is_expired(task, micros, self.now):
                return self._expire(slot, task)
            return self._run(slot, task)
        finally:
            # So that nothing is left of what is not committed, also where the
            # task has not said that it has changed; and for the memory.
            task._p_deactivate()

    def _refuse_other_principals(self) -> None:
        needed, here = self.schedule.principals, self.context.principals.name
        if needed != here:
            raise PrincipalsMissing(
                f'The schedule was set to run its tasks as {needed!r} says '
                f'while this pass ran them as {here!r} says; call process() '
                f'again')

    def _begin(self, task: Any, micros: int) -> None:
        self.run.began = clock.now()
        self.now = self.context.moment(self.run.began)
        self.scheduled.clear()
        self.manager.get().set_data(RUN, self)
        self.snapshot = self.run.snapshot = self.run.snapshot_of(
            task, micros)
        refuse_principal(task, self.snapshot.principal_id)

    def _run(self, slot: Slot, task: Any) -> RunResult:
        guard, snapshot = self.context.guard, self.snapshot
        with self.context.principals.adopt(snapshot.principal_id, task), guard:
            for observer in self.run.observers:
                observer.begins(task)
            self.run.called = self.run.has_begun = True
            token = current.set(partial(self._current_run, task))
            try:
                decision = self._call(slot, task)
            finally:
                current.reset(token)
            guard.check()
            note, reason = snapshot.description, None
            if self.current is not None and decision.outcome == SUCCEEDED:
                reason = self.current.reason
            if reason is not None:
                decision = decision._replace(outcome=CANCELLED)
                note = f'cancelled: {note}'
            self.run.set_metadata(self.manager, snapshot.principal_id, note)
            result = self.run.settle(slot, snapshot, decision, reason)
            self.manager.get().addBeforeCommitHook(guard.release)
            self.manager.commit()
        if reason is not None:
            log.info('The run of %s is cancelled: %s', self.run, reason)
        return result

    def _current_run(self, task: Any) -> CurrentRun:
        """What the task can learn of this run; made when it first asks."""
        if self.current is None:
            self.current = CurrentRun(
                task, self.schedule, self.run.label,
                self.snapshot.occurrence, self.now,
                Where(self.schedule, self.context.claim_id, self.run.index,
                      self.context.commits))
        return self.current

    def _expire(self, slot: Slot, task: Any) -> RunResult:
        """Too late to begin: no call, but an outcome."""
        decision = self.run.continue_series(
            self.schedule, task, self.snapshot.micros, EXPIRED, self.now)
        self.run.set_metadata(
            self.manager, self.snapshot.principal_id,
            f'expired: {self.snapshot.description}')
        result = self.run.settle(slot, self.snapshot, decision)
        self.manager.commit()
        return result

    # -- what becomes of a task that is called

    def _call(self, slot: Slot, task: Any) -> Decision:
        micros = self.snapshot.micros
        # Before the call, whose effects outside of the database stay even if
        # this fails.
        foreseen = series.foresee_in(self.schedule, task, micros, self.now)
        result = task()
        if result is not None:
            return self._retry(slot, task, result, micros)
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
        return self.run.continue_series(
            self.schedule, task, micros, SUCCEEDED, self.now, foreseen)

    def _retry(self, slot: Slot, task: Any, result: Any, micros: int
               ) -> Decision:
        """The returned task is for the same occurrence."""
        following = self._following(slot, task, result, '__call__')
        if slot.waiting and isinstance(task, Task):
            if result is task:
                series.count_attempt(task, micros)
            elif series.is_repeating(task):
                raise InvalidTask(
                    f'__call__() of the task returned {result!r}, and the '
                    f'task repeats by its recurrence; schedule the other '
                    f'task, and return None')
        return Decision(RETRIED, following)

    def _following(self, slot: Slot, task: Any, result: Any, method: str
                   ) -> Placed | None:
        """Where the task itself continues; another is scheduled."""
        if not ITask.providedBy(result):
            refuse_deferred(f'{method}() of the task', result)
            raise InvalidTask(
                f'{method}() of the task returned {result!r}; it has to '
                f'return None or a task')
        if result is task and slot.waiting:
            return to_micros(readmit(self.schedule, task)), task
        put(self.schedule, result, admit(self.schedule, result))
        return None


def claim_of(schedule: ScheduleState, claim_id: str) -> Claim:
    """The claim with that id; `ClaimLost` if another has recovered it."""
    claim = schedule.claim(claim_id)
    if claim is None or not is_left(claim.slots):
        raise ClaimLost(
            f'The claim {claim_id} was recovered by another process, which '
            f'took this one for dead')
    return claim


def storable_text(value: str) -> str:
    """*value* as valid UTF-8 of at most `METADATA` bytes."""
    if value.isascii() and len(value) <= METADATA:
        return value
    data = value.encode('utf-8', 'replace')[:METADATA]
    return data.decode('utf-8', 'ignore')
