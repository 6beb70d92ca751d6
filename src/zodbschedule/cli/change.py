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
"""Changing what is scheduled already."""

import getpass
import os
from datetime import datetime
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import parse
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import changing
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.options import at_a_place
from zodbschedule.cli.options import id_argument
from zodbschedule.cli.options import id_or_all
from zodbschedule.cli.task_facts import parked_entries
from zodbschedule.cli.task_facts import parked_entry
from zodbschedule.instant import to_micros
from zodbschedule.scheduling.series import is_repeating
from zodbschedule.scheduling.series import occurrence_of
from zodbschedule.store.parked import ParkedTask


@click.command()
@id_argument
@at_a_place
def cancel(place: Place, id: str) -> None:
    """Remove a task from the schedule, even while it runs."""
    changing(place, f'cancel {id}', lambda schedule: schedule.unschedule(
        _task(schedule, id, place)))
    click.echo(f'{id} is cancelled')


@click.command('run-now')
@id_argument
@at_a_place
def run_now(place: Place, id: str) -> None:
    """Have a task run once more, at once, and then as before."""
    def ask(schedule: Schedule) -> str:
        task = _task(schedule, id, place)
        for whose, what in ((None, place), (task, id)):
            if schedule.paused(whose) is not None:
                raise Problem(f'{what} is paused; resume that first')
        schedule.run_now(task)
        if schedule.waits(task) is not None:
            return 'is due now'
        if is_repeating(task):
            return 'is with a worker, and runs once more afterwards'
        return 'is with a worker already'

    click.echo(f'{id} {changing(place, f"run-now {id}", ask)}')


@click.command()
@id_or_all
@click.option('--reason', default='', metavar='TEXT', help='Why.')
@at_a_place
def pause(place: Place, id: str | None, reason: str) -> None:
    """Let nothing begin, or not that task, until resume.

    What runs goes on.  Without ID the whole schedule is paused.
    """
    changing(place, _note('pause', id), lambda schedule: schedule.pause(
        _task_or_all(schedule, id, place), reason=reason, by=_user()))
    click.echo(f'{id or place} is paused')


@click.command()
@id_or_all
@at_a_place
def resume(place: Place, id: str | None) -> None:
    """End a pause: that of the task, or without ID of the schedule."""
    def end(schedule: Schedule) -> bool:
        task = _task_or_all(schedule, id, place)
        paused = schedule.paused(task) is not None
        schedule.resume(task, by=_user())
        return paused

    paused = changing(place, _note('resume', id), end)
    click.echo(f'{id or place} {"goes on" if paused else "was not paused"}')


def _note(command: str, id: str | None) -> str:
    return command if id is None else f'{command} {id}'


def _user() -> str:
    """Whom the operating system runs this for."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # by number, as in a container
        return f'uid {os.getuid()}'


@click.command()
@id_argument
@click.option('--at', 'time', type=parse.moment, metavar='TIME',
              help='When; without it, at the time it was parked with.')
@at_a_place
def unpark(place: Place, id: str, time: datetime | None) -> None:
    """Schedule a parked task, or occurrence of a task, again."""
    def put_back(schedule: Schedule) -> str:
        entry = _entry(schedule, id, place)
        task = schedule.unpark(entry, time)
        when = schedule.waits(task)
        if when is None:
            return 'runs when its worker is through with the task'
        if entry.occurrence is not None and to_micros(
                entry.occurrence) != occurrence_of(task, to_micros(when)):
            return 'runs after the occurrence that its task waits for'
        return f'waits for {format.when(when, clock.now())}'

    click.echo(f'{id} {changing(place, f"unpark {id}", put_back)}')


@click.command()
@id_argument
@at_a_place
def discard(place: Place, id: str) -> None:
    """Forget a parked task, or occurrence of a task."""
    changing(place, f'discard {id}', lambda schedule: schedule.discard(
        _entry(schedule, id, place)))
    click.echo(f'{id} is discarded')


# -- what is meant by an id --------------------------------------------------


def _task(schedule: Schedule, id: str, place: Place) -> Any:
    task = schedule.get(id)
    if task is None:
        if parked_entries(schedule, id):
            raise Problem(f'{id} is parked; use unpark or discard')
        raise Problem(f'there is no task {id} in {place}')
    return task


def _task_or_all(schedule: Schedule, id: str | None, place: Place
                 ) -> Any:
    return None if id is None else _task(schedule, id, place)


def _entry(schedule: Schedule, id: str, place: Place) -> ParkedTask:
    entry = parked_entry(schedule, id)
    if entry is None:
        raise Problem(f'no task {id} is parked in {place}')
    return entry
