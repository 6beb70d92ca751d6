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
"""Many at once: which ones would be meant, before it is done."""

from zodbschedule import steering
from zodbschedule.web.forms.bulk_form import ACTIONS
from zodbschedule.web.forms.bulk_form import PARKED
from zodbschedule.web.forms.bulk_form import STATES
from zodbschedule.web.forms.bulk_form import BulkForm
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


def body(visit: Visit) -> Body:
    """The filter, and the first tasks that it selects."""
    form = BulkForm.sent(visit)
    preview = steering.preview(visit.schedule, form.action, form.filter)
    return Body('bulk', f'{ACTIONS[form.action]} many at once', {
        'form': form,
        'actions': ACTIONS,
        'states': STATES,
        'is_parked': form.action in PARKED,
        'expected': _expected(visit, form, preview),
        'number': _number(visit, form, preview),
        'preview': preview})


def _number(visit: Visit, form: BulkForm, preview: steering.Preview) -> str:
    """How many they are, in words, as far as that is known."""
    number = _expected(visit, form, preview)
    if number is None:
        return f'At least {preview.number:,} tasks'
    about = 'About ' if preview.more and form.action not in PARKED else ''
    return f'{about}{number:,} {"task" if number == 1 else "tasks"}'


def _expected(visit: Visit, form: BulkForm, preview: steering.Preview
              ) -> int | None:
    """How many they are; None: that is not known."""
    if not preview.more:
        return preview.number
    if form.filter.selects():
        return None
    if form.action in PARKED:
        return len(visit.schedule.parked)
    return max(visit.schedule.estimate(), preview.number)
