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

from zodbschedule.reading.workers import all_workers
from zodbschedule.reading.workers import count_workers
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


# How many threads are shown: a few objects are loaded for each.
SHOWN = 50


def body(visit: Visit) -> Body:
    """The first `SHOWN` of them, and how many there are."""
    found = tuple(islice(all_workers(visit.schedule), SHOWN + 1))
    return Body('workers', 'Workers', {
        'workers': sorted(found[:SHOWN], key=lambda each: (
            each.name, each.host, each.pid, each.since)),
        'counts': count_workers(found[:SHOWN]),
        'more': len(found) > SHOWN})
