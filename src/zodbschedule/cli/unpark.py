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
"""The commands that decide about parked tasks."""

from datetime import datetime
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import parse
from zodbschedule.cli.database import Location
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import NoSuchTask
from zodbschedule.cli.options import location_options
from zodbschedule.cli.options import record_options
from zodbschedule.cli.portions import Action
from zodbschedule.cli.portions import act_on
from zodbschedule.cli.selection import Targets
from zodbschedule.cli.selection import target_options
from zodbschedule.cli.selection import the_parked
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.reading import words
from zodbschedule.reading.parked import all_parked
from zodbschedule.scheduling.series import occurrence_of
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask
from zodbschedule.task import key_of


@click.command()
@target_options('function', 'key', 'text', 'parked_for')
@click.option('--at', 'time', type=parse.moment, metavar='TIME',
              help='When to run it.  Default: the time of the parked task.')
@record_options
@location_options
def unpark(location: Location, targets: Targets, time: datetime | None,
           by: str | None, reason: str) -> None:
    """Schedule parked tasks, or parked occurrences, again.

    Those that are given by their IDs are scheduled at once.  For others, the
    first are shown, and you are asked.
    """
    def restore(schedule: Schedule, id: str) -> str:
        entry = _entry(schedule, id, location)
        task = _unparked(schedule, entry, time, reason)
        return f'{id} {_what_follows(schedule, entry, task)}'

    act_on(location, targets, Action(
        'unpark', 'unparked', all_parked, restore), by)


def _what_follows(schedule: Schedule, entry: ParkedTask, task: Any) -> str:
    when = schedule.waits(task)
    if when is None:
        return 'will run when the worker has finished the task'
    if entry.occurrence is not None and to_micros(
            entry.occurrence) != occurrence_of(task, to_micros(when)):
        return 'will run after the occurrence that is waiting'
    return f'is scheduled for {words.when(when, clock.now())}'


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
@target_options('function', 'key', 'text', 'parked_for')
@record_options
@location_options
def discard(location: Location, targets: Targets, by: str | None, reason: str
            ) -> None:
    """Delete parked tasks, or parked occurrences.

    Those that are given by their IDs are deleted at once.  For others, the
    first are shown, and you are asked.
    """
    def remove(schedule: Schedule, id: str) -> str:
        schedule.discard(_entry(schedule, id, location), reason=reason)
        return f'{id} was discarded'

    act_on(location, targets, Action(
        'discard', 'discarded', all_parked, remove), by)


def _entry(schedule: Schedule, id: str, location: Location) -> ParkedTask:
    entry = the_parked(schedule, id)
    if entry is None:
        raise NoSuchTask(f'no task {id} is parked in {location}; '
                         f'zodbschedule parked shows the ids')
    return entry
