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
"""Making a schedule, and adding tasks to it."""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import parse
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import changing
from zodbschedule.cli.database import opened
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.options import at_a_place
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.schedule import DUPLICATE
from zodbschedule.task import task_id


@click.command()
@at_a_place
def init(place: Place) -> None:
    """Make a schedule, and the database if it does not exist."""
    with opened(place, Access.CREATE) as connection:
        with connection.transaction_manager as transaction:
            transaction.note('zodbschedule init')
            made = place.make(connection)
    click.echo(f'{place} is {"made" if made else "there already"}')


def repeating(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say how a task repeats, as one argument."""
    @click.option('--every', type=parse.period, metavar='DURATION',
                  help='Repeat it after so long, as in 90s, 15m, 1h, 1d.')
    @click.option('--cron', metavar='EXPRESSION',
                  help="Repeat it by a cron expression, as in '30 2 * * *'; "
                       "needs --timezone.")
    @click.option('--rrule', metavar='TEXT',
                  help="Repeat it by a rule of RFC 5545, as in "
                       "'FREQ=WEEKLY;BYDAY=MO'.")
    @click.option('--dtstart', metavar='TIME',
                  help='Where --rrule begins; without it, now.')
    @click.option('--timezone', metavar='NAME',
                  help='The time zone of --cron and --rrule, as in '
                       'Europe/Berlin.')
    @functools.wraps(function)
    def command(*args: Any, every: Any, cron: Any, rrule: Any, dtstart: Any,
                timezone: Any, **options: Any) -> None:
        function(*args, recurrence=parse.recurrence(
            every, cron, rrule, dtstart, timezone), **options)

    return command


def retrying(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say how often a task is tried, as one argument."""
    @click.option('--retry', 'attempts', type=click.IntRange(min=1),
                  metavar='ATTEMPTS',
                  help='How often it is tried before it is parked.')
    @click.option('--retry-delay', 'delay', type=parse.duration,
                  metavar='DURATION',
                  help='How long the first wait is, 1m by default; each is '
                       'twice as long as the one before.')
    @functools.wraps(function)
    def command(*args: Any, attempts: Any, delay: Any, **options: Any
                ) -> None:
        function(*args, retry=parse.retry(attempts, delay), **options)

    return command


@click.command()
@click.argument('function')
@click.option('--at', 'time', type=parse.moment, metavar='TIME',
              help='When it is due first; without it, at once, or at the '
                   'first occurrence.')
@click.option('--args', type=parse.json_list, metavar='JSON', default='[]',
              help='The positional arguments, as a JSON list.')
@click.option('--kwargs', type=parse.json_object, metavar='JSON',
              default='{}', help='The keyword arguments, as a JSON object.')
@click.option('--principal', 'principalId', metavar='PRINCIPAL',
              help='The id of the principal that it is to run as.')
@click.option('--description', default='', metavar='TEXT',
              help='What it is for; without it, the name of the function.')
@repeating
@click.option('--missed', type=click.Choice(('one', 'all')), default='one',
              show_default=True,
              help='Whether it runs once for all the occurrences that nobody '
                   'ran in time, or for each.')
@click.option('--expires', type=parse.period, metavar='DURATION',
              help='How long after its occurrence it may begin.')
@retrying
@click.option('--key', metavar='KEY',
              help='At most one waiting task has a key.')
@click.option('--duplicate', type=click.Choice(DUPLICATE),
              help='What becomes of a second task with the key; refuse by '
                   'default.')
@at_a_place
def add(place: Place, function: str, args: list[Any], duplicate: str | None,
        time: datetime | None, **options: Any) -> None:
    """Schedule a call of FUNCTION, a dotted name; print the task's id.

    With --duplicate keep, or replace where both say the same, that is the id
    of the task that was there.
    """
    if duplicate is not None and options['key'] is None:
        raise Problem('--duplicate is for --key, which tells a duplicate')

    def add_task(schedule: Schedule) -> str | None:
        task = schedule.call(
            function, *args, duplicate=duplicate or 'refuse',
            time=_first(time, options['recurrence']), **options)
        schedule._p_jar.add(task)  # gives it its id before the commit
        return task_id(task)

    try:
        click.echo(changing(place, f'add {function}', add_task))
    except AlreadyScheduled as error:
        raise _held(options['key'], error) from error


def _first(time: datetime | None, rule: Any) -> datetime | None:
    """The time that the task is given.

    One that repeats by a period keeps the fraction of a second in which it
    was added; and the ids of its occurrences would be long.
    """
    if not isinstance(rule, Every):
        return time
    return (time or clock.now() + rule.period).replace(microsecond=0)


def _held(key: str, error: AlreadyScheduled) -> Problem:
    return Problem(
        f'the key {key!r} is held by task {task_id(error.task)}; with '
        f'--duplicate keep or replace say which of the two is to stand')
