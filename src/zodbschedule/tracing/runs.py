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
"""The span ``process``: a run of a task."""

from contextvars import Token
from typing import Any

from opentelemetry.context import Context
from opentelemetry.context import attach
from opentelemetry.context import detach
from opentelemetry.trace import Link
from opentelemetry.trace import NonRecordingSpan
from opentelemetry.trace import Span
from opentelemetry.trace import SpanKind
from opentelemetry.trace import StatusCode
from opentelemetry.trace import Tracer
from opentelemetry.trace import TracerProvider
from opentelemetry.trace import set_span_in_context

from zodbschedule.errors.chain import name_of as class_name
from zodbschedule.errors.text import ErrorText
from zodbschedule.instant import from_micros
from zodbschedule.interfaces import RunEnded
from zodbschedule.logger import place
from zodbschedule.outcomes import CANCELLED
from zodbschedule.outcomes import INTERRUPTED
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.tracing.origin import Origin
from zodbschedule.tracing.origin import origin_of
from zodbschedule.tracing.spans import MESSAGE_ID
from zodbschedule.tracing.spans import attributes
from zodbschedule.tracing.spans import harmless
from zodbschedule.tracing.spans import name_of


# How long to wait for the export when a run was cut off, in milliseconds: the
# process may end at once.  Longer, and whoever ends it may lose patience.
FLUSH = 1_000

#: what is no failure, whatever went wrong before
WELL = OUTCOMES[SUCCEEDED], OUTCOMES[CANCELLED]


class RunTraces:
    """The spans of the runs of this process."""

    def __init__(self, tracer: Tracer, provider: TracerProvider) -> None:
        self.tracer = tracer
        self.provider = provider
        #: the spans that have not ended
        self.spans: dict[RunTrace, Span] = {}

    def observe(self, run: Any) -> 'RunTrace':
        """See `zodbschedule.execution.observing.observers`."""
        return RunTrace(self, run)

    @harmless
    def note_event(self, event: object) -> None:
        """A subscriber of ``zope.event``, for runs that are cut off.

        Their threads may never learn of that.
        """
        if not (isinstance(event, RunEnded)
                and event.outcome == OUTCOMES[INTERRUPTED]):
            return
        cut_off = [trace for trace in list(self.spans) if trace.is_of(event)]
        for trace in cut_off:
            trace.close(event.outcome)
        # The API has no such method, and neither has what does nothing.
        flush = getattr(self.provider, 'force_flush', None)
        if cut_off and flush is not None:
            flush(FLUSH)


class RunTrace:
    """The span of one run, a `zodbschedule.execution.run.Run`."""

    def __init__(self, traces: RunTraces, run: Any) -> None:
        self.traces = traces
        self.run = run
        #: what was current before; None: it has not begun
        self.token: Token[Context] | None = None
        #: what its last transaction has ended by, unless that was committed
        self.error: BaseException | None = None

    def is_of(self, event: RunEnded) -> bool:
        """Whether *event* is about this run."""
        schedule, _ = self.run.context.schedule.origin
        return (event.id, event.schedule) == (self.run.id, schedule)

    # -- as a RunObserver

    @harmless
    def begins(self, task: Any) -> None:
        """See `RunObserver`."""
        if self.token is not None:
            self._note_conflict()
            return
        context, links = self._whence(origin_of(task))
        said = attributes(
            'process', self.run.context.schedule, self.run.snapshot.type)
        span = self.traces.tracer.start_span(
            name_of(said), context, SpanKind.CONSUMER, said | self._known(),
            links)
        self.traces.spans[self] = span
        # Nothing is inherited from whoever calls process().
        self.token = attach(set_span_in_context(span, context))

    @harmless
    def fails(self, error: BaseException) -> None:
        """See `RunObserver`."""
        self.error = error

    @harmless
    def ends(self, outcome: str) -> None:
        """See `RunObserver`."""
        if self.token is not None:
            detach(self.token)
        self.close(outcome)

    # -- the span

    def _whence(self, origin: Origin | None
                ) -> tuple[Context, list[Link]]:
        """The context of the parent, and the links."""
        context, known = Context(), self.run.snapshot
        if origin is None:
            return context, []
        if origin.is_of(self.run.context.schedule, known.micros,
                        known.attempt):
            parent = NonRecordingSpan(origin.span)
            return set_span_in_context(parent, context), []
        return context, [Link(origin.span)]

    def _known(self) -> dict[str, Any]:
        """What is said of this run besides."""
        known = self.run.snapshot
        said = {MESSAGE_ID: self.run.id,
                'zodbschedule.attempt': known.attempt,
                'zodbschedule.occurrence': from_micros(
                    known.occurrence).isoformat()}
        worker = place.get().get('schedule_worker')
        return said if worker is None else said | {
            'messaging.client.id': str(worker)}

    def _note_conflict(self) -> None:
        """The transaction is tried again."""
        span, error, self.error = self.traces.spans.get(self), self.error, None
        if span is not None and error is not None:
            span.add_event('conflict', told(error))

    def close(self, outcome: str) -> None:
        """End the span, in any thread; of two, only the first does."""
        span = self.traces.spans.pop(self, None)
        if span is None:
            return
        span.set_attribute('zodbschedule.outcome', outcome)
        if self.error is not None and outcome not in WELL:
            self._note_error(span, self.error)
        span.end()

    @staticmethod
    def _note_error(span: Span, error: BaseException) -> None:
        text, said = ErrorText(error), told(error)
        span.set_attribute('error.type', said['exception.type'])
        span.add_event('exception', said | {
            'exception.stacktrace': text.traceback})
        span.set_status(StatusCode.ERROR, str(text))


def told(error: BaseException) -> dict[str, str]:
    """An error, by the conventions for exceptions."""
    return {'exception.type': class_name(
                type(error)).removeprefix('builtins.'),
            'exception.message': ErrorText(error).message}
