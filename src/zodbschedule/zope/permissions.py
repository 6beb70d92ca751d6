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
"""Who may look at a schedule, put tasks into it, and control it.

They are checked where a user may come from outside: pages, services, `call`,
restricted code.  Trusted code is trusted: a `Schedule` asks nobody.
"""

from typing import Any

from AccessControl import getSecurityManager
from AccessControl.unauthorized import Unauthorized

from zodbschedule.zope.sites import path_of


LOOK = 'zodbschedule: Look'
SCHEDULE = 'zodbschedule: Schedule tasks'
CONTROL = 'zodbschedule: Control'


def check(permission: str, context: Any) -> None:
    """Raise Unauthorized unless the current user has it on *context*."""
    manager = getSecurityManager()
    if not manager.checkPermission(permission, context):
        raise Unauthorized(
            f'{manager.getUser()!r} needs the permission {permission!r} on '
            f'{path_of(context)}')
