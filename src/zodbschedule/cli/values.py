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
"""What people type, and what they are shown: times, durations, JSON."""

import json
import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo
from typing import Any

from zodbschedule import clock
from zodbschedule.cli.problem import Problem
from zodbschedule.durations import UNITS
from zodbschedule.durations import span as span_of
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence.zones import zone_of


MILLISECOND = timedelta(milliseconds=1)

# How each unit is shown, the largest first.
SHOWN = (('d', UNITS['d']), ('h', UNITS['h']), ('min', UNITS['m']),
         ('s', UNITS['s']))


def moment(text: str) -> datetime:
    """An instant: ISO 8601 with a zone, or ``+10m`` from now."""
    try:
        if text.startswith('+'):
            return clock.now() + duration(text[1:])
        return _aware(text).astimezone(UTC)
    except OverflowError:
        raise Problem(f'{text} is out of range') from None


def iso_time(text: str) -> datetime:
    """ISO 8601, with a zone or without."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            f'{text} is no time; write 2030-01-31T09:00Z, '
            f'2030-01-31T09:00+01:00, or +10m for ten minutes from now'
        ) from None


def _aware(text: str) -> datetime:
    parsed = iso_time(text)
    if parsed.tzinfo is None:
        minutes = parsed.isoformat(timespec='minutes')
        raise Problem(
            f'{text} names no time zone; write {minutes}Z for UTC, or the '
            f'offset that is meant, as in {minutes}+01:00')
    return parsed


def duration(text: str) -> timedelta:
    """A number and a unit: ``30s``, ``5m``, ``2h``, ``1d``."""
    try:
        return span_of(text)
    except ValueError as error:
        raise Problem(str(error)) from None


def period(text: str) -> timedelta:
    """A duration of more than nothing."""
    found = duration(text)
    if not found:
        raise Problem(f'{text} is nothing; write 30s, 5m, 2h or 1d')
    return found


def seconds(text: str) -> timedelta:
    """A number of seconds, or a duration."""
    try:
        return duration(f'{text}s' if re.fullmatch(r'[\d.]+', text) else text)
    except Problem:
        raise Problem(f'{text} is no number of seconds; write 30, or a '
                      f'duration as 30s, 5m, 2h or 1d') from None


def zone(name: str) -> tzinfo:
    """A zone of the time zone database, by its name."""
    try:
        return zone_of(name).info
    except InvalidRecurrence as error:  # is a ValueError, which click hides
        raise Problem(str(error)) from None


def json_list(text: str) -> list[Any]:
    """Positional arguments."""
    value = _json(text)
    if not isinstance(value, list):
        raise Problem(f'{text} is no JSON list; write [1, "two"]')
    return value


def json_object(text: str) -> dict[str, Any]:
    """Keyword arguments."""
    value = _json(text)
    if not isinstance(value, dict):
        raise Problem(f'{text} is no JSON object; write {{"name": 1}}')
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Problem(f'{text} is not JSON: {error}') from None


def iso(instant: datetime, zone: tzinfo = UTC) -> str:
    """ISO 8601, by default in UTC, as in 2030-01-31T09:00:00Z."""
    return instant.astimezone(zone).isoformat().replace('+00:00', 'Z')


def plain(value: object) -> Any:
    """What JSON does not know: an instant in UTC, a duration in seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f'{value!r} cannot be written as JSON')


def to_the_second(instant: datetime, zone: tzinfo = UTC) -> str:
    """The instant for people."""
    return iso(instant.replace(microsecond=0), zone)


def shown(instant: datetime, now: datetime, zone: tzinfo = UTC) -> str:
    """The instant for people, with a hint how far away it is."""
    return f'{to_the_second(instant, zone)} ({relative(instant, now)})'


def on_the_wall(local: datetime) -> str:
    """What a clock shows, and how far from UTC it is."""
    shown = local.isoformat(sep=' ', timespec='seconds')
    return f'{local:%a} {shown}'


def relative(instant: datetime, now: datetime) -> str:
    """As in ``in 5 min``, ``3 h ago``, ``now``."""
    if abs(instant - now) < UNITS['s']:
        return 'now'
    if instant > now:
        return f'in {length(instant - now)}'
    return f'{length(now - instant)} ago'


def length(span: timedelta) -> str:
    """A duration in its largest unit, as in ``5 min``."""
    for name, unit in SHOWN:
        if span >= unit:
            return f'{span // unit} {name}'
    return '0 s'


def span(whole: timedelta) -> str:
    """A duration in all of its units, as in ``1 h 30 min``."""
    parts = []
    for name, unit in (*SHOWN, ('ms', MILLISECOND)):
        number, whole = divmod(whole, unit)
        if number:
            parts.append(f'{number} {name}')
    return ' '.join(parts) or '0 s'


def lasted(span: timedelta) -> str:
    """How long a run took, to three digits: ``12 ms``, ``3.25 s``."""
    if span < UNITS['s']:
        return f'{span // MILLISECOND} ms'
    if span < UNITS['m']:
        return f'{span.total_seconds():.3g} s'
    return length(span)
