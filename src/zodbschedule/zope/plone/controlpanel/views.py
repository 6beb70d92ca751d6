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
"""The views of the panel.

Each one shows a page, and writes nothing; `ActView` does what buttons say.
"""

from abc import abstractmethod
from typing import Any

import transaction
from plone.protect import CheckAuthenticator
from Products.Five import BrowserView
from Products.Five.browser.pagetemplatefile import ViewPageTemplateFile
from webob import Response
from webob.exc import HTTPException
from webob.exc import HTTPMethodNotAllowed
from webob.exc import HTTPNotFound
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse
from zope.publisher.interfaces import NotFound

from zodbschedule.interfaces import ScheduleError
from zodbschedule.reading import InvalidCursor
from zodbschedule.web import templates
from zodbschedule.web.forgery import refuse_unfit
from zodbschedule.web.one import refuse_unless_read
from zodbschedule.web.refusals import KEPT
from zodbschedule.web.refusals import refusal_of
from zodbschedule.web.visit import Body
from zodbschedule.zope.plone.controlpanel.addresses import NAMES
from zodbschedule.zope.plone.controlpanel.addresses import PANEL_ACTS
from zodbschedule.zope.plone.controlpanel.addresses import PANEL_PAGES
from zodbschedule.zope.plone.controlpanel.visit import PanelVisit
from zodbschedule.zope.plone.controlpanel.visit import as_webob
from zodbschedule.zope.plone.controlpanel.visit import shown_site
from zodbschedule.zope.sites import schedule_of


# What is answered in the panel.  All else is for the publisher: it tries again
# after a conflict.
REFUSED = HTTPException, InvalidCursor, ScheduleError


@implementer(IPublishTraverse)
class PanelView(BrowserView):
    """What a view takes from its address, and how it answers."""

    layout = ViewPageTemplateFile('panel.pt')

    #: what follows its name in the address
    rest = ''
    #: of the page, and what it says, as HTML
    title = ''
    body = ''

    def publishTraverse(self, request: Any, name: str) -> Any:
        """Take one more part of the address."""
        if self.rest:
            raise NotFound(self, name, request)
        self.rest = name
        return self

    def __call__(self) -> str:
        self.visit = self._visit()
        try:
            answer = self.answer(self.visit)
        except REFUSED as error:
            return self._refuse(refusal_of(error))
        if not isinstance(answer, Response):
            return self.page(answer)
        self.request.response.redirect(answer.location, status=303)
        return ''

    @abstractmethod
    def answer(self, visit: PanelVisit) -> Response | Body:
        """What is shown, or what the act leads to."""

    def _visit(self) -> PanelVisit:
        schedule = schedule_of(self.context)
        if schedule is None:
            raise NotFound(self.context, self.__name__, self.request)
        name = NAMES.get(self.__name__, self.rest)
        return PanelVisit(
            as_webob(self.request), shown_site(self.context), name, schedule,
            self.rest, self.context)

    def page(self, shown: Body) -> str:
        """It in the layout of Plone; alone if htmx asks for a part."""
        self.title = shown.title
        self.body = templates.body(self.visit, shown)
        response = self.request.response
        response.setHeader('Cache-Control', 'no-store')
        if not self.visit.is_part:
            return str(self.layout())
        response.setHeader('X-Theme-Disabled', '1')
        return f'<div class="zodbschedule">{self.body}</div>'

    def _refuse(self, refusal: HTTPException) -> str:
        """Say why nothing was done; and nothing is."""
        transaction.doom()
        response = self.request.response
        response.setStatus(refusal.status_code)
        for name in KEPT:
            if name in refusal.headers:
                response.setHeader(name, refusal.headers[name])
        return self.page(Body('refusal', refusal.title, {
            'text': refusal.detail or refusal.explanation}))

    @property
    def tabs(self) -> list[dict[str, Any]]:
        """The pages, for the layout."""
        return [{'url': self.visit.url(name), 'title': page.title,
                 'current': name == self.visit.name}
                for name, page in PANEL_PAGES.items() if page.in_menu]

    @property
    def static(self) -> str:
        """Where the files of the panel are."""
        return f'{self.context.absolute_url()}/@@schedule-static'

    @property
    def zone(self) -> str:
        """In which all times are."""
        return templates.words(self.visit).zone_name


class PageView(PanelView):
    """A page, by the name of the view."""

    def answer(self, visit: PanelVisit) -> Body:
        """What the page says."""
        refuse_unless_read(visit.request)
        page = PANEL_PAGES[visit.name]
        if page.of_one != bool(visit.id):
            raise HTTPNotFound('There is no such page.')
        return page.body(visit)


class ActView(PanelView):
    """Does what a button says, if its form is from here."""

    def answer(self, visit: PanelVisit) -> Response | Body:
        """What the act leads to."""
        if visit.request.method != 'POST':
            raise HTTPMethodNotAllowed(
                'This takes POST only.', headers={'Allow': 'POST'})
        refuse_unfit(visit.request)
        CheckAuthenticator(self.request)
        if visit.name not in PANEL_ACTS:
            raise HTTPNotFound('There is no such page.')
        visit.id = ''
        answer = PANEL_ACTS[visit.name](visit)
        if isinstance(answer, Body):
            self.request.response.setStatus(422)
        return answer
