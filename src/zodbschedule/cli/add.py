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
"""The commands that create a schedule and add tasks to it."""

from datetime import datetime
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import parse
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.database import open_connection
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import location_options
from zodbschedule.cli.task_options import first_time
from zodbschedule.cli.task_options import recurrence_options
from zodbschedule.cli.task_options import retry_options
from zodbschedule.cli.user import name_user
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.reading import words
from zodbschedule.reading.attributes import label_of
from zodbschedule.schedule import DUPLICATE
from zodbschedule.store.inspection import label
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import task_id
from zodbschedule.task import type_of


@click.command()
@location_options
def init(location: Location) -> None:
    """Create a schedule, and the database if it does not exist."""
    with open_connection(location, Access.CREATE) as connection:
        with connection.transaction_manager as transaction:
            transaction.note('zodbschedule init')
            name_user(transaction)
            made = location.make(connection)
    click.echo(f'{location} {"was created" if made else "already exists"}')


@click.command()
@click.argument('function')
@click.option('--at', 'time', type=parse.moment, metavar='TIME',
              help='When the task is due first.  Default: now, or the first '
                   'occurrence.')
@click.option('--args', type=parse.json_list, metavar='JSON', default='[]',
              help='The positional arguments, as a JSON list.')
@click.option('--kwargs', type=parse.json_object, metavar='JSON',
              default='{}', help='The keyword arguments, as a JSON object.')
@click.option('--principal', 'principalId', metavar='PRINCIPAL',
              help='The id of the principal that the task runs as.')
@click.option('--description', default='', metavar='TEXT',
              help='What the task is for.  Default: the name of the '
                   'function.')
@recurrence_options
@click.option('--missed', type=click.Choice(('one', 'all')), default='one',
              show_default=True,
              help='After an outage, run once for all missed occurrences, or '
                   'once for each.')
@click.option('--expires', type=parse.period, metavar='DURATION',
              help='How long after its occurrence a run may begin.')
@retry_options
@click.option('--key', metavar='KEY',
              help='A key; at most one waiting task has it.')
@click.option('--duplicate', type=click.Choice(DUPLICATE),
              help='What to do if a waiting task has the key.  Default: '
                   'refuse.')
@location_options
def add(location: Location, function: str, args: list[Any],
        duplicate: str | None, time: datetime | None, **options: Any) -> None:
    """Schedule a call of FUNCTION, a dotted name, and print the task's id.

    With --duplicate keep, or replace if both tasks are the same, this is the
    id of the existing task.
    """
    if duplicate is not None and options['key'] is None:
        raise CommandError('--duplicate needs --key')

    def add_task(schedule: Schedule) -> str | None:
        try:
            task = schedule.call(
                function, *args, duplicate=duplicate or 'refuse',
                time=first_time(time, options['recurrence']), **options)
        except AlreadyScheduled as error:
            raise _duplicate_key(options['key'], error.task) from error
        schedule._p_jar.add(task)  # gives it its id before the commit
        return task_id(task)

    click.echo(change_schedule(location, f'add {function}', add_task))


def _duplicate_key(key: str, task: Any) -> CommandError:
    """It says until when the task that has the key waits: that may be long."""
    known = label(oid_of(task), label_of(task), type_of(task))
    return CommandError(
        f'{known} already has the key {key!r}, and waits for '
        f'{words.when(task.time, clock.now())}; give '
        f'--duplicate keep to keep that task, or --duplicate replace to '
        f'replace it')
