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

import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any

import click
import zope.event
from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import opened
from zodbschedule.cli.errors import BAD_NEWS
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.options import EXIT_CODES
from zodbschedule.cli.options import at_a_place
from zodbschedule.cli.options import import_modules
from zodbschedule.cli.options import import_option
from zodbschedule.cli.options import json_option
from zodbschedule.cli.output import console
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.execution.process import Tally
from zodbschedule.interfaces import RunEnded
from zodbschedule.interfaces import TaskParked


# Seconds.  Shorter, and a bar flashes up where there is nothing to wait for.
LONG = 1.0

# So many due tasks are counted beforehand, by loading the lists that they are
# in; of more it is not said how many they are.
COUNTED = 10_000


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
        with subscribed(_into(parked)):
            with progress_bar(schedule, until):
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
    numbers = {name: getattr(tally, name) for name in format.OUTCOMES}
    output.show_json(numbers | {'parked': [
        {'id': each.id, 'time': each.time, 'reason': each.reason,
         'description': each.description, 'principalId': each.principalId}
        for each in parked]})


def _tally_as_text(tally: Tally, parked: list[TaskParked],
                   pause: dict[str, Any] | None) -> None:
    numbers = [f'{getattr(tally, name)} {words}'
               for name, words in format.OUTCOMES.items()
               if getattr(tally, name)]
    idle = 'nothing was due' if pause is None else 'nothing was taken'
    click.echo(', '.join(numbers) or idle)
    if pause is not None:
        output.show(output.cell(format.schedule_pause(pause)))
    for each in parked:
        output.show(output.cell(f'parked: {each.id} {each.reason}'))


# -- while it runs -----------------------------------------------------------


@contextmanager
def subscribed(subscriber: Callable[[object], None]) -> Iterator[None]:
    """Inside this context *subscriber* hears the events."""
    zope.event.subscribers.append(subscriber)
    try:
        yield
    finally:
        zope.event.subscribers.remove(subscriber)


@contextmanager
def progress_bar(schedule: Schedule, until: datetime) -> Iterator[None]:
    """Inside this context a bar tells of runs, if it takes long.

    Only on a terminal, and on its standard error.
    """
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    progress = Progress(
        TextColumn('processing'), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), console=screen, transient=True)
    bar = ProgressBar(progress, count_due(schedule, until))
    with subscribed(bar.hear):
        try:
            yield
        finally:
            progress.stop()


def count_due(schedule: Schedule, until: datetime) -> int | None:
    """How many tasks are due; None if they are too many to count."""
    number = sum(1 for _ in islice(schedule.tasks(max=until), COUNTED + 1))
    return number if number <= COUNTED else None


class ProgressBar:
    """Moves on with each run that has ended."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self.progress = progress
        self.began = time.monotonic()
        self.task = progress.add_task('', total=total)

    def hear(self, event: object) -> None:
        """Subscriber of all events."""
        if isinstance(event, RunEnded):
            self.progress.advance(self.task)
            if time.monotonic() - self.began >= LONG:
                self.progress.start()
