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
"""By which span a task was scheduled: kept with the task.

A task that was scheduled outside of a span that is recorded keeps nothing.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import Span
from opentelemetry.trace import SpanContext
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import (
    TraceContextTextMapPropagator,
)

from zodbschedule.instant import to_micros
from zodbschedule.store.inspection import TRACE
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.state import ScheduleState


propagator = TraceContextTextMapPropagator()


class Origin(NamedTuple):
    """What has scheduled a task.

    A task keeps it as a bare tuple, with the traceparent of the span.
    """

    span: SpanContext
    #: when the task was to run, in microseconds
    micros: int
    #: the oid of the schedule
    home: int

    def is_of(self, schedule: ScheduleState, micros: int, attempt: int
              ) -> bool:
        """Whether a run is the one for which the task was scheduled.

        And not a further attempt, a later occurrence, at a time that a person
        has chosen, or in a copy of the schedule.
        """
        return (micros, attempt, oid_of(schedule)) == (
            self.micros, 1, self.home)


def keep_origin(task: Any, schedule: ScheduleState, instant: datetime,
                span: Span) -> None:
    """Keep that *task* was scheduled by *span*, if that is recorded.

    Otherwise forget by what it was scheduled before.
    """
    if span.is_recording():
        known = span.get_span_context()
        # As W3C writes it; a propagator takes longer.
        traceparent = (f'00-{known.trace_id:032x}-{known.span_id:016x}-'
                       f'{known.trace_flags:02x}')
        # The class of the task may be anybody's, and take no attribute.
        with suppress(Exception):
            setattr(task, TRACE, (
                traceparent, to_micros(instant), oid_of(schedule)))
    elif getattr(task, TRACE, None) is not None:
        delattr(task, TRACE)


def origin_of(task: Any) -> Origin | None:
    """By what *task* was scheduled; None: by nothing that was recorded."""
    match getattr(task, TRACE, None):
        case (str(text), int(micros), int(home)):
            found = get_current_span(propagator.extract(
                {'traceparent': text}, Context())).get_span_context()
            return Origin(found, micros, home) if found.is_valid else None
        case _:
            return None
