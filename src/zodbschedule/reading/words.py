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
"""Times and durations in words."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo

from zodbschedule.durations import UNITS


MILLISECOND = timedelta(milliseconds=1)

# The units, the largest first.
SHOWN = (('d', UNITS['d']), ('h', UNITS['h']), ('min', UNITS['m']),
         ('s', UNITS['s']))


def iso(instant: datetime, zone: tzinfo = UTC) -> str:
    """ISO 8601, by default in UTC, as in 2030-01-31T09:00:00Z."""
    return instant.astimezone(zone).isoformat().replace('+00:00', 'Z')


def timestamp(instant: datetime, zone: tzinfo = UTC) -> str:
    """ISO 8601 without the fraction of the second."""
    return iso(instant.replace(microsecond=0), zone)


def when(instant: datetime, now: datetime, zone: tzinfo = UTC) -> str:
    """As in ``2030-01-31T09:00:00Z (in 5 min)``."""
    return f'{timestamp(instant, zone)} ({relative(instant, now)})'


def beside(instant: datetime, now: datetime, zone: tzinfo | None) -> str:
    """The same in UTC, with the local time in *zone* beside it, if any.

    As in ``2030-01-31T08:00:00Z = Thu 09:00:00+01:00 (in 5 min)``.
    """
    if zone is None:
        return when(instant, now)
    local = instant.replace(microsecond=0).astimezone(zone)
    _, _, clock_time = local.isoformat().partition('T')
    return (f'{timestamp(instant)} = {local:%a} {clock_time} '
            f'({relative(instant, now)})')


def local_time(local: datetime) -> str:
    """The day of the week, the local time and its offset from UTC."""
    shown = local.isoformat(sep=' ', timespec='seconds')
    return f'{local:%a} {shown}'


def relative(instant: datetime, now: datetime) -> str:
    """As in ``in 5 min``, ``3 h ago``, ``now``."""
    if abs(instant - now) < UNITS['s']:
        return 'now'
    if instant > now:
        return f'in {duration(instant - now)}'
    return f'{duration(now - instant)} ago'


def duration(span: timedelta) -> str:
    """A duration in its largest unit, as in ``5 min``."""
    for name, unit in SHOWN:
        if span >= unit:
            return f'{span // unit} {name}'
    return '0 s'


def full_duration(span: timedelta) -> str:
    """A duration in all of its units, as in ``1 h 30 min``."""
    parts = []
    for name, unit in (*SHOWN, ('ms', MILLISECOND)):
        number, span = divmod(span, unit)
        if number:
            parts.append(f'{number} {name}')
    return ' '.join(parts) or '0 s'


def run_time(span: timedelta) -> str:
    """The duration of a run, to three digits: ``12 ms``, ``3.25 s``."""
    if span < UNITS['s']:
        return f'{span // MILLISECOND} ms'
    if span < UNITS['m']:
        return f'{span.total_seconds():.3g} s'
    return duration(span)
