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
"""Databases that are restored to an older state while they are in use.

What a process has in its memory is of the other state then, and nothing that
the database says makes that current.

*ZEO.*  A client refuses a server that is behind it.  As soon as anybody has
written there, the client connects, and takes all that it has in its cache for
current.  So here it asks whether the server knows the last transaction that it
knows itself, and forgets all if not.

*RelStorage.*  It only asks for what is newer.  So here it is asked for the
newest transaction, which has to be as new as it was before.
"""

from contextlib import suppress
from typing import Any
from weakref import WeakSet

from ZODB.utils import z64


#: the storages of this process whose databases were restored
_restored: WeakSet[Any] = WeakSet()


class DatabaseRestored(Exception):
    """The database was restored to an older state."""


def refuse_restored(storage: Any) -> None:
    """Raise `DatabaseRestored` if its database was restored meanwhile."""
    if storage in _restored:
        raise DatabaseRestored(
            'it was restored to an older state while this process used it')


# -- ZEO


def verify_history(storage: Any) -> None:
    """Let a ZEO client notice that when it connects again."""
    client = getattr(getattr(storage, '_server', None), 'client', None)
    verify = getattr(client, 'verify', None)
    if client is None or verify is None or 'verify' in vars(client):
        return

    async def verify_all(server_tid: bytes) -> None:
        if not await _is_known(client.protocol, client.cache.getLastTid()):
            _restored.add(storage)
            client.cache.clear()
            client.client.invalidateCache()
        await verify(server_tid)

    client.verify = verify_all


async def _is_known(protocol: Any, tid: bytes | None) -> bool:
    """Whether the server has the transaction *tid*."""
    if not tid or tid == z64:
        return True  # The client knows nothing.
    # A storage may have no iterator, and the line may be lost again.
    with suppress(Exception):
        number = await protocol.server_call('iterator_start', tid, tid)
        found = await protocol.server_call('iterator_next', number)
        await protocol.server_call('iterator_gc', [number])
        return found is not None
    return True


# -- RelStorage


class NewestTransaction:
    """The newest transaction of a RelStorage, as was seen last."""

    def __init__(self, storage: Any) -> None:
        self.storage = storage
        self.tid = 0

    def check(self, instance: Any) -> None:
        """Ask *instance* of it; it was restored if that is an older one.

        Does nothing for other storages.
        """
        adapter = getattr(instance, '_adapter', None)
        if adapter is not None:
            tid = adapter.poller.get_current_tid(
                instance._load_connection.cursor)
            if tid < self.tid:
                _restored.add(self.storage)
            self.tid = tid
