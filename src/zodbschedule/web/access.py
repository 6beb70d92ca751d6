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
"""Who asks: each way to know it is a function of the request."""

import re
from collections.abc import Callable
from collections.abc import Container

from webob import Request
from webob.exc import HTTPForbidden

from zodbschedule.plain_text import text


#: gives the name of who asks; '' if that is not known; raises an
#: `HTTPException` for who may not even look
Who = Callable[[Request], str]

# How much of a name is kept, in characters.
LONGEST = 200


def remote_user(request: Request) -> str:
    """As the server says, or the application that this one is mounted in."""
    return text(request.remote_user or '', LONGEST)


def header_user(name: str) -> Who:
    """As a proxy says that has asked for a password, in that header.

    Whoever reaches the application past the proxy can be anybody.
    """
    def who(request: Request) -> str:
        sent = request.headers.get(name, '')
        # The server takes each byte for a character.
        user = text(sent.encode('latin-1').decode('utf-8', 'replace').strip(),
                    LONGEST)
        if not user or not user.isprintable():
            raise HTTPForbidden(
                f'The request has no header {name}: only the proxy that asks '
                f'for a password may send requests here.')
        return user

    return who


def local_user(name: str, hosts: Container[str]) -> Who:
    """*name*, who has started the application, for this machine alone.

    *hosts* are its names.  A page of another site can have the browser take
    us for that site, by a name of its own that leads to this machine.
    """
    def who(request: Request) -> str:
        host = re.sub(r':\d*$', '', request.host).lower()
        if host not in hosts:
            raise HTTPForbidden(
                f'This machine is not called {text(host, LONGEST)}. Open '
                f'http://localhost with the port, or start the application '
                f'with --passwords or --user-header.')
        return name

    return who
