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

    conflicts ───────────────────────────────────────────▶ left in its place
    its code is missing ─▶ not for long ─────────────────▶ left in its place
          ╰──────────────▶ too long ─╮
    anything else ───────────────────┴─▶ may be tried again ─▶ put off
                                                  ╰─▶ not ─▶ parked

What is written of that is a transaction of its own: that of the run is gone.

An error that was raised inside the storage may be an error of the task all the
same: it ran into a limit of its own while it loaded, its session was ended
since it took too long, or another database that it uses is away.  The database
itself is asked, by writing to it: if that passes, the task is tried again, a
few times, and then it has failed.
"""

import sys
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any

from zodbschedule.errors.chain import is_a
from zodbschedule.errors.text import ErrorText
from zodbschedule.errors.verdict import verdict
from zodbschedule.execution.outcome import Decision
from zodbschedule.execution.outcome import RunResult
from zodbschedule.instant import from_micros
from zodbschedule.instant import later
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import TaskParked
from zodbschedule.logger import log
from zodbschedule.outcomes import FAILED
from zodbschedule.outcomes import RETRIED
from zodbschedule.retry import GiveUp
from zodbschedule.retry import Retry
from zodbschedule.retry import delay_asked
from zodbschedule.scheduling import series
from zodbschedule.scheduling.endings import known_snapshot
from zodbschedule.scheduling.events import parked_event
from zodbschedule.scheduling.events import report_parked
from zodbschedule.scheduling.parking import park
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import stamp
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import Task
from zodbschedule.task import label_of
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient
from zodbschedule.transactions.retrying import OWN_TRIES
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import transact


if TYPE_CHECKING:
    from zodbschedule.execution.run import Run



# What goes for a task that asks to be tried again, and does not say when.
UNLIMITED = Retry(sys.maxsize)


def handle_failure(run: 'Run', error: BaseException) -> RunResult:
    """Put the task of a failed run off, park it, or leave it in its place.

    Raises only what says that the database is away, and `ClaimLost`.
    """
    return Failure(run, error).handle()


class Failure:
    """A failed run, and its error."""

    def __init__(self, run: 'Run', error: BaseException) -> None:
        self.run = run
        self.error = error
        self.text = ErrorText(error)
        #: what the task itself has said, if it has
        self.said = verdict(error)
        self.context = run.context
        self.schedule = run.context.schedule
        self.manager = run.context.manager
        #: what the log says of the task
        self.label = run.label
        #: what is told when it is parked, and that is committed
        self.parked: TaskParked | None = None

    def handle(self) -> RunResult:
        """See `handle_failure`."""
        log.debug('Task %s has failed.', self.label,
                  exc_info=self.text.exc_info)
        if self._is_passing():
            log.warning('Task %s was not committed, and is left for a next '
                        'time: %s', self.label, self.text)
            return RunResult(None, conflicted=True)
        if is_a(self.error, CodeMissing) and not transact(
                self.manager, self._is_long_overdue):
            log.warning('Task %s is left in its place: %s', self.label,
                        self.text.message)
            return RunResult(None)
        result = self._put_off_or_park()
        if result.outcome == FAILED and self.parked is not None:
            report_parked(self.parked, self.label, self.error)
        return result

    def _is_passing(self) -> bool:
        """Whether that is no failure of the task.

        If it was called, a storage that fails was asked by now.
        """
        if is_storage_failure(self.error):
            return not self.run.called
        return is_transient(self.error)

    def _slot(self) -> Slot:
        """The place of the task; what did not begin is known by it."""
        slot = self.run.slot(self.schedule)
        if self.run.snapshot is None and slot.waiting:
            self.label = label_of(slot.task)
        return slot

    def _is_long_overdue(self) -> bool:
        slot = self._slot()
        overdue = slot.waiting and is_long_overdue(
            self.schedule, from_micros(slot.micros), self.context.now)
        abort(self.manager)
        return overdue

    def _put_off_or_park(self) -> RunResult:
        """In a transaction of its own: that of the run is gone."""
        try:
            return transact(self.manager, self._end_badly, OWN_TRIES)
        except Exception as problem:
            if is_storage_failure(problem) or is_transient(problem) or (
                    isinstance(problem, ClaimLost)):
                raise
            # Nothing of the task can be written.
            log.warning('Task %s cannot continue: %s', self.label,
                        ErrorText(problem))
            return transact(
                self.manager, lambda: self._end_badly(False), OWN_TRIES)

    def _end_badly(self, may_write: bool = True) -> RunResult:
        slot = self._slot()
        if not slot.waiting:
            return self.run.settled(slot, self.manager)
        whole = may_write and loads(slot.task)
        wait = self._wait_after(slot.task, slot.micros) if whole else None
        if wait is None:
            return self._park(slot, slot.task, whole)
        return self._put_off(slot, slot.task, wait)

    def _wait_after(self, task: Any, micros: int) -> timedelta | None:
        """How long until it is to be tried again; None: not at all."""
        policy = task.retry if isinstance(task, Task) else None
        asked = self.said is not None
        # What was missing here was waited for already.
        missing = is_a(self.error, CodeMissing)
        if missing or self._gives_up() or (policy is None and not asked):
            return None
        attempt = series.attempt_of(task)
        if policy is not None and attempt >= policy.attempts:
            return None
        wait = self._delay_asked()
        token = f'{self.run.id}-{series.occurrence_of(task, micros)}'
        if wait is None and policy is not None:
            wait = policy.delay_after(attempt, token, self.error)
        if wait is None and asked:
            wait = UNLIMITED.delay_after(attempt, token, self.error)
        return wait

    def _gives_up(self) -> bool:
        return self.said is not None and is_a(self.said, GiveUp)

    def _delay_asked(self) -> timedelta | None:
        """The delay that the task asks for, if that is one."""
        try:
            return None if self.said is None else delay_asked(self.said)
        except Exception as problem:
            log.warning('Task %s asks to be tried again after a delay that '
                        'cannot be used: %s', self.label,
                        ErrorText(problem).message)
            return None

    def _put_off(self, slot: Slot, task: Any, wait: timedelta) -> RunResult:
        """Try again later, for the same occurrence."""
        snapshot = known_snapshot(task, slot.micros, True)
        at = later(self.context.moment(), wait)
        if isinstance(task, Task):
            series.retry(task, slot.micros, at)
        else:
            task.time = at
        stamp(task, at)
        self.run.set_metadata(
            self.manager, snapshot.principal_id,
            f'to be tried again: {snapshot.description}')
        result = self.run.settle(
            slot, snapshot, Decision(RETRIED, (to_micros(at), task)),
            str(self.text))
        self.manager.commit()
        log.warning(
            'Task %s failed, and attempt %d begins at %s: %s', self.label,
            snapshot.attempt + 1, at, self.text)
        return result

    def _park(self, slot: Slot, task: Any, whole: bool) -> RunResult:
        """Set the task aside; of a series, this occurrence only."""
        snapshot = known_snapshot(task, slot.micros, whole)
        decision = Decision(FAILED)
        occurrence = None
        if whole and series.is_repeating(task):
            occurrence = snapshot.occurrence
            decision = self.run.continue_series(
                self.schedule, task, slot.micros, FAILED,
                self.context.moment())
        entry = park(
            self.schedule, task, snapshot.micros, self.text.reason,
            self.text.traceback, occurrence)
        self.run.set_metadata(
            self.manager, entry.principalId, f'parked: {entry.description}')
        result = self.run.settle(
            slot, snapshot, decision, str(self.text))
        self.parked = parked_event(self.schedule, entry)
        self.manager.commit()
        return result


def is_long_overdue(schedule: ScheduleState, planned: datetime, now: datetime
                    ) -> bool:
    """Whether code that is missing has been missing for too long."""
    grace: timedelta = schedule.import_grace
    return now - planned > grace
