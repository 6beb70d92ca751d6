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
"""Whether the schedule is processed: its workers, and what is overdue."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import changing
from zodbschedule.cli.database import looking_at
from zodbschedule.cli.errors import BAD_NEWS
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.errors import in_a_line
from zodbschedule.cli.options import EXIT_CODES
from zodbschedule.cli.options import at_a_place
from zodbschedule.cli.options import json_option
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.cli.task_facts import what_of
from zodbschedule.store import incarnation
from zodbschedule.task import task_id


# What a worker counts: the outcomes of its runs.
COUNTED = {name: words for name, words in format.OUTCOMES.items()
           if name != 'left'}


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


# -- for monitors and probes --------------------------------------------------


@click.command(epilog=EXIT_CODES)
@click.option('--max-overdue', 'allowed', type=parse.duration,
              metavar='DURATION', default='5m', show_default=True,
              help='How long a task may have been due.')
@json_option
@at_a_place
@click.pass_context
def check(ctx: click.Context, place: Place, allowed: timedelta,
          as_json: bool) -> None:
    """Exit with 1 if a task has been due for too long.

    For monitors and probes: it tells whether somebody processes the
    schedule, and keeps up; how many workers are registered decides nothing.
    A task that is paused by itself does not count;
    what is due while the whole schedule is paused does.
    """
    with looking_at(place) as schedule:
        overdue = schedule.overdue(clock.now())
        workers = sum(1 for _ in schedule.workers)
        pause = pause_facts(schedule.paused())
    late = overdue > allowed
    if as_json:
        output.show_json({
            'ok': not late, 'overdue': overdue, 'max_overdue': allowed,
            'workers': workers, 'paused': pause})
    else:
        output.show(output.cell(_verdict(
            overdue, allowed, workers, pause)))
    ctx.exit(BAD_NEWS if late else 0)


def _verdict(overdue: timedelta, allowed: timedelta, workers: int,
             pause: dict[str, Any] | None) -> str:
    """One line, since a monitor may show no more of them."""
    word = 'overdue' if overdue > allowed else 'fine'
    said = 'nothing is due'
    if overdue:
        said = (f'a task has been due for {format.duration(overdue)} '
                f'({format.duration(allowed)} are allowed)')
    paused = '' if pause is None else f'; {format.schedule_pause(pause)}'
    return f'{word}: {said}; {_registered(workers)}{paused}'


def _registered(workers: int) -> str:
    match workers:
        case 0:
            return 'no worker is registered'
        case 1:
            return '1 worker is registered'
        case _:
            return f'{workers} workers are registered'
