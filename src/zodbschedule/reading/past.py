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

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from zodbschedule.reading.facts import Facts
from zodbschedule.schedule import Schedule
from zodbschedule.store.history import Outcome


# The number of outcomes that are shown with a task.
MOST_OUTCOMES = 20


@dataclass(frozen=True)
class OutcomeFacts(Facts):
    """The record of one run, or of one decision."""

    id: str
    outcome: str
    time: datetime
    occurrence: datetime
    began: datetime
    ended: datetime
    attempt: int
    #: how many occurrences were missed before it
    passed: int
    worker: str
    description: str
    principalId: str | None
    error: str | None
    #: what the task does: the function of a call, else its class
    type: str


def outcome_facts(outcome: Outcome) -> OutcomeFacts:
    """The facts of an entry of the history."""
    return OutcomeFacts(*(
        getattr(outcome, name) for name in OutcomeFacts.__match_args__))


def all_outcomes(schedule: Schedule, id: str | None = None,
                 outcome: str | None = None, since: datetime | None = None
                 ) -> Iterator[OutcomeFacts]:
    """The outcomes on record, newest first, lazily: see `IHistory.select`."""
    return map(outcome_facts, schedule.history.select(id, outcome, since))


def outcomes_of(schedule: Schedule, id: str) -> tuple[OutcomeFacts, ...]:
    """The newest `MOST_OUTCOMES` of the task with that id."""
    return tuple(islice(all_outcomes(schedule, id), MOST_OUTCOMES))
