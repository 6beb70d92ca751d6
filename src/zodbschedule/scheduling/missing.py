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
"""Code that a stored task needs, and that this process does not have.

The class of the task may be missing, or that of something that it holds, which
ZODB then replaces by a "broken" object, or a member of an enumeration, which
keeps the task from being loaded.
"""

import sys
from typing import Any

import zodbpickle.pickle
from persistent import Persistent
from persistent.wref import WeakRef
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError

from zodbschedule.errors.chain import causes
from zodbschedule.errors.text import ErrorText
from zodbschedule.interfaces import CodeMissing
from zodbschedule.scheduling.storable import PROTOCOL
from zodbschedule.scheduling.storable import Nowhere
from zodbschedule.store.inspection import refuse_broken
from zodbschedule.task import CallTask
from zodbschedule.task import Task
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


def refuse_incomplete(task: Any) -> None:
    """Raise `CodeMissing`, which names it, if *task* needs what is not here.

    Its arguments are looked at where they are, and no other record.
    """
    refuse_broken(task)
    _refuse_incomplete_record(task, 'it')
    if isinstance(task, CallTask) and task._arguments is not None:
        # As they are stored, whatever has happened to what was loaded.
        task._arguments._p_deactivate()
        _refuse_incomplete_record(
            task._arguments, 'the record of its arguments')


def _refuse_incomplete_record(obj: Any, name: str) -> None:
    try:
        obj._p_activate()
    except Exception as error:
        # A StateLoadError; of older releases of ZODB, what has caused it.
        if isinstance(error, POSKeyError) or (
                is_transient(error) or is_storage_failure(error)):
            raise
        *_, first = causes(error)
        raise CodeMissing(
            f'{name} cannot be loaded: {ErrorText(first)}') from error
    if _is_any_class_missing(Broken):
        _refuse_broken_parts(obj)


def refuse_codeless(task: Any) -> None:
    """Raise `CodeMissing`, which names it, if a run of *task* would lack code.

    As `refuse_incomplete`, and it imports what the task calls.
    """
    refuse_incomplete(task)
    if isinstance(task, Task):
        task.refuse_codeless()


def _is_any_class_missing(cls: type) -> bool:
    """Whether there are replacements of missing classes in this process.

    That is known at once; a search of each task would cost each run.
    """
    classes: list[type] = cls.__subclasses__()
    return any(
        getattr(sys.modules.get(each.__module__), each.__name__, None)
        is not each or _is_any_class_missing(each) for each in classes)


def _refuse_broken_parts(obj: Any) -> None:
    # What is looked at is what is stored, neither less nor more.
    pickler = zodbpickle.pickle.Pickler(Nowhere(), PROTOCOL)
    pickler.persistent_id = _look_at
    pickler.dump(obj.__getstate__())


def _look_at(part: Any) -> str | None:
    cls = part if isinstance(part, type) else type(part)
    if issubclass(cls, Broken):
        raise CodeMissing(
            f'{cls.__module__}.{cls.__name__}, which it holds, cannot be '
            f'imported')
    # What is in other records is only referred to.
    return 'reference' if isinstance(part, (Persistent, WeakRef)) else None
