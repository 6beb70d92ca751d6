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
"""How long a conversation over a net may take."""

import socket
import threading
from contextlib import suppress


# In seconds: how long one step may take, and all of them.  Longer, and a
# thread of a worker waits for a server that hangs; shorter, and a slow one is
# taken for dead, and gets the message twice.
STEP = 10.0
ALL = 30.0


class Limit:
    """Cuts off a connection after `ALL`, unless that was ended before."""

    def __init__(self, connection: socket.socket) -> None:
        self.timer = threading.Timer(ALL, _cut, (connection,))
        self.timer.daemon = True
        self.timer.start()

    def end(self) -> None:
        """There is no limit any more."""
        self.timer.cancel()


def _cut(connection: socket.socket) -> None:
    """Whoever waits for it gets an error."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
