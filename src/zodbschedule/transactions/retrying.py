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
"""Transactions that are tried again, on a manager that is only borrowed."""

import logging
import random
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from typing import TypeVar

import transaction
import ZODB._compat
import ZODB.Connection
import ZODB.ExportImport
import ZODB.serialize
from transaction import TransactionManager
from transaction.interfaces import AlreadyInTransaction
from transaction.interfaces import NoTransaction
from transaction.interfaces import TransientError
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadOnlyError
from ZODB.POSException import TransactionTooLargeError
from ZODB.POSException import Unsupported

from zodbschedule import clock
from zodbschedule.interfaces import PendingChanges


T = TypeVar('T')

log = logging.getLogger('zodbschedule')

# How often a transaction is tried that conflicts.  More, and a task that
# always conflicts holds the pass up for longer; fewer, and a busy object
# costs a run that would have passed.  Waits: 10, 20, 40, 80 ms.
CONFLICT_TRIES = 5

# How often, if the database is away.  Waits: 50, 100, 200, … ms, 6 s in all:
# a server that is restarted comes back within that.
STORAGE_TRIES = 8

# What a load or a two-phase commit raises although the database is there.
PERMANENT = (
    POSKeyError, ReadOnlyError, TransactionTooLargeError,
    Unsupported, ConflictError)

#: under which the run in progress is kept with its transaction
RUN = object()


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


# -- What may be tried again


def is_transient(error: BaseException) -> bool:
    """Whether *error*, or what led to it, is a conflict or the like."""
    return any(isinstance(one, TransientError) for one in _chain(error))


# What a connection says of a new object whose oid another one has.
TAKEN = 'A different object already has the same oid',


def is_storage_failure(error: BaseException) -> bool:
    """Whether *error*, or what led to it, says that the database is away.

    Storages raise all kinds of errors then, bare errors of a database driver
    among them.  So it goes by where it was raised: below a connection of
    ZODB, while that loads or commits, but not while a state is pickled or
    unpickled, which runs code of the application.
    """
    return any(
        not isinstance(one, PERMANENT)
        and (_raised_in_storage(one.__traceback__) or _is_oid_taken(one))
        for one in _chain(error))


def _is_oid_taken(error: BaseException) -> bool:
    """Whether the storage has given out an oid twice.

    A ZEO server does that when it is started again, see
    `zodbschedule.transactions.workarounds`.
    """
    return isinstance(error, ValueError) and error.args == TAKEN


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _raised_in_storage(traceback: TracebackType | None) -> bool:
    files = []
    while traceback is not None:
        files.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    connection = [i for i, file in enumerate(files) if file in _CONNECTION]
    below = files[connection[-1] + 1:] if connection else []
    return bool(below) and below[0] not in _NO_STORAGE


# A connection imports during its commit; then the file may be at fault.
_CONNECTION = (
    ZODB.Connection.Connection.setstate.__code__.co_filename,
    ZODB.ExportImport.ExportImport.importFile.__code__.co_filename)
# What a connection calls that is no storage: it pickles, and it joins.
_NO_STORAGE = (
    ZODB.serialize.ObjectWriter.serialize.__code__.co_filename,
    ZODB._compat.dumps.__code__.co_filename,
    transaction.TransactionManager.get.__code__.co_filename,
    transaction.Transaction.join.__code__.co_filename)


# -- Borrowing the manager of the caller


@contextmanager
def borrowed(manager: Any) -> Iterator[None]:
    """Inside, transactions may be made on *manager*; then it is as found.

    Raises `PendingChanges`, and touches nothing, if its transaction holds
    work.
    """
    begun = is_begun(manager)
    if begun:
        refuse_pending(manager.get())
        manager.abort()
    try:
        yield
    finally:
        if begun:
            _begin(manager)


def inner(manager: Any) -> Any:
    """The manager of this thread, if *manager* stands for that of each."""
    return getattr(manager, 'manager', manager)


def is_begun(manager: Any) -> bool:
    """Whether *manager* is in a transaction; begins none."""
    # A manager tells every new synchronizer of the transaction that it is in.
    seen = _Seen()
    manager.registerSynch(seen)
    manager.unregisterSynch(seen)
    return seen.begun


def refuse_pending(txn: Any) -> None:
    """Raise `PendingChanges` if the transaction *txn* holds work.

    No public call lists what has joined; and the connection's own list
    misses what is behind a savepoint.
    """
    if is_in_run(txn):
        problem = 'is the one in which a task runs at this moment'
    elif txn.isDoomed():
        problem = 'is doomed'
    elif txn._resources:
        problem = 'holds changes'
    elif any(any(hooks()) for hooks in (
            txn.getBeforeCommitHooks, txn.getAfterCommitHooks,
            txn.getBeforeAbortHooks, txn.getAfterAbortHooks)):
        problem = 'has hooks'
    else:
        return
    raise PendingChanges(
        f'The current transaction {problem}; process() would end it. Commit '
        f'or abort it first.')


def is_in_run(txn: Any) -> bool:
    """Whether a task runs in this transaction."""
    return run_of(txn) is not None


def run_of(txn: Any) -> Any:
    """The run that goes on in this transaction, or None."""
    try:
        return txn.data(RUN)
    except KeyError:
        return None


def _begin(manager: Any) -> None:
    try:
        manager.begin()
    except Exception:
        # The database is away, and the manager is begun all the same.
        log.warning('No new transaction could be prepared.', exc_info=True)


class _Seen:
    """A synchronizer that notices whether there is a transaction."""

    begun = False

    def newTransaction(self, txn: Any) -> None:
        self.begun = True

    def beforeCompletion(self, txn: Any) -> None:
        """Nothing to do."""

    def afterCompletion(self, txn: Any) -> None:
        """Nothing to do."""
