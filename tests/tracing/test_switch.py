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
"""Traces are on or off, and harm nothing."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import transaction
import zope.event
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from sample_work import NOON
from traced import Act

from zodbschedule import tracing
from zodbschedule.execution import observing
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling import places
from zodbschedule.tracing.spans import failed


PROJECT = tomllib.loads(
    Path(__file__).parents[2].joinpath('pyproject.toml').read_text())


def observers():
    return (*observing.observers, *places.observers, *zope.event.subscribers)


@pytest.fixture(autouse=True)
def off():
    """Traces are off in the end."""
    before = observers()
    yield
    tracing.uninstrument()
    assert observers() == before


@pytest.fixture
def log(caplog):
    return lambda: [
        record.getMessage() for record in caplog.records
        if 'rac' in record.getMessage() and record.name == 'zodbschedule']


# -- On and off


def test_nothing_of_opentelemetry_is_imported_unless_it_is_asked_for():
    code = ('import sys, zodbschedule.cli, zodbschedule.cli.commands;'
            'print([name for name in sys.modules'
            ' if "opentelemetry" in name or "tracing" in name])')
    assert subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
        ).stdout == '[]\n'


def test_nobody_is_told_of_anything_while_it_is_off():
    assert observers() == ()
    tracing.instrument()
    assert len(observers()) == 3
    tracing.uninstrument()
    tracing.uninstrument()
    assert observers() == ()


def test_the_global_provider_is_used_as_it_is_set_later(
        schedule, monkeypatch, spans):
    tracing.uninstrument()
    monkeypatch.setattr(trace, '_TRACER_PROVIDER', None)
    tracing.instrument()
    monkeypatch.setattr(trace, '_TRACER_PROVIDER', spans.provider)
    schedule.call('os.getcwd')
    transaction.commit()
    assert len(spans.sends) == 1


def test_what_is_on_is_not_switched_on_again(spans, log):
    tracing.instrument()
    assert len(observers()) == 3
    assert log() == ['Traces are switched on already; nothing has changed.']


def test_spans_say_of_which_library_they_are(schedule, spans):
    schedule.call('os.getcwd')
    transaction.commit()
    scope = spans.sends[0].instrumentation_scope
    assert scope.name == 'zodbschedule'
    assert scope.version == PROJECT['project']['version']


def test_the_automatic_instrumentation_finds_it(schedule, spans):
    tracing.uninstrument()
    [(name, value)] = PROJECT['project']['entry-points'][
        'opentelemetry_instrumentor'].items()
    assert name == 'zodbschedule'
    found = EntryPoint(name, value, 'opentelemetry_instrumentor').load()
    found().instrument(tracer_provider=spans.provider, skip_dep_check=True)
    schedule.call('os.getcwd')
    transaction.commit()
    assert len(spans.sends) == 1
    found().uninstrument()
    assert observers() == ()


def test_without_the_extra_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'opentelemetry', None)
    for name in list(sys.modules):
        if name.startswith('zodbschedule.tracing'):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError) as raised:
        __import__('zodbschedule.tracing')
    assert str(raised.value) == (
        "traces need opentelemetry-api; install it with: pip install "
        "'zodbschedule[opentelemetry]'")


# -- It harms nothing


class Failing(SpanProcessor):
    def __init__(self, moment):
        self.moment = moment

    def on_start(self, span, parent_context=None):
        self.fail('begin')

    def on_end(self, span):
        self.fail('end')

    def fail(self, moment):
        if moment == self.moment:
            raise ValueError(f'no {moment}')


@pytest.mark.parametrize('moment', ['begin', 'end'])
def test_a_processor_that_fails_harms_no_task(
        schedule, spans, log, clock, moment, monkeypatch):
    spans.provider.add_span_processor(Failing(moment))
    tracing.uninstrument()
    clock.set(NOON)
    tracing.instrument(spans.provider)
    for _ in range(3):
        schedule.schedule(Act(NOON))
        transaction.commit()
    assert schedule.process(NOON) == Tally(succeeded=3)
    assert log() == [
        'Tracing has failed, and goes on; this is said once.'] * 2
    failed.clear()


def test_the_context_is_left_even_if_the_span_fails(schedule, spans):
    spans.provider.add_span_processor(Failing('end'))
    schedule.schedule(Act(NOON))
    transaction.commit()
    schedule.process(NOON)
    assert not trace.get_current_span().get_span_context().is_valid
    failed.clear()
