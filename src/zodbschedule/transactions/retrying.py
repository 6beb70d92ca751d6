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
"""Transactions that are tried again, and connections of their own."""

import logging
import random
from collections.abc import Callable
from typing import Any
from typing import TypeVar

from transaction import TransactionManager
from transaction.interfaces import AlreadyInTransaction
from transaction.interfaces import NoTransaction

from zodbschedule import clock
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


T = TypeVar('T')

log = logging.getLogger('zodbschedule')

# How often a transaction is tried that conflicts.  More, and a task that
# always conflicts holds the pass up for longer; fewer, and a busy object
# costs a run that would have passed.  Waits: 10, 20, 40, 80 ms.
CONFLICT_TRIES = 5

# How often, if the database is away.  Waits: 50, 100, 200, … ms, 6 s in all:
# a server that is restarted comes back within that.
STORAGE_TRIES = 8


def transact(manager: Any, work: Callable[[], T],
             conflict_tries: int = CONFLICT_TRIES) -> T:
    """What *work* returns, which runs and commits in a new transaction.

    Conflicts and other transient errors, and failures of the storage, are
    tried again, each time in a new transaction, and raised if they persist.
    Whatever is raised, the transaction is aborted.
    """
    tried = 0
    while True:
        try:
            begin(manager)
            return work()
        except Exception as error:
            abort(manager)
            tried += 1
            storage = is_storage_failure(error)
            tries = STORAGE_TRIES if storage else conflict_tries
            if tried >= tries or not (storage or is_transient(error)):
                raise
            log.debug('Tried %d times: %r', tried, error)
        except BaseException:
            abort(manager)
            raise
        pause = (.05 if storage else .01) * 2 ** (tried - 1)
        clock.wait(min(2, pause) * random.uniform(.5, 1.5))


def in_own_connection(db: Any, work: Callable[[Any], T],
                      conflict_tries: int = CONFLICT_TRIES) -> T:
    """What *work* returns, given a connection of *db* of its own.

    What it changes is committed, whatever the caller's transaction does.
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


def begin(manager: Any) -> None:
    """Begin a transaction, and end what is left of another.

    A hook or a subscriber may leave one begun, which an explicit manager
    minds.
    """
    try:
        manager.begin()
    except AlreadyInTransaction:
        abort(manager)
        manager.begin()


def abort(manager: Any) -> None:
    """End the transaction, if there is one; whatever it says."""
    try:
        manager.abort()
    except NoTransaction:
        pass
    except Exception:
        log.warning('A transaction could not be aborted.', exc_info=True)
