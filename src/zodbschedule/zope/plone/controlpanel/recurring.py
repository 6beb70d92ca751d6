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
"""The tasks that add-ons contribute: as shipped or changed, and the rules."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from webob import Response

from zodbschedule import reading
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.reading import ContributedFacts
from zodbschedule.reading.attributes import own_attribute
from zodbschedule.recurrence import RRule
from zodbschedule.recurrence.expressions import read
from zodbschedule.steering import Steered
from zodbschedule.web.acting import Act
from zodbschedule.web.pages.page import Page
from zodbschedule.web.visit import Body
from zodbschedule.zope import steering
from zodbschedule.zope.contributions import DTSTART
from zodbschedule.zope.contributions import contributed


TEMPLATE = str(Path(__file__).parent / 'recurring.pt')

# How many runs are shown of a rule.
SHOWN = 10


def body(visit: Any, error: str | None = None) -> Body:
    """All of them, and the form for the rule of one.

    *error* says why that could not be changed.
    """
    rows = contributed(visit.portal)
    name = visit.text('name')
    return Body(TEMPLATE, PAGE.title, {
        'rows': rows,
        **_form(visit, error, next(
            (row for row in rows if row.name == name), None))})


def _form(visit: Any, error: str | None, row: ContributedFacts | None
          ) -> dict[str, Any]:
    """The rule of a task, as it is or as somebody has typed it."""
    if row is None or row.unscheduled:
        return {'chosen': None}
    now = reading.outlook(visit.schedule, row.id, visit.now, SHOWN).rule
    text, rule = visit.text('rule'), now
    zone = visit.text('zone') or now and now.zone or str(visit.site.zone)
    if text is not None:
        try:
            rule = reading.rule(_wanted(visit, row.id), visit.now, SHOWN)
        except InvalidRecurrence as problem:
            rule, error = None, str(problem)
    return {
        'chosen': row, 'rule': rule, 'zone': zone, 'error': error,
        'text': text or now and now.text or '',
        'zones': sorted(available_timezones())}


def _wanted(visit: Any, id: str) -> Any:
    """The rule that was typed; an RRULE begins where the old one does."""
    old = own_attribute(visit.schedule.get(id), 'recurrence')
    start = old.dtstart if isinstance(old, RRule) else DTSTART
    return read(visit.text('rule') or '',
                visit.text('zone') or str(visit.site.zone),
                start.replace(tzinfo=None))


def _change(visit: Any) -> Response | Body:
    """Change the rule."""
    name = visit.text('name') or ''
    row = next((row for row in contributed(visit.portal)
                if row.name == name and not row.unscheduled), None)
    options = {}
    if row is not None:
        try:
            options['recurrence'] = _wanted(visit, row.id)
        except InvalidRecurrence as problem:
            return _again(visit, str(problem))
    found = steering.change(
        visit.portal, name, by=visit.user, reason=visit.text('reason') or '',
        seen=visit.instant('seen'), **options)
    if found.problem == 'refused':
        return _again(visit, found.message)
    return _led_on(visit, found)


def _preview(visit: Any) -> Response:
    """Show what a rule says, without JavaScript."""
    return visit.redirect('recurring', **{
        each: visit.text(each) for each in ('name', 'rule', 'zone')})


def _again(visit: Any, problem: str) -> Body:
    """The page, with what is wrong."""
    visit.name = 'recurring'
    return body(visit, problem)


def _act(act: Callable[..., Steered], with_reason: bool, visit: Any
         ) -> Response:
    record = {'reason': visit.text('reason') or ''} if with_reason else {}
    return _led_on(visit, act(
        visit.portal, visit.text('name') or '', by=visit.user,
        seen=visit.instant('seen'), **record))


def _led_on(visit: Any, found: Steered) -> Response:
    return visit.redirect('recurring', message=found.message,
                          problem=not found.done)


PAGE = Page('Recurring', body)

#: they take the name of the task, which stays in a copy of the site
ACTS: dict[str, Act] = {
    'recurring-change': _change,
    'recurring-preview': _preview,
    'recurring-run-now': partial(_act, steering.run_now, True),
    'recurring-pause': partial(_act, steering.pause, True),
    'recurring-resume': partial(_act, steering.resume, False),
    'recurring-reset': partial(_act, steering.reset, True)}
