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
"""What can be known of a task of any class.

The class of a task may belong to any application, may be missing, and its
attributes may have any value or raise; its record may be missing.  So this
module does all the reading of a task that is not run.  It writes nothing but
the stamp.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from ZODB.utils import u64

from zodbschedule.errors.text import ErrorText
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import ITask
from zodbschedule.logger import Subject
from zodbschedule.plain_text import text
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


# How much of a description is kept on record, in characters.
DESCRIPTION = 1_000

# How much of it names a task in a line of the log, in characters.
SHORT = 100


# -- Its id


def task_id(task: Persistent) -> str | None:
    """The id of *task*: its oid in hex, a str; the same in every place.

    None if it has not been stored yet.  It gets its id when the transaction
    that schedules it is committed, at the latest.
    """
    return None if task._p_oid is None else f'{u64(task._p_oid):x}'


def oid_of(task: Persistent) -> int:
    """The oid of *task* as a number; 0, which no task has, if it has none."""
    return u64(task._p_oid) if task._p_oid else 0


def normal_id(id: str) -> str:
    """An id as `task_id` writes it, from other forms of the number."""
    try:
        return f'{int(id, 16):x}'
    except ValueError:
        return id


def known_text(task: Any, name: str) -> str:
    """The text attribute *name* of *task*; '' if that cannot be known.

    If its class is missing, the record tells it.
    """
    try:
        if isinstance(task, Broken):
            state = task.__Broken_state__
            value = state.get(name) or state.get(f'_{name}')
        else:
            value = getattr(task, name)
    except Exception:
        return ''
    return text(value, DESCRIPTION) if isinstance(value, str) else ''


@dataclass(frozen=True)
class TaskLabel(Subject):
    """What the log says of a task, as far as that is known."""

    oid: int
    description: str = ''
    type: str = ''
    key: str | None = None
    attempt: int | None = None

    def __str__(self) -> str:
        """As in ``17 'send invoice' (shop.confirm, key 'a', attempt 2)``."""
        name = '' if self.description in ('', self.type) else (
            f' {text(self.description, SHORT)!r}')
        facts = (self.type, self.key and f'key {text(self.key, SHORT)!r}',
                 (self.attempt or 1) > 1 and f'attempt {self.attempt}')
        told = ', '.join(str(fact) for fact in facts if fact)
        return f'{self.oid:x}{name}{f" ({told})" if told else ""}'

    def log_attributes(self) -> dict[str, object]:
        """See `Subject`."""
        return {
            'task_id': f'{self.oid:x}',
            'task_description': self.description or None,
            'task_function': self.type or None, 'task_key': self.key,
            'task_attempt': self.attempt}


def label(oid: int, description: str, type: str) -> str:
    """A task for a person to read, for instance in a listing."""
    return f'task {TaskLabel(oid, description, type)}'


def known_principal(task: Any) -> str | None:
    """The principal id of *task*; None if that cannot be known."""
    try:
        value = task.principalId
    except Exception:
        return None
    return text(value, DESCRIPTION) if isinstance(value, str) else None


def class_name(obj: object) -> str:
    """The dotted name of the class of *obj*."""
    cls = type(obj)
    return f'{cls.__module__}.{cls.__qualname__}'


# -- Whether it can be loaded


def may_be_task(obj: Persistent) -> bool:
    """Whether *obj* provides `ITask`; True if that cannot be known."""
    try:
        return isinstance(obj, Broken) or ITask.providedBy(obj)
    except POSKeyError:
        return True


def loads(task: Any) -> bool:
    """Whether the state of *task* can be loaded here."""
    try:
        refuse_unloadable(task)
    except CodeMissing:
        return False
    return True


def refuse_unloadable(task: Any) -> None:
    """Raise `CodeMissing` if the state of *task* cannot be loaded here."""
    refuse_broken(task)
    try:
        task._p_activate()
    except Exception as error:
        if is_transient(error) or is_storage_failure(error):
            raise
        raise CodeMissing(
            f'it cannot be loaded: {ErrorText(error)}') from error


def refuse_broken(task: Any) -> None:
    """Raise `CodeMissing` if the class of *task* cannot be imported."""
    if isinstance(task, Broken):
        cls = type(task)
        raise CodeMissing(
            f'{cls.__module__}.{cls.__name__} cannot be imported')


# -- The trace: what has scheduled it

# The attribute in which `zodbschedule.tracing` keeps by what a task was
# scheduled; see there.  Tasks that were scheduled without it have none.
TRACE = '_zodbschedule_trace'


# -- The stamp: at which instant it was scheduled last, and where

# The attribute with the instant at which a task was scheduled last, in
# microseconds since 1970, the oid of the schedule, 0 if that was new, and the
# oid of the task, unless that was new.  It is written each time, so that two
# transactions that schedule one task at the same time conflict, in both orders
# of commits.  It has the name of this package, since the class of the task may
# be of any other.
STAMP = '_zodbschedule'
NO_STAMP = None, 0, 0


def stamp(task: Any, instant: datetime, schedule: Persistent | None = None
          ) -> None:
    """Write on *task* at which instant it is scheduled, even if unchanged.

    *schedule* is given when the task comes into it; else it stays the same.
    """
    home = home_of(task) if schedule is None else oid_of(schedule)
    try:
        own = (oid_of(task),) if task._p_oid else ()
        setattr(task, STAMP, (to_micros(instant), home, *own))
    except Exception:
        # It does not take the attribute: then the timetable is searched.
        pass
    task._p_changed = True


def stamp_of(task: Any) -> int | None:
    """When *task* was scheduled last, in microseconds, if it is stamped."""
    return _stamp(task)[0]


def home_of(task: Any) -> int:
    """The oid of the schedule that *task* was scheduled in last; or 0."""
    return _stamp(task)[1]


def stamped_oid(task: Any) -> int:
    """The oid that *task* had when it was stamped; or 0.

    That of a copy is another, until it is stamped anew.
    """
    return _stamp(task)[2]


def _stamp(task: Any) -> tuple[int | None, int, int]:
    try:
        if isinstance(task, Broken):
            stamped = task.__Broken_state__.get(STAMP)
        else:
            stamped = getattr(task, STAMP, None)
    except Exception as error:
        if is_transient(error) or is_storage_failure(error):
            raise
        return NO_STAMP
    # An attribute of such a class may have any value.
    if type(stamped) is not tuple or set(map(type, stamped)) != {int}:
        return NO_STAMP
    micros, home, own = (*stamped, 0, 0)[:3]
    return micros, home, own


def never_stamped(task: Any) -> bool:
    """Whether *task* certainly was never scheduled: then it has no stamp.

    This is asked first, because a search of the claims loads every slot that
    a run has written meanwhile, and each insert would pay for that.
    """
    return stamp_of(task) is None and keeps_stamp(task)


def keeps_stamp(task: Any) -> bool:
    """Whether *task* certainly keeps an attribute that it is given.

    If it cannot be loaded here, it is not certain.
    """
    cls = type(task)
    return loads(task) and cls.__dictoffset__ != 0 and all(
        getattr(cls, name) is getattr(Persistent, name)
        for name in ('__getattribute__', '__setattr__', '__getstate__',
                     '__setstate__'))
