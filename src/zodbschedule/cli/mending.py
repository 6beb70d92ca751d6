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
"""A fault of asyncio that keeps a client of ZEO from coming back.

When its server is dead and the client writes twice before it knows, the
second write, by ``writelines``, leaves the number of the socket with the
selector although the connection is lost and the socket about to be closed.
The next socket gets the same number, and is never selected: the client stays
disconnected for good.  Later Pythons look whether the connection is lost,
as ``write`` has always done: https://github.com/python/cpython/issues/136234.
"""

import functools
import sys
from asyncio import selector_events
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any


#: of each series that has the fault, the first release that has it not
MENDED_IN = {(3, 12): float('inf'), (3, 13): 10, (3, 14): 1}


def is_affected(version: tuple[Any, ...]) -> bool:
    """Whether a Python of that version, as of `sys.version_info`, has it."""
    return bool(version[2] < MENDED_IN.get((version[0], version[1]), 0))


def mend(version: tuple[Any, ...] = sys.version_info,
         transport: Any = None) -> None:
    """Have that class of transports look, if Python is affected.

    By default asyncio's own for sockets, for all that this process does.
    """
    if is_affected(version):
        transport = transport or vars(selector_events)[
            '_SelectorSocketTransport']
        transport.writelines = if_connected(transport.writelines)


def if_connected(writelines: Callable[[Any, Iterable[bytes]], None]
                 ) -> Callable[[Any, Iterable[bytes]], None]:
    """*writelines*, but on a connection that is lost the same as write()."""
    @functools.wraps(writelines)
    def mended(transport: Any, data: Iterable[bytes]) -> None:
        if transport._conn_lost:
            transport.write(b''.join(data))
        else:
            writelines(transport, data)

    return mended
