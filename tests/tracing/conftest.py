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
"""Traces are on, and what is exported stays in memory."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)
from traced import acts

from zodbschedule import tracing
from zodbschedule.tracing.spans import failed


class Spans:
    """What is exported, and by which provider."""

    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        #: for the spans of the application
        self.tracer = self.provider.get_tracer('shop')

    def named(self, operation):
        """The spans of that operation, in the order in which they ended."""
        return [span for span in self.exporter.get_finished_spans()
                if span.name.partition(' ')[0] == operation]

    @property
    def sends(self):
        return self.named('send')

    @property
    def runs(self):
        return self.named('process')


@pytest.fixture
def spans():
    """Traces are on; see `Spans`."""
    found = Spans()
    tracing.instrument(found.provider)
    yield found
    tracing.uninstrument()
    acts.clear()


@pytest.fixture(autouse=True)
def nothing_fails():
    """Tracing itself has failed only where a test says so."""
    yield
    assert failed == []
