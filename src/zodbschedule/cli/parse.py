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
"""From what people type to times, durations, JSON, recurrences and retries.

Each function raises CommandError for what it cannot parse.
"""

import json
import re
import warnings
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo
from typing import Any

import click

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import clock
from zodbschedule.cli.errors import CommandError
from zodbschedule.durations import span as span_of
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.interfaces import RecurrenceWarning
from zodbschedule.recurrence import rrule_text
from zodbschedule.recurrence.expressions import CALENDAR
from zodbschedule.recurrence.expressions import EVERY
from zodbschedule.recurrence.periods import calendar_rule
from zodbschedule.recurrence.zones import zone_of


SECOND = timedelta(seconds=1)

NEEDS_ZONE = ('{} needs a time zone, because it names local times; give '
              '--timezone Europe/Berlin, for example, or --timezone UTC')


# -- times and durations -----------------------------------------------------


def moment(text: str) -> datetime:
    """An instant in UTC: ISO 8601 with a zone, or ``+10m`` from now.

    ``-10m`` is ten minutes ago.
    """
    try:
        if text.startswith('+'):
            return clock.now() + duration(text[1:])
        if text.startswith('-'):
            return clock.now() - duration(text[1:])
        return _aware(text).astimezone(UTC)
    except OverflowError:
        raise CommandError(f'the time {text} is out of range; write a time '
                           f'between the years 1 and 9999') from None


def iso_time(text: str) -> datetime:
    """ISO 8601, with a zone or without."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f'{text!r} is not a time; write 2030-01-31T09:00Z, '
            f'2030-01-31T09:00+01:00, or +10m for ten minutes from now'
        ) from None


def _aware(text: str) -> datetime:
    parsed = iso_time(text)
    if parsed.tzinfo is None:
        minutes = parsed.isoformat(timespec='minutes')
        raise CommandError(
            f'the time {text} has no time zone; write {minutes}Z for UTC, or '
            f'an offset, as in {minutes}+01:00')
    return parsed


def duration(text: str) -> timedelta:
    """A number and a unit: ``30s``, ``5m``, ``2h``, ``1d``."""
    try:
        return span_of(text)
    except ValueError as error:
        raise CommandError(str(error)) from None


def period(text: str) -> timedelta:
    """A duration above zero."""
    found = duration(text)
    if not found:
        raise CommandError(f'the duration {text} is zero; write 30s, 5m, 2h '
                           f'or 1d')
    return found


def repetition(text: str) -> timedelta:
    """A duration above zero by which a task repeats."""
    if rule := calendar_rule(text):
        raise CommandError(f'the duration {text} has no fixed length, so it '
                           f'is no interval; give the RRULE {rule!r}')
    return period(text)


def seconds(text: str) -> timedelta:
    """A number of seconds, or a duration."""
    try:
        return duration(f'{text}s' if re.fullmatch(r'[\d.]+', text) else text)
    except CommandError:
        raise CommandError(f'{text!r} is not a number of seconds; write 30, '
                           f'or a duration: 30s, 5m, 2h or 1d') from None


def zone(name: str) -> tzinfo:
    """A zone of the time zone database, by its name."""
    try:
        return zone_of(name).info
    except InvalidRecurrence as error:  # a ValueError, which click hides
        raise CommandError(str(error)) from None


# -- JSON --------------------------------------------------------------------


def json_list(text: str) -> list[Any]:
    """Positional arguments."""
    value = _json(text)
    if not isinstance(value, list):
        raise CommandError(f'{text} is not a JSON list; write [1, "two"]')
    return value


def json_object(text: str) -> dict[str, Any]:
    """Keyword arguments."""
    value = _json(text)
    if not isinstance(value, dict):
        raise CommandError(f'{text} is not a JSON object; write '
                           f'{{"name": 1}}')
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f'{text} is not JSON: {error}') from None


# -- recurrences and retries -------------------------------------------------


def recurrence(every: timedelta | None, cron: str | None, rrule: str | None,
               dtstart: str | None, timezone: str | None) -> Any:
    """The recurrence that the options define, or None."""
    _check_recurrence_options(
        {'--every': every, '--cron': cron, '--rrule': rrule}, dtstart,
        timezone)
    if every is not None:
        return Every(every)
    if cron is not None:
        return _cron('--cron', cron, timezone)
    return None if rrule is None else _rrule(
        '--rrule', rrule, dtstart, timezone)


def _check_recurrence_options(rules: dict[str, Any], dtstart: str | None,
                              timezone: str | None) -> None:
    given = [name for name, rule in rules.items() if rule is not None]
    if len(given) > 1:
        raise CommandError(
            f'{" and ".join(given)} are both given; a task has one '
            f'recurrence, so give one of them')
    if dtstart is not None and '--rrule' not in given:
        raise CommandError('--dtstart needs --rrule; to set when a task runs '
                           'first, give --at')
    if timezone is not None and given in ([], ['--every']):
        raise CommandError('--timezone needs --cron or --rrule')


def expression(text: str, dtstart: str | None, timezone: str | None) -> Any:
    """The recurrence of an expression of any kind."""
    if every := EVERY.fullmatch(text.strip()):
        return Every(repetition(every[1]))
    if CALENDAR.search(text):
        return _rrule('an RRULE', text, dtstart, timezone)
    return _cron('a cron expression', text, timezone)


def _cron(name: str, text: str, timezone: str | None) -> Cron:
    # What is wrong with the expression is said before what is missing.
    rule = Cron(text, timezone or 'UTC')
    if timezone is None:
        raise CommandError(NEEDS_ZONE.format(name))
    return rule


def _rrule(name: str, text: str, dtstart: str | None, timezone: str | None
           ) -> RRule:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always', RecurrenceWarning)
        rule = RRule(text, _start(name, text, dtstart, timezone))
    for warning in caught:
        click.echo(f'Warning: {warning.message}', err=True)
    return rule


def _start(name: str, text: str, dtstart: str | None, timezone: str | None
           ) -> datetime:
    """When an RRULE begins, in the zone of *timezone* if that is given."""
    line = rrule_text.read(text).start
    if dtstart is not None:
        start, origin = iso_time(dtstart), f'--dtstart {dtstart}'
    elif line is not None:
        start, origin = line.at(None), f'DTSTART of {name}'
    elif timezone is not None:
        # At the next whole second: it is the first that COUNT counts.
        return (clock.now() + SECOND).replace(microsecond=0).astimezone(
            zone(timezone))
    else:
        raise CommandError(NEEDS_ZONE.format(f'{name} without --dtstart'))
    return _in_zone(start, origin, timezone)


def _in_zone(start: datetime, origin: str, timezone: str | None) -> datetime:
    if timezone is None:
        if start.tzinfo is None:
            raise CommandError(NEEDS_ZONE.format(origin))
        return start
    named = zone(timezone)
    if start.tzinfo is None:
        return start.replace(tzinfo=named)
    return start.astimezone(named)


def retry(attempts: int | None, delay: timedelta | None) -> Retry | None:
    """The retry policy that the options define, or None."""
    if attempts is None:
        if delay is not None:
            raise CommandError('--retry-delay needs --retry, the number of '
                               'attempts')
        return None
    if delay is None:
        return Retry(attempts)
    return Retry(attempts, delay)
