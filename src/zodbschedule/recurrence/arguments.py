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
"""The arguments of a recurrence: checked, and formatted for people."""

from collections.abc import Iterable
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo

from zodbschedule.instant import as_utc
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.interfaces import InvalidTime
from zodbschedule.recurrence.rrule_moments import Moment
from zodbschedule.recurrence.zones import EARLIEST
from zodbschedule.recurrence.zones import LATEST
from zodbschedule.recurrence.zones import Spec
from zodbschedule.recurrence.zones import spec_of
from zodbschedule.recurrence.zones import zone_of


# The largest number of dates in EXDATE, and in RDATE.  Each that is left out
# one after the other is a step of the search for the next occurrence, of up to
# 70 us.
MAX_DATES = 500


# Each check raises `InvalidRecurrence`.


def check_zone_name(timezone: object) -> str:
    """The name of *timezone*, a name or a zone of the zone database."""
    spec = spec_of(timezone) if isinstance(timezone, tzinfo) else timezone
    if not isinstance(spec, str):
        raise InvalidRecurrence(
            f'timezone is {timezone!r}; it has to be a name of the time zone '
            f"database, such as 'Europe/Berlin' or 'UTC'")
    zone_of(spec)
    return spec


def check_policy(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """*value*, a policy for gaps or folds."""
    if value not in allowed:
        raise InvalidRecurrence(
            f'{name} is {value!r}; it has to be one of '
            f'{", ".join(map(repr, allowed))}')
    return value


def check_moment(name: str, moment: object) -> datetime:
    """*moment*, an aware datetime, in UTC."""
    try:
        instant = as_utc(moment, name)
    except InvalidTime as error:
        raise InvalidRecurrence(str(error)) from None
    if not EARLIEST <= instant <= LATEST:
        raise InvalidRecurrence(
            f'{name} is {moment!r}; it has to be from {EARLIEST:%d %B} of the '
            f'year 1 to {LATEST:%d %B %Y}')
    return instant


def check_start_zone(dtstart: datetime) -> Spec:
    """The spec of the zone of *dtstart*."""
    spec = spec_of(dtstart.tzinfo)
    if spec is None:
        raise InvalidRecurrence(
            f'dtstart is {dtstart!r}, whose zone cannot be stored by a name; '
            f"write it with zoneinfo.ZoneInfo('Europe/Berlin') or "
            f'datetime.timezone')
    zone_of(spec)
    return spec


def check_start(dtstart: datetime | None, line: Moment | None) -> datetime:
    """The start: the argument, or what the line DTSTART says."""
    if line is None or dtstart is not None:
        check_moment('dtstart', dtstart)
    if line is None:
        assert dtstart is not None
        return dtstart
    if dtstart is None:
        return _start_of(line)
    if not _agree(dtstart, line):
        raise InvalidRecurrence(
            f'dtstart is {dtstart!r}, but DTSTART in the text is '
            f'{format_moment(line.at(dtstart.tzinfo))}; leave one of them out')
    return dtstart


def _start_of(line: Moment) -> datetime:
    start = line.at(None)
    if start.tzinfo is None:
        raise InvalidRecurrence(
            f'DTSTART is {start}, which names no time zone; write '
            f'DTSTART;TZID=Europe/Berlin:{start:%Y%m%dT%H%M%S}, or give the '
            f'argument dtstart')
    check_moment('DTSTART', start)
    return start


def _agree(dtstart: datetime, line: Moment) -> bool:
    if line.is_date:
        return dtstart.date() == line.wall.date()
    start = line.at(dtstart.tzinfo)
    return as_utc(start.replace(fold=dtstart.fold)) == as_utc(
        dtstart.replace(microsecond=0))


def check_dates(name: str, given: Iterable[datetime] | datetime,
                pasted: Iterable[datetime]) -> tuple[int, ...]:
    """EXDATE or RDATE, of the argument and of the text, as microseconds."""
    if isinstance(given, datetime):
        given = (given,)
    instants = {check_moment(name, moment) for moment in (*given, *pasted)}
    if len(instants) > MAX_DATES:
        raise InvalidRecurrence(
            f'{name} has {len(instants)} dates; it takes {MAX_DATES:,} at '
            f'most, so leave out those that have passed, or say it in the '
            f'RRULE')
    return tuple(sorted(map(to_micros, instants)))


def clamp(moment: datetime) -> datetime:
    """The instant nearest to *moment* that every zone has a time for."""
    return min(max(as_utc(moment, 'moment'), EARLIEST), LATEST)


def format_moment(moment: datetime) -> str:
    """A moment of a rule, with the name of its zone."""
    is_whole = not moment.second and not moment.microsecond
    text = moment.replace(tzinfo=None).isoformat(
        ' ', 'minutes' if is_whole else 'auto')
    return f'{text} in {moment.tzinfo}'


def format_period(period: timedelta) -> str:
    """A period such as "hour" and "1 day 2 hours", what is after "every"."""
    hours, seconds = divmod(period.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    fraction = f'.{period.microseconds:06}'.rstrip('0.')
    numbers = {'day': f'{period.days}', 'hour': f'{hours}',
               'minute': f'{minutes}', 'second': f'{seconds}{fraction}'}
    texts = [f'{number} {unit}{"s" if number != "1" else ""}'
             for unit, number in numbers.items() if number != '0']
    return texts[0].removeprefix('1 ') if len(texts) == 1 else ' '.join(texts)
