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
"""A task and its series: which occurrence it stands for, and which is next.

::

            ╭──── retry: the same occurrence, at a later time ◀──╮
            ▼                                                    │
    plan ─▶ stands for an occurrence ─▶ (run) ─▶ go_on ─▶ stands for the next
            │                ▲
            ╰─ ask ─▶ stands for one that a person asked for, goes back then

An occurrence is nominal: the instant that the recurrence names.  The time at
which the task stands is that, or later: by the spread of the schedule, or
since it is tried again.  All of this is kept in plain attributes of the task,
which are not stored as long as they say nothing.
"""

from datetime import datetime
from datetime import timedelta
from hashlib import blake2b
from typing import Any
from typing import NamedTuple

from ZODB.utils import u64

from zodbschedule.instant import MICROSECOND
from zodbschedule.instant import as_utc
from zodbschedule.instant import earlier
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import stamp_of
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import Task


# The attributes of a task that belong to one time of its being scheduled.
STATE = '_occurrence', '_after', '_back', '_asked', '_attempts'

# So many missed occurrences are counted, at the most: counting is a walk.
COUNTED = 1_000


class Policy(NamedTuple):
    """What of a schedule's settings is to do with one task."""

    #: how far back missed occurrences are run
    catch_up: timedelta
    #: how long after its occurrence the task begins
    delay: timedelta


class Step(NamedTuple):
    """Where a series goes on."""

    #: when the task is to stand for its next occurrence; None: it has ended
    micros: int | None = None
    #: how many occurrences were passed over
    passed: int = 0


NOWHERE = Step()


def part(spread: timedelta, seed: str, oid: int) -> timedelta:
    """The part of *spread* that is fixed for the task with that oid."""
    if not spread:
        return spread
    digest = blake2b(f'{seed}{oid:x}'.encode(), digest_size=4).digest()
    return spread * int.from_bytes(digest) / 2**32


# -- What a task stands for


def occurrence_of(task: Any, micros: int) -> int:
    """The occurrence for which *task* stands at that instant."""
    known = task._occurrence if isinstance(task, Task) else None
    return micros if known is None else known


def standing_of(task: Any, micros: int) -> tuple[int, int]:
    """The occurrence, and which attempt at it the next run is."""
    if not isinstance(task, Task):
        return micros, 1
    known = task._occurrence
    return micros if known is None else known, task._attempts + 1


def attempt_of(task: Any) -> int:
    """Which attempt at its occurrence the next run is, from 1."""
    return task._attempts + 1 if isinstance(task, Task) else 1


def is_repeating(task: Any) -> bool:
    """Whether something comes after the occurrence that *task* stands for.

    As far as its recurrence says, or because a person asked for this one.
    """
    return isinstance(task, Task) and (
        task.recurrence is not None or task._back is not None)


def is_expired(task: Any, micros: int, now: datetime) -> bool:
    """Whether it is too late to begin, since *task* stands at that instant.

    The spread of the schedule has not made it late.  What has begun in time
    may be tried again, so that no failure hides; and what a person asked for
    is not too late.
    """
    return (isinstance(task, Task) and task.expires is not None
            and not task._asked and not task._attempts
            and now - from_micros(micros) > task.expires)


# -- Scheduled anew


def first(task: Task, now: datetime) -> datetime:
    """The occurrence at which *task* begins, if it is scheduled *now*."""
    if task.time is not None and not _was_placed(task):
        return task.time
    if task.recurrence is None:
        return now
    return next_of(task, task.recurrence, now)


def _was_placed(task: Task) -> bool:
    """Whether its time is where its recurrence had placed it, once."""
    return (task.recurrence is not None and task._after is not None
            and task._time == stamp_of(task))


def next_of(task: Task, rule: Any, now: datetime) -> datetime:
    """The next occurrence; `InvalidRecurrence` if there is none any more."""
    found = rule.next_after(now)
    if found is None:
        raise InvalidRecurrence(
            f'the recurrence of {task!r}, {rule}, names no occurrence after '
            f'{now}; correct it, or give the task a time')
    return as_utc(found)


def plan(task: Task, occurrence: datetime, now: datetime, delay: timedelta
         ) -> None:
    """Place *task* at its first occurrence."""
    was_placed = _was_placed(task)
    forget(task)
    rule = task.recurrence
    if task.time is None or was_placed:
        if rule is None:
            task.time = occurrence
        else:
            _place(task, occurrence, now, delay)
    if rule is not None:
        anchored = rule.anchored(occurrence)
        if anchored is not rule:
            task.recurrence = anchored


def forget(task: Task) -> None:
    """Begin anew; writes nothing if there is nothing to forget."""
    task._p_activate()
    for name in STATE:
        if name in task.__dict__:
            delattr(task, name)


def _place(task: Task, occurrence: datetime, after: datetime,
           delay: timedelta) -> int:
    task._occurrence = to_micros(occurrence)
    task._after = to_micros(after)
    task.time = at = occurrence + delay
    return to_micros(at)


# -- After a run


def retry(task: Task, micros: int, at: datetime) -> None:
    """Stand for the same occurrence again, later."""
    stay(task, micros)
    task.time = at


def stay(task: Task, micros: int) -> None:
    """Keep the occurrence, whatever becomes of the time; an attempt later."""
    task._occurrence = occurrence_of(task, micros)
    task._attempts += 1


def go_on(task: Any, micros: int, now: datetime, policy: Policy,
          expired: bool = False) -> Step:
    """Stand for what comes after the occurrence that has ended."""
    if not is_repeating(task):
        return NOWHERE
    occurrence = from_micros(occurrence_of(task, micros))
    if task._back is not None:
        return _go_back(task)
    after = start(task, occurrence, now, policy, expired)
    found = task.recurrence.next_after(after)
    passed = _passed(task.recurrence, occurrence, after)
    if found is None:
        return Step(None, passed)
    forget(task)
    return Step(_place(task, as_utc(found), after, policy.delay), passed)


def start(task: Task, occurrence: datetime, now: datetime, policy: Policy,
          expired: bool) -> datetime:
    """After which instant the next occurrence is to come.

    Never before the one that has ended: a clock that was set back repeats
    nothing.  One that begins later, by the spread, is not missed yet.
    """
    bound = earlier(now, policy.delay)
    if expired and task.expires is not None:
        # The first that can still begin in time.
        bound = earlier(bound, task.expires + MICROSECOND)
    elif task.missed == 'all':
        bound = earlier(bound, policy.catch_up)
    return max(occurrence, bound)


def _passed(rule: Any, occurrence: datetime, after: datetime) -> int:
    return (rule.passed(occurrence, after, COUNTED)
            if after > occurrence else 0)


def _go_back(task: Task) -> Step:
    back = task._back or ()
    after = task._after
    forget(task)
    if not back:
        return NOWHERE
    task._occurrence, time = back
    task._after = after
    task.time = from_micros(time)
    return Step(time)


# -- Between two occurrences


def ask(task: Task, standing: int | None, occurrence: int, at: datetime
        ) -> None:
    """Stand for an occurrence that a person asked for; then go back.

    *standing* is where the task stands in its series; None: its series has
    ended.
    """
    task._back = () if standing is None else (
        occurrence_of(task, standing), standing)
    task._occurrence = occurrence
    task._attempts = 0
    task._asked = True
    task.time = at


def extra(task: Task, now: int) -> int:
    """An occurrence of its own for a run that a person asks for now.

    Not one that the task has stood for already: a token is never used twice.
    """
    known = [one for one in (task._after, task._extra) if one is not None]
    task._extra = max([now, *(one + 1 for one in known)])
    return task._extra


def hasten(task: Task, standing: int) -> None:
    """Stand for the same occurrence, earlier, since a person asked for it."""
    task._occurrence = occurrence_of(task, standing)
    task._asked = True


def revive(task: Task, standing: int) -> None:
    """Stand for the same occurrence, after it had failed for good."""
    hasten(task, standing)
    task._attempts = 0


def is_in_place(task: Any) -> bool:
    """Whether *task* stands where its series has put it.

    Not for a retry, and not because a person asked for it.
    """
    return (isinstance(task, Task) and not task._attempts
            and not task._asked and task._back is None)


def renew(task: Task, delay: timedelta) -> Step:
    """Compute anew where *task* stands, if its recurrence has placed it.

    `NOWHERE` if nothing has changed.
    """
    if task._after is None or not is_in_place(task):
        return NOWHERE
    after = from_micros(task._after)
    found = task.recurrence.next_after(after)
    if found is None or to_micros(found) == task._occurrence:
        return NOWHERE
    return Step(_place(task, as_utc(found), after, delay))


# -- By the settings of a schedule


def policy_of(schedule: ScheduleState, oid: int) -> Policy:
    """What the settings say of the task with that oid."""
    return Policy(schedule.catch_up,
                  part(schedule.spread, schedule.seed, oid))


def go_on_in(schedule: ScheduleState, task: Any, micros: int, now: datetime,
             expired: bool = False) -> Step:
    """Have *task* stand for what comes next, by the settings of *schedule*.

    Raises `CodeMissing` if that cannot be computed here: another process may
    know the time zone.
    """
    policy = policy_of(schedule, u64(task._p_oid))
    try:
        step = go_on(task, micros, now, policy, expired)
    except InvalidRecurrence as error:
        raise CodeMissing(
            f'its next occurrence cannot be computed: {error}') from error
    if step.micros is not None:
        stamp(task, from_micros(step.micros))
    return step
