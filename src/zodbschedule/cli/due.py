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
"""What keeps due tasks from running, and what to do about it."""

from collections.abc import Iterator
from datetime import datetime
from datetime import timedelta
from itertools import islice

from zodbschedule import Schedule
from zodbschedule.cli import format
from zodbschedule.cli.task_facts import TaskFacts
from zodbschedule.cli.task_facts import pause_facts
from zodbschedule.cli.task_facts import waiting_facts


# How many due tasks are looked at, for whether they can run: each is loaded,
# and a probe is to be quick although there are a million.
MOST_LOOKED_AT = 100


def due_facts(schedule: Schedule, now: datetime) -> list[TaskFacts]:
    """The first `MOST_LOOKED_AT` tasks that wait and are due."""
    return list(islice(waiting_facts(schedule, until=now), MOST_LOOKED_AT))


def obstacles(schedule: Schedule, due: list[TaskFacts]) -> list[str]:
    """The pauses of tasks among *due*, and the dead that hold others."""
    return [*_pauses(schedule, due), *_dead_holders(schedule)]


def _pauses(schedule: Schedule, due: list[TaskFacts]) -> Iterator[str]:
    paused = [row for row in due if row.state == 'paused']
    if paused:
        first = paused[0]
        facts = pause_facts(schedule.paused(schedule.get(first.id)))
        since = f' {format.pause(facts)}' if facts else ''
        yield (f'tasks that are due and paused by themselves: {len(paused)}; '
               f'the first is {first.label}, paused'
               f'{since}. To end that: zodbschedule resume {first.id}')


def _dead_holders(schedule: Schedule) -> Iterator[str]:
    for each in schedule.workers:
        silent = each.silence > timedelta(0) and each.state == 'silent'
        if each.claimed and (silent or each.state == 'dead'):
            yield (f'worker {each.name} (process {each.pid} on {each.host}) '
                   f'is {format.worker(each.state, each.silence)}, and holds '
                   f'tasks: {each.claimed}. Start a worker, which recovers '
                   f'them; or: zodbschedule workers --recover {each.name}')
