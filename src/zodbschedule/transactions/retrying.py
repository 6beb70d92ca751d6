##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""Work in a transaction that is tried again after a transient error."""

import random
from collections.abc import Callable
from typing import Any
from typing import TypeVar

from transaction import TransactionManager
from transaction.interfaces import AlreadyInTransaction
from transaction.interfaces import NoTransaction

from zodbschedule import clock
from zodbschedule.errors.text import ErrorText
from zodbschedule.logger import log
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


T = TypeVar('T')

# How often a transaction is tried that conflicts.  With more tries, a task
# that always conflicts delays the pass longer; with fewer, a busy object costs
# a run that would have succeeded.  Waits: 10, 20, 40, 80 ms.
CONFLICT_TRIES = 5

# How often, if it holds no user code: until it succeeds.
OWN_TRIES = 100

# How often, if the storage fails.  Waits: 50, 100, 200, ... ms, 5 s in all: a
# server that is restarted is back by then.
STORAGE_TRIES = 8

# The longest wait, in seconds.
MAX_WAIT = 2


def transact(manager: Any, work: Callable[[], T],
             conflict_tries: int = CONFLICT_TRIES,
             storage_tries: int = STORAGE_TRIES,
             retried: Callable[[BaseException], None] | None = None) -> T:
    """Call *work* in a new transaction of *manager*; return its result.

    *work* commits.  After a transient error, such as a conflict, or a failure
    of the storage it is called again, each time in a new transaction: at most
    *conflict_tries* or *storage_tries* times.  The last error is raised.
    After any error the transaction is aborted.  *retried* is given each error
    but the last.
    """
    tried = 0
    while True:
        try:
            begin(manager)
            return work()
        except BaseException as error:
            abort(manager)
            tried += 1
            wait = _wait_after(error, tried, conflict_tries, storage_tries)
            if wait is None:
                raise
            log.debug('Try %d failed: %s', tried, ErrorText(error))
            if retried is not None:
                retried(error)
        clock.wait(wait)


def _wait_after(error: BaseException, tried: int, conflict_tries: int,
                storage_tries: int) -> float | None:
    """How many seconds to wait for the next try; None: there is none."""
    storage = is_storage_failure(error)
    tries, first = (storage_tries, .05) if storage else (conflict_tries, .01)
    may_pass = storage or is_transient(error)
    if tried >= tries or not may_pass or not isinstance(error, Exception):
        return None
    return min(MAX_WAIT, first * 2.0 ** (tried - 1)) * random.uniform(.5, 1.5)


def read(manager: Any, work: Callable[[], T],
         conflict_tries: int = CONFLICT_TRIES) -> T:
    """What *work* returns, in a new transaction that writes nothing."""
    def look() -> T:
        result = work()
        abort(manager)
        return result

    return transact(manager, look, conflict_tries)


def in_own_connection(db: Any, work: Callable[[Any], T],
                      conflict_tries: int = CONFLICT_TRIES) -> T:
    """Call *work* with a new connection of *db*; return its result.

    Its changes are committed in a transaction of their own, so they remain if
    the caller aborts.  Tried again as by `transact`.
    """
    manager = TransactionManager(explicit=True)
    connection = db.open(transaction_manager=manager)

    def commit() -> T:
        result = work(connection)
        manager.commit()
        return result

    try:
        return transact(manager, commit, conflict_tries)
    finally:
        connection.close()


def commit(manager: Any, what: str) -> None:
    """Commit, and tell the undo log *what* was done."""
    manager.get().note(f'zodbschedule: {what}')
    manager.commit()


def begin(manager: Any) -> None:
    """Begin a transaction; abort one that is left over.

    A hook or a subscriber may have begun it, and an explicit manager then
    refuses to begin another.
    """
    try:
        manager.begin()
    except AlreadyInTransaction:
        abort(manager)
        manager.begin()


def abort(manager: Any) -> None:
    """Abort the transaction, if there is one; log an error that it raises."""
    try:
        manager.abort()
    except NoTransaction:
        pass
    except Exception as error:
        log.warning('A transaction could not be aborted.',
                    exc_info=ErrorText(error).exc_info)
