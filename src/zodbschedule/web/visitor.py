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
"""Who asks, what they may do, and what their browser keeps for us."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote
from urllib.parse import urlencode

from webob import Request
from webob import Response
from webob.exc import HTTPForbidden

from zodbschedule import clock
from zodbschedule.web import forgery
from zodbschedule.web import messages
from zodbschedule.web.messages import Message
from zodbschedule.web.site import Site


# The cookies: what a token is for, and what the next page says.
SESSION = 'zodbschedule-session'
MESSAGE = 'zodbschedule-message'


@dataclass
class Visitor:
    """Who sends a request."""

    request: Request
    site: Site
    #: of the page, as in its address
    name: str

    @cached_property
    def now(self) -> datetime:
        """When it is read, in UTC; the same everywhere on the page."""
        return clock.now()

    # -- where other pages are

    def url(self, page: str, id: str = '', **query: Any) -> str:
        """The address of a page, with those parameters that are not None."""
        parts = [quote(self.request.script_name), page,
                 *([quote(id, safe='')] if id else [])]
        given = {name: value for name, value in query.items()
                 if value is not None}
        return '/'.join(parts) + (f'?{urlencode(given)}' if given else '')

    @property
    def all_schedules(self) -> str | None:
        """The address of the page that leads to all; None: there is one."""
        return None if self.site.at is None else quote(
            self.request.script_name.removesuffix(self.site.at)) + '/'

    # -- who asks, and what they may do

    # The name of the hidden field for `token`.
    token_field = forgery.FIELD

    @cached_property
    def user(self) -> str:
        """Who asks, for the record; '' if that is not known."""
        return self.site.who(self.request)

    @property
    def may_change(self) -> bool:
        """Whether the page has buttons that change something."""
        return self.site.allow_changes and bool(self.user)

    @cached_property
    def session(self) -> str:
        """The value of the cookie that a token is for."""
        cookie: str = self.request.cookies.get(SESSION, '')
        return cookie if forgery.is_session(cookie) else forgery.new_session()

    @property
    def token(self) -> str:
        """What the hidden field holds, in each form that posts."""
        return forgery.token_of(self.site.seal, self.session, self.user)

    def check(self) -> None:
        """Raise an error for an act that must not happen."""
        if not self.site.allow_changes:
            raise HTTPForbidden(
                'These pages can only be read: the application was started '
                'without --allow-changes.')
        if not self.user:
            raise HTTPForbidden('It is not known who you are, so you can only '
                                'read: log in.')
        forgery.refuse_unfit(self.request)
        forgery.refuse_forged(
            self.request, self.site.seal, self.session, self.user)

    # -- what an act says

    def redirect(self, page: str, id: str = '', *, message: str = '',
                 problem: bool = False, **query: Any) -> Response:
        """Lead to a page, which shows that message once."""
        response = Response(status=303, location=self.url(page, id, **query))
        if message:
            packed = messages.packed(
                Message(message, problem), self.site.seal, self.session)
            self._keep(response, MESSAGE, packed, messages.KEPT)
        return response

    @cached_property
    def messages(self) -> list[Message]:
        """What the last act has said; a part of a page shows none."""
        cookie = self.request.cookies.get(MESSAGE, '')
        return [] if self.is_part else messages.unpacked(
            cookie, self.site.seal, self.session)

    @property
    def is_part(self) -> bool:
        """Whether htmx asks, for a part of the page."""
        headers = self.request.headers
        return 'HX-Request' in headers and 'HX-Boosted' not in headers

    def page(self, html: str) -> Response:
        """A page, with the cookie that its forms need."""
        response = Response(html, charset='utf-8')
        if self.may_change:
            self._keep(response, SESSION, self.session)
        if self.messages:
            self._keep(response, MESSAGE, None)
        return response

    def _keep(self, response: Response, name: str, value: str | None,
              max_age: int | None = None) -> None:
        """Have the browser keep a cookie; with None, forget it."""
        response.set_cookie(
            name, value, max_age=max_age, httponly=True, samesite='Strict',
            path=quote(self.request.script_name) or '/',
            secure=self.request.scheme == 'https')
