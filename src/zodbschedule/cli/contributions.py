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
"""Commands for what add-ons contribute to a site of a Zope."""

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from zodbschedule.cli import output
from zodbschedule.cli.database import changing
from zodbschedule.cli.database import looking_at
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.options import conf_option
from zodbschedule.cli.options import json_option
from zodbschedule.cli.sites import WholeSite
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.task import task_id


def at_a_site(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say which site of a Zope is meant."""
    @conf_option(required=True,
                 help='The zope.conf of a Zope, which is started.')
    @click.option('--path', metavar='PATH',
                  help='The path of a site; without it, the only one that '
                       'has a schedule.')
    @functools.wraps(function)
    def command(conf: str, path: str | None, **options: Any) -> None:
        function(WholeSite(conf, path), **options)

    return command


@click.command('contributed')
@json_option
@at_a_site
def list_contributed(place: WholeSite, as_json: bool) -> None:
    """List the tasks that add-ons contribute to a site of a Zope."""
    with looking_at(place) as site:
        rows = [_facts(state) for state in _contributed().contributed(site)]
    if as_json:
        output.show_json_lines(rows)
        return
    output.show(_states(rows) if rows else 'nothing is contributed')


@click.command()
@click.argument('name', metavar='NAME')
@at_a_site
def reset(place: WholeSite, name: str) -> None:
    """Have a contributed task be as its add-on ships it."""
    def put_back(site: Any) -> None:
        try:
            _contributed().reset(site, name)
        except LookupError as error:
            raise Problem(str(error)) from error

    changing(place, f'reset {name}', put_back)
    click.echo(f'{name} is as it is shipped')


def _contributed() -> Any:
    return import_module('zodbschedule.zope.contributions')


def _facts(state: Any) -> dict[str, Any]:
    return {
        'name': state.name, 'id': task_id(state.task),
        'description': state.task.description,
        'absent': state.definition is None,
        'unscheduled': state.unscheduled,
        'pause': pause_facts(state.pause), 'changed': sorted(state.changes)}


def _states(rows: list[dict[str, Any]]) -> Any:
    return output.table(
        ('name', 'id', 'stands', 'what'),
        ((row['name'], row['id'], _stands(row), row['description'])
         for row in rows), below=('what',))


STANDS = {
    'absent': 'its add-on is not here', 'unscheduled': 'unscheduled',
    'pause': 'paused'}


def _stands(row: dict[str, Any]) -> str:
    """How it stands, compared with what the add-on ships."""
    found = [word for name, word in STANDS.items() if row[name]]
    if row['changed']:
        found.append(f'changed: {", ".join(row["changed"])}')
    return ', '.join(found) or 'as shipped'
