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
"""The registry of `IPrincipals`, the ways to adopt a principal.

A schedule names the one that its tasks need.  A process in which that is not
registered may look, cancel and discard, but runs nothing.
"""

from contextlib import AbstractContextManager
from contextlib import nullcontext
from threading import Lock
from typing import Any

from zope.interface import implementer
from zope.interface.verify import verifyObject
from zope.schema import getFields

from zodbschedule.interfaces import IPrincipals
from zodbschedule.interfaces import PrincipalsMissing


@implementer(IPrincipals)
class Plain:
    """The `IPrincipals` that enforces nothing.

    The id of the principal is on record all the same, as the user of the
    run's transaction.
    """

    name = 'plain'

    # All runs of all threads share it: it has no state.
    _context: AbstractContextManager[None] = nullcontext()

    def ready(self) -> None:
        """Do nothing: a run may always begin."""

    def adopt(self, principal_id: str | None,
              task: object) -> AbstractContextManager[None]:
        return self._context


# For changes; a lookup is one step and needs no lock.
_lock = Lock()
_known: dict[str, Any] = {}


def register(principals: Any) -> Any:
    """Register *principals*, an `IPrincipals`, in this process.

    It replaces the one with the same name, which is returned, or None.  Raises
    `zope.interface.Invalid`, which says what is missing, if *principals* does
    not provide `IPrincipals`.  May be called from any thread, in or outside of
    a transaction: nothing is stored.
    """
    verifyObject(IPrincipals, principals)
    name = principals.name
    getFields(IPrincipals)['name'].validate(name)
    with _lock:
        previous = _known.get(name)
        _known[name] = principals
    return previous


def unregister(name: str) -> Any:
    """Remove the `IPrincipals` of that name; return it, or None.

    Without ``'plain'`` this process runs no task without security.
    """
    with _lock:
        return _known.pop(name, None)


def find(name: str) -> Any:
    """The `IPrincipals` of that name; else raises `PrincipalsMissing`."""
    try:
        return _known[name]
    except KeyError:
        raise PrincipalsMissing(_missing(name)) from None


def _missing(name: str) -> str:
    with _lock:
        names = ', '.join(map(repr, sorted(_known))) or 'none'
    return (
        f'The schedule asks for the principals {name!r}, and this process '
        f'knows: {names}. Import them and call '
        f'zodbschedule.principals.register() before process(). Until then '
        f'this process may look, cancel and discard, but does not run tasks.')


register(Plain())
