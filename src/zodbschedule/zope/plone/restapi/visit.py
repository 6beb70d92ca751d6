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
"""One request for the schedule of a site: who asks what, and about what."""

from functools import cached_property
from typing import Any
from urllib.parse import quote

from AccessControl import getSecurityManager
from plone.protect.interfaces import IDisableCSRFProtection
from plone.restapi.deserializer import json_body
from zope.interface import alsoProvides

from zodbschedule.zope.permissions import own_principal
from zodbschedule.zope.plone.restapi.asked import Asked
from zodbschedule.zope.plone.restapi.refusals import not_found
from zodbschedule.zope.sites import schedule_of


class Visit:
    """One request.  *name* is what the address says of which thing."""

    def __init__(self, site: Any, request: Any, name: str = '') -> None:
        self.site = site
        self.request = request
        self.name = name

    @cached_property
    def schedule(self) -> Any:
        """The schedule of the site itself; never that of the root."""
        found = schedule_of(self.site)
        if found is None:
            raise not_found('This site has no schedule.')
        return found

    @cached_property
    def query(self) -> Asked:
        """The parameters behind the question mark."""
        return Asked(self.request.form)

    @cached_property
    def body(self) -> Asked:
        """The fields of the JSON object that was sent; or none."""
        return Asked(json_body(self.request))

    @property
    def by(self) -> str:
        """Who asks, for the record."""
        return own_principal(self.site) or (
            getSecurityManager().getUser().getUserName())

    def permit_writing(self) -> None:
        """Have plone.protect let the changes through; ask who it is first."""
        alsoProvides(self.request, IDisableCSRFProtection)

    def may(self, permission: str) -> bool:
        """Whether who asks has that permission on the site."""
        return bool(getSecurityManager().checkPermission(
            permission, self.site))

    def url(self, *steps: str) -> str:
        """The address of the service, or of what is below it."""
        return '/'.join([self.site.absolute_url(), '@schedule', *(
            quote(each, safe='') for each in steps)])
