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
"""Changing what is scheduled already: see `IScheduleAdministration`.

Each happens in the caller's transaction.  A task that waits is taken out of
the timetable, or out of the slot of the run that has scheduled it, and put
back at its new instant.  A task that a worker holds to run it is not touched:
what its run writes would conflict.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any
from typing import NamedTuple

from zope.interface import implementer

from zodbschedule import clock
from zodbschedule.errors.text import ErrorText
from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import IMove
from zodbschedule.interfaces import InProgress
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import NotStored
from zodbschedule.interfaces import PauseChanged
from zodbschedule.logger import log
from zodbschedule.scheduling import places
from zodbschedule.scheduling import series
from zodbschedule.scheduling.admission import refuse_key
from zodbschedule.scheduling.arrival import identify
from zodbschedule.scheduling.decisions import record_decision
from zodbschedule.scheduling.decisions import record_of_person
from zodbschedule.scheduling.decisions import who
from zodbschedule.scheduling.events import notify_after_commit
from zodbschedule.scheduling.events import problem_of
from zodbschedule.store.history import CHANGED
from zodbschedule.store.history import PAUSED
from zodbschedule.store.history import REQUESTED
from zodbschedule.store.history import RESUMED
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import refuse_unloadable
from zodbschedule.store.inspection import task_id
from zodbschedule.store.pauses import ALL
from zodbschedule.store.pauses import Pause
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import OPTIONS
from zodbschedule.task import Task
from zodbschedule.task import check_option
from zodbschedule.task import label_of
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


# What any task has, and what says when it waits.
BASIC = frozenset({'time', 'description', 'principalId'})
PLACING = frozenset({'time', 'recurrence', 'key'})


@implementer(IMove)
class Move(NamedTuple):
    """See `IMove`."""

    task: Any
    before: datetime
    after: datetime


# -- change


def change(schedule: ScheduleState, task: Any, options: dict[str, Any],
           by: str | None, reason: str) -> Any:
    """See `IScheduleAdministration`."""
    with places.relabeling(schedule, task):
        _change(schedule, task, options)
    record_of_person(
        schedule, task, CHANGED, by, reason, details=', '.join(options))
    return task


def _change(schedule: ScheduleState, task: Any, options: dict[str, Any]
            ) -> None:
    _refuse_unloadable(task)
    _check(task, options)
    if not PLACING & options.keys():
        _set(task, options)
        return
    if schedule.waits(task) is None:
        raise InProgress(
            f'{task!r} is held by a worker and cannot be moved now; try again '
            f'when its run has ended, or unschedule it')
    if 'key' in options:
        refuse_key(schedule, task, options['key'])
    now = clock.now()
    moment = _moment(task, options, now)
    if moment is not None and 'time' not in options:
        places.record_dropped(
            schedule, task, moment, now, 'its recurrence was changed')
    _set(task, options)
    if moment is not None and isinstance(task, Task):
        if 'time' not in options:
            task._time = None
        series.plan(
            task, moment, now, series.policy_of(schedule, oid_of(task)).delay)
    places.move(schedule, task, as_utc(task.time))


def _refuse_unloadable(task: Any) -> None:
    """Without its code nothing can be written on it."""
    try:
        refuse_unloadable(task)
    except CodeMissing as error:
        raise InvalidTask(
            f'task {task_id(task)} cannot be changed in this process: {error}'
        ) from error


def _check(task: Any, options: dict[str, Any]) -> None:
    for name, value in options.items():
        allowed = isinstance(task, Task) or name in BASIC
        if not allowed or name not in {'time', *OPTIONS}:
            raise InvalidTask(f'{task!r} has no option {name}')
        if name == 'time':
            as_utc(value)
        else:
            check_option(name, value)


def _set(task: Any, options: dict[str, Any]) -> None:
    before = {name: getattr(task, name) for name in options}
    try:
        for name, value in options.items():
            setattr(task, name, value)
    except Exception as error:
        for name, value in before.items():
            with suppress(Exception):
                setattr(task, name, value)
        raise InvalidTask(
            f'{task!r} does not take the {name}: '
            f'{ErrorText(error).message}') from error


def _moment(task: Any, options: dict[str, Any], now: datetime
            ) -> datetime | None:
    """When the task is to wait now; None: when it waits already."""
    if 'time' in options:
        return as_utc(options['time'])
    if options.get('recurrence') is None:
        return None
    return series.next_of(task, options['recurrence'], now)


# -- run at once


def run_now(schedule: ScheduleState, task: Any, by: str | None, reason: str
            ) -> None:
    """See `IScheduleAdministration`."""
    if schedule.pauses.hold(oid_of(task)):
        raise InvalidTask(
            f'{task!r} is paused, or its schedule is; resume that first')
    _refuse_unloadable(task)
    now = clock.now()
    waits_at = schedule.waits(task)
    if waits_at is not None:
        _hasten(task, waits_at, now)
        places.move(schedule, task, now)
    elif series.is_repeating(task):
        # A moment later than the occurrence that it may be for now.
        _request_later(schedule, task, to_micros(now) + 1)
    record_of_person(schedule, task, REQUESTED, by, reason)


def _hasten(task: Any, waits_at: datetime, now: datetime) -> None:
    if waits_at > now and series.is_repeating(task) and (
            series.is_in_place(task)):
        series.serve(task, to_micros(waits_at),
                     series.make_up(task, to_micros(now)), now)
        return
    if isinstance(task, Task):
        series.hasten(task, to_micros(waits_at))
    _set(task, {'time': now})


def request(schedule: ScheduleState, task: Any, occurrence: datetime,
            at: datetime) -> None:
    """Have *task* run for one occurrence of its series, and then continue.

    At the instant *at* if it waits in its place, or is nowhere; afterwards if
    a worker holds it, or if it has something else to do before.
    """
    micros = to_micros(occurrence)
    waits_at = schedule.waits(task)
    if waits_at is None and not schedule.is_anywhere(task):
        refuse_key(schedule, task, task.key)
        series.serve(task, None, micros, at)
        places.put(schedule, task, at)
    elif waits_at is not None and series.is_in_place(task):
        series.serve(task, to_micros(waits_at), micros, at)
        places.move(schedule, task, at)
    else:
        _request_later(schedule, task, micros)


def _request_later(schedule: ScheduleState, task: Any, occurrence: int
                   ) -> None:
    """Have *task* run for that when it comes back from its claim."""
    places.read_current_place(schedule, task)
    schedule.requests.add(task, occurrence)


# -- pause and resume


def pause(schedule: ScheduleState, task: Any, reason: str, by: str | None
          ) -> None:
    """See `IScheduleAdministration`.

    No run begins after this is committed: each looks whether it is paused.
    """
    oid = _oid(schedule, task)
    by = who(schedule, by)
    identify(schedule)
    schedule.pauses.begin(oid, Pause(clock.now(), by, reason), task)
    record_decision(schedule, task, PAUSED, by, reason)
    _notify(schedule, oid, True, by, reason)


def resume(schedule: ScheduleState, task: Any, by: str | None) -> None:
    """See `IScheduleAdministration`."""
    oid = _oid(schedule, task)
    if schedule.pauses.end(oid):
        by = who(schedule, by)
        record_decision(schedule, task, RESUMED, by, '')
        _notify(schedule, oid, False, by, '')


def _oid(schedule: ScheduleState, task: Any) -> int:
    if task is None:
        return ALL
    places.give_oid(schedule, task)
    if task._p_oid is None:
        raise NotStored(
            f'{task!r} has no id yet, by which it could be paused; put the '
            f'schedule into a database first')
    return oid_of(task)


def _notify(schedule: ScheduleState, oid: int, paused: bool, by: str | None,
            reason: str) -> None:
    id = None if oid == ALL else f'{oid:x}'
    notify_after_commit(schedule, PauseChanged(
        id, paused, by, reason, *schedule.origin))


# -- refresh


def refresh(schedule: ScheduleState) -> list[Move]:
    """See `IScheduleAdministration`."""
    now = clock.now()
    moves = []
    for instant in schedule.timetable.times():
        for task in schedule.timetable.at(instant):
            moves += _renewed(schedule, task, to_micros(instant), now)
    return moves


def _renewed(schedule: ScheduleState, task: Any, waits_at: int, now: datetime
             ) -> list[Move]:
    """The move of *task*, if it was moved; one that fails stops no other."""
    if not isinstance(task, Task) or not loads(task):
        return []
    before = from_micros(series.occurrence_of(task, waits_at))
    delay = series.policy_of(schedule, oid_of(task)).delay
    try:
        step = series.renew(task, now, delay)
    except Exception as error:
        if is_transient(error) or is_storage_failure(error):
            raise
        log.warning('Task %s is left where it waits, since its next '
                    'occurrence cannot be computed: %s', label_of(task),
                    problem_of(error))
        return []
    if step.micros is None:
        return []
    places.move(schedule, task, from_micros(step.micros))
    return [Move(
        task, before, from_micros(series.occurrence_of(task, step.micros)))]
