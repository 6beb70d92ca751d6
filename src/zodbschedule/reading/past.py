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
from zodbschedule.store.inspection import normal_id


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


def outcome_facts(outcome: Outcome) -> OutcomeFacts:
    """The facts of an entry of the history."""
    return OutcomeFacts(*(
        getattr(outcome, name) for name in OutcomeFacts.__match_args__))


def all_outcomes(schedule: Schedule, id: str | None = None,
                 outcome: str | None = None, since: datetime | None = None
                 ) -> Iterator[OutcomeFacts]:
    """The outcomes on record, newest first, lazily: see `IHistory.select`."""
    return map(outcome_facts, schedule.history.select(id, outcome, since))


class Past:
    """The history, newest first, as far as so many loads allow."""

    def __init__(self, schedule: Schedule, loads: int | None) -> None:
        self.schedule = schedule
        #: None: all of it
        self.loads = loads

    def __iter__(self) -> Iterator[Outcome]:
        count = self.schedule._p_jar.getTransferCounts
        before = count()[0]
        for outcome in self.schedule.history:
            yield outcome
            if self.loads is not None and count()[0] - before >= self.loads:
                return

    def outcomes_of(self, id: str) -> tuple[OutcomeFacts, ...]:
        """The newest `MOST_OUTCOMES` of the task with that id."""
        id = normal_id(id)
        return tuple(islice(
            (outcome_facts(each) for each in self if id and each.id == id),
            MOST_OUTCOMES))
