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
"""Whose id stands in ``principalId``, and who that is when a task runs.

The same id may name different people in different user folders, so that the
folder belongs to it::

    acl_users:jane           of the site's own folder
    /acl_users:admin         of the folder of the application root
    jane                     of the nearest folder upward that knows one; for
                             tasks that were written by hand
    zope.security.management.system_user
                             the system, who may do everything
    None                     Anonymous
"""

import re
from typing import Any

from AccessControl.users import nobody
from AccessControl.users import system
from Acquisition import aq_inner
from Acquisition import aq_parent
from zope.security.management import system_user

from zodbschedule.zope.sites import path_of
from zodbschedule.zope.sites import site_at


#: the id of the system user, as in zope.security
SYSTEM: str = system_user.id

FOLDER = 'acl_users'

_SPELLED = re.compile(rf'(?P<folder>/?(?:[^/:]+/)*{FOLDER}):(?P<id>.+)', re.S)


class UnknownUser(LookupError):
    """There is no such user; nobody else runs the task."""


def spelled(user: Any, site: Any) -> str | None:
    """What names *user*, wrapped as security managers hold it, in *site*.

    Raises `UnknownUser` for one that no folder could find again, as the
    emergency user.
    """
    if user is None or user.getUserName() == nobody.getUserName():
        return None
    if user.getUserName() == system.getUserName() and user.getId() is None:
        return SYSTEM
    folder = aq_parent(aq_inner(user))
    if user.getId() is None or folder is None or (
            folder.getUserById(user.getId()) is None):
        raise UnknownUser(
            f'{user!r} is in no user folder, so that no task can run as that '
            f'user')
    path, inside = path_of(folder), path_of(site) + '/'
    return f'{path.removeprefix(inside)}:{user.getId()}'


def find_user(principal_id: str | None, site: Any) -> Any:
    """The user of that name, wrapped in the folder; see above.

    Raises `UnknownUser`.
    """
    if principal_id is None:
        return nobody.__of__(_folder_of(site))
    if principal_id == SYSTEM:
        return system.__of__(_folder_of(site))
    found = _SPELLED.fullmatch(principal_id)
    if found is None:
        return _search(principal_id, site)
    path, user_id = found['folder'], found['id']
    folder = site_at(
        site.getPhysicalRoot() if path.startswith('/') else site, path)
    user = None if folder is None else _user_in(folder, user_id)
    if user is None:
        raise UnknownUser(
            f'{path} {"is gone" if folder is None else "has no such user"}: '
            f'{principal_id!r}')
    return user


def _search(user_id: str, site: Any) -> Any:
    context = site
    while context is not None:
        folder = _own_folder(context)
        user = None if folder is None else _user_in(folder, user_id)
        if user is not None:
            return user
        context = aq_parent(aq_inner(context))
    raise UnknownUser(
        f'no user folder from {path_of(site)} upward has a user with the id '
        f'{user_id!r}')


def _user_in(folder: Any, user_id: str) -> Any:
    user = folder.getUserById(user_id, None)
    if user is None or user.getId() != user_id:
        return None
    return user.__of__(folder)


def _own_folder(context: Any) -> Any:
    return site_at(context, FOLDER)


def _folder_of(site: Any) -> Any:
    """The folder that the special users are wrapped in."""
    return _own_folder(site) or site.getPhysicalRoot().acl_users
