"""A guard prevents a task from ending the transaction of its run."""

import os

import pytest
import transaction
import ZODB
from ZODB.MappingStorage import MappingStorage
from ZODB.POSException import ConnectionStateError

from zodbschedule.interfaces import TransactionEnded
from zodbschedule.transactions.guard import Guard


@pytest.fixture
def guard(connection, manager):
    """A guard that is a synchronizer, in a transaction that has changes."""
    guard = Guard(connection)
    with guard.on_duty():
        manager.begin()
        connection.root()['more'] = 1
        yield guard
        guard.error = None


@pytest.mark.parametrize('name', ['commit', 'abort'])
def test_an_attempt_to_end_the_transaction_raises(guard, manager, name):
    with pytest.raises(TransactionEnded, match='Savepoints are fine'), guard:
        getattr(manager, name)()


def test_an_attempt_whose_error_is_caught_raises_at_the_end(guard, manager):
    with pytest.raises(TransactionEnded), guard:
        with pytest.raises(TransactionEnded):
            manager.commit()
        with pytest.raises(TransactionEnded):
            guard.check()


def test_an_attempt_is_the_reason_of_other_errors(guard, manager):
    with pytest.raises(TransactionEnded), guard:
        try:
            manager.commit()
        except TransactionEnded:
            raise ValueError


def test_an_exit_is_raised_also_after_an_attempt(guard, manager):
    with pytest.raises(KeyboardInterrupt), guard:
        with pytest.raises(TransactionEnded):
            manager.commit()
        raise KeyboardInterrupt


def test_other_errors_are_raised_as_they_are(guard):
    with pytest.raises(ValueError), guard:
        raise ValueError


def test_the_transaction_can_be_committed_after_the_task(
        guard, connection, manager):
    with guard:
        manager.savepoint()
    manager.commit()
    manager.begin()
    assert connection.root()['more'] == 1


def test_a_guard_that_is_not_on_duty_prevents_nothing(connection, manager):
    guard = Guard(connection)
    with guard.on_duty():
        assert manager.registeredSynchs()
    with guard:
        manager.begin()
        manager.commit()


def test_a_guard_may_be_for_another_manager(connection):
    other = transaction.TransactionManager(explicit=True)
    guard = Guard(connection, other)
    assert guard.connection is connection
    with guard.on_duty(), pytest.raises(TransactionEnded), guard:
        other.begin()
        other.commit()


@pytest.mark.parametrize('changed', [False, True])
def test_the_connection_cannot_be_closed(guard, connection, changed):
    connection.root()['more'] = connection.root()['more'] if changed else 1
    with guard, pytest.raises(ConnectionStateError, match='not close the'):
        connection.close()
    assert connection.opened


def test_the_connection_can_be_closed_afterwards(connection, manager):
    guard = Guard(connection)
    with guard:
        manager.begin()
    manager.abort()
    connection.close()
    assert connection.opened is None


def test_the_synchronizers_cannot_be_cleared(guard, manager):
    with guard, pytest.raises(ConnectionStateError, match='Unregister only'):
        manager.clearSynchs()
    with pytest.raises(TransactionEnded), guard:
        manager.commit()


def test_the_synchronizers_can_be_cleared_afterwards(connection):
    manager = transaction.manager
    with Guard(connection, manager).on_duty():
        pass
    manager.clearSynchs()
    assert not manager.registeredSynchs()


def test_two_connections_to_one_database_cannot_be_committed(
        guard, connection, manager):
    second = connection.db().open(manager)
    second.root()['second'] = 1
    with pytest.raises(ConnectionStateError, match='through a second conn'):
        guard.release()
    manager.abort()
    second.close()


def test_connections_to_two_databases_can_be_committed(
        guard, connection, manager):
    db = ZODB.DB(MappingStorage())
    other = db.open(manager)
    other.root()['other'] = 1
    guard.release()
    manager.commit()
    other.close()
    db.close()


def test_a_child_of_a_task_ends(guard, monkeypatch):
    def end(status):
        raise SystemExit(status)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(os, '_exit', end)
        patch.setattr(os, 'getpid', lambda: 0)
        guard.check()
    assert ended.value.args == (0,)
