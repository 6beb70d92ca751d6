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
"""The lines to a database server, and how to cut those that are dead.

A server that is stopped, or a way to it that swallows what is sent, leaves
whoever waits for an answer waiting, for ever where TCP sees no fault.  If the
line is cut at this end, the driver raises, and connects again.
"""

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary
from weakref import WeakSet


#: by the connection manager of a RelStorage: the sessions that it has opened
_sessions: WeakKeyDictionary[Any, WeakSet[Any]] = WeakKeyDictionary()


def remember_sessions(storage: Any) -> None:
    """Know the sessions that a RelStorage opens from now on, for `cut`."""
    manager = _manager_of(storage)
    if manager is None or manager in _sessions:
        return
    sessions = _sessions[manager] = WeakSet()
    original = manager.open

    def open_session(*args: Any, **options: Any) -> Any:
        session, cursor = original(*args, **options)
        with suppress(TypeError):  # one that cannot be referred to weakly
            sessions.add(session)
        return session, cursor

    manager.open = open_session


def cut(storage: Any) -> None:
    """Have everybody in this process who waits for its server get an error.

    After `remember_sessions`.  Does nothing for a storage without a server,
    and for drivers that do not tell their sockets.
    """
    manager = _manager_of(storage)
    for session in list(_sessions.get(manager, ())) if manager else ():
        # It may be closed by now.
        with suppress(Exception):
            _shut(session.fileno())
    client = getattr(getattr(storage, '_server', None), 'client', None)
    if client is not None:
        client.loop.call_soon_threadsafe(_abort, client)


def _manager_of(storage: Any) -> Any:
    return getattr(getattr(storage, '_adapter', None), 'connmanager', None)


def _shut(number: int) -> None:
    with socket.socket(fileno=os.dup(number)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _abort(client: Any) -> None:
    """Cut the lines of a ZEO client, also those not yet in use."""
    protocols: Iterable[Any] = [client.protocol, *client.protocols]
    for protocol in protocols:
        # Until it is connected there is nothing to cut.
        if getattr(protocol, 'sm_protocol', None) is not None:
            protocol.sm_protocol.transport.abort()
