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
"""The command that lists the workers, and recovers what one holds."""

from collections.abc import Iterable
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import location_options
from zodbschedule.plain_text import one_line
from zodbschedule.reading.workers import OutcomeCounts
from zodbschedule.reading.workers import WorkerFacts
from zodbschedule.reading.workers import all_workers
from zodbschedule.store import incarnation


# -- workers -----------------------------------------------------------------


@click.command()
@click.option('--recover', 'name', metavar='NAME',
              help='Return the tasks of the worker of that name to the '
                   'schedule.')
@json_option
@location_options
def workers(location: Location, name: str | None, as_json: bool) -> None:
    """List the registered workers, or recover the tasks of one.

    The other workers recover the tasks of a dead worker by themselves;
    --recover does that at once.  If the worker is alive, its run is rolled
    back.
    """
    if name is not None:
        if as_json:
            raise CommandError('--recover and --json are both given; '
                               '--recover does not print JSON')
        _recover(location, name)
        return
    with read_schedule(location) as schedule:
        rows = list(all_workers(schedule))
    if as_json:
        output.show_json_lines(rows)
    else:
        output.show(_table(rows) if rows else 'no workers are registered')


def _table(rows: Iterable[WorkerFacts]) -> Any:
    return output.table(
        ('name', 'host', 'pid', 'since', 'state', 'claimed', 'outcomes',
         'description', 'running since'),
        ((row.name, row.host, row.pid, row.since,
          format.worker(row.state, row.silence), row.claimed or None,
          _outcomes(row.counts), row.description, row.running_since)
         for row in rows),
        optional=('claimed', 'outcomes', 'description', 'running since'),
        below=('running since',), spare=('host', 'pid', 'outcomes', 'since'))


def _outcomes(counts: OutcomeCounts) -> str | None:
    return ', '.join(f'{number} {format.OUTCOMES[name]}'
                     for name, number in vars(counts).items() if number)


def _recover(location: Location, name: str) -> None:
    def recover(schedule: Schedule) -> tuple[int, list[int]]:
        alive = _processes_alive(schedule, name)
        return schedule.recover(name), alive

    number, alive = change_schedule(
        location, f'workers --recover {name}', recover)
    click.echo(f'{one_line(name)} was recovered: {format.tasks_are(number)} '
               f'back in the schedule')
    for pid in sorted(set(alive)):
        click.echo(f'Warning: process {pid} of this worker is alive on this '
                   f'machine; its run is rolled back and will run again',
                   err=True)


def _processes_alive(schedule: Schedule, name: str) -> list[int]:
    """The processes of that worker that certainly run on this machine."""
    return [claim.incarnation.pid for _, claim in schedule.left_claims()
            if claim.name == name
            and incarnation.is_gone(claim.incarnation) is False]
