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
"""What POST, PATCH and DELETE do: by `zodbschedule.steering`.

Each may say in `seen` what the person saw: then what has moved on since is
left alone, and the same request twice does it once.
"""

from collections.abc import Callable
from typing import Any

from zodbschedule import steering
from zodbschedule.reading import to_json
from zodbschedule.steering import Steered
from zodbschedule.zope import steering as contributed
from zodbschedule.zope.contributions import timezone_of
from zodbschedule.zope.permissions import CONTROL
from zodbschedule.zope.permissions import SCHEDULE_AS_OTHERS
from zodbschedule.zope.permissions import check_cancel
from zodbschedule.zope.permissions import check_permission
from zodbschedule.zope.plone.restapi.asked import Asked
from zodbschedule.zope.plone.restapi.items import Json
from zodbschedule.zope.plone.restapi.refusals import bad_request
from zodbschedule.zope.plone.restapi.refusals import refuse_left
from zodbschedule.zope.plone.restapi.visit import Visit


RECORD = 'seen', 'reason'

#: the options of a task that can be changed, and how each one is read; what a
#: task calls is none of them
OPTIONS: dict[str, Callable[[Asked, str], Any]] = {
    'time': Asked.instant,
    'description': Asked.text,
    'key': Asked.text,
    'missed': Asked.text,
    'principalId': Asked.text,
    'expires': Asked.duration,
    'retry': Asked.retry}


def _told(found: Steered) -> Json:
    refuse_left(found)
    told: Json = to_json(found)
    return told


def _record(visit: Visit, asked: Asked, with_reason: bool = True) -> Json:
    """Who does it, why, and what was seen."""
    reason = {'reason': asked.text('reason') or ''} if with_reason else {}
    return {'by': visit.by, 'seen': asked.instant('seen'), **reason}


# -- the whole schedule


def steer_schedule(visit: Visit) -> Json:
    """Pause it, or resume it."""
    visit.body.refuse_others('paused', *RECORD)
    paused = visit.body.flag('paused')
    if paused is None:
        raise bad_request('paused is missing; it has to be true or false.')
    record = _record(visit, visit.body, paused)
    act = steering.pause if paused else steering.resume
    return _told(act(visit.schedule, **record))


# -- one task, or one that is parked


def to_one(act: Callable[..., Steered], with_reason: bool = True
           ) -> Callable[[Visit], Json]:
    """A function that does it to what the address names."""
    def do(visit: Visit) -> Json:
        visit.body.refuse_others(*RECORD)
        return _told(act(visit.schedule, visit.name, **_record(
            visit, visit.body, with_reason)))

    return do


def retry(visit: Visit) -> Json:
    """Schedule a parked one again: at once, or at a time."""
    visit.body.refuse_others('time', *RECORD)
    return _told(steering.unpark(
        visit.schedule, visit.name, time=visit.body.instant('time'),
        **_record(visit, visit.body)))


def discard(visit: Visit) -> Json:
    """Delete a parked one."""
    visit.query.refuse_others(*RECORD)
    return _told(steering.discard(
        visit.schedule, visit.name, **_record(visit, visit.query)))


def cancel(visit: Visit) -> Json:
    """Remove a task; one's own needs no permission to control."""
    visit.query.refuse_others(*RECORD)
    task = visit.schedule.get(visit.name)
    if task is None:
        check_permission(CONTROL, visit.site)
    else:
        check_cancel(task, visit.site)
    visit.permit_writing()
    return _told(steering.cancel(
        visit.schedule, visit.name, **_record(visit, visit.query)))


def change(visit: Visit) -> Json:
    """Change options of a task; the user only as who may be others."""
    body = visit.body
    body.refuse_others('recurrence', 'timezone', *OPTIONS, *RECORD)
    if 'principalId' in body.values:
        check_permission(SCHEDULE_AS_OTHERS, visit.site)
    options = {name: read(body, name) for name, read in OPTIONS.items()
               if name in body.values}
    return _told(steering.change(
        visit.schedule, visit.name, **_rule(visit), **options,
        **_record(visit, body)))


def _rule(visit: Visit) -> Json:
    """The option `recurrence`, if it is to be changed."""
    body = visit.body
    if 'recurrence' in body.values:
        return {'recurrence': body.rule(
            'recurrence', timezone_of(visit.site))}
    if 'timezone' in body.values:
        raise bad_request('timezone needs a recurrence.')
    return {}


# -- what add-ons contribute, by name


def change_recurring(visit: Visit) -> Json:
    """Change the rule, and whether it runs."""
    body = visit.body
    body.refuse_others('recurrence', 'timezone', 'enabled', *RECORD)
    enabled, rule = body.flag('enabled'), _rule(visit)
    record = _record(visit, body)
    done: Json = {}
    if rule:
        done = _told(contributed.change(
            visit.site, visit.name, **rule, **record))
        # It waits for another time now.
        record['seen'] = None
    if enabled is False:
        done = _told(contributed.pause(visit.site, visit.name, **record))
    elif enabled:
        del record['reason']
        done = _told(contributed.resume(visit.site, visit.name, **record))
    if not done:
        raise bad_request('Nothing is to be changed: give a recurrence, or '
                          'enabled.')
    return done


def reset(visit: Visit) -> Json:
    """Let it be as its add-on ships it."""
    visit.body.refuse_others(*RECORD)
    return _told(contributed.reset(
        visit.site, visit.name, **_record(visit, visit.body)))
