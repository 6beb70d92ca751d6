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
"""All that is known of one task, and what can be done to it."""

import json
from dataclasses import dataclass
from datetime import datetime
from datetime import tzinfo
from typing import Any

from webob.exc import HTTPNotFound

from zodbschedule import reading
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.reading import words
from zodbschedule.reading.parked import parked_entries
from zodbschedule.recurrence.zones import zone_of
from zodbschedule.web.forms.change_form import ChangeForm
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit
from zodbschedule.web.wording import Words


#: the class of the tasks that act on many
BULK = 'zodbschedule.steering.bulk.BulkAction'

# How many runs to come are shown.
SHOWN = 10

# How many objects of the history are loaded: what is left for the other parts
# of the page is enough for them.
LOADS = 50

# How many characters of an attribute are shown.
LONGEST = 2_000


@dataclass(frozen=True)
class Coming:
    """One run to come, or one occurrence."""

    time: datetime
    #: of its occurrence, in the zone of the rule; None: that is our zone
    local: str | None
    note: str | None


def body(visit: Visit, form: ChangeForm | None = None) -> Body:
    """The task, the parked entry, or what is on record of it.

    *form* is one in which something is wrong.
    """
    facts = reading.task(
        visit.schedule, visit.id, LOADS, visit.site.mask)
    if facts is None:
        raise HTTPNotFound(
            f'There is no task {visit.id[:100]!r} here. It has ended and is '
            f'not on record any more, or it has never been.')
    outlook = reading.outlook(visit.schedule, visit.id, visit.now, SHOWN)
    if form is None and isinstance(facts, reading.TaskDetails):
        form = ChangeForm.of(visit, facts, outlook.rule)
    return Body('task', facts.description or f'Task {visit.id}', {
        'task': facts,
        'rule': outlook.rule,
        'coming': _coming(visit, outlook),
        'is_forecast': bool(outlook.runs),
        'attributes': _attributes(facts),
        'progress': _progress(facts),
        'others': _others(visit, getattr(facts, 'task', '') or facts.id),
        'form': form})


def _coming(visit: Visit, outlook: reading.Outlook) -> list[Coming]:
    """The runs to come; without any, the occurrences of the rule."""
    rule = outlook.rule
    zone = _zone(visit, rule)
    if outlook.runs:
        return [Coming(run.time, _local(run.occurrence, zone), run.note)
                for run in outlook.runs]
    return [] if rule is None else [
        Coming(each.time, _local(each.time, zone), each.note)
        for each in rule.occurrences]


def _zone(visit: Visit, rule: reading.RuleFacts | None) -> tzinfo | None:
    """That of the rule, if it is not the one in which all times are shown."""
    if rule is None or rule.zone in (None, str(visit.site.zone)):
        return None
    try:
        return zone_of(rule.zone).info
    except InvalidRecurrence:  # it is an offset, and has no name
        return None


def _local(time: datetime, zone: tzinfo | None) -> str | None:
    return None if zone is None else words.local_time(
        Words(time, zone).local(time))


def _progress(facts: Any) -> reading.ProgressFacts | None:
    """How far it is; one that acts on many says so between its runs, too."""
    if facts.state == 'parked' or getattr(facts, 'type', '') != BULK:
        return getattr(facts, 'progress', None)
    done, left, expected = (
        facts.attributes.get(name) for name in ('done', 'left', 'expected'))
    if not all(isinstance(each, int) for each in (done, left, expected)):
        return None
    return reading.ProgressFacts(
        done + left, max(done + left, expected))


def _attributes(facts: Any) -> list[tuple[str, str]]:
    """The name of each, and its value as text; what it calls is told."""
    found = getattr(facts, 'attributes', {})
    return [(name, _short(value)) for name, value in found.items()
            if (name, value) != ('func', facts.function)]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(
        value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f'{text[:LONGEST]}...'


def _others(visit: Visit, task: str) -> list[tuple[str, str]]:
    """Other entries of the same task: their ids, and what they are."""
    found = [(entry.id, 'a parked occurrence')
             for entry in parked_entries(visit.schedule, task)]
    if visit.schedule.get(task) is not None:
        found.insert(0, (task, 'the task itself, which goes on'))
    return [(id, what) for id, what in found if id != visit.id]
