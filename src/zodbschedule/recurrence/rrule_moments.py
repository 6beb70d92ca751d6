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
"""The dates and times in the text of a calendar, RFC 5545, 3.3.4 and 3.3.5.

A `Moment` is what one of them says, before it is known in which zone.
"""

import re
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import time
from datetime import tzinfo

from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence.zones import DAY
from zodbschedule.recurrence.zones import EARLIEST
from zodbschedule.recurrence.zones import LATEST
from zodbschedule.recurrence.zones import zone_of


MIDNIGHT = time()

DATE = re.compile('([0-9]{8})')
DATE_TIME = re.compile('([0-9]{8}T[0-9]{6})Z?')
# A minute has 60 seconds here: 3.3.12 says to read the 61st as the 60th.
LEAP_SECOND = re.compile('(?<=T[0-9]{4})60')
# What ISO 8601 also allows: 2030-12-31T12:00:00.
SEPARATOR = re.compile('(?<=[0-9])[-:](?=[0-9])')


@dataclass(frozen=True)
class Moment:
    """A date, or a date with a time, and the name of its zone."""

    #: in UTC, or naive
    wall: datetime
    #: '' if the text names none
    zone: str = ''
    #: whether it is a date alone; then its time is midnight
    is_date: bool = False

    def at(self, info: tzinfo | None) -> datetime:
        """The aware datetime; *info* is the zone if the text names none."""
        if self.wall.tzinfo is not None:
            return self.wall
        # In a gap and in a fold this means what RFC 5545 says, 3.3.5.
        return self.wall.replace(
            tzinfo=zone_of(self.zone).info if self.zone else info)

    def last(self, info: tzinfo) -> datetime:
        """The latest instant that it can mean, in UTC."""
        if self.wall.tzinfo is not None:
            return self.wall
        # Every zone has an instant for this wall time, and one that is beyond
        # the calendar stays beyond it.
        first, last = (each.replace(tzinfo=None)
                       for each in (EARLIEST - DAY, LATEST + DAY))
        wall = min(max(self.wall, first), last)
        moment = replace(self, wall=wall).at(info)
        return max(each.astimezone(UTC)
                   for each in (moment, moment.replace(fold=1)))

    def stands_for_day(self, info: tzinfo | None) -> bool:
        """Whether it may stand for its day in the zone *info*.

        Plone writes the midnight of a day where it means the event of that
        day.
        """
        if self.wall.tzinfo is not None or self.wall.time() != MIDNIGHT:
            return False
        return self.is_date or self.at(info) == self.wall.replace(tzinfo=info)


def parse_moment(text: str, zone: str = '') -> Moment | None:
    """The moment in *text*, or None if it is not one."""
    text = LEAP_SECOND.sub('59', SEPARATOR.sub('', text.strip().upper()))
    for pattern, form in (DATE, '%Y%m%d'), (DATE_TIME, '%Y%m%dT%H%M%S'):
        if match := pattern.fullmatch(text):
            try:
                wall = datetime.strptime(match[1], form)
            except ValueError:
                return None
            moment = Moment(wall, zone, is_date=pattern is DATE)
            if text.endswith('Z'):
                return replace(moment, wall=wall.replace(tzinfo=UTC))
            return moment
    return None


def parse_zone(tzid: str) -> str:
    """The name of the zone that a TZID means.

    Some programs write a TZID that is unique in the world, which begins with a
    slash and ends with the name: ``/example.com/Europe/Berlin``.
    """
    name = tzid.strip('"')
    if not name.startswith('/'):
        return name
    # No name of the zone database has more than three parts.
    parts = name[1:].split('/')[-3:]
    endings = ('/'.join(parts[begin:]) for begin in range(len(parts)))
    return next(filter(_is_known, endings), name)


def _is_known(name: str) -> bool:
    try:
        zone_of(name)
    except InvalidRecurrence:
        return False
    return True
