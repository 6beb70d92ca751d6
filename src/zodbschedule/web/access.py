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

from collections.abc import Callable

from webob import Request

from zodbschedule.plain_text import text


#: gives the name of who asks; '' if that is not known; raises an
#: `HTTPException` for who may not even look
Who = Callable[[Request], str]

# How much of a name is kept, in characters.
LONGEST = 200


def remote_user(request: Request) -> str:
    """As the server says, or the application that this one is mounted in."""
    return text(request.remote_user or '', LONGEST)
