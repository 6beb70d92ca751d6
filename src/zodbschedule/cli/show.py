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
from datetime import tzinfo
from itertools import islice
from operator import attrgetter
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import NoSuchTask
from zodbschedule.cli.options import first_rows
from zodbschedule.cli.options import id_or_key
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import limit_option
from zodbschedule.cli.options import location_options
from zodbschedule.cli.options import zone_option
from zodbschedule.cli.selection import filter_options
from zodbschedule.reading import words
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.one_task import id_of_key
from zodbschedule.reading.one_task import pause_facts
from zodbschedule.reading.one_task import task as details_of
from zodbschedule.reading.pages import parked
from zodbschedule.reading.paging import MOST
from zodbschedule.reading.paging import followed
from zodbschedule.reading.parked import ParkedFacts
from zodbschedule.reading.parked import parked_entries
from zodbschedule.reading.past import RUN_OUTCOMES
from zodbschedule.reading.past import OutcomeFacts
from zodbschedule.reading.past import history
from zodbschedule.reading.selection import Filter
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.reading.tasks import all_tasks
from zodbschedule.scheduling.series import COUNTED
from zodbschedule.store.history import DECISIONS
from zodbschedule.store.history import NAMES
from zodbschedule.store.parked import ParkedTask


# The id under which a pause of the whole schedule is on record.
WHOLE_SCHEDULE = '0'


# -- tasks -------------------------------------------------------------------


@click.command('list')
@click.option('--from', 'start', type=parse.moment, metavar='TIME',
              help='Only tasks at this time or later.')
@click.option('--until', type=parse.moment, metavar='TIME',
              help='Only tasks at this time or earlier.')
@filter_options('state', 'function', 'key', 'text')
@limit_option
@zone_option
@json_option
@location_options
def list_tasks(location: Location, start: datetime | None,
               until: datetime | None, filter: Filter, limit: int | None,
               zone: tzinfo | None, as_json: bool) -> None:
    """List the waiting and running tasks in order of time."""
    with read_schedule(location) as schedule:
        rows = (row for row in all_tasks(schedule, start, until)
                if filter.matches(row))
        if as_json:
            output.show_json_lines(islice(rows, limit or None))
            return
        shown, more = first_rows(rows, limit)
        output.show(_task_table(shown, zone) if shown else 'no tasks')
        output.show(*_remarks(schedule, more))


def _task_table(rows: list[TaskFacts], zone: tzinfo | None) -> Any:
    return output.table(
        ('id', 'time', 'state', 'attempt', 'progress', 'worker', 'principal',
         'key', 'description', 'function', 'recurrence', 'error'),
        ((row.id, row.time, row.state, _unless_usual(row.attempt, 1),
          row.progress and format.progress(row.progress), row.worker,
          row.principalId, row.key, _description(row),
          _unless_usual(row.function, row.description), row.short_recurrence,
          row.error) for row in rows),
        optional=('attempt', 'progress', 'worker', 'principal', 'key',
                  'function', 'recurrence', 'error'),
        below=('function', 'recurrence', 'key', 'principal', 'worker',
               'error', 'progress', 'attempt'), zone=zone)


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
@id_or_key
@zone_option
@json_option
@location_options
def show(location: Location, id: str | None, key: str | None,
         zone: tzinfo | None, as_json: bool) -> None:
    """Show one task in detail, also if it is parked or has ended.

    Give its ID, or the key that it has.
    """
    with read_schedule(location) as schedule:
        if key is not None:
            id = id_of_key(schedule, key)
        facts = None if id is None else _details(schedule, id)
    if facts is None:
        what = f'with the key {key!r}' if id is None else id
        raise NoSuchTask(f'there is no task {what} in {location}; '
                         f'zodbschedule list shows the ids')
    if as_json:
        output.show_json(facts)
    else:
        _show_facts(facts, zone)


def _details(schedule: Schedule, id: str) -> Facts | None:
    if schedule.get(id) is None:
        _refuse_ambiguous(id, parked_entries(schedule, id))
    return details_of(schedule, id)


def _refuse_ambiguous(id: str, entries: list[ParkedTask]) -> None:
    if len(entries) > 1:
        raise CommandError(
            f'{id} is parked {len(entries)} times; give one of these ids: '
            f'{", ".join(entry.id for entry in entries)}')


def _show_facts(facts: Facts, zone: tzinfo | None) -> None:
    shown = format.readable(facts)
    attributes = getattr(facts, 'attributes', {})
    if shown.get('function') in (shown.get('type'), attributes.get('func')):
        shown.pop('function', None)
    output.show(output.details(shown | {
        f'attribute {name}' if name in shown else name: value
        for name, value in attributes.items()}, zone))
    traceback = getattr(facts, 'traceback', '')
    if traceback:
        output.show('', output.printable(traceback))
    outcomes = getattr(facts, 'outcomes', ())
    if outcomes:
        output.show('', _outcome_table(
            outcomes, zone, 'ended', 'occurrence', 'outcome', 'attempt',
            'duration', 'error'))


# -- parked tasks ------------------------------------------------------------


@click.command('parked')
@limit_option
@zone_option
@json_option
@location_options
def list_parked(location: Location, limit: int | None, zone: tzinfo | None,
                as_json: bool) -> None:
    """List the parked tasks, newest first, with the reason of each."""
    with read_schedule(location) as schedule:
        rows = followed(lambda cursor: parked(schedule, cursor, MOST))
        if as_json:
            output.show_json_lines(islice(rows, limit or None))
            return
        entries, more = first_rows(rows, limit)
    output.show(_parked_table(entries, zone) if entries else
                'no tasks are parked', *filter(None, [more]))


def _parked_table(entries: list[ParkedFacts], zone: tzinfo | None) -> Any:
    return output.table(
        ('id', 'occurrence', 'parked', 'description', 'function', 'reason'),
        ((entry.id, words.timestamp(entry.occurrence or entry.time),
          entry.parked_at, entry.description,
          _unless_usual(entry.function, entry.description), entry.reason)
         for entry in entries),
        optional=('function',), below=('function', 'reason'),
        spare=('occurrence',), zone=zone)


# -- the history -------------------------------------------------------------


@click.command('history')
@click.option('--task', 'id', metavar='ID', help='Only runs of this task.')
@click.option('--outcome', type=click.Choice(list(NAMES.values())),
              help='Only this outcome.')
@click.option('--since', type=parse.moment, metavar='TIME',
              help='Only what ended at this time or later, such as -2h.')
@limit_option
@zone_option
@json_option
@location_options
def show_history(location: Location, id: str | None, outcome: str | None,
                 since: datetime | None, limit: int | None,
                 zone: tzinfo | None, as_json: bool) -> None:
    """Show the outcomes of runs, and what people decided, newest first."""
    with read_schedule(location) as schedule:
        rows = followed(lambda cursor: history(
            schedule, cursor, MOST, task=id, outcome=outcome, since=since))
        if as_json:
            output.show_json_lines(islice(rows, limit or None))
            return
        shown, more = first_rows(rows, limit)
    output.show(
        _outcome_table(shown, zone) if shown else 'no outcomes are on record',
        *filter(None, [more]))


def _outcome_table(rows: Iterable[OutcomeFacts], zone: tzinfo | None,
                   *names: str) -> Any:
    """A table of outcomes, with the columns named, or all."""
    columns = names or tuple(OUTCOME_COLUMNS)
    return output.table(
        columns,
        ([OUTCOME_COLUMNS[name](row) for name in columns] for row in rows),
        optional=('occurrence', 'missed', 'attempt', 'duration', 'principal',
                  'worker', 'description', 'error'),
        below=('error',),
        spare=('worker', 'principal', 'duration', 'occurrence'),
        last=('missed', 'attempt'), zone=zone)


def _task_or_all(facts: OutcomeFacts) -> str:
    return 'all' if facts.id == WHOLE_SCHEDULE else facts.id


def _occurrence(facts: OutcomeFacts) -> str | None:
    """None if this is about no occurrence."""
    return None if facts.outcome in DECISIONS.values() and (
        facts.occurrence == facts.time) else (
        words.timestamp(facts.occurrence))


def _duration(facts: OutcomeFacts) -> str | None:
    """None if there was no run."""
    return words.run_time(facts.ended - facts.began) if (
        facts.outcome in RUN_OUTCOMES) else None


def _passed(facts: OutcomeFacts) -> str | int | None:
    return f'more than {COUNTED}' if facts.passed > COUNTED else (
        _unless_usual(facts.passed, 0))


def _unless_usual(value: Any, usual: Any) -> Any:
    return None if value == usual else value


OUTCOME_COLUMNS: dict[str, Callable[[OutcomeFacts], Any]] = {
    'ended': attrgetter('ended'),
    'task': _task_or_all,
    'occurrence': _occurrence,
    'outcome': attrgetter('outcome'),
    'attempt': lambda facts: _unless_usual(facts.attempt, 1),
    'missed': _passed,
    'duration': _duration,
    'principal': attrgetter('principalId'),
    'worker': attrgetter('worker'),
    'description': attrgetter('description'),
    'error': attrgetter('error')}
