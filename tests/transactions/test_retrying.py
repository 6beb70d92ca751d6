"""Transactions that are tried again."""

import random
from collections import deque

import pytest
from transaction.interfaces import TransientError
from ZODB.POSException import ConflictError

from zodbschedule.transactions.borrowing import is_begun
from zodbschedule.transactions.retrying import CONFLICT_TRIES
from zodbschedule.transactions.retrying import STORAGE_TRIES
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import in_own_connection
from zodbschedule.transactions.retrying import transact


class Work:
    """Raises one error after the other, and then gives an answer."""

    def __init__(self, *errors):
        self.errors = deque(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.popleft()
        return 'answer'


def test_what_is_transient_is_tried_again_in_a_new_transaction(
        manager, clock):
    seen = []
    work = Work(ConflictError(), TransientError())

    def working():
        seen.append(manager.get())
        return work()

    before = clock.now()
    assert transact(manager, working) == 'answer'
    assert len({id(txn) for txn in seen}) == 3
    assert clock.now() > before


def test_what_stays_transient_is_raised_in_the_end(manager, clock):
    work = Work(*[ConflictError() for _ in range(99)])
    with pytest.raises(ConflictError):
        transact(manager, work)
    assert work.calls == CONFLICT_TRIES
    assert not is_begun(manager)


def test_a_storage_that_stays_away_is_raised_in_the_end(
        connection, manager, clock, break_storage):
    plain = connection.root()['plain']
    break_storage('load')
    calls = []

    def work():
        calls.append(1)
        plain._p_activate()

    with pytest.raises(OSError):
        transact(manager, work)
    assert len(calls) == STORAGE_TRIES
    assert not is_begun(manager)


@pytest.fixture
def waits(clock, monkeypatch):
    """How many seconds were waited each time, with no chance in it."""
    waits = []
    monkeypatch.setattr(random, 'uniform', lambda low, high: (low + high) / 2)
    monkeypatch.setattr(clock, 'wait', lambda seconds: waits.append(seconds))
    return waits


def test_each_wait_after_a_conflict_is_twice_as_long(manager, waits):
    with pytest.raises(ConflictError):
        transact(manager, Work(*[ConflictError() for _ in range(99)]))
    assert waits == [.01, .02, .04, .08]


def test_how_often_a_conflict_is_tried_can_be_said(manager, waits):
    with pytest.raises(ConflictError):
        transact(manager, Work(*[ConflictError() for _ in range(99)]), 10)
    assert waits[-2:] == [1.28, 2]


def test_a_storage_is_waited_for_longer(
        connection, manager, waits, break_storage):
    plain = connection.root()['plain']
    break_storage('load')
    with pytest.raises(OSError):
        transact(manager, plain._p_activate)
    assert waits == [.05, .1, .2, .4, .8, 1.6, 2]


def test_a_storage_failure_counts_also_after_conflicts(
        connection, manager, waits, break_storage):
    plain = connection.root()['plain']
    break_storage('load')
    work = Work(ConflictError(), ConflictError())

    def working():
        work()
        plain._p_activate()

    with pytest.raises(OSError):
        transact(manager, working)
    assert waits == [.01, .02, .2, .4, .8, 1.6, 2]


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_anything_else_is_raised_at_once_and_aborted(manager, error):
    work = Work(error())
    with pytest.raises(error):
        transact(manager, work)
    assert work.calls == 1
    assert not is_begun(manager)


def test_a_transaction_that_was_left_begun_is_ended_first(
        connection, manager):
    manager.begin()
    connection.root()['more'] = 1
    assert transact(manager, Work()) == 'answer'
    assert 'more' not in connection.root()


@pytest.mark.parametrize('cause', [ConflictError(), None])
def test_an_exit_is_raised_at_once_also_after_a_conflict(manager, cause):
    error = KeyboardInterrupt()
    error.__cause__ = cause
    work = Work(error)
    with pytest.raises(KeyboardInterrupt):
        transact(manager, work)
    assert work.calls == 1


# -- In a connection of its own


def test_changes_of_an_own_connection_remain_if_the_caller_aborts(
        connection, manager):
    def work(own):
        assert own is not connection
        assert own.transaction_manager.explicit
        own.root()['more'] = 1
        return 'answer'

    manager.begin()
    assert in_own_connection(connection.db(), work) == 'answer'
    manager.abort()
    manager.begin()
    assert connection.root()['more'] == 1


def test_an_own_connection_is_tried_again_and_closed(
        connection, manager, waits):
    seen = []

    def work(own):
        seen.append(own)
        own.root()['more'] = 1
        raise ConflictError

    with pytest.raises(ConflictError):
        in_own_connection(connection.db(), work, 2)
    assert len(seen) == 2
    assert seen[0].opened is None
    manager.begin()
    assert 'more' not in connection.root()


# -- Beginning and aborting


def test_an_abort_that_fails_is_logged(manager, caplog):
    def fails(*args):
        raise OSError('away')

    manager.begin().addAfterAbortHook(fails)
    abort(manager)
    assert 'could not be aborted' in caplog.text
    assert not is_begun(manager)


def test_there_may_be_nothing_to_abort(manager):
    abort(manager)
    assert not is_begun(manager)
