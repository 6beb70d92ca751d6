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
from typing import NamedTuple

from zodbschedule.instant import as_utc
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import Page
from zodbschedule.reading.masking import masked_error
from zodbschedule.reading.paging import LIMIT
from zodbschedule.reading.paging import OUTCOMES_LOOKED_AT
from zodbschedule.reading.paging import Loads
from zodbschedule.reading.paging import numbers_in
from zodbschedule.reading.paging import page
from zodbschedule.schedule import Schedule
from zodbschedule.store.history import Outcome
from zodbschedule.store.inspection import normal_id


#: those of which there was a run, from its beginning to its end
RUN_OUTCOMES = 'succeeded', 'retried', 'failed'

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


def history(schedule: Schedule, cursor: str | None = None,
            limit: int = LIMIT, *, task: str | None = None,
            outcome: str | None = None, since: datetime | None = None,
            text: str | None = None, masked: bool = False
            ) -> Page[OutcomeFacts]:
    """What is on record, newest first; *limit* of it, and a cursor.

    *task* is the id of a task, *outcome* a word as in `IOutcome`, *since* an
    aware datetime: only what ended then or later, *text* a part of the
    description, the error, or who did it.  With *masked*, errors are looked at
    as a mask shows them, by their classes.  What has ended within the portion
    that a worker is at may be on the first page only.  Raises `InvalidCursor`,
    or `InvalidTime`.
    """
    if since is not None:
        since = as_utc(since, 'since')
    chosen = Chosen(None if task is None else normal_id(task), outcome, since,
                    None if text is None else text.casefold(), masked)
    return page(schedule, entries(schedule, cursor, since), limit, chosen,
                OUTCOMES_LOOKED_AT)


def entries(schedule: Schedule, cursor: str | None, since: datetime | None
          ) -> Iterator[tuple[str, OutcomeFacts]]:
    """The record from the cursor on, each with a cursor to what follows."""
    start = last = None
    if cursor is None:
        for each in schedule.history.in_claims():
            yield '', outcome_facts(each)
    else:
        start, last = numbers_in(cursor)
    # What a turn has collected had ended before it.
    for key, chunk in schedule.history.newest_chunks(start, since):
        outcomes = list(chunk.newest_first())
        begin = last + 1 if key == start and last is not None else 0
        for number in range(begin, len(outcomes)):
            yield f'{key}_{number}', outcome_facts(outcomes[number])


class Chosen(NamedTuple):
    """Which outcomes are meant; None: any."""

    task: str | None
    outcome: str | None
    since: datetime | None
    #: with its case folded
    text: str | None
    #: whether errors are looked at as a mask shows them
    masked: bool

    def matches(self, facts: OutcomeFacts) -> bool:
        """Whether that one is meant."""
        return (self.task in (None, facts.id or None)
                and self.outcome in (None, facts.outcome)
                and (self.since is None or facts.ended >= self.since)
                and (self.text is None or any(
                    self.text in (each or '').casefold() for each in (
                        facts.description, self._said(facts),
                        facts.principalId))))

    def _said(self, facts: OutcomeFacts) -> str | None:
        """The error of a run; of a decision, the reason for it."""
        return masked_error(facts.error) if (
            self.masked and facts.error and facts.outcome in OUTCOMES.values()
        ) else facts.error


class Past:
    """The history, newest first, as far as so many loads allow."""

    def __init__(self, schedule: Schedule, loads: int | None) -> None:
        self.schedule = schedule
        #: None: all of it
        self.loads = loads

    def __iter__(self) -> Iterator[Outcome]:
        return Loads(self.schedule).bound(self.schedule.history, self.loads)

    def outcomes_of(self, id: str) -> tuple[OutcomeFacts, ...]:
        """The newest `MOST_OUTCOMES` of the task with that id."""
        id = normal_id(id)
        return tuple(islice(
            (outcome_facts(each) for each in self if id and each.id == id),
            MOST_OUTCOMES))
