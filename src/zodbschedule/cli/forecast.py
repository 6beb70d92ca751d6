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
"""The commands that show future runs, and the occurrences of a rule."""

from collections.abc import Iterator
from datetime import datetime
from datetime import tzinfo
from itertools import islice
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli import timeline
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import DEFAULT_LIMIT
from zodbschedule.cli.options import first_rows
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import limit_option
from zodbschedule.cli.options import location_options
from zodbschedule.cli.options import timezone_option
from zodbschedule.cli.task_facts import label_of
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.store import remains
from zodbschedule.store.inspection import task_id


#: moments in the zone of a rule, each with its note
Occurrences = list[tuple[datetime, str | None]]


# -- future runs -------------------------------------------------------------


@click.command()
@click.option('--until', type=parse.moment, metavar='TIME', default='+7d',
              show_default=True, help='How far to look ahead.')
@click.option('--timeline', 'drawn', is_flag=True,
              help='Draw a timeline: a column for each day, a row for each '
                   'task.')
@limit_option
@timezone_option
@json_option
@location_options
def forecast(location: Location, until: datetime, drawn: bool,
             limit: int | None, zone: tzinfo, as_json: bool) -> None:
    """Show the future runs and their times; run nothing.

    The runs of repeating tasks are included, with notes where daylight
    saving time changes a time.  Paused tasks are left out.
    """
    if drawn and as_json:
        raise CommandError('--timeline and --json are both given; give one')
    now = clock.now()
    with read_schedule(location) as schedule:
        rows = future_runs(schedule, until, now)
        if as_json:
            output.show_json_lines(islice(rows, limit or None))
            return
        if drawn:
            _draw(rows, timeline.Frame(now, until, zone), limit)
        else:
            _list(rows, until, zone, limit)
        output.show(*_remarks(schedule))


def future_runs(schedule: Schedule, until: datetime, now: datetime
                ) -> Iterator[dict[str, Any]]:
    """The future runs, as plain data, lazily."""
    for run in schedule.forecast(until, now):
        yield {'time': run.time, 'occurrence': run.occurrence,
               'id': task_id(run.task), 'description': label_of(run.task),
               'note': run.note}
        schedule._p_jar.cacheGC()  # or a million tasks stay in memory


def _list(rows: Iterator[dict[str, Any]], until: datetime, zone: tzinfo,
          limit: int | None) -> None:
    shown, more = first_rows(rows, limit)
    if not shown:
        click.echo(f'no runs until {format.timestamp(until)}')
        return
    now = clock.now()
    output.show(output.table(
        ('time', 'id', 'description', 'note'),
        ((format.when(row['time'], now, zone), row['id'],
          row['description'], row['note']) for row in shown),
        optional=('note',), below=('note',)), *filter(None, [more]))


def _draw(rows: Iterator[dict[str, Any]], frame: timeline.Frame,
          limit: int | None) -> None:
    drawing = timeline.Drawing(frame)
    for row in rows:
        if not drawing.add(row['time'], row['id'], row['description'],
                           row['note'] is not None):
            break
    marks = timeline.ASCII if output.is_ascii() else timeline.Marks()
    output.show(*drawing.lines(
        output.width(), DEFAULT_LIMIT if limit is None else limit, marks))


def _remarks(schedule: Schedule) -> Iterator[Any]:
    """The lines below the runs: what is paused."""
    pause = pause_facts(schedule.paused())
    if pause is not None:
        yield output.cell(format.schedule_pause(pause), 'yellow')
    elif remains.holds_anything(schedule.pauses.entries):
        yield output.cell(
            'paused tasks are left out; zodbschedule list shows them',
            'yellow')


# -- the occurrences of a rule -----------------------------------------------


# How many occurrences are computed at most; it takes a few seconds.
MOST_SHOWN = 10_000


@click.command()
@click.argument('expression')
@click.option('--timezone', metavar='NAME',
              help='The time zone of the rule, such as Europe/Berlin.')
@click.option('--dtstart', metavar='TIME',
              help='The start of an RRULE.  Default: now.')
@click.option('--from', 'start', type=parse.moment, metavar='TIME',
              help='Show the occurrences after this time.  Default: now.')
@click.option('-n', '--limit', type=click.IntRange(min=1, max=MOST_SHOWN),
              metavar='N', default=10, show_default=True,
              help='The number of occurrences.')
@json_option
def explain(expression: str, timezone: str | None, dtstart: str | None,
            start: datetime | None, limit: int, as_json: bool) -> None:
    """Show the next occurrences of a rule, without a database.

    EXPRESSION is a cron expression, an RRULE of RFC 5545, or an interval:
    'every 15m'.  Notes tell where daylight saving time changes an occurrence:
    a gap is the local times that are skipped when clocks are put forward, a
    fold is those that occur twice when clocks are put back.
    """
    rule = parse.expression(expression, dtstart, timezone)
    start = start or clock.now()
    zone = None if timezone is None else parse.zone(timezone)
    occurrences = [
        (occurrence if zone is None else occurrence.astimezone(zone),
         rule.note(occurrence))
        for occurrence in rule.upcoming(start, limit)]
    if as_json:
        output.show_json(_rule_facts(rule, start, occurrences))
    else:
        _show_rule(rule, start, occurrences, len(occurrences) < limit)


def _rule_facts(rule: Any, start: datetime, occurrences: Occurrences
                ) -> dict[str, Any]:
    return {
        'rule': str(rule),
        'expression': repr(rule),
        'occurrences': [
            {'time': local, 'local': local.isoformat(), 'note': note}
            for local, note in occurrences],
        'description': rule.describe(start).splitlines()}


def _show_rule(rule: Any, start: datetime, occurrences: Occurrences,
               ended: bool) -> None:
    output.show(output.cell(rule, 'bold'), '')
    if occurrences:
        output.show(_occurrence_table(occurrences))
    if ended:
        output.show('no more occurrences: the rule ends' if occurrences else
                    f'no occurrences after {format.timestamp(start)}')
    output.show('', *map(output.cell, rule.describe(start).splitlines()))


def _occurrence_table(occurrences: Occurrences) -> Any:
    now = clock.now()
    return output.table(
        ('local time', 'UTC', 'when', 'note'),
        ((format.local_time(local),
          format.timestamp(local) if local.utcoffset() else None,
          format.relative(local, now), note)
         for local, note in occurrences), optional=('UTC', 'note'),
        spare=('when', 'UTC'))
