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
"""What a recurrence is given, checked; and what it shows of itself."""

from collections.abc import Iterable
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo

from zodbschedule.instant import as_utc
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.interfaces import InvalidTime
from zodbschedule.recurrence.zones import EARLIEST
from zodbschedule.recurrence.zones import LATEST
from zodbschedule.recurrence.zones import Spec
from zodbschedule.recurrence.zones import spec_of
from zodbschedule.recurrence.zones import zone_of


def name_of(timezone: object) -> str:
    """The name of a zone that there is."""
    spec = spec_of(timezone) if isinstance(timezone, tzinfo) else timezone
    if not isinstance(spec, str):
        raise InvalidRecurrence(
            f'timezone is {timezone!r}; it has to be a name of the time zone '
            f"database, such as 'Europe/Berlin' or 'UTC'")
    zone_of(spec)
    return spec


def aware(name: str, moment: object) -> datetime:
    """A moment in UTC; raises `InvalidRecurrence`."""
    try:
        instant = as_utc(moment, name)
    except InvalidTime as error:
        raise InvalidRecurrence(str(error)) from None
    if not EARLIEST <= instant <= LATEST:
        raise InvalidRecurrence(
            f'{name} is {moment!r}; it has to be from {EARLIEST:%d %B} of the '
            f'year 1 to {LATEST:%d %B %Y}')
    return instant


def within_years(moment: datetime) -> datetime:
    return min(max(as_utc(moment, 'moment'), EARLIEST), LATEST)


def spec_of_start(dtstart: datetime) -> Spec:
    spec = spec_of(dtstart.tzinfo)
    if spec is None:
        raise InvalidRecurrence(
            f'dtstart is {dtstart!r}, whose zone cannot be stored by a name; '
            f"write it with zoneinfo.ZoneInfo('Europe/Berlin') or "
            f'datetime.timezone')
    zone_of(spec)
    return spec


def instants(name: str, moments: Iterable[datetime],
              said: list[tuple[str, datetime]], spec: Spec
              ) -> tuple[int, ...]:
    """EXDATE or RDATE, of arguments and of the text."""
    if isinstance(moments, datetime):
        moments = (moments,)
    found = {aware(name, moment) for moment in moments}
    for zone, moment in said:
        if moment.tzinfo is None:
            # In a gap and in a fold this takes what RFC 5545 does, 3.3.5.
            moment = moment.replace(tzinfo=zone_of(zone or spec).info)
        found.add(aware(name, moment))
    return tuple(sorted(map(to_micros, found)))


def shown(moment: datetime) -> str:
    """A moment of a rule, with the name of its zone."""
    zone = moment.tzinfo
    return f'{moment.replace(tzinfo=None)} in {zone}'


def in_words(period: timedelta) -> str:
    """A period such as "1 day 2 hours"."""
    hours, seconds = divmod(period.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    numbers = {'day': period.days, 'hour': hours, 'minute': minutes,
               'second': seconds + period.microseconds / 1e6}
    return ' '.join(
        f'{number:g} {unit}{"s" if number != 1 else ""}'
        for unit, number in numbers.items() if number)
