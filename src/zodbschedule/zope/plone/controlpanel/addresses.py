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
"""Where the pages of the panel are, and what does what their buttons say."""

from typing import Any
from urllib.parse import quote
from urllib.parse import urlencode

from zodbschedule.web.acting import ACTS
from zodbschedule.web.acting import Act
from zodbschedule.web.pages import PAGES
from zodbschedule.web.pages.page import Page
from zodbschedule.zope.plone.controlpanel import recurring


#: the view of each page, by the name that the page has in its own code
VIEWS = {
    '': 'schedule-controlpanel',
    'upcoming': 'schedule-tasks',
    'timeline': 'schedule-timeline',
    'running': 'schedule-running',
    'parked': 'schedule-parked',
    'recurring': 'schedule-recurring',
    'history': 'schedule-history',
    'workers': 'schedule-workers',
    'rules': 'schedule-rules',
    'settings': 'schedule-settings',
    'tasks': 'schedule-task',
    'bulk': 'schedule-bulk'}

#: the same, the other way round
NAMES = {view: name for name, view in VIEWS.items()}

#: in the order of the tabs
PANEL_PAGES: dict[str, Page] = {
    name: {**PAGES, 'recurring': recurring.PAGE}[name] for name in VIEWS}

PANEL_ACTS: dict[str, Act] = {**ACTS, **recurring.ACTS}

#: the view that does what a button says
ACT = 'schedule-act'


def address(site_url: str, page: str, id: str = '', **query: Any) -> str:
    """Where that page, or that act, is in the site."""
    view = VIEWS.get(page) or f'{ACT}/{page}'
    path = f'{view}/{quote(id, safe="")}' if id else view
    given = {name: value for name, value in query.items() if value is not None}
    return f'{site_url}/@@{path}' + (f'?{urlencode(given)}' if given else '')
