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
"""The command that prints metrics, and how a worker serves its own."""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from ZODB.Connection import Connection

from zodbschedule import Worker
from zodbschedule.cli import logs
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import open_connection
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.options import locations_options
from zodbschedule.scheduling.soundness.parts import naming_damage


EXIT_CODES = """\b
Exit codes:
  0    success
  2    wrong usage, or a schedule cannot be read
  130  interrupted
  141  nobody reads the output"""

# Nobody on the net is told, unless somebody says so.
ADDRESS = '127.0.0.1'


def required(name: str) -> Any:
    """That module of `zodbschedule.metrics`; CommandError without the extra.
    """
    try:
        return import_module(f'zodbschedule.metrics.{name}')
    except ImportError as error:
        raise CommandError(str(error)) from error


# -- the metrics of a worker -------------------------------------------------


def metrics_options(function: Callable[..., None]) -> Callable[..., None]:
    """Where the metrics of a worker are served."""
    port = click.option(
        '--metrics-port', metavar='PORT', type=click.IntRange(0, 65535),
        help='Serve metrics for Prometheus at this port; 0: a free one, which '
             'the log names.')
    address = click.option(
        '--metrics-address', metavar='ADDRESS',
        help=f'The address to serve them at.  Default: {ADDRESS}.')
    return port(address(function))


def check_address(port: int | None, address: str | None) -> None:
    """Raise CommandError for options that cannot do."""
    if port is not None:
        required('server')
    elif address is not None:
        raise CommandError('--metrics-address needs --metrics-port')


@contextmanager
def metrics_of(worker: Worker, port: int | None, address: str | None
               ) -> Iterator[None]:
    """Inside this context the metrics of *worker* are served at that port."""
    with ExitStack() as stack:
        if port is not None:
            address = address or ADDRESS
            try:
                stack.enter_context(required('server').metrics_served(
                    worker, port, address))
            except OSError as error:
                raise CommandError(
                    f'--metrics-port {port}: the worker cannot listen there, '
                    f'at {address}: {error.strerror}; choose another port or '
                    f'--metrics-address') from error
        yield


# -- the metrics of a database -----------------------------------------------


@click.command(epilog=EXIT_CODES)
@click.option('--output', metavar='FILE', type=click.Path(path_type=Path),
              help='Write to FILE, at once, instead of standard output.')
@locations_options
def metrics(locations: list[Any], output: Path | None) -> None:
    """Print what the database says, as metrics for Prometheus.

    For the textfile collector of the node exporter: call this again and
    again, with --output.  A schedule that cannot be read has
    zodbschedule_up 0; then the exit code is 2.
    """
    database = required('database')
    reader = Reader(database.figures_of)
    reader.read(locations)
    registry = database.registry_of(reader.found)
    if output is None:
        click.echo(database.generate_latest(registry), nl=False)
    else:
        _write(output, registry)
    if reader.error is not None:
        raise reader.error


class Reader:
    """Reads several schedules of one database, as far as that is possible."""

    def __init__(self, figures_of: Any) -> None:
        self.figures_of = figures_of
        #: what was read, by path; None where that failed
        self.found: dict[str, Any] = {}
        #: the first failure
        self.error: Exception | None = None

    def read(self, locations: list[Any]) -> None:
        """Read what is at those locations."""
        self.found = {each.label: None for each in locations}
        try:
            with open_connection(locations[0], Access.READ) as connection:
                self.found = {
                    each.label: self._read(each, connection)
                    for location in locations
                    for each in location.schedules(connection)}
        except Exception as error:
            self.error = error

    def _read(self, location: Location, connection: Connection) -> Any:
        try:
            schedule = location.find(connection)
            with logs.damage_shown(), naming_damage(schedule):
                return self.figures_of(schedule)
        except Exception as error:
            self.error = self.error or error
            return None


def _write(output: Path, registry: Any) -> None:
    """Put a whole file in the place of an older one."""
    try:
        required('database').write_to_textfile(str(output), registry)
    except OSError as error:
        raise CommandError(
            f'--output {output}: {error.strerror}; choose another file, or '
            f'create its folder') from error
