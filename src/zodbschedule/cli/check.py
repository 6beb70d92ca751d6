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

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.clocks import clock_problems
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.deep_check import deep_check
from zodbschedule.cli.due import MOST_LOOKED_AT
from zodbschedule.cli.due import due_facts
from zodbschedule.cli.due import obstacles
from zodbschedule.cli.errors import EXIT_ALERT
from zodbschedule.cli.errors import EXIT_CODES
from zodbschedule.cli.monitor import count_workers
from zodbschedule.cli.monitor import in_words
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import location_options
from zodbschedule.cli.task_facts import TaskFacts
from zodbschedule.cli.task_facts import overdue_facts
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.liveness.registry import most_overdue
from zodbschedule.transactions.workarounds import PACK_HINT
from zodbschedule.transactions.workarounds import loses_what_moves


class Bounds(NamedTuple):
    """What is to be: None if it does not matter."""

    max_overdue: timedelta
    max_parked: int | None
    min_workers: int | None


class Findings(NamedTuple):
    """What is."""

    now: datetime
    #: the task that has been due longest, if one is due
    task: dict[str, Any] | None
    overdue: timedelta
    parked: int
    workers: Counter[str]
    pause: dict[str, Any] | None
    unfit_settings: list[str]
    packs_badly: bool
    clock_problems: list[str]
    #: the first tasks that wait and are due
    due: list[TaskFacts]
    #: what else keeps tasks from running
    obstacles: list[str]

    @property
    def unable(self) -> list[TaskFacts]:
        """The due tasks that lack code here, or cannot be loaded."""
        return [row for row in self.due
                if row.problem and row.state != 'paused']

    def more_overdue(self, bounds: Bounds) -> int:
        """How many of those that are due are overdue beside `task`."""
        first = None if self.task is None else self.task['id']
        return sum(row.state != 'paused' and row.id != first
                   and self.now - (row.time or self.now) > bounds.max_overdue
                   for row in self.due)


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
        found = _look(schedule, clock.now())
    problems = list(_problems(found, bounds))
    if as_json:
        _show_json(found, bounds, problems)
    else:
        _show(found, bounds, problems)
    ctx.exit(EXIT_ALERT if problems else 0)


def _look(schedule: Schedule, now: datetime) -> Findings:
    task = most_overdue(schedule, now)
    due = due_facts(schedule, now)
    return Findings(
        now,
        None if task is None else overdue_facts(task),
        timedelta(0) if task is None else now - task.time,
        len(schedule.parked),
        count_workers(schedule.workers),
        pause_facts(schedule.paused()),
        schedule.unfit_settings + schedule.history.unfit_settings,
        loses_what_moves(schedule._p_jar.db().storage),
        clock_problems(schedule, now),
        due,
        obstacles(schedule, due))


def _problems(found: Findings, bounds: Bounds) -> Iterator[str]:
    """What is out of *bounds*, in a word or a few each."""
    if found.overdue > bounds.max_overdue:
        yield 'OVERDUE'
    if bounds.max_parked is not None and found.parked > bounds.max_parked:
        yield 'TOO MANY PARKED'
    if bounds.min_workers is not None and (
            found.workers['alive'] < bounds.min_workers):
        yield 'TOO FEW WORKERS'


def _show_json(found: Findings, bounds: Bounds, problems: list[str]) -> None:
    output.show_json({
        'ok': not problems,
        'overdue': found.overdue,
        'max_overdue': bounds.max_overdue,
        'task': found.task,
        'more_overdue': found.more_overdue(bounds),
        'parked': found.parked,
        'max_parked': bounds.max_parked,
        'workers': found.workers['alive'],
        'min_workers': bounds.min_workers,
        'silent_workers': found.workers['silent'],
        'dead_workers': found.workers['dead'],
        'paused': found.pause,
        'unfit_settings': found.unfit_settings,
        'clock_problems': found.clock_problems,
        'obstacles': found.obstacles,
        'unable': [row.as_dict() for row in found.unable]})


def _show(found: Findings, bounds: Bounds, problems: list[str]) -> None:
    """One line, since a monitor may show the first line only; warnings."""
    summary = '; '.join(_facts(found, bounds))
    output.show(output.cell(f'{", ".join(problems) or "OK"}: {summary}'))
    if found.packs_badly:
        _warn(PACK_HINT)
    for row in found.unable:
        _warn(f'{row.label} cannot run here: {row.problem}')
    for problem in found.unfit_settings:
        _warn(f'a setting is not valid, and its default is used: {problem}')
    for problem in found.obstacles + found.clock_problems:
        _warn(problem)


def _warn(text: str) -> None:
    output.console(stderr=True).print(output.cell(f'Warning: {text}'))


def _facts(found: Findings, bounds: Bounds) -> Iterator[str]:
    yield 'no task is due' if found.task is None else (
        f'{format.task(found.task)} has been due for '
        f'{format.duration(found.overdue)} '
        f'(allowed: {format.duration(bounds.max_overdue)})')
    more = found.more_overdue(bounds)
    if more:
        least = 'at least ' if len(found.due) == MOST_LOOKED_AT else ''
        yield f'{least}{more} more {"is" if more == 1 else "are"} overdue'
    if found.parked or bounds.max_parked is not None:
        yield (f'{format.tasks_are(found.parked)} parked'
               f'{_bound("allowed", bounds.max_parked)}')
    yield f'{in_words(found.workers)}{_bound("needed", bounds.min_workers)}'
    if found.pause is not None:
        yield format.schedule_pause(found.pause)


def _bound(word: str, bound: int | None) -> str:
    return '' if bound is None else f' ({word}: {bound})'
