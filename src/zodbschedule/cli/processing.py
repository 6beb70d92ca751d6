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
"""Running what is due."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli import progress
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import opened
from zodbschedule.cli.errors import BAD_NEWS
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.events import heard
from zodbschedule.cli.options import EXIT_CODES
from zodbschedule.cli.options import at_a_place
from zodbschedule.cli.options import import_modules
from zodbschedule.cli.options import import_option
from zodbschedule.cli.options import json_option
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.execution.process import Tally
from zodbschedule.interfaces import TaskParked


#: the names of a tally, as people are told them
ENDINGS = {
    'succeeded': 'succeeded', 'retried': 'to be retried', 'failed': 'parked',
    'expired': 'expired', 'left': 'left for a next time (-v says why)'}


@click.command(epilog=EXIT_CODES)
@click.option('--until', type=parse.moment, metavar='TIME',
              help='Up to when tasks are taken for due; without it, now.')
@import_option
@json_option
@at_a_place
@click.pass_context
def process(ctx: click.Context, place: Place, until: datetime | None,
            modules: tuple[str, ...], as_json: bool) -> None:
    """Run every task that is due, each in a transaction of its own."""
    import_modules(modules)
    until = until or clock.now()
    parked: list[TaskParked] = []
    with opened(place, Access.CHANGE) as connection:
        schedule = place.find(connection)
        with heard(_into(parked)):
            with progress.shown(schedule, until):
                tally = _process(schedule, until)
        pause = pause_facts(schedule.paused())
    if as_json:
        _tally_as_json(tally, parked)
    else:
        _tally_as_text(tally, parked, pause)
    ctx.exit(BAD_NEWS if parked else 0)


def _process(schedule: Schedule, until: datetime) -> Tally:
    try:
        return schedule.process(until)
    except SystemExit as error:
        # Its exit code would be taken for ours.
        raise Problem(f'a task called sys.exit({error.code!r}); what was not '
                      f'done is back in its place') from error


def _into(parked: list[TaskParked]) -> Callable[[object], None]:
    def hear(event: object) -> None:
        if isinstance(event, TaskParked):
            parked.append(event)

    return hear


def _tally_as_json(tally: Tally, parked: list[TaskParked]) -> None:
    numbers = {name: getattr(tally, name) for name in ENDINGS}
    output.show_json(numbers | {'parked': [
        {'id': each.id, 'time': each.time, 'reason': each.reason,
         'description': each.description, 'principalId': each.principalId}
        for each in parked]})


def _tally_as_text(tally: Tally, parked: list[TaskParked],
                   pause: dict[str, Any] | None) -> None:
    numbers = [f'{getattr(tally, name)} {words}'
               for name, words in ENDINGS.items() if getattr(tally, name)]
    idle = 'nothing was due' if pause is None else 'nothing was taken'
    click.echo(', '.join(numbers) or idle)
    if pause is not None:
        output.show(output.cell(format.schedule_pause(pause)))
    for each in parked:
        output.show(output.cell(f'parked: {each.id} {each.reason}'))
