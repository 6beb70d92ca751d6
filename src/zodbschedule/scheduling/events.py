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
"""Events: what subscribers of zope.event are told, after the commit."""


import logging
import threading
import traceback

import zope.event

from zodbschedule.errors.chain import traceback_of
from zodbschedule.errors.text import ErrorText
from zodbschedule.interfaces import ScheduleError
from zodbschedule.interfaces import TaskParked
from zodbschedule.logger import log
from zodbschedule.store.inspection import TaskLabel
from zodbschedule.store.inspection import class_name
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.parked import parts_of
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import label_of


#: what was said of subscribers, each kept so that no other can have its id
_said: dict[tuple[object, ...], object] = {}


def notify(event: object) -> None:
    """Send *event* to each subscriber; their errors harm nothing.

    An error is logged once; each further time it is for debugging only.

    In the main thread SystemExit and the like may come from a signal, and are
    raised.
    """
    for subscriber in list(zope.event.subscribers):
        try:
            subscriber(event)
        except BaseException as error:
            if not isinstance(error, Exception) and (
                    threading.current_thread() is threading.main_thread()):
                raise
            level = logging.ERROR if _is_new(subscriber, error) else (
                logging.DEBUG)
            log.log(level, 'A subscriber failed, given %r', event,
                    exc_info=ErrorText(error).exc_info)


def _is_new(subscriber: object, error: BaseException) -> bool:
    """Whether that failure of *subscriber* was not said yet.

    It may send events on to many others, so it counts where it was raised.
    """
    *_, (frame, line) = traceback.walk_tb(traceback_of(error))
    key = id(subscriber), type(error), frame.f_code, line
    if key in _said:
        return False
    _said[key] = subscriber
    return True


def notify_after_commit(schedule: ScheduleState, event: object) -> None:
    """Send *event* when the current transaction is committed, if it is."""
    if schedule._p_jar is not None:
        schedule._p_jar.transaction_manager.get().addAfterCommitHook(
            _committed, (event,))


def _committed(success: bool, event: object) -> None:
    if success:
        report(event)


def report(event: object) -> None:
    """Tell of something that is committed now."""
    if isinstance(event, TaskParked):
        report_parked(event)
    else:
        notify(event)


def parked_event(schedule: ScheduleState, entry: ParkedTask) -> TaskParked:
    """What is told of *entry*, as plain data."""
    known = label_of(entry.task)
    return TaskParked(entry.id, entry.time, entry.reason, entry.description,
                      entry.principalId, known.type, known.key,
                      *schedule.origin)


def problem_of(error: Exception) -> str:
    """What is told of an error over one task that is stepped over."""
    return str(error) if isinstance(error, ScheduleError) else (
        class_name(error))


def report_parked(event: TaskParked, label: TaskLabel | None = None,
                  error: BaseException | None = None) -> None:
    """Tell the log and the subscribers, after the commit.

    *label* is what is known of the task, if that is more than *event* says.
    """
    if label is None:
        label = TaskLabel(parts_of(event.id)[0], event.description,
                          event.type, event.key)
    log.error('Task %s was parked: %s', label, event.reason,
              exc_info=None if error is None else (
                  ErrorText(error).user_exc_info))
    notify(event)
