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
"""The facts of tasks, as plain data: what they are, and where.

The class of a task may be missing, its record may be gone, and an attribute
of an application may raise anything.  None of these is an error here: the
facts that can be read are returned.
"""

import heapq
import json
import reprlib
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from functools import cached_property
from itertools import chain
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
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.zope_objects import is_without_zope
from zodbschedule.errors.chain import causes
from zodbschedule.errors.text import ErrorText
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import CodeMissing
from zodbschedule.liveness.registry import ClaimedTask
from zodbschedule.scheduling import series
from zodbschedule.scheduling.missing import refuse_codeless
from zodbschedule.scheduling.missing import refuse_incomplete
from zodbschedule.store import remains
from zodbschedule.store.arguments import Arguments
from zodbschedule.store.history import Outcome
from zodbschedule.store.inspection import STAMP
from zodbschedule.store.inspection import label
from zodbschedule.store.inspection import loads
from zodbschedule.store.inspection import normal_id
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.pauses import Pause
from zodbschedule.task import OPTIONS
from zodbschedule.task import type_of


# The attributes of any task that have a fact of their own, or are internal.
NAMED = frozenset({'_time', 'time', '_description', 'description',
                   'principalId', STAMP})
# Those of an instance of Task.
OURS = NAMED | OPTIONS.keys() | {'_series', '_arguments'}
# Those of a task whose class is missing; its options are shown as they are.
BROKEN = NAMED | {'key', 'recurrence', '_series', '_arguments'}

# The number of outcomes that are shown with a task.
MOST_OUTCOMES = 20

# The problem of a task whose worker cannot end it.
WORKER_DEAD = 'its worker is dead'

# A task without a time comes first.
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)

# Its repr() has a bounded length, and never raises.
bounded_repr = reprlib.Repr()
bounded_repr.maxstring = bounded_repr.maxother = 200


@dataclass(frozen=True)
class TaskFacts:
    """One task, as data."""

    id: str
    #: None if the task is not in the timetable and has no time
    time: datetime | None
    state: str
    worker: str | None
    description: str
    principalId: str | None
    type: str
    problem: str | None
    key: str | None
    recurrence: str | None
    function: str
    attempt: int
    progress: dict[str, float] | None
    #: what went wrong in the last attempt, if one has failed
    error: str | None
    #: the recurrence without its start, short enough for a table
    short_recurrence: str | None

    @property
    def label(self) -> str:
        """As the log names it."""
        return label(int(self.id, 16), self.description, self.function)

    def as_dict(self) -> dict[str, Any]:
        """The facts for ``show`` and ``--json``."""
        return {name: value for name, value in vars(self).items()
                if name != 'short_recurrence'}


def task_facts(task: Persistent, time: datetime | None,
               state: str = 'waiting', worker: str | None = None,
               progress: dict[str, float] | None = None) -> TaskFacts:
    """The facts of *task*, which is in the schedule at *time*."""
    rule = _own_attribute(task, 'recurrence')
    return TaskFacts(
        id=task_id(task) or '',
        time=time,
        state=state,
        worker=worker,
        description=label_of(task),
        principalId=_text(task, 'principalId'),
        type=_type(task),
        problem=problem_of(task),
        key=_as_text(_own_attribute(task, 'key')),
        recurrence=_rule_text(rule),
        function=type_of(task),
        attempt=_attempt(task),
        progress=progress,
        error=None,
        short_recurrence=_rule_text(rule, _short_rule))


def _attempt(task: Persistent) -> int:
    """The number of its next attempt, or of the one that runs."""
    return series.attempt_of(task) if (
        isinstance(task, Task) and loads(task)) else 1


def label_of(task: Persistent) -> str:
    """The description of *task*, or else its type."""
    return _text(task, 'description') or _type(task)


def _type(task: Persistent) -> str:
    return f'{type(task).__module__}.{type(task).__qualname__}'


def problem_of(task: Persistent) -> str | None:
    """Why *task* cannot run in this process; None if that is unknown.

    It imports what the task calls, unless that is code of a Zope that is not
    started.
    """
    if isinstance(task, Broken):
        return 'class missing'
    try:
        task._p_activate()
        if is_without_zope(task._p_jar):
            refuse_incomplete(task)
        else:
            refuse_codeless(task)
    except CodeMissing as error:
        return str(error)
    except POSKeyError:
        return 'record gone'
    except StorageError:
        raise
    except Exception as error:
        *_, first = causes(error)
        return f'cannot be loaded: {ErrorText(first).message}'
    return None


def read(task: Persistent, name: str) -> Any:
    """One attribute; for a missing class, that of the record."""
    if isinstance(task, Broken):
        state = state_of(task)
        return state.get(name) or state.get(f'_{name}')
    return _or_default(lambda: getattr(task, name, None), None)


def _own_attribute(task: Persistent, name: str) -> Any:
    """One attribute, if it means what it means in Task."""
    return read(task, name) if isinstance(task, (Task, Broken)) else None


def _text(task: Persistent, name: str) -> str | None:
    return _as_text(read(task, name))


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return bounded_repr.repr(value)


def _rule_text(rule: Any, to_text: Callable[[Any], str] = str) -> str | None:
    """A recurrence as text."""
    return None if rule is None else _or_default(
        lambda: to_text(rule), bounded_repr.repr(rule))


def _short_rule(rule: Any) -> str:
    """A recurrence without its start."""
    match rule:
        case Every():
            return str(Every(rule.period))
        case RRule():
            return f'{rule.text}, in {rule.dtstart.tzinfo}'
        case _:
            return str(rule)


def state_of(task: Persistent) -> dict[str, Any]:
    """The state in the record of *task*; empty if it cannot be read."""
    state = _or_default(lambda: task.__getstate__(), {})
    return state if isinstance(state, dict) else {'state': state}


def _or_default(read: Callable[[], Any], default: Any) -> Any:
    """What *read* returns; *default* if the task makes it fail."""
    try:
        return read()
    except StorageError:
        raise
    except Exception:
        return default


def attributes(task: Persistent) -> dict[str, Any]:
    """The other attributes of *task*, as JSON if possible, else as text."""
    named = NAMED
    if isinstance(task, (Task, Broken)):
        named = OURS if isinstance(task, Task) else BROKEN
    state = state_of(task)
    arguments = state.get('_arguments')
    if isinstance(arguments, Arguments):
        state = state | state_of(arguments)
    return {str(name): _plain(value)
            for name, value in state.items() if name not in named}


def _plain(value: object) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return bounded_repr.repr(value)
    return value


# -- how a task is planned, paused and recorded ------------------------------


def planning_facts(task: Persistent, time: datetime | None) -> dict[str, Any]:
    """The options of *task*, which is at *time*; empty if unknown."""
    if not isinstance(task, Task) or not loads(task):
        return {}
    occurrence = series.series_of(task).occurrence if time is None else (
        series.occurrence_of(task, to_micros(time)))
    return {
        'occurrence': occurrence if occurrence is None else from_micros(
            occurrence),
        'missed': read(task, 'missed'),
        'expires': read(task, 'expires'),
        'retry': _or_default(lambda: _retry_facts(task.retry),
                             bounded_repr.repr(read(task, 'retry')))}


def _retry_facts(retry: Any) -> dict[str, Any] | None:
    return None if retry is None else {
        'attempts': retry.attempts,
        'delay': retry.delay,
        'factor': retry.factor,
        'max_delay': retry.max_delay,
        'jitter': retry.jitter,
        'on': list(retry.on)}


def pause_facts(pause: Pause | None) -> dict[str, Any] | None:
    """Since when, by whom and why a task or a schedule is paused."""
    return None if pause is None else pause._asdict()


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """The record of one run, or of one pause."""
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


def overdue_facts(found: ClaimedTask) -> dict[str, Any]:
    """Which task is overdue, since when, and which worker holds it."""
    return {
        'id': task_id(found.task) or '',
        'description': label_of(found.task),
        'function': type_of(found.task),
        'time': found.time,
        'worker': found.worker or None}


# -- all tasks ---------------------------------------------------------------


class LastErrors:
    """What went wrong last, of the tasks that are to be tried again."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def added(self, row: TaskFacts) -> TaskFacts:
        """*row*, with the error of its last attempt."""
        tried = row.attempt > 1 or remains.get(
            self.schedule.crashes, int(row.id, 16)) is not None
        return replace(row, error=self._by_id.get(row.id)) if tried else row

    @cached_property
    def _by_id(self) -> dict[str, str]:
        """By the id of the task; the history is read once."""
        found: dict[str, str] = {}
        for each in self.schedule.history:
            if each.error and each.outcome in ('retried', 'interrupted'):
                found.setdefault(each.id, each.error)
        return found


def list_facts(schedule: Schedule, start: datetime | None = None,
               until: datetime | None = None) -> Iterator[TaskFacts]:
    """All tasks between two instants, lazily, in order of time."""
    claimed = (row for _, row in _claimed_facts(schedule))
    within = [row for row in claimed
              if (start is None or _time(row) >= start)
              and (until is None or _time(row) <= until)]
    return map(LastErrors(schedule).added, heapq.merge(
        sorted(within, key=_time), waiting_facts(schedule, start, until),
        key=_time))


def _time(row: TaskFacts) -> datetime:
    return row.time or BEFORE_ALL


def waiting_facts(schedule: Schedule, start: datetime | None = None,
                  until: datetime | None = None) -> Iterator[TaskFacts]:
    """All waiting tasks.

    By instant: a task that was changed, or is gone, has no reliable time.
    """
    for instant in schedule.getTaskTimes(start, until):
        for task in schedule.tasks(instant, instant):
            yield _waiting(schedule, task, instant)
            schedule._p_jar.cacheGC()  # or a million tasks stay in memory


def _waiting(schedule: Schedule, task: Persistent, instant: datetime
             ) -> TaskFacts:
    paused = schedule.paused(task) is not None
    return task_facts(task, instant, 'paused' if paused else 'waiting')


def _claimed_facts(schedule: Schedule
                   ) -> Iterator[tuple[ClaimedTask, TaskFacts]]:
    """All tasks that workers hold, and their facts."""
    dead = {each.name for each in schedule.workers if each.state == 'dead'}
    for claimed in schedule.claimed():
        state = 'running' if claimed.running else 'claimed'
        row = task_facts(claimed.task, claimed.time, state, claimed.worker,
                         _progress(claimed))
        if claimed.worker in dead:
            row = replace(row, problem=row.problem or WORKER_DEAD)
        yield claimed, row


# -- one task ----------------------------------------------------------------


def facts_by_id(schedule: Schedule, id: str) -> dict[str, Any] | None:
    """All facts of a task: its place, its attributes, its outcomes.

    None if no task has had that id.
    """
    found = current_facts(schedule, id)
    if found is not None:
        return found | {'outcomes': _outcomes_of(schedule, id)}
    entry = parked_entry(schedule, id)
    if entry is not None:
        return parked_facts(entry) | {
            'attributes': attributes(entry.task),
            'outcomes': _outcomes_of(schedule, task_id(entry.task) or id)}
    outcomes = _outcomes_of(schedule, id)
    if outcomes:
        return {'id': id, 'state': 'ended',
                'description': outcomes[0]['description'],
                'outcomes': outcomes}
    return None


def id_of_key(schedule: Schedule, key: str) -> str | None:
    """The id of the task that has that key, or of its parked entry; or None.

    A task that waits comes first: only one has the key.
    """
    waiting = schedule.keys.get(key)
    if waiting is not None:
        return task_id(waiting)
    held = (task_id(each.task) for each in schedule.claimed()
            if _own_attribute(each.task, 'key') == key)
    parked = (entry.id for entry in schedule.parked
              if _own_attribute(entry.task, 'key') == key)
    return next(chain(held, parked), None)


def current_facts(schedule: Schedule, id: str) -> dict[str, Any] | None:
    """The facts of a task that is in the schedule and not parked."""
    task = schedule.get(id)
    if task is None:
        return None
    row = LastErrors(schedule).added(_position(schedule, task))
    return row.as_dict() | planning_facts(task, row.time) | {
        'pause': pause_facts(schedule.paused(task)),
        'schedule_pause': pause_facts(schedule.paused()),
        'parked': [entry.id for entry in parked_entries(schedule, row.id)],
        'attributes': attributes(task)}


def _position(schedule: Schedule, task: Persistent) -> TaskFacts:
    """The facts of *task* where it is."""
    for claimed, row in _claimed_facts(schedule):
        if claimed.task is task:
            return row
    time = _instant_of(schedule, task)
    if time is not None:
        return _waiting(schedule, task, time)
    # A run has put it into its claim, to come next.
    return task_facts(task, None, 'claimed')


def _progress(claimed: ClaimedTask) -> dict[str, float] | None:
    """The progress that the run has reported, if any."""
    return claimed.progress and dict(
        zip(('done', 'total'), claimed.progress, strict=True))


def _instant_of(schedule: Schedule, task: Persistent) -> datetime | None:
    """Where *task* waits; mostly that is its own time, which is quick."""
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
            for each in islice(schedule.history.select(id), MOST_OUTCOMES)]


# -- parked tasks ------------------------------------------------------------


def parked_entries(schedule: Schedule, id: str) -> list[ParkedTask]:
    """The entry with that id, and those of the task with that id."""
    entry = schedule.parked.get(id)
    id = normal_id(id)
    # Their ids are that of the task, a hyphen and an occurrence.
    others = (other for _, other in remains.items(
        schedule.parked.entries, f'{id}-', f'{id}.'))
    return [*filter(None, [entry]), *remains.left(others)]


def parked_entry(schedule: Schedule, id: str) -> ParkedTask | None:
    """The entry with that id, or the only one of the task with that id.

    Raises CommandError if the task has several.
    """
    entries = parked_entries(schedule, id)
    if len(entries) > 1 and entries[0].id != normal_id(id):
        raise CommandError(
            f'{id} is parked {len(entries)} times; give one of these ids: '
            f'{", ".join(entry.id for entry in entries)}')
    return entries[0] if entries else None


def all_parked_facts(schedule: Schedule) -> Iterator[dict[str, Any]]:
    """The facts of all parked tasks, lazily."""
    return map(parked_facts, schedule.parked)


def parked_facts(entry: ParkedTask) -> dict[str, Any]:
    """The facts of a parked task."""
    row = task_facts(entry.task, entry.time, 'parked')
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
        'function': row.function,
        'problem': row.problem,
        'state': row.state,
        'key': row.key,
        'recurrence': row.recurrence}
