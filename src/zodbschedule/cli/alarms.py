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
"""The commands for alarms: to look once, from cron, and for their settings."""

from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from typing import Any
from typing import TypeVar

import click
from zope.schema import Field
from zope.schema import getFieldsInOrder

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.alarms.calls import call_heartbeat
from zodbschedule.alarms.finding import Standing
from zodbschedule.alarms.looking import channels
from zodbschedule.alarms.looking import look
from zodbschedule.alarms.looking import queue
from zodbschedule.alarms.record import Alarms
from zodbschedule.alarms.record import alarms_of
from zodbschedule.alarms.settings import IAlarms
from zodbschedule.alarms.setup import looking
from zodbschedule.alarms.setup import set_up
from zodbschedule.alarms.setup import take_down
from zodbschedule.alarms.telling import Commit
from zodbschedule.alarms.telling import Taken
from zodbschedule.alarms.telling import hand_over
from zodbschedule.alarms.wording import News
from zodbschedule.cli import output
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.database import changing
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.errors import EXIT_ALERT
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import by_option
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import location_options
from zodbschedule.cli.settings import parsed
from zodbschedule.cli.settings import table
from zodbschedule.errors.text import ErrorText
from zodbschedule.plain_text import one_line
from zodbschedule.reading.setting import SettingFacts
from zodbschedule.store.inspection import task_id


T = TypeVar('T')

EXIT_CODES = """\b
Exit codes:
  0    it has looked, and everything was sent
  1    a message waits that could not be sent, or the heartbeat does not
       answer
  2    wrong usage, or it could not look, for instance since the database
       is away
  130  interrupted"""

FIELDS: dict[str, Field] = dict(getFieldsInOrder(IAlarms))

TEST = ('This is a test: nothing is wrong.  Alarms of this schedule are sent '
        'here.\n')


# -- looking -----------------------------------------------------------------


@click.command(epilog=EXIT_CODES)
@click.option('--test', is_flag=True,
              help='Send a message on each way, too, that says that it is a '
                   'test.')
@click.option('--quiet', is_flag=True,
              help='Print nothing but what could not be sent.')
@json_option
@location_options
@click.pass_context
def alarms(ctx: click.Context, location: Location, test: bool, quiet: bool,
           as_json: bool) -> None:
    """Look for alarms once, and tell what was not told yet.

    For cron or a systemd timer, on any machine: it sees that no worker is
    alive, or that workers run nothing.  What is wrong now is printed.  See
    alarm-settings for what is an alarm and where it is told.
    """
    with changing(location, None) as commit:
        found = commit('alarms', partial(_look, test=test))
        sent, problems = _send_all(found.waiting, partial(_with, commit))
    if test and not found.waiting:
        problems.append(
            'there is nowhere to send a test to; say where with, for example: '
            'zodbschedule alarm-settings mail=you@example.org')
    if found.well and not problems:
        problem = call_heartbeat(found.heartbeat)
        problems += [f'the heartbeat was not taken: {problem}'] * bool(problem)
    if as_json:
        output.show_json(_as_json(found, sent, problems))
    elif not quiet:
        _show(found, sent)
    for problem in problems:
        click.echo(f'Error: {one_line(problem)}', err=True)
    ctx.exit(EXIT_ALERT if problems else 0)


class Found:
    """What a look has found, and what is to be sent, as plain data."""

    def __init__(self, alarms: Alarms) -> None:
        self.standing: Standing = {}
        self.well = False
        self.heartbeat = alarms.heartbeat
        #: the names of the messages -> what they are
        self.waiting: dict[str, str] = {}
        #: the task that looks, if that is paused
        self.paused: str | None = None


def _look(schedule: Schedule, test: bool) -> Found:
    alarms = _alarms_of(schedule)
    found = Found(alarms)
    task = looking(schedule)
    if task is not None and schedule.paused(task) is not None:
        found.paused = task_id(task)
        return found
    now = clock.now()
    found.standing, found.well = look(schedule, alarms, now)
    if test:
        queue(schedule, alarms, f'[{alarms.name}] this is a test', TEST,
              News({}, {}), now)
    found.waiting = {name: f'{message.channel} {message.subject!r}'
                     for name, message in alarms.outbox.items()}
    return found


def _alarms_of(schedule: Schedule) -> Alarms:
    alarms = alarms_of(schedule)
    if alarms is None:
        raise CommandError(
            'no alarms are set up for this schedule; set them up with, for '
            'example: zodbschedule alarm-settings mail=you@example.org')
    return alarms


def _send_all(waiting: dict[str, str], commit: Commit
              ) -> tuple[list[str], list[str]]:
    """What was sent, and what was not; a server that is down is asked once.
    """
    sent, problems, down = [], [], set()
    for name, what in waiting.items():
        channel = what.partition(' ')[0]
        if channel in down:
            problems.append(f'{what} was not tried, and waits')
            continue
        try:
            if hand_over(name, commit):
                sent.append(what)
        except Taken:
            pass  # it is being sent
        except Exception as error:
            down.add(channel)
            problems.append(f'{what} could not be sent, and waits: '
                            f'{ErrorText(error).message}')
    return sent, problems


def _with(commit: Callable[[str, Callable[[Schedule], T]], T],
          work: Callable[[Alarms | None], T]) -> T:
    """See `Commit`: by *commit* of a note and a change."""
    return commit('alarms', lambda schedule: work(alarms_of(schedule)))


def _as_json(found: Found, sent: list[str], problems: list[str]
             ) -> dict[str, Any]:
    return {
        'paused': found.paused is not None,
        'standing': [{'kind': kind, 'task': about.partition(' ')[0] or None,
                      'text': row.text}
                     for (kind, about), row in found.standing.items()],
        'sent': sent, 'problems': problems}


def _show(found: Found, sent: list[str]) -> None:
    if found.paused is not None:
        output.show(f'alarms are paused; to end that: zodbschedule resume '
                    f'{found.paused}')
    elif not found.standing:
        output.show('nothing is wrong')
    else:
        output.show(output.table(('alarm', 'note'), (
            (kind, row.text)
            for (kind, _), row in found.standing.items())))
    for what in sent:
        output.show(output.cell(f'sent: {what}'))


# -- settings ----------------------------------------------------------------


@click.command('alarm-settings')
@click.argument('changes', nargs=-1, metavar='[NAME=VALUE]...')
@click.option('--off', is_flag=True,
              help='Tell nothing any more, and forget the settings.')
@by_option
@json_option
@location_options
def alarm_settings(location: Location, changes: tuple[str, ...], off: bool,
                   by: str | None, as_json: bool) -> None:
    """Show the settings of alarms, or change some.

    The first change sets alarms up: a worker looks for them from then on.
    VALUE is a duration, a number or a text, as the setting needs; none means
    never, or nowhere.
    """
    if off and changes:
        raise click.UsageError('--off and settings are both given; give one')
    new = dict(parsed(change, FIELDS) for change in changes)
    if new:
        change_schedule(location, f'alarm-settings {" ".join(new)}',
                        lambda schedule: set_up(schedule, **new) and None, by)
    elif off:
        change_schedule(location, 'alarm-settings --off', take_down, by)
        output.show('alarms are off')
        return
    with read_schedule(location) as schedule:
        alarms = _alarms_of(schedule)
        shown = [SettingFacts(name, getattr(alarms, name), field.default,
                              field.description)
                 for name, field in FIELDS.items() if name in (new or FIELDS)]
        warnings = list(_warnings(alarms))
    if as_json:
        output.show_json(shown)
    else:
        output.show(table(shown))
    for warning in warnings:
        click.echo(f'Warning: {warning}', err=True)


def _warnings(alarms: Alarms) -> Iterator[str]:
    for problem in alarms.unfit_settings:
        yield f'a setting is not valid, and its default is used: {problem}'
    if not any((*channels(alarms), alarms.heartbeat)):
        yield ('nobody is told: no mail, webhook or heartbeat is set; set one '
               'with, for example: zodbschedule alarm-settings '
               'mail=you@example.org')
