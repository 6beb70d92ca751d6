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
"""What waits, by time."""

from zodbschedule import reading
from zodbschedule.web.forms.bulk_form import STATES
from zodbschedule.web.forms.bulk_form import WAITING
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


def body(visit: Visit) -> Body:
    """A page of it: of those that a filter selects, from a day on."""
    chosen = reading.Filter(
        state=visit.choice('state', STATES), function=visit.text('function'),
        key=visit.text('key'), text=visit.text('text'),
        masked=visit.site.mask is not None)
    start = visit.day('from')
    page = reading.upcoming(visit.schedule, visit.text('cursor'),
                            start=start, filter=chosen)
    return Body('upcoming', 'Upcoming', {
        'page': page,
        'states': STATES,
        'actions': WAITING,
        'filter': chosen,
        'day': visit.text('from'),
        'selects': chosen.selects() or start is not None})
