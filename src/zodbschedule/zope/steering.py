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
"""What a person may do to a contributed task of a site, by its name.

The same as `zodbschedule.steering` does to any task by its id, which the task
does not keep in a copy of the site; and `reset`.  All of it happens in the
current transaction.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from zodbschedule import steering
from zodbschedule.steering import Steered
from zodbschedule.steering import actions
from zodbschedule.store.inspection import task_id
from zodbschedule.zope import contributions
from zodbschedule.zope.sites import schedule_of


def run_now(site: Any, name: str, *, by: str, reason: str = '',
            seen: datetime | None = None) -> Steered:
    """Let the task run once more, as soon as possible."""
    return _steer(steering.run_now, site, name, by=by, reason=reason,
                  seen=seen)


def change(site: Any, name: str, *, by: str, reason: str = '',
           seen: datetime | None = None, **options: Any) -> Steered:
    """Change options of the task; they stay when the add-on ships others."""
    return _steer(steering.change, site, name, by=by, reason=reason,
                  seen=seen, **options)


def pause(site: Any, name: str, *, by: str, reason: str = '',
          seen: datetime | None = None) -> Steered:
    """Keep the task from starting."""
    return _steer(steering.pause, site, name, by=by, reason=reason, seen=seen)


def resume(site: Any, name: str, *, by: str, seen: datetime | None = None
           ) -> Steered:
    """End the pause of the task."""
    return _steer(steering.resume, site, name, by=by, seen=seen)


def cancel(site: Any, name: str, *, by: str, reason: str = '',
           seen: datetime | None = None) -> Steered:
    """Remove the task from the schedule, until it is reset."""
    return _steer(steering.cancel, site, name, by=by, reason=reason, seen=seen)


def reset(site: Any, name: str, *, by: str, reason: str = '',
          seen: datetime | None = None) -> Steered:
    """Let the task be as its add-on ships it, see `contributions.reset`."""
    act = partial(_reset, site, name, by, reason)
    schedule = schedule_of(site)
    task = contributions.task_named(schedule, name)
    if schedule is None or task is None:
        return _named(name, actions.steer('', act))
    return _named(name, actions.to_task(
        schedule, task_id(task) or '', seen, act))


def _reset(site: Any, name: str, by: str, reason: str, _: Any = None
           ) -> actions.Said:
    try:
        task = contributions.reset(site, name, by=by, reason=reason)
    except LookupError as error:
        raise actions.Left(actions.GONE, f'is not here: {error}') from error
    return actions.Said('was reset; it is due', task.time)


def _steer(act: Callable[..., Steered], site: Any, name: str, **options: Any
           ) -> Steered:
    schedule = schedule_of(site)
    task = contributions.task_named(schedule, name)
    if task is None:
        return _named(name, actions.steer('', _refuse))
    return _named(name, act(schedule, task_id(task), **options))


def _refuse() -> actions.Said:
    raise actions.Left(
        actions.GONE, 'is not scheduled here; reset it, if it is contributed')


def _named(name: str, found: Steered) -> Steered:
    """The same, told of the task of that name."""
    return replace(found, message=f'{found.told(name)}.')
