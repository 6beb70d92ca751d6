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
"""A way to a server that may swallow all that is sent, and say nothing."""

import socket
import threading
from contextlib import suppress

from databases import free_port


class Way:
    """Forwards to a port of 127.0.0.1, until it is a `hole`.

    Then everything that arrives is acknowledged and thrown away, on old
    connections and on new ones.  These are dead for good: also when the way
    is open again, they swallow what is sent.
    """

    def __init__(self, target):
        self.target = target
        self.port = free_port()
        self.hole = False
        self.listener = socket.create_server(('127.0.0.1', self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Accept nobody any more."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = None
                if not self.hole:
                    far = socket.create_connection(('127.0.0.1', self.target))
                line = Line(self, near, far)
                threading.Thread(
                    target=line.forward, args=(near, far), daemon=True).start()
                if far is not None:
                    threading.Thread(target=line.forward, args=(far, near),
                                     daemon=True).start()


class Line:
    """One connection, from the *near* end to the *far* one."""

    def __init__(self, way, near, far):
        self.way = way
        self.ends = [end for end in (near, far) if end is not None]
        self.dead = far is None

    def forward(self, source, target):
        """Forward what one end sends, until one of them closes."""
        with suppress(OSError):
            while data := source.recv(65536):
                self.dead = self.dead or self.way.hole
                if not self.dead:
                    target.sendall(data)
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
