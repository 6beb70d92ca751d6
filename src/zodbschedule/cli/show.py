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
"""Looking at what is there, and at what has been."""

from collections.abc import Callable
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import looking_at
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.options import at_a_place
from zodbschedule.cli.options import bounded
from zodbschedule.cli.options import id_argument
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import limit_option
from zodbschedule.cli.task_facts import Known
from zodbschedule.cli.task_facts import facts_of
from zodbschedule.cli.task_facts import listed
from zodbschedule.cli.task_facts import outcome_facts
from zodbschedule.cli.task_facts import parked_facts
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.store.history import NAMES


# The id under which a pause of the whole schedule is on record.
WHOLE = '0'

# The outcomes of what has begun.
RAN = 'succeeded', 'retried', 'failed'
# What is no run.
PAUSES = 'paused', 'resumed'


# -- what waits --------------------------------------------------------------


@click.command('list')
@click.option('--from', 'start', type=parse.moment, metavar='TIME',
              help='Only tasks at this time or later.')
@click.option('--until', type=parse.moment, metavar='TIME',
              help='Only tasks at this time or earlier.')
@limit_option
@json_option
@at_a_place
def list_tasks(place: Place, start: datetime | None, until: datetime | None,
               limit: int | None, as_json: bool) -> None:
    """List what waits and what is being run, by time."""
    with looking_at(place) as schedule:
        rows = listed(schedule, start, until)
        if as_json:
            output.show_json_lines(
                row.as_dict() for row in islice(rows, limit or None))
            return
        shown, more = bounded(rows, limit)
        output.show(_tasks(shown) if shown else 'no task waits')
        output.show(*_remarks(schedule, more))


def _tasks(rows: list[Known]) -> Any:
    return output.table(
        ('id', 'time', 'state', 'worker', 'principal', 'key', 'what',
         'repeats'),
        ((row.id, row.time, row.state, row.worker, row.principalId, row.key,
          _what(row), row.repeats) for row in rows),
        optional=('worker', 'principal', 'key', 'repeats'),
        below=('repeats', 'key', 'principal', 'worker'))


def _what(row: Known) -> str:
    what = row.description or row.type
    return f'{what} ({row.problem})' if row.problem else what


def _remarks(schedule: Schedule, more: str | None) -> Iterable[Any]:
    """What is to be said below a list of tasks."""
    if more is not None:
        yield more
    pause = pause_facts(schedule.paused())
    if pause is not None:
        yield output.cell(format.schedule_pause(pause), 'yellow')
    if schedule.parked:
        yield output.cell('some are parked: see zodbschedule parked', 'red')


# -- one task ----------------------------------------------------------------


@click.command()
@id_argument
@json_option
@at_a_place
def show(place: Place, id: str, as_json: bool) -> None:
    """Show all that is known of a task, parked or gone included."""
    with looking_at(place) as schedule:
        facts = facts_of(schedule, id)
    if facts is None:
        raise Problem(f'there is no task {id} in {place}')
    (output.show_json if as_json else _show_facts)(facts)


def _show_facts(facts: dict[str, Any]) -> None:
    more = facts.pop('attributes', {})
    outcomes = facts.pop('outcomes')
    traceback = facts.pop('traceback', '')
    output.show(output.details(format.readable(facts) | {
        f'its {name}' if name in facts else name: value
        for name, value in more.items()}))
    if traceback:
        output.show('', output.printable(traceback))
    if outcomes:
        output.show('', _outcomes(
            outcomes, 'ended', 'for', 'outcome', 'attempt', 'lasted',
            'error'))


# -- what is parked ----------------------------------------------------------


@click.command('parked')
@json_option
@at_a_place
def list_parked(place: Place, as_json: bool) -> None:
    """List the tasks that were set aside after a failure, and why."""
    with looking_at(place) as schedule:
        if as_json:
            output.show_json_lines(map(parked_facts, schedule.parked))
            return
        entries = [parked_facts(entry) for entry in schedule.parked]
    output.show(_parked(entries) if entries else 'no task is parked')


def _parked(entries: list[dict[str, Any]]) -> Any:
    return output.table(
        ('id', 'for', 'parked', 'what', 'why'),
        ((entry['id'], _instant(entry['occurrence'] or entry['time']),
          entry['parked_at'], entry['description'] or entry['type'],
          entry['reason']) for entry in entries),
        below=('why',), spare=('for',))


def _instant(instant: datetime) -> str:
    return format.timestamp(instant)


# -- what has been -----------------------------------------------------------


@click.command('history')
@click.option('--task', 'id', metavar='ID', help='Only runs of this task.')
@click.option('--outcome', type=click.Choice(list(NAMES.values())),
              help='Only what ended in this way.')
@limit_option
@json_option
@at_a_place
def show_history(place: Place, id: str | None, outcome: str | None,
                 limit: int | None, as_json: bool) -> None:
    """Show how runs ended, and who has paused what: newest first."""
    with looking_at(place) as schedule:
        rows = map(outcome_facts, schedule.history.select(id, outcome))
        if as_json:
            output.show_json_lines(islice(rows, limit or None))
            return
        shown, more = bounded(rows, limit)
    output.show(_outcomes(shown) if shown else 'nothing is on record',
                *filter(None, [more]))


def _outcomes(rows: list[dict[str, Any]], *names: str) -> Any:
    """A table of outcomes; what a terminal has no room for is left out."""
    columns = names or tuple(OUTCOME)
    return output.table(
        columns, ([OUTCOME[name](row) for name in columns] for row in rows),
        optional=('for', 'passed', 'attempt', 'lasted', 'principal',
                  'worker', 'what', 'error'),
        below=('error',), spare=('worker', 'principal', 'lasted', 'for'))


def _whose(facts: dict[str, Any]) -> str:
    return 'all' if facts['id'] == WHOLE else str(facts['id'])


def _lasted(facts: dict[str, Any]) -> str | None:
    """None if there was no run."""
    return format.run_time(facts['ended'] - facts['began']) if (
        facts['outcome'] in RAN) else None


def _but(value: Any, usual: Any) -> Any:
    """Only what is not as it mostly is."""
    return None if value == usual else value


OUTCOME: dict[str, Callable[[dict[str, Any]], Any]] = {
    'ended': itemgetter('ended'),
    'task': _whose,
    'for': lambda facts: (
        None if facts['outcome'] in PAUSES else _instant(facts['occurrence'])),
    'outcome': itemgetter('outcome'),
    'attempt': lambda facts: _but(facts['attempt'], 1),
    'passed': lambda facts: _but(facts['passed'], 0),
    'lasted': _lasted,
    'principal': itemgetter('principalId'),
    'worker': itemgetter('worker'),
    'what': itemgetter('description'),
    'error': itemgetter('error')}
