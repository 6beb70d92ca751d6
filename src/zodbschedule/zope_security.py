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
"""Running tasks inside an interaction of zope.security.

Needs the extra ``security``.  A process says that it can do so by

.. code-block:: python

    principals.register(ZopeSecurity())

zope.security keeps the interaction of a thread in a `threading.local`, in two
attributes: the current one, and the one that was ended last, which its
``restoreInteraction()`` brings back::

                     interaction    previous_interaction
    before                A                  P
    a run begins      the run's             none
    afterwards            A                  P

Both are set aside and put back.  A task could otherwise restore the
interaction of the request that called ``process()``; and that request could
restore the one of the task.
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
    """Each run is an interaction of its own, with the task's principal.

    See `IPrincipals`.  The principal is the one that the `IAuthentication`
    utility knows at the time of the run, so that local sites work.
    """

    name = 'zope.security'

    def ready(self) -> None:
        _authentication()

    @contextmanager
    def adopt(self, principal_id: str | None, task: object) -> Iterator[None]:
        # The principal is looked up without an interaction too, as for a
        # request: whom a plug-in finds must not depend on who is asking.
        with _no_interaction():
            newInteraction(Participation(find_principal(principal_id)))
            yield


@implementer(IParticipation)
class Participation:
    """The one participation in the interaction of a run."""

    def __init__(self, principal: Any) -> None:
        self.principal = principal
        # zope.security writes here which interaction it belongs to.
        self.interaction: Any = None


def find_principal(principal_id: str | None) -> Any:
    """The principal that a run needs; never another, and never None.

    Raises `zope.authentication.interfaces.PrincipalLookupError`.
    """
    authentication = _authentication()
    if principal_id is None:
        return _nobody(authentication)
    if principal_id == system_user.id:
        # No utility knows it; policies let it do everything.
        return system_user
    principal = authentication.getPrincipal(principal_id)
    found = getattr(principal, 'id', None)
    if found != principal_id:
        raise PrincipalLookupError(
            f'The task needs the principal {principal_id!r}, and the '
            f'authentication utility gave {found!r}')
    return principal


def _nobody(authentication: Any) -> Any:
    """The unauthenticated principal.

    An interaction with no participation at all, which would be another way
    of saying "nobody", means trusted code to the policies of zope.security:
    it may do everything.
    """
    principal = authentication.unauthenticatedPrincipal()
    if principal is None:
        raise PrincipalLookupError(
            'The task has no principalId, and the authentication utility has '
            'no unauthenticated principal to run it as: define one, or '
            'schedule the task with a principalId')
    return principal


def _authentication() -> Any:
    authentication = queryUtility(IAuthentication)
    if authentication is None:
        raise PrincipalsMissing(
            'The schedule asks for zope.security, and in this process no '
            'utility for zope.authentication.interfaces.IAuthentication is '
            'registered: load the configuration of the application before '
            'process(). Until then this process may look, cancel and '
            'discard, but does not run tasks.')
    return authentication


# Where zope.security keeps what it knows of a thread.  Its functions cannot
# put back an interaction that is not the one ended last, so we go there.
_KEPT = ('interaction', 'previous_interaction')


@contextmanager
def _no_interaction() -> Iterator[None]:
    """Begin with no interaction; afterwards all is as it was."""
    state = vars(thread_local)
    before = {name: state.pop(name) for name in _KEPT if name in state}
    try:
        yield
    finally:
        for name in _KEPT:
            state.pop(name, None)
        state.update(before)
