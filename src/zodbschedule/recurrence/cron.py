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
"""Cron expressions: their fields, and the wall times that they name.

Parsed and searched by cronsim, which is given naive datetimes, so that it
knows of no zone.
"""

from collections.abc import Iterator
from datetime import datetime
from datetime import timedelta
from functools import lru_cache

from cronsim import CronSim
from cronsim import CronSimError

from zodbschedule.interfaces import InvalidRecurrence


ALIASES = {
    '@yearly': '0 0 1 1 *',
    '@annually': '0 0 1 1 *',
    '@monthly': '0 0 1 * *',
    '@weekly': '0 0 * * 0',
    '@daily': '0 0 * * *',
    '@midnight': '0 0 * * *',
    '@hourly': '0 * * * *',
}

# What each field takes, as a message says it.
FIELDS = {
    'second': '0 to 59',
    'minute': '0 to 59',
    'hour': '0 to 23',
    'day-of-month': '1 to 31 or L, a day that one of the months has',
    'month': '1 to 12 or JAN to DEC',
    'day-of-week': '0 to 7 or SUN to SAT; 5L is the last Friday and MON#1 '
                   'the first Monday of a month',
}

# From when on a rule is tried.  Whatever cronsim finds at all, it finds
# within fifty years of any day.
TRIED_FROM = datetime(2000, 1, 1)


@lru_cache(maxsize=1024)
def fields(expression: str) -> tuple[str, ...]:
    """The fields, with aliases spelled out; raises `InvalidRecurrence`."""
    found = tuple(ALIASES.get(expression.lower(), expression).split())
    if len(found) not in (5, 6):
        raise InvalidRecurrence(
            f'cron expression is {expression!r}, which has {len(found)} '
            f'fields; it takes minute, hour, day-of-month, month and '
            f'day-of-week, with seconds before them if need be, or one of '
            f'{", ".join(ALIASES)}')
    _try(expression, found)
    return found


def _try(expression: str, found: tuple[str, ...]) -> None:
    try:
        sim = CronSim(' '.join(found), TRIED_FROM)
    except (CronSimError, ValueError) as error:
        raise InvalidRecurrence(_what_is_wrong(expression, found, error)
                                ) from None
    if next(sim, None) is None:
        raise InvalidRecurrence(
            f'cron expression is {expression!r}, which never occurs: no year '
            f'has such a day')


def _what_is_wrong(expression: str, found: tuple[str, ...],
                   error: Exception) -> str:
    named = dict(zip(reversed(FIELDS), reversed(found)))
    field = str(error).removeprefix('Bad ')
    if field not in named:  # a number of thousands of digits
        return (f'cron expression is {expression!r}, which cannot be parsed; '
                f'write it with numbers, ranges, steps and lists')
    return (f'{field} is {named[field]!r} in the cron expression '
            f'{expression!r}; it takes {FIELDS[field]}')


def is_interval(expression: str) -> bool:
    """Whether Debian's cron takes it for an interval, not a fixed time."""
    minute, hour = fields(expression)[-5:-3]
    return minute.startswith('*') or hour.startswith('*')


def walls(expression: str, wall: datetime) -> Iterator[datetime]:
    """The wall times that match, from *wall* on."""
    # cronsim goes on from the whole second before.
    before = (wall - timedelta(microseconds=1)).replace(microsecond=0)
    sim = CronSim(' '.join(fields(expression)), before)
    while True:
        try:
            yield next(sim)
        except (StopIteration, OverflowError, ValueError):
            return  # behind the year 9999 are an OverflowError, a ValueError


def explained(expression: str) -> str:
    """The expression in words."""
    return CronSim(' '.join(fields(expression)), TRIED_FROM).explain()
