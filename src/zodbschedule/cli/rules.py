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
"""From what people type to a recurrence, and to a retry."""

import re
from datetime import datetime
from datetime import timedelta
from typing import Any

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import clock
from zodbschedule.cli import values
from zodbschedule.cli.problem import Problem


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
    if period := re.fullmatch(r'every\s+(\S+)', text.strip(), re.IGNORECASE):
        return Every(values.period(period[1]))
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
        start = values.iso_time(dtstart)
    if timezone is not None:
        zone = values.zone(timezone)
        if start.tzinfo is None:
            return start.replace(tzinfo=zone)
        return start.astimezone(zone)
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
