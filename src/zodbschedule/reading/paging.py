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
"""A page of many, bounded in what it loads, and the cursor to the next.

A cursor is a text that says where the next page begins.  It holds no state:
whoever has it goes on there in a later transaction.  What moves meanwhile may
be seen twice; what stays is never left out.

A page may hold fewer than *limit* although there are more: it has looked at
`LOOKED_AT` for those that a filter selects, or has loaded `LOADS` objects.
Its cursor goes on from there.
"""

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from typing import TypeVar

from persistent import Persistent

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import Page
from zodbschedule.schedule import Schedule
from zodbschedule.store.history import Outcome
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.remains import is_left


T = TypeVar('T', bound=Facts)
Row = TypeVar('Row')

# How many a page has, and the most that it may have.
LIMIT = 50
MOST = 100

# How many a page looks at, at the most, for those that a filter selects: each
# one is loaded.
LOOKED_AT = 100

# The same for outcomes: one object holds many.  More, and a page that finds
# little takes long.
OUTCOMES_LOOKED_AT = 2_000

# How many objects are loaded before a page ends early.  Nothing has to be
# loaded again for the next one.  What the last row needs comes on top, and
# what the last errors need.
LOADS = 175

# How many objects are loaded for the last errors.
LOADS_FOR_ERRORS = 20

#: the instant, the list there, and the oid of the last task that was seen
CURSOR = re.compile('(-?[0-9]{1,18})_([0-9]{0,19})_([0-9]{1,20})')


class InvalidCursor(ValueError):
    """A cursor that none of our pages has given."""


class Loads:
    """How many objects a connection has loaded since this was made."""

    #: whether `bound` has ended early
    cut = False

    def __init__(self, schedule: Schedule) -> None:
        self._count = schedule._p_jar.getTransferCounts
        self._before = self.number()

    def number(self) -> int:
        """Those of the connection in all."""
        loads: int = self._count()[0]
        return loads

    @property
    def so_far(self) -> int:
        """How many it has loaded."""
        return self.number() - self._before

    def are(self, most: int | None) -> bool:
        """Whether it has loaded as many; None: never."""
        return most is not None and self.so_far >= most

    def bound(self, rows: Iterable[Row], most: int | None) -> Iterator[Row]:
        """The *rows*, until *most* objects are loaded; None: all rows."""
        self.cut = self.are(most)
        if self.cut:
            return
        for row in rows:
            yield row
            self.cut = self.are(most)
            if self.cut:
                return


def page(schedule: Schedule, rows: Iterator[tuple[str, T]], limit: int,
         filter: Any = None, looked_at: int | None = None) -> Page[T]:
    """A page of those that match: of rows, each with its cursor.

    It looks at *looked_at* of them at most, by default `LOOKED_AT`.
    """
    most = looked_at or LOOKED_AT
    loads = Loads(schedule)
    found: list[T] = []
    last = ''
    for number, (cursor, row) in enumerate(rows):
        full = len(found) >= min(limit, MOST) or number >= most
        if last and (full or loads.are(LOADS)):
            return Page(tuple(found), last)
        if filter is None or filter.matches(row):
            found.append(row)
        last = cursor
    return Page(tuple(found))


def followed(read: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """What is on all pages, lazily; *read* takes the cursor of each."""
    cursor = None
    while True:
        found = read(cursor)
        yield from found.items
        cursor = found.cursor
        if cursor is None:
            return


def newest_outcomes(schedule: Schedule) -> Iterator[Outcome]:
    """As many as a page looks at for the last errors of its tasks."""
    yield from Loads(schedule).bound(
        islice(schedule.history, LOOKED_AT), LOADS_FOR_ERRORS)


# -- cursors -----------------------------------------------------------------


def places(schedule: Schedule, cursor: str | None, start: datetime | None,
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


def place_of(instant: datetime, key: int | None, task: Persistent) -> str:
    """The cursor to what is behind that task."""
    return f'{to_micros(instant)}_{"" if key is None else key}_{oid_of(task)}'


def instant_in(cursor: str) -> datetime:
    """Where the task waits that was seen last."""
    return _parsed(cursor)[0]


def _parsed(cursor: str) -> tuple[datetime, int | None, int]:
    match = CURSOR.fullmatch(cursor)
    try:
        micros, key, oid = match.groups() if match else ('', '', '')
        return from_micros(int(micros)), int(key) if key else None, int(oid)
    except (ValueError, OverflowError):
        raise _invalid(cursor) from None


def number_in(cursor: str) -> int:
    return int(_matched('(-?[0-9]{1,18})', cursor)[1])


def numbers_in(cursor: str) -> tuple[int, int]:
    match = _matched('(-?[0-9]{1,18}|-?[0-9]{19})_([0-9]{1,9})', cursor)
    return int(match[1]), int(match[2])


def id_in(cursor: str) -> str:
    return _matched('[0-9a-f]{1,16}', cursor)[0]


def _matched(form: str, cursor: str) -> re.Match[str]:
    match = re.fullmatch(form, cursor)
    if match is None:
        raise _invalid(cursor)
    return match


def _invalid(cursor: str) -> InvalidCursor:
    return InvalidCursor(
        f'cursor is {cursor!r}; it has to be one that a page has given')
