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
"""The span ``send``: a task is scheduled, and that is committed."""

from datetime import datetime
from typing import Any

from opentelemetry.trace import Span
from opentelemetry.trace import SpanKind
from opentelemetry.trace import Tracer

from zodbschedule.store.inspection import task_id
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import type_of
from zodbschedule.tracing.origin import keep_origin
from zodbschedule.tracing.spans import MESSAGE_ID
from zodbschedule.tracing.spans import attributes
from zodbschedule.tracing.spans import harmless
from zodbschedule.tracing.spans import name_of


#: the key under which the data of a transaction has its `Sends`
SENDS = object()


class Sending:
    """Begins a span for each task that is scheduled."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    @harmless
    def note(self, schedule: ScheduleState, task: Any, instant: datetime
             ) -> None:
        """An observer of `zodbschedule.scheduling.places`."""
        if schedule._p_jar is None:
            return  # nobody can tell when it is committed
        said = attributes('send', schedule, type_of(task))
        span = self.tracer.start_span(
            name_of(said), kind=SpanKind.PRODUCER, attributes=said)
        if span.is_recording():
            sends_of(schedule._p_jar.transaction_manager.get()).spans.append(
                (span, task))
        keep_origin(task, schedule, instant, span)


def sends_of(txn: Any) -> 'Sends':
    """What is sent by the transaction *txn*."""
    try:
        sends = txn.data(SENDS)
    except KeyError:
        sends = None
    if sends is None:
        sends = Sends()
        txn.join(sends)
        txn.set_data(SENDS, sends)
    found: Sends = sends
    return found


class Sends:
    """The spans of one transaction, which end when it is committed.

    If it is aborted, they never end, and so are not exported.  This is a data
    manager, and not a hook, since it has to go back to savepoints.
    """

    def __init__(self) -> None:
        self.spans: list[tuple[Span, Any]] = []

    def sortKey(self) -> str:
        """Behind those that may still fail."""
        return '~zodbschedule'

    def savepoint(self) -> 'SentUntil':
        """What is sent until now."""
        return SentUntil(self, len(self.spans))

    def tpc_begin(self, txn: Any) -> None:
        """Nothing to do."""

    commit = tpc_vote = tpc_begin

    @harmless
    def tpc_finish(self, txn: Any) -> None:
        """It is committed."""
        for span, task in self.spans:
            id = task_id(task)
            if id is not None:  # else it was unscheduled again
                span.set_attribute(MESSAGE_ID, id)
                span.end()

    def abort(self, txn: Any) -> None:
        """It is aborted, or goes back to a savepoint from before it joined.
        """
        txn.set_data(SENDS, None)

    tpc_abort = abort


class SentUntil:
    """A savepoint of `Sends`."""

    def __init__(self, sends: Sends, number: int) -> None:
        self.sends = sends
        self.number = number

    def rollback(self) -> None:
        """Forget what was sent since."""
        del self.sends.spans[self.number:]
