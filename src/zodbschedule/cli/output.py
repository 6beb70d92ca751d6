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
"""Tables for people and JSON for programs, on standard output."""

import json
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import datetime
from datetime import tzinfo
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zodbschedule import clock
from zodbschedule.plain_text import one_line
from zodbschedule.reading import words
from zodbschedule.reading.facts import to_json


# Wider than any row: what is piped into a file or a program is not wrapped.
UNWRAPPED = 100_000

# The prefix of a cell that moves below the description.
BELOW = {'key': 'key ', 'principal': 'principal ', 'worker': 'worker ',
         'progress': 'done: ', 'attempt': 'attempt '}

# The width of a drawing that does not go to a terminal.
DEFAULT_WIDTH = 80

STYLES = {
    'running': 'bold green', 'claimed': 'green', 'parked': 'red',
    'paused': 'yellow', 'resumed': 'cyan',
    'succeeded': 'green', 'failed': 'red', 'retried': 'yellow',
    'expired': 'magenta', 'cancelled': 'magenta'}

# These columns are wrapped if a terminal is too narrow; the others are cut.
WRAPPED = frozenset({
    'description', 'reason', 'error', 'note', 'key', 'recurrence',
    'function', 'meaning'})

# These columns hold times.
TIMES = frozenset({'time', 'ended', 'parked'})

# The least width of a column that is wrapped; narrower, it is hard to read.
READABLE_WIDTH = 24

# The spaces between two columns.
COLUMN_GAP = 2

# What is wider is not padded to in a file: one long text would make every row
# as long.
WIDEST_PADDING = 60


class PlainConsole(Console):
    """A console that prints text as it is, without markup."""

    def on_broken_pipe(self) -> None:
        """Nobody reads: rich would exit with 1."""
        raise BrokenPipeError


def console(stderr: bool = False) -> Console:
    """A console for standard output, or for standard error."""
    made = PlainConsole(
        stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = UNWRAPPED
    return made


def width() -> int:
    """The width of a drawing: that of the terminal, if there is one."""
    out = console()
    return out.width if out.is_terminal else DEFAULT_WIDTH


def is_ascii() -> bool:
    """Whether standard output can encode ASCII only."""
    return console().options.ascii_only


def cell(value: object, style: str = '', zone: tzinfo | None = None) -> Text:
    """A value in a table: one line, without control characters.

    A time is in UTC, and in *zone* beside that.
    """
    if isinstance(value, datetime):
        value = words.beside(value, clock.now(), zone)
    line = '' if value is None else one_line(value)
    return Text(line, style=STYLES.get(line, style))


def table(columns: Iterable[str], rows: Iterable[Iterable[object]],
          optional: Collection[str] = (), below: Iterable[str] = (),
          spare: Iterable[str] = (), last: Iterable[str] = (),
          zone: tzinfo | None = None) -> Table | str:
    """Rows under a heading.

    The *optional* columns are left out if they are empty.  If the terminal is
    too narrow, the columns in *below* move below the description, one by one,
    and then the *spare* ones are left out, one by one; then how far the times
    are from now, and the *last* columns.
    """
    lines = [[cell(value, zone=zone) for value in row] for row in rows]
    filled = {name: list(column) for name, column in zip(
        columns, zip(*lines, strict=True), strict=True)
        if name not in optional or any(column)}
    # Without a description there is nothing to be below.
    movable = [name for name in below if 'description' in filled]
    for name in (*movable, *spare, None, *last):
        if _width(filled) <= console().width:
            break
        if name is None:
            filled = _with_short_times(filled)
        elif name in filled:
            column = filled.pop(name)
            if name in movable:
                filled['description'] = _stacked(
                    filled['description'], BELOW.get(name, ''), column)
    if not console().is_terminal:
        return _plain_table(filled)
    return _table(filled)


def _with_short_times(columns: Mapping[str, list[Text]]
                      ) -> dict[str, list[Text]]:
    return {name: list(map(_shortened, column)) if name in TIMES else column
            for name, column in columns.items()}


def _shortened(time: Text) -> Text:
    """A time without its distance from now; a local time goes below."""
    return Text(time.plain.partition(' (')[0].replace(' = ', '\n'))


def _stacked(column: list[Text], prefix: str, more: list[Text]
             ) -> list[Text]:
    """The cells, each with a line of another column below."""
    return [
        Text.assemble(one, '\n', (f'{prefix}{other}', 'dim')) if other else one
        for one, other in zip(column, more, strict=True)]


def _width(columns: Mapping[str, list[Text]]) -> int:
    """The width at which the columns are easy to read."""
    needed = 0
    for name, column in columns.items():
        width = max(len(name), *(
            line.cell_len for each in column for line in each.split('\n')))
        if name in WRAPPED:
            width = min(width, READABLE_WIDTH)
        needed += COLUMN_GAP + width
    return needed - COLUMN_GAP


def _table(columns: Mapping[str, list[Text]]) -> Table:
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False,
                 padding=(0, 1, 0, 0))
    for name in columns:
        wrapped = name in WRAPPED
        made.add_column(name, no_wrap=not wrapped,
                        overflow='fold' if wrapped else 'ellipsis')
    for row in zip(*columns.values(), strict=True):
        made.add_row(*row)
    return made


def _plain_table(columns: Mapping[str, list[Text]]) -> str:
    """The same for a file; rich takes many times as long for it."""
    padded = []
    for name, column in columns.items():
        width = max(len(name), *(
            each.cell_len for each in column
            if each.cell_len <= WIDEST_PADDING), 0)
        padded.append([name.ljust(width), *(
            each.plain + ' ' * (width - each.cell_len) for each in column)])
    heading, *rows = (
        (' ' * COLUMN_GAP).join(line) for line in zip(*padded, strict=True))
    rule = ('-' if is_ascii() else '\N{BOX DRAWINGS LIGHT HORIZONTAL}') * len(
        heading)
    return '\n'.join(line.rstrip() for line in (heading, rule, *rows))


def details(values: Mapping[str, object], zone: tzinfo | None = None
            ) -> Table:
    """Names and values, one pair in a line; None is left out."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow='fold')
    for name, value in values.items():
        if value is not None:
            made.add_row(Text(name, style='bold'), cell(value, zone=zone))
    return made


def show(*parts: Any) -> None:
    """Print tables and texts for people."""
    out = console()
    for part in parts:
        out.print(part)


def printable(text: str) -> str:
    """Several lines, without control characters."""
    return '\n'.join(
        ''.join(c if c.isprintable() else '\N{REPLACEMENT CHARACTER}'
                for c in line) for line in text.expandtabs().splitlines())


def show_json(value: Any) -> None:
    """Print one value as JSON, see `to_json`."""
    click.echo(_as_json(value, indent=2))


def show_json_lines(values: Iterable[Any]) -> None:
    """Print a JSON list lazily, one item in a line."""
    separator = '['
    for value in values:
        click.echo(f'{separator}{_as_json(value)}', nl=False)
        separator = ',\n '
    click.echo(']' if separator != '[' else '[]')


def _as_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(to_json(value), indent=indent)
