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
"""Which tasks a command is about: their ids, or what they have in common."""

import functools
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import click

from zodbschedule.reading.selection import Filter


class Targets(NamedTuple):
    """Which tasks a command is to change."""

    ids: tuple[str, ...]
    filter: Filter
    #: whether not to ask
    sure: bool


# -- the options -------------------------------------------------------------


OPTIONS = {
    'state': click.option(
        '--state', metavar='STATE', type=click.Choice(
            ('waiting', 'paused', 'claimed', 'running')),
        help='Only tasks in this state: waiting, paused, claimed or '
             'running.'),
    'function': click.option(
        '--func', 'function', metavar='NAME',
        help="Only calls of this function, or tasks of this class; a dotted "
             "name, or a pattern: 'shop.*'."),
    'key': click.option(
        '--key', metavar='KEY',
        help="Only tasks with this key, or with one like 'invoice-*'."),
    'text': click.option(
        '--grep', 'text', metavar='TEXT',
        help='Only tasks with this text in the description, the function, '
             'the key or the error, in whatever case.'),
    'parked_for': click.option(
        '--reason', 'parked_for', metavar='TEXT',
        help='Only tasks that were parked with this text in the reason.')}


def filter_options(*names: str) -> Callable[..., Any]:
    """The options of these names, as one argument *filter*."""
    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(*args: Any, **options: Any) -> None:
            chosen = {name: options.pop(name) for name in names}
            function(*args, filter=Filter(**chosen), **options)

        for name in reversed(names):
            command = OPTIONS[name](command)
        return command

    return decorate


def target_options(*names: str) -> Callable[..., Any]:
    """IDs, or a filter of these options, or --all, as one argument."""
    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @filter_options(*names)
        @click.option('--all', 'whole', is_flag=True, help='All of them.')
        @click.option('--yes', 'sure', is_flag=True,
                      help='Do not ask before several tasks are changed that '
                           'were not given by their IDs.')
        @functools.wraps(function)
        def command(*args: Any, ids: tuple[str, ...], filter: Filter,
                    whole: bool, sure: bool, **options: Any) -> None:
            _check(ids, filter, whole)
            function(*args, targets=Targets(ids, filter, sure), **options)

        given: Callable[..., None] = click.argument(
            'ids', metavar='[ID]...', nargs=-1)(command)
        return given

    return decorate


def _check(ids: tuple[str, ...], filter: Filter, whole: bool) -> None:
    """Raise UsageError unless one of them says which tasks are meant."""
    if '' in ids:
        raise click.UsageError('the ID is empty')
    if [bool(ids), filter.selects(), whole].count(True) != 1:
        raise click.UsageError(
            'give either IDs, or what the tasks have in common (such as '
            '--func), or --all')
