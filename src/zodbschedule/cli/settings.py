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
"""The command that shows and changes the settings of a schedule."""

import re
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click
from zope.schema import Field
from zope.schema import Int
from zope.schema import Timedelta

from zodbschedule import Schedule
from zodbschedule.cli import output
from zodbschedule.cli import parse
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import by_option
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import location_options
from zodbschedule.reading import words
from zodbschedule.reading.setting import SETTINGS
from zodbschedule.reading.setting import SettingFacts


FIELDS = {name: each.field for name, each in SETTINGS.items()}


@click.command('settings')
@click.argument('changes', nargs=-1, metavar='[NAME=VALUE]...')
@by_option
@json_option
@location_options
def settings(location: Location, changes: tuple[str, ...], by: str | None,
             as_json: bool) -> None:
    """Show the settings of the schedule, or change some.

    VALUE is a duration, a number or a text, as the setting needs; none means
    that there is no bound.
    """
    if changes:
        new = dict(parsed(change, FIELDS) for change in changes)
        change_schedule(location, f'settings {" ".join(changes)}',
                        lambda schedule: _set(schedule, new), by)
    with read_schedule(location) as schedule:
        shown = [SETTINGS[name].facts(schedule)
                 for name in (new if changes else SETTINGS)]
        unfit = schedule.unfit_settings + schedule.history.unfit_settings
    if as_json:
        output.show_json(shown)
    else:
        output.show(table(shown))
    for problem in unfit:
        click.echo(f'Warning: a setting is not valid, and its default is '
                   f'used: {problem}', err=True)


def _set(schedule: Schedule, new: dict[str, Any]) -> None:
    for name, value in new.items():
        setting = SETTINGS[name]
        setattr(setting.owner(schedule), setting.field.__name__, value)


def parsed(change: str, fields: Mapping[str, Field]) -> tuple[str, Any]:
    """The name and the value in ``lease=2m``; raises CommandError."""
    name, equals, text = change.partition('=')
    if not equals:
        raise CommandError(f'{change!r} has no value; write {name}=VALUE')
    if name not in fields:
        raise CommandError(
            f'there is no setting {name!r}; use one of {", ".join(fields)}')
    return name, _value(name, fields[name], text)


def _value(name: str, field: Field, text: str) -> Any:
    """What *text* means to *field*, which checks it later."""
    if text == 'none' and not field.required:
        return None
    if isinstance(field, Int):
        return int(text) if re.fullmatch(r'-?\d{1,18}', text) else text
    if not isinstance(field, Timedelta):
        return text
    try:
        return parse.seconds(text)
    except CommandError as error:
        raise CommandError(f'{name}: {error.message}') from None


def table(rows: Iterable[SettingFacts]) -> Any:
    return output.table(
        ('name', 'value', 'default', 'meaning'),
        ((row.name, _shown(row.value), _shown(row.default), row.meaning)
         for row in rows), spare=('default',))


def _shown(value: Any) -> str:
    match value:
        case None:
            return 'none'
        case timedelta():
            return words.full_duration(value)
        case _:
            return str(value)
