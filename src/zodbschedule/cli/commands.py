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
"""All commands, each imported when it is called.

A command of a shell script should not wait for the imports of the others.
"""

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from zodbschedule.cli import logs
from zodbschedule.cli.errors import EXIT_CODES
from zodbschedule.cli.errors import errors_in_one_line


#: the sections of the help: command -> its module and its name there
SECTIONS = {
    'Getting started': {
        'demo': 'demo.run_demo',
        'init': 'add.init'},
    'Scheduling': {
        'add': 'add.add',
        'change': 'change.change',
        'cancel': 'change.cancel',
        'run-now': 'change.run_now',
        'pause': 'change.pause',
        'resume': 'change.resume'},
    'Running': {
        'worker': 'worker.worker',
        'process': 'process.process'},
    'Inspecting': {
        'list': 'show.list_tasks',
        'show': 'show.show',
        'workers': 'monitor.workers',
        'history': 'show.show_history',
        'forecast': 'forecast.forecast',
        'explain': 'forecast.explain'},
    'After a failure': {
        'parked': 'show.list_parked',
        'unpark': 'unpark.unpark',
        'discard': 'unpark.discard'},
    'Configuring': {
        'settings': 'settings.settings',
        'alarm-settings': 'alarms.alarm_settings'},
    'Tasks of Zope add-ons': {
        'contributed': 'zope_tasks.list_contributed',
        'reset': 'zope_tasks.reset'},
    'Monitoring': {
        'web': 'web.web',
        'check': 'check.check',
        'metrics': 'metrics.metrics',
        'alarms': 'alarms.alarms'}}

COMMANDS = {name: where for section in SECTIONS.values()
            for name, where in section.items()}


class Commands(click.Group):
    """All commands; every error in one becomes one line."""

    def invoke(self, ctx: click.Context) -> Any:
        with errors_in_one_line():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str
                    ) -> click.Command | None:
        where = COMMANDS.get(cmd_name)
        return None if where is None else _command(where)

    def format_commands(self, ctx: click.Context,
                        formatter: click.HelpFormatter) -> None:
        """By section, and not by the alphabet."""
        widest = max(map(len, COMMANDS))
        room = formatter.width - widest - 6
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([
                    (f'{name:<{widest}}',
                     _command(where).get_short_help_str(room))
                    for name, where in section.items()])


def _command(where: str) -> click.Command:
    module, _, name = where.rpartition('.')
    command: click.Command = getattr(
        import_module(f'zodbschedule.cli.{module}'), name)
    return command


@click.group(cls=Commands, epilog=EXIT_CODES,
             context_settings={'help_option_names': ['-h', '--help']})
@click.option('-v', '--verbose', is_flag=True,
              help='Show the log, with tracebacks, on standard error.')
@click.version_option(package_name='zodbschedule')
def commands(verbose: bool) -> None:
    """Inspect, change and process a schedule in a ZODB.

    ID is the id of a task: add prints it, list shows it.  TIME is ISO 8601
    with a time zone (2030-01-31T09:00Z, 2030-01-31T09:00+01:00) or an offset
    from now (+30s, +10m, -2h, -1d).  DURATION is a number and a unit (30s,
    10m, 2h, 1d).
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')
    if verbose:
        logs.show_all()
    else:
        logs.hide()
