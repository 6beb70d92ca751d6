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

from collections.abc import Iterable
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
from zodbschedule.reading import words
from zodbschedule.reading.coming import ComingRun
from zodbschedule.reading.coming import runs_to_come
from zodbschedule.reading.coming import some_paused
from zodbschedule.reading.one_task import pause_facts
from zodbschedule.reading.rules import OccurrenceFacts
from zodbschedule.reading.rules import RuleFacts
from zodbschedule.reading.rules import rule as rule_facts


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
        rows = runs_to_come(schedule, until, now)
        if as_json:
            output.show_json_lines(islice(rows, limit or None))
            return
        if drawn:
            _draw(rows, timeline.Frame(now, until, zone), limit)
        else:
            _list(rows, until, zone, limit)
        output.show(*_remarks(schedule))


def _list(rows: Iterator[ComingRun], until: datetime, zone: tzinfo,
          limit: int | None) -> None:
    shown, more = first_rows(rows, limit)
    if not shown:
        click.echo(f'no runs until {words.timestamp(until)}')
        return
    now = clock.now()
    output.show(output.table(
        ('time', 'id', 'description', 'note'),
        ((words.when(row.time, now, zone), row.id, row.description, row.note)
         for row in shown),
        optional=('note',), below=('note',)), *filter(None, [more]))


def _draw(rows: Iterator[ComingRun], frame: timeline.Frame,
          limit: int | None) -> None:
    drawing = timeline.Drawing(frame)
    for row in rows:
        if not drawing.add(row.time, row.id or '', row.description,
                           row.note is not None):
            break
    marks = timeline.ASCII if output.is_ascii() else timeline.Marks()
    output.show(*drawing.lines(
        output.width(), DEFAULT_LIMIT if limit is None else limit, marks))


def _remarks(schedule: Schedule) -> Iterator[Any]:
    """The lines below the runs: what is paused."""
    pause = pause_facts(schedule.paused())
    if pause is not None:
        yield output.cell(format.schedule_pause(pause), 'yellow')
    elif some_paused(schedule):
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
    found = rule_facts(
        rule, start or clock.now(), limit,
        None if timezone is None else parse.zone(timezone))
    if as_json:
        output.show_json(found)
    else:
        _show_rule(found, start or clock.now(), limit)


def _show_rule(found: RuleFacts, start: datetime, limit: int) -> None:
    occurrences = found.occurrences
    output.show(output.cell(found.rule, 'bold'), '')
    if occurrences:
        output.show(_occurrence_table(occurrences))
    if len(occurrences) < limit:
        output.show('no more occurrences: the rule ends' if occurrences else
                    f'no occurrences after {words.timestamp(start)}')
    output.show('', *map(output.cell, found.description))


def _occurrence_table(occurrences: Iterable[OccurrenceFacts]) -> Any:
    now = clock.now()
    return output.table(
        ('local time', 'UTC', 'when', 'note'),
        ((words.local_time(each.local_time),
          words.timestamp(each.time) if each.local_time.utcoffset() else None,
          words.relative(each.time, now), each.note)
         for each in occurrences), optional=('UTC', 'note'),
        spare=('when', 'UTC'))
