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
"""All commands, by what one wants of them."""

import sys
from io import TextIOWrapper
from typing import Any

import click

from zodbschedule.cli import live
from zodbschedule.cli import logs
from zodbschedule.cli.add import add
from zodbschedule.cli.add import init
from zodbschedule.cli.change import cancel
from zodbschedule.cli.change import discard
from zodbschedule.cli.change import pause
from zodbschedule.cli.change import resume
from zodbschedule.cli.change import run_now
from zodbschedule.cli.change import unpark
from zodbschedule.cli.contributions import list_contributed
from zodbschedule.cli.contributions import reset
from zodbschedule.cli.demo import FOLDER
from zodbschedule.cli.demo import Demo
from zodbschedule.cli.errors import told_in_a_line
from zodbschedule.cli.forecast import explain
from zodbschedule.cli.forecast import forecast
from zodbschedule.cli.monitor import check
from zodbschedule.cli.monitor import workers
from zodbschedule.cli.options import EXIT_CODES
from zodbschedule.cli.process import process
from zodbschedule.cli.show import list_parked
from zodbschedule.cli.show import list_tasks
from zodbschedule.cli.show import show
from zodbschedule.cli.show import show_history
from zodbschedule.cli.worker import worker


class Commands(click.Group):
    """All commands; whatever goes wrong in one ends as one line."""

    def invoke(self, ctx: click.Context) -> Any:
        with told_in_a_line():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context,
                        formatter: click.HelpFormatter) -> None:
        """By what one wants, and not by the alphabet."""
        widest = max(map(len, self.commands))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([
                    (f'{each.name:<{widest}}', each.get_short_help_str(
                        formatter.width - widest - 6))
                    for each in section])


@click.group(cls=Commands, epilog=EXIT_CODES,
             context_settings={'help_option_names': ['-h', '--help']})
@click.option('-v', '--verbose', is_flag=True,
              help='Show the log, with tracebacks, on standard error.')
@click.version_option(package_name='zodbschedule')
def commands(verbose: bool) -> None:
    """Look at, change and process a schedule in a ZODB.

    A task is named by its id, which add prints and list shows.  A TIME is
    ISO 8601 with a zone (2030-01-31T09:00Z, 2030-01-31T09:00+01:00) or an
    offset from now (+30s, +10m, +2h, +1d).  A DURATION is a number and a unit
    (30s, 10m, 2h, 1d).
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')
    if verbose:
        logs.show_all()
    else:
        logs.hide()


@click.command('demo')
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


SECTIONS = {
    'Begin': (run_demo, init),
    'Schedule': (add, cancel, run_now, pause, resume),
    'Run': (worker, process),
    'Look': (list_tasks, show, workers, show_history, forecast, explain),
    'After a failure': (list_parked, unpark, discard),
    'What add-ons contribute to a Zope': (list_contributed, reset),
    'Monitor': (check,),
}
for _each in sum(SECTIONS.values(), ()):
    commands.add_command(_each)
