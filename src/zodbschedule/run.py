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

    adopt the principal ─▶ call ─▶ None: ask task.schedule() ─╮
                             │ ╰─▶ a task: it takes the place ─┤
                             │                                 ▼
                             │                        settle, commit
                             ▼
          raised, or returned anything else ─▶ abort ─▶ log ─▶ park

What is transient is tried again a few times, and then the task is left in its
place.  The user's failure and the database's failure are separate paths: the
second is raised, unless the database is there for all others.
"""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from typing import NamedTuple

import zope.event
from persistent import Persistent
from ZODB.broken import Broken
from ZODB.utils import u64

from zodbschedule import clock
from zodbschedule.claim import FAILED
from zodbschedule.claim import OUTCOMES
from zodbschedule.claim import RETRIED
from zodbschedule.claim import SUCCEEDED
from zodbschedule.claim import Claim
from zodbschedule.claim import Slot
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import ITask
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.interfaces import RunEnded
from zodbschedule.interfaces import TaskParked
from zodbschedule.interfaces import TransactionEnded
from zodbschedule.parked import ParkedTask
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

# How much of a description, and of an error, the history keeps, in characters.
DESCRIPTION = 1_000
ERROR = 200

# Parking holds no user code, so it may be tried until it passes.
PARK_TRIES = 100


class Ending(NamedTuple):
    """How a run ended."""

    #: one of the constants in `zodbschedule.claim`; None: left in its place
    outcome: int | None
    #: what the run scheduled, each with its instant
    scheduled: tuple[tuple[int, Persistent], ...] = ()
    #: whether it was left because it conflicts
    conflicted: bool = False


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


class Run:
    """One execution of the task *id*, in one slot of a claim."""

    def __init__(self, context: Context, index: int, id: str) -> None:
        self.context = context
        self.schedule = context.schedule
        self.manager = context.manager
        self.index = index
        self.id = id
        #: the tasks that are scheduled while it goes on
        self.scheduled: list[tuple[int, Persistent]] = []
        self.guard = Guard()
        #: whether the task was called, in the last attempt
        self.called = False
        #: what is told when its outcome is committed, and if it is parked
        self.event: RunEnded | None = None
        self.parked: TaskParked | None = None

    def __call__(self) -> Ending:
        """Run and commit, or park and commit.

        Raises only what says that the database is away, what is no
        Exception, and `ClaimLost` or `PrincipalsMissing` if that keeps the
        task from being called.
        """
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
        self._refuse_other_principals()
        task: Any = slot.task
        refuse_broken(task)
        txn = self.manager.get()
        txn.set_data(RUN, self)
        self.scheduled.clear()
        # What the task says of itself before it may change that.
        principal_id, description = task.principalId, task.description
        with (self.context.principals.adopt(principal_id, task),
              self.guard.over(self.schedule._p_jar)):
            micros = slot.micros
            self.called = True
            outcome, following = self._call(slot, task)
            self.guard.check()
            label(txn, principal_id, description)
            record = self._record(
                micros, outcome, principal_id, description)
            slot.settle(outcome, record, following)
            ending = self._ending(slot)
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

    def _call(self, slot: Slot, task: Any) -> tuple[
            int, tuple[int, Persistent] | None]:
        """The outcome of a call, and what comes next."""
        result = task()
        if result is not None:
            return RETRIED, self._following(slot, task, result, '__call__')
        if not slot.waiting:
            # It has unscheduled itself.
            return SUCCEEDED, None
        result = task.schedule()
        if result is None:
            return SUCCEEDED, None
        return SUCCEEDED, self._following(slot, task, result, 'schedule')

    def _following(self, slot: Slot, task: Any, result: Any,
                   method: str) -> tuple[int, Persistent]:
        """What comes next, admitted as if it were scheduled."""
        if not ITask.providedBy(result):
            raise InvalidTask(
                f'{method}() of the task returned {result!r}; it has to '
                f'return None or a task')
        own = result is task and slot.waiting
        return to_micros(self.schedule.admit(result, held=own)), result

    def _record(self, micros: int, outcome: int, principal_id: str | None,
                description: object, error: str | None = None
                ) -> tuple[Any, ...] | None:
        """What the history keeps, as plain data; what is told, as well."""
        description = text(str(description or ''), DESCRIPTION)
        if zope.event.subscribers:
            self.event = RunEnded(
                self.id, OUTCOMES[outcome], from_micros(micros), description,
                principal_id)
        if not self.schedule.history.keep:
            return None
        return (int(self.id, 16), micros, outcome, to_micros(clock.now()),
                description, principal_id, error)

    # -- the transaction that parks

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
        ending: Ending = transact(
            self.manager, lambda: self._park(error), PARK_TRIES)
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

    def _park(self, error: Exception) -> Ending:
        slot = self._slot()
        if not slot.waiting:
            return self._found(slot)
        task, micros = slot.task, slot.micros
        entry = park(
            self.schedule, task, micros,
            ''.join(traceback.format_exception_only(error)),
            ''.join(traceback.format_exception(error)))
        slot.settle(FAILED, self._record(
            micros, FAILED, entry.principalId, entry.description,
            text(entry.reason, ERROR)))
        label(self.manager.get(), entry.principalId,
              f'parked: {entry.description}')
        self.parked = told(entry)
        self.manager.commit()
        return Ending(FAILED)


class Guard:
    """Keeps a task from ending the transaction that it runs in.

    A synchronizer whose ``beforeCompletion`` raises prevents that with both
    kinds of manager and still allows savepoints.  A task that catches the
    error fails all the same: an abort has happened by then.  Its hooks are
    kept from it too, up to the moment in which the commit begins.
    """

    def __init__(self) -> None:
        self.error: TransactionEnded | None = None
        self.armed = False

    @contextmanager
    def over(self, connection: Any) -> Iterator[None]:
        """Inside, the transaction of *connection* cannot be ended."""
        manager = connection.transaction_manager
        self.error = None
        manager.registerSynch(self)
        self.armed = True
        try:
            yield
        except Exception:
            self.check()  # whatever came of it, this is the reason
            raise
        finally:
            self.disarm()
            manager.unregisterSynch(self)
            if self.error is not None:
                # What was changed when there was no transaction is marked
                # nowhere, and whoever writes it next would commit it.
                for one in connection.connections.values():
                    one.cacheMinimize()

    def check(self) -> None:
        """Raise if there was an attempt to end the transaction."""
        if self.error is not None:
            raise self.error

    def disarm(self) -> None:
        """Let the transaction end, unless there was an attempt before."""
        self.armed = False

    def newTransaction(self, txn: Any) -> None:
        """Nothing to do."""

    def beforeCompletion(self, txn: Any) -> None:
        if self.armed:
            self.error = TransactionEnded(
                'A task runs in a transaction that ends with it: it must '
                'neither commit nor abort nor begin one itself. Savepoints '
                'are fine.')
        self.check()

    def afterCompletion(self, txn: Any) -> None:
        """Nothing to do."""


# -- Shared with turns


def claim_of(schedule: Any, claim_id: str) -> Claim:
    """The claim with that id; `ClaimLost` if another has recovered it."""
    claim = schedule.claims.get(claim_id)
    if claim is None:
        raise ClaimLost(
            f'The claim {claim_id} was recovered by another process, which '
            f'believed this one dead')
    return claim  # type: ignore[no-any-return]


def refuse_broken(task: Any) -> None:
    """Raise `CodeMissing` if the class of *task* cannot be imported."""
    if isinstance(task, Broken):
        cls = type(task)
        raise CodeMissing(
            f'{cls.__module__}.{cls.__name__} cannot be imported')


def is_long_overdue(schedule: Any, planned: datetime, now: datetime) -> bool:
    """Whether code that is missing has been missing for too long."""
    return now - planned > schedule.import_grace  # type: ignore


def park(schedule: Any, task: Any, micros: int, reason: str,
         trace: str = '') -> ParkedTask:
    """Set *task* aside, in the current transaction."""
    entry = ParkedTask(
        f'{u64(task._p_oid):x}', task, from_micros(micros), clock.now(),
        reason, trace, known_text(task, 'description'), known_principal(task))
    schedule.parked.add(entry)
    return entry


def told(entry: ParkedTask) -> TaskParked:
    """What is told of *entry* after the commit, as plain data."""
    return TaskParked(entry.id, entry.time, entry.reason, entry.description,
                      entry.principalId)


def report_parked(event: TaskParked, error: BaseException | None = None
                  ) -> None:
    """Tell the log and the subscribers, after the commit."""
    log.error('Task %s was parked: %s', event.id, event.reason,
              exc_info=error)
    announce(event)


def known_text(task: Any, name: str) -> str:
    """A text of *task*, as far as it can be known."""
    try:
        value = getattr(task, name)
    except Exception:
        return ''
    return text(value, DESCRIPTION) if isinstance(value, str) else ''


def known_principal(task: Any) -> str | None:
    """The principal's id of *task*, as far as it can be known."""
    try:
        value = task.principalId
    except Exception:
        return None
    return text(value, DESCRIPTION) if isinstance(value, str) else None


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


def announce(event: object) -> None:
    """Send *event* to each subscriber; their errors harm nothing."""
    for subscriber in list(zope.event.subscribers):
        try:
            subscriber(event)
        except Exception:
            log.exception('A subscriber failed, given %r', event)
