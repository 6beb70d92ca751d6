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
"""What the buttons do: each is a function of `steering`, by POST.

What came of it is a message on the page to which the answer leads: a task that
has moved on since the person saw it is no error.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from webob import Response

from zodbschedule import reading
from zodbschedule import steering
from zodbschedule.reading.paging import LOADS_FOR_ERRORS as FEW
from zodbschedule.steering import Steered
from zodbschedule.store.inspection import task_id
from zodbschedule.web.forms.bulk_form import BulkForm
from zodbschedule.web.forms.change_form import ChangeForm
from zodbschedule.web.forms.settings_form import SettingsForm
from zodbschedule.web.pages import settings
from zodbschedule.web.pages import task
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit
from zodbschedule.web.wording import Words


# The lists that an act may lead back to, by what a form calls them, and what
# they keep of their address.
LISTS = {name or 'overview': name for name in (
    '', 'upcoming', 'timeline', 'running', 'parked', 'history', 'workers')}
KEPT = 'cursor', 'back', 'text', 'function', 'key', 'state', 'why', 'live'

Act = Callable[[Visit], Response | Body]

NOTHING = 'Nothing was changed in the form.'


# -- one task ----------------------------------------------------------------


def _to_one(act: Callable[..., Steered], with_reason: bool = True
            ) -> Act:
    """An act on the task, or the parked entry, that the form names."""
    def do(visit: Visit) -> Response:
        record: dict[str, Any] = {'by': visit.user}
        if with_reason:
            record['reason'] = visit.text('reason') or ''
        found = act(visit.schedule, visit.text('id') or '',
                    seen=visit.instant('seen'), **record)
        return _led_on(visit, _told(visit, found), not found.done, found.id)

    return do


def change(visit: Visit) -> Response | Body:
    """Change what the person has changed in the form on its page."""
    form = ChangeForm.sent(visit)
    is_there = visit.schedule.get(form.id) is not None
    if form.errors and is_there:
        return _again(visit, form)
    if not form.options and is_there:
        return visit.redirect('tasks', form.id, message=NOTHING)
    found = steering.change(
        visit.schedule, form.id, by=visit.user, seen=visit.instant('seen'),
        reason=visit.text('reason') or '', **form.options)
    if found.problem == 'refused':
        return _again(visit, form.refuse(found.message))
    return _led_on(visit, _told(visit, found), not found.done, form.id)


def _again(visit: Visit, form: ChangeForm) -> Body:
    """The page of the task, with what is wrong in the form."""
    visit.name, visit.id = 'tasks', form.id
    return task.body(visit, form)


# -- several -----------------------------------------------------------------


def several(visit: Visit) -> Response:
    """Do the same to all whose boxes are checked."""
    chosen = [_chosen(visit, value)
              for value in visit.request.POST.getall('chosen')]
    if not chosen:
        return _led_on(visit, 'Nothing was chosen: check a box first.', True)
    found = steering.several(
        visit.schedule, visit.text('action') or '', chosen, by=visit.user,
        reason=visit.text('reason') or '')
    return _led_on(visit, found.message, bool(found.left))


def _chosen(visit: Visit, value: str) -> tuple[str, datetime]:
    """The id and what was seen, as the box has them."""
    id, _, seen = value.partition(' ')
    return id, visit.as_instant('chosen', seen)


def start_bulk(visit: Visit) -> Response:
    """Schedule the task that does it to all that the filter selects."""
    form = BulkForm.sent(visit)
    added = visit.schedule.schedule(steering.BulkAction(
        form.action, form.filter, visit.user, visit.text('reason') or '',
        expected=form.expected))
    visit.schedule._p_jar.add(added)  # it has an id from then on
    return visit.redirect('tasks', task_id(added) or '', message=(
        'It begins when a worker is free. This page shows how far it is.'))


# -- the whole schedule ------------------------------------------------------


def change_settings(visit: Visit) -> Response | Body:
    """Change what the person has changed in the form."""
    form = SettingsForm.sent(visit)
    if form.errors:
        visit.name = 'settings'
        return settings.body(visit, form)
    form.apply(visit.schedule)
    return visit.redirect('settings', message=(
        f'Changed: {", ".join(form.values)}.' if form.values else NOTHING))


# -- what came of it ---------------------------------------------------------


def _told(visit: Visit, found: Steered) -> str:
    """The message, with the time in our zone."""
    if found.time is None:
        return found.message
    return (f'Task {found.id} {found.said} '
            f'{Words(visit.now, visit.site.zone).moment(found.time)}.')


def _led_on(visit: Visit, message: str, problem: bool, id: str = ''
            ) -> Response:
    """To the list where the button was, or to what is known of the task."""
    page = visit.choice('page', LISTS)
    if page is None:
        for each in (id, id.partition('-')[0]):
            if each and reading.task(visit.schedule, each, loads=FEW):
                return visit.redirect(
                    'tasks', each, message=message, problem=problem)
    query = {name: value for name, value in parse_qsl(
        visit.text('query') or '') if name in KEPT}
    return visit.redirect(LISTS[page or 'upcoming'], message=message,
                          problem=problem, **query)


#: by the last part of their address
ACTS: dict[str, Act] = {
    'cancel': _to_one(steering.cancel),
    'run-now': _to_one(steering.run_now),
    'pause': _to_one(steering.pause),
    'resume': _to_one(steering.resume, with_reason=False),
    'change': change,
    'unpark': _to_one(steering.unpark),
    'discard': _to_one(steering.discard),
    'several': several,
    'start-bulk': start_bulk,
    'change-settings': change_settings}
