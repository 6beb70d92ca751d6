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
"""What stands for a transaction manager where nothing may be committed.

Layers of tests forbid commits, since they go on with the same database.  So
each transaction of a pass is from one savepoint to the next there, within the
transaction of the test.
"""

from collections.abc import Callable
from typing import Any

from transaction.interfaces import InvalidSavepointRollbackError

from zodbschedule.interfaces import TransactionEnded
from zodbschedule.transactions.borrowing import RUN


class Savepoints:
    """A transaction manager, and its own transaction, as far as we use them.

    *manager* is the real one.  Data managers without savepoints may join, but
    then nothing can be rolled back any more, which raises TypeError.
    """

    user = description = ''

    def __init__(self, manager: Any) -> None:
        self.manager = manager
        self.savepoint: Any = None
        #: whether there is no transaction to go back in any more
        self.lost = False

    # -- as a manager

    def begin(self) -> None:
        """Go on from here."""
        if self.lost:
            raise TransactionEnded(
                'A task has ended the transaction of the test, and with it '
                'all that was not committed')
        self.savepoint = self.manager.savepoint(optimistic=True)

    def get(self) -> 'Savepoints':
        """The transaction, which is not told from its manager."""
        return self

    def commit(self) -> None:
        """What has happened since then, stays."""
        self.manager.savepoint(optimistic=True)
        self._end()

    def abort(self) -> None:
        """What has happened since then, has not."""
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
        """The transaction of the test is none of ours."""

    def set_data(self, key: object, value: Any) -> None:
        """Keep it with the real transaction, where others look for it."""
        self.manager.get().set_data(key, value)

    def addBeforeCommitHook(self, hook: Callable[[], Any]) -> None:
        """A savepoint is no commit: it is not called."""
