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
"""Whether it works: who works, what is late, what failed, what comes."""

from dataclasses import dataclass
from datetime import timedelta

from zodbschedule import reading
from zodbschedule.reading.paging import Loads
from zodbschedule.web.notices import notices
from zodbschedule.web.sparkline import lag_bars
from zodbschedule.web.sparkline import outcome_bars
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit
from zodbschedule.web.wording import Words


# How many tasks and outcomes are shown.
SHOWN = 10

# How many objects the page loads, about: what happened in the last hour gets
# what is left.  It is in the cache the next time, and more is read then.
MOST_LOADS = 195

# How long a task may be due, as `zodbschedule check` has it.
LATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Tones:
    """The color of each answer: ok, warning, error, or '' for none."""

    workers: str
    due: str
    failed: str


def body(visit: Visit) -> Body:
    """Four answers, the last hour, the next runs and the last outcomes."""
    schedule, words = visit.schedule, Words(visit.now, visit.site.zone)
    loads = Loads(schedule)
    health = reading.health(schedule, visit.now, glance=True)
    next = reading.upcoming(schedule, limit=SHOWN).items
    last = reading.history(schedule, limit=SHOWN).items
    activity = reading.activity(
        schedule, loads=max(1, MOST_LOADS - loads.so_far))
    return Body('overview', 'Overview', {
        'health': health,
        'notices': notices(health, words, visit.problem),
        'tones': tones(health),
        'coming': [row for row in next if row.time == health.next_due][:1],
        'activity': activity,
        'outcome_bars': outcome_bars(activity, words),
        'lag_bars': lag_bars(activity, words),
        'next': next,
        'last': last})


def tones(health: reading.Health) -> Tones:
    """How good each answer is."""
    return Tones(_of_workers(health), _of_due(health),
                 'error' if health.parked else 'ok')


def _of_workers(health: reading.Health) -> str:
    workers = health.workers
    if workers.silent or workers.dead:
        return 'warning'
    if workers.alive:
        return 'ok'
    return '' if health.task is None else 'error'


def _of_due(health: reading.Health) -> str:
    return 'error' if health.overdue > LATE else 'ok'
