"""The transaction manager of the caller: asked, used, left as found."""

import pytest
import transaction

from zodbschedule import PendingChanges
from zodbschedule.transactions.borrowing import RUN
from zodbschedule.transactions.borrowing import borrowed
from zodbschedule.transactions.borrowing import inner
from zodbschedule.transactions.borrowing import is_begun
from zodbschedule.transactions.borrowing import is_in_run
from zodbschedule.transactions.borrowing import refuse_pending
from zodbschedule.transactions.borrowing import run_of


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


def test_a_begun_manager_is_not_begun_inside_and_begun_anew_afterwards(
        manager):
    before = manager.begin()
    with borrowed(manager):
        assert not is_begun(manager)
    assert is_begun(manager)
    assert manager.get() is not before


def test_a_manager_that_is_not_begun_is_not_begun_afterwards(manager):
    with borrowed(manager):
        manager.begin()
        manager.abort()
    assert not is_begun(manager)


def test_a_begun_manager_is_begun_anew_also_after_an_error(manager):
    manager.begin()
    with pytest.raises(ValueError), borrowed(manager):
        raise ValueError
    assert is_begun(manager)


def test_a_manager_of_all_threads_has_one_for_this_thread(manager):
    assert inner(transaction.manager) is transaction.manager.manager
    assert inner(manager) is manager


def test_a_manager_that_cannot_begin_again_is_reported(
        connection, manager, break_storage, caplog):
    manager.begin()
    with borrowed(manager):
        break_storage('poll_invalidations')
    assert 'No new transaction could be prepared' in caplog.text
    assert is_begun(manager)


def test_no_run_goes_on_in_an_ordinary_transaction(manager):
    assert not is_in_run(manager.begin())


def test_a_run_in_progress_is_known_and_refused(manager):
    txn = manager.begin()
    assert run_of(txn) is None
    run = object()
    txn.set_data(RUN, run)
    assert run_of(txn) is run
    assert is_in_run(txn) is True
    with pytest.raises(PendingChanges, match='in which a task runs at this'):
        refuse_pending(txn)


@pytest.mark.parametrize('method, arguments, problem', [
    ('doom', (), 'is doomed'),
    ('join', (object(),), 'holds changes'),
    ('addAfterCommitHook', (print,), 'has hooks')])
def test_the_error_says_what_a_transaction_holds(method, arguments, problem):
    txn = transaction.Transaction()
    assert refuse_pending(txn) is None
    getattr(txn, method)(*arguments)
    with pytest.raises(PendingChanges) as caught:
        refuse_pending(txn)
    assert str(caught.value) == (
        f'The current transaction {problem}, and process() would end it. '
        f'Commit or abort it first.')
