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

from zodbschedule.interfaces import TransactionEnded


class Guard:
    """A synchronizer that prevents tasks from ending their transactions.

    Its ``beforeCompletion`` raises while it is armed, which works with both
    kinds of manager and still allows savepoints.  A task that catches the
    error fails all the same: an abort has happened by then.  The hooks of a
    task may not end the transaction either, until the commit begins.

    *connection* is that of the run; a new attempt may set another.  *manager*
    is that of the transactions, by default the connection's.

    As a context manager it is armed, for the call of one task.  At the end
    `TransactionEnded` is raised if the task has tried to end the transaction.
    """

    def __init__(self, connection: Any, manager: Any = None) -> None:
        self.connection = connection
        self.manager = manager or connection.transaction_manager
        self.error: TransactionEnded | None = None
        self.armed = False

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Inside, it is a synchronizer of its manager."""
        self.manager.registerSynch(self)
        try:
            yield
        finally:
            self.manager.unregisterSynch(self)

    def __enter__(self) -> None:
        self.armed = True

    def __exit__(self, kind: Any, raised: BaseException | None,
                 traceback: Any) -> None:
        self.disarm()
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
        if self.error is not None:
            raise self.error

    def disarm(self) -> None:
        """Let the transaction end from now on."""
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
