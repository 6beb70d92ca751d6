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
"""The attributes of a task that may be of any class, missing or damaged.

An attribute of an application may raise anything, and a record may be gone.
None of these is an error here: what can be read is returned.
"""

import json
import reprlib
from collections.abc import Callable
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from ZODB.POSException import StorageError

from zodbschedule.errors.chain import causes
from zodbschedule.errors.text import ErrorText
from zodbschedule.interfaces import CodeMissing
from zodbschedule.plain_text import text
from zodbschedule.reading.masking import Mask
from zodbschedule.reading.masking import masked
from zodbschedule.scheduling.missing import refuse_codeless
from zodbschedule.scheduling.missing import refuse_incomplete
from zodbschedule.store.arguments import Arguments
from zodbschedule.store.inspection import DESCRIPTION
from zodbschedule.store.inspection import STAMP
from zodbschedule.store.inspection import TRACE
from zodbschedule.store.inspection import class_name
from zodbschedule.task import OPTIONS
from zodbschedule.task import Task


# The attributes of any task that have a fact of their own, or are internal.
NAMED = frozenset({'_time', 'time', '_description', 'description',
                   'principalId', STAMP, TRACE})
# Those of an instance of Task.
OURS = NAMED | OPTIONS.keys() | {'_series', '_arguments'}
# Those of a task whose class is missing; its options are shown as they are.
BROKEN = NAMED | {'key', 'recurrence', '_series', '_arguments'}

# The problem of a task that raises when it is loaded; the error follows.
CANNOT_LOAD = 'cannot be loaded: '

# Its repr() has a bounded length, and never raises.
bounded_repr = reprlib.Repr()
bounded_repr.maxstring = bounded_repr.maxother = 200


def read(task: Persistent, name: str) -> Any:
    """One attribute; for a missing class, that of the record."""
    if isinstance(task, Broken):
        state = state_of(task)
        return state.get(name) or state.get(f'_{name}')
    return or_default(lambda: getattr(task, name, None), None)


def own_attribute(task: Persistent, name: str) -> Any:
    """One attribute, if it means what it means in Task."""
    return read(task, name) if isinstance(task, (Task, Broken)) else None


def text_of(task: Persistent, name: str) -> str | None:
    """One attribute as text."""
    return as_text(read(task, name))


def as_text(value: object) -> str | None:
    """*value*, if it is a text or None, or else a short repr() of it."""
    if value is None or isinstance(value, str):
        return value
    return bounded_repr.repr(value)


def or_default(read: Callable[[], Any], default: Any) -> Any:
    """What *read* returns; *default* if the task makes it fail."""
    try:
        return read()
    except StorageError:
        raise
    except Exception:
        return default


def label_of(task: Persistent) -> str:
    """The description of *task*, or else its class; of bounded length."""
    found = text_of(task, 'description') or class_name(task)
    return text(found, DESCRIPTION)


def problem_of(task: Persistent) -> str | None:
    """Why *task* cannot run in this process; None if that is unknown.

    It imports what the task calls, unless the database was opened without the
    code that belongs to it.
    """
    if isinstance(task, Broken):
        return 'class missing'
    try:
        task._p_activate()
        if is_without_code(task):
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
        return f'{CANNOT_LOAD}{ErrorText(first).message}'
    return None


def is_without_code(task: Persistent) -> bool:
    """Whether the class factory of the database says so."""
    connection = task._p_jar
    return connection is not None and getattr(
        connection.db().classFactory, 'without_code', False)


def state_of(task: Persistent) -> dict[str, Any]:
    """The state in the record of *task*; empty if it cannot be read."""
    state = or_default(lambda: task.__getstate__(), {})
    return state if isinstance(state, dict) else {'state': state}


def attributes(task: Persistent, mask: Mask | None = None) -> dict[str, Any]:
    """The attributes without a fact of their own; JSON, or else text.

    Without what *mask* says must not be shown.
    """
    named = NAMED
    if isinstance(task, (Task, Broken)):
        named = OURS if isinstance(task, Task) else BROKEN
    state = state_of(task)
    arguments = state.get('_arguments')
    if isinstance(arguments, Arguments):
        state = state | state_of(arguments)
    if mask is not None:
        state = masked(task, state, mask)
    return {str(name): _plain(value)
            for name, value in state.items() if name not in named}


def _plain(value: object) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return bounded_repr.repr(value)
    return value
