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
from typing import Any
from typing import NamedTuple
from typing import TypeVar

from persistent import Persistent

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import Page
from zodbschedule.reading.one_task import PausedFacts
from zodbschedule.reading.one_task import held_by_oid
from zodbschedule.reading.one_task import paused_facts
from zodbschedule.reading.one_task import placed
from zodbschedule.reading.parked import ParkedFacts
from zodbschedule.reading.parked import parked_facts
from zodbschedule.reading.past import OutcomeFacts
from zodbschedule.reading.past import outcome_facts
from zodbschedule.reading.selection import Filter
from zodbschedule.reading.tasks import LastErrors
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.reading.tasks import held_tasks
from zodbschedule.reading.tasks import waiting_task
from zodbschedule.schedule import Schedule
from zodbschedule.store.inspection import normal_id
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.remains import is_left


T = TypeVar('T', bound=Facts)

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
    errors = LastErrors(schedule, LOOKED_AT)
    return _page(((_cursor(instant, key, task), errors.added(
        waiting_task(schedule, task, instant))) for instant, key, task in (
            _places(schedule, cursor, start, until))), limit, filter)


def running(schedule: Schedule, cursor: str | None = None,
            limit: int = LIMIT) -> Page[TaskFacts]:
    """The tasks that workers hold, by worker; *limit* of them, and a cursor.

    Raises `InvalidCursor`.
    """
    start = max(0, _number(cursor))
    return _page(((str(start + number), row) for number, (_, row) in enumerate(
        held_tasks(schedule, start), 1)), limit)


def parked(schedule: Schedule, cursor: str | None = None,
           limit: int = LIMIT, *, filter: Filter = Filter()
           ) -> Page[ParkedFacts]:
    """The parked tasks, the newest first; *limit* of them, and a cursor.

    Raises `InvalidCursor`.
    """
    before = None if cursor is None else _number(cursor)
    entries = schedule.parked.newest_first(before)
    return _page(((str(entry.position), parked_facts(entry))
                  for entry in entries), limit, filter)


def tasks_of(schedule: Schedule, cursor: str | None = None,
             limit: int = LIMIT, *, principalId: str | None = None,
             uuid: str | None = None) -> Page[TaskFacts]:
    """The tasks of a principal, or for an object; see `Schedule.tasks_of`.

    Those that wait and those that workers hold, in the order of their ids.
    Raises `InvalidCursor`.
    """
    after = '' if cursor is None else _id(cursor)
    tasks = schedule.tasks_of(principalId, uuid, after)
    held = held_by_oid(schedule)
    return _page(((row.id, row) for row in (
        placed(schedule, task, held) for task in tasks)), limit)


def paused(schedule: Schedule, cursor: str | None = None, limit: int = LIMIT
           ) -> Page[PausedFacts]:
    """The tasks that are paused themselves, by id.

    Raises `InvalidCursor`.
    """
    after = '' if cursor is None else _id(cursor)
    return _page(((row.id, row) for row in map(
        paused_facts, schedule.paused_tasks(after))), limit)


def history(schedule: Schedule, cursor: str | None = None,
            limit: int = LIMIT, *, task: str | None = None,
            outcome: str | None = None, since: datetime | None = None
            ) -> Page[OutcomeFacts]:
    """What is on record, newest first; *limit* of it, and a cursor.

    *task* is the id of a task, *outcome* a word as in `IOutcome`, *since* an
    aware datetime: only what ended then or later.  What has ended within the
    portion that a worker is at may be on the first page only.  Raises
    `InvalidCursor`.
    """
    chosen = Chosen(None if task is None else normal_id(task), outcome, since)
    return _page(_past(schedule, cursor, since), limit, chosen)


def _past(schedule: Schedule, cursor: str | None, since: datetime | None
          ) -> Iterator[tuple[str, OutcomeFacts]]:
    """The record from the cursor on, each with a cursor to what follows."""
    start = last = None
    if cursor is None:
        for each in schedule.history.in_claims():
            yield '', outcome_facts(each)
    else:
        start, last = _numbers(cursor)
    for key, chunk in schedule.history.newest_chunks(start):
        outcomes = list(chunk.newest_first())
        if since is not None and outcomes[0].ended < since:
            return
        begin = last + 1 if key == start and last is not None else 0
        for number in range(begin, len(outcomes)):
            yield f'{key}_{number}', outcome_facts(outcomes[number])


class Chosen(NamedTuple):
    """Which outcomes are meant; None: any."""

    task: str | None
    outcome: str | None
    since: datetime | None

    def matches(self, facts: OutcomeFacts) -> bool:
        """Whether that one is meant."""
        return (self.task in (None, facts.id)
                and self.outcome in (None, facts.outcome)
                and (self.since is None or facts.ended >= self.since))


def _page(rows: Iterator[tuple[str, T]], limit: int, filter: Any = None
          ) -> Page[T]:
    """A page of those that match: of rows, each with its cursor."""
    found: list[T] = []
    last = ''
    for looked_at, (cursor, row) in enumerate(rows):
        full = len(found) >= min(limit, MOST) or looked_at >= LOOKED_AT
        if full and last:
            return Page(tuple(found), last)
        if filter is None or filter.matches(row):
            found.append(row)
        last = cursor
    return Page(tuple(found))


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
    return int(_matched('(-?[0-9]{1,18})', cursor)[1])


def _numbers(cursor: str) -> tuple[int, int]:
    match = _matched('(-?[0-9]{1,18}|-?[0-9]{19})_([0-9]{1,9})', cursor)
    return int(match[1]), int(match[2])


def _id(cursor: str) -> str:
    return _matched('[0-9a-f]{1,16}', cursor)[0]


def _matched(form: str, cursor: str) -> re.Match[str]:
    match = re.fullmatch(form, cursor)
    if match is None:
        raise _invalid(cursor)
    return match


def _invalid(cursor: str) -> InvalidCursor:
    return InvalidCursor(
        f'cursor is {cursor!r}; it has to be one that a page has given')
