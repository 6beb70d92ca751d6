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

import json
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from ZODB.POSException import StorageError

from zodbschedule import Every
from zodbschedule import RRule
from zodbschedule import Task
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.scheduling import series
from zodbschedule.store.history import Outcome
from zodbschedule.store.inspection import STAMP
from zodbschedule.store.inspection import task_id
from zodbschedule.store.pauses import Pause
from zodbschedule.task import OPTIONS


# Of any task these are shown by themselves, or are ours, and no business of
# people's.
NAMED = frozenset({'_time', 'time', '_description', 'description',
                   'principalId', STAMP})
# Of one of ours these too.
OURS = NAMED | OPTIONS.keys() | {'_series'}
# If its class is missing, nothing says how it is planned.
BROKEN = NAMED | {'key', 'recurrence', '_series'}

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
    occurrence = series.series_of(task).occurrence if time is None else (
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
