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
"""What workers hold, and how far it is."""

from itertools import islice

from zodbschedule import reading
from zodbschedule.reading.workers import all_workers
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


def body(visit: Visit) -> Body:
    """A page of it, and since when each run lasts."""
    page = reading.running(visit.schedule, visit.text('cursor'))
    running = {row.id for row in page.items if row.state == 'running'}
    # Only as many workers are loaded as it takes to find these.
    workers = islice((each for each in all_workers(visit.schedule)
                      if each.task in running), len(running))
    return Body('running', 'Running', {
        'page': page,
        'since': {each.task: each.running_since for each in workers}})
