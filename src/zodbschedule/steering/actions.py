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
"""One thing, done to one task by its id, unless the task has moved on.

*seen* is what the person saw: the time of the task, or when the entry was
parked; None: whatever it is now.  *by* is who does it, and *reason* why, for
the history.
"""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any
from typing import NamedTuple

from persistent import Persistent

from zodbschedule.instant import to_micros
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import InProgress
from zodbschedule.interfaces import ScheduleError
from zodbschedule.reading.attributes import is_without_code
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import iso
from zodbschedule.reading.facts import unsaid
from zodbschedule.reading.parked import parked_entries
from zodbschedule.schedule import Schedule
from zodbschedule.scheduling.series import is_repeating
from zodbschedule.scheduling.series import occurrence_of
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.pauses import Pause
from zodbschedule.task import key_of


# Why it was not done.
GONE = 'gone'
NOT_PARKED = 'not-parked'
PARKED = 'parked'
MOVED = 'moved'
RUNNING = 'running'
UNCHANGED = 'unchanged'
PAUSED = 'paused'
AMBIGUOUS = 'ambiguous'
KEY_TAKEN = 'key-taken'
REFUSED = 'refused'

# Of these the person does not know yet that the task was left.
REASONS = KEY_TAKEN, REFUSED

# Among how many tasks of one instant a task is looked for.
SEARCHED = 1_000


@dataclass(frozen=True)
class Steered(Facts):
    """What came of it."""

    #: of the task, or of the parked entry; '' for the whole schedule
    id: str
    done: bool
    #: a sentence for the person
    message: str
    #: why it was not done, in a word: gone, not-parked, parked, moved,
    #: running, unchanged, paused, ambiguous, key-taken or refused; None: it
    #: was
    problem: str | None = None
    #: when the task waits now, if that was changed
    time: datetime | None = None
    #: the id of the other task that has the key
    other: str | None = None
    #: the message without the task, and without the time at its end
    said: str = unsaid()

    def told(self, what: str, when: Callable[[datetime], str] = iso) -> str:
        """The message about *what*, with the time as *when* writes it."""
        left = ' was left as it is:' if self.problem in REASONS else ''
        at = f' {when(self.time)}' if self.time else ''
        return f'{what}{left} {self.said}{at}'


class Said(NamedTuple):
    """What is said of a task to which it was done; the time comes last."""

    said: str
    time: datetime | None = None


class Left(Exception):
    """It is not done, and why."""

    def __init__(self, problem: str, said: str) -> None:
        self.problem = problem
        self.said = said


# -- a task ------------------------------------------------------------------


def cancel(schedule: Schedule, id: str, *, by: str, reason: str = '',
           seen: datetime | None = None) -> Steered:
    """Remove a task, even while it runs."""
    def act(task: Persistent) -> Said:
        runs = schedule.is_taken(task)
        schedule.unschedule(task, by=by, reason=reason)
        return Said('was cancelled; what its run has done is rolled back'
                     if runs else 'was cancelled')

    return to_task(schedule, id, seen, act)


def run_now(schedule: Schedule, id: str, *, by: str, reason: str = '',
            seen: datetime | None = None) -> Steered:
    """Let a task run once more, as soon as possible, and then as before."""
    def act(task: Persistent) -> Said:
        if schedule.paused() is not None:
            raise Left(PAUSED, 'is in a schedule that is paused; resume that '
                                'first')
        if schedule.paused(task) is not None:
            raise Left(PAUSED, 'is paused; resume it first')
        schedule.run_now(task, by=by, reason=reason)
        if schedule.waits(task) is not None:
            return Said('is due now')
        if is_repeating(task):
            return Said('is claimed by a worker and will run once more '
                         'afterwards')
        return Said('is already claimed by a worker')

    return to_task(schedule, id, seen, act)


def change(schedule: Schedule, id: str, *, by: str, reason: str = '',
           seen: datetime | None = None, **options: Any) -> Steered:
    """Change options of a task, see `Schedule.change`."""
    def act(task: Persistent) -> Said:
        schedule.change(task, by=by, reason=reason, **options)
        time = schedule.waits(task)
        return Said(
            'was changed' if time is None else 'was changed; it is due', time)

    return to_task(schedule, id, seen, act)


def pause(schedule: Schedule, id: str = '', *, by: str, reason: str = '',
          seen: datetime | None = None) -> Steered:
    """Keep a task, or without an id the schedule, from starting.

    What is paused already is left, with the reason of who has paused it.
    """
    def act(task: Persistent | None) -> Said:
        before = schedule.paused(task)
        if before is not None:
            raise Left(UNCHANGED, f'is paused already, {_words(before)}')
        schedule.pause(task, by=by, reason=reason)
        return Said('is paused')

    return _to_task_or_all(schedule, id, seen, act)


def resume(schedule: Schedule, id: str = '', *, by: str,
           seen: datetime | None = None) -> Steered:
    """End the pause of a task, or without an id of the schedule.

    *seen* may also be since when it was paused.
    """
    def act(task: Persistent | None) -> Said:
        before = schedule.paused(task)
        if before is None:
            raise Left(UNCHANGED, 'was not paused')
        if seen not in (None, before.since) and (
                task is None or seen != _time_of(schedule, task)):
            raise _moved(f'it is paused {_words(before)}')
        if task is None and is_without_code(schedule):
            # In the copy of a site all tasks look for their objects then.
            raise Left(REFUSED, 'cannot be resumed here, without the code of '
                                'its tasks; use: zodbschedule resume --all')
        schedule.resume(task, by=by)
        return Said('is resumed')

    return _to_task_or_all(schedule, id, None, act)


def _words(pause: Pause) -> str:
    by = f' by {pause.by}' if pause.by else ''
    return f'since {iso(pause.since)}{by}' + (
        f': {pause.reason}' if pause.reason else '')


# -- a parked entry ----------------------------------------------------------


def unpark(schedule: Schedule, id: str, *, by: str, reason: str = '',
           seen: datetime | None = None, time: datetime | None = None
           ) -> Steered:
    """Schedule the parked entry with that id again.

    The id of the task will do, here and for `discard`, if it is parked once.
    """
    def act(entry: ParkedTask) -> Said:
        task = schedule.unpark(entry, time, by=by, reason=reason)
        return _what_follows(schedule, entry, task)

    return _to_entry(schedule, id, seen, act)


def _what_follows(schedule: Schedule, entry: ParkedTask, task: Any) -> Said:
    when = schedule.waits(task)
    if when is None:
        return Said('will run when the worker has finished the task')
    if entry.occurrence is not None and to_micros(
            entry.occurrence) != occurrence_of(task, to_micros(when)):
        return Said('will run after the occurrence that is waiting')
    return Said('is scheduled for', when)


def discard(schedule: Schedule, id: str, *, by: str, reason: str = '',
            seen: datetime | None = None) -> Steered:
    """Delete the parked entry with that id."""
    def act(entry: ParkedTask) -> Said:
        schedule.discard(entry, by=by, reason=reason)
        return Said('was discarded')

    return _to_entry(schedule, id, seen, act)


# -- What is there, and has not moved on -------------------------------------


def _to_task_or_all(schedule: Schedule, id: str, seen: datetime | None,
                    act: Callable[[Persistent | None], Said]) -> Steered:
    if id:
        return to_task(schedule, id, seen, act)
    return steer(id, lambda: act(None))


def to_task(schedule: Schedule, id: str, seen: datetime | None,
            act: Callable[[Persistent], Said]) -> Steered:
    """Do it to the task with that id, unless it has moved on."""
    def find_and_act() -> Said:
        task = _the_task(schedule, id, seen)
        time = seen and _time_of(schedule, task)
        if time and time != seen:
            raise _moved(f'it is due {iso(time)}')
        return act(task)

    return steer(id, find_and_act)


def _the_task(schedule: Schedule, id: str, seen: datetime | None
              ) -> Persistent:
    task = schedule.get(id)
    if task is None and seen is not None:
        # Its record may be gone.  It is still where it was seen.
        there = islice(schedule.tasks(seen, seen), SEARCHED)
        task = next((each for each in there if task_id(each) == id), None)
    if task is not None:
        return task
    if parked_entries(schedule, id):
        raise Left(PARKED, 'is parked; schedule it again, or discard it')
    raise Left(GONE, 'is not here any more: it has ended or was cancelled')


def _time_of(schedule: Schedule, task: Persistent) -> datetime | None:
    """When it is due, or was when a worker took it."""
    waits = schedule.waits(task)
    return waits or next((each.time for each in schedule.claimed()
                          if each.task is task), None)


def _to_entry(schedule: Schedule, id: str, seen: datetime | None,
              act: Callable[[ParkedTask], Said]) -> Steered:
    def find_and_act() -> Said:
        entry = _the_entry(schedule, id)
        if seen not in (None, entry.parked_at):
            raise _moved(f'it was parked again, {iso(entry.parked_at)}')
        return act(entry)

    return steer(id, find_and_act)


def _the_entry(schedule: Schedule, id: str) -> ParkedTask:
    """The entry with that id, or the only one of the task with that id."""
    entries = parked_entries(schedule, id)
    if not entries:
        raise Left(NOT_PARKED, 'is not parked any more')
    if len(entries) > 1:
        ids = ', '.join(entry.id for entry in entries)
        raise Left(AMBIGUOUS, f'is parked {len(entries)} times; give one of '
                               f'these ids: {ids}')
    return entries[0]


def _moved(now: str) -> Left:
    return Left(
        MOVED, f'has moved on since you saw it: {now} now. Look again')


# -- What came of it ---------------------------------------------------------


def steer(id: str, act: Callable[[], Said]) -> Steered:
    """Do it, and tell what came of it; id: as in `Steered`."""
    try:
        said, time = act()
    except Left as left:
        return _steered(id, left.said, left.problem)
    except InProgress:
        return _steered(
            id, 'runs just now, or is about to, and was left as it is; try '
            'again when that has ended', RUNNING)
    except AlreadyScheduled as error:
        other = task_id(error.task)
        return _steered(
            id, f'the key {key_of(error.task)!r} is held by task {other}, '
            f'which waits; try again when that has run, or cancel it first',
            KEY_TAKEN, other=other)
    except (ScheduleError, ValueError) as error:
        return _steered(id, str(error), REFUSED)
    return _steered(id, said, time=time)


def _steered(id: str, said: str, problem: str | None = None,
             time: datetime | None = None, other: str | None = None
             ) -> Steered:
    found = Steered(id, problem is None, '', problem, time, other, said)
    what = f'Task {id}' if id else 'The schedule'
    return replace(found, message=f'{found.told(what)}.')
