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
"""What runs come to is counted, by labels of which there are few."""

import threading
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import zope.event
from prometheus_client import CollectorRegistry
from transaction.interfaces import TransientError
from ZEO.Exceptions import ClientDisconnected

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import clock as the_clock
from zodbschedule.execution import conflicts
from zodbschedule.execution import own_claim
from zodbschedule.execution.conflicts import tell_conflict
from zodbschedule.execution.run import Run
from zodbschedule.interfaces import RunEnded
from zodbschedule.interfaces import TaskParked
from zodbschedule.logger import working_for
from zodbschedule.metrics.runs import RunMetrics
from zodbschedule.testing import SettableClock


NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock():
    with the_clock.use(SettableClock(NOON)) as clock:
        yield clock


@pytest.fixture
def value():
    """The value of a metric of the worker w1, by its name and labels."""
    registry = CollectorRegistry()
    metrics = RunMetrics('w1')
    registry.register(metrics)

    def value(name, schedule='schedule', **labels):
        return registry.get_sample_value(f'zodbschedule_{name}', {
            'schedule': schedule, 'worker': 'w1', **labels})

    value.samples = lambda: [
        sample for family in registry.collect() for sample in family.samples]
    with metrics.counting(), working_for(schedule_path='schedule'):
        yield value


def run(schedule, *args, at=NOON, now=NOON, **options):
    """Schedule a call, and process what is due *now*."""
    task = schedule.call(*args, time=at, **options)
    schedule._p_jar.transaction_manager.commit()
    schedule.process(now)
    return task


def ended(outcome, began=None, type='shop.sell', site=None):
    return RunEnded('1f', outcome, NOON, 'sell hats', type, None, 1, NOON,
                    None, '2e', site, began)


# -- runs


def test_runs_are_counted_by_type_and_outcome(schedule, value):
    run(schedule, 'os.getcwd')
    run(schedule, 'os.getcwd')
    run(schedule, 'math.sqrt', -1, retry=Retry(2))
    assert value('runs_total', type='os.getcwd', outcome='succeeded') == 2
    assert value('runs_total', type='math.sqrt', outcome='retried') == 1
    assert value('runs_total', type='math.sqrt', outcome='failed') is None


def test_a_failed_run_and_its_parked_task_are_counted(schedule, value):
    run(schedule, 'math.sqrt', -1)
    assert value('runs_total', type='math.sqrt', outcome='failed') == 1
    assert value('parked_total', type='math.sqrt') == 1


def test_how_late_a_run_begins_and_how_long_it_lasts_is_observed(
        schedule, clock, value):
    def advance():
        clock.advance(2 * MINUTE)

    clock.set(NOON + 3 * MINUTE)
    schedule.call('os.getcwd', time=NOON)
    schedule._p_jar.transaction_manager.commit()
    zope.event.subscribers.insert(0, lambda event: advance())
    try:
        schedule.process(NOON + 3 * MINUTE)
    finally:
        del zope.event.subscribers[0]
    assert value('start_lag_seconds_sum') == 180
    assert value('start_lag_seconds_bucket', le='60.0') == 0
    assert value('start_lag_seconds_bucket', le='300.0') == 1
    assert value('run_duration_seconds_sum', type='os.getcwd') == 120
    assert value('run_duration_seconds_count', type='os.getcwd') == 1


def test_what_was_too_late_is_no_run_that_lasts(schedule, clock, value):
    clock.set(NOON + 3 * MINUTE)
    run(schedule, 'os.getcwd', now=NOON + 3 * MINUTE, expires=MINUTE,
        recurrence=Every(timedelta(days=1)))
    assert value('runs_total', type='os.getcwd', outcome='expired') == 1
    assert value('start_lag_seconds_count') is None
    assert value('run_duration_seconds_count', type='os.getcwd') is None


def test_an_interrupted_run_counts_and_nobody_knows_how_long_it_was(
        value, clock):
    zope.event.notify(ended('interrupted'))
    assert value('runs_total', type='shop.sell', outcome='interrupted') == 1
    assert value('run_duration_seconds_count', type='shop.sell') is None


def test_a_run_that_could_not_begin_counts(value):
    zope.event.notify(ended('failed'))
    assert value('runs_total', type='shop.sell', outcome='failed') == 1
    assert value('start_lag_seconds_count') is None


def test_a_clock_that_is_set_back_gives_no_time_below_zero(value, clock):
    clock.set(NOON - 2 * MINUTE)
    zope.event.notify(ended('succeeded', began=NOON - MINUTE))
    assert value('start_lag_seconds_sum') == 0
    assert value('run_duration_seconds_sum', type='shop.sell') == 0


# -- conflicts


def first_raise(errors, function):
    """*function*, which first raises these errors."""
    def failing(*args, **kwargs):
        if errors:
            raise errors.pop()
        return function(*args, **kwargs)

    return failing


def test_a_run_that_is_repeated_after_a_conflict_is_counted(
        schedule, value, clock, monkeypatch):
    attempts = []

    def conflict():
        attempts.append(1)
        if len(attempts) < 3:
            raise TransientError

    monkeypatch.setattr('os.getcwd', conflict)
    run(schedule, 'os.getcwd')
    assert value('run_retries_total', type='os.getcwd') == 2
    assert value('runs_total', type='os.getcwd', outcome='succeeded') == 1


def test_a_turn_that_conflicts_is_counted(schedule, value, monkeypatch):
    failing = [TransientError(), TransientError()]
    monkeypatch.setattr(
        own_claim, 'exchange', first_raise(failing, own_claim.exchange))
    run(schedule, 'os.getcwd')
    assert value('turn_conflicts_total') == 2


def test_a_storage_that_fails_is_no_conflict(schedule, value, monkeypatch):
    schedule.call('os.getcwd', time=NOON)
    schedule._p_jar.transaction_manager.commit()
    failing = [ClientDisconnected()]
    storage = schedule._p_jar._storage
    monkeypatch.setattr(
        storage, 'tpc_begin', first_raise(failing, storage.tpc_begin))
    assert schedule.process(NOON).succeeded == 1
    assert not failing
    assert value('turn_conflicts_total') is None


def test_a_retry_before_the_task_is_known_has_no_type(schedule, value):
    told = Run.__new__(Run)
    told.snapshot, told.observers = None, ()
    told.context = type('C', (), {'schedule': schedule})
    told._tell_retry(TransientError())
    assert value('run_retries_total', type='') == 1


# -- labels


def test_a_schedule_in_zope_is_named_by_its_site(value):
    zope.event.notify(ended('succeeded', site='/Plone'))
    assert value('runs_total', '/Plone', type='shop.sell',
                 outcome='succeeded') == 1


def test_a_schedule_is_known_where_no_path_is_said_any_more(value):
    zope.event.notify(ended('succeeded'))
    told = threading.Thread(
        target=zope.event.notify, args=[ended('interrupted')])
    told.start()
    told.join()
    assert value('runs_total', type='shop.sell', outcome='interrupted') == 1


def test_a_schedule_of_which_no_path_was_said_has_none():
    metrics = RunMetrics('w1')
    metrics.note_event(ended('succeeded'))
    assert metrics.runs.labels('', 'w1', 'shop.sell', 'succeeded')


def test_no_label_has_an_id_or_a_description(schedule, value):
    for number in range(3):
        run(schedule, 'os.getcwd', description=f'letter {number}')
        run(schedule, 'math.sqrt', -1, description=f'letter {number}')
    known = {'schedule', 'w1', 'os.getcwd', 'math.sqrt', 'succeeded',
             'failed'}
    for sample in value.samples():
        assert {text for name, text in sample.labels.items()
                if name != 'le'} <= known


# -- what it costs


def test_nothing_is_told_unless_it_is_counted(schedule):
    before = list(zope.event.subscribers), list(conflicts.observers)
    with RunMetrics('w1').counting():
        assert zope.event.subscribers != before[0]
        assert conflicts.observers
    assert (zope.event.subscribers, conflicts.observers) == before
    # It does not even ask of what schedule.
    tell_conflict(TransientError(), None, 'turn')


def test_what_else_is_told_is_not_counted(value):
    zope.event.notify(object())
    assert value.samples() == []


def test_a_parked_task_is_counted_by_its_type(value):
    zope.event.notify(TaskParked(
        '1f', NOON, 'why', 'sell hats', None, 'shop.sell', None, '2e'))
    assert value('parked_total', type='shop.sell') == 1
