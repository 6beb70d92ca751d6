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
"""Cron expressions: their fields, and the wall times that they match.

cronsim parses and expands them.  It is given naive datetimes, so it never
meets a zone.
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

# Where the trial of an expression begins.  Any day would do: what cronsim
# finds at all, it finds within fifty years.
TRIAL_START = datetime(2000, 1, 1)


@lru_cache(maxsize=1024)
def fields(expression: str) -> tuple[str, ...]:
    """The fields, with aliases replaced; raises `InvalidRecurrence`."""
    texts = tuple(ALIASES.get(expression.lower(), expression).split())
    if len(texts) not in (5, 6):
        raise InvalidRecurrence(
            f'cron expression is {expression!r}, which has {len(texts)} '
            f'fields; it takes minute, hour, day-of-month, month and '
            f'day-of-week, optionally with seconds before them, or one of '
            f'{", ".join(ALIASES)}')
    _check(expression, texts)
    return texts


def _check(expression: str, texts: tuple[str, ...]) -> None:
    try:
        simulation = CronSim(' '.join(texts), TRIAL_START)
    except (CronSimError, ValueError) as error:
        raise InvalidRecurrence(
            _problem(expression, texts, error)) from None
    if next(simulation, None) is None:
        raise InvalidRecurrence(
            f'cron expression is {expression!r}, which never occurs: no year '
            f'has such a day')


def _problem(expression: str, texts: tuple[str, ...],
             error: Exception) -> str:
    by_name = dict(zip(reversed(FIELDS), reversed(texts)))
    field = str(error).removeprefix('Bad ')
    if field not in by_name:  # a number of thousands of digits
        return (f'cron expression is {expression!r}, which cannot be parsed; '
                f'write it with numbers, ranges, steps and lists')
    return (f'{field} is {by_name[field]!r} in the cron expression '
            f'{expression!r}; it takes {FIELDS[field]}')


def is_interval(expression: str) -> bool:
    """Whether Debian's cron takes it for an interval, not a fixed time."""
    minute, hour = fields(expression)[-5:-3]
    return minute.startswith('*') or hour.startswith('*')


def wall_times(expression: str, wall: datetime) -> Iterator[datetime]:
    """The wall times that match, from *wall* on, ascending."""
    # cronsim goes on after the whole second that it is given.
    before = (wall - timedelta(microseconds=1)).replace(microsecond=0)
    simulation = CronSim(' '.join(fields(expression)), before)
    try:
        yield from simulation
    except (OverflowError, ValueError):
        return  # cronsim has come to the end of the year 9999


def explain(expression: str) -> str:
    """The expression in words."""
    return CronSim(' '.join(fields(expression)), TRIAL_START).explain()
