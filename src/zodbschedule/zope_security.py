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
"""Runs of tasks inside an interaction of zope.security.

Needs the extra ``security``.  A process enables it by

.. code-block:: python

    principals.register(ZopeSecurity())

zope.security keeps the interactions of a thread in a `threading.local`, in two
attributes: the current one, and the one that ended last, which its
``restoreInteraction()`` brings back::

                     interaction    previous_interaction
    before                A                  P
    a run begins      the run's             none
    afterwards            A                  P

Both are removed for the run and restored after it.  Otherwise a task could
restore the interaction of the request that called ``process()``, and that
request could restore the interaction of the task.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zope.interface import implementer

from zodbschedule.interfaces import IPrincipals
from zodbschedule.interfaces import PrincipalsMissing


try:
    from zope.authentication.interfaces import IAuthentication
    from zope.authentication.interfaces import PrincipalLookupError
    from zope.component import queryUtility
    from zope.security.interfaces import IParticipation
    from zope.security.management import newInteraction
    from zope.security.management import system_user
    from zope.security.management import thread_local
except ImportError as error:
    raise ImportError(
        f'zodbschedule.zope_security needs zope.security, '
        f'zope.authentication and zope.component ({error}): '
        f"pip install 'zodbschedule[security]'",
        name=error.name, path=error.path) from error


@implementer(IPrincipals)
class ZopeSecurity:
    """Gives each run its own interaction, with the principal of the task.

    See `IPrincipals`.  The `IAuthentication` utility is asked for the
    principal at the time of the run, so local sites work.
    """

    name = 'zope.security'

    def ready(self) -> None:
        _authentication()

    @contextmanager
    def adopt(self, principal_id: str | None, task: object) -> Iterator[None]:
        # The principal is also looked up without an interaction, as for a
        # request: the answer must not depend on the principal that asks.
        with _no_interaction():
            newInteraction(Participation(find_principal(principal_id)))
            yield


@implementer(IParticipation)
class Participation:
    """The one participation in the interaction of a run."""

    def __init__(self, principal: Any) -> None:
        self.principal = principal
        # zope.security sets the interaction that this belongs to.
        self.interaction: Any = None


def find_principal(principal_id: str | None) -> Any:
    """The principal with that id; with None, the unauthenticated one.

    Raises `zope.authentication.interfaces.PrincipalLookupError` if there is
    none: there is no fallback.
    """
    authentication = _authentication()
    if principal_id is None:
        return _unauthenticated_principal(authentication)
    if principal_id == system_user.id:
        # No utility knows it; policies let it do everything.
        return system_user
    principal = authentication.getPrincipal(principal_id)
    actual_id = getattr(principal, 'id', None)
    if actual_id != principal_id:
        raise PrincipalLookupError(
            f'The task needs the principal {principal_id!r}, but the '
            f'authentication utility gave {actual_id!r}')
    return principal


def _unauthenticated_principal(authentication: Any) -> Any:
    """The unauthenticated principal.

    An interaction without a participation would not do: to the policies of
    zope.security that means trusted code, which may do everything.
    """
    principal = authentication.unauthenticatedPrincipal()
    if principal is None:
        raise PrincipalLookupError(
            'The task has no principalId, and the authentication utility has '
            'no unauthenticated principal to run it as; define one, or '
            'schedule the task with a principalId')
    return principal


def _authentication() -> Any:
    authentication = queryUtility(IAuthentication)
    if authentication is None:
        raise PrincipalsMissing(
            'The schedule asks for zope.security, but this process has no '
            'utility for zope.authentication.interfaces.IAuthentication; '
            'load the configuration of the application before process(). '
            'Until then this process may look, cancel and discard, but does '
            'not run tasks.')
    return authentication


# The attributes above.  The functions of zope.security can restore only the
# interaction that ended last, so the attributes are set directly.
_ATTRIBUTES = ('interaction', 'previous_interaction')


@contextmanager
def _no_interaction() -> Iterator[None]:
    """A context without an interaction; its end restores the state before."""
    state = vars(thread_local)
    before = {name: state.pop(name) for name in _ATTRIBUTES if name in state}
    try:
        yield
    finally:
        for name in _ATTRIBUTES:
            state.pop(name, None)
        state.update(before)
