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
"""A place to try a rule: what it says, and when it would occur."""

from zoneinfo import available_timezones

from zodbschedule import reading
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence import RRule
from zodbschedule.recurrence.expressions import read
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


# How many occurrences are shown.
SHOWN = 10

# How many characters of an error: what was typed is in it.
LONGEST = 400

EXAMPLES = (
    'every 15m', '30 2 * * *', '0 9-17 * * mon-fri', '0 0 L * *',
    'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0;BYSECOND=0')


def body(visit: Visit) -> Body:
    """The form, and what came of it."""
    text = visit.text('rule')
    zone = visit.text('zone') or str(visit.site.zone)
    after = visit.instant('after') or visit.now
    rule, left, error = None, 0, None
    if text is not None:
        try:
            found = read(text, zone, after)
            rule = reading.rule(found, after, SHOWN)
            left = len(found.unmatched_exdate) if isinstance(
                found, RRule) else 0
        except InvalidRecurrence as problem:
            error = str(problem)
    return Body('rules', 'Rules', {
        'text': text or '', 'zone': zone, 'after': visit.text('after') or '',
        'rule': rule, 'unmatched': left, 'error': error and (
            error if len(error) <= LONGEST else f'{error[:LONGEST]}...'),
        'zones': sorted(available_timezones()),
        'examples': EXAMPLES})
