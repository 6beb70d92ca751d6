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
"""What restricted code may do with the schedule of a site.

Scripts and templates that people edit in the site may import from here.  Each
operation asks for the permission of the current user, so that pages and
services may use it too.  Tasks are named by their ids, and what is read is
plain data: whoever has a task could call it.
"""

from functools import partial
from typing import Any

from AccessControl import ModuleSecurityInfo
from AccessControl import allow_class
from AccessControl import getSecurityManager
from AccessControl.unauthorized import Unauthorized

from zodbschedule import reading
from zodbschedule import steering
from zodbschedule.reading import to_json
from zodbschedule.recurrence import Cron
from zodbschedule.scheduling.places import give_oid
from zodbschedule.store.inspection import task_id
from zodbschedule.zope import context_task
from zodbschedule.zope import sites
from zodbschedule.zope import steering as contributed
from zodbschedule.zope.context_task import task_time
from zodbschedule.zope.permissions import CONTROL
from zodbschedule.zope.permissions import LOOK
from zodbschedule.zope.permissions import SCHEDULE_AS_OTHERS
from zodbschedule.zope.permissions import check_cancel
from zodbschedule.zope.permissions import check_permission
from zodbschedule.zope.permissions import current_principal
from zodbschedule.zope.permissions import own_principal


__all__ = ('Cron', 'call', 'current_principal', 'get_schedule')

_module = ModuleSecurityInfo(__name__)
for _name in __all__:
    _module.declarePublic(_name)

#: what Look allows: see `zodbschedule.reading`
LOOKING = {each.__name__: each for each in (
    reading.health, reading.history, reading.parked, reading.paused,
    reading.running, reading.settings, reading.task, reading.tasks_of,
    reading.upcoming)}

#: what Control allows: see `zodbschedule.steering`
CONTROLLING = {each.__name__: each for each in (
    steering.discard, steering.pause, steering.resume, steering.run_now,
    steering.unpark)}


class RestrictedSchedule:
    """The schedule of the site of *context*, for restricted code.

    It has the functions of `zodbschedule.reading` and `zodbschedule.steering`,
    without the arguments *schedule* and *by*.  An instant may be a Zope
    ``DateTime``.  They return what `zodbschedule.reading.to_json` makes of
    their results.  They raise Unauthorized if the current user lacks the
    permission.
    """

    def __init__(self, context: Any) -> None:
        self._schedule = sites.get_schedule(context)
        self._site = sites.site_of(context)

    def __getattr__(self, name: str) -> Any:
        if name in LOOKING:
            return partial(self._look, LOOKING[name])
        if name in CONTROLLING:
            return partial(self._control, CONTROLLING[name])
        raise AttributeError(name)

    def _look(self, function: Any, *args: Any, **options: Any) -> Any:
        check_permission(LOOK, self._site)
        return to_json(function(
            self._schedule, *args, **_with_datetimes(options)))

    def _control(self, function: Any, *args: Any, **options: Any) -> Any:
        check_permission(CONTROL, self._site)
        return self._steer(function, *args, **options)

    def _steer(self, function: Any, *args: Any, **options: Any) -> Any:
        """Do it as the current user, whoever *options* say does it."""
        options['by'] = own_principal(self._site) or (
            getSecurityManager().getUser().getUserName())
        return to_json(function(
            self._schedule, *args, **_with_datetimes(options)))

    def own_tasks(self, cursor: str | None = None) -> Any:
        """A page of the tasks of the current user, without a permission."""
        principal_id = own_principal(self._site)
        if principal_id is None:
            return to_json(reading.Page[reading.TaskFacts](()))
        return to_json(reading.tasks_of(
            self._schedule, cursor, principalId=principal_id))

    def cancel(self, id: str, **options: Any) -> Any:
        """Remove a task: one's own with the permission to schedule it."""
        task = self._schedule.get(id)
        if task is None:
            check_permission(CONTROL, self._site)
        else:
            check_cancel(task, self._site)
        return self._steer(steering.cancel, id, **options)

    def change(self, id: str, **options: Any) -> Any:
        """Change options of a task; the user only as who may be others."""
        if 'principalId' in options:
            check_permission(SCHEDULE_AS_OTHERS, self._site)
        return self._control(steering.change, id, **options)

    def several(self, action: str, chosen: Any, **options: Any) -> Any:
        """Do it to several tasks, each with the instant that was seen."""
        return self._control(
            steering.several, action,
            [(id, _as_datetime(seen)) for id, seen in chosen], **options)

    def reset(self, name: str, **options: Any) -> Any:
        """Let a contributed task be as its add-on ships it."""
        def act(_: Any, **record: Any) -> Any:
            return contributed.reset(self._site, name, **record)

        return self._control(act, **options)

    def recover(self, name: str) -> int:
        """Put the tasks of dead workers back, see `Schedule.recover`."""
        check_permission(CONTROL, self._site)
        return self._schedule.recover(name)


# Restricted code may have it: each method asks for the permission.
allow_class(RestrictedSchedule)


def get_schedule(context: Any = None) -> RestrictedSchedule:
    """The schedule of the nearest site upward, to be asked by anybody.

    See `zodbschedule.zope.get_schedule`.
    """
    return RestrictedSchedule(context)


def call(context: Any, func: Any, *args: Any, **options: Any) -> str | None:
    """Schedule a call, see `zodbschedule.zope.call`; return the id, a str.

    Restricted code is never trusted.
    """
    if 'trusted' in options:
        raise Unauthorized('restricted code is not trusted: call() checks '
                           'the permissions of the current user')
    task = context_task.call(context, func, *args, **options)
    give_oid(sites.get_schedule(context), task)
    return task_id(task)


def _with_datetimes(options: dict[str, Any]) -> dict[str, Any]:
    return {name: _as_datetime(value) for name, value in options.items()}


def _as_datetime(value: Any) -> Any:
    """*value*; a datetime if it is a Zope ``DateTime``."""
    return task_time(value, None) if hasattr(value, 'asdatetime') else value
