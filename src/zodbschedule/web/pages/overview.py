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
"""Whether it works: who works, what is late, what failed, what comes."""

from zodbschedule import reading
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


# How many tasks and outcomes are shown.
SHOWN = 10


def body(visit: Visit) -> Body:
    """Four numbers, the next runs and the last outcomes."""
    return Body('overview', 'Overview', {
        'health': reading.health(
            visit.schedule, visit.now, glance=True),
        'next': reading.upcoming(visit.schedule, limit=SHOWN).items,
        'last': reading.history(visit.schedule, limit=SHOWN).items})
