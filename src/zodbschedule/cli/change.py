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

from datetime import datetime
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import parse
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import NoSuchTask
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
from zodbschedule.cli.task_options import first_time
from zodbschedule.cli.task_options import recurrence_options
from zodbschedule.cli.task_options import retry_options
from zodbschedule.reading import words
from zodbschedule.reading.parked import parked_entries
from zodbschedule.reading.tasks import all_tasks
from zodbschedule.scheduling.series import is_repeating


@click.command()
@target_options('function', 'key', 'text')
@record_options
@location_options
def cancel(location: Location, targets: Targets, by: str | None, reason: str
           ) -> None:
    """Remove tasks from the schedule, even while they run.

    Tasks that are given by their IDs are cancelled at once.  For others, the
    first are shown, and you are asked; tasks that do not match are left.
    """
    def remove(schedule: Schedule, id: str) -> str:
        schedule.unschedule(_task(schedule, id, location), reason=reason)
        return f'{id} was cancelled'

    act_on(location, targets, Action(
        'cancel', 'cancelled',
        all_tasks, remove), by)


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
def change(location: Location, id: str, by: str | None, reason: str,
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

    def change_it(schedule: Schedule) -> datetime | None:
        task = _task(schedule, id, location)
        schedule.change(task, reason=reason, **given)
        return schedule.waits(task)

    when = change_schedule(location, f'change {id}', change_it, by)
    click.echo(f'{id} was changed' if when is None else
               f'{id} was changed; it is due {words.when(when, clock.now())}')


@click.command('run-now')
@id_argument
@record_options
@location_options
def run_now(location: Location, id: str, by: str | None, reason: str) -> None:
    """Run a task once more, as soon as possible, and then as before."""
    def request(schedule: Schedule) -> str:
        task = _task(schedule, id, location)
        for paused, paused_id in ((None, None), (task, id)):
            if schedule.paused(paused) is not None:
                raise CommandError(
                    f'{paused_id or location} is paused; resume it first, '
                    f'with: zodbschedule {_note("resume", paused_id)}')
        schedule.run_now(task, reason=reason)
        if schedule.waits(task) is not None:
            return 'is due now'
        if is_repeating(task):
            return 'is claimed by a worker and will run once more afterwards'
        return 'is already claimed by a worker'

    said = change_schedule(location, f'run-now {id}', request, by)
    click.echo(f'{id} {said}')


@click.command()
@id_or_all
@note_option('--note', '--reason')
@by_option
@location_options
def pause(location: Location, id: str | None, by: str | None, reason: str
          ) -> None:
    """Keep a task, or the whole schedule, from starting until resume.

    A run that has begun goes on.
    """
    def begin(schedule: Schedule) -> None:
        schedule.pause(_task_or_all(schedule, id, location), reason=reason)

    change_schedule(location, _note('pause', id), begin, by)
    click.echo(f'{id or location} is paused')


@click.command()
@id_or_all
@by_option
@location_options
def resume(location: Location, id: str | None, by: str | None) -> None:
    """End the pause of a task, or of the whole schedule.

    Tasks that are paused by themselves stay so when the schedule is resumed.
    """
    def end(schedule: Schedule) -> bool:
        task = _task_or_all(schedule, id, location)
        paused = schedule.paused(task) is not None
        schedule.resume(task)
        return paused

    # In the copy of a site all tasks look for their objects then.
    access = Access.RUN if id is None else Access.CHANGE
    paused = change_schedule(location, _note('resume', id), end, by, access)
    click.echo(f'{id or location} '
               f'{"is resumed" if paused else "was not paused"}')


def _note(command: str, id: str | None) -> str:
    return f'{command} {id or "--all"}'


# -- what an id means --------------------------------------------------------


def _task(schedule: Schedule, id: str, location: Location) -> Any:
    task = schedule.get(id)
    if task is None:
        if parked_entries(schedule, id):
            raise CommandError(f'{id} is parked; use zodbschedule unpark or '
                               f'zodbschedule discard')
        raise NoSuchTask(f'there is no task {id} in {location}; '
                         f'zodbschedule list shows the ids')
    return task


def _task_or_all(schedule: Schedule, id: str | None, location: Location
                 ) -> Any:
    return None if id is None else _task(schedule, id, location)
