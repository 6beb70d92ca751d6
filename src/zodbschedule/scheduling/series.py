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
"""A task and its series: which occurrence it is for, and which is next.

::

            ╭──── retry: the same occurrence, at a later time ◀──╮
            ▼                                                    │
    plan ─▶ is for an occurrence ─▶ (run) ─▶ advance ─▶ is for the next one
            │                ▲
            ╰─ serve ─▶ is for one that was requested, and goes back then

An occurrence is nominal: the instant that the recurrence names.  The time at
which the task waits is that, or later: by the spread of the schedule, or
because it is tried again.
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
from zodbschedule.instant import later
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import InvalidTime
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import stamp_of
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import Task
from zodbschedule.task import check_option


# So many missed occurrences are counted; one more stands for any larger
# number.  Counting is a walk: with more, each run after an outage lasts longer
# than the task, about 100 us an occurrence.
COUNTED = 100


# A task that its recurrence has placed as if it were so much later than now
# was placed by a clock that was ahead.  Less, and what a call of ``process()``
# with a time in the near future has run would run again; more, and a clock
# that was ahead for as long is not noticed.
AHEAD = timedelta(days=1)


class Series(NamedTuple):
    """Where a task is in its series; all instants in microseconds.

    A task keeps it as a bare tuple, without what says nothing at its end.
    """

    #: the occurrence that the task is for; None: the time at which it waits
    occurrence: int | None = None
    #: after which instant the recurrence was asked for that occurrence; None
    #: if the recurrence has not placed the task
    after: int | None = None
    #: how many attempts at the occurrence have failed
    attempts: int = 0
    #: whether somebody has requested the run for this occurrence
    requested: bool = False
    #: where the task goes back after that: the occurrence and the time; ():
    #: nowhere, since its series has ended; None: it continues by its rule
    back: tuple[int, ...] | None = None
    #: the last occurrence that was made up for a request
    made_up: int | None = None


NO_SERIES = Series()


def series_of(task: Any) -> Series:
    """Where *task* is in its series; a foreign task is at its beginning."""
    if not isinstance(task, Task) or not task._series:
        return NO_SERIES
    return Series(*task._series)


def keep(task: Task, series: Series) -> None:
    """Put *series* on *task*; writes nothing if that says the same."""
    kept: tuple[Any, ...] = tuple(series)
    while kept and kept[-1] == NO_SERIES[len(kept) - 1]:
        kept = kept[:-1]
    if kept != task._series:
        task._series = kept


def forget(task: Task) -> None:
    """Begin anew; no occurrence is made up twice all the same."""
    keep(task, NO_SERIES._replace(made_up=series_of(task).made_up))


class Policy(NamedTuple):
    """What of a schedule's settings is to do with one task."""

    #: how far back missed occurrences are run
    catch_up: timedelta
    #: how long after its occurrence the task begins
    delay: timedelta


class Step(NamedTuple):
    """Where a series continues."""

    #: when the task is to run for its next occurrence; None: it has ended
    micros: int | None = None
    #: how many occurrences were passed over
    passed: int = 0


NOWHERE = Step()


class Foreseen(NamedTuple):
    """What a recurrence names."""

    #: which recurrence was asked, and after which instant
    rule: Any
    after: datetime
    #: the first occurrence after that, in UTC; None: there is none
    occurrence: datetime | None
    #: how many occurrences are passed over
    passed: int


# -- Which occurrence, and which attempt at it


def occurrence_of(task: Any, micros: int) -> int:
    """The occurrence for which *task* waits at that instant."""
    known = series_of(task).occurrence
    return micros if known is None else known


def attempt_of(task: Any) -> int:
    """Which attempt at its occurrence the next run is, from 1."""
    return series_of(task).attempts + 1


def is_repeating(task: Any) -> bool:
    """Whether something comes after the occurrence that *task* is for.

    As far as its recurrence says, or because this one was requested.
    """
    return isinstance(task, Task) and (
        task.recurrence is not None or series_of(task).back is not None)


def is_expired(task: Any, micros: int, now: datetime) -> bool:
    """Whether it is too late to begin, since *task* waits at that instant.

    The spread of the schedule has not made it late.  What has begun in time
    may be tried again, so that no failure hides; and what was requested is
    not too late.
    """
    if not isinstance(task, Task) or task.expires is None:
        return False
    series = series_of(task)
    return (not series.requested and not series.attempts
            and now - from_micros(micros) > task.expires)


def is_in_place(task: Any) -> bool:
    """Whether *task* waits where its series has put it.

    Not for another attempt, and not because of a request.
    """
    series = series_of(task)
    return isinstance(task, Task) and not (
        series.attempts or series.requested or series.back is not None)


# -- Into a series


def first_occurrence(task: Task, now: datetime) -> datetime | None:
    """The occurrence at which *task* begins, if it is scheduled *now*."""
    if task._time is not None and not _was_placed(task):
        return task.time
    if task.recurrence is None:
        return now
    return next_of(task, task.recurrence, now)


def _was_placed(task: Task) -> bool:
    """Whether its time is where its recurrence had placed it, once."""
    return (task.recurrence is not None
            and series_of(task).after is not None
            and task._time == stamp_of(task))


def next_of(task: Task, rule: Any, now: datetime) -> datetime:
    """The next occurrence; `InvalidRecurrence` if there is none any more."""
    occurrence = next_after(rule, now)
    if occurrence is None:
        raise InvalidRecurrence(
            f'the recurrence of {task!r}, {rule}, names no occurrence after '
            f'{now}; correct it, or give the task a time')
    return occurrence


def next_after(rule: Any, moment: datetime) -> datetime | None:
    """What *rule*, of any class, names after *moment*, in UTC; or None.

    Raises `InvalidTime` if that is no later instant: a series that stands
    still or goes back would run without end.
    """
    named = rule.next_after(moment)
    if named is None:
        return None
    occurrence = as_utc(named, 'what next_after() of a recurrence returns')
    if occurrence <= moment:
        raise InvalidTime(
            f'next_after({moment}) of the recurrence {rule} returned '
            f'{occurrence}; it has to return a later instant, or None')
    return occurrence


def plan(task: Task, occurrence: datetime, now: datetime, delay: timedelta
         ) -> None:
    """Place *task* at its first occurrence."""
    was_placed = _was_placed(task)
    rule = task.recurrence
    anchored = None if rule is None else rule.anchored(occurrence)
    check_option('recurrence', anchored)
    forget(task)
    if task._time is None or was_placed:
        if rule is None:
            task.time = occurrence
        else:
            _place(task, occurrence, now, delay)
    if anchored is not rule:
        task.recurrence = anchored


def _place(task: Task, occurrence: datetime, after: datetime,
           delay: timedelta) -> int:
    keep(task, series_of(task)._replace(
        occurrence=to_micros(occurrence), after=to_micros(after)))
    task.time = at = later(occurrence, delay)
    return to_micros(at)


# -- After a run


def retry(task: Task, micros: int, at: datetime) -> None:
    """Run for the same occurrence again, later."""
    count_attempt(task, micros)
    task.time = at


def count_attempt(task: Task, micros: int) -> None:
    """Keep the occurrence, whatever becomes of the time."""
    series = series_of(task)
    keep(task, series._replace(
        occurrence=occurrence_of(task, micros), attempts=series.attempts + 1))


def foresee(task: Task, micros: int, now: datetime, policy: Policy,
            expired: bool = False, known: Foreseen | None = None) -> Foreseen:
    """What comes after the occurrence that *task* is for, and ends *now*.

    That is for its recurrence to say.  *known* is what was foreseen before,
    which saves asking again.

    Raises `CodeMissing` if that cannot be computed here: another process may
    know the time zone.  Otherwise what the recurrence raises, and
    `InvalidTask` if what it returns makes no sense.
    """
    rule: Any = task.recurrence
    occurrence = from_micros(occurrence_of(task, micros))
    after = resume_after(task, occurrence, now, policy, expired)
    if known is not None and known.rule is rule and known.after == after:
        return known
    try:
        return Foreseen(rule, after, next_after(rule, after),
                        _passed(rule, occurrence, after))
    except InvalidRecurrence as error:
        raise CodeMissing(
            f'its next occurrence cannot be computed: {error}') from error


def advance(task: Any, micros: int, now: datetime, policy: Policy,
            expired: bool = False, known: Foreseen | None = None) -> Step:
    """Be for what comes after the occurrence that has ended; see `foresee`.
    """
    if not is_repeating(task):
        return NOWHERE
    if series_of(task).back is not None:
        return _go_back(task)
    coming = foresee(task, micros, now, policy, expired, known)
    if coming.occurrence is None:
        return Step(None, coming.passed)
    forget(task)
    return Step(_place(task, coming.occurrence, coming.after, policy.delay),
                coming.passed)


def resume_after(task: Task, occurrence: datetime, now: datetime,
                 policy: Policy, expired: bool) -> datetime:
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
    if after <= occurrence:
        return 0
    passed = rule.passed(occurrence, after, COUNTED + 1)
    if type(passed) is not int:
        raise InvalidTask(
            f'passed() of the recurrence {rule} returned {passed!r}; it has '
            f'to return an int')
    return min(passed, COUNTED + 1)


def _go_back(task: Task) -> Step:
    series = series_of(task)
    forget(task)
    if not series.back:
        return NOWHERE
    occurrence, time = series.back
    keep(task, series_of(task)._replace(
        occurrence=occurrence, after=series.after))
    task.time = from_micros(time)
    return Step(time)


# -- On request


def serve(task: Task, waits: int | None, occurrence: int, at: datetime
          ) -> None:
    """Be for an occurrence that was requested; then go back.

    *waits* is when the task waits in its series; None: its series has ended.
    """
    back = () if waits is None else (occurrence_of(task, waits), waits)
    keep(task, series_of(task)._replace(
        occurrence=occurrence, attempts=0, requested=True, back=back))
    task.time = at


def make_up(task: Task, now: int) -> int:
    """An occurrence of its own for a run that is requested now.

    Not one that the task was for already: a token is never used twice.
    """
    series = series_of(task)
    used = [one for one in (series.after, series.made_up) if one is not None]
    occurrence = max([now, *(one + 1 for one in used)])
    keep(task, series._replace(made_up=occurrence))
    return occurrence


def hasten(task: Task, waits: int) -> None:
    """Be for the same occurrence, earlier, since that was requested."""
    keep(task, series_of(task)._replace(
        occurrence=occurrence_of(task, waits), requested=True))


def revive(task: Task, waits: int) -> None:
    """Be for the same occurrence, after it had failed for good."""
    hasten(task, waits)
    keep(task, series_of(task)._replace(attempts=0))


def renew(task: Task, now: datetime, delay: timedelta) -> Step:
    """Compute anew where *task* waits, if its recurrence has placed it.

    `NOWHERE` if nothing has changed.
    """
    series = series_of(task)
    if series.after is None or not is_in_place(task):
        return NOWHERE
    after = from_micros(series.after)
    if is_ahead(task, now):
        after = now
    occurrence = next_after(task.recurrence, after)
    if occurrence is None or to_micros(occurrence) == series.occurrence:
        return NOWHERE
    return Step(_place(task, occurrence, after, delay))


def is_ahead(task: Any, now: datetime) -> bool:
    """Whether *task* was placed in its series by a clock that was ahead."""
    after = series_of(task).after
    return after is not None and after - to_micros(now) > AHEAD // MICROSECOND


# -- By the settings of a schedule


def policy_of(schedule: ScheduleState, oid: int) -> Policy:
    """What the settings say of the task with that oid."""
    return Policy(schedule.catch_up,
                  delay_of(schedule.spread, schedule.seed, oid))


def delay_of(spread: timedelta, seed: str, oid: int) -> timedelta:
    """The part of *spread* that is fixed for the task with that oid."""
    if not spread:
        return spread
    digest = blake2b(f'{seed}{oid:x}'.encode(), digest_size=4).digest()
    return spread * (int.from_bytes(digest) / 2**32)


def foresee_in(schedule: ScheduleState, task: Any, micros: int, now: datetime
               ) -> Foreseen | None:
    """`foresee` by the settings of *schedule*; None if no rule is asked."""
    if not is_repeating(task) or series_of(task).back is not None:
        return None
    return foresee(task, micros, now, policy_of(schedule, u64(task._p_oid)))


def advance_in(schedule: ScheduleState, task: Any, micros: int, now: datetime,
               expired: bool = False, known: Foreseen | None = None) -> Step:
    """`advance` by the settings of *schedule*, and stamp the task."""
    policy = policy_of(schedule, u64(task._p_oid))
    step = advance(task, micros, now, policy, expired, known)
    if step.micros is not None:
        stamp(task, from_micros(step.micros))
    return step
