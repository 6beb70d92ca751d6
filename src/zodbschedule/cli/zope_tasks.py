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
"""The commands for the tasks that add-ons contribute to a site of a Zope."""

import functools
from collections.abc import Callable
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import click

from zodbschedule.cli import output
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import conf_option
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import record_options
from zodbschedule.cli.steered import in_words
from zodbschedule.cli.zope_site import SiteLocation
from zodbschedule.reading.contributed import ContributedFacts
from zodbschedule.steering import Steered


def site_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that select a site of a Zope."""
    @conf_option(required=True,
                 help='The zope.conf of a Zope, which is started.')
    @click.option('--path', metavar='PATH',
                  help='The path of the site.  Default: the only site that '
                       'has a schedule.')
    @functools.wraps(function)
    def command(conf: str, path: str | None, **options: Any) -> None:
        function(SiteLocation(conf, path), **options)

    return command


@click.command('contributed')
@json_option
@site_options
def list_contributed(location: SiteLocation, as_json: bool) -> None:
    """List the tasks that add-ons contribute to a site of a Zope."""
    with read_schedule(location) as site:
        rows = _of_zope('contributions').contributed(site)
    if as_json:
        output.show_json_lines(rows)
        return
    output.show(_table(rows) if rows else 'no tasks are contributed')


@click.command()
@click.argument('name', metavar='NAME')
@record_options
@site_options
def reset(location: SiteLocation, name: str, by: str, reason: str) -> None:
    """Reset a contributed task to the definition of its add-on."""
    def restore(site: Any) -> Steered:
        found: Steered = _of_zope('steering').reset(
            site, name, by=by, reason=reason)
        if not found.done:
            raise CommandError(found.told(name))
        return found

    found = change_schedule(location, f'reset {name}', restore, by)
    click.echo(in_words(found, name))


def _of_zope(module: str) -> Any:
    return import_module(f'zodbschedule.zope.{module}')


def _table(rows: Iterable[ContributedFacts]) -> Any:
    return output.table(
        ('name', 'id', 'state', 'time', 'description'),
        ((row.name, row.id, _state(row), row.time, row.description)
         for row in rows), below=('description',))


STATES = {
    'absent': 'add-on missing', 'unscheduled': 'unscheduled',
    'pause': 'paused'}


def _state(row: ContributedFacts) -> str:
    """The state of the task, compared with the definition of its add-on."""
    found = [word for name, word in STATES.items() if getattr(row, name)]
    if row.changed:
        found.append(f'changed: {", ".join(row.changed)}')
    return ', '.join(found) or 'unchanged'
