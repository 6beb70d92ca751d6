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
"""What may come into a schedule, and when it is to wait there."""

from datetime import datetime
from datetime import timedelta
from typing import Any

from persistent import Persistent
from ZODB.POSException import POSKeyError
from ZODB.utils import p64
from ZODB.utils import z64

from zodbschedule import clock
from zodbschedule.callables.deferred import refuse_deferring
from zodbschedule.instant import as_utc
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import ITask
from zodbschedule.scheduling import series
from zodbschedule.scheduling.places import give_oid
from zodbschedule.scheduling.storable import refuse_foreign
from zodbschedule.scheduling.storable import refuse_unstorable
from zodbschedule.store.arguments import LARGE
from zodbschedule.store.inspection import STAMP
from zodbschedule.store.inspection import TRACE
from zodbschedule.store.inspection import class_name
from zodbschedule.store.inspection import home_of
from zodbschedule.store.inspection import never_stamped
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import stamp
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import CallTask
from zodbschedule.task import Task
from zodbschedule.task import check_options
from zodbschedule.task import key_of


# What a task says of its place, of that of its arguments, and of what has
# scheduled it, not of what it is.
PLACE = frozenset({STAMP, TRACE, '_time', '_series', 'recurrence',
                   '_arguments'})

NO_DELAY = timedelta(0)

# What to do if another task holds a key: of a task that is scheduled, and of
# one that is changed or was parked.
CHOOSE = ("with duplicate='keep' or 'replace' say which of the two is to "
          "wait")
RUN_FIRST = 'that one has to run, or to be unscheduled, first'


def admit(schedule: ScheduleState, task: Any, replaced: Any = None
          ) -> datetime:
    """Check *task*, and place it in its series; the instant to wait at.

    It may have the key of *replaced*.  Nothing has changed if this raises.
    """
    _refuse_invalid(schedule, task)
    _refuse_idle(task)
    now = clock.now()
    occurrence = _first_occurrence(task, now)
    _refuse_scheduled(schedule, task)
    size = 0
    if task._p_jar is None or task._p_changed:
        size = refuse_unstorable(task, schedule._p_jar)
    refuse_key(schedule, task, key_of(task), replaced, CHOOSE)
    if size > LARGE and isinstance(task, CallTask) and task._p_serial == z64:
        task.set_apart()
    if not isinstance(task, Task):
        return occurrence
    series.plan(task, occurrence, now, _delay_of(schedule, task))
    return as_utc(task.time)


def readmit(schedule: ScheduleState, task: Any) -> datetime:
    """Check *task*, which its own run has returned; the same, and stamped."""
    _refuse_invalid(schedule, task)
    instant = as_utc(task.time, of=task)
    stamp(task, instant, schedule)
    return instant


def _first_occurrence(task: Any, now: datetime) -> datetime:
    if not isinstance(task, Task):
        return as_utc(task.time, of=task)
    check_options(task)
    return as_utc(series.first_occurrence(task, now), of=task)


def _delay_of(schedule: ScheduleState, task: Task) -> timedelta:
    """By how much the spread of *schedule* delays *task*."""
    if not schedule.spread or task.recurrence is None:
        return NO_DELAY
    give_oid(schedule, task)
    return series.policy_of(schedule, oid_of(task)).delay


def refuse_key(schedule: ScheduleState, task: Any, key: str | None,
               replaced: Any = None, advice: str = RUN_FIRST) -> None:
    """Raise `AlreadyScheduled` if another task holds *key*.

    *advice* says what to do.
    """
    holder = None if key is None else schedule.keys.get(key)
    if holder is not None and holder is not task and holder is not replaced:
        raise AlreadyScheduled(
            f'the key {key!r} is held by {holder!r}, which waits; {advice}',
            holder)


def _refuse_invalid(schedule: ScheduleState, task: Any) -> None:
    if type(task) is not task.__class__:
        raise InvalidTask(
            f'{task!r} is wrapped or proxied; pass the task itself')
    if not ITask.providedBy(task):
        raise InvalidTask(
            f'{task!r} does not provide ITask; subclass '
            f'zodbschedule.Task, or declare @implementer(ITask)')
    if not isinstance(task, Persistent):
        raise InvalidTask(
            f'{task!r} is not persistent; its class has to inherit '
            f'persistent.Persistent')
    try:
        refuse_foreign(task, schedule._p_jar)
    except InvalidTask as error:
        raise InvalidTask(
            f'{task!r} cannot be scheduled: {error}') from None
    if not isinstance(task, Task):
        _refuse_incomplete(task)
    refuse_principal(task, task.principalId)


def refuse_principal(task: Any, principal: object) -> None:
    """Raise `InvalidTask` if *principal*, that of *task*, is no id."""
    if principal is not None and not isinstance(principal, str):
        raise InvalidTask(
            f'the principalId of {task!r} is {principal!r}; it has to be '
            f'a str or None')


def _refuse_idle(task: Any) -> None:
    """Refuse a task whose methods would not do their work."""
    cls, name = type(task), class_name(task)
    refuse_deferring(getattr(cls, '__call__', None), name, '.__call__')
    refuse_deferring(getattr(cls, 'schedule', None), name, '.schedule')


def _refuse_incomplete(task: Any) -> None:
    for name in ('time', 'principalId', 'description'):
        if not hasattr(task, name):
            raise InvalidTask(
                f'{task!r} has no {name}, which ITask asks for')


def _refuse_scheduled(schedule: ScheduleState, task: Any) -> None:
    if never_stamped(task):
        return
    other = _other_home(schedule, task)
    if other is not None and other.is_anywhere(other.local(task)):
        raise AlreadyScheduled(
            f'{task!r} is in another schedule of the database, {other!r}; '
            f'unschedule or discard it there first', task)
    if schedule.has(schedule.local(task)):
        raise AlreadyScheduled(
            f'{task!r} is scheduled already. To move it, unschedule it '
            f'first; while it runs, return it from its schedule()', task)
    if schedule.entry_of(task) is not None:
        raise AlreadyScheduled(
            f'{task!r} is parked; use unpark() on its entry', task)


def _other_home(schedule: ScheduleState, task: Any) -> ScheduleState | None:
    """The schedule in which *task* was before, if that is not *schedule*."""
    home = home_of(task)
    if not home or home == oid_of(schedule) or schedule._p_jar is None:
        return None
    try:
        found = schedule._p_jar.get(p64(home))
    except POSKeyError:
        # It was deleted, or the task was copied from another database.
        return None
    return found if isinstance(found, ScheduleState) else None


# -- Two of one key


def says_the_same(one: Task, other: Task) -> bool:
    """Whether *other* says what *one* says, which waits."""
    if type(one) is not type(other):
        return False
    if other.time is None and one.recurrence is None or (
            other.time not in (None, one.time)):
        return False
    try:
        return _sayings(one) == _sayings(other) and (
            _is_same_rule(one.recurrence, other.recurrence))
    except Exception:
        # The class of the task may be anybody's, and its values too.
        return False


def _sayings(task: Task) -> dict[str, Any]:
    task._p_activate()
    said = {name: value for name, value in vars(task).items()
            if name not in PLACE and not name.startswith('_v_')}
    if isinstance(task, CallTask):
        # Wherever they are.
        said |= {'args': task.args, 'kwargs': task.kwargs}
    return said


def _is_same_rule(one: Any, other: Any) -> bool:
    # An Every without a start was anchored when it was scheduled.
    start = getattr(one, 'start', None)
    return bool(one == (other.anchored(start) if start and other else other))
