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
"""The commands."""

import functools
import logging
import sys
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from io import TextIOWrapper
from itertools import islice
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import live
from zodbschedule.cli import output
from zodbschedule.cli import progress
from zodbschedule.cli import values
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import changing
from zodbschedule.cli.database import find_schedule
from zodbschedule.cli.database import looking_at
from zodbschedule.cli.database import make_schedule
from zodbschedule.cli.database import opened
from zodbschedule.cli.events import heard
from zodbschedule.cli.known import Known
from zodbschedule.cli.known import attributes
from zodbschedule.cli.known import found
from zodbschedule.cli.known import listed
from zodbschedule.cli.known import outcomes_of
from zodbschedule.cli.known import parked_entry
from zodbschedule.cli.known import parked_facts
from zodbschedule.cli.problem import BAD_NEWS
from zodbschedule.cli.problem import Problem
from zodbschedule.cli.problem import told_in_a_line
from zodbschedule.demo import FOLDER
from zodbschedule.demo import Demo
from zodbschedule.interfaces import TaskParked
from zodbschedule.parked import ParkedTask
from zodbschedule.processing import Tally
from zodbschedule.task import task_id


# So many tasks fill a few screens; more are shown if asked for.
SCREENFUL = 100

EXIT_CODES = """\b
Exit codes:
  0    fine
  1    a task was parked in this call; for check: a task is overdue
  2    wrong usage, no such thing, or it could not be done
  130  interrupted; what was not done is back in its place"""

#: the names of a tally, as people are told them
ENDINGS = {
    'succeeded': 'succeeded', 'retried': 'to be retried', 'failed': 'parked',
    'expired': 'expired', 'left': 'left for a next time (-v says why)'}


class Commands(click.Group):
    """All commands; whatever goes wrong in one ends as one line."""

    def invoke(self, ctx: click.Context) -> Any:
        with told_in_a_line():
            return super().invoke(ctx)


def at_a_place(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say which schedule is meant."""
    @click.option('--db', 'uri', metavar='URI', required=True,
                  envvar='ZODBSCHEDULE_DB', show_envvar=True,
                  help='The database: a URI as zodburi knows them, or the '
                       'path of a FileStorage.')
    @click.option('--path', metavar='KEYS', default='schedule',
                  show_default=True,
                  help='Where the schedule stands: keys from the root on, '
                       'separated by slashes.')
    @functools.wraps(function)
    def command(uri: str, path: str, **options: Any) -> None:
        function(Place(uri, path), **options)

    return command


id_argument = click.argument('id', metavar='ID')
json_option = click.option(
    '--json', 'as_json', is_flag=True, help='Print JSON.')


@click.group(cls=Commands, epilog=EXIT_CODES,
             context_settings={'help_option_names': ['-h', '--help']})
@click.option('-v', '--verbose', is_flag=True,
              help='Show the log, with tracebacks, on standard error.')
@click.version_option(package_name='zodbschedule')
def commands(verbose: bool) -> None:
    """Look at, change and process a schedule in a ZODB.

    A task is named by its id, which add prints and list shows.  A TIME is
    ISO 8601 with a zone (2030-01-31T09:00Z, 2030-01-31T09:00+01:00) or an
    offset from now (+30s, +10m, +2h, +1d).
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')
    if verbose:
        logging.basicConfig(level=logging.INFO)
    else:
        # Or else Python prints warnings that have no handler.
        logging.getLogger().addHandler(logging.NullHandler())


# -- changing ----------------------------------------------------------------


@commands.command()
@at_a_place
def init(place: Place) -> None:
    """Make a schedule, and the database if it does not exist."""
    with opened(place, Access.CREATE) as connection:
        with connection.transaction_manager as transaction:
            transaction.note('zodbschedule init')
            made = make_schedule(connection, place)
    click.echo(f'{place} is {"made" if made else "there already"}')


@commands.command()
@click.argument('function')
@click.option('--at', 'time', type=values.moment, metavar='TIME',
              help='When; without it, at once.')
@click.option('--args', type=values.json_list, metavar='JSON', default='[]',
              help='The positional arguments, as a JSON list.')
@click.option('--kwargs', type=values.json_object, metavar='JSON',
              default='{}', help='The keyword arguments, as a JSON object.')
@click.option('--principal', 'principalId', metavar='PRINCIPAL',
              help='The id of the principal that it is to run as.')
@click.option('--description', default='', metavar='TEXT',
              help='What it is for; without it, the name of the function.')
@at_a_place
def add(place: Place, function: str, args: list[Any], **options: Any) -> None:
    """Schedule a call of FUNCTION, a dotted name; print the task's id."""
    def add_task(schedule: Schedule) -> str | None:
        task = schedule.call(function, *args, **options)
        schedule._p_jar.add(task)  # gives it its id before the commit
        return task_id(task)

    click.echo(changing(place, f'add {function}', add_task))


@commands.command()
@id_argument
@at_a_place
def cancel(place: Place, id: str) -> None:
    """Remove a task from the schedule, even while it runs."""
    def cancel_task(schedule: Schedule) -> None:
        task = schedule.get(id)
        if task is None:
            raise _no_such_task(schedule, id, place)
        schedule.unschedule(task)

    changing(place, f'cancel {id}', cancel_task)
    click.echo(f'{id} is cancelled')


@commands.command()
@id_argument
@click.option('--at', 'time', type=values.moment, metavar='TIME',
              help='When; without it, at the time it was parked with.')
@at_a_place
def unpark(place: Place, id: str, time: datetime | None) -> None:
    """Schedule a parked task again."""
    def unpark_task(schedule: Schedule) -> datetime:
        entry = _entry(schedule, id, place)
        schedule.unpark(entry, time)
        return time or entry.time

    when = changing(place, f'unpark {id}', unpark_task)
    click.echo(f'{id} waits for {values.shown(when, clock.now())}')


@commands.command()
@id_argument
@at_a_place
def discard(place: Place, id: str) -> None:
    """Forget a parked task."""
    changing(place, f'discard {id}', lambda schedule: schedule.discard(
        _entry(schedule, id, place)))
    click.echo(f'{id} is discarded')


def _entry(schedule: Schedule, id: str, place: Place) -> ParkedTask:
    entry = parked_entry(schedule, id)
    if entry is None:
        raise Problem(f'no task {id} is parked in {place}')
    return entry


def _no_such_task(schedule: Schedule, id: str, place: Place) -> Problem:
    if parked_entry(schedule, id) is not None:
        return Problem(f'{id} is parked; use unpark or discard')
    return Problem(f'there is no task {id} in {place}')


# -- processing --------------------------------------------------------------


@commands.command(epilog=EXIT_CODES)
@click.option('--until', type=values.moment, metavar='TIME',
              help='Up to when tasks are taken for due; without it, now.')
@json_option
@at_a_place
@click.pass_context
def process(ctx: click.Context, place: Place, until: datetime | None,
            as_json: bool) -> None:
    """Run every task that is due, each in a transaction of its own."""
    until = until or clock.now()
    parked: list[TaskParked] = []
    with opened(place, Access.CHANGE) as connection:
        schedule = find_schedule(connection, place)
        with heard(_into(parked)):
            with progress.shown(schedule, until):
                tally = _process(schedule, until)
    (_tally_as_json if as_json else _tally_as_text)(tally, parked)
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


def _tally_as_text(tally: Tally, parked: list[TaskParked]) -> None:
    numbers = [f'{getattr(tally, name)} {words}'
               for name, words in ENDINGS.items() if getattr(tally, name)]
    click.echo(', '.join(numbers) or 'nothing was due')
    for each in parked:
        output.show(output.cell(f'parked: {each.id} {each.reason}'))


# -- looking -----------------------------------------------------------------


@commands.command('list')
@click.option('--from', 'start', type=values.moment, metavar='TIME',
              help='Only tasks at this time or later.')
@click.option('--until', type=values.moment, metavar='TIME',
              help='Only tasks at this time or earlier.')
@click.option('-n', '--limit', type=click.IntRange(min=0), metavar='N',
              help=f'At most so many; 0 for all.  Without it, {SCREENFUL} in '
                   f'a table and all in JSON.')
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
        limit = SCREENFUL if limit is None else limit
        shown = list(islice(rows, limit or None))
        output.show(_table(shown))
        if next(rows, None) is not None:
            click.echo(f'and more; these are the first {limit} '
                       f'(--limit 0 shows all)')
        if schedule.parked:
            click.echo('some are parked: see zodbschedule parked')


def _table(rows: list[Known]) -> Any:
    if not rows:
        return 'no task waits'
    return output.table(
        ('id', 'time', 'state', 'principal', 'what'),
        ((row.id, row.time, row.state, row.principalId, _what(row))
         for row in rows))


def _what(row: Known) -> str:
    what = row.description or row.type
    return f'{what} ({row.problem})' if row.problem else what


@commands.command()
@id_argument
@json_option
@at_a_place
def show(place: Place, id: str, as_json: bool) -> None:
    """Show all that is known of a task, parked or gone included."""
    with looking_at(place) as schedule:
        facts = _facts(schedule, id)
    if facts is None:
        raise Problem(f'there is no task {id} in {place}')
    (output.show_json if as_json else _show_facts)(facts)


def _facts(schedule: Schedule, id: str) -> dict[str, Any] | None:
    """Where the task stands, what it carries, and how its runs ended."""
    outcomes = outcomes_of(schedule, id)
    waiting = found(schedule, id)
    if waiting is not None:
        row, task = waiting
        return row.as_dict() | {
            'attributes': attributes(task), 'outcomes': outcomes}
    entry = parked_entry(schedule, id)
    if entry is not None:
        return parked_facts(entry) | {
            'attributes': attributes(entry.task), 'outcomes': outcomes}
    if outcomes:
        return {'id': id, 'state': 'ended', 'outcomes': outcomes}
    return None


def _show_facts(facts: dict[str, Any]) -> None:
    more = facts.pop('attributes', {})
    outcomes = facts.pop('outcomes')
    traceback = facts.pop('traceback', '')
    output.show(output.details(facts | {
        f'its {name}' if name in facts else name: value
        for name, value in more.items()}))
    if traceback:
        output.show('', output.printable(traceback))
    if outcomes:
        output.show('', output.table(
            ('ended', 'for', 'outcome', 'error'),
            ((each['ended'], each['time'], each['outcome'], each['error'])
             for each in outcomes)))


@commands.command('parked')
@json_option
@at_a_place
def list_parked(place: Place, as_json: bool) -> None:
    """List the tasks that were set aside after a failure, and why."""
    with looking_at(place) as schedule:
        if as_json:
            output.show_json_lines(map(parked_facts, schedule.parked))
            return
        entries = [parked_facts(entry) for entry in schedule.parked]
    output.show(_parked_table(entries) if entries else 'no task is parked')


def _parked_table(entries: list[dict[str, Any]]) -> Any:
    return output.table(
        ('id', 'time', 'parked', 'what', 'why'),
        ((entry['id'], entry['time'], entry['parked_at'],
          entry['description'] or entry['type'], entry['reason'])
         for entry in entries))


@commands.command(epilog=EXIT_CODES)
@click.option('--max-overdue', 'allowed', type=values.duration,
              metavar='DURATION', default='5m', show_default=True,
              help='How long a task may have been due.')
@json_option
@at_a_place
@click.pass_context
def check(ctx: click.Context, place: Place, allowed: timedelta,
          as_json: bool) -> None:
    """Exit with 1 if a task has been due for too long.

    For monitors and probes: it tells whether somebody processes the
    schedule, and keeps up.
    """
    with looking_at(place) as schedule:
        overdue = schedule.overdue(clock.now())
    late = overdue > allowed
    if as_json:
        output.show_json({
            'ok': not late, 'overdue': overdue.total_seconds(),
            'max_overdue': allowed.total_seconds()})
    else:
        click.echo(_verdict(overdue, allowed))
    ctx.exit(BAD_NEWS if late else 0)


def _verdict(overdue: timedelta, allowed: timedelta) -> str:
    if not overdue:
        return 'fine: nothing is due'
    word = 'overdue' if overdue > allowed else 'fine'
    return (f'{word}: a task has been due for {values.length(overdue)} '
            f'({values.length(allowed)} are allowed)')


# -- the demo ----------------------------------------------------------------


@commands.command('demo')
@click.argument('folder', default=FOLDER,
                type=click.Path(file_okay=False))
def run_demo(folder: str) -> None:
    """Schedule and process a handful of tasks, for about ten seconds.

    The database is made in FOLDER, by default zodbschedule-demo in the
    current directory.  Run it twice: the second call finds what the first
    one has left.
    """
    with Demo(folder) as demo, live.view() as view:
        demo.play(view)
