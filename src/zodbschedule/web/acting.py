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
"""What the buttons do: each is a function of `steering`, by POST."""

from collections.abc import Callable

from webob import Response
from webob.exc import HTTPForbidden

from zodbschedule.web.visit import Visit


def cancel(visit: Visit) -> Response:
    """Cancel one task."""
    raise HTTPForbidden('These pages can only be read.')


#: by the last part of their address
ACTS: dict[str, Callable[[Visit], Response]] = {'cancel': cancel}
