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
    jane                     as acl_users:jane; the id has no colon
    :system                  the system, which has all permissions
    None                     Anonymous

What has a colon is never an id alone, so that nobody becomes the system, or a
user of another folder, by the choice of an id.
"""

import re
from itertools import takewhile
from typing import Any

from AccessControl import getSecurityManager
from AccessControl.users import UnrestrictedUser
from AccessControl.users import nobody
from AccessControl.users import system
from Acquisition import aq_inner
from Acquisition import aq_parent

from zodbschedule.interfaces import InvalidTask
from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.contexts import path_below
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.contexts import upward


#: the ``principalId`` of the system user
SYSTEM = ':system'

# A catalog finds what the roles of a user may view.
_system = UnrestrictedUser(
    system.getUserName(), '', ('manage', 'Manager'), [])

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
    # Above the root is a request.
    for each in takewhile(lambda each: path_of(each) != '/', upward(site)):
        inside = path_below(each, path)
        if inside is not None:
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
        return _system.__of__(_special_folder(site))
    path, user_id = _parts_of(principal_id)
    start = site.getPhysicalRoot() if path.startswith('/') else site
    folder = object_at(*_from_above(start, path))
    user = None if folder is None else _user_in(folder, user_id)
    if user is None:
        problem = 'is gone' if folder is None else 'has no such user'
        raise UnknownUser(f'{path} {problem}: {principal_id!r}')
    return user


def _parts_of(principal_id: str) -> tuple[str, str]:
    """The path of the folder, and the id of the user there."""
    qualified = _QUALIFIED.fullmatch(principal_id)
    if qualified is not None:
        return qualified['folder'], qualified['id']
    if ':' in principal_id:
        raise UnknownUser(
            f'{principal_id!r} names no user; an id with a colon needs its '
            f'folder: {USER_FOLDER}:{principal_id}')
    return USER_FOLDER, principal_id


def refuse_misread(principal_id: str | None) -> None:
    """Raise `InvalidTask` if it is an id alone, and would name another user.

    That is known if it is the id of the current user.
    """
    if principal_id is not None and ':' in principal_id and (
            principal_id == getSecurityManager().getUser().getId()):
        raise InvalidTask(
            f'principalId is {principal_id!r}, the id of the current user, '
            f'which names another user here; give '
            f'current_principal(context)')


def _from_above(context: Any, path: str) -> tuple[Any, str]:
    """What *path* begins with, and the rest of it."""
    while path.startswith(UP):
        context, path = aq_parent(aq_inner(context)), path.removeprefix(UP)
    return context, path


def _user_in(folder: Any, user_id: str) -> Any:
    user = folder.getUserById(user_id, None)
    # A folder may find a user of another id, as one in other letters.
    if user is None or user.getId() != user_id:
        return None
    return user.__of__(folder)


def _special_folder(site: Any) -> Any:
    """The folder that the special users are wrapped in."""
    return object_at(site, USER_FOLDER) or site.getPhysicalRoot().acl_users
