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
"""What is to be done to all tasks that a filter selects."""

import re
from dataclasses import dataclass

from webob.exc import HTTPBadRequest

from zodbschedule import reading
from zodbschedule import steering
from zodbschedule.web.visit import Visit


#: the actions for those that wait, and for those that are parked, as they are
#: on buttons
WAITING = {'cancel': 'Cancel', 'run-now': 'Run now', 'pause': 'Pause',
           'resume': 'Resume'}
PARKED = {'unpark': 'Try again', 'discard': 'Discard'}
ACTIONS = {**WAITING, **PARKED}

STATES = 'waiting', 'paused'


def filter_of(visit: Visit) -> reading.Filter:
    """The filter that the address says, or a form."""
    return reading.Filter(
        state=visit.choice('state', STATES),
        function=visit.text('function'),
        key=visit.text('key'),
        text=visit.text('text'),
        parked_for=visit.text('why'),
        masked=visit.site.mask is not None)


@dataclass(frozen=True)
class BulkForm:
    """An action, and the filter."""

    action: str
    filter: reading.Filter
    #: how many a preview has counted; None: that is not known
    expected: int | None = None

    @classmethod
    def sent(cls, visit: Visit) -> 'BulkForm':
        """What is asked for; raises HTTPBadRequest without an action."""
        action = visit.choice('action', steering.ACTIONS)
        if action is None:
            raise HTTPBadRequest('action is missing.')
        expected = visit.text('expected') or ''
        return cls(action, filter_of(visit), int(expected) if re.fullmatch(
            '[0-9]{1,9}', expected, re.ASCII) else None)

    @property
    def query(self) -> dict[str, str]:
        """What says it in a form or an address."""
        chosen = {'action': self.action, 'state': self.filter.state,
                  'function': self.filter.function, 'key': self.filter.key,
                  'text': self.filter.text, 'why': self.filter.parked_for}
        return {name: value for name, value in chosen.items() if value}
