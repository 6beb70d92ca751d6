"""The transaction manager of the caller: asked, used, left as found."""

import transaction

from zodbschedule.transactions.borrowing import borrowed
from zodbschedule.transactions.borrowing import is_begun
from zodbschedule.transactions.borrowing import is_in_run


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
        connection, manager, break_storage, caplog):
    manager.begin()
    with borrowed(manager):
        break_storage('poll_invalidations')
    assert 'No new transaction could be prepared' in caplog.text
    assert is_begun(manager)


def test_no_run_goes_on_in_an_ordinary_transaction(manager):
    assert not is_in_run(manager.begin())
