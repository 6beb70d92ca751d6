"""Transactions that are tried again."""

from collections import deque

import pytest
from transaction.interfaces import TransientError
from ZODB.POSException import ConflictError

from zodbschedule.transactions.borrowing import is_begun
from zodbschedule.transactions.retrying import CONFLICT_TRIES
from zodbschedule.transactions.retrying import STORAGE_TRIES
from zodbschedule.transactions.retrying import abort
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
