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
"""From a request to a page: one connection, one transaction for each."""

from collections.abc import Callable
from collections.abc import Iterable
from datetime import UTC
from datetime import tzinfo
from typing import Any

from webob import Request
from webob import Response
from webob.exc import HTTPBadRequest
from webob.exc import HTTPException
from webob.exc import HTTPMethodNotAllowed
from webob.exc import HTTPNotFound

from zodbschedule import reading
from zodbschedule.reading.masking import Mask
from zodbschedule.web import assets
from zodbschedule.web import templates
from zodbschedule.web.access import Who
from zodbschedule.web.access import remote_user
from zodbschedule.web.acting import ACTS
from zodbschedule.web.acting import Act
from zodbschedule.web.headers import protect
from zodbschedule.web.pages import PAGES
from zodbschedule.web.seal import Seal
from zodbschedule.web.site import Site
from zodbschedule.web.visit import Visit
from zodbschedule.web.visitor import Visitor


MENU = [(name, page.title) for name, page in PAGES.items() if page.in_menu]


class Application:
    """A WSGI application that shows one schedule; see `application`."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def __call__(self, environ: dict[str, Any],
                 start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        try:
            response = self.respond(request)
        except HTTPException as refusal:
            response = refusal
        except reading.InvalidCursor as error:
            response = HTTPBadRequest(str(error))
        except UnicodeDecodeError:
            response = HTTPBadRequest('The request is not in UTF-8.')
        answer: Iterable[bytes] = protect(response)(environ, start_response)
        return answer

    def respond(self, request: Request) -> Response:
        """The answer; raises an `HTTPException` for one that is none."""
        name, _, rest = request.path_info.lstrip('/').partition('/')
        if name == 'static':
            return assets.response(rest)
        return self._act(request, name) if name in ACTS and not rest else (
            self._show(request, name, rest))

    def _show(self, request: Request, name: str, rest: str) -> Response:
        page = PAGES.get(name)
        if page is None or bool(rest) != page.of_one:
            raise HTTPNotFound('There is no such page.')
        if request.method not in ('GET', 'HEAD'):
            raise HTTPMethodNotAllowed('This page can only be read.')
        with self.site.reading() as schedule:
            visit = Visit(request, self.site, schedule, name, rest)
            return visit.page(templates.page(visit, page.body(visit), MENU))

    def _act(self, request: Request, name: str) -> Response:
        if request.method != 'POST':
            raise HTTPMethodNotAllowed('This takes POST only.')
        visitor = Visitor(request, self.site)
        visitor.check()
        return self.site.change(
            lambda schedule: self._answer(
                Visit(request, self.site, schedule, name, ''), ACTS[name]),
            visitor.user, f'{name} in the browser')

    @staticmethod
    def _answer(visit: Visit, act: Act) -> Response:
        """What an act leads to; the form again, if something is wrong in it.
        """
        answer = act(visit)
        if isinstance(answer, Response):
            return answer
        response = visit.page(templates.page(visit, answer, MENU))
        response.status = 422
        return response


def application(db: Any, path: str = 'schedule', *,
                allow_changes: bool = False, who: Who = remote_user,
                secret: str | bytes | None = None, zone: tzinfo = UTC,
                mask: Mask | None = None, tracebacks: bool = False
                ) -> Application:
    """A WSGI application that shows the schedule at *path* in *db*.

    *db* is a `ZODB.DB`; *path* has the keys from its root, with slashes
    between them.  Without *allow_changes* it only reads.  *who* gives the name
    of the user from a `webob.Request`, or '' if nobody has logged in; by
    default it is REMOTE_USER, as the server sets it.  *secret* signs cookies
    and forms; by default it is random, and several processes need the same.
    Times are shown in *zone*.  *mask* says of a name whether arguments and
    attributes that have it must not be shown; then errors are shown by their
    classes alone.  With *tracebacks* these are shown, too.
    """
    return Application(Site(
        db, path, allow_changes=allow_changes, who=who, seal=Seal(secret),
        zone=zone, mask=mask, tracebacks=tracebacks))
