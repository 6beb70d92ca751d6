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
"""From what people type to times, durations, JSON, recurrences and retries."""

import json
import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo
from typing import Any

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import clock
from zodbschedule.cli.errors import Problem
from zodbschedule.durations import span as span_of
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence.zones import zone_of


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


# -- recurrences and retries ------------------------------------------------


SECOND = timedelta(seconds=1)

NEEDS_ZONE = ('{} needs a time zone, since it is about what clocks show; '
              'write --timezone Europe/Berlin, or --timezone UTC')


def recurrence(every: timedelta | None, cron: str | None, rrule: str | None,
               dtstart: str | None, timezone: str | None) -> Any:
    """The rule that the options name, or None; at most one of the three."""
    rules = {'--every': every, '--cron': cron, '--rrule': rrule}
    given = [name for name, rule in rules.items() if rule is not None]
    if len(given) > 1:
        raise Problem(f'{" and ".join(given)} are given; a task has one '
                      f'recurrence')
    if dtstart is not None and rrule is None:
        raise Problem('--dtstart is for --rrule; when a task runs first, '
                      '--at says')
    if timezone is not None and cron is None and rrule is None:
        raise Problem('--timezone is for --cron and --rrule')
    if every is not None:
        return Every(every)
    if cron is not None:
        return _cron('--cron', cron, timezone)
    return None if rrule is None else _rrule(
        '--rrule', rrule, dtstart, timezone)


def expression(text: str, dtstart: str | None, timezone: str | None) -> Any:
    """The rule that one expression names, whatever kind it is of."""
    if every := re.fullmatch(r'every\s+(\S+)', text.strip(), re.IGNORECASE):
        return Every(period(every[1]))
    if 'FREQ=' in text.upper():
        return _rrule('an RRULE', text, dtstart, timezone)
    return _cron('a cron expression', text, timezone)


def _cron(name: str, text: str, timezone: str | None) -> Cron:
    if timezone is None:
        raise Problem(NEEDS_ZONE.format(name))
    return Cron(text, timezone)


def _rrule(name: str, text: str, dtstart: str | None, timezone: str | None
           ) -> RRule:
    return RRule(text, _start(name, dtstart, timezone))


def _start(name: str, dtstart: str | None, timezone: str | None) -> datetime:
    """When an RRULE begins; in that zone, if one is named."""
    # At the next whole second: it is the first that COUNT counts.
    start = (clock.now() + SECOND).replace(microsecond=0)
    if dtstart is not None:
        start = iso_time(dtstart)
    if timezone is not None:
        named = zone(timezone)
        if start.tzinfo is None:
            return start.replace(tzinfo=named)
        return start.astimezone(named)
    if dtstart is None:
        raise Problem(NEEDS_ZONE.format(f'{name} without --dtstart'))
    if start.tzinfo is None:
        raise Problem(NEEDS_ZONE.format(f'--dtstart {dtstart}'))
    return start


def retry(attempts: int | None, delay: timedelta | None) -> Retry | None:
    """The retry that the options name, or None."""
    if attempts is None:
        if delay is not None:
            raise Problem('--retry-delay is for --retry, which says how '
                          'often')
        return None
    if delay is None:
        return Retry(attempts)
    return Retry(attempts, delay)
