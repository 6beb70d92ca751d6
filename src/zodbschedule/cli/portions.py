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
"""Changing many tasks, in one bounded transaction after another."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from itertools import chain
from itertools import islice
from typing import NamedTuple

import click

from zodbschedule import Schedule
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import changing
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.errors import EXIT_ERROR
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import NoSuchTask
from zodbschedule.cli.selection import Targets
from zodbschedule.cli.steered import error_of
from zodbschedule.cli.steered import refuse_left
from zodbschedule.cli.steered import told
from zodbschedule.reading.parked import ParkedFacts
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.steering import Steered


# How many tasks one transaction changes at most.  More, and it conflicts with
# the workers for longer, and is undone as a whole.
PORTION = 100

# How many tasks are shown before the question.
SHOWN = 10


class Action(NamedTuple):
    """What a command does with each of its tasks."""

    command: str
    done: str
    #: the facts of all tasks that it may be done with
    candidates: Callable[[Schedule], Iterator[TaskFacts | ParkedFacts]]
    #: does it to the task with that id: see `zodbschedule.steering`
    act: Callable[[Schedule, str], Steered]


def act_on(location: Location, targets: Targets, action: Action,
           by: str) -> None:
    """Do it to all *targets*.  Ask first, if they were not named."""
    if targets.ids:
        _act_on_named(location, targets.ids, action, by)
        return
    ids = _found(location, targets, action)
    if ids:
        _act_on_found(location, ids, action, by)


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), PORTION):
        yield ids[start:start + PORTION]


# -- named -------------------------------------------------------------------


def _act_on_named(location: Location, ids: Sequence[str], action: Action,
                  by: str) -> None:
    """The first that it cannot be done to ends the command."""
    with changing(location, by) as commit:
        for portion in _portions(ids):
            said = commit(
                f'{action.command} {" ".join(portion)}',
                partial(_act_on_each, action, location, portion))
            for line in said:
                click.echo(line)


def _act_on_each(action: Action, location: Location, ids: Sequence[str],
                 schedule: Schedule) -> list[str]:
    said = []
    for id in ids:
        found = action.act(schedule, id)
        refuse_left(found, schedule, location)
        said.append(told(found, location))
    return said


# -- found by what they have in common ---------------------------------------


def _found(location: Location, targets: Targets, action: Action
           ) -> list[str]:
    """The ids of the tasks that match; none if the user says no."""
    with read_schedule(location) as schedule:
        rows = filter(targets.filter.matches, action.candidates(schedule))
        first = list(islice(rows, SHOWN))
        ids = [row.id for row in chain(first, rows)]
    if not ids:
        click.echo('no tasks match')
    elif not (targets.sure or _is_confirmed(action, len(ids), first)):
        click.echo('nothing was changed')
        return []
    return ids


def _is_confirmed(action: Action, number: int,
                  first: list[TaskFacts | ParkedFacts]) -> bool:
    output.show(output.table(
        ('id', 'time', 'description', 'function', 'key', 'reason'),
        ((row.id, row.time, row.description, row.function, row.key,
          getattr(row, 'reason', None)) for row in first),
        optional=('key', 'reason'), below=('reason', 'key', 'function')))
    if number > len(first):
        click.echo(f'and {number - len(first)} more')
    try:
        return click.confirm(
            f'{action.command.capitalize()} {format.tasks(number)}?')
    except click.Abort:
        raise CommandError(
            'nothing was changed, since nobody answers; give --yes') from None


def _act_on_found(location: Location, ids: Sequence[str], action: Action,
                  by: str) -> None:
    """What it cannot be done to is said, and stops nothing."""
    problems: list[CommandError | None] = []
    with changing(location, by) as commit:
        for portion in _portions(ids):
            problems += commit(
                f'{action.command} {format.tasks(len(portion))}',
                partial(_try_each, action, location, portion))
    gone = sum(isinstance(each, NoSuchTask) for each in problems)
    click.echo(f'{action.done} {format.tasks(problems.count(None))}')
    if gone:
        click.echo(f'{format.tasks(gone)} had gone meanwhile')
    _tell(each for each in problems
          if each is not None and not isinstance(each, NoSuchTask))


def _try_each(action: Action, location: Location, ids: Sequence[str],
              schedule: Schedule) -> list[CommandError | None]:
    """For each task what the problem is, or None."""
    found = [action.act(schedule, id) for id in ids]
    return [None if each.done else error_of(each, schedule, location)
            for each in found]


def _tell(problems: Iterator[CommandError]) -> None:
    """Print the problems; if there is one, the exit code says so."""
    code = 0
    for problem in problems:
        click.echo(f'Error: {problem.message}', err=True)
        code = EXIT_ERROR
    click.get_current_context().exit(code)
