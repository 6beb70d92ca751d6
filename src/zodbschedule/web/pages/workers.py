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
"""Who works: each thread of each worker."""

from itertools import islice

from zodbschedule.reading.paging import LOADS
from zodbschedule.reading.paging import Loads
from zodbschedule.reading.workers import all_workers
from zodbschedule.reading.workers import count_workers
from zodbschedule.store import remains
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


# How many threads are shown: five objects are loaded for one that is at a run.
SHOWN = 50


def body(visit: Visit) -> Body:
    """The first `SHOWN` of them, or fewer if much is loaded for these."""
    found = tuple(islice(Loads(visit.schedule).bound(
        all_workers(visit.schedule), LOADS), SHOWN))
    return Body('workers', 'Workers', {
        'workers': sorted(found, key=lambda each: (
            each.name, each.host, each.pid, each.since)),
        'counts': count_workers(found),
        'more': remains.count(visit.schedule.claims) > len(found)})
