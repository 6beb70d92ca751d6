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
"""The permissions to look at a schedule, to schedule tasks and to control it.

They are checked where a user can come from outside: in pages, services,
`call` and restricted code.  The methods of a `Schedule` check no permission,
and restricted code has no access to them.
"""

from typing import Any

from AccessControl import getSecurityManager
from AccessControl.unauthorized import Unauthorized
from zope.component.hooks import getSite

from zodbschedule.store.inspection import known_principal
from zodbschedule.zope.contexts import ContextReference
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.sites import get_schedule
from zodbschedule.zope.sites import site_of
from zodbschedule.zope.users import UnknownUser
from zodbschedule.zope.users import principal_id_of


LOOK = 'zodbschedule: Look'
SCHEDULE = 'zodbschedule: Schedule tasks'
CONTROL = 'zodbschedule: Control'
SCHEDULE_AS_OTHERS = 'zodbschedule: Schedule as others'


def check_permission(permission: str, context: Any) -> None:
    """Raise Unauthorized unless the current user has it on *context*."""
    manager = getSecurityManager()
    if not manager.checkPermission(permission, context):
        raise Unauthorized(
            f'{manager.getUser()!r} needs the permission {permission!r} on '
            f'{path_of(context)}')


def check_cancel(task: Any, site: Any) -> None:
    """Raise Unauthorized unless the current user may cancel *task* of *site*.

    One's own needs the permission to schedule it, on the object that it is
    for.  Any other needs the permission to control, on the site.
    """
    if not getSecurityManager().checkPermission(CONTROL, site) and (
            _is_own(task, site)):
        check_permission(SCHEDULE, _context_of(task, site))
    else:
        check_permission(CONTROL, site)


def _is_own(task: Any, site: Any) -> bool:
    # Nobody owns what runs as Anonymous.
    principal_id = known_principal(task)
    return principal_id is not None and principal_id == own_principal(site)


def _context_of(task: Any, site: Any) -> Any:
    """The object that *task* is for, or the site."""
    context = None
    if isinstance(task, ContextReference):
        context = task.find(site, get_schedule(site).has_other_uuids)
    return site if context is None else context


# -- the current user


def current_principal(context: Any = None) -> str | None:
    """The ``principalId`` of the current user, for a task of a site.

    That is the nearest site upward from *context* that has a schedule; None is
    the current site.  It names the folder of the user, too, so that it never
    names anybody else; None is Anonymous.  Raises LookupError if there is no
    schedule, and `UnknownUser` for a user that is in no user folder.  Reads in
    the current transaction.
    """
    start = getSite() if context is None else context
    get_schedule(start)
    return principal_id_of(getSecurityManager().getUser(), site_of(start))


def own_principal(context: Any) -> str | None:
    """The same; None also for a user that is in no user folder."""
    try:
        return current_principal(context)
    except UnknownUser:
        return None
