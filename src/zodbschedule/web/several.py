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
"""Several schedules: a page with the health of each, and the way to it.

The pages of each are under ``/at/`` and its path.
"""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import quote

from webob import Request
from webob import Response
from webob.exc import HTTPException
from webob.exc import HTTPNotFound
from ZODB.Connection import Connection

from zodbschedule.reading import Health
from zodbschedule.reading import health
from zodbschedule.web import assets
from zodbschedule.web import templates
from zodbschedule.web.one import OneSchedule
from zodbschedule.web.one import refuse_unless_read
from zodbschedule.web.refusals import refusal_of
from zodbschedule.web.site import Site
from zodbschedule.web.visit import Body
from zodbschedule.web.visitor import Visitor
from zodbschedule.worker.config import Path


#: says where the schedules are now, by what stands for each in its address
Places = Callable[[Connection], Mapping[str, Path]]

AT = 'at'

# How many the page shows: of each, some objects are loaded.
MOST = 100


@dataclass(frozen=True)
class Row:
    """How one schedule is."""

    label: str
    address: str
    health: Health | None
    problem: str = ''

    @property
    def state(self) -> str:
        """In a word."""
        if self.health is None:
            return 'unknown'
        return 'ready' if self.health.pause is None else 'paused'


class SeveralSchedules:
    """What there is to see of all, and the way to each."""

    menu: list[tuple[str, str]] = []

    def __init__(self, site: Site, places: Places) -> None:
        #: how all are reached; it has no path
        self.site = site
        self.places = places

    def respond(self, request: Request) -> Response:
        """The answer; raises an `HTTPException` for one that is none."""
        path = request.path_info.strip('/')
        if path.startswith(assets.FOLDER):
            return assets.response(path)
        if path:
            return self._respond_of_one(request, path)
        refuse_unless_read(request)
        visitor = Visitor(request, self.site, '')
        rows = self._rows(visitor)
        return Response(templates.page_without_schedule(
            visitor, Body('index', 'Schedules', {
                'rows': rows[:MOST], 'more': len(rows) > MOST, 'most': MOST}),
            self.menu), charset='utf-8')

    def sites(self) -> Mapping[str, Site]:
        """The schedules, by their paths."""
        with self.site.connected() as connection:
            places = self.places(connection)
        return {label.strip('/'): replace(
            self.site, path=path, at=f'/{AT}/{label.strip("/")}')
            for label, path in places.items()}

    def _respond_of_one(self, request: Request, path: str) -> Response:
        found = [site for site in self.sites().values()
                 if f'/{path}/'.startswith(f'{site.at}/')]
        if not found:
            raise HTTPNotFound('There is no such page.')
        # One site of a Zope may be inside another one.
        site = max(found, key=lambda each: len(each.at or ''))
        request.script_name += site.at
        request.path_info = f'/{path}'.removeprefix(site.at or '') or '/'
        return OneSchedule(site).respond(request)

    def _rows(self, visitor: Visitor) -> list[Row]:
        return [self._row(visitor, label, site) for label, site in islice(
            self.sites().items(), MOST + 1)]

    def _row(self, visitor: Visitor, label: str, site: Site) -> Row:
        address: dict[str, Any] = {
            'label': label, 'address': visitor.url(f'{AT}/{quote(label)}/')}
        try:
            with site.reading() as schedule:
                return Row(**address, health=health(schedule, visitor.now))
        except HTTPException as error:
            return Row(**address, health=None, problem=error.detail)
        except Exception as error:
            problem = refusal_of(error)
            return Row(**address, health=None, problem=problem.detail)
