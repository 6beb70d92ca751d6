"""A task that raises an error of any class stops nobody else."""

import logging

import pytest
import transaction
import ZODB
from odd_errors import ASKING
from odd_errors import FAILING
from odd_errors import StrRaises
from sample_tasks import Stage
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError

from zodbschedule import GiveUp
from zodbschedule import Retry
from zodbschedule import RetryLater
from zodbschedule.execution.consumer import Consumer
from zodbschedule.outcomes import Tally


@pytest.fixture
def stage(tmp_path, clock):
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    stage = Stage(db, transaction.TransactionManager(explicit=True), clock)
    yield stage
    stage.close()
    db.close()


@pytest.fixture
def wide(monkeypatch):
    """As in a worker: whatever a task raises is a failure of that task."""
    made = Consumer.__init__

    def init(self, *args, **options):
        made(self, *args, **{**options, 'contained': BaseException})

    monkeypatch.setattr(Consumer, '__init__', init)


def raising(make):
    def call(task):
        raise make()
    return call


@pytest.mark.parametrize('kind', FAILING)
def test_a_task_that_fails_oddly_is_parked(stage, wide, kind):
    assert stage.run_between(call=raising(FAILING[kind])) == Tally(failed=1)
    [entry] = stage.schedule.parked
    assert entry.reason
    assert ', in call' in entry.traceback


@pytest.mark.parametrize('kind', FAILING)
def test_its_retry_applies(stage, wide, kind):
    tally = stage.run_between(call=raising(FAILING[kind]), retry=Retry(2))
    gives_up = kind.startswith('gives up')
    assert tally == (Tally(failed=1) if gives_up else Tally(retried=1))


@pytest.mark.parametrize('kind', ASKING)
def test_a_task_that_asks_oddly_is_tried_again(stage, wide, kind):
    assert stage.run_between(call=raising(ASKING[kind])) == Tally(retried=1)
    assert stage.process() == Tally()
    assert stage.process(minutes=2) == Tally(retried=1)


@pytest.mark.parametrize('kind, problem', [
    ('delay is a number', 'delay is 60; it has to be a timedelta'),
    ('delay is negative', 'delay is datetime.timedelta(days=-1); it has to'),
    ('delay raises', 'odd')])
def test_a_delay_that_cannot_be_used_is_said(stage, caplog, kind, problem):
    stage.add('bad', call=raising(ASKING[kind]))
    with caplog.at_level(logging.WARNING, 'zodbschedule'):
        stage.process()
    assert f'after a delay that cannot be used: {problem}' in caplog.text


def test_an_error_of_loading_the_task_may_be_odd(stage, monkeypatch):
    def setstate(self, state):
        raise StrRaises

    bad = stage.add('bad', minutes=1)
    monkeypatch.setattr(type(bad), '__setstate__', setstate, raising=False)
    bad._p_deactivate()
    assert stage.process() == Tally(left=1)
    # Another process may know how to load it, but not for ever.
    assert stage.process(minutes=90) == Tally(failed=1)
    [entry] = stage.schedule.parked
    assert 'it cannot be loaded: odd_errors.StrRaises' in entry.reason


# -- What the task says comes before what led to it


def conflicting(make, how):
    """Raise what *make* gives while a conflict is handled."""
    def call(task):
        calls.append(task)
        try:
            raise ConflictError
        except ConflictError as conflict:
            if how == 'in a group':
                raise ExceptionGroup('g', [make(), conflict])
            if how == 'plainly':
                raise make()
            raise make() from (None if how == 'from None' else conflict)

    calls = call.calls = []
    return call


@pytest.mark.parametrize(
    'how', ['plainly', 'from it', 'from None', 'in a group'])
class TestVerdicts:

    def test_who_gives_up_is_parked(self, stage, how):
        call = conflicting(lambda: GiveUp('gone'), how)
        assert stage.run_between(
            call=call, retry=Retry(3)) == Tally(failed=1)
        assert len(call.calls) == 1
        assert stage.look().parked == {'bad': 'gone'}

    def test_who_asks_is_tried_again_then(self, stage, how):
        call = conflicting(lambda: RetryLater(reason='busy'), how)
        assert stage.run_between(call=call) == Tally(retried=1)
        assert len(call.calls) == 1
        assert [each.error for each in stage.schedule.history][1] == 'busy'

    def test_who_says_neither_has_conflicted(self, stage, how):
        call = conflicting(ValueError, how)
        assert stage.run_between(call=call) == Tally(left=1)
        assert len(call.calls) == 5


def test_giving_up_comes_before_asking(stage):
    def call(task):
        raise ExceptionGroup('g', [
            RetryLater(), ExceptionGroup('h', [GiveUp('gone')])])

    assert stage.run_between(call=call) == Tally(failed=1)


# -- Groups


def test_a_conflict_in_a_group_is_tried_again(stage):
    tries = []

    def call(task):
        tries.append(task)
        if len(tries) < 3:
            raise ExceptionGroup('g', [ValueError(), ConflictError()])

    assert stage.run_between(call=call) == Tally(succeeded=1)
    assert len(tries) == 3


@pytest.mark.parametrize('error, tally', [
    (ConnectionError('no'), Tally(retried=1)),
    (ValueError('no'), Tally(failed=1))])
def test_a_retry_applies_to_what_is_in_a_group(stage, error, tally):
    def call(task):
        raise ExceptionGroup('g', [ExceptionGroup('h', [error])])

    assert stage.run_between(
        call=call, retry=Retry(3, on=(OSError,))) == tally
