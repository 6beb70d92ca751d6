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
"""What of one task can be changed: when it runs, and what it is called.

Never what it calls, with which arguments, or as whom.
"""

from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from typing import Any

from zodbschedule import reading
from zodbschedule.durations import span
from zodbschedule.durations import typed
from zodbschedule.reading.attributes import own_attribute
from zodbschedule.recurrence import RRule
from zodbschedule.recurrence.expressions import read as read_rule
from zodbschedule.web.forms.fields import Fields
from zodbschedule.web.visit import Visit
from zodbschedule.web.visit import local_instant
from zodbschedule.web.wording import Words


NAMES = ['description', 'time', 'expires', 'recurrence', 'zone']

SECOND = timedelta(seconds=1)


@dataclass
class ChangeForm:
    """The form, and what the person wants to be otherwise."""

    id: str
    fields: Fields
    #: for `steering.change`
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, visit: Visit, facts: reading.TaskDetails,
           rule: reading.RuleFacts | None) -> 'ChangeForm':
        """As it is shown to begin with."""
        return cls(facts.id, Fields.shown({
            'description': ' '.join(facts.description.splitlines()).strip(),
            'time': '' if facts.time is None else _typed_time(
                visit, facts.time),
            'expires': '' if facts.expires is None else typed(facts.expires),
            'recurrence': rule and rule.text or '',
            'zone': rule and rule.zone or str(visit.site.zone)}))

    @classmethod
    def sent(cls, visit: Visit) -> 'ChangeForm':
        """As a browser has sent it."""
        form = cls(visit.text('id') or '', Fields.sent(visit, NAMES))
        form._read(visit)
        return form

    @property
    def errors(self) -> dict[str, str]:
        """What is wrong, by field."""
        return self.fields.errors

    def refuse(self, problem: str) -> 'ChangeForm':
        """The same, with what the schedule says of it as a whole."""
        self.errors[''] = problem
        return self

    def _read(self, visit: Visit) -> None:
        changed = self.fields.changed
        if 'description' in changed:
            self.options['description'] = self.fields.texts['description']
        if 'expires' in changed:
            self.options['expires'] = self.fields.read('expires', _expires)
        if 'time' in changed:
            self._read_time(visit)
        if 'recurrence' in changed or 'zone' in changed and (
                self.fields.texts['recurrence']):
            self.options['recurrence'] = self.fields.read(
                'recurrence', lambda text: self._rule(visit, text))

    def _read_time(self, visit: Visit) -> None:
        """A browser leaves out the seconds if they are zero."""
        time = self.fields.read(
            'time', lambda text: local_instant(text, visit.site.zone))
        if time != self._shown_time(visit):
            self.options['time'] = time

    def _shown_time(self, visit: Visit) -> datetime | None:
        was = self.fields.was['time']
        try:
            return local_instant(was, visit.site.zone)
        except ValueError:
            return None

    def _rule(self, visit: Visit, text: str) -> Any:
        if not text:
            return None
        return read_rule(text, self.fields.texts['zone'], self._start(visit))

    def _start(self, visit: Visit) -> datetime:
        """Where an RRULE begins: where the old one does, or the task."""
        task = visit.schedule.get(self.id)
        rule = None if task is None else own_attribute(task, 'recurrence')
        if isinstance(rule, RRule):
            return rule.dtstart.replace(tzinfo=None)
        time = self.options.get('time') or self._shown_time(visit)
        return time or (visit.now + SECOND).replace(microsecond=0)


def _typed_time(visit: Visit, time: datetime) -> str:
    """For an input of a local time."""
    local = Words(visit.now, visit.site.zone).local(time)
    return local.replace(tzinfo=None, microsecond=0).isoformat()


def _expires(text: str) -> timedelta | None:
    return span(text) if text else None
