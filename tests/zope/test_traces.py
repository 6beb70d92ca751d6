"""Traces of the runs in a site."""

import pytest
import transaction
from conftest import seen
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)
from opentelemetry.trace import get_current_span
from ZODB.POSException import ConflictError

from zodbschedule import CallTask
from zodbschedule import tracing


def look():
    seen.append(get_current_span().get_span_context().span_id)
    if len(seen) == 1:
        raise ConflictError


@pytest.fixture
def exporter():
    """Traces are on."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.instrument(provider)
    yield exporter
    tracing.uninstrument()


def test_a_run_is_a_child_of_what_has_sent_it_and_names_the_site(
        schedule, clock, exporter):
    schedule.schedule(CallTask(look, principalId='jane'))
    transaction.commit()
    assert schedule.process(clock.now()).succeeded == 1
    send, run = exporter.get_finished_spans()
    assert (send.name, run.name) == ('send /site', 'process /site')
    assert run.parent.span_id == send.context.span_id
    # The transaction was repeated.
    assert seen == [run.context.span_id] * 2
    assert [event.name for event in run.events] == ['conflict']
