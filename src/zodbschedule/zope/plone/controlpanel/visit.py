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
"""A request to the panel, as the pages and acts of `zodbschedule.web` know it.
"""

from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from AccessControl import getSecurityManager
from plone.app.event.base import default_timezone
from plone.protect import createToken
from Products.statusmessages.interfaces import IStatusMessage
from webob import Request
from webob import Response

from zodbschedule.recurrence.zones import zone_of
from zodbschedule.web.site import Site
from zodbschedule.web.visit import Visit
from zodbschedule.zope.permissions import CONTROL
from zodbschedule.zope.permissions import own_principal
from zodbschedule.zope.plone.controlpanel.addresses import address


def as_webob(request: Any) -> Request:
    """A Zope request as those pages read it.

    Zope has read the form, and cannot always read the input once more.
    """
    form = request.form if request.method == 'POST' else {}
    body = urlencode(form, doseq=True).encode()
    return Request({
        **request.environ, 'wsgi.input': BytesIO(body),
        'CONTENT_LENGTH': str(len(body))})


def zone_for(portal: Any) -> tzinfo:
    """That of the current user, else that of the site."""
    return zone_of(default_timezone(portal)).info


def shown_site(portal: Any) -> Site:
    """What the pages may show: whoever may look sees tracebacks, too."""
    return Site(None, '', zone=zone_for(portal), tracebacks=True)


@dataclass
class PanelVisit(Visit):
    """One request of a user of Plone."""

    portal: Any

    # What `plone.protect` looks for.
    token_field = '_authenticator'

    def url(self, page: str, id: str = '', **query: Any) -> str:
        """The address of a page, with those parameters that are not None."""
        return address(self.portal.absolute_url(), page, id, **query)

    @cached_property
    def user(self) -> str:
        """Who asks, for the record."""
        return own_principal(self.portal) or (
            getSecurityManager().getUser().getUserName())

    @property
    def may_change(self) -> bool:
        """Whether the page has buttons that change something."""
        return bool(getSecurityManager().checkPermission(CONTROL, self.portal))

    @cached_property
    def token(self) -> str:
        """What says that a form is from here."""
        return str(createToken())

    def redirect(self, page: str, id: str = '', *, message: str = '',
                 problem: bool = False, **query: Any) -> Response:
        """Lead to a page, which shows that message once."""
        if message:
            IStatusMessage(self.portal.REQUEST).add(
                message, 'warning' if problem else 'info')
        return Response(status=303, location=self.url(page, id, **query))
