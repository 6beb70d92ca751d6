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
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.remains import is_gone
from zodbschedule.store.state import ScheduleState


def arrivals(schedule: ScheduleState) -> Iterator[Flaw]:
    """Whether the order and the count of the parked entries are right."""
    parked = schedule.parked
    for id, entry in items_of(parked.entries):
        if not is_gone(entry) and not parked.has_arrived(entry):
            yield _wrong(
                id, 'the parked entry is not in the order of arrival',
                'it is the newest',
                partial(repairs.note_arrival, schedule, entry))
    for position, entry in items_of(parked.arrivals):
        if not _is_parked(schedule, position, entry):
            yield _wrong(
                task_id(entry) or '', 'an entry that is not parked is in the '
                'order of arrival', 'it is removed from that',
                partial(remains.discard, parked, 'arrivals', position))
    if len(parked) != parked.counted():
        yield Flaw(
            FlawKind.WRONG_COUNT, '', '',
            f'{parked.counted()} tasks are parked, and {len(parked)} are '
            f'counted', 'they are counted anew', parked.count_anew)


def _is_parked(schedule: ScheduleState, position: int, entry: ParkedTask
               ) -> bool:
    return not is_gone(entry) and entry in schedule.parked and (
        entry.position == position)


def _wrong(id: str, problem: str, remedy: str, repair: Any) -> Flaw:
    return Flaw(FlawKind.WRONG_INDEX, id, '', problem, remedy, repair)
