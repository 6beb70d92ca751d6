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
"""The commands that show whether a schedule is processed, and by whom."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.deep_check import deep_check
from zodbschedule.cli.errors import EXIT_ALERT
from zodbschedule.cli.errors import EXIT_CODES
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import one_line
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import location_options
from zodbschedule.cli.task_facts import label_of
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.store import incarnation
from zodbschedule.store.inspection import task_id
from zodbschedule.transactions.workarounds import PACK_HINT
from zodbschedule.transactions.workarounds import loses_what_moves


# The outcomes that a worker counts.
COUNTED = {name: words for name, words in format.OUTCOMES.items()
           if name != 'left'}


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
        rows = [_facts(each) for each in schedule.workers]
    if as_json:
        output.show_json_lines(rows)
    else:
        output.show(_table(rows) if rows else 'no workers are registered')


def _facts(state: Any) -> dict[str, Any]:
    return {
        'id': state.id,
        'name': state.name,
        'host': state.host,
        'pid': state.pid,
        'since': state.since,
        'lease': state.lease,
        'heartbeat': state.beaten,
        'claimed': state.claimed,
        'task': None if state.task is None else task_id(state.task),
        'description': None if state.task is None else label_of(state.task),
        'running_since': state.running_since,
        'counts': {name: getattr(state.counts, name) for name in COUNTED}}


def _table(rows: Iterable[dict[str, Any]]) -> Any:
    now = clock.now()
    return output.table(
        ('name', 'host', 'pid', 'since', 'heartbeat', 'claimed', 'outcomes',
         'description', 'running since'),
        ((row['name'], row['host'], row['pid'], row['since'],
          format.relative(row['heartbeat'], now), row['claimed'] or None,
          _outcomes(row['counts']), row['description'], row['running_since'])
         for row in rows),
        optional=('claimed', 'outcomes', 'description', 'running since'),
        below=('running since',), spare=('host', 'pid', 'outcomes', 'since'))


def _outcomes(counts: dict[str, int]) -> str | None:
    return ', '.join(f'{counts[name]} {words}'
                     for name, words in COUNTED.items() if counts[name])


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
    return [claim.incarnation.pid for claim in schedule.claims.values()
            if claim.name == name
            and incarnation.is_gone(claim.incarnation) is False]


# -- overdue tasks -----------------------------------------------------------


@click.command(epilog=EXIT_CODES)
@click.option('--max-overdue', 'allowed', type=parse.duration,
              metavar='DURATION', default='5m', show_default=True,
              help='How long a task may be overdue.')
@click.option('--deep', is_flag=True,
              help='Check instead whether the schedule is sound: each task in '
                   'one place, and no record gone.')
@click.option('--mend', 'mending', is_flag=True,
              help='With --deep: mend what can be mended.  No task is lost; '
                   'what cannot be put back in its place is parked.')
@json_option
@location_options
@click.pass_context
def check(ctx: click.Context, location: Location, allowed: timedelta,
          deep: bool, mending: bool, as_json: bool) -> None:
    """Exit with 1 if a task is overdue for too long.

    For monitors and probes: this checks that the schedule is processed in
    time, by whatever process; the number of workers does not matter.  A task
    that is paused by itself does not count.  If the whole schedule is paused,
    its due tasks do.

    With --deep: exit with 1 if the schedule is not sound.
    """
    if mending and not deep:
        raise click.UsageError('--mend needs --deep')
    if deep:
        ctx.exit(0 if deep_check(location, mending, as_json) else EXIT_ALERT)
    with read_schedule(location) as schedule:
        overdue = schedule.overdue(clock.now())
        workers = sum(1 for _ in schedule.workers)
        pause = pause_facts(schedule.paused())
        packs_badly = loses_what_moves(schedule._p_jar.db().storage)
        unfit = schedule.unfit_settings + schedule.history.unfit_settings
    late = overdue > allowed
    if as_json:
        output.show_json({
            'ok': not late, 'overdue': overdue, 'max_overdue': allowed,
            'workers': workers, 'paused': pause, 'unfit_settings': unfit})
    else:
        output.show(output.cell(_summary(
            overdue, allowed, workers, pause)))
        if packs_badly:
            click.echo(f'Warning: {PACK_HINT}', err=True)
        for problem in unfit:
            click.echo(f'Warning: a setting is not valid, and its default is '
                       f'used: {problem}', err=True)
    ctx.exit(EXIT_ALERT if late else 0)


def _summary(overdue: timedelta, allowed: timedelta, workers: int,
             pause: dict[str, Any] | None) -> str:
    """One line, since a monitor may show the first line only."""
    word = 'OVERDUE' if overdue > allowed else 'OK'
    text = 'no task is due'
    if overdue:
        text = (f'a task has been due for {format.duration(overdue)} '
                f'(allowed: {format.duration(allowed)})')
    paused = '' if pause is None else f'; {format.schedule_pause(pause)}'
    return f'{word}: {text}; {_registered(workers)}{paused}'


def _registered(workers: int) -> str:
    match workers:
        case 0:
            return 'no workers are registered'
        case 1:
            return '1 worker is registered'
        case _:
            return f'{workers} workers are registered'
