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
        'number': _number(visit, form, preview),
        'preview': preview})


def _number(visit: Visit, form: BulkForm, preview: steering.Preview) -> str:
    """How many they are, as far as that is known."""
    number = preview.number
    if not preview.more:
        return f'{number:,} {"task" if number == 1 else "tasks"}'
    if form.filter.selects():
        return f'At least {number:,} tasks'
    if form.action in PARKED:
        return f'{len(visit.schedule.parked):,} tasks'
    return f'About {max(visit.schedule.estimate(), number):,} tasks'
