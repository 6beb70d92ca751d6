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
"""From a request to an answer, whatever happens on the way."""

from collections.abc import Callable
from collections.abc import Iterable
from datetime import UTC
from datetime import tzinfo
from typing import Any

from webob import Request
from webob import Response
from webob.exc import HTTPBadRequest

from zodbschedule.reading.masking import Mask
from zodbschedule.web import probes
from zodbschedule.web import refusals
from zodbschedule.web.access import Who
from zodbschedule.web.access import remote_user
from zodbschedule.web.headers import protect
from zodbschedule.web.one import OneSchedule
from zodbschedule.web.one import refuse_unless_read
from zodbschedule.web.seal import Seal
from zodbschedule.web.several import Places
from zodbschedule.web.several import SeveralSchedules
from zodbschedule.web.site import Site


class Application:
    """A WSGI application that shows schedules; see `application`."""

    def __init__(self, shown: OneSchedule | SeveralSchedules) -> None:
        self.shown = shown
        self.readiness = probes.Readiness(shown.sites)
        self.metrics = probes.Metrics(shown.sites)

    def __call__(self, environ: dict[str, Any],
                 start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        try:
            response = self.respond(request)
        except Exception as error:
            response = refusals.page(
                request, self.shown.site, refusals.refusal_of(error),
                self.shown.menu)
        answer: Iterable[bytes] = protect(response)(environ, start_response)
        return answer

    def respond(self, request: Request) -> Response:
        """The answer; raises an `HTTPException` for one that is none."""
        match decoded_path(request):
            case '/healthz':
                refuse_unless_read(request)
                return probes.alive()
            case '/readyz':
                refuse_unless_read(request)
                return self.readiness.response()
        # Nobody else gets in who may not even look.
        self.shown.site.who(request)
        if request.path_info == '/metrics':
            refuse_unless_read(request)
            return self.metrics.response(request.headers.get('Accept', ''))
        return self.shown.respond(request)


def decoded_path(request: Request) -> str:
    """The path; raises HTTPBadRequest if that, or the query, is no text."""
    try:
        # The parameters are decoded when they are asked for.
        len(request.GET)
        return str(request.path_info)
    except UnicodeDecodeError as error:
        raise HTTPBadRequest('The address is not in UTF-8.') from error


def application(db: Any, path: str = 'schedule', *,
                places: Places | None = None,
                allow_changes: bool = False, who: Who = remote_user,
                secret: str | bytes | None = None, zone: tzinfo = UTC,
                mask: Mask | None = None, tracebacks: bool = False
                ) -> Application:
    """A WSGI application that shows the schedule at *path* in *db*.

    *db* is a `ZODB.DB`; *path* has the keys from its root, with slashes
    between them.  With *places* it shows several: that is given a connection
    and returns a mapping of names to paths.

    Without *allow_changes* the application only reads.  *who* gives the name
    of the user from a `webob.Request`, or '' if nobody has logged in; by
    default it is REMOTE_USER, as the server sets it.  *secret* signs cookies
    and forms; by default it is random, and several processes need the same.
    Times are shown in *zone*.  *mask* says of a name whether arguments and
    attributes that have it must not be shown; then errors are shown by their
    classes alone.  With *tracebacks* these are shown, too.

    Raises TypeError for what is of another type: else each page would fail,
    later.
    """
    if not isinstance(path, str) and not callable(path):
        raise TypeError(f'path is {path!r}; it has to be a str, or a function '
                        f'of the root that returns the schedule')
    if not isinstance(zone, tzinfo):
        raise TypeError(f'zone is {zone!r}; it has to be a tzinfo, such as '
                        f'zoneinfo.ZoneInfo("Europe/Berlin")')
    for name, given in ('places', places), ('who', who), ('mask', mask):
        if given is not None and not callable(given):
            raise TypeError(f'{name} is {given!r}; it has to be a function')
    site = Site(db, path if places is None else '',
                allow_changes=allow_changes, who=who, seal=Seal(secret),
                zone=zone, mask=mask, tracebacks=tracebacks)
    return Application(OneSchedule(site) if places is None else
                       SeveralSchedules(site, places))
