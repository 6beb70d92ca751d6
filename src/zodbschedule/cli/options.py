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
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import islice
from typing import Any
from typing import TypeVar

import click

from zodbschedule.cli import values
from zodbschedule.cli.database import Place


T = TypeVar('T')

# So many rows fill a few screens; more are shown if asked for.
SCREENFUL = 100

EXIT_CODES = """\b
Exit codes:
  0    fine
  1    a task was parked in this call; for check: a task is overdue
  2    wrong usage, no such thing, or it could not be done
  130  interrupted; what was not done is back in its place"""


db_option = click.option(
    '--db', 'uri', metavar='URI', required=True, envvar='ZODBSCHEDULE_DB',
    show_envvar=True, help='The database: a URI as zodburi knows them, or the '
                           'path of a FileStorage.')


def at_a_place(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say which schedule is meant."""
    @db_option
    @click.option('--path', metavar='KEYS', default='schedule',
                  show_default=True,
                  help='Where the schedule stands: keys from the root on, '
                       'separated by slashes.')
    @functools.wraps(function)
    def command(uri: str, path: str, **options: Any) -> None:
        function(Place(uri, path), **options)

    return command


def at_places(function: Callable[..., None]) -> Callable[..., None]:
    """The same of several schedules in one database."""
    @db_option
    @click.option('--path', 'paths', metavar='KEYS', multiple=True,
                  default=('schedule',), show_default=True,
                  help='Where a schedule stands, as keys from the root on, '
                       'separated by slashes; may be given several times.')
    @functools.wraps(function)
    def command(uri: str, paths: tuple[str, ...], **options: Any) -> None:
        function([Place(uri, path) for path in paths], **options)

    return command


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
    '--timezone', 'zone', type=values.zone, metavar='NAME', default='UTC',
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
