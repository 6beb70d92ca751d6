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
from dataclasses import field
from datetime import UTC
from datetime import tzinfo
from typing import Any
from typing import TypeVar

from transaction import TransactionManager
from webob.exc import HTTPNotFound
from ZODB.Connection import Connection

from zodbschedule.reading.masking import Mask
from zodbschedule.schedule import Schedule
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import in_own_connection
from zodbschedule.web.access import Who
from zodbschedule.web.access import remote_user
from zodbschedule.web.seal import Seal
from zodbschedule.worker.config import Path
from zodbschedule.worker.config import path_text
from zodbschedule.worker.thread import find


T = TypeVar('T')


class DatabaseAway(Exception):
    """The database cannot be opened now; that may pass."""


def refuse_disconnected(connection: Connection) -> None:
    """Raise `DatabaseAway` if a ZEO server is.

    What its client has in its cache would be shown as if it were so now.
    """
    is_connected = getattr(connection.db().storage, 'is_connected', None)
    if is_connected is not None and not is_connected():
        raise DatabaseAway('the ZEO server does not answer')


@dataclass(frozen=True)
class Site:
    """One schedule in one database, and what its pages may do."""

    #: what has the method `open` of a `ZODB.DB`; it may raise `DatabaseAway`
    db: Any
    path: Path
    _: KW_ONLY
    allow_changes: bool = False
    #: who asks
    who: Who = remote_user
    #: what cookies and forms are signed by
    seal: Seal = field(default_factory=Seal)
    zone: tzinfo = UTC
    #: whether an argument or attribute of that name must not be shown
    mask: Mask | None = None
    #: whether tracebacks are shown
    tracebacks: bool = False
    #: its address, if there are several; it begins with a slash
    at: str | None = None

    @property
    def label(self) -> str:
        """Where it is, as metrics say it."""
        return path_text(self.path).strip('/')

    @contextmanager
    def reading(self) -> Iterator[Schedule]:
        """The schedule, in a transaction that is aborted."""
        with self.connected() as connection:
            yield self.schedule_in(connection)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection, in such a transaction."""
        manager = TransactionManager(explicit=True)
        connection = self.db.open(transaction_manager=manager)
        try:
            refuse_disconnected(connection)
            manager.begin()
            yield connection
        finally:
            abort(manager)
            connection.close()

    def change(self, work: Callable[[Schedule], T], user: str, what: str
               ) -> T:
        """What *work* returns, once that is committed.

        It is called again after a conflict.  The undo log names *user*, and
        *what* was done.
        """
        def in_transaction(connection: Connection) -> T:
            transaction = connection.transaction_manager.get()
            transaction.user = user
            transaction.note(f'zodbschedule: {what}')
            return work(self.schedule_in(connection))

        return in_own_connection(self.db, in_transaction)

    def schedule_in(self, connection: Connection) -> Schedule:
        """The schedule; raises HTTPNotFound."""
        found = find(connection, self.path)
        if not isinstance(found, Schedule):
            raise HTTPNotFound(
                f'There is no schedule at {path_text(self.path)}.')
        return found
