"""Signals that end a call of process(): they are no crash of what runs."""

import os
import signal
import time
from functools import partial

import pytest
import transaction
import ZODB
from sample_tasks import Noting
from sample_tasks import Stage
from ZODB.FileStorage import FileStorage

from zodbschedule.outcomes import Tally


@pytest.fixture
def stage(tmp_path, clock):
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    stage = Stage(db, transaction.TransactionManager(explicit=True), clock)
    yield stage
    stage.close()
    db.close()


@pytest.fixture
def handle():
    """Have a function handle a signal."""
    before = {}

    def handle(number, handler):
        before.setdefault(number, signal.getsignal(number))
        signal.signal(number, handler)

    yield handle
    for number, handler in before.items():
        signal.signal(number, handler)


def signalled(number, task):
    """The task receives a signal while it works."""
    os.kill(os.getpid(), number)
    time.sleep(60)


class Ended(Exception):
    """An error of the application's own."""


def leave(number, frame):
    raise SystemExit(3)


def leave_in_a_call(number, frame):
    leave(number, frame)


def raise_error(number, frame):
    raise Ended


class Leaving:

    def __call__(self, number, frame):
        raise SystemExit

    def handle(self, number, frame):
        raise SystemExit


HANDLERS = [
    (signal.SIGINT, signal.default_int_handler, KeyboardInterrupt),
    (signal.SIGTERM, leave, SystemExit),
    (signal.SIGTERM, leave_in_a_call, SystemExit),
    (signal.SIGTERM, lambda *args: leave(*args), SystemExit),
    (signal.SIGTERM, partial(leave), SystemExit),
    (signal.SIGTERM, Leaving(), SystemExit),
    (signal.SIGHUP, Leaving().handle, SystemExit),
    (signal.SIGINT, signal.default_int_handler, KeyboardInterrupt),
    (signal.SIGTERM, signal.default_int_handler, KeyboardInterrupt),
    (signal.SIGQUIT, raise_error, Ended),
]


@pytest.mark.parametrize('number, handler, error', HANDLERS)
def test_what_a_signal_ends_is_handed_back_and_never_parked(
        stage, handle, number, handler, error):
    handle(number, handler)
    stage.add('bad', minutes=1, call=partial(signalled, number))
    stage.add('after', cls=Noting)
    for _ in range(4):
        with pytest.raises(error):
            stage.process()
        seen = stage.look()
        assert seen.waiting == ['bad', 'after']
        assert not seen.claims
        assert not seen.crashes


def test_a_task_that_limits_its_own_time_fails(stage, handle):
    handle(signal.SIGALRM, raise_error)
    stage.add('bad', call=partial(signalled, signal.SIGALRM))
    assert stage.process() == Tally(failed=1)


@pytest.mark.parametrize('end', [SystemExit, KeyboardInterrupt])
def test_what_a_task_raises_itself_is_its_own_affair(stage, handle, end):
    def ends(task):
        raise end

    handle(signal.SIGTERM, signal.SIG_DFL)
    stage.add('bad', call=ends)
    with pytest.raises(end):
        stage.process()
    assert [count for count, _ in stage.look().crashes.values()] == [1]


def test_a_run_names_its_task_before_and_after_it_has_begun(
        stage, monkeypatch):
    named = []
    stage.add('good', call=lambda task: None)

    def start_run(self, index, run=None):
        named.append(run)
        named.append(str(run))
        return True

    monkeypatch.setattr(
        'zodbschedule.liveness.heartbeat.ClaimHeartbeat.start_run', start_run)
    stage.process()
    run, before = named
    assert before == f'task {run.id}'
    assert str(run) == f"task {run.id} 'good' (sample_tasks.Doing)"


def test_a_task_that_was_cancelled_and_then_exits_has_no_crash(stage):
    def ends(task):
        with stage.connection.db().transaction() as connection:
            schedule = connection.root()['schedule']
            schedule.unschedule(connection.get(task._p_oid))
        raise SystemExit

    stage.add('bad', call=ends)
    with pytest.raises(SystemExit):
        stage.process()
    seen = stage.look()
    assert not seen.waiting
    assert not seen.crashes
