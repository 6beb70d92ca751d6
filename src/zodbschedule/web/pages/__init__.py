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
"""All pages, each a function of a `Visit`, by the first part of its address.
"""

from zodbschedule.web.pages import bulk
from zodbschedule.web.pages import history
from zodbschedule.web.pages import overview
from zodbschedule.web.pages import parked
from zodbschedule.web.pages import rules
from zodbschedule.web.pages import running
from zodbschedule.web.pages import settings
from zodbschedule.web.pages import task
from zodbschedule.web.pages import timeline
from zodbschedule.web.pages import upcoming
from zodbschedule.web.pages import workers
from zodbschedule.web.pages.page import Page


PAGES: dict[str, Page] = {
    '': Page('Overview', overview.body),
    'upcoming': Page('Upcoming', upcoming.body),
    'timeline': Page('Timeline', timeline.body),
    'running': Page('Running', running.body),
    'parked': Page('Parked', parked.body),
    'history': Page('History', history.body),
    'workers': Page('Workers', workers.body),
    'rules': Page('Rules', rules.body),
    'settings': Page('Settings', settings.body),
    'tasks': Page('Task', task.body, of_one=True, in_menu=False),
    'bulk': Page('Many at once', bulk.body, in_menu=False)}
