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
"""The options that say when a task runs, and how often it is tried."""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from zodbschedule import Every
from zodbschedule import clock
from zodbschedule.cli import parse


def recurrence_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say how a task repeats, as one argument."""
    @click.option('--every', type=parse.repetition, metavar='DURATION',
                  help='Repeat the task at this interval: 90s, 15m, 1h, 1d.')
    @click.option('--cron', metavar='EXPRESSION',
                  help="Repeat the task by a cron expression, such as "
                       "'30 2 * * *'; needs --timezone.")
    @click.option('--rrule', metavar='TEXT',
                  help="Repeat the task by an RRULE of RFC 5545, such as "
                       "'FREQ=WEEKLY;BYDAY=MO'.")
    @click.option('--dtstart', metavar='TIME',
                  help='The start of --rrule.  Default: now.')
    @click.option('--timezone', metavar='NAME',
                  help='The time zone of --cron and --rrule, such as '
                       'Europe/Berlin.')
    @functools.wraps(function)
    def command(*args: Any, every: Any, cron: Any, rrule: Any, dtstart: Any,
                timezone: Any, **options: Any) -> None:
        function(*args, recurrence=parse.recurrence(
            every, cron, rrule, dtstart, timezone), **options)

    return command


def retry_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say how often a task is tried, as one argument."""
    @click.option('--retry', 'attempts', type=click.IntRange(min=1),
                  metavar='ATTEMPTS',
                  help='The number of attempts before the task is parked.')
    @click.option('--retry-delay', 'delay', type=parse.duration,
                  metavar='DURATION',
                  help='The delay before the second attempt; each further '
                       'delay is twice as long.  Default: 1m.')
    @functools.wraps(function)
    def command(*args: Any, attempts: Any, delay: Any, **options: Any
                ) -> None:
        function(*args, retry=parse.retry(attempts, delay), **options)

    return command


def first_time(time: datetime | None, rule: Any) -> datetime | None:
    """The time that a task with that recurrence is given, if it is given one.

    A period would keep the fraction of the current second, and make the ids
    of its occurrences long.
    """
    if not isinstance(rule, Every):
        return time
    return (time or clock.now() + rule.period).replace(microsecond=0)
