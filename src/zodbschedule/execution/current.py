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
"""The current run: what a task can learn of it, and report to it."""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from datetime import timedelta
from typing import Any

from zope.interface import implementer

from zodbschedule import clock
from zodbschedule.errors.text import ErrorText
from zodbschedule.instant import from_micros
from zodbschedule.interfaces import ICurrentRun
from zodbschedule.logger import log
from zodbschedule.store.inspection import TaskLabel
from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions.retrying import in_own_connection


# How long after one report of progress the next is written.  Shorter, and a
# task that reports each of a million steps would spend its time on that;
# longer, and the progress that is shown is older.
THROTTLE = timedelta(seconds=1)

#: gives the current run, which is made when the task first asks for it
current: ContextVar[Callable[[], 'CurrentRun'] | None] = ContextVar(
    'zodbschedule.current_run', default=None)


def current_run() -> 'CurrentRun | None':
    """The run that the caller is part of, an `ICurrentRun`, or None.

    It depends on the context (see `contextvars`), as `asyncio.current_task`
    does: a thread that a task starts has none.
    """
    make = current.get()
    return None if make is None else make()


@implementer(ICurrentRun)
class CurrentRun:
    """See `ICurrentRun`.  It is of no use after the run has ended."""

    def __init__(self, task: Any, schedule: ScheduleState, label: TaskLabel,
                 occurrence: int, now: datetime, where: 'Where') -> None:
        self.task = task
        self.schedule = schedule
        self.attempt = label.attempt or 1
        self.now = now
        #: what the log says of the task
        self.label = label
        self._occurrence = occurrence
        self._where = where
        #: why the outcome is to be cancelled; None: it is not
        self.reason: str | None = None
        self._reported: datetime | None = None

    @property
    def occurrence(self) -> datetime:
        return from_micros(self._occurrence)

    @property
    def token(self) -> str:
        return f'{self.label.oid:x}-{self._occurrence}'

    @property
    def cancelled(self) -> bool:
        """See `ICurrentRun`."""
        return bool(self._where.look(
            lambda claim, slot: slot is None or not slot.waiting))

    def cancel(self, reason: str) -> None:
        """See `ICurrentRun`."""
        self.reason = reason

    def progress(self, done: float, total: float) -> None:
        """See `ICurrentRun`."""
        now = clock.now()
        if self._reported is not None and (
                timedelta(0) <= now - self._reported < THROTTLE):
            return
        self._reported = now

        def report(claim: Any, slot: Any) -> None:
            if claim is not None:
                claim.beat().progress = (
                    self.label.oid, float(done), float(total))

        try:
            self._where.look(report)
        except Exception as error:
            log.warning('Task %s: a report of progress was lost.', self.label,
                        exc_info=ErrorText(error).exc_info)


class Where:
    """The slot that a run is in, as plain data."""

    def __init__(self, schedule: ScheduleState, claim_id: str, index: int,
                 commits: bool = True) -> None:
        #: the connection, if no other one could see what it holds
        self.connection = None if commits else schedule._p_jar
        self.db = schedule._p_jar.db()
        self.schedule_oid = schedule._p_oid
        self.claim_id = claim_id
        self.index = index

    def look(self, work: Callable[[Any, Any], Any]) -> Any:
        """What *work* returns, given the claim and the slot as they are now.

        In a transaction of its own, which is committed.  Both are None if the
        claim was recovered.
        """
        def look(connection: Any) -> Any:
            claim = connection.get(self.schedule_oid).claim(self.claim_id)
            return work(claim, claim and claim.slot(self.index))

        if self.connection is not None:
            return look(self.connection)
        return in_own_connection(self.db, look)
