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
"""What is going to run, and what a rule says."""

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
from zodbschedule.cli.database import Place
from zodbschedule.cli.database import looking_at
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.options import SCREENFUL
from zodbschedule.cli.options import at_a_place
from zodbschedule.cli.options import bounded
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import limit_option
from zodbschedule.cli.options import timezone_option
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.cli.task_facts import what_of
from zodbschedule.task import task_id


#: moments in the zone of a rule, each with its note
Occurrences = list[tuple[datetime, str | None]]


# -- what is going to run ----------------------------------------------------


@click.command()
@click.option('--until', type=parse.moment, metavar='TIME', default='+7d',
              show_default=True, help='How far to look ahead.')
@click.option('--timeline', 'drawn', is_flag=True,
              help='Draw it: days across, tasks down.')
@limit_option
@timezone_option
@json_option
@at_a_place
def forecast(place: Place, until: datetime, drawn: bool, limit: int | None,
             zone: tzinfo, as_json: bool) -> None:
    """Show what is going to run, and when; runs nothing.

    Through the recurrences of the tasks, with notes where a gap or a fold of
    a time zone changes a time.  What is paused is left out.
    """
    if drawn and as_json:
        raise Problem('--timeline and --json are given; give one of them')
    now = clock.now()
    with looking_at(place) as schedule:
        rows = foreseen(schedule, until, now)
        if as_json:
            output.show_json_lines(islice(rows, limit or None))
        elif drawn:
            _draw(rows, timeline.Frame(now, until, zone), limit)
        else:
            _list(rows, until, zone, limit)
        if not as_json:
            output.show(*_left_out(schedule))


def foreseen(schedule: Schedule, until: datetime, now: datetime
             ) -> Iterator[dict[str, Any]]:
    """The runs to come, as plain data, lazily."""
    for run in schedule.forecast(until, now):
        yield {'time': run.time, 'occurrence': run.occurrence,
               'id': task_id(run.task), 'description': what_of(run.task),
               'note': run.note}
        schedule._p_jar.cacheGC()  # or a million tasks stay in memory


def _list(rows: Iterator[dict[str, Any]], until: datetime, zone: tzinfo,
          limit: int | None) -> None:
    shown, more = bounded(rows, limit)
    if not shown:
        click.echo(
            f'nothing is to run until {format.timestamp(until)}')
        return
    now = clock.now()
    output.show(output.table(
        ('time', 'id', 'what', 'note'),
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
        output.width(), SCREENFUL if limit is None else limit, marks))


def _left_out(schedule: Schedule) -> Iterator[Any]:
    pause = pause_facts(schedule.paused())
    if pause is not None:
        yield output.cell(format.schedule_pause(pause), 'yellow')
    elif schedule.pauses.entries:
        yield output.cell('paused tasks are left out: see zodbschedule list',
                          'yellow')


# -- what a rule says --------------------------------------------------------


@click.command()
@click.argument('expression')
@click.option('--timezone', metavar='NAME',
              help='The zone of the rule, as in Europe/Berlin.')
@click.option('--dtstart', metavar='TIME',
              help='Where an RRULE begins; without it, now.')
@click.option('--from', 'start', type=parse.moment, metavar='TIME',
              help='What comes after this; without it, now.')
@click.option('-n', '--limit', type=click.IntRange(min=1), metavar='N',
              default=10, show_default=True, help='So many occurrences.')
@json_option
def explain(expression: str, timezone: str | None, dtstart: str | None,
            start: datetime | None, limit: int, as_json: bool) -> None:
    """Show when a rule occurs next, and what gaps and folds do to it.

    EXPRESSION is a cron expression, an RRULE of RFC 5545, or as in 'every
    15m'.  A gap are the local times that are left out when clocks are put
    forward, a fold those that come twice when they are put back.
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
        output.show(_occurrences(occurrences))
    if ended:
        output.show('and no more: the rule ends there' if occurrences else
                    f'no occurrence after {format.timestamp(start)}')
    output.show('', *map(output.cell, rule.describe(start).splitlines()))


def _occurrences(occurrences: Occurrences) -> Any:
    now = clock.now()
    return output.table(
        ('local time', 'UTC', 'when', 'note'),
        ((format.local_time(local),
          format.timestamp(local) if local.utcoffset() else None,
          format.relative(local, now), note)
         for local, note in occurrences), optional=('UTC', 'note'),
        spare=('when', 'UTC'))
