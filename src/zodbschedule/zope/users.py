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
"""Which user a ``principalId`` names.

The same id may name different people in different user folders, so that the
folder is a part of it::

    acl_users:jane           of the site's own folder
    ../acl_users:jane        of the folder of the object above the site
    /acl_users:admin         of the folder of the application root
    jane                     of the nearest folder upward that has this user;
                             for tasks that were written by hand
    zope.security.management.system_user
                             the system, which has all permissions
    None                     Anonymous
"""

import re
from typing import Any

from AccessControl.users import nobody
from AccessControl.users import system
from Acquisition import aq_inner
from Acquisition import aq_parent
from zope.security.management import system_user

from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.contexts import path_below
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.contexts import upward


#: the id of the system user, as in zope.security
SYSTEM: str = system_user.id

USER_FOLDER = 'acl_users'

#: at the start of a path: from the object above
UP = '../'

# An id with the path of its folder.
_QUALIFIED = re.compile(
    rf'(?P<folder>/?(?:[^/:]+/)*{USER_FOLDER}):(?P<id>.+)', re.S)


class UnknownUser(LookupError):
    """There is no such user.  The task runs as no other user instead."""


def principal_id_of(user: Any, site: Any) -> str | None:
    """Return the ``principalId`` that names *user* in *site*.

    *user* is wrapped in its user folder, as a security manager has it.
    Raises `UnknownUser` for a user that no folder finds again, such as the
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
            f'{user!r} is not in a user folder; a task cannot run as this '
            f'user')
    return f'{_path_of_folder(folder, site)}:{user.getId()}'


def _path_of_folder(folder: Any, site: Any) -> str:
    """The path of a user folder, from *site*.

    It leads there after an object above both was moved, and in a copy of that.
    Only from the root, with a slash at the start, if there is no such object.
    """
    path, up = path_of(folder), ''
    for each in upward(site):
        inside = path_below(each, path)
        if inside is not None and path_of(each) != '/':
            return up + inside
        up += UP
    return path


def find_user(principal_id: str | None, site: Any) -> Any:
    """Return the user that *principal_id* names, wrapped in the folder.

    Raises `UnknownUser`.
    """
    if principal_id is None:
        return nobody.__of__(_special_folder(site))
    if principal_id == SYSTEM:
        return system.__of__(_special_folder(site))
    qualified = _QUALIFIED.fullmatch(principal_id)
    if qualified is None:
        return _find_upward(principal_id, site)
    return _find_in_folder(qualified, site)


def _find_in_folder(qualified: re.Match[str], site: Any) -> Any:
    path, user_id = qualified.group('folder', 'id')
    start = site.getPhysicalRoot() if path.startswith('/') else site
    folder = object_at(*_from_above(start, path))
    user = None if folder is None else _user_in(folder, user_id)
    if user is None:
        problem = 'is gone' if folder is None else 'has no such user'
        raise UnknownUser(f'{path} {problem}: {qualified.string!r}')
    return user


def _from_above(context: Any, path: str) -> tuple[Any, str]:
    """What *path* begins with, and the rest of it."""
    while path.startswith(UP):
        context, path = aq_parent(aq_inner(context)), path.removeprefix(UP)
    return context, path


def _find_upward(user_id: str, site: Any) -> Any:
    context = site
    while context is not None:
        folder = object_at(context, USER_FOLDER)
        user = None if folder is None else _user_in(folder, user_id)
        if user is not None:
            return user
        context = aq_parent(aq_inner(context))
    raise UnknownUser(
        f'no user folder from {path_of(site)} upward has a user with the id '
        f'{user_id!r}')


def _user_in(folder: Any, user_id: str) -> Any:
    user = folder.getUserById(user_id, None)
    # A folder may find a user of another id, as one in other letters.
    if user is None or user.getId() != user_id:
        return None
    return user.__of__(folder)


def _special_folder(site: Any) -> Any:
    """The folder that the special users are wrapped in."""
    return object_at(site, USER_FOLDER) or site.getPhysicalRoot().acl_users
