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
"""The span ``send``: it says what was scheduled, and never what was not."""

from datetime import timedelta

import pytest
import transaction
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind
from persistent.mapping import PersistentMapping
from sample_work import NOON
from traced import Act
from traced import Closed
from traced import Foreign
from traced import acts
from ZODB.POSException import ConflictError

from zodbschedule import Schedule
from zodbschedule import clock as the_clock
from zodbschedule import tracing
from zodbschedule.reading.one_task import task as read_task
from zodbschedule.store.inspection import TRACE
from zodbschedule.store.inspection import task_id
from zodbschedule.testing import run_until
from zodbschedule.tracing.origin import Origin
from zodbschedule.tracing.origin import keep_origin
from zodbschedule.tracing.origin import origin_of


HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def now(clock):
    clock.set(NOON)


@pytest.fixture
def unsampled(spans):
    """Traces are on, but none is recorded."""
    tracing.uninstrument()
    tracing.instrument(TracerProvider(sampler=ALWAYS_OFF))


def other_transaction(schedule):
    """Another connection, whose manager is another one."""
    manager = transaction.TransactionManager()
    connection = schedule._p_jar.db().open(manager)
    return manager, connection


# -- What it says


def test_a_task_is_sent_in_the_span_of_the_application(schedule, spans):
    with spans.tracer.start_as_current_span('POST /order') as order:
        task = schedule.call('os.getcwd')
        transaction.commit()
    [send] = spans.sends
    assert send.parent.span_id == order.get_span_context().span_id
    assert send.name == 'send schedule'
    assert send.kind is SpanKind.PRODUCER
    assert send.attributes == {
        'messaging.system': 'zodbschedule',
        'messaging.operation.name': 'send',
        'messaging.operation.type': 'send',
        'messaging.destination.name': 'schedule',
        'messaging.message.id': task_id(task),
        'zodbschedule.task.type': 'os.getcwd'}


def test_the_task_keeps_the_traceparent(schedule, spans):
    task = schedule.schedule(Act(NOON))
    transaction.commit()
    [send] = spans.sends
    origin = origin_of(task)
    assert (origin.span.trace_id, origin.span.span_id) == (
        send.context.trace_id, send.context.span_id)
    assert origin.span.is_remote and origin.span.trace_flags.sampled


def test_each_task_of_a_transaction_has_a_span_of_its_own(schedule, spans):
    for _ in range(3):
        schedule.call('os.getcwd')
    transaction.commit()
    assert len({send.context.span_id for send in spans.sends}) == 3


def test_a_schedule_deep_in_the_database_has_its_id_as_name(schedule, spans):
    root = schedule._p_jar.root()
    root['shop'] = PersistentMapping(schedule=Schedule())
    transaction.commit()
    root['shop']['schedule'].call('os.getcwd')
    transaction.commit()
    [send] = spans.sends
    assert send.attributes['messaging.destination.name'] == (
        task_id(root['shop']['schedule']))


def test_a_schedule_of_a_site_has_the_path_of_that(
        schedule, spans, monkeypatch):
    monkeypatch.setattr(Schedule, 'origin', ('2e', '/plone'))
    schedule.call('os.getcwd')
    transaction.commit()
    assert spans.sends[0].name == 'send /plone'


def test_what_is_unparked_is_sent_anew(schedule, spans):
    schedule.call('math.sqrt', -1)
    transaction.commit()
    schedule.process(NOON)
    [entry] = schedule.parked
    task = schedule.unpark(entry)
    transaction.commit()
    assert origin_of(task).span.span_id == spans.sends[-1].context.span_id
    assert len(spans.sends) == 2


def test_what_a_run_schedules_is_sent_by_the_run(schedule, spans):
    acts['first'] = lambda task: None if schedule.call('os.getcwd') else None
    schedule.schedule(Act(NOON, description='first'))
    transaction.commit()
    schedule.process(NOON)
    _, send = spans.sends
    [run] = spans.runs
    assert send.parent.span_id == run.context.span_id
    assert send.attributes['messaging.message.id'] == task_id(
        next(iter(schedule)))


@pytest.mark.parametrize('cls, keeps', [(Foreign, True), (Closed, False)])
def test_a_foreign_task_is_sent_even_if_it_keeps_nothing(
        schedule, spans, cls, keeps):
    task = schedule.schedule(cls(NOON))
    transaction.commit()
    assert len(spans.sends) == 1
    assert (origin_of(task) is not None) is keeps


# -- What it does not say


def test_a_transaction_that_is_aborted_has_sent_nothing(schedule, spans):
    schedule.call('os.getcwd')
    transaction.abort()
    assert spans.sends == []
    task = schedule.call('os.getpid')
    transaction.commit()
    [send] = spans.sends
    assert send.attributes['messaging.message.id'] == task_id(task)


def test_a_transaction_that_conflicts_has_sent_nothing(schedule, spans):
    root = schedule._p_jar.root()
    root['number'] = 1
    transaction.commit()
    manager, connection = other_transaction(schedule)
    connection.root()['number'] = 2
    root['number'] = 3
    schedule.call('os.getcwd')
    manager.commit()
    connection.close()
    with pytest.raises(ConflictError):
        transaction.commit()
    transaction.abort()
    assert spans.sends == []


@pytest.mark.parametrize('before', [0, 1])
def test_what_goes_back_to_a_savepoint_was_not_sent(schedule, spans, before):
    for _ in range(before):
        schedule.call('os.getcwd')
    schedule._p_jar.root()['number'] = 1
    savepoint = transaction.savepoint()
    schedule.call('os.getpid')
    schedule.call('os.getpid')
    savepoint.rollback()
    schedule.call('os.getuid')
    transaction.commit()
    assert [send.attributes['zodbschedule.task.type'] for send in spans.sends
            ] == ['os.getcwd'] * before + ['os.getuid']


@pytest.mark.parametrize('before', [0, 1])
def test_what_was_there_and_goes_back_to_a_savepoint_was_not_sent(
        schedule, spans, before):
    task = schedule.schedule(Act(NOON))
    transaction.commit()
    schedule.unschedule(task)
    transaction.commit()
    for _ in range(before):
        schedule.call('os.getcwd')
    savepoint = transaction.savepoint()
    schedule.schedule(task)
    savepoint.rollback()
    schedule._p_jar.root()['number'] = 1
    transaction.commit()
    assert len(spans.sends) == 1 + before


class Failing:
    """A data manager that fails when others may have committed already."""

    def tpc_begin(self, txn):
        """Nothing to do."""

    commit = tpc_vote = abort = tpc_abort = tpc_begin

    def tpc_finish(self, txn):
        raise ValueError('no way back')

    def sortKey(self):
        return '!'


def test_what_fails_at_the_last_moment_was_not_sent(schedule, spans):
    transaction.get().join(Failing())
    schedule.call('os.getcwd')
    with pytest.raises(ValueError, match='no way back'):
        transaction.commit()
    transaction.abort()
    assert spans.sends == []
    assert list(schedule) == []


def test_a_new_task_that_is_unscheduled_at_once_was_not_sent(schedule, spans):
    schedule.unschedule(schedule.call('os.getcwd'))
    transaction.commit()
    assert spans.sends == []


@pytest.mark.parametrize('duplicate', ['keep', 'replace'])
def test_a_duplicate_is_not_sent(schedule, spans, duplicate):
    first = schedule.call(
        'os.getcwd', time=NOON + HOUR, key='a', duplicate=duplicate)
    transaction.commit()
    second = schedule.call(
        'os.getcwd', time=NOON + HOUR, key='a', duplicate=duplicate)
    transaction.commit()
    assert second is first
    assert len(spans.sends) == 1


def test_what_is_not_committed_in_a_test_is_not_sent(schedule, spans):
    acts['first'] = lambda task: None if schedule.call('os.getcwd') else None
    schedule.schedule(Act(NOON, description='first'))
    assert run_until(schedule, NOON + HOUR, commit=False).succeeded == 2
    transaction.abort()
    assert spans.sends == []
    assert len(spans.runs) == 2


def test_a_schedule_in_no_database_sends_nothing(spans):
    task = Schedule().call('os.getcwd')
    assert origin_of(task) is None


# -- What is kept


def test_without_traces_a_task_keeps_nothing(schedule):
    task = schedule.schedule(Act(NOON))
    transaction.commit()
    assert not hasattr(task, TRACE)


def test_a_task_whose_trace_is_not_recorded_keeps_nothing(
        schedule, unsampled):
    task = schedule.schedule(Act(NOON))
    transaction.commit()
    assert not hasattr(task, TRACE)


def test_what_is_not_recorded_has_no_part_in_the_transaction(
        schedule, unsampled):
    schedule.call('os.getcwd')
    assert transaction.get()._resources == [schedule._p_jar]


def test_a_task_that_is_sent_again_forgets_what_has_sent_it(
        schedule, spans, request):
    task = schedule.schedule(Act(NOON))
    transaction.commit()
    schedule.unschedule(task)
    transaction.commit()
    request.getfixturevalue('unsampled')
    schedule.schedule(task)
    transaction.commit()
    assert not hasattr(task, TRACE)


def test_what_is_kept_is_no_attribute_that_is_shown(schedule, spans):
    task = schedule.schedule(Act(NOON))
    transaction.commit()
    assert TRACE not in str(read_task(schedule, task_id(task)))
    assert TRACE in vars(task)


@pytest.mark.parametrize('kept', [
    None, 1, (), ('00-1-2-3', 1, 2), (f'00-{1:032x}-{1:016x}-01', '1', 2),
    (f'00-{0:032x}-{1:016x}-01', 1, 2)])
def test_what_is_no_origin_is_not_taken_for_one(kept):
    task = Act(NOON)
    setattr(task, TRACE, kept)
    assert origin_of(task) is None


def test_an_origin_is_what_others_take_for_a_traceparent():
    text = f'00-{1:032x}-{2:016x}-01'
    task = Act(NOON)
    setattr(task, TRACE, (text, 3, 4))
    origin = origin_of(task)
    assert isinstance(origin, Origin)
    assert (origin.span.trace_id, origin.span.span_id, *origin[1:]) == (
        1, 2, 3, 4)


def test_the_traceparent_is_as_a_propagator_writes_it(schedule, spans):
    with spans.tracer.start_as_current_span('POST /order') as order:
        keep_origin(task := Act(NOON), schedule, NOON, order)
        inject(carrier := {})
    assert getattr(task, TRACE)[0] == carrier['traceparent']


def test_the_clock_of_the_schedule_is_not_that_of_spans(schedule, spans):
    schedule.call('os.getcwd')
    transaction.commit()
    [send] = spans.sends
    assert send.start_time <= send.end_time
    assert the_clock.now() == NOON
