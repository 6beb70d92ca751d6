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
"""The span ``process``: what a run was, whatever became of it."""

import copy
import logging
import threading
from datetime import timedelta
from io import BytesIO

import pytest
import transaction
import zope.event
from databases import wait_until
from onlooker import Onlooker
from opentelemetry import baggage
from opentelemetry import context
from opentelemetry.trace import NoOpTracerProvider
from opentelemetry.trace import SpanKind
from opentelemetry.trace import get_current_span
from sample_work import NOON
from traced import Act
from traced import Foreign
from traced import acts
from traced import printed
from ZODB.POSException import ConflictError

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Worker
from zodbschedule import current_run
from zodbschedule import tracing
from zodbschedule.interfaces import RunEnded
from zodbschedule.outcomes import Tally
from zodbschedule.store.inspection import task_id
from zodbschedule.transactions import retrying


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def now(clock, monkeypatch):
    clock.set(NOON)
    monkeypatch.setattr(retrying.clock, 'wait', lambda seconds: None)


@pytest.fixture
def add(schedule):
    """Schedule a task that does something, and commit."""
    def add(act=None, time=NOON, **options):
        acts['it'] = act or (lambda task: None)
        task = schedule.schedule(Act(time, description='it', **options))
        transaction.commit()
        return task

    return add


def raises(error):
    def act(task):
        raise error

    return act


def outcome(span):
    return (span.attributes['zodbschedule.outcome'],
            span.status.status_code.name)


def is_child(span, parent):
    return (span.parent is not None and span.links == ()
            and span.parent.span_id == parent.context.span_id
            and span.context.trace_id == parent.context.trace_id)


def is_linked(span, to):
    return (span.parent is None
            and span.context.trace_id != to.context.trace_id
            and [link.context.span_id for link in span.links] == [
                to.context.span_id])


# -- Whence


def test_the_first_run_is_a_child_of_what_has_sent_it(schedule, spans, add):
    task = add()
    schedule.process(NOON)
    [send], [run] = spans.sends, spans.runs
    assert is_child(run, send)
    assert run.name == 'process schedule'
    assert run.kind is SpanKind.CONSUMER
    assert run.attributes == {
        'messaging.system': 'zodbschedule',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'schedule',
        'messaging.message.id': task_id(task),
        'messaging.client.id': 'process()',
        'zodbschedule.task.type': 'traced.Act',
        'zodbschedule.attempt': 1,
        'zodbschedule.occurrence': NOON.isoformat(),
        'zodbschedule.outcome': 'succeeded'}
    assert run.status.status_code.name == 'UNSET'


def test_the_next_attempt_is_a_trace_with_a_link(schedule, spans, add):
    add(raises(ValueError('no luck')), retry=Retry(3))
    for hours in range(3):
        schedule.process(NOON + hours * HOUR)
    [send], (first, *others) = spans.sends, spans.runs
    assert is_child(first, send)
    assert all(is_linked(other, send) for other in others)
    assert [run.attributes['zodbschedule.attempt'] for run in spans.runs
            ] == [1, 2, 3]
    assert [outcome(run) for run in spans.runs] == [
        ('retried', 'ERROR'), ('retried', 'ERROR'), ('failed', 'ERROR')]


def test_the_next_attempt_at_the_same_time_is_one_too(schedule, spans, add):
    add(raises(ValueError('no luck')),
        retry=Retry(2, delay=timedelta(0), jitter=0))
    schedule.process(NOON)
    schedule.process(NOON)
    assert is_child(spans.runs[0], spans.sends[0])
    assert is_linked(spans.runs[1], spans.sends[0])


def test_a_later_occurrence_is_a_trace_with_a_link(schedule, spans, add):
    add(recurrence=Every(HOUR))
    for hours in range(3):
        schedule.process(NOON + hours * HOUR)
    [send], (first, *others) = spans.sends, spans.runs
    assert is_child(first, send)
    assert len(others) == 2
    assert all(is_linked(other, send) for other in others)


def test_what_a_person_has_run_is_a_trace_with_a_link(schedule, spans, add):
    task = add(time=NOON + HOUR)
    schedule.run_now(task)
    transaction.commit()
    schedule.process(NOON)
    assert is_linked(spans.runs[0], spans.sends[0])


def test_what_was_put_off_by_a_person_is_a_trace_with_a_link(
        schedule, spans, add):
    schedule.change(add(), time=NOON + HOUR)
    transaction.commit()
    schedule.process(NOON + HOUR)
    assert is_linked(spans.runs[0], spans.sends[0])


def test_what_was_unparked_is_a_child_of_that(schedule, spans, add):
    add(raises(ValueError('no luck')))
    schedule.process(NOON)
    [entry] = schedule.parked
    with spans.tracer.start_as_current_span('POST /unpark') as request:
        schedule.unpark(entry)
        transaction.commit()
    schedule.process(NOON)
    assert is_child(spans.runs[1], spans.sends[1])
    assert spans.sends[1].context.trace_id == (
        request.get_span_context().trace_id)


def test_what_was_scheduled_without_traces_has_a_trace_of_its_own(
        schedule, add, request):
    add()
    spans = request.getfixturevalue('spans')
    schedule.process(NOON)
    [run] = spans.runs
    assert run.parent is None
    assert run.links == ()


def test_nothing_comes_from_whoever_calls_process(schedule, spans, add):
    seen = []
    add(lambda task: seen.append(baggage.get_all()))
    token = context.attach(baggage.set_baggage('of', 'the caller'))
    with spans.tracer.start_as_current_span('cron'):
        schedule.process(NOON)
    context.detach(token)
    assert seen == [{}]
    assert is_child(spans.runs[0], spans.sends[0])


def test_a_copy_was_not_sent_to_where_it_is(schedule, spans, add):
    add()
    root = schedule._p_jar.root()
    file = BytesIO()
    schedule._p_jar.exportFile(schedule._p_oid, file)
    file.seek(0)
    root['copy'] = schedule._p_jar.importFile(file)
    transaction.commit()
    root['copy'].process(NOON)
    [run] = spans.runs
    assert run.name == 'process copy'
    assert is_linked(run, spans.sends[0])


def test_a_copy_of_a_task_that_is_scheduled_is_sent_itself(
        schedule, spans, add):
    other = copy.copy(add(time=NOON + HOUR))
    other.time = NOON
    del other._zodbschedule
    schedule.schedule(other)
    transaction.commit()
    schedule.process(NOON)
    assert is_child(spans.runs[0], spans.sends[1])


# -- What is inside


def test_the_spans_of_a_task_are_its_children(schedule, spans, add):
    def act(task):
        with spans.tracer.start_as_current_span('print'):
            pass

    add(act)
    schedule.process(NOON)
    [inner] = spans.named('print')
    assert inner.parent.span_id == spans.runs[0].context.span_id
    assert not get_current_span().get_span_context().is_valid


def test_it_lasts_until_the_transaction_is_committed(schedule, spans, add):
    seen = []

    def act(task):
        transaction.get().addAfterCommitHook(
            lambda success: seen.append(get_current_span().is_recording()))

    add(act)
    schedule.process(NOON)
    assert seen == [True]
    assert len(spans.runs) == 1


def test_a_repeated_transaction_is_an_event(schedule, spans, add):
    def act(task):
        if len(tries) < 2:
            tries.append(1)
            raise ConflictError('somebody was faster')

    tries = []
    add(act)
    assert schedule.process(NOON) == Tally(succeeded=1)
    [run] = spans.runs
    assert outcome(run) == ('succeeded', 'UNSET')
    assert [event.name for event in run.events] == ['conflict', 'conflict']
    assert run.events[0].attributes == {
        'exception.type': 'ZODB.POSException.ConflictError',
        'exception.message': 'somebody was faster'}


def test_the_log_of_a_run_is_inside(schedule, spans, add, caplog):
    def note(record):
        seen.append((record.getMessage().partition(' (')[0].split()[-1],
                     get_current_span().is_recording()))
        return True

    seen = []
    caplog.set_level(logging.INFO, 'zodbschedule')
    caplog.handler.addFilter(note)
    add()
    schedule.process(NOON)
    caplog.handler.removeFilter(note)
    assert [inside for _, inside in seen] == [True, True]


# -- What became of it


def test_an_error_is_told(schedule, spans, add):
    add(raises(KeyError('hats')))
    schedule.process(NOON)
    [run] = spans.runs
    assert outcome(run) == ('failed', 'ERROR')
    assert run.status.description == "KeyError: 'hats'"
    assert run.attributes['error.type'] == 'KeyError'
    [event] = run.events
    assert event.name == 'exception'
    assert event.attributes['exception.type'] == 'KeyError'
    assert event.attributes['exception.message'] == "'hats'"
    assert 'in act' in event.attributes['exception.stacktrace']


def test_an_error_that_cannot_be_told_ends_the_span_all_the_same(
        schedule, spans, add):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError('no text')

    add(raises(Odd()))
    schedule.process(NOON)
    assert outcome(spans.runs[0]) == ('failed', 'ERROR')


def test_a_task_that_returns_itself_has_not_failed(schedule, spans):
    schedule.schedule(Foreign(NOON))
    transaction.commit()
    schedule.process(NOON)
    assert outcome(spans.runs[0]) == ('retried', 'UNSET')


def test_a_conflict_before_that_is_no_failure(schedule, spans, add):
    def act(task):
        if tries:
            task.time = NOON + HOUR
            return task
        tries.append(1)
        raise ConflictError

    tries = []
    add(act)
    schedule.process(NOON)
    assert outcome(spans.runs[0]) == ('retried', 'UNSET')


def test_a_commit_whose_answer_is_lost_is_no_failure(
        schedule, spans, add, monkeypatch):
    def commit():
        really()
        if lost:
            raise lost.pop()

    manager = schedule._p_jar.transaction_manager
    lost, really = [], manager.commit
    monkeypatch.setattr(manager, 'commit', commit)
    add(lambda task: lost.append(ConflictError('no answer')))
    assert schedule.process(NOON) == Tally(succeeded=1)
    assert lost == []
    [run] = spans.runs
    assert outcome(run) == ('succeeded', 'UNSET')
    assert 'error.type' not in run.attributes


def test_a_task_that_conflicts_again_and_again_is_left(schedule, spans, add):
    add(raises(ConflictError()))
    assert schedule.process(NOON) == Tally(left=1)
    [run] = spans.runs
    assert outcome(run) == ('left in its place', 'ERROR')
    assert [event.name for event in run.events] == (
        ['conflict'] * 4 + ['exception'])


def test_a_run_that_cancels_itself_says_so(schedule, spans, add):
    add(lambda task: current_run().cancel('nothing to do'))
    schedule.process(NOON)
    assert outcome(spans.runs[0]) == ('cancelled', 'UNSET')


def test_an_interrupted_run_says_so_and_the_next_is_a_child_too(
        schedule, spans, add):
    def act(task):
        if not seen:
            seen.append(1)
            raise KeyboardInterrupt

    seen = []
    add(act)
    with pytest.raises(KeyboardInterrupt):
        schedule.process(NOON)
    transaction.abort()
    schedule.process(NOON)
    first, second = spans.runs
    assert outcome(first) == ('interrupted', 'ERROR')
    assert first.attributes['error.type'] == 'KeyboardInterrupt'
    assert outcome(second) == ('succeeded', 'UNSET')
    assert is_child(first, spans.sends[0])
    assert is_child(second, spans.sends[0])
    assert not get_current_span().get_span_context().is_valid


@pytest.fixture
def flushed(spans, monkeypatch):
    """How often all is exported at once."""
    calls = []
    monkeypatch.setattr(spans.provider, 'force_flush', calls.append)
    return calls


@pytest.mark.storages('FileStorage')
def test_a_run_that_is_cut_off_ends_and_is_exported_at_once(
        database, spans, flushed):
    def act(task):
        begun.set()
        going_on.wait(60)

    begun, going_on = threading.Event(), threading.Event()
    acts['it'] = act
    seen = Onlooker(database)
    seen.add(Act(NOON, description='it'))
    worker = Worker(database.db, name='mill')
    worker.start()
    begun.wait(60)
    assert not worker.stop(timedelta(0))
    [run] = spans.runs
    assert outcome(run) == ('interrupted', 'UNSET')
    assert len(flushed) == 1
    going_on.set()
    wait_until(lambda: not any(each.is_alive for each in worker._threads),
               'the end of the run')
    assert spans.runs == [run]
    assert run.attributes['messaging.client.id'] == 'mill'


def test_a_run_that_goes_on_when_it_was_cut_off_says_nothing_more(
        schedule, spans, add, flushed):
    def act(task):
        for id in 'other', task_id(task):
            zope.event.notify(interrupted(id, schedule))
            seen.append(len(spans.runs))
        if len(seen) == 2:
            raise ConflictError

    seen = []
    add(act)
    schedule.process(NOON)
    assert seen == [0, 1, 1, 1]
    assert [outcome(run) for run in spans.runs] == [('interrupted', 'UNSET')]
    assert len(flushed) == 1


def test_a_run_of_another_process_that_was_cut_off_is_not_ours(
        schedule, spans, flushed):
    zope.event.notify(interrupted('2a', schedule))
    assert spans.runs == []
    assert flushed == []


def test_a_provider_that_keeps_nothing_back_needs_no_flush(
        schedule, spans, add):
    tracing.uninstrument()
    tracing.instrument(NoOpTracerProvider())
    add(lambda task: zope.event.notify(
        interrupted(task_id(task), schedule)))
    assert schedule.process(NOON) == Tally(succeeded=1)


def interrupted(id, schedule):
    """What is told of a run that is cut off."""
    return RunEnded(id, 'interrupted', NOON, 'it', 'traced.Act', None, 1,
                    NOON, 'it was cut off', *schedule.origin)


# -- What is no run


def test_a_task_that_is_not_called_has_no_span(schedule, spans, add, clock):
    clock.set(NOON + HOUR)
    expired = add(expires=MINUTE)
    schedule.process(NOON + HOUR)
    paused = add()
    schedule.pause(paused)
    transaction.commit()
    schedule.process(NOON + HOUR)
    assert spans.runs == []
    assert [entry.outcome for entry in schedule.history
            if entry.id == task_id(expired)] == ['expired']


# -- In a worker


@pytest.mark.storages('ZEO')
def test_the_trace_goes_on_in_another_process(database, crew, spans):
    seen = Onlooker(database)
    with spans.tracer.start_as_current_span('POST /order') as order:
        seen.add(Act(NOON, recurrence=Every(HOUR, NOON), missed='all'))
    member = crew.start('traced.printing_worker', database.uri())
    wait_until(lambda: len(printed(member.said())) > 1, 'two runs')
    member.finish()
    first, second, *_ = printed(member.said())
    [send] = spans.sends
    assert int(first['context']['trace_id'], 16) == (
        order.get_span_context().trace_id)
    assert int(first['parent_id'], 16) == send.context.span_id
    assert first['attributes']['messaging.client.id'] == 'mill'
    assert second['parent_id'] is None
    assert [int(link['context']['span_id'], 16) for link in second['links']
            ] == [send.context.span_id]
