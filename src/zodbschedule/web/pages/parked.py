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
"""What is parked: why, since when, and what to do about it."""

from zodbschedule import reading
from zodbschedule.web.forms.bulk_form import filter_of
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


def body(visit: Visit) -> Body:
    """A page of it, the newest first."""
    filter = filter_of(visit)
    return Body('parked', 'Parked', {
        'page': reading.parked(
            visit.schedule, visit.text('cursor'), filter=filter),
        'filter': filter})
