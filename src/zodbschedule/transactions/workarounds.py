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
"""Workarounds for faults of storages that break promises of a schedule.

*ZEO.*  A client fetches the oids of new objects a hundred at a time.  A server
that is started again begins after the highest oid that is stored, so it gives
others oids that such a client still has in stock.  The client's new objects
are then refused, until its stock is used up.

*RelStorage on SQLite*, up to 4.3.  If a vote finds a conflict before it takes
the lock for writing, the session is not rolled back, since it is not in a
transaction, and the table of objects to store is not emptied.  Every later
transaction of that session stores what the aborted one has written, or
conflicts with it.

*RelStorage without history*, up to 4.3, on any database.  A pack deletes what
moves while it begins: see `zodbschedule.store.moved`.
"""

import sys
from typing import Any

from zodbschedule.logger import log
from zodbschedule.transactions.lines import remember_sessions
from zodbschedule.transactions.restores import verify_history


#: what is safe where `loses_what_moves`
PACK_HINT = (
    'This storage keeps no history.  When RelStorage up to 4.3 packs it, '
    'objects that move while the pack begins are deleted.  The schedule '
    'protects what it moves itself.  Your own objects are safe only if '
    'nothing is written then: see "Packing without history" in the '
    'documentation.')


def mend(db: Any) -> None:
    """Work around the known faults of the storage of *db*.

    To be called before *db* is used; calling it again changes nothing.
    """
    forget_when_away(db.storage)
    roll_back_always(db.storage)
    verify_history(db.storage)
    remember_sessions(db.storage)


def forget_when_away(storage: Any) -> None:
    """Let a ZEO client drop its stock of oids when it loses its server."""
    notify = getattr(storage, 'notify_disconnected', None)
    if notify is None or 'notify_disconnected' in vars(storage):
        return

    def forget() -> None:
        storage._oids = []
        notify()

    storage.notify_disconnected = forget


def roll_back_always(storage: Any) -> None:
    """Let sessions of SQLite be rolled back in any state."""
    drivers: Any = sys.modules.get('relstorage.adapters.sqlite.drivers')
    if drivers is not None:
        # for storages to come, and for this one, which has asked already
        drivers.Sqlite3Driver.connection_may_need_rollback = _always
        adapter: Any = getattr(storage, '_adapter', None)
        if isinstance(getattr(adapter, 'driver', None),
                      drivers.Sqlite3Driver):
            adapter.connmanager._may_need_rollback = _always


def loses_what_moves(storage: Any) -> bool:
    """Whether a pack of *storage* may delete objects that move meanwhile."""
    # One that compresses or encrypts has a base.
    storage = getattr(storage, 'base', storage)
    return not getattr(storage, 'keep_history', True)


def tell_of_packs(db: Any) -> None:
    """Log what is safe when *db* is packed, if anything is not."""
    if loses_what_moves(db.storage):
        log.warning(PACK_HINT)


def _always(*session: Any) -> bool:
    return True
