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
"""What can be known of a task, though it be broken or gone.

The class of a task may be missing, its record may be gone, and a third
party's attribute may raise anything.  Looking never fails on one of them: it
shows what is known.  What comes out of here is plain data.
"""

import heapq
import json
import reprlib
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from ZODB.POSException import StorageError

from zodbschedule import Schedule
from zodbschedule.history import Outcome
from zodbschedule.parked import ParkedTask
from zodbschedule.schedule import ClaimedTask
from zodbschedule.stamp import STAMP
from zodbschedule.task import normal_id
from zodbschedule.task import task_id


# How many outcomes of one task are shown.
OUTCOMES = 20

# These are shown by themselves, or are ours, and no business of people's.
NAMED = frozenset({'_time', 'time', '_description', 'description',
                   'principalId', STAMP})

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

    def as_dict(self) -> dict[str, Any]:
        """As it is shown by ``show``, and by ``--json``."""
        return dict(vars(self))


def known(task: Persistent, time: datetime | None, state: str = 'waiting',
          worker: str | None = None) -> Known:
    """What is known of *task*, which stands at *time*."""
    return Known(
        id=task_id(task) or '',
        time=time,
        state=state,
        worker=worker,
        description=_text(task, 'description') or '',
        principalId=_text(task, 'principalId'),
        type=f'{type(task).__module__}.{type(task).__qualname__}',
        problem=problem_of(task))


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


def _read(task: Persistent, name: str) -> Any:
    """One attribute; of a broken task what its record holds under it."""
    if isinstance(task, Broken):
        state = state_of(task)
        return state.get(name) or state.get(f'_{name}')
    return _got(lambda: getattr(task, name, None), None)


def _text(task: Persistent, name: str) -> str | None:
    value = _read(task, name)
    if value is None or isinstance(value, str):
        return value
    return shortened.repr(value)


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
    return {str(name): _plain(value)
            for name, value in state_of(task).items() if name not in NAMED}


def _plain(value: object) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return shortened.repr(value)
    return value


# -- where tasks stand -------------------------------------------------------


def listed(schedule: Schedule, start: datetime | None,
           until: datetime | None) -> Iterator[Known]:
    """All that wait or are held between two instants, lazily, by time."""
    held = (_held(each) for each in sorted(schedule.claimed(), key=_time)
            if (start is None or each.time >= start)
            and (until is None or each.time <= until))
    return heapq.merge(held, waiting(schedule, start, until), key=_time)


_time = attrgetter('time')


def waiting(schedule: Schedule, start: datetime | None = None,
            until: datetime | None = None) -> Iterator[Known]:
    """All that wait.

    By instant, since a task that was changed or is gone does not tell it.
    """
    for instant in schedule.getTaskTimes(start, until):
        for task in schedule.tasks(instant, instant):
            yield known(task, instant)
            schedule._p_jar.cacheGC()  # or a million stay in memory


def _held(held: ClaimedTask) -> Known:
    state = 'running' if held.running else 'claimed'
    return known(held.task, held.time, state, held.worker)


def found(schedule: Schedule, id: str) -> tuple[Known, Persistent] | None:
    """The task with that id that waits or is held, and what is known."""
    task = schedule.get(id)
    if task is None:
        return None
    for held in schedule.claimed():
        if held.task is task:
            return _held(held), task
    time = _instant_of(schedule, task)
    # In neither place is what a run has put in its claim to come next.
    return known(task, time, 'claimed' if time is None else 'waiting'), task


def _instant_of(schedule: Schedule, task: Persistent) -> datetime | None:
    """Where *task* waits: mostly at its own time, and cheap to find there."""
    time = _read(task, 'time')
    if isinstance(time, datetime) and time.tzinfo is not None and any(
            other is task for other in schedule.tasks(time, time)):
        return time
    return next((instant for instant in schedule.getTaskTimes()
                 if any(other is task
                        for other in schedule.tasks(instant, instant))), None)


# -- parked tasks, and outcomes ----------------------------------------------


def parked_entry(schedule: Schedule, id: str) -> ParkedTask | None:
    """The parked entry with that id, or of the task with that id."""
    entry = schedule.parked.get(id)
    if entry is not None:
        return entry
    return next((entry for entry in schedule.parked
                 if task_id(entry.task) == id), None)


def parked_facts(entry: ParkedTask) -> dict[str, Any]:
    """What is known of a parked task."""
    row = known(entry.task, entry.time, 'parked')
    return {
        'id': entry.id,
        'task': row.id,
        'time': entry.time,
        'parked_at': entry.parked_at,
        'reason': entry.reason,
        'traceback': entry.traceback,
        'description': entry.description or row.description,
        'principalId': entry.principalId,
        'type': row.type,
        'problem': row.problem,
        'state': row.state}


def outcomes_of(schedule: Schedule, id: str) -> list[dict[str, Any]]:
    """The outcomes on record of the task with that id, newest first."""
    id = normal_id(id)
    mine = (each for each in schedule.history if each.id == id)
    return [_outcome_facts(each) for each in islice(mine, OUTCOMES)]


def _outcome_facts(outcome: Outcome) -> dict[str, Any]:
    return {
        'outcome': outcome.outcome,
        'time': outcome.time,
        'ended': outcome.ended,
        'principalId': outcome.principalId,
        'error': outcome.error}
