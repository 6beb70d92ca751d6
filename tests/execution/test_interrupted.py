"""A run that has no outcome of its own is on record all the same."""

import signal
import threading
from datetime import timedelta

import pytest
import transaction
import zope.event
from sample_tasks import Noting
from sample_tasks import Stage
from sample_tasks import calls
from ZODB.POSException import ConflictError

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule.execution import dissolving
from zodbschedule.execution import run as running
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import RunEnded
from zodbschedule.interfaces import TaskParked
from zodbschedule.outcomes import Tally
from zodbschedule.store.incarnation import this


pytestmark = pytest.mark.storages('FileStorage')


@pytest.fixture
def stage(database, clock):
    stage = Stage(
        database.db, transaction.TransactionManager(explicit=True), clock)
    yield stage
    stage.close()
    assert not dissolving.cut_offs


@pytest.fixture
def told():
    """The events that are sent."""
    found = []
    zope.event.subscribers.append(found.append)
    yield found
    zope.event.subscribers.remove(found.append)


@pytest.fixture
def away(stage, monkeypatch):
    """An event: while it is set, the database cannot be written."""
    is_away = threading.Event()
    storage = stage.db.storage
    begin = storage.tpc_begin

    def begin_unless_away(txn, *args):
        if is_away.is_set():
            raise OSError('no answer')
        begin(txn, *args)

    monkeypatch.setattr(storage, 'tpc_begin', begin_unless_away)
    return is_away


def exits(task):
    raise SystemExit(3)


def history(stage, **options):
    """The entries, from the first one."""
    with stage.tm:
        return list(stage.schedule.history.select(**options))[::-1]


def endings(stage):
    return [(one.description, one.outcome, one.error)
            for one in history(stage)]


def end(stage, error=SystemExit):
    """A pass that a task ends."""
    with pytest.raises(error):
        stage.process()


# -- A task ends the call of process()


def test_one_that_exits_is_interrupted_and_what_waits_is_not(stage):
    stage.add('bad', minutes=1, call=exits)
    stage.add('after', cls=Noting)
    end(stage)
    assert endings(stage) == [
        ('bad', 'interrupted', 'it was ended by SystemExit: 3')]


def test_all_that_is_known_of_it_is_there(stage):
    def lasts_and_exits(task):
        stage.clock.advance(timedelta(seconds=5))
        exits(task)

    task = stage.add('bad', call=lasts_and_exits, principalId='zoe',
                     recurrence=Every(timedelta(hours=1)))
    end(stage)
    [entry] = history(stage)
    assert stage.schedule.get(entry.id) is task
    assert entry.time == entry.occurrence == entry.began == stage.now
    assert entry.ended == stage.now + timedelta(seconds=5)
    assert (entry.principalId, entry.attempt, entry.passed) == ('zoe', 1, 0)
    assert (entry.worker, entry.type) == ('process()', 'sample_tasks.Doing')
    assert entry.tid == stage.tid()


def test_it_counts_as_no_attempt(stage):
    stage.add('bad', call=exits, retry=Retry(2, jitter=0))
    end(stage)
    end(stage)
    assert [one.attempt for one in history(stage)] == [1, 1]


def test_the_third_time_it_is_parked_with_the_traceback(stage):
    stage.add('bad', call=exits)
    for _ in range(3):
        end(stage)
    with stage.tm:
        [entry] = stage.schedule.parked
        assert entry.reason.endswith('it was ended by SystemExit: 3')
        assert 'in exits\n    raise SystemExit(3)\n' in entry.traceback
    *before, (_, outcome, error) = endings(stage)
    assert [outcome for _, outcome, _ in before] == ['interrupted'] * 2
    assert outcome == 'failed'
    assert error.startswith('3 runs of it ended their process')


def test_each_is_told_when_that_is_committed(stage, told):
    stage.add('bad', call=exits)
    for _ in range(3):
        end(stage)
    assert [(type(one), getattr(one, 'outcome', None)) for one in told] == [
        (RunEnded, 'interrupted'), (RunEnded, 'interrupted'),
        (TaskParked, None), (RunEnded, 'failed')]
    # Nobody has seen how long they were.
    assert {getattr(one, 'began', None) for one in told} == {None}


def test_without_a_history_nothing_is_recorded(stage, told):
    with stage.transaction():
        stage.schedule.history.keep = 0
    stage.add('bad', call=exits)
    # At an instant at which nothing is trimmed.
    stage.now += timedelta(microseconds=1)
    end(stage)
    assert history(stage) == []
    assert [one.outcome for one in told] == ['interrupted']


def test_one_that_ended_itself_after_its_commit_has_succeeded(stage):
    stage.add('good', cls=Noting)

    def leave(event):
        raise SystemExit

    zope.event.subscribers.append(leave)
    try:
        end(stage)
    finally:
        zope.event.subscribers.remove(leave)
    assert endings(stage) == [('good', 'succeeded', None)]


# -- What is no run, or the same one


def test_one_that_was_not_called_has_not_begun(stage, monkeypatch):
    def interrupted(task):
        raise KeyboardInterrupt

    stage.add('one', cls=Noting)
    monkeypatch.setattr(running, 'refuse_incomplete', interrupted)
    end(stage, KeyboardInterrupt)
    assert endings(stage) == []


def test_one_that_conflicts_and_is_tried_again_is_one_run(stage):
    tries = []

    def conflicts_at_first(task):
        tries.append(None)
        if len(tries) < 3:
            raise ConflictError

    stage.add('one', call=conflicts_at_first)
    assert stage.process() == Tally(succeeded=1)
    assert endings(stage) == [('one', 'succeeded', None)]


def test_one_that_is_left_since_it_conflicts_has_no_outcome(stage):
    def conflicts(task):
        raise ConflictError

    stage.add('one', call=conflicts)
    assert stage.process() == Tally(left=1)
    assert endings(stage) == []


def test_one_that_conflicts_and_then_exits_is_interrupted_once(stage):
    tries = []

    def conflicts_and_exits(task):
        tries.append(None)
        if len(tries) < 2:
            raise ConflictError
        exits(task)

    stage.add('one', call=conflicts_and_exits)
    end(stage)
    assert [one[1] for one in endings(stage)] == ['interrupted']


# -- What comes from outside


def test_one_that_a_signal_ends_is_interrupted_however_often(stage):
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage.add('one', call=lambda task: signal.raise_signal(signal.SIGTERM))
    try:
        for _ in range(4):
            end(stage, KeyboardInterrupt)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert endings(stage) == [
        ('one', 'interrupted', 'it was ended by KeyboardInterrupt')] * 4


def test_one_whose_database_went_away_is_on_record_when_it_is_back(
        stage, away, caplog):
    stage.add('one', call=lambda task: away.set())
    end(stage, OSError)
    assert 'could not be withdrawn; the next call recovers' in caplog.text
    away.clear()
    calls.clear()
    caplog.clear()
    assert stage.process() == Tally(succeeded=1)
    assert endings(stage) == [
        ('one', 'interrupted', 'it was ended by OSError: no answer'),
        ('one', 'succeeded', None)]
    assert 'It was running task' in caplog.text
    assert 'crash' not in caplog.text
    assert not stage.look().crashes


def test_one_of_a_process_that_has_ended_is_interrupted(
        stage, away, told, caplog):
    """Another recovers the claim, and records what it has seen."""
    def dies(task):
        with stage.db.transaction() as connection:
            schedule = connection.root()['schedule']
            [claim] = schedule.claims.values()
            claim._incarnation = tuple(this()._replace(started='1'))
        away.set()

    stage.add('before', minutes=2, cls=Noting)
    stage.add('one', minutes=1, call=dies)
    stage.add('after', cls=Noting)
    end(stage, OSError)
    away.clear()
    calls.clear()
    assert stage.process() == Tally(succeeded=2)
    assert endings(stage)[:2] == [
        ('before', 'succeeded', None),
        ('one', 'interrupted', 'its process has ended')]
    # The clock of the storage is ahead of ours.
    assert history(stage)[1].began == history(stage)[1].ended
    assert 'that counts as a crash of this task' in caplog.text
    assert [(one.description, one.outcome) for one in told][1] == (
        'one', 'interrupted')


def test_one_whose_claim_was_recovered_is_recorded_by_who_did_that(stage):
    def recovered(task):
        manager = transaction.TransactionManager(explicit=True)
        with manager:
            connection = stage.db.open(manager)
            connection.root()['schedule'].recover('process()')
        connection.close()

    stage.add('one', call=recovered)
    end(stage, ClaimLost)
    assert endings(stage) == [
        ('one', 'interrupted', 'its worker was recovered by a person')]
