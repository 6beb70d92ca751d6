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
"""Some at a time, with a cursor to what follows: for pages and services.
"""

from datetime import datetime

from zodbschedule.reading.facts import Page
from zodbschedule.reading.one_task import PausedFacts
from zodbschedule.reading.one_task import held_by_oid
from zodbschedule.reading.one_task import paused_facts
from zodbschedule.reading.one_task import placed
from zodbschedule.reading.paging import LIMIT
from zodbschedule.reading.paging import id_in
from zodbschedule.reading.paging import newest_outcomes
from zodbschedule.reading.paging import number_in
from zodbschedule.reading.paging import page
from zodbschedule.reading.paging import place_of
from zodbschedule.reading.paging import places
from zodbschedule.reading.parked import ParkedFacts
from zodbschedule.reading.parked import parked_facts
from zodbschedule.reading.selection import Filter
from zodbschedule.reading.tasks import LastErrors
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.reading.tasks import held_tasks
from zodbschedule.reading.tasks import waiting_task
from zodbschedule.schedule import Schedule


def upcoming(schedule: Schedule, cursor: str | None = None,
             limit: int = LIMIT, *, start: datetime | None = None,
             until: datetime | None = None, filter: Filter = Filter()
             ) -> Page[TaskFacts]:
    """The tasks that wait, by time; *limit* of them, and a cursor.

    *start* and *until* are aware datetimes, both inclusive; *start* does not
    matter with a cursor.  Paused ones are among them.  What workers hold is
    not: see `running`.  Raises `InvalidCursor`, or `InvalidTime`.
    """
    errors = LastErrors(schedule, newest_outcomes(schedule))
    return page(schedule, ((place_of(instant, key, task), errors.added(
        waiting_task(schedule, task, instant))) for instant, key, task in (
            places(schedule, cursor, start, until))), limit, filter)


def running(schedule: Schedule, cursor: str | None = None,
            limit: int = LIMIT) -> Page[TaskFacts]:
    """The tasks that workers hold, by worker; *limit* of them, and a cursor.

    Raises `InvalidCursor`.
    """
    start = 0 if cursor is None else max(0, number_in(cursor))
    return page(schedule, (
        (str(start + number), row) for number, (_, row) in enumerate(
            held_tasks(schedule, start), 1)), limit)


def parked(schedule: Schedule, cursor: str | None = None,
           limit: int = LIMIT, *, filter: Filter = Filter()
           ) -> Page[ParkedFacts]:
    """The parked tasks, the newest first; *limit* of them, and a cursor.

    Raises `InvalidCursor`.
    """
    before = None if cursor is None else number_in(cursor)
    entries = schedule.parked.newest_first(before)
    return page(schedule, ((str(entry.position), parked_facts(entry))
                           for entry in entries), limit, filter)


def tasks_of(schedule: Schedule, cursor: str | None = None,
             limit: int = LIMIT, *, principalId: str | None = None,
             uuid: str | None = None) -> Page[TaskFacts]:
    """The tasks of a principal, or for an object; see `Schedule.tasks_of`.

    Those that wait and those that workers hold, in the order of their ids.
    Raises `InvalidCursor`.
    """
    after = '' if cursor is None else id_in(cursor)
    tasks = schedule.tasks_of(principalId, uuid, after)
    held = held_by_oid(schedule)
    return page(schedule, ((row.id, row) for row in (
        placed(schedule, task, held) for task in tasks)), limit)


def paused(schedule: Schedule, cursor: str | None = None, limit: int = LIMIT
           ) -> Page[PausedFacts]:
    """The tasks that are paused themselves, by id.

    Raises `InvalidCursor`.
    """
    after = '' if cursor is None else id_in(cursor)
    return page(schedule, ((row.id, row) for row in map(
        paused_facts, schedule.paused_tasks(after))), limit)
