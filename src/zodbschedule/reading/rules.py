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
"""A recurrence in words, with its next occurrences."""

from dataclasses import dataclass
from datetime import datetime
from datetime import tzinfo
from typing import Any

from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import unsaid
from zodbschedule.recurrence.expressions import typed


@dataclass(frozen=True)
class OccurrenceFacts(Facts):
    """One occurrence of a rule."""

    #: in UTC
    time: datetime
    #: in the zone of the rule, or in the one that was asked for, ISO 8601
    local: str
    #: what a gap or a fold makes of it
    note: str | None

    @property
    def local_time(self) -> datetime:
        """`local` as an aware datetime."""
        return datetime.fromisoformat(self.local)


@dataclass(frozen=True)
class RuleFacts(Facts):
    """A rule in words, and when it occurs."""

    rule: str
    #: as a Python expression
    expression: str
    occurrences: tuple[OccurrenceFacts, ...]
    #: what happens at the next gap and fold, line by line
    description: tuple[str, ...]
    #: as people type it, and the zone of its local times; None: it has none
    text: str | None = unsaid()
    zone: str | None = unsaid()


def rule(recurrence: Any, after: datetime, count: int,
         zone: tzinfo | None = None) -> RuleFacts:
    """An `IRecurrence` in words, and its first *count* occurrences after then.

    *after* is an aware datetime, or `InvalidTime` is raised.
    """
    return RuleFacts(
        str(recurrence), repr(recurrence),
        tuple(OccurrenceFacts(
            each, each.astimezone(zone or each.tzinfo).isoformat(),
            recurrence.note(each))
            for each in recurrence.upcoming(after, count)),
        tuple(recurrence.describe(after).splitlines()),
        *(typed(recurrence) or (None, None)))
