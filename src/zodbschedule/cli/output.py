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
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zodbschedule import clock
from zodbschedule.cli import values
from zodbschedule.cli.problem import in_a_line


# Wider than any row: what is piped into a file or a program is not wrapped.
UNWRAPPED = 100_000

STYLES = {
    'running': 'bold green', 'claimed': 'green', 'parked': 'red',
    'succeeded': 'green', 'failed': 'red', 'retried': 'yellow'}


def console(stderr: bool = False) -> Console:
    """A console that takes no text for markup."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = UNWRAPPED
    return made


def cell(value: object) -> Text:
    """A value in a table: one line, and nothing a terminal would obey."""
    if isinstance(value, datetime):
        value = values.shown(value, clock.now())
    line = '' if value is None else in_a_line(value)
    return Text(line, style=STYLES.get(line, ''))


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Rows below a heading; only the last column is wrapped."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    *narrow, last = columns
    for name in narrow:
        made.add_column(name, no_wrap=True)
    made.add_column(last, overflow='fold')
    for row in rows:
        made.add_row(*map(cell, row))
    return made


def details(values: Mapping[str, object]) -> Table:
    """Names and values, a line each; None is left out."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow='fold')
    for name, value in values.items():
        if value is not None:
            made.add_row(Text(name, style='bold'), cell(value))
    return made


def show(*parts: Any) -> None:
    """Print tables and texts for people."""
    out = console()
    for part in parts:
        out.print(part)


def printable(text: str) -> str:
    """Several lines, with nothing in them that a terminal would obey."""
    return '\n'.join(
        ''.join(c if c.isprintable() else '\N{REPLACEMENT CHARACTER}'
                for c in line) for line in text.expandtabs().splitlines())


def show_json(value: Any) -> None:
    """Print one JSON value."""
    click.echo(_as_json(value, indent=2))


def show_json_lines(values: Iterable[Any]) -> None:
    """Print a JSON list, an item a line, as they come."""
    separator = '['
    for value in values:
        click.echo(f'{separator}{_as_json(value)}', nl=False)
        separator = ',\n '
    click.echo(']' if separator != '[' else '[]')


def _as_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, default=values.iso)
