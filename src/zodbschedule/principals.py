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
"""The ways of adopting a principal that this process knows, and the plain one.

A schedule names the `IPrincipals` that its tasks need.  A process that knows
none of that name may look, cancel and discard, but runs nothing.
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
    """Records the id of the principal, in the transaction; enforces nothing.

    See `IPrincipals`.
    """

    name = 'plain'

    # Shared by all runs of all threads: it holds no state.
    _nobody: AbstractContextManager[None] = nullcontext()

    def ready(self) -> None:
        """Always."""

    def adopt(self, principal_id: str | None,
              task: object) -> AbstractContextManager[None]:
        return self._nobody


# Whoever writes holds the lock; a lookup is one step and needs none.
_lock = Lock()
_known: dict[str, Any] = {}


def register(principals: Any) -> Any:
    """Make *principals*, an `IPrincipals`, known in this process.

    Returns the one that had the same name, whose place it takes, or None.
    Raises `zope.interface.Invalid` for what does not provide `IPrincipals`,
    and says what is missing.
    """
    verifyObject(IPrincipals, principals)
    name = principals.name
    getFields(IPrincipals)['name'].validate(name)
    with _lock:
        previous = _known.get(name)
        _known[name] = principals
    return previous


def unregister(name: str) -> Any:
    """Forget the `IPrincipals` of that name; return it, or None.

    Also the plain one: this process then runs nothing without security.
    """
    with _lock:
        return _known.pop(name, None)


def find(name: str) -> Any:
    """The `IPrincipals` of that name; `PrincipalsMissing` if there is none."""
    try:
        return _known[name]
    except KeyError:
        raise PrincipalsMissing(_missing(name)) from None


def _missing(name: str) -> str:
    with _lock:
        here = ', '.join(map(repr, sorted(_known))) or 'none'
    return (
        f'The schedule asks for the principals {name!r}, and this process '
        f'knows: {here}. Import them and call '
        f'zodbschedule.principals.register() before process(). Until then '
        f'this process may look, cancel and discard, but does not run tasks.')


register(Plain())
