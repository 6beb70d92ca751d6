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
"""A transaction manager for where nothing may be committed.

Test layers forbid commits, since the next test uses the same database.  There
each transaction of a pass is replaced by the part between two savepoints,
inside the transaction of the test.
"""

from collections.abc import Callable
from typing import Any

from transaction.interfaces import InvalidSavepointRollbackError

from zodbschedule.interfaces import TransactionEnded
from zodbschedule.transactions.borrowing import RUN


class Savepoints:
    """A transaction manager that is also its own transaction.

    It has what a pass uses of both.  *manager* is the real one.  After a data
    manager without savepoints has joined, nothing can be rolled back, and
    `abort` raises TypeError.
    """

    user = description = ''

    def __init__(self, manager: Any) -> None:
        self.manager = manager
        self.savepoint: Any = None
        #: whether a task has ended the transaction that has the savepoints
        self.lost = False

    # -- as a manager

    def begin(self) -> None:
        """Set the savepoint that an abort goes back to."""
        if self.lost:
            raise TransactionEnded(
                'A task has ended the transaction of the test; what was not '
                'committed is lost')
        self.savepoint = self.manager.savepoint(optimistic=True)

    def get(self) -> 'Savepoints':
        """The transaction, which is this object too."""
        return self

    def commit(self) -> None:
        """Keep what has changed since the savepoint."""
        self.manager.savepoint(optimistic=True)
        self._end()

    def abort(self) -> None:
        """Go back to the savepoint, if there is one."""
        if self.savepoint is not None:
            savepoint = self.savepoint
            self._end()
            try:
                savepoint.rollback()
            except InvalidSavepointRollbackError:
                self.lost = True

    def _end(self) -> None:
        self.savepoint = None
        self.set_data(RUN, None)

    # -- as a transaction

    def note(self, text: str) -> None:
        """Nothing to do: the transaction of the test is not ours."""

    def set_data(self, key: object, value: Any) -> None:
        """Store it in the real transaction, where `run_of` looks for it."""
        self.manager.get().set_data(key, value)

    def addBeforeCommitHook(self, hook: Callable[[], Any]) -> None:
        """Ignore *hook*: a savepoint is not a commit."""
