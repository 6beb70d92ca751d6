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
"""The command for monitors: whether a schedule is processed in time."""

from collections.abc import Iterator
from datetime import timedelta

import click

from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.deep_check import deep_check
from zodbschedule.cli.errors import EXIT_ALERT
from zodbschedule.cli.errors import EXIT_CODES
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import location_options
from zodbschedule.reading import words
from zodbschedule.reading.bounds import Bounds
from zodbschedule.reading.facts import to_json
from zodbschedule.reading.healthcheck import MOST_LOOKED_AT
from zodbschedule.reading.healthcheck import Health
from zodbschedule.reading.healthcheck import OverdueTask
from zodbschedule.reading.healthcheck import health
from zodbschedule.transactions.workarounds import PACK_HINT


@click.command(epilog=EXIT_CODES)
@click.option('--max-overdue', type=parse.duration, metavar='DURATION',
              default='5m', show_default=True,
              help='How long a task may be overdue.')
@click.option('--max-parked', type=click.IntRange(min=0), metavar='N',
              help='How many tasks may be parked.  Default: any number.')
@click.option('--min-workers', type=click.IntRange(min=0), metavar='N',
              help='How many workers have to be alive.  Default: none.')
@click.option('--deep', is_flag=True,
              help='Check instead whether the schedule is sound: each task in '
                   'one place, and no record gone.')
@click.option('--mend', 'mending', is_flag=True,
              help='With --deep: mend what can be mended.  No task is lost; '
                   'what cannot be put back in its place is parked.')
@json_option
@location_options
@click.pass_context
def check(ctx: click.Context, location: Location, max_overdue: timedelta,
          max_parked: int | None, min_workers: int | None, deep: bool,
          mending: bool, as_json: bool) -> None:
    """Exit with 1 if a task is overdue for too long.

    For monitors and probes: this checks that the schedule is processed in
    time, by whatever process.  A task that is paused by itself does not
    count.  If the whole schedule is paused, its due tasks do.  With
    --max-parked and --min-workers: exit with 1 also if more tasks are parked,
    or fewer workers are alive.

    With --deep: exit with 1 if the schedule is not sound.
    """
    if mending and not deep:
        raise click.UsageError('--mend needs --deep')
    if deep:
        ctx.exit(0 if deep_check(location, mending, as_json) else EXIT_ALERT)
    bounds = Bounds(max_overdue, max_parked, min_workers)
    with read_schedule(location) as schedule:
        found = health(schedule)
    problems = list(bounds.problems(found))
    if as_json:
        _show_json(found, bounds, problems)
    else:
        _show(found, bounds, problems)
    ctx.exit(EXIT_ALERT if problems else 0)


def _show_json(found: Health, bounds: Bounds, problems: list[str]) -> None:
    output.show_json({
        'ok': not problems, 'problems': problems, **bounds._asdict(),
        'more_overdue': found.more_overdue(bounds.max_overdue),
        **to_json(found)})


def _show(found: Health, bounds: Bounds, problems: list[str]) -> None:
    """One line, since a monitor may show the first line only; warnings."""
    summary = '; '.join(_facts(found, bounds))
    output.show(output.cell(f'{", ".join(problems) or "OK"}: {summary}'))
    if found.packs_badly:
        _warn(PACK_HINT)
    for row in found.unable:
        _warn(f'{row.label} cannot run here: {row.problem}')
    for problem in found.unfit_settings:
        _warn(f'a setting is not valid, and its default is used: {problem}')
    for problem in (
            *found.hints, *_obstacles(found), *found.clock_problems):
        _warn(problem)


def _warn(text: str) -> None:
    output.console(stderr=True).print(output.cell(f'Warning: {text}'))


def _facts(found: Health, bounds: Bounds) -> Iterator[str]:
    yield 'no task is due' if found.task is None else (
        f'{_held(found.task)} has been due for '
        f'{words.duration(found.overdue)} '
        f'(allowed: {words.duration(bounds.max_overdue)})')
    more = found.more_overdue(bounds.max_overdue)
    if more:
        least = 'at least ' if len(found.due) == MOST_LOOKED_AT else ''
        yield f'{least}{more} more {"is" if more == 1 else "are"} overdue'
    if found.parked or bounds.max_parked is not None:
        yield (f'{format.tasks_are(found.parked)} parked'
               f'{_bound("allowed", bounds.max_parked)}')
    yield (f'{format.workers(found.workers)}'
           f'{_bound("needed", bounds.min_workers)}')
    if found.pause is not None:
        yield format.schedule_pause(found.pause)


def _bound(word: str, bound: int | None) -> str:
    return '' if bound is None else f' ({word}: {bound})'


def _held(task: OverdueTask) -> str:
    """As in ``task 2c 'order 8' (shop.deliver), held by w1:4711,``."""
    return task.label + (f', held by {task.worker},' if task.worker else '')


def _obstacles(found: Health) -> Iterator[str]:
    """The pauses of due tasks, and the dead that hold others."""
    if found.paused_tasks:
        first = found.paused_tasks[0]
        since = format.pause(found.first_pause) if found.first_pause else ''
        yield (f'tasks that are due and paused by themselves: '
               f'{len(found.paused_tasks)}; the first is {first.label}, paused'
               f'{since and " "}{since}. To end that: zodbschedule resume '
               f'{first.id}')
    for each in found.dead_holders:
        yield (f'worker {each.name} (process {each.pid} on {each.host}) is '
               f'{format.worker(each.state, each.silence)}, and holds tasks: '
               f'{each.claimed}. Start a worker, which recovers them; or: '
               f'zodbschedule workers --recover {each.name}')
