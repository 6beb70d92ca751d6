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
"""Transactions on a manager that belongs to the caller."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zodbschedule.interfaces import PendingChanges
from zodbschedule.logger import log


#: The key under which the data of a transaction has the run in progress.
RUN = object()


@contextmanager
def borrowed(manager: Any) -> Iterator[None]:
    """Inside, transactions may be made on *manager*.

    At the end it is in a new transaction if it was in one before.  Raises
    `PendingChanges`, and changes nothing, if that one holds work.
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


def _begin(manager: Any) -> None:
    try:
        manager.begin()
    except Exception:
        # The storage fails, and the manager is in a transaction all the same.
        log.warning('No new transaction could be prepared.', exc_info=True)


def inner(manager: Any) -> Any:
    """The manager of this thread, if *manager* is one for all threads."""
    return getattr(manager, 'manager', manager)


def is_on(connection: Any, manager: Any) -> bool:
    """Whether *connection*, and what it has opened, is still on *manager*.

    One that was closed may be in use by another thread already.
    """
    return all(inner(each.transaction_manager) is inner(manager)
               for each in connection.connections.values())


def is_begun(manager: Any) -> bool:
    """Whether *manager* is in a transaction; does not begin one."""
    # A manager tells a new synchronizer of the transaction that it is in.
    probe = _Probe()
    manager.registerSynch(probe)
    manager.unregisterSynch(probe)
    return probe.begun


class _Probe:
    """A synchronizer that notices whether there is a transaction."""

    begun = False

    def newTransaction(self, txn: Any) -> None:
        self.begun = True

    def beforeCompletion(self, txn: Any) -> None:
        """Nothing to do."""

    def afterCompletion(self, txn: Any) -> None:
        """Nothing to do."""


def refuse_pending(txn: Any) -> None:
    """Raise `PendingChanges` if the transaction *txn* holds work.

    No public call lists what has joined, and the connection's own list
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
        f'The current transaction {problem}, and process() would end it. '
        f'Commit or abort it first.')


def is_in_run(txn: Any) -> bool:
    """Whether a task runs in the transaction *txn*."""
    return run_of(txn) is not None


def run_of(txn: Any) -> Any:
    """The run in progress in the transaction *txn*, or None."""
    try:
        return txn.data(RUN)
    except KeyError:
        return None
