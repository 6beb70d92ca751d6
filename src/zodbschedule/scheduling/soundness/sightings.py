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
"""The places where a check of soundness has seen a task.

They are plain data: a check of a large schedule keeps one for each task.
"""

from typing import Any
from typing import NamedTuple

from zodbschedule.instant import from_micros
from zodbschedule.outcomes import CANCELLED
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import stamp_of
from zodbschedule.store.state import ScheduleState


class InTimetable(NamedTuple):
    """At an instant, in microseconds."""

    micros: int

    def __str__(self) -> str:
        return f'waits at {from_micros(self.micros)}'

    def holds(self, schedule: ScheduleState, task: Any) -> bool:
        """Whether *task* still is here."""
        return schedule.timetable.holds(from_micros(self.micros), task)

    def rank(self, schedule: ScheduleState, task: Any) -> int:
        """The lower, the better a place for a task that is in two."""
        return 3 if stamp_of(task) == self.micros else 4

    def remove(self, schedule: ScheduleState, task: Any) -> None:
        """Take *task* out of here."""
        schedule.timetable.remove(from_micros(self.micros), task)


class InClaim(NamedTuple):
    """In a slot of a claim."""

    worker: str
    claim_id: str
    slot_index: int

    def __str__(self) -> str:
        return f'is in a claim of {self.worker}'

    def _slot(self, schedule: ScheduleState) -> Slot:
        slot: Slot = schedule.claims[self.claim_id].slots[self.slot_index]
        return slot

    def holds(self, schedule: ScheduleState, task: Any) -> bool:
        """See `InTimetable`."""
        return self._slot(schedule).has(task)

    def rank(self, schedule: ScheduleState, task: Any) -> int:
        """See `InTimetable`.  It may be running here."""
        return 0 if self._slot(schedule).waiting else 1

    def remove(self, schedule: ScheduleState, task: Any) -> None:
        """See `InTimetable`.  If it is there twice, once."""
        slot = self._slot(schedule)
        if slot.waiting:
            slot.settle(CANCELLED, oid_of(task))
        elif slot.following is not None and slot.following[1] is task:
            slot.following = None
        else:
            index = next(index for index, (_, one) in enumerate(slot.scheduled)
                         if one is task)
            slot.scheduled = [
                *slot.scheduled[:index], *slot.scheduled[index + 1:]]


class InParked(NamedTuple):
    """Parked as a whole."""

    entry_id: str

    def __str__(self) -> str:
        return 'is parked'

    def holds(self, schedule: ScheduleState, task: Any) -> bool:
        """See `InTimetable`."""
        return self.entry_id in schedule.parked.entries

    def rank(self, schedule: ScheduleState, task: Any) -> int:
        """See `InTimetable`.  Better than to run twice: a person decides."""
        return 2

    def remove(self, schedule: ScheduleState, task: Any) -> None:
        """See `InTimetable`."""
        schedule.parked.remove(schedule.parked.entries[self.entry_id])


Place = InTimetable | InClaim | InParked


def worse(schedule: ScheduleState, task: Any, first: Place, second: Place
          ) -> Place:
    """Of two places the one that *task* is to leave."""
    better = first.rank(schedule, task) <= second.rank(schedule, task)
    return second if better else first
