"""Transactions that are tried again, and whose fault an error is."""

import pickle
import threading
from collections import deque

import pytest
import transaction
import ZODB
from persistent import Persistent
from transaction.interfaces import NoTransaction
from transaction.interfaces import TransactionFailedError
from transaction.interfaces import TransientError
from ZEO.Exceptions import ClientDisconnected
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadConflictError

from zodbschedule.transactions.retrying import CONFLICT_TRIES
from zodbschedule.transactions.retrying import STORAGE_TRIES
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import borrowed
from zodbschedule.transactions.retrying import is_begun
from zodbschedule.transactions.retrying import is_in_run
from zodbschedule.transactions.retrying import is_storage_failure
from zodbschedule.transactions.retrying import is_transient
from zodbschedule.transactions.retrying import transact


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


@pytest.fixture
def connection(tmp_path):
    """A connection with an explicit manager that is not begun."""
    db = ZODB.DB(FileStorage(str(tmp_path / 'Data.fs')))
    manager = transaction.TransactionManager(explicit=True)
    connection = db.open(manager)
    with manager:
        connection.root()['picky'] = Picky()
        connection.root()['plain'] = Persistent()
    connection.cacheMinimize()
    manager.begin()  # sees what was committed
    manager.abort()
    yield connection
    abort(manager)
    connection.close()
    db.close()


@pytest.fixture
def manager(connection):
    return connection.transaction_manager


def caught(work):
    """What *work* raises."""
    with pytest.raises(Exception) as raised:
        work()
    return raised.value


def away(*args, **options):
    raise OSError('the database is away')


# -- Whose fault


def test_a_failure_to_load_is_the_storage_s(connection, monkeypatch):
    plain = connection.root()['plain']
    monkeypatch.setattr(connection._storage, 'load', away)
    assert is_storage_failure(caught(plain._p_activate))


@pytest.mark.parametrize('step', [
    'tpc_begin', 'store', 'tpc_vote', 'tpc_finish'])
def test_a_failure_to_commit_is_the_storage_s(
        connection, manager, monkeypatch, step):
    manager.begin()
    connection.root()['more'] = 1
    monkeypatch.setattr(connection._storage, step, away)
    assert is_storage_failure(caught(manager.commit))


def test_a_failure_to_begin_is_the_storage_s(
        connection, manager, monkeypatch):
    monkeypatch.setattr(connection._storage, 'poll_invalidations', away)
    assert is_storage_failure(caught(manager.begin))


def test_a_failure_that_led_to_another_error_counts(connection, monkeypatch):
    plain = connection.root()['plain']
    monkeypatch.setattr(connection._storage, 'load', away)

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
        connection, manager, monkeypatch):
    manager.begin()
    connection.root()['reaching'] = Reaching()
    connection.root()['reaching'].other = connection.root()['plain']
    monkeypatch.setattr(connection._storage, 'load', away)
    assert is_storage_failure(caught(manager.commit))


def test_an_error_of_getstate_is_the_application_s(connection, manager):
    manager.begin()
    connection.root()['new'] = Picky()
    connection.root()['new'].problem = 'of __getstate__'
    error = caught(manager.commit)
    assert 'of __getstate__' in str(error)
    assert not is_storage_failure(error)


def test_an_error_of_setstate_is_the_application_s(connection):
    error = caught(connection.root()['picky']._p_activate)
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


def test_a_record_that_is_gone_is_no_failure_of_the_storage(connection):
    error = caught(lambda: connection.get(b'\0' * 7 + b'\x77'))
    assert isinstance(error, POSKeyError)
    assert not is_storage_failure(error)


def test_a_change_without_a_transaction_is_the_application_s(connection):
    def change():
        connection.root()['more'] = 1

    error = caught(change)
    assert isinstance(error, NoTransaction)
    assert not is_storage_failure(error)


def test_a_change_in_a_failed_transaction_is_the_application_s(
        connection, manager, monkeypatch):
    manager.begin()
    connection.root()['more'] = 1
    with monkeypatch.context() as patched:
        patched.setattr(connection._storage, 'store', away)
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
def test_an_error_of_elsewhere_is_no_failure_of_the_storage(error):
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


# -- Trying again


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
        connection, manager, clock, monkeypatch):
    plain = connection.root()['plain']
    monkeypatch.setattr(connection._storage, 'load', away)
    calls = []

    def work():
        calls.append(1)
        plain._p_activate()

    with pytest.raises(OSError):
        transact(manager, work)
    assert len(calls) == STORAGE_TRIES
    assert not is_begun(manager)


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


# -- Borrowing


def test_asking_whether_a_manager_is_begun_begins_nothing():
    manager = transaction.TransactionManager()
    assert not is_begun(manager)
    assert manager._txn is None
    txn = manager.begin()
    assert is_begun(manager)
    assert manager.get() is txn
    txn.abort()


def test_a_synchronizer_of_ours_is_not_left_behind():
    manager = transaction.TransactionManager()
    is_begun(manager)
    assert not manager.registeredSynchs()


def test_a_manager_that_cannot_begin_again_is_reported(
        connection, manager, monkeypatch, caplog):
    manager.begin()
    with borrowed(manager):
        monkeypatch.setattr(connection._storage, 'poll_invalidations', away)
    assert 'No new transaction could be prepared' in caplog.text
    assert is_begun(manager)


def test_no_run_goes_on_in_an_ordinary_transaction(manager):
    assert not is_in_run(manager.begin())
