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

A cursor is a text that says where the next page begins.  It holds no state:
whoever has it goes on there in a later transaction.  What moves meanwhile may
be seen twice; what stays is never left out.

Each page is bounded in what it loads, however many there are.  With a filter,
a page may hold fewer than *limit* although there are more: it has looked at
`LOOKED_AT`, and its cursor goes on from there.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from persistent import Persistent

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.reading.facts import Page
from zodbschedule.reading.selection import Filter
from zodbschedule.reading.tasks import LastErrors
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.reading.tasks import held_tasks
from zodbschedule.reading.tasks import waiting_task
from zodbschedule.schedule import Schedule
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.remains import is_left


# How many a page has, and the most that it may have.
LIMIT = 50
MOST = 100

# How many a page looks at, at the most, for those that a filter selects: each
# one is loaded.
LOOKED_AT = 100

#: the instant, the list there, and the oid of the last task that was seen
CURSOR = re.compile('(-?[0-9]{1,18})_([0-9]{0,19})_([0-9]{1,20})')


class InvalidCursor(ValueError):
    """A cursor that none of our pages has given."""


def upcoming(schedule: Schedule, cursor: str | None = None,
             limit: int = LIMIT, *, start: datetime | None = None,
             until: datetime | None = None, filter: Filter = Filter()
             ) -> Page[TaskFacts]:
    """The tasks that wait, by time; *limit* of them, and a cursor.

    *start* and *until* are aware datetimes, both inclusive; *start* does not
    matter with a cursor.  Paused ones are among them.  What workers hold is
    not: see `running`.  Raises `InvalidCursor`, or `InvalidTime`.
    """
    places = _places(schedule, cursor, start, until)
    errors = LastErrors(schedule, LOOKED_AT)
    found: list[TaskFacts] = []
    looked_at = 0
    last = None
    for instant, key, task in places:
        if len(found) == min(limit, MOST) or looked_at == LOOKED_AT:
            return Page(tuple(found), last)
        looked_at += 1
        row = errors.added(waiting_task(schedule, task, instant))
        if filter.matches(row):
            found.append(row)
        last = _cursor(instant, key, task)
    return Page(tuple(found))


def running(schedule: Schedule, cursor: str | None = None,
            limit: int = LIMIT) -> Page[TaskFacts]:
    """The tasks that workers hold, by worker; *limit* of them, and a cursor.

    Raises `InvalidCursor`.
    """
    start = _number(cursor)
    limit = min(limit, MOST)
    rows = [row for _, row in islice(held_tasks(schedule, start), limit + 1)]
    return Page(tuple(rows[:limit]),
                str(start + limit) if len(rows) > limit else None)


# -- cursors -----------------------------------------------------------------


def _places(schedule: Schedule, cursor: str | None, start: datetime | None,
            until: datetime | None
            ) -> Iterator[tuple[datetime, int | None, Persistent]]:
    """What waits behind the cursor, or from *start* on: with its place."""
    key = oid = None
    if cursor is not None:
        start, key, oid = _parsed(cursor)
    for instant in schedule.getTaskTimes(start, until):
        at_cursor = cursor is not None and instant == start
        for number, leaf in schedule.timetable.lists_at(
                instant, key if at_cursor else None):
            if leaf is None or not is_left(leaf):
                continue
            tasks = list(leaf)
            if at_cursor and number == key:
                tasks = _behind(tasks, oid)
            for task in tasks:
                yield instant, number, task


def _behind(tasks: list[Persistent], oid: int | None) -> list[Persistent]:
    """Those behind the task with that oid; all if it has left."""
    oids = [oid_of(task) for task in tasks]
    return tasks[oids.index(oid) + 1:] if oid in oids else tasks


def _cursor(instant: datetime, key: int | None, task: Persistent) -> str:
    return f'{to_micros(instant)}_{"" if key is None else key}_{oid_of(task)}'


def _parsed(cursor: str) -> tuple[datetime, int | None, int]:
    match = CURSOR.fullmatch(cursor)
    try:
        micros, key, oid = match.groups() if match else ('', '', '')
        return from_micros(int(micros)), int(key) if key else None, int(oid)
    except (ValueError, OverflowError):
        raise _invalid(cursor) from None


def _number(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not re.fullmatch('[0-9]{1,9}', cursor):
        raise _invalid(cursor)
    return int(cursor)


def _invalid(cursor: str) -> InvalidCursor:
    return InvalidCursor(
        f'cursor is {cursor!r}; it has to be one that a page has given')
