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
"""Whose schedule is shown, and how it is reached."""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY
from dataclasses import dataclass
from datetime import UTC
from datetime import tzinfo
from typing import Any
from typing import TypeVar

from transaction import TransactionManager
from webob.exc import HTTPNotFound
from ZODB.Connection import Connection

from zodbschedule.schedule import Schedule
from zodbschedule.transactions.retrying import in_own_connection
from zodbschedule.worker.config import Path
from zodbschedule.worker.config import path_text
from zodbschedule.worker.thread import find


T = TypeVar('T')


@dataclass(frozen=True)
class Site:
    """One schedule in one database, and what its pages may do."""

    db: Any
    path: Path
    _: KW_ONLY
    allow_changes: bool = False
    zone: tzinfo = UTC

    @contextmanager
    def reading(self) -> Iterator[Schedule]:
        """The schedule, in a transaction that is aborted."""
        manager = TransactionManager(explicit=True)
        connection = self.db.open(transaction_manager=manager)
        try:
            manager.begin()
            yield self._schedule(connection)
        finally:
            manager.abort()
            connection.close()

    def change(self, work: Callable[[Schedule], T]) -> T:
        """What *work* returns, once that is committed.

        It is called again after a conflict.
        """
        return in_own_connection(
            self.db, lambda connection: work(self._schedule(connection)))

    def _schedule(self, connection: Connection) -> Schedule:
        found = find(connection, self.path)
        if not isinstance(found, Schedule):
            raise HTTPNotFound(
                f'There is no schedule at {path_text(self.path)}.')
        return found
