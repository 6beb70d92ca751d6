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
"""The pages and the acts of one schedule."""

from collections.abc import Mapping

from webob import Request
from webob import Response
from webob.exc import HTTPMethodNotAllowed
from webob.exc import HTTPNotFound

from zodbschedule.web import assets
from zodbschedule.web import templates
from zodbschedule.web.acting import ACTS
from zodbschedule.web.acting import Act
from zodbschedule.web.pages import PAGES
from zodbschedule.web.pages.page import Page
from zodbschedule.web.site import Site
from zodbschedule.web.visit import Visit
from zodbschedule.web.visitor import Visitor


MENU = [(name, page.title) for name, page in PAGES.items() if page.in_menu]


class OneSchedule:
    """What there is to see and to do of one schedule."""

    menu = MENU

    def __init__(self, site: Site) -> None:
        self.site = site

    def respond(self, request: Request) -> Response:
        """The answer; raises an `HTTPException` for one that is none."""
        name, _, rest = request.path_info.lstrip('/').partition('/')
        if name == assets.FOLDER.rstrip('/'):
            return assets.response(f'{name}/{rest}')
        if name in ACTS and not rest:
            return self._act(request, name)
        page = PAGES.get(name)
        if page is None or bool(rest) != page.of_one:
            raise HTTPNotFound('There is no such page.')
        return self._show(request, name, rest, page)

    def sites(self) -> Mapping[str, Site]:
        """The schedules, by their paths."""
        return {self.site.label: self.site}

    def _show(self, request: Request, name: str, rest: str, page: Page
              ) -> Response:
        refuse_unless_read(request)
        with self.site.reading() as schedule:
            visit = Visit(request, self.site, name, schedule, rest)
            return visit.page(templates.page(visit, page.body(visit), MENU))

    def _act(self, request: Request, name: str) -> Response:
        if request.method != 'POST':
            raise HTTPMethodNotAllowed(
                'This takes POST only.', headers={'Allow': 'POST'})
        visitor = Visitor(request, self.site, name)
        visitor.check()
        return self.site.change(
            lambda schedule: self._answer(
                Visit(request, self.site, name, schedule, ''), ACTS[name]),
            visitor.user, f'{name} in the browser')

    @staticmethod
    def _answer(visit: Visit, act: Act) -> Response:
        """What an act leads to; the form again, if something in it is wrong.
        """
        answer = act(visit)
        if isinstance(answer, Response):
            return answer
        response = visit.page(templates.page(visit, answer, MENU))
        response.status = 422
        return response


def refuse_unless_read(request: Request) -> None:
    """Raise HTTPMethodNotAllowed for a method that may change something."""
    if request.method not in ('GET', 'HEAD'):
        raise HTTPMethodNotAllowed('This page can only be read.',
                                   headers={'Allow': 'GET, HEAD'})
