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
"""What prevents a task from ending the transaction of its run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import NoReturn

from ZODB.Connection import Connection
from ZODB.POSException import ConnectionStateError

from zodbschedule.interfaces import TransactionEnded
from zodbschedule.transactions.borrowing import inner
from zodbschedule.transactions.forks import Children


class Guard:
    """A synchronizer that prevents tasks from ending their transactions.

    Its ``beforeCompletion`` raises while it is armed, which works with both
    kinds of manager and still allows savepoints.  A task that catches the
    error fails all the same: an abort has happened by then.  The hooks of a
    task may not end the transaction either, until the commit begins.

    Neither may a task close the connection, which outlives its run, nor write
    through another one to the same database.  A child that it has forked ends
    when it comes back.  The synchronizers of its manager stay: this one, and
    the connection, which learns by it when a transaction begins.

    *connection* is that of the run; a new attempt may set another.  *manager*
    is that of the transactions, by default the connection's.

    As a context manager it is armed, for the call of one task.  At the end
    `TransactionEnded` is raised if the task has tried to end the transaction,
    even if there was a commit: if a hook has aborted, that had nothing to do.
    """

    def __init__(self, connection: Any, manager: Any = None) -> None:
        self.connection = connection
        self.manager = manager or connection.transaction_manager
        self.error: TransactionEnded | None = None
        self.armed = False
        self.children = Children()

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Inside, it is a synchronizer of its manager."""
        manager = inner(self.manager)
        manager.registerSynch(self)
        manager.clearSynchs = _refuse_clear
        try:
            yield
        finally:
            del manager.clearSynchs
            manager.unregisterSynch(self)

    def __enter__(self) -> None:
        self.armed = True
        for connection in self.connection.connections.values():
            connection.close = _refuse_close

    def __exit__(self, kind: Any, raised: BaseException | None,
                 traceback: Any) -> None:
        self.children.end(raised)
        self.armed = False
        for connection in self.connection.connections.values():
            vars(connection).pop('close', None)
        error, self.error = self.error, None
        if error is not None:
            # What was changed while there was no transaction is registered
            # nowhere, so whatever writes it next would commit it.
            for connection in self.connection.connections.values():
                connection.cacheMinimize()
            if raised is None or isinstance(raised, Exception):
                raise error  # the cause of anything that was raised later

    def check(self) -> None:
        """Raise `TransactionEnded` if the task has tried to end it."""
        self.children.end(self.error)
        if self.error is not None:
            raise self.error

    def release(self) -> None:
        """Let the transaction be committed now, if that is possible."""
        _refuse_second_connection(self.manager.get())
        self.armed = False

    def newTransaction(self, txn: Any) -> None:
        """Nothing to do."""

    def beforeCompletion(self, txn: Any) -> None:
        if self.armed:
            self.error = TransactionEnded(
                'A task must neither commit nor abort nor begin a '
                'transaction: the transaction that it runs in ends with it. '
                'Savepoints are fine.')
        self.check()

    def afterCompletion(self, txn: Any) -> None:
        """Nothing to do."""


def _refuse_close(primary: bool = True) -> NoReturn:
    raise ConnectionStateError(
        'A task must not close the connection that it runs in; that is done '
        'when it is not needed any more.')


def _refuse_clear() -> NoReturn:
    raise ConnectionStateError(
        'A task must not clear the synchronizers of its transaction manager: '
        'its connection would learn of no transaction any more. Unregister '
        'only what the task has registered.')


def _refuse_second_connection(txn: Any) -> None:
    """Raise if two connections to one database have joined *txn*.

    Its commit would wait for the lock of the storage, which it holds itself.
    No public call lists what has joined.
    """
    joined: dict[int, Any] = {}
    for each in txn._resources:
        if isinstance(each, Connection) and joined.setdefault(
                id(each.db().storage), each) is not each:
            raise ConnectionStateError(
                f'A task has written to the database '
                f'{each.db().database_name!r} through a second connection in '
                f'the transaction of its run. Use the connection of the task, '
                f'such as current_run().schedule._p_jar, or open the second '
                f'one with a transaction manager of its own.')
