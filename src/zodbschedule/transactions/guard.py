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
"""What keeps a task from ending the transaction that it runs in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zodbschedule.interfaces import TransactionEnded


class Guard:
    """Keeps the tasks of one pass from ending their transactions.

    A synchronizer whose ``beforeCompletion`` raises prevents that with both
    kinds of manager and still allows savepoints.  A task that catches the
    error fails all the same: an abort has happened by then.  Its hooks are
    kept from it too, up to the moment in which the commit begins.

    *connection* is the one that the task runs in: an attempt may bring
    another.  *manager* is that of the transactions, by default the manager of
    the connection.

    As a context it is armed, around the call of one task.
    """

    def __init__(self, connection: Any, manager: Any = None) -> None:
        self.connection = connection
        self.manager = manager or connection.transaction_manager
        self.error: TransactionEnded | None = None
        self.armed = False

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Inside, it hears of the transactions of its manager."""
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
            # What was changed when there was no transaction is marked
            # nowhere, and whoever writes it next would commit it.
            for one in self.connection.connections.values():
                one.cacheMinimize()
            if raised is None or isinstance(raised, Exception):
                raise error  # whatever came of it, this is the reason

    def check(self) -> None:
        """Raise if there was an attempt to end the transaction."""
        if self.error is not None:
            raise self.error

    def disarm(self) -> None:
        """Let the transaction end, unless there was an attempt before."""
        self.armed = False

    def newTransaction(self, txn: Any) -> None:
        """Nothing to do."""

    def beforeCompletion(self, txn: Any) -> None:
        if self.armed:
            self.error = TransactionEnded(
                'A task runs in a transaction that ends with it: it must '
                'neither commit nor abort nor begin one itself. Savepoints '
                'are fine.')
        self.check()

    def afterCompletion(self, txn: Any) -> None:
        """Nothing to do."""
