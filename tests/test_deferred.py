"""Work that a call only prepares is refused, or fails the run."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import sample_deferred
import transaction
from persistent.list import PersistentList
from sample_deferred import Thing

from zodbschedule import CallTask
from zodbschedule import InvalidTask
from zodbschedule import Retry
from zodbschedule.callables.deferred import BY_ASYNCIO
from zodbschedule.callables.deferred import BY_LOOP


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def run(schedule, now=NOON):
    transaction.commit()
    return schedule.process(now)


# -- What is refused when it is scheduled


@pytest.mark.parametrize('func, kind, how', [
    (sample_deferred.coroutine, 'a coroutine function', BY_ASYNCIO),
    (sample_deferred.generator, 'a generator function', BY_LOOP),
    (sample_deferred.async_generator, 'an async generator function',
     BY_ASYNCIO)])
@pytest.mark.parametrize('by_name', [False, True])
def test_a_function_that_does_not_do_its_work_is_refused(
        schedule, func, kind, how, by_name):
    name = f'sample_deferred.{func.__name__}'
    with pytest.raises(InvalidTask) as error:
        schedule.call(name if by_name else func)
    assert str(error.value) == (
        f'{name} is {kind}: a call of it does not do its work; schedule a '
        f'function that does it to its end, for instance {how}')
    assert list(schedule) == []


@pytest.mark.parametrize('name', [
    'instance', 'bound', 'of_class', 'static', 'partial'])
def test_whatever_is_called_by_a_name_is_looked_at(name):
    with pytest.raises(InvalidTask, match=(
            f'^sample_deferred.{name} is a coroutine function')):
        CallTask(f'sample_deferred.{name}')


@pytest.mark.parametrize('name', ['work', 'steps'])
def test_a_method_that_does_not_do_its_work_is_refused(name):
    with pytest.raises(InvalidTask, match=(
            rf'^sample_deferred.Thing.{name} is a')):
        CallTask(getattr(Thing(), name))


@pytest.mark.parametrize('task, method', [
    (sample_deferred.AsyncTask(NOON), '__call__'),
    (sample_deferred.GeneratorTask(NOON), '__call__'),
    (sample_deferred.AsyncSchedule(NOON), 'schedule'),
    (sample_deferred.Foreign(), '__call__')])
def test_a_task_whose_methods_do_not_do_their_work_is_refused(
        schedule, task, method):
    with pytest.raises(InvalidTask, match=(
            rf'^sample_deferred.{type(task).__name__}.{method} is a')):
        schedule.schedule(task)
    assert task not in schedule


# -- What a decorator hides


def test_a_decorator_that_runs_it_to_its_end_makes_it_a_function(schedule):
    log = schedule._p_jar.root()['log'] = PersistentList()
    schedule.call(sample_deferred.run_by_its_decorator, log, time=NOON)
    assert run(schedule).succeeded == 1
    assert list(log) == ['run']


@pytest.mark.parametrize('name, returned, how', [
    ('decorated', 'a coroutine object', BY_ASYNCIO),
    ('cached', 'a generator object', BY_LOOP),
    ('asynchronous', 'an async_generator object', BY_ASYNCIO),
    ('Awaitable', 'a sample_deferred.Awaitable object', BY_ASYNCIO),
    ('future', 'a Future at', 'by result(), which waits for it'),
    ('asyncio_future', 'a Future pending', BY_ASYNCIO),
    ('mapped', 'a map object', BY_LOOP),
    ('filtered', 'a filter object', BY_LOOP)])
def test_the_run_fails_if_prepared_work_comes_back(
        schedule, name, returned, how):
    schedule.call(f'sample_deferred.{name}', time=NOON)
    assert run(schedule).failed == 1
    [entry] = schedule.parked
    start, what = entry.reason.split(' returned <')
    assert start == (
        f'zodbschedule.interfaces.InvalidTask: sample_deferred.{name}')
    assert what.startswith(returned.split(maxsplit=1)[1])
    assert entry.reason.endswith(
        f'>, whose work nobody does; do it to its end before, for instance '
        f'{how}')
    [outcome] = schedule.history
    assert outcome.outcome == 'failed'


def test_so_it_does_if_a_method_returns_it(schedule):
    thing = schedule._p_jar.root()['thing'] = Thing()
    schedule.call(thing.hidden, time=NOON)
    assert run(schedule).failed == 1


@pytest.mark.parametrize('cls, method', [
    (sample_deferred.HiddenTask, '__call__'),
    (sample_deferred.HiddenSchedule, 'schedule')])
def test_so_it_does_if_a_task_returns_it(schedule, cls, method):
    schedule.schedule(cls(NOON))
    assert run(schedule).failed == 1
    [entry] = schedule.parked
    assert f'{method}() of the task returned <coroutine object' in entry.reason
    assert 'whose work nobody does' in entry.reason


def test_it_is_an_ordinary_failure_that_counts(schedule):
    schedule.call(sample_deferred.decorated, time=NOON, retry=Retry(
        2, delay=timedelta(minutes=1)))
    assert run(schedule).retried == 1
    assert run(schedule, LATER).failed == 1


def test_what_is_no_sign_of_work_is_dropped(schedule):
    schedule.call(iter, [1, 2], time=NOON)
    schedule.call(zip, [1], [2], time=NOON)
    schedule.call(sample_deferred.Thing, time=NOON)
    assert run(schedule).succeeded == 3
