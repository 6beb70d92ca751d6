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
"""One request for a page: who asks for what, of which schedule."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote
from urllib.parse import urlencode

from webob import Request
from webob.exc import HTTPBadRequest

from zodbschedule import clock
from zodbschedule.schedule import Schedule
from zodbschedule.web.site import Site


# How long a parameter may be, in characters.
MOST = 500


@dataclass(frozen=True)
class Body:
    """What a page says: a template of `templates/`, and its values."""

    template: str
    title: str
    values: dict[str, Any]


@dataclass
class Visit:
    """One request; each of its methods raises HTTPBadRequest for bad ones."""

    request: Request
    site: Site
    schedule: Schedule
    #: of the page, as in its address
    name: str
    #: what the page is about: the id of a task; '' for most pages
    id: str

    @cached_property
    def now(self) -> datetime:
        """When it is read, in UTC; the same everywhere on the page."""
        return clock.now()

    # -- what was asked for

    def text(self, name: str) -> str | None:
        """The parameter with that name; None if it is missing or empty."""
        value: str = self.request.params.get(name, '').strip()
        if len(value) > MOST:
            raise HTTPBadRequest(
                f'{name} has {len(value)} characters; {MOST} are the most.')
        return value or None

    def choice(self, name: str, words: Iterable[str]) -> str | None:
        """The same for one of those words."""
        value = self.text(name)
        if value is not None and value not in words:
            raise HTTPBadRequest(f'{name} is {value!r}; it has to be one of '
                                 f'{", ".join(words)}.')
        return value

    # -- where other pages are

    def url(self, page: str, id: str = '', **query: Any) -> str:
        """The address of a page, with those parameters that are not None."""
        parts = [self.request.script_name, page, *([quote(id)] if id else [])]
        given = {name: value for name, value in query.items()
                 if value is not None}
        return '/'.join(parts) + (f'?{urlencode(given)}' if given else '')

    @property
    def may_change(self) -> bool:
        """Whether the page has buttons that change something."""
        return self.site.allow_changes
