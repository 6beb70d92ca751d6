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
"""What is wrong with a schedule now, and what is known of its failures.

Reads a bounded number of objects, however many tasks fail or are late.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple

from zodbschedule.alarms.record import Alarms
from zodbschedule.alarms.record import Key
from zodbschedule.alarms.record import Streak
from zodbschedule.alarms.settings import MOST_FAILURES
from zodbschedule.instant import MICROSECOND
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.plain_text import one_line
from zodbschedule.reading import words
from zodbschedule.reading.attributes import own_attribute
from zodbschedule.reading.healthcheck import MOST_LOOKED_AT
from zodbschedule.reading.healthcheck import Health
from zodbschedule.reading.pages import parked
from zodbschedule.reading.paging import MOST
from zodbschedule.reading.parked import ParkedFacts
from zodbschedule.reading.past import OutcomeFacts
from zodbschedule.reading.past import history
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.schedule import Schedule
from zodbschedule.store.inspection import label as label_of


# The kinds of alarms, in the order in which they are told.
NO_WORKER = 'no worker'
LATE = 'late'
FAILING = 'failing'
PARKED = 'parked'

#: each kind -> the setting that switches it on
SETTINGS = {NO_WORKER: 'no_worker', LATE: 'late', FAILING: 'failures',
            PARKED: 'parked'}

# What tells is no alarm itself: it would have to be told.
TELL = 'zodbschedule.alarms.telling.Tell'

# How many pages of the history one look reads.  More, and it takes longer
# after a storm; fewer, and failures in a storm are not counted.
PAGES = 10

# How far behind the last look the history is read again: an outcome is there
# some moments after its time, and clocks differ.
OVERLAP = timedelta(minutes=10)

# How many tasks are remembered that have failed last.
KEPT = 200

# In characters: what one line of a message has of a label, and of an error.
LABEL = 160
ERROR = 200


class Trouble(NamedTuple):
    """One alarm."""

    #: what it is about
    label: str
    #: what is wrong with that
    why: str

    @property
    def text(self) -> str:
        return f'{self.label} {self.why}'


Standing = dict[Key, Trouble]


def find(schedule: Schedule, alarms: Alarms, found: Health) -> Standing:
    """What is wrong, by its key; what is to be remembered is noted."""
    return dict([*_worker(alarms, found), *_late(alarms, found),
                 *_failing(schedule, alarms, found.now),
                 *_parked(schedule, alarms, found)])


# -- no worker ---------------------------------------------------------------


def _worker(alarms: Alarms, found: Health) -> Iterator[tuple[Key, Trouble]]:
    now = to_micros(found.now)
    if found.workers.alive or alarms.no_worker is None:
        alarms.note(alone_since=None)
        return
    # A clock may have been set back.
    since = now if alarms.alone_since is None else min(now, alarms.alone_since)
    alarms.note(alone_since=since)
    span = found.now - from_micros(since)
    if span >= alarms.no_worker:
        yield (NO_WORKER, ''), Trouble('workers', (
            f'are missing: {found.workers.alive} are alive, '
            f'{found.workers.silent} silent, {found.workers.dead} dead, since '
            f'{words.timestamp(from_micros(since))}'))


# -- late --------------------------------------------------------------------


def _late(alarms: Alarms, found: Health) -> Iterator[tuple[Key, Trouble]]:
    if alarms.late is None:
        return
    others = []
    for row in found.due:
        if row.time is not None and _is_late(row, found.now - alarms.late):
            if row.recurrence is None:
                others.append((row.label, row.time))
            else:
                yield (LATE, row.id), _trouble_of_late(
                    row.label, found.now - row.time)
    others += _held(found, alarms.late)
    if others:
        label, time = min(others, key=lambda each: each[1])
        number = _at_least(len(others), len(found.due) >= MOST_LOOKED_AT)
        yield (LATE, ''), Trouble('tasks that do not repeat', (
            f'have not begun: {number}; the first, {one_line(label, LABEL)}, '
            f'has been due for {words.duration(found.now - time)}'))


def _is_late(row: TaskFacts, bound: datetime) -> bool:
    return (row.state != 'paused' and row.type != TELL
            and row.time is not None and row.time < bound)


def _held(found: Health, late: timedelta) -> Iterator[tuple[str, datetime]]:
    """What a worker holds that is dead or silent."""
    task = found.task
    if (task is not None and task.worker and task.function != TELL
            and found.overdue > late):
        yield f'{task.label}, held by {task.worker}', task.time


def _trouble_of_late(label: str, span: timedelta) -> Trouble:
    return Trouble(
        one_line(label, LABEL),
        f'has not begun, and has been due for {words.duration(span)}')


def _at_least(number: int, more: bool) -> str:
    return f'{number} or more' if more else str(number)


# -- failing -----------------------------------------------------------------


def _failing(schedule: Schedule, alarms: Alarms, now: datetime
             ) -> Iterator[tuple[Key, Trouble]]:
    if alarms.failures is None:
        alarms.note(streaks={})
        return
    _remember(schedule, alarms, now)
    for id, stored in alarms.streaks.items():
        label, error, ended = Streak(*stored)
        # What is gone will not run again; parked tasks are told as such.
        if len(ended) >= alarms.failures and schedule.get(id) is not None:
            times = 'once' if len(ended) == 1 else (
                f'{_at_least(len(ended), len(ended) == MOST_FAILURES)} times '
                f'in a row')
            yield (FAILING, id), Trouble(label, f'has failed {times}: {error}')


def _remember(schedule: Schedule, alarms: Alarms, now: datetime) -> None:
    """Note what has failed, and forget what has succeeded since.

    What is read again changes nothing, and its order does not matter.
    """
    since = None if alarms.looked is None else (
        from_micros(alarms.looked) - OVERLAP)
    succeeded: dict[str, int] = {}
    failed: defaultdict[str, list[OutcomeFacts]] = defaultdict(list)
    for row in _newest(schedule, since):
        if row.outcome == 'succeeded':
            succeeded.setdefault(row.id, to_micros(row.ended))
        elif _has_failed(schedule, row):
            failed[row.id].append(row)
    streaks = {id: _streak(alarms.streaks.get(id), failed[id],
                           succeeded.get(id, 0))
               for id in {*alarms.streaks, *failed}}
    kept = sorted(((id, each) for id, each in streaks.items() if each.ended),
                  key=lambda pair: (_is_told(alarms, pair[0]),
                                    pair[1].ended[-1], pair[0]))[-KEPT:]
    changed = {id: tuple(each) for id, each in reversed(kept)}
    looked = to_micros(now)
    if changed != alarms.streaks or (
            alarms.looked is None
            or not 0 <= looked - alarms.looked < OVERLAP // MICROSECOND):
        alarms.note(streaks=changed, looked=looked)


def _has_failed(schedule: Schedule, row: OutcomeFacts) -> bool:
    """Not if what is retried has no `Retry`: it has asked for that itself."""
    if row.type == TELL or not row.id:
        return False
    return row.outcome == 'failed' or (
        row.outcome == 'retried' and own_attribute(
            schedule.get(row.id), 'retry') is not None)


def _is_told(alarms: Alarms, id: str) -> bool:
    return (FAILING, id) in alarms.told


def _streak(stored: tuple[Any, ...] | None, failed: list[OutcomeFacts],
            succeeded: int) -> Streak:
    """The failures of a task that are newer than its last success."""
    known = Streak('', '', ()) if stored is None else Streak(*stored)
    ended = {*known.ended, *(to_micros(row.ended) for row in failed)}
    newest = max(failed, key=lambda row: row.ended, default=None)
    if newest is not None:
        known = Streak(
            one_line(label_of(int(newest.id, 16), newest.description,
                              newest.type), LABEL),
            one_line(newest.error or 'no reason is known', ERROR), ())
    return known._replace(ended=tuple(sorted(
        each for each in ended if each > succeeded))[-MOST_FAILURES:])


def _newest(schedule: Schedule, since: datetime | None
            ) -> Iterator[OutcomeFacts]:
    """The outcomes since then, as far as some pages have them."""
    cursor: str | None = None
    for _ in range(PAGES):
        page = history(schedule, cursor, MOST, since=since)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


# -- parked ------------------------------------------------------------------


def _parked(schedule: Schedule, alarms: Alarms, found: Health
            ) -> Iterator[tuple[Key, Trouble]]:
    """The newest; those before them are in the number only."""
    if alarms.parked is None or not found.parked:
        return
    page = parked(schedule, limit=MOST)
    if page.cursor is not None:
        alarms.note(floor=max(alarms.floor, int(page.cursor)))
    rows = [row for row in page.items if row.type != TELL
            and (row.position or 0) >= alarms.floor]
    if found.parked >= alarms.parked:
        for row in rows:
            yield _key_of(row), Trouble(
                one_line(label_of(int(row.task, 16), row.description,
                                  row.function), LABEL),
                f'is parked: {one_line(row.reason, ERROR)}')


def _key_of(row: ParkedFacts) -> Key:
    """One that is parked anew has another."""
    return PARKED, f'{row.id} {row.position}'
