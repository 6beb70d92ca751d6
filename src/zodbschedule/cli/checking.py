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
"""For monitors and probes."""

from datetime import timedelta
from typing import Any

import click

from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import looking_at
from zodbschedule.cli.errors import BAD_NEWS
from zodbschedule.cli.options import EXIT_CODES
from zodbschedule.cli.options import at_a_place
from zodbschedule.cli.options import json_option
from zodbschedule.cli.task_facts import pause_facts


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
