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
from typing import Any
from typing import TypeVar

import click
from click.core import ParameterSource

from zodbschedule.cli import parse
from zodbschedule.cli.database import Path
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.sites import Site


T = TypeVar('T')

# So many rows fill a few screens; more are shown if asked for.
SCREENFUL = 100

EXIT_CODES = """\b
Exit codes:
  0    fine
  1    a task was parked in this call; for check: a task is overdue
  2    wrong usage, no such thing, or it could not be done
  130  interrupted; what was not done is back in its place"""


#: where a schedule stands, if nobody says anything else
KEYS = 'schedule'

db_option = click.option(
    '--db', 'uri', metavar='URI', envvar='ZODBSCHEDULE_DB',
    show_envvar=True, help='The database: a URI as zodburi knows them, or the '
                           'path of a FileStorage.')
conf_option = functools.partial(
    click.option, '--zope', 'conf', metavar='CONF',
    type=click.Path(exists=True, dir_okay=False, resolve_path=True))
zope_option = conf_option(
    help='Instead of --db, the zope.conf of a Zope, which is started; --path '
         'is that of a site then.')


def at_a_place(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say which schedule is meant."""
    @db_option
    @zope_option
    @click.option('--path', metavar='KEYS',
                  help=f'Where the schedule stands: keys from the root on, '
                       f'separated by slashes; without it, {KEYS}.  With '
                       f'--zope, the path of a site; without it, the only '
                       f'one that has a schedule.')
    @functools.wraps(function)
    def command(uri: str | None, conf: str | None, path: str | None,
                **options: Any) -> None:
        function(_place(uri, conf, path), **options)

    return command


def at_places(function: Callable[..., None]) -> Callable[..., None]:
    """The same of several schedules in one database."""
    @db_option
    @zope_option
    @click.option('--path', 'paths', metavar='KEYS', multiple=True,
                  help=f'Where a schedule stands, as keys from the root on, '
                       f'separated by slashes; may be given several times; '
                       f'without it, {KEYS}.  With --zope, the path of a '
                       f'site; without it, all that have a schedule.')
    @functools.wraps(function)
    def command(uri: str | None, conf: str | None, paths: tuple[str, ...],
                **options: Any) -> None:
        function([_place(uri, conf, path) for path in paths or (None,)],
                 **options)

    return command


def _place(uri: str | None, conf: str | None, path: str | None) -> Any:
    if conf is not None:
        if click.get_current_context().get_parameter_source('uri') is (
                ParameterSource.COMMANDLINE):
            raise click.UsageError('give --db or --zope, not both')
        return Site(conf, path)
    if uri is None:
        raise click.UsageError(
            "Missing option '--db', or '--zope' for a schedule in a Zope")
    return Path(uri, KEYS if path is None else path)


id_argument = click.argument('id', metavar='ID')
id_or_all = click.argument('id', metavar='[ID]', required=False)
json_option = click.option(
    '--json', 'as_json', is_flag=True, help='Print JSON.')
import_option = click.option(
    '--import', 'modules', metavar='MODULE', multiple=True,
    help='A module to import before it begins, also from the current '
         'directory; may be given several times.')
limit_option = click.option(
    '-n', '--limit', type=click.IntRange(min=0), metavar='N',
    help=f'At most so many; 0 for all.  Without it, {SCREENFUL} in a table '
         f'and all in JSON.')
timezone_option = click.option(
    '--timezone', 'zone', type=parse.zone, metavar='NAME', default='UTC',
    show_default=True, help='The zone whose times and days are shown.')


def bounded(rows: Iterable[T], limit: int | None
            ) -> tuple[list[T], str | None]:
    """The first rows for a table, and a line that says if there are more."""
    limit = SCREENFUL if limit is None else limit
    rest: Iterator[T] = iter(rows)
    shown = list(islice(rest, limit or None))
    if not limit or next(rest, None) is None:
        return shown, None
    return shown, (f'and more; these are the first {limit} '
                   f'(--limit 0 shows all)')


# -- what --import names -----------------------------------------------------


def import_modules(names: Iterable[str]) -> None:
    """Import them in order, also from the current directory.

    That comes first on the path then, as ``python -m`` has it.
    """
    for name in names:
        _look_here()
        _import(name)


def _look_here() -> None:
    here = os.getcwd()
    if not sys.flags.safe_path and here not in sys.path:
        sys.path.insert(0, here)


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and (
                f'{name}.'.startswith(f'{error.name}.')):
            raise Problem(f'--import {name}: there is no module '
                          f'{error.name}') from error
        raise Problem(f'--import {name}: {type(error).__name__}: {error}'
                      ) from error
