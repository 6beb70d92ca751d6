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
"""The commands that change what is scheduled."""

from functools import partial
from typing import Any

import click

from zodbschedule import steering
from zodbschedule.cli import parse
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Location
from zodbschedule.cli.options import by_option
from zodbschedule.cli.options import id_argument
from zodbschedule.cli.options import id_or_all
from zodbschedule.cli.options import location_options
from zodbschedule.cli.options import note_option
from zodbschedule.cli.options import record_options
from zodbschedule.cli.portions import Action
from zodbschedule.cli.portions import act_on
from zodbschedule.cli.selection import Targets
from zodbschedule.cli.selection import target_options
from zodbschedule.cli.steered import steer
from zodbschedule.cli.task_options import first_time
from zodbschedule.cli.task_options import recurrence_options
from zodbschedule.cli.task_options import retry_options
from zodbschedule.reading.tasks import all_tasks


@click.command()
@target_options('function', 'key', 'text')
@record_options
@location_options
def cancel(location: Location, targets: Targets, by: str, reason: str
           ) -> None:
    """Remove tasks from the schedule, even while they run.

    Tasks that are given by their IDs are cancelled at once.  For others, the
    first are shown, and you are asked; tasks that do not match are left.
    """
    act_on(location, targets, Action(
        'cancel', 'cancelled', all_tasks,
        partial(steering.cancel, by=by, reason=reason)), by)


@click.command()
@id_argument
@click.option('--at', 'time', type=parse.moment, metavar='TIME',
              help='When the task is due next.')
@recurrence_options
@retry_options
@click.option('--missed', type=click.Choice(('one', 'all')),
              help='After an outage, run once for all missed occurrences, or '
                   'once for each.')
@click.option('--expires', type=parse.period, metavar='DURATION',
              help='How long after its occurrence a run may begin.')
@click.option('--key', metavar='KEY',
              help='A key; at most one waiting task has it.')
@click.option('--principal', 'principalId', metavar='PRINCIPAL',
              help='The id of the principal that the task runs as.')
@click.option('--description', metavar='TEXT', help='What the task is for.')
@record_options
@location_options
def change(location: Location, id: str, by: str, reason: str,
           **options: Any) -> None:
    """Change when a task runs, how often it is tried, and so on.

    With a new recurrence and without --at, it waits for the next occurrence.
    """
    given = {name: value for name, value in options.items()
             if value is not None}
    if not given:
        raise click.UsageError(
            'nothing is to be changed; give --at, --every, --retry or another '
            'option')
    time = first_time(given.get('time'), given.get('recurrence'))
    if time is not None:
        given['time'] = time
    steer(location, f'change {id}', lambda schedule: steering.change(
        schedule, id, by=by, reason=reason, **given), by)


@click.command('run-now')
@id_argument
@record_options
@location_options
def run_now(location: Location, id: str, by: str, reason: str) -> None:
    """Run a task once more, as soon as possible, and then as before."""
    steer(location, f'run-now {id}', lambda schedule: steering.run_now(
        schedule, id, by=by, reason=reason), by)


@click.command()
@id_or_all
@note_option('--note', '--reason')
@by_option
@location_options
def pause(location: Location, id: str | None, by: str, reason: str) -> None:
    """Keep a task, or the whole schedule, from starting until resume.

    A run that has begun goes on.
    """
    steer(location, f'pause {id or "--all"}', lambda schedule: steering.pause(
        schedule, id or '', by=by, reason=reason), by)


@click.command()
@id_or_all
@by_option
@location_options
def resume(location: Location, id: str | None, by: str) -> None:
    """End the pause of a task, or of the whole schedule.

    Tasks that are paused by themselves stay so when the schedule is resumed.
    """
    # In the copy of a site all tasks look for their objects then.
    access = Access.RUN if id is None else Access.CHANGE
    steer(location, f'resume {id or "--all"}',
          lambda schedule: steering.resume(schedule, id or '', by=by), by,
          access)
