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
"""What becomes of a task whose run has failed.

::

    conflicts, or the storage fails ─────────────────────▶ left in its place
    its code is missing ─▶ not for long ─────────────────▶ left in its place
          ╰──────────────▶ too long ─╮
    anything else ───────────────────┴─▶ may be tried again ─▶ put off
                                                  ╰─▶ not ─▶ parked

What is written of that is a transaction of its own: that of the run is gone.
"""

import logging
import sys
import traceback
from datetime import datetime
from datetime import timedelta
from typing import Any

from zodbschedule.execution.outcome import Decision
from zodbschedule.execution.outcome import RunBase
from zodbschedule.execution.outcome import RunResult
from zodbschedule.execution.outcome import TaskSnapshot
from zodbschedule.execution.outcome import set_metadata
from zodbschedule.instant import from_micros
from zodbschedule.instant import later
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import TaskParked
from zodbschedule.outcomes import FAILED
from zodbschedule.outcomes import RETRIED
from zodbschedule.retry import GiveUp
from zodbschedule.retry import Retry
from zodbschedule.retry import RetryLater
from zodbschedule.scheduling import series
from zodbschedule.scheduling.parking import park
from zodbschedule.scheduling.parking import parked_event
from zodbschedule.scheduling.parking import report_parked
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import known_principal
from zodbschedule.store.inspection import known_text
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import text
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import Task
from zodbschedule.task import type_of
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import transact


log = logging.getLogger('zodbschedule')

# How much of an error the history keeps, in characters.
ERROR = 200

# Parking holds no user code, so it may be tried until it passes.
PARK_TRIES = 100

# How long a task waits that asks for it and does not say how long.
PATIENCE = Retry(sys.maxsize)


class Failure:
    """A failed run, and its error."""

    def __init__(self, run: RunBase, error: BaseException) -> None:
        self.run = run
        self.error = error
        #: what is told when it is parked, and that is committed
        self.parked: TaskParked | None = None

    def __call__(self) -> RunResult:
        """Log it, and put the task off, park it, or leave it in its place."""
        error = self.error
        away = is_storage_failure(error)
        if away:
            transact(self.run.manager, self._beat, PARK_TRIES)
        if away or is_transient(error):
            log.warning('Task %s was not committed, and is left for a next '
                        'time: %r', self.run.id, error)
            return RunResult(None, conflicted=True)
        if isinstance(error, CodeMissing) and not self._long_overdue():
            log.warning('Task %s is left in its place: %s', self.run.id, error)
            return RunResult(None)
        ending = self._put_off_or_park()
        if ending.outcome == FAILED and self.parked is not None:
            report_parked(self.parked, error)
        return ending

    def _beat(self) -> None:
        """Write something: raises if the database is away for all."""
        self.run.claim().heartbeat.beats += 1
        self.run.manager.commit()

    def _long_overdue(self) -> bool:
        def long_overdue() -> bool:
            run = self.run
            slot = run.slot()
            found: bool = slot.waiting and is_long_overdue(
                run.schedule, from_micros(slot.micros), run.context.now)
            abort(run.manager)
            return found

        return transact(self.run.manager, long_overdue)

    def _put_off_or_park(self) -> RunResult:
        """In a transaction of its own, as the aborted one cannot."""
        try:
            return transact(self.run.manager, self._end_badly, PARK_TRIES)
        except Exception as problem:
            if is_storage_failure(problem) or is_transient(problem) or (
                    isinstance(problem, ClaimLost)):
                raise
            # Of the task nothing can be written.
            log.warning('Task %s cannot go on: %r', self.run.id, problem)
            return transact(
                self.run.manager, lambda: self._end_badly(False),
                PARK_TRIES)

    def _end_badly(self, may_write: bool = True) -> RunResult:
        slot = self.run.slot()
        if not slot.waiting:
            return self.run.found(slot)
        task = slot.task
        whole = may_write and loads(task)
        wait = self._wait_after(task, slot.micros) if whole else None
        if wait is None:
            self._park(slot, task, whole)
        else:
            self._put_off(slot, task, wait)
        return self.run.ending(slot)

    def _wait_after(self, task: Any, micros: int) -> timedelta | None:
        """How long until it is to be tried again; None: not at all."""
        error = self.error
        policy = task.retry if isinstance(task, Task) else None
        asked = isinstance(error, RetryLater)
        if isinstance(error, GiveUp) or (policy is None and not asked):
            return None
        attempt = series.attempt_of(task)
        if policy is not None and attempt >= policy.attempts:
            return None
        if isinstance(error, RetryLater) and error.delay is not None:
            return error.delay
        token = f'{self.run.id}-{series.occurrence_of(task, micros)}'
        wait = policy and policy.delay_after(attempt, token, error)
        if wait is None and asked:
            wait = PATIENCE.delay_after(attempt, token, error)
        return wait

    def _put_off(self, slot: Slot, task: Any, wait: timedelta) -> None:
        """Try again later, for the same occurrence."""
        error = self.error
        facts = self.run.facts_of(task, slot.micros)
        at = later(self.run.context.moment(), wait)
        if isinstance(task, Task):
            series.retry(task, slot.micros, at)
        else:
            task.time = at
        stamp(task, at)
        self.run.settle(
            slot, facts, Decision(RETRIED, (to_micros(at), task)),
            in_a_line(error))
        set_metadata(self.run.manager.get(), facts.principal_id,
              f'to be tried again: {facts.description}')
        self.run.manager.commit()
        # What a task asks for needs no traceback.
        trace = None if isinstance(error, RetryLater) else error
        log.warning(
            'Task %s failed at attempt %d, and is tried again at %s: %s',
            self.run.id, facts.attempt, at, in_a_line(error), exc_info=trace)

    def _park(self, slot: Slot, task: Any, whole: bool) -> None:
        """Set the task aside; of a series, this occurrence only."""
        error = self.error
        micros = slot.micros
        facts = TaskSnapshot(
            known_principal(task), known_text(task, 'description'),
            type_of(task), micros, micros, 1)
        verdict = Decision(FAILED)
        occurrence = None
        if whole:
            facts = facts._replace(
                occurrence=series.occurrence_of(task, micros),
                attempt=series.attempt_of(task))
            if series.is_repeating(task):
                occurrence = facts.occurrence
                verdict = self.run.goes_on(
                    FAILED, task, micros, self.run.context.moment())
        entry = park(
            self.run.schedule, task, micros, reason_of(error),
            ''.join(traceback.format_exception(error)), occurrence)
        self.run.settle(slot, facts, verdict, text(entry.reason, ERROR))
        set_metadata(self.run.manager.get(), entry.principalId,
              f'parked: {entry.description}')
        self.parked = parked_event(entry)
        self.run.manager.commit()


def is_long_overdue(schedule: ScheduleState, planned: datetime, now: datetime
                    ) -> bool:
    """Whether code that is missing has been missing for too long."""
    grace: timedelta = schedule.import_grace
    return now - planned > grace


def reason_of(error: BaseException) -> str:
    """What went wrong: in its own words, if the task has said so."""
    if isinstance(error, (GiveUp, RetryLater)) and str(error):
        return str(error)
    return ''.join(traceback.format_exception_only(error))


def in_a_line(error: BaseException) -> str:
    """Why it failed, in one line of bounded length."""
    return text(' '.join(reason_of(error).split()), ERROR)
