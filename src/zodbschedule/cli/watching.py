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
"""Looking at the workers, and recovering what one has left."""

from collections.abc import Iterable
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import changing
from zodbschedule.cli.database import looking_at
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.errors import in_a_line
from zodbschedule.cli.options import at_a_place
from zodbschedule.cli.options import json_option
from zodbschedule.cli.processing import ENDINGS
from zodbschedule.cli.task_facts import what_of
from zodbschedule.store import incarnation
from zodbschedule.task import task_id


# What a worker counts: the outcomes of its runs.
COUNTED = {name: words for name, words in ENDINGS.items() if name != 'left'}


@click.command()
@click.option('--recover', 'name', metavar='NAME',
              help='Put back what the worker of that name holds.')
@json_option
@at_a_place
def workers(place: Place, name: str | None, as_json: bool) -> None:
    """List the workers, or recover what one has left behind.

    Others recover a worker that is dead by themselves.  With --recover that
    is done now; if the worker lives, its run is undone.
    """
    if name is not None:
        if as_json:
            raise Problem('--recover prints no JSON')
        _recover(place, name)
        return
    with looking_at(place) as schedule:
        rows = [_facts(each) for each in schedule.workers]
    if as_json:
        output.show_json_lines(rows)
    else:
        output.show(_table(rows) if rows else 'no worker is registered')


def _facts(state: Any) -> dict[str, Any]:
    """What is known of a worker."""
    return {
        'id': state.id,
        'name': state.name,
        'host': state.host,
        'pid': state.pid,
        'since': state.since,
        'lease': state.lease,
        'beaten': state.beaten,
        'claimed': state.claimed,
        'task': None if state.task is None else task_id(state.task),
        'description': None if state.task is None else what_of(state.task),
        'running_since': state.running_since,
        'counts': {name: getattr(state.counts, name) for name in COUNTED}}


def _table(rows: Iterable[dict[str, Any]]) -> Any:
    now = clock.now()
    return output.table(
        ('name', 'host', 'pid', 'since', 'beaten', 'held', 'ended', 'what',
         'runs since'),
        ((row['name'], row['host'], row['pid'], row['since'],
          format.relative(row['beaten'], now), row['claimed'] or None,
          _ended(row['counts']), row['description'], row['running_since'])
         for row in rows),
        optional=('held', 'ended', 'what', 'runs since'),
        below=('runs since',), spare=('host', 'pid', 'ended', 'since'))


def _ended(counts: dict[str, int]) -> str | None:
    return ', '.join(f'{counts[name]} {words}'
                     for name, words in COUNTED.items() if counts[name])


def _recover(place: Place, name: str) -> None:
    def recover(schedule: Schedule) -> tuple[int, list[int]]:
        living = [
            claim.incarnation.pid for claim in schedule.claims.values()
            if claim.name == name
            and incarnation.is_gone(claim.incarnation) is False]
        return schedule.recover(name), living

    number, living = changing(place, f'workers --recover {name}', recover)
    said = ('1 task is back in its place' if number == 1 else
            f'{number} tasks are back in their place')
    click.echo(f'{in_a_line(name)} is recovered: {said}')
    for pid in sorted(set(living)):
        click.echo(f'Warning: its process {pid} lives, on this machine; what '
                   f'it was running is undone and runs again', err=True)
