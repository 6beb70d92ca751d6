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
"""Switching traces on and off, for a process.

While they are off, nobody observes anything.
"""

from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

import zope.event
from opentelemetry import trace
from opentelemetry.trace import TracerProvider

from zodbschedule.execution import observing
from zodbschedule.logger import log
from zodbschedule.scheduling import places
from zodbschedule.tracing.runs import RunTraces
from zodbschedule.tracing.sends import Sending


#: what ends when traces are switched off
_switched_on = ExitStack()
_is_on = False


def instrument(tracer_provider: TracerProvider | None = None) -> None:
    """Trace what is scheduled, and what runs, in this process from now on.

    :param tracer_provider: the provider of the tracer; by default the global
        one, as it is or as it will be set.

    If traces are on already, nothing changes, and that is logged.
    """
    global _is_on
    if _is_on:
        log.warning('Traces are switched on already; nothing has changed.')
        return
    provider = tracer_provider or trace.get_tracer_provider()
    tracer = trace.get_tracer(
        'zodbschedule', version('zodbschedule'), provider)
    runs = RunTraces(tracer, provider)
    _observe(places.observers, Sending(tracer).note)
    _observe(observing.observers, runs.observe)
    _observe(zope.event.subscribers, runs.note_event)
    _is_on = True


def uninstrument() -> None:
    """Switch traces off; nothing happens if they are."""
    global _is_on
    _switched_on.close()
    _is_on = False


def _observe(observers: list[Any], observer: Any) -> None:
    observers.append(observer)
    _switched_on.callback(observers.remove, observer)


class Instrumentor:
    """For the automatic instrumentation of OpenTelemetry, which calls it."""

    def instrument(self, tracer_provider: TracerProvider | None = None,
                   **options: Any) -> None:
        """See `instrument`; other options are for other libraries."""
        instrument(tracer_provider)

    def uninstrument(self, **options: Any) -> None:
        """See `uninstrument`."""
        uninstrument()
