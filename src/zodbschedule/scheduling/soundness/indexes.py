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
"""Whether what is kept for those who look agrees with what is here."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from zodbschedule.scheduling.soundness import repairs
from zodbschedule.scheduling.soundness.flaw import Flaw
from zodbschedule.scheduling.soundness.flaw import FlawKind
from zodbschedule.scheduling.soundness.flaw import items_of
from zodbschedule.store import remains
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import task_id
from zodbschedule.store.labels import codes_of
from zodbschedule.store.labels import oid_in
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.remains import is_gone
from zodbschedule.store.state import ScheduleState


def arrivals(schedule: ScheduleState) -> Iterator[Flaw]:
    """Whether the order and the count of the parked entries are right."""
    parked = schedule.parked
    lost = set()
    for id, entry in items_of(parked.entries):
        if is_gone(entry):
            lost.add(entry._p_oid)
        elif not parked.has_arrived(entry):
            yield _wrong(
                id, 'the parked entry is not in the order of arrival',
                'it is the newest',
                partial(repairs.note_arrival, schedule, entry))
    for position, entry in items_of(parked.arrivals):
        if entry._p_oid not in lost and not _is_parked(
                schedule, position, entry):
            yield _wrong(
                task_id(entry) or '', 'an entry that is not parked is in the '
                'order of arrival', 'it is removed from that',
                partial(remains.discard, parked, 'arrivals', position))
    if len(parked) != parked.counted():
        yield Flaw(
            FlawKind.WRONG_COUNT, '', '',
            f'{parked.counted()} tasks are parked, and {len(parked)} are '
            f'counted', 'they are counted anew', parked.count_anew)


class LabelCheck:
    """Whether the tasks that are here, and no others, have entries."""

    def __init__(self, schedule: ScheduleState) -> None:
        self.schedule = schedule
        #: the entries of the tasks that were seen
        self.seen: set[int] = set()
        #: what the next turns change
        self.changes: set[int] = set()

    def see(self, task: Any) -> None:
        """*task* is here, and can be loaded."""
        self.seen.update(codes_of(task))

    def see_changes(self, slot: Slot) -> None:
        """What the next turn changes for *slot*."""
        self.changes.update(slot.labels)

    def flaws(self) -> Iterator[Flaw]:
        """What is missing, and what is too much, when all were seen."""
        labels = self.schedule.labels
        found = {code for code in labels.entries}
        later = {code for task in labels.without_oid
                 for code in codes_of(task)} | self.changes
        for code in sorted(self.seen - found - later):
            yield _wrong(
                f'{oid_in(code):x}', 'the task is not found by its principal '
                'or object', 'it is found', partial(labels.add, [code]))
        for code in sorted(found - self.seen):
            if ~code not in later:
                yield _wrong(
                    f'{oid_in(code):x}', 'a principal or object leads to the '
                    'task, which is not here or has another', 'it leads to it '
                    'no more', partial(labels.remove, [code]))


def _is_parked(schedule: ScheduleState, position: int, entry: ParkedTask
               ) -> bool:
    return not is_gone(entry) and entry in schedule.parked and (
        entry.position == position)


def _wrong(id: str, problem: str, remedy: str, repair: Any) -> Flaw:
    return Flaw(FlawKind.WRONG_INDEX, id, '', problem, remedy, repair)
