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
"""What is on record: how runs have ended, and what people decided."""

from zodbschedule import reading
from zodbschedule.store.history import NAMES
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


OUTCOMES = tuple(NAMES.values())


def body(visit: Visit) -> Body:
    """A page of it, the newest first."""
    # A parked occurrence is on record under the id of its task.
    task = (visit.text('task') or '').partition('-')[0] or None
    outcome = visit.choice('outcome', OUTCOMES)
    since, text = visit.instant('since'), visit.text('text')
    return Body('history', 'History', {
        'page': reading.history(
            visit.schedule, visit.text('cursor'), task=task, outcome=outcome,
            since=since, text=text,
            masked=visit.site.mask is not None),
        'is_filtered': any((task, outcome, since, text)),
        'task': task, 'outcome': outcome, 'text': text,
        'since': visit.text('since'),
        'outcomes': OUTCOMES})
