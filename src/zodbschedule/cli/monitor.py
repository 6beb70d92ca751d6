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
"""The command that lists the workers, and recovers what one holds."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.database import read_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import one_line
from zodbschedule.cli.options import json_option
from zodbschedule.cli.options import location_options
from zodbschedule.cli.task_facts import label_of
from zodbschedule.execution.process import NAME as CALL
from zodbschedule.store import incarnation
from zodbschedule.store.inspection import task_id


# The outcomes that a worker counts.
COUNTED = {name: words for name, words in format.OUTCOMES.items()
           if name != 'left'}


# What a worker is, by the states of its threads: the first of these that one
# has tells most.
COUNTED_AS = {'dead': 'dead', 'working': 'alive', 'silent': 'silent',
              'idle': 'alive'}


# -- workers -----------------------------------------------------------------


@click.command()
@click.option('--recover', 'name', metavar='NAME',
              help='Return the tasks of the worker of that name to the '
                   'schedule.')
@json_option
@location_options
def workers(location: Location, name: str | None, as_json: bool) -> None:
    """List the registered workers, or recover the tasks of one.

    The other workers recover the tasks of a dead worker by themselves;
    --recover does that at once.  If the worker is alive, its run is rolled
    back.
    """
    if name is not None:
        if as_json:
            raise CommandError('--recover and --json are both given; '
                               '--recover does not print JSON')
        _recover(location, name)
        return
    with read_schedule(location) as schedule:
        rows = [_facts(each) for each in schedule.workers]
    if as_json:
        output.show_json_lines(rows)
    else:
        output.show(_table(rows) if rows else 'no workers are registered')


def _facts(state: Any) -> dict[str, Any]:
    return {
        'id': state.id,
        'name': state.name,
        'host': state.host,
        'pid': state.pid,
        'since': state.since,
        'lease': state.lease,
        'state': state.state,
        'heartbeat': state.beaten,
        'silence': state.silence,
        'claimed': state.claimed,
        'task': None if state.task is None else task_id(state.task),
        'description': None if state.task is None else label_of(state.task),
        'running_since': state.running_since,
        'counts': {name: getattr(state.counts, name) for name in COUNTED}}


def _table(rows: Iterable[dict[str, Any]]) -> Any:
    return output.table(
        ('name', 'host', 'pid', 'since', 'state', 'claimed', 'outcomes',
         'description', 'running since'),
        ((row['name'], row['host'], row['pid'], row['since'],
          format.worker(row['state'], row['silence']), row['claimed'] or None,
          _outcomes(row['counts']), row['description'], row['running_since'])
         for row in rows),
        optional=('claimed', 'outcomes', 'description', 'running since'),
        below=('running since',), spare=('host', 'pid', 'outcomes', 'since'))


def _outcomes(counts: dict[str, int]) -> str | None:
    return ', '.join(f'{counts[name]} {words}'
                     for name, words in COUNTED.items() if counts[name])


def _recover(location: Location, name: str) -> None:
    def recover(schedule: Schedule) -> tuple[int, list[int]]:
        alive = _processes_alive(schedule, name)
        return schedule.recover(name), alive

    number, alive = change_schedule(
        location, f'workers --recover {name}', recover)
    click.echo(f'{one_line(name)} was recovered: {format.tasks_are(number)} '
               f'back in the schedule')
    for pid in sorted(set(alive)):
        click.echo(f'Warning: process {pid} of this worker is alive on this '
                   f'machine; its run is rolled back and will run again',
                   err=True)


def _processes_alive(schedule: Schedule, name: str) -> list[int]:
    """The processes of that worker that certainly run on this machine."""
    return [claim.incarnation.pid for _, claim in schedule.left_claims()
            if claim.name == name
            and incarnation.is_gone(claim.incarnation) is False]


# -- how many there are -----------------------------------------------------


def count_workers(states: Iterable[Any]) -> Counter[str]:
    """How many workers are alive, silent and dead.

    A worker has a state for each of its threads.  A call of ``process()`` is
    no worker.
    """
    found: dict[tuple[str, str, int], set[str]] = {}
    for each in states:
        if each.name != CALL:
            found.setdefault((each.name, each.host, each.pid), set()).add(
                each.state)
    return Counter(next(word for state, word in COUNTED_AS.items()
                        if state in threads) for threads in found.values())


def in_words(workers: Counter[str]) -> str:
    """As in ``2 workers are alive, 1 is dead``."""
    if not workers:
        return 'no workers are registered'
    alive = workers['alive']
    counts = ['1 worker is alive' if alive == 1 else
              f'{alive or "no"} workers are alive']
    for word in 'silent', 'dead':
        number = workers[word]
        if number:
            counts.append(f'{number} {"is" if number == 1 else "are"} {word}')
    return ', '.join(counts)
