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
"""What a person has to know before all else: why tasks do not run."""

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from itertools import islice

from zodbschedule.reading import Health
from zodbschedule.reading import PauseFacts
from zodbschedule.transactions.workarounds import PACK_HINT
from zodbschedule.web.wording import Words


# How many of one kind are told; the others are counted.
TOLD = 3


@dataclass(frozen=True)
class Notice:
    """A box above a page."""

    #: info, warning or error
    kind: str
    #: what is the matter, in a few words
    title: str
    text: str
    #: the id of the task that it is about
    task: str | None = None
    #: the pause of the schedule, if it is about that
    pause: PauseFacts | None = None


def notices(health: Health, words: Words,
            problem: Callable[[str | None], str | None]) -> list[Notice]:
    """What is to be known of a schedule, the most important first.

    *problem* says how much of the problem of a task is told.
    """
    return [*chain(
        _pause(health, words), _no_worker(health, words),
        _dead_holders(health, words),
        _some([Notice('error', f'{row.description} cannot run here.',
                      f'{problem(row.problem)}.', row.id)
               for row in health.unable]),
        _paused_tasks(health, words), _settings(health))]


def pause_text(pause: PauseFacts, words: Words) -> str:
    """As in ``since today 09:00:00 by zoe: we move house``."""
    by = f' by {pause.by}' if pause.by else ''
    reason = f': {pause.reason}' if pause.reason else ''
    return f'since {words.moment(pause.since)}{by}{reason}'


def _pause(health: Health, words: Words) -> Iterator[Notice]:
    if health.pause is not None:
        yield Notice('warning', 'The schedule is paused.',
                     f'No task begins, {pause_text(health.pause, words)}.',
                     pause=health.pause)


def _no_worker(health: Health, words: Words) -> Iterator[Notice]:
    if health.task is not None and not health.workers.alive:
        yield Notice(
            'error', 'Tasks are due, and no worker is alive.',
            f'The first has been due for {words.duration(health.overdue)}. '
            f'Start a worker: zodbschedule worker.')


def _dead_holders(health: Health, words: Words) -> Iterator[Notice]:
    return _some([Notice(
        'error', f'Worker {each.name} is {each.state}, and holds tasks: '
                 f'{each.claimed}.',
        f'It is process {each.pid} on {each.host}, and gave its last sign of '
        f'life {words.relative(each.heartbeat)}. Another worker takes its '
        f'tasks over, if one is alive.')
        for each in health.dead_holders])


def _paused_tasks(health: Health, words: Words) -> Iterator[Notice]:
    pause, rows = health.first_pause, health.paused_tasks
    if pause is not None and rows:
        more = (f' So are others that are due: {len(rows) - 1}.'
                if len(rows) > 1 else '')
        yield Notice(
            'warning', f'{rows[0].description} is due, and is paused.',
            f'It is paused {pause_text(pause, words)}.{more}', rows[0].id)


def _settings(health: Health) -> Iterator[Notice]:
    for text in health.unfit_settings:
        yield Notice('warning', 'A setting is not valid.',
                     f'Its default is used: {text}')
    title = ('Links that tasks make lead nowhere.' if health.address_unset
             else 'Please note.')
    for text in health.hints:
        yield Notice('warning', title, f'{text[:1].upper()}{text[1:]}.')
    for text in health.clock_problems:
        yield Notice('warning', 'A clock is wrong.', text)
    if health.packs_badly:
        yield Notice('warning', 'A pack can delete objects.', PACK_HINT)


def _some(found: list[Notice]) -> Iterator[Notice]:
    """The first few, and how many more there are."""
    yield from islice(found, TOLD)
    if len(found) > TOLD:
        yield Notice(found[0].kind, 'There is more of this.',
                     f'That is so of others: {len(found) - TOLD}.')
