"""Whose fault an error is: the storage's, or the application's."""

import errno
import pickle
import sqlite3
import threading
from contextlib import closing

import pytest
import ZODB
from odd_errors import AllRaises
from persistent import Persistent
from persistent.mapping import PersistentMapping
from transaction import TransactionManager
from transaction.interfaces import NoTransaction
from transaction.interfaces import TransactionFailedError
from ZEO.Exceptions import ClientDisconnected
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadConflictError

from zodbschedule.transactions.errors import is_full
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


class Picky(Persistent):
    """Its state runs code of the application."""

    problem = None

    def __getstate__(self):
        if self.problem:
            raise OSError(self.problem)
        return {}

    def __setstate__(self, state):
        raise OSError('of __setstate__')


class Reaching(Persistent):
    """Its state needs another object, which the storage does not give."""

    other = None

    def __getstate__(self):
        return {'other': self.other.__getstate__()}


def caught(work):
    """What *work* raises."""
    with pytest.raises(Exception) as raised:
        work()
    return raised.value


def test_a_failure_to_load_is_the_storage_s(connection, break_storage):
    plain = connection.root()['plain']
    break_storage('load')
    assert is_storage_failure(caught(plain._p_activate))


@pytest.mark.parametrize('step', [
    'tpc_begin', 'store', 'tpc_vote', 'tpc_finish'])
def test_a_failure_to_commit_is_the_storage_s(
        connection, manager, break_storage, step):
    manager.begin()
    connection.root()['more'] = 1
    break_storage(step)
    assert is_storage_failure(caught(manager.commit))


def test_a_failure_to_begin_is_the_storage_s(
        connection, manager, break_storage):
    break_storage('poll_invalidations')
    assert is_storage_failure(caught(manager.begin))


def test_a_failure_that_led_to_another_error_counts(connection, break_storage):
    plain = connection.root()['plain']
    break_storage('load')

    def hides():
        try:
            plain._p_activate()
        except OSError:
            raise ValueError('no such thing')

    def causes():
        try:
            plain._p_activate()
        except OSError as error:
            raise ValueError('no such thing') from error

    assert is_storage_failure(caught(hides))
    assert is_storage_failure(caught(causes))


def test_a_failure_below_getstate_is_the_storage_s(
        connection, manager, break_storage):
    manager.begin()
    connection.root()['reaching'] = Reaching()
    connection.root()['reaching'].other = connection.root()['plain']
    break_storage('load')
    assert is_storage_failure(caught(manager.commit))


def test_an_error_of_getstate_is_the_application_s(connection, manager):
    manager.begin()
    connection.root()['new'] = Picky()
    connection.root()['new'].problem = 'of __getstate__'
    error = caught(manager.commit)
    assert 'of __getstate__' in str(error)
    assert not is_storage_failure(error)


def test_an_error_of_setstate_is_the_application_s(connection, manager):
    with manager:
        connection.root()['picky'] = picky = Picky()
    picky._p_deactivate()
    manager.begin()
    error = caught(picky._p_activate)
    # Newer ZODB wraps it in an error of its own.
    assert 'of __setstate__' in repr([error, error.__cause__])
    assert not is_storage_failure(error)


def test_what_cannot_be_pickled_is_the_application_s(connection, manager):
    manager.begin()
    connection.root()['lock'] = threading.Lock()
    assert not is_storage_failure(caught(manager.commit))


def test_metadata_that_cannot_be_pickled_is_the_application_s(
        connection, manager):
    manager.begin().setExtendedInfo('lock', threading.Lock())
    connection.root()['more'] = 1
    assert not is_storage_failure(caught(manager.commit))


def test_a_record_that_is_gone_is_not_a_failure_of_the_storage(connection):
    error = caught(lambda: connection.get(b'\0' * 7 + b'\x77'))
    assert isinstance(error, POSKeyError)
    assert not is_storage_failure(error)


def test_an_oid_that_another_object_has_is_the_storage_s(
        connection, manager, monkeypatch):
    oid = connection.new_oid()
    monkeypatch.setattr(connection, 'new_oid', lambda: oid)
    manager.begin()
    connection.root()['more'] = [Persistent(), Persistent()]
    error = caught(manager.commit)
    assert isinstance(error, ValueError)
    assert is_storage_failure(error)


def test_a_change_without_a_transaction_is_the_application_s(connection):
    def change():
        connection.root()['more'] = 1

    error = caught(change)
    assert isinstance(error, NoTransaction)
    assert not is_storage_failure(error)


def test_a_change_in_a_failed_transaction_is_the_application_s(
        connection, manager, break_storage):
    manager.begin()
    connection.root()['more'] = 1
    break_storage('store')
    caught(manager.commit)
    error = caught(lambda: connection.root().__setitem__('more', 2))
    assert isinstance(error, TransactionFailedError)
    assert not is_storage_failure(error)


def test_a_file_that_cannot_be_imported_is_the_application_s(
        connection, manager, tmp_path):
    path = tmp_path / 'export.zexp'
    path.write_bytes(b'ZEXP' + b'\0' * 3)
    manager.begin()
    error = caught(lambda: connection.importFile(str(path)))
    assert not is_storage_failure(error)


@pytest.mark.parametrize('error', [
    OSError('no'), POSKeyError(b'x' * 8), pickle.PicklingError('no')])
def test_an_error_of_elsewhere_is_not_a_failure_of_the_storage(error):
    def fails():
        raise error

    assert not is_storage_failure(caught(fails))
    assert not is_transient(error)


def test_conflicts_are_transient_also_as_a_cause():
    assert is_transient(ConflictError())
    assert is_transient(ReadConflictError())
    assert is_transient(ClientDisconnected())
    error = ValueError()
    error.__cause__ = ConflictError()
    assert is_transient(error)


def test_errors_that_caused_each_other_come_to_an_end():
    one, two = ValueError(), KeyError()
    one.__context__, two.__context__ = two, one
    assert not is_transient(one)
    assert not is_storage_failure(one)


# -- A storage without room


def with_code(name, code):
    error = OSError('no')
    setattr(error, name, code)
    return error


@pytest.fixture
def refused(connection, monkeypatch):
    """An error that the storage raises to a load."""
    def refused(error):
        def load(*args):
            raise error

        plain = connection.root()['plain']
        monkeypatch.setattr(connection._storage, 'load', load)
        return caught(plain._p_activate)

    return refused


@pytest.mark.parametrize('error', [
    OSError(errno.ENOSPC, 'no'), OSError(errno.EDQUOT, 'no'),
    with_code('pgcode', '53100'),
    with_code('sqlite_errorcode', sqlite3.SQLITE_FULL)])
def test_a_storage_without_room_says_so_by_a_code(refused, error):
    assert is_full(refused(error))
    # For instance, the task has written to a disk that is full.
    assert not is_full(error.with_traceback(None))


def test_the_quota_of_a_file_is_its_room(tmp_path):
    storage = FileStorage(str(tmp_path / 'D.fs'), quota=500)
    manager = TransactionManager()
    with closing(ZODB.DB(storage)) as db, closing(db.open(manager)) as conn:
        conn.root()['much'] = [PersistentMapping() for _ in range(20)]
        error = caught(manager.commit)
        assert is_full(error)
        manager.abort()
    assert not is_full(error.with_traceback(None))


@pytest.mark.parametrize('make', [lambda: OSError(errno.EIO, 'no'), AllRaises])
def test_any_other_failure_of_a_storage_is_no_lack_of_room(refused, make):
    found = refused(make())
    assert is_storage_failure(found)
    assert not is_full(found)
