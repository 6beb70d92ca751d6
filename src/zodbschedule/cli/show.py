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
"""The commands that show tasks, parked tasks and the history."""

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
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import first_rows
from zodbschedule.cli.options import id_argument
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import limit_option
from zodbschedule.cli.options import location_options
from zodbschedule.cli.task_facts import TaskFacts
from zodbschedule.cli.task_facts import facts_by_id
from zodbschedule.cli.task_facts import list_facts
from zodbschedule.cli.task_facts import outcome_facts
from zodbschedule.cli.task_facts import parked_facts
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.scheduling.series import COUNTED
from zodbschedule.store.history import DECISIONS
from zodbschedule.store.history import NAMES


# The id under which a pause of the whole schedule is on record.
WHOLE_SCHEDULE = '0'

# The outcomes of what has begun.
RUN_OUTCOMES = 'succeeded', 'retried', 'failed'


# -- tasks -------------------------------------------------------------------


@click.command('list')
@click.option('--from', 'start', type=parse.moment, metavar='TIME',
              help='Only tasks at this time or later.')
@click.option('--until', type=parse.moment, metavar='TIME',
              help='Only tasks at this time or earlier.')
@limit_option
@json_option
@location_options
def list_tasks(location: Location, start: datetime | None,
               until: datetime | None, limit: int | None, as_json: bool
               ) -> None:
    """List the waiting and running tasks in order of time."""
    with read_schedule(location) as schedule:
        rows = list_facts(schedule, start, until)
        if as_json:
            output.show_json_lines(
                row.as_dict() for row in islice(rows, limit or None))
            return
        shown, more = first_rows(rows, limit)
        output.show(_task_table(shown) if shown else 'no tasks')
        output.show(*_remarks(schedule, more))


def _task_table(rows: list[TaskFacts]) -> Any:
    return output.table(
        ('id', 'time', 'state', 'worker', 'principal', 'key', 'description',
         'recurrence'),
        ((row.id, row.time, row.state, row.worker, row.principalId, row.key,
          _description(row), row.short_recurrence) for row in rows),
        optional=('worker', 'principal', 'key', 'recurrence'),
        below=('recurrence', 'key', 'principal', 'worker'))


def _description(row: TaskFacts) -> str:
    return f'{row.description} ({row.problem})' if row.problem else (
        row.description)


def _remarks(schedule: Schedule, more: str | None) -> Iterable[Any]:
    """The lines below a table of tasks."""
    if more is not None:
        yield more
    pause = pause_facts(schedule.paused())
    if pause is not None:
        yield output.cell(format.schedule_pause(pause), 'yellow')
    if schedule.parked:
        yield output.cell(
            'some tasks are parked; zodbschedule parked lists them', 'red')


# -- one task ----------------------------------------------------------------


@click.command()
@id_argument
@json_option
@location_options
def show(location: Location, id: str, as_json: bool) -> None:
    """Show one task in detail, also if it is parked or has ended."""
    with read_schedule(location) as schedule:
        facts = facts_by_id(schedule, id)
    if facts is None:
        raise CommandError(f'there is no task {id} in {location}; '
                           f'zodbschedule list shows the ids')
    (output.show_json if as_json else _show_facts)(facts)


def _show_facts(facts: dict[str, Any]) -> None:
    attributes = facts.pop('attributes', {})
    outcomes = facts.pop('outcomes')
    traceback = facts.pop('traceback', '')
    output.show(output.details(format.readable(facts) | {
        f'attribute {name}' if name in facts else name: value
        for name, value in attributes.items()}))
    if traceback:
        output.show('', output.printable(traceback))
    if outcomes:
        output.show('', _outcome_table(
            outcomes, 'ended', 'occurrence', 'outcome', 'attempt', 'duration',
            'error'))


# -- parked tasks ------------------------------------------------------------


@click.command('parked')
@json_option
@location_options
def list_parked(location: Location, as_json: bool) -> None:
    """List the parked tasks, with the reason of each."""
    with read_schedule(location) as schedule:
        if as_json:
            output.show_json_lines(map(parked_facts, schedule.parked))
            return
        entries = [parked_facts(entry) for entry in schedule.parked]
    output.show(_parked_table(entries) if entries else 'no tasks are parked')


def _parked_table(entries: list[dict[str, Any]]) -> Any:
    return output.table(
        ('id', 'occurrence', 'parked', 'description', 'reason'),
        ((entry['id'],
          format.timestamp(entry['occurrence'] or entry['time']),
          entry['parked_at'], entry['description'],
          entry['reason']) for entry in entries),
        below=('reason',), spare=('occurrence',))


# -- the history -------------------------------------------------------------


@click.command('history')
@click.option('--task', 'id', metavar='ID', help='Only runs of this task.')
@click.option('--outcome', type=click.Choice(list(NAMES.values())),
              help='Only this outcome.')
@limit_option
@json_option
@location_options
def show_history(location: Location, id: str | None, outcome: str | None,
                 limit: int | None, as_json: bool) -> None:
    """Show the outcomes of runs, and what people decided, newest first."""
    with read_schedule(location) as schedule:
        rows = map(outcome_facts, schedule.history.select(id, outcome))
        if as_json:
            output.show_json_lines(islice(rows, limit or None))
            return
        shown, more = first_rows(rows, limit)
    output.show(
        _outcome_table(shown) if shown else 'no outcomes are on record',
        *filter(None, [more]))


def _outcome_table(rows: list[dict[str, Any]], *names: str) -> Any:
    """A table of outcomes, with the columns named, or all."""
    columns = names or tuple(OUTCOME_COLUMNS)
    return output.table(
        columns,
        ([OUTCOME_COLUMNS[name](row) for name in columns] for row in rows),
        optional=('occurrence', 'missed', 'attempt', 'duration', 'principal',
                  'worker', 'description', 'error'),
        below=('error',),
        spare=('worker', 'principal', 'duration', 'occurrence'))


def _task_or_all(facts: dict[str, Any]) -> str:
    return 'all' if facts['id'] == WHOLE_SCHEDULE else str(facts['id'])


def _occurrence(facts: dict[str, Any]) -> str | None:
    """None if this is about no occurrence."""
    return None if facts['outcome'] in DECISIONS.values() and (
        facts['occurrence'] == facts['time']) else (
        format.timestamp(facts['occurrence']))


def _duration(facts: dict[str, Any]) -> str | None:
    """None if there was no run."""
    return format.run_time(facts['ended'] - facts['began']) if (
        facts['outcome'] in RUN_OUTCOMES) else None


def _passed(facts: dict[str, Any]) -> str | int | None:
    passed = facts['passed']
    return f'more than {COUNTED}' if passed > COUNTED else (
        _unless_usual(passed, 0))


def _unless_usual(value: Any, usual: Any) -> Any:
    return None if value == usual else value


OUTCOME_COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    'ended': itemgetter('ended'),
    'task': _task_or_all,
    'occurrence': _occurrence,
    'outcome': itemgetter('outcome'),
    'attempt': lambda facts: _unless_usual(facts['attempt'], 1),
    'missed': _passed,
    'duration': _duration,
    'principal': itemgetter('principalId'),
    'worker': itemgetter('worker'),
    'description': itemgetter('description'),
    'error': itemgetter('error')}
