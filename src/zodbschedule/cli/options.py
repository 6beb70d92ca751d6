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
"""The options that several commands take."""

import functools
import importlib
import os
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from typing import TypeVar

import click
from click.core import ParameterSource

from zodbschedule.cli import parse
from zodbschedule.cli.database import DatabaseLocation
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.logs import FORMATS
from zodbschedule.cli.logs import LEVELS
from zodbschedule.cli.logs import Chosen
from zodbschedule.cli.user import user_name
from zodbschedule.cli.zope_site import ZopeLocation
from zodbschedule.errors.text import ErrorText


T = TypeVar('T')

# How many rows a table has by default: they fill a few screens.
DEFAULT_LIMIT = 100

# How many rows can be asked for: more than any table has.
MOST_ROWS = 10 ** 9

#: the path of a schedule, unless an option names another
DEFAULT_PATH = 'schedule'


# -- which schedule ----------------------------------------------------------


db_option = click.option(
    '--db', 'uri', metavar='URI', envvar='ZODBSCHEDULE_DB',
    show_envvar=True, help='The database: a zodburi URI, or the path of a '
                           'FileStorage.')
conf_option = functools.partial(
    click.option, '--zope', 'conf', metavar='CONF',
    type=click.Path(exists=True, dir_okay=False, resolve_path=True))
zope_option = conf_option(
    help='The zope.conf of a Zope, instead of --db; --path is then the path '
         'of a site.')


def location_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that select one schedule."""
    @db_option
    @zope_option
    @click.option('--path', metavar='PATH',
                  help=f'The path of the schedule: keys from the root of the '
                       f'database, separated by slashes.  Default: '
                       f'{DEFAULT_PATH}.  With --zope: the path of a site.  '
                       f'Default: the only site that has a schedule.')
    @functools.wraps(function)
    def command(uri: str | None, conf: str | None, path: str | None,
                **options: Any) -> None:
        function(_location(uri, conf, path), **options)

    return command


def locations_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that select several schedules of one database."""
    @db_option
    @zope_option
    @click.option('--path', 'paths', metavar='PATH', multiple=True,
                  help=f'The path of a schedule: keys from the root of the '
                       f'database, separated by slashes.  May be given '
                       f'several times.  Default: {DEFAULT_PATH}.  With '
                       f'--zope: the path of a site.  Default: all sites '
                       f'that have a schedule.')
    @functools.wraps(function)
    def command(uri: str | None, conf: str | None, paths: tuple[str, ...],
                **options: Any) -> None:
        function([_location(uri, conf, path) for path in paths or (None,)],
                 **options)

    return command


def _location(uri: str | None, conf: str | None, path: str | None) -> Any:
    if conf is not None:
        if click.get_current_context().get_parameter_source('uri') is (
                ParameterSource.COMMANDLINE):
            raise click.UsageError('--db and --zope are both given; give one')
        return ZopeLocation(conf, path)
    if uri is None:
        raise click.UsageError(
            'no database is given; give --db URI, or --zope CONF for a '
            'schedule in a Zope, or set ZODBSCHEDULE_DB')
    return DatabaseLocation(uri, DEFAULT_PATH if path is None else path)


# -- what to show ------------------------------------------------------------


def _not_empty(ctx: click.Context, param: click.Parameter, id: str | None
               ) -> str | None:
    """*id*; it is empty if a shell variable has no value."""
    if id == '':
        raise click.UsageError('the ID is empty')
    return id


id_argument = click.argument('id', metavar='ID', callback=_not_empty)
json_option = click.option(
    '--json', 'as_json', is_flag=True, help='Print JSON.')
limit_option = click.option(
    '-n', '--limit', type=click.IntRange(min=0, max=MOST_ROWS), metavar='N',
    help=f'Show at most N rows; 0 means all.  Default: {DEFAULT_LIMIT} in a '
         f'table, all in JSON.')
zone_option = click.option(
    '--zone', type=parse.zone, metavar='NAME',
    help='Show the local times of this zone beside UTC, such as '
         'Europe/Berlin.')
timezone_option = click.option(
    '--timezone', 'zone', type=parse.zone, metavar='NAME', default='UTC',
    show_default=True, help='The time zone of the times and days shown.')


def id_or_all(function: Callable[..., None]) -> Callable[..., None]:
    """The argument ID or the option --all; *id* is None for the second.

    One of them has to be given: an ID may be missing by mistake.
    """
    @click.argument('id', metavar='[ID]', required=False, callback=_not_empty)
    @click.option('--all', 'whole', is_flag=True,
                  help='The whole schedule, instead of the task ID.')
    @functools.wraps(function)
    def command(id: str | None, whole: bool, **options: Any) -> None:
        if (id is None) is not whole:
            raise click.UsageError(
                'give either the ID of a task, or --all for the whole '
                'schedule')
        function(id=id, **options)

    return command


def id_or_key(function: Callable[..., None]) -> Callable[..., None]:
    """The argument ID or the option --key; one of them is None."""
    @click.argument('id', metavar='[ID]', required=False, callback=_not_empty)
    @click.option('--key', metavar='KEY',
                  help='The key of the task, instead of its ID.')
    @functools.wraps(function)
    def command(id: str | None, key: str | None, **options: Any) -> None:
        if (id is None) is (key is None):
            raise click.UsageError(
                'give either the ID of a task, or --key KEY')
        function(id=id, key=key, **options)

    return command


def first_rows(rows: Iterable[T], limit: int | None
               ) -> tuple[list[T], str | None]:
    """The rows of a table, and a line that says if there are more.

    *limit* rows at most; all for 0, `DEFAULT_LIMIT` for None.
    """
    limit = DEFAULT_LIMIT if limit is None else limit
    rest: Iterator[T] = iter(rows)
    shown = list(islice(rest, limit or None))
    if not limit or next(rest, None) is None:
        return shown, None
    return shown, f'there are more than {limit}; --limit 0 shows all'


# -- for the record ----------------------------------------------------------


by_option = click.option(
    '--by', metavar='NAME',
    callback=lambda context, parameter, name: user_name(name),
    help='Who does this, for the record.  Default: your user name.')
note_option = functools.partial(
    click.option, 'reason', default='', metavar='TEXT',
    help='Why, for the record.')


def record_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say who does something and why."""
    return note_option('--note')(by_option(function))


# -- how to stop -------------------------------------------------------------


grace_option = click.option(
    '--grace', type=parse.seconds, metavar='SECONDS', default='8',
    show_default=True,
    help='How long a run may go on after the signal to stop.')


# -- what to log --------------------------------------------------------------


def log_options(function: Callable[..., None]) -> Callable[..., None]:
    """How the log is shown: *log* is a `Chosen`."""
    @click.option('--log-format', 'format', type=click.Choice(list(FORMATS)),
                  help='How the log is written, on standard error.  Default: '
                       'text, unless --import or --log-config configures '
                       'logging.')
    @click.option('--log-level', 'level',
                  type=click.Choice(LEVELS, case_sensitive=False),
                  help='The level from which on all is logged.  Default: INFO '
                       'for zodbschedule, WARNING for all else.')
    @click.option('--log-config', 'config', metavar='FILE',
                  type=click.Path(exists=True, dir_okay=False, path_type=Path),
                  help='A file that configures logging, after --import: '
                       'for logging.config.dictConfig if its name ends in '
                       '.json, else for logging.config.fileConfig.')
    @functools.wraps(function)
    def command(format: str | None, level: str | None, config: Path | None,
                **options: Any) -> None:
        function(log=Chosen(format, level, config), **options)

    return command


# -- what to import ----------------------------------------------------------


import_option = click.option(
    '--import', 'modules', metavar='MODULE', multiple=True,
    help='A module to import first; the current directory is searched too.  '
         'May be given several times.')


def import_modules(names: Iterable[str]) -> None:
    """Import the modules in order; raises CommandError.

    The current directory comes first on the path then, as with ``python -m``.
    """
    for name in names:
        _add_current_directory()
        _import(name)


def _add_current_directory() -> None:
    here = os.getcwd()
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and (
                f'{name}.'.startswith(f'{error.name}.')):
            raise CommandError(
                f'--import {name}: there is no module {error.name}; install '
                f'it, or correct the name') from error
        raise CommandError(
            f'--import {name}: {ErrorText(error)}') from error
