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
from zodbschedule.cli import format
from zodbschedule.cli import parse
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import by_option
from zodbschedule.cli.options import id_argument
from zodbschedule.cli.options import id_or_all
from zodbschedule.cli.options import location_options
from zodbschedule.cli.options import note_option
from zodbschedule.cli.options import record_options
from zodbschedule.cli.task_facts import parked_entries
from zodbschedule.cli.task_facts import parked_entry
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.scheduling.series import is_repeating
from zodbschedule.scheduling.series import occurrence_of
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask
from zodbschedule.task import key_of


@click.command()
@id_argument
@record_options
@location_options
def cancel(location: Location, id: str, by: str | None, reason: str) -> None:
    """Remove a task from the schedule, even while it runs."""
    def remove(schedule: Schedule) -> None:
        schedule.unschedule(_task(schedule, id, location), reason=reason)

    change_schedule(location, f'cancel {id}', remove, by)
    click.echo(f'{id} was cancelled')


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

    paused = change_schedule(location, _note('resume', id), end, by)
    click.echo(f'{id or location} '
               f'{"is resumed" if paused else "was not paused"}')


def _note(command: str, id: str | None) -> str:
    return f'{command} {id or "--all"}'


@click.command()
@id_argument
@click.option('--at', 'time', type=parse.moment, metavar='TIME',
              help='When to run it.  Default: the time of the parked task.')
@record_options
@location_options
def unpark(location: Location, id: str, time: datetime | None,
           by: str | None, reason: str) -> None:
    """Schedule a parked task, or a parked occurrence, again."""
    def restore(schedule: Schedule) -> str:
        entry = _entry(schedule, id, location)
        task = _unparked(schedule, entry, time, reason)
        when = schedule.waits(task)
        if when is None:
            return 'will run when the worker has finished the task'
        if entry.occurrence is not None and to_micros(
                entry.occurrence) != occurrence_of(task, to_micros(when)):
            return 'will run after the occurrence that is waiting'
        return f'is scheduled for {format.when(when, clock.now())}'

    said = change_schedule(location, f'unpark {id}', restore, by)
    click.echo(f'{id} {said}')


def _unparked(schedule: Schedule, entry: ParkedTask, time: datetime | None,
              reason: str) -> Any:
    try:
        return schedule.unpark(entry, time, reason=reason)
    except AlreadyScheduled as error:
        holder = task_id(error.task)
        raise CommandError(
            f'the key {key_of(entry.task)!r} of {entry.id} is held by task '
            f'{holder}, which waits; unpark {entry.id} when that has run, or '
            f'cancel it first, with: zodbschedule cancel {holder}') from error


@click.command()
@id_argument
@record_options
@location_options
def discard(location: Location, id: str, by: str | None, reason: str) -> None:
    """Delete a parked task, or a parked occurrence."""
    def remove(schedule: Schedule) -> None:
        schedule.discard(_entry(schedule, id, location), reason=reason)

    change_schedule(location, f'discard {id}', remove, by)
    click.echo(f'{id} was discarded')


# -- what an id means --------------------------------------------------------


def _task(schedule: Schedule, id: str, location: Location) -> Any:
    task = schedule.get(id)
    if task is None:
        if parked_entries(schedule, id):
            raise CommandError(f'{id} is parked; use zodbschedule unpark or '
                               f'zodbschedule discard')
        raise CommandError(f'there is no task {id} in {location}; '
                           f'zodbschedule list shows the ids')
    return task


def _task_or_all(schedule: Schedule, id: str | None, location: Location
                 ) -> Any:
    return None if id is None else _task(schedule, id, location)


def _entry(schedule: Schedule, id: str, location: Location) -> ParkedTask:
    entry = parked_entry(schedule, id)
    if entry is None:
        raise CommandError(f'no task {id} is parked in {location}; '
                           f'zodbschedule parked shows the ids')
    return entry
