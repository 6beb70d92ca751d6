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
"""What can be known of tasks, and where they are, as plain data.

The class of a task may be missing, its record may be gone, and a third
party's attribute may raise anything.  Looking never fails on one of them: it
shows what is known.
"""

import heapq
import json
import reprlib
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from itertools import islice
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from ZODB.POSException import StorageError

from zodbschedule import Every
from zodbschedule import RRule
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule.cli.errors import Problem
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.schedule import ClaimedTask
from zodbschedule.scheduling import series
from zodbschedule.store.claim import Slot
from zodbschedule.store.history import Outcome
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.pauses import Pause
from zodbschedule.store.stamp import STAMP
from zodbschedule.store.stamp import stamp_of
from zodbschedule.task import OPTIONS
from zodbschedule.task import normal_id
from zodbschedule.task import task_id


# Of any task these are shown by themselves, or are ours, and no business of
# people's.
NAMED = frozenset({'_time', 'time', '_description', 'description',
                   'principalId', STAMP})
# Of one of ours these too.
OURS = NAMED | OPTIONS.keys() | set(series.STATE)
# If its class is missing, nothing says how it is planned.
BROKEN = NAMED | {'key', 'recurrence'} | set(series.STATE)

# How many outcomes of one task are shown with it.
OUTCOMES = 20

# What does not tell when it is due comes first.
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)

# A repr of bounded length, which never raises.
shortened = reprlib.Repr()
shortened.maxstring = shortened.maxother = 200


@dataclass(frozen=True)
class Known:
    """One task, as data."""

    id: str
    #: None if it is not in the timetable, and does not tell
    time: datetime | None
    state: str
    worker: str | None
    description: str
    principalId: str | None
    type: str
    problem: str | None
    key: str | None
    recurrence: str | None
    #: the recurrence, short enough for a table
    repeats: str | None

    def as_dict(self) -> dict[str, Any]:
        """As it is shown by ``show``, and by ``--json``."""
        return {name: value for name, value in vars(self).items()
                if name != 'repeats'}


def known(task: Persistent, time: datetime | None, state: str = 'waiting',
          worker: str | None = None) -> Known:
    """What is known of *task*, which stands at *time*."""
    rule = _of_ours(task, 'recurrence')
    return Known(
        id=task_id(task) or '',
        time=time,
        state=state,
        worker=worker,
        description=_text(task, 'description') or '',
        principalId=_text(task, 'principalId'),
        type=_type(task),
        problem=problem_of(task),
        key=_as_text(_of_ours(task, 'key')),
        recurrence=_said(rule),
        repeats=_said(rule, _in_short))


def what_of(task: Persistent) -> str:
    """What *task* is for, or at least what it is."""
    return _text(task, 'description') or _type(task)


def _type(task: Persistent) -> str:
    return f'{type(task).__module__}.{type(task).__qualname__}'


def problem_of(task: Persistent) -> str | None:
    """Why *task* cannot run here, as far as looking tells."""
    if isinstance(task, Broken):
        return 'class missing'
    try:
        task._p_activate()
    except POSKeyError:
        return 'record gone'
    except StorageError:
        raise
    except Exception as error:
        return f'cannot be loaded: {error.__cause__ or error}'
    return None


def read(task: Persistent, name: str) -> Any:
    """One attribute; of a broken task what its record holds under it."""
    if isinstance(task, Broken):
        state = state_of(task)
        return state.get(name) or state.get(f'_{name}')
    return _got(lambda: getattr(task, name, None), None)


def _of_ours(task: Persistent, name: str) -> Any:
    """One attribute, if the class of *task* gives it our meaning."""
    return read(task, name) if isinstance(task, (Task, Broken)) else None


def _text(task: Persistent, name: str) -> str | None:
    return _as_text(read(task, name))


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return shortened.repr(value)


def _said(rule: Any, say: Callable[[Any], str] = str) -> str | None:
    """What a recurrence says of itself."""
    return None if rule is None else _got(
        lambda: say(rule), shortened.repr(rule))


def _in_short(rule: Any) -> str:
    """A recurrence, without where it begins."""
    match rule:
        case Every():
            return str(Every(rule.period))
        case RRule():
            return f'{rule.text}, in {rule.dtstart.tzinfo}'
        case _:
            return str(rule)


def state_of(task: Persistent) -> dict[str, Any]:
    """What the record of *task* holds; empty if that is not to be had."""
    state = _got(lambda: task.__getstate__(), {})
    return state if isinstance(state, dict) else {'state': state}


def _got(read: Callable[[], Any], otherwise: Any) -> Any:
    """What *read* returns; *otherwise* if it fails, and the task is why."""
    try:
        return read()
    except StorageError:
        raise
    except Exception:
        return otherwise


def attributes(task: Persistent) -> dict[str, Any]:
    """What else *task* carries, each as JSON if it can be, else as text."""
    named = NAMED
    if isinstance(task, (Task, Broken)):
        named = OURS if isinstance(task, Task) else BROKEN
    return {str(name): _plain(value)
            for name, value in state_of(task).items() if name not in named}


def _plain(value: object) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return shortened.repr(value)
    return value


# -- how it is planned -------------------------------------------------------


def plan_of(task: Persistent, time: datetime | None) -> dict[str, Any]:
    """How *task*, which stands at *time*, is planned; empty if unknown."""
    if not isinstance(task, Task) or problem_of(task):
        return {}
    occurrence = task._occurrence if time is None else (
        series.occurrence_of(task, to_micros(time)))
    return {
        'occurrence': occurrence if occurrence is None else from_micros(
            occurrence),
        'attempt': series.attempt_of(task),
        'missed': task.missed,
        'expires': task.expires,
        'retry': _got(lambda: _retry_facts(task.retry),
                      shortened.repr(task.retry))}


def _retry_facts(retry: Any) -> dict[str, Any] | None:
    return None if retry is None else {
        'attempts': retry.attempts,
        'delay': retry.delay,
        'factor': retry.factor,
        'max_delay': retry.max_delay,
        'jitter': retry.jitter,
        'on': list(retry.on)}


def pause_facts(pause: Pause | None) -> dict[str, Any] | None:
    """Since when, by whom and why something is paused."""
    return None if pause is None else pause._asdict()


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """What is on record of one run, or of one pause."""
    return {
        'id': outcome.id,
        'outcome': outcome.outcome,
        'time': outcome.time,
        'occurrence': outcome.occurrence,
        'began': outcome.began,
        'ended': outcome.ended,
        'attempt': outcome.attempt,
        'passed': outcome.passed,
        'worker': outcome.worker,
        'description': outcome.description,
        'principalId': outcome.principalId,
        'error': outcome.error}


# -- all that are somewhere ---------------------------------------------------


def listed(schedule: Schedule, start: datetime | None,
           until: datetime | None) -> Iterator[Known]:
    """All that stand between two instants, lazily, by time."""
    held = (_held(each) for each in schedule.claimed())
    beside = (_aside(task) for _, task in aside(schedule))
    bounded = [row for row in (*held, *beside)
               if (start is None or _time(row) >= start)
               and (until is None or _time(row) <= until)]
    return heapq.merge(sorted(bounded, key=_time),
                       waiting(schedule, start, until), key=_time)


def _time(row: Known) -> datetime:
    return row.time or BEFORE_ALL


def waiting(schedule: Schedule, start: datetime | None = None,
            until: datetime | None = None) -> Iterator[Known]:
    """All that wait.

    By instant, since a task that was changed or is gone does not tell it.
    """
    for instant in schedule.getTaskTimes(start, until):
        for task in schedule.tasks(instant, instant):
            yield _waits(schedule, task, instant)
            schedule._p_jar.cacheGC()  # or a million stay in memory


def _waits(schedule: Schedule, task: Persistent, instant: datetime) -> Known:
    paused = schedule.paused(task) is not None
    return known(task, instant, 'paused' if paused else 'waiting')


def _held(held: ClaimedTask) -> Known:
    state = 'running' if held.running else 'claimed'
    return known(held.task, held.time, state, held.worker)


def aside(schedule: Schedule) -> Iterator[tuple[str | None, Persistent]]:
    """What stands aside, each with the id of the task that stands for it.

    A repeating task does, if its run has returned another one.
    """
    for oid, task in schedule.aside.items():
        yield f'{oid:x}', task
    for claim in list(schedule.claims.values()):
        for slot in claim.slots:
            if slot.aside is not None:
                yield _stand_in(slot), slot.aside


def _stand_in(slot: Slot) -> str | None:
    """None if that has been cancelled."""
    return None if slot.following is None else task_id(slot.following[1])


def _aside(task: Persistent) -> Known:
    stamped = stamp_of(task)
    time = None if stamped is None else from_micros(stamped)
    return known(task, time, 'aside')


# -- one task ----------------------------------------------------------------


def facts_of(schedule: Schedule, id: str) -> dict[str, Any] | None:
    """Where the task stands, what it carries, and how its runs ended."""
    found = standing(schedule, id)
    if found is not None:
        return found | {'outcomes': _outcomes_of(schedule, id)}
    entry = parked_entry(schedule, id)
    if entry is not None:
        return parked_facts(entry) | {
            'attributes': attributes(entry.task),
            'outcomes': _outcomes_of(schedule, task_id(entry.task) or id)}
    outcomes = _outcomes_of(schedule, id)
    if outcomes:
        return {'id': id, 'state': 'ended', 'outcomes': outcomes}
    return None


def standing(schedule: Schedule, id: str) -> dict[str, Any] | None:
    """What is known of the task with that id, if it stands somewhere."""
    task = schedule.get(id)
    if task is None:
        return None
    row, more = _place_of(schedule, task)
    return row.as_dict() | plan_of(task, row.time) | {
        'progress': None, 'aside_for': None} | more | {
        'pause': pause_facts(schedule.paused(task)),
        'schedule_pause': pause_facts(schedule.paused()),
        'parked': [entry.id for entry in parked_entries(schedule, row.id)],
        'attributes': attributes(task)}


def _place_of(schedule: Schedule, task: Persistent
              ) -> tuple[Known, dict[str, Any]]:
    """Where *task* stands, and what else is known of its being there."""
    for held in schedule.claimed():
        if held.task is task:
            return _held(held), {'progress': _progress(held)}
    for stand_in, each in aside(schedule):
        if each is task:
            return _aside(task), {'aside_for': stand_in}
    time = _instant_of(schedule, task)
    if time is not None:
        return _waits(schedule, task, time), {}
    # In neither place is what a run has put in its claim to come next.
    return known(task, None, 'claimed'), {}


def _progress(held: ClaimedTask) -> dict[str, float] | None:
    """How far the run has come, if it has said so."""
    return held.progress and dict(
        zip(('done', 'total'), held.progress, strict=True))


def _instant_of(schedule: Schedule, task: Persistent) -> datetime | None:
    """Where *task* waits: mostly at its own time, and cheap to find there."""
    time = read(task, 'time')
    if isinstance(time, datetime) and time.tzinfo is not None and any(
            other is task for other in schedule.tasks(time, time)):
        return time
    return next((instant for instant in schedule.getTaskTimes()
                 if any(other is task
                        for other in schedule.tasks(instant, instant))), None)


def _outcomes_of(schedule: Schedule, id: str) -> list[dict[str, Any]]:
    """The outcomes on record of the task with that id, newest first."""
    return [outcome_facts(each)
            for each in islice(schedule.history.select(id), OUTCOMES)]


# -- what is parked ----------------------------------------------------------


def parked_entries(schedule: Schedule, id: str) -> list[ParkedTask]:
    """The entry with that id, and those of the task with that id."""
    entry = schedule.parked.get(id)
    id = normal_id(id)
    # Their ids are that of the task, a hyphen and an occurrence.
    others = schedule.parked.entries.values(f'{id}-', f'{id}.')
    return [*filter(None, [entry]), *others]


def parked_entry(schedule: Schedule, id: str) -> ParkedTask | None:
    """The entry that is meant by that id, which may be that of its task."""
    entries = parked_entries(schedule, id)
    if len(entries) > 1 and entries[0].id != normal_id(id):
        raise Problem(f'{id} is parked {len(entries)} times; name one of '
                      f'{", ".join(entry.id for entry in entries)}')
    return entries[0] if entries else None


def parked_facts(entry: ParkedTask) -> dict[str, Any]:
    """What is known of a parked task."""
    row = known(entry.task, entry.time, 'parked')
    return {
        'id': entry.id,
        'task': row.id,
        'time': entry.time,
        'occurrence': entry.occurrence,
        'parked_at': entry.parked_at,
        'reason': entry.reason,
        'traceback': entry.traceback,
        'description': entry.description or row.description,
        'principalId': entry.principalId,
        'type': row.type,
        'problem': row.problem,
        'state': row.state,
        'key': row.key,
        'recurrence': row.recurrence}
