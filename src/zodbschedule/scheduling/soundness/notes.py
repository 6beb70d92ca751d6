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
"""What is noted of tasks beside their places: whether that is sound."""

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cached_property
from functools import partial
from itertools import chain
from typing import Any

from zodbschedule.scheduling.soundness import repairs
from zodbschedule.scheduling.soundness.flaw import Flaw
from zodbschedule.scheduling.soundness.flaw import FlawKind
from zodbschedule.scheduling.soundness.flaw import flaw_of
from zodbschedule.scheduling.soundness.flaw import items_of
from zodbschedule.scheduling.soundness.flaw import known_key
from zodbschedule.scheduling.soundness.sightings import InTimetable
from zodbschedule.scheduling.soundness.sightings import Place
from zodbschedule.store import remains
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.pauses import ALL
from zodbschedule.store.remains import is_gone
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import description_of


class Notes:
    """What is noted of the tasks that are at *places*, or were *claimed*.

    Reads only, as `zodbschedule.scheduling.soundness.Survey`.
    """

    def __init__(self, schedule: ScheduleState, places: Mapping[int, Place],
                 claimed: Collection[int]) -> None:
        self.schedule = schedule
        self.places = places
        self.claimed = claimed

    @cached_property
    def new(self) -> dict[int, tuple[str, Any]]:
        """The keys of tasks that had no oid when they were scheduled."""
        return {oid_of(task): (key, task)
                for task, key in self.schedule.keys.without_oid
                if task._p_oid}

    def key_of(self, oid: int) -> str:
        """The key that is noted of the task with that oid, or ''."""
        return self.schedule.keys.key_of(oid) or self.new.get(oid, ('',))[0]

    # -- of one task, where that is seen

    def key(self, task: Any, place: Place) -> Iterator[Flaw]:
        """Whether the key of *task*, which can be loaded, is noted."""
        key = known_key(task)
        if key and self.key_of(oid_of(task)) != key:
            yield flaw_of(
                task, FlawKind.MISSING_KEY,
                f'the task {place}, and its key {key!r} is not noted',
                'it is noted', partial(
                    repairs.note_key, self.schedule, task, key, place))

    def busy(self, slot: Slot) -> Iterator[Flaw]:
        """Whether the key of what a slot holds belongs to a claim."""
        if not (slot.waiting or slot.following):
            return
        key = self.key_of(slot.oid)
        keys = self.schedule.keys
        if key and keys.running_with(key) is None:
            yield Flaw(
                FlawKind.MISSING_KEY, f'{slot.oid:x}', '',
                f'the task is in a claim, and its key {key!r} is not noted as '
                f'that of a task in a claim',
                'it is noted', partial(keys.note_running, key, slot.oid))

    # -- of all tasks, when all are seen

    def keys(self) -> Iterator[Flaw]:
        """Whether there is a key that is not that of a task which is here."""
        keys = self.schedule.keys
        for oid, (key, task) in chain(
                self.new.items(), items_of(keys.by_oid)):
            if oid not in self.claimed and not self._waits(oid):
                yield self._no_place(oid, key, task)
        for key in keys:
            task = keys.get(key)
            oid = oid_of(task)
            if oid and not (self._waits(oid) and self.key_of(oid) == key):
                yield self._not_waiting(oid, key, task)
        for key, oid in items_of(keys.running):
            if oid not in self.claimed or self.key_of(oid) != key:
                yield self._stray(
                    oid, key, 'is not in a claim with it', partial(
                        repairs.release_key, self.schedule, key, oid))

    def _waits(self, oid: int) -> bool:
        return isinstance(self.places.get(oid), InTimetable)

    def _no_place(self, oid: int, key: str, task: Any) -> Flaw:
        """The task with that key neither waits nor is in a claim."""
        if not self._is_here(oid) and (
                self.schedule.keys.running.get(key) == oid):
            # Its claim is gone, and perhaps it was not run there.
            return self._lost(task, key)
        return self._stray(
            oid, key, 'is neither waiting nor in a claim', partial(
                self.schedule.keys.forget, task))

    def _not_waiting(self, oid: int, key: str, task: Any) -> Flaw:
        """The task that holds *key* does not wait with it."""
        if not self._is_here(oid):
            return self._lost(task, key)
        return self._stray(
            oid, key, 'does not wait with it', partial(
                repairs.drop_holder, self.schedule, key))

    def _lost(self, task: Any, key: str) -> Flaw:
        return flaw_of(
            task, FlawKind.NO_PLACE,
            f'the task has the key {key!r}, and is in no place',
            'it is parked', partial(repairs.park_keyed, self.schedule, task))

    def _stray(self, oid: int, key: str, problem: str, repair: Any) -> Flaw:
        return Flaw(
            FlawKind.STRAY_KEY, f'{oid:x}', '',
            f'the key {key!r} is noted of the task, which {problem}',
            'the note is removed', repair)

    def _is_here(self, oid: int) -> bool:
        return oid in self.places or oid in self.claimed

    def others(self) -> Iterator[Flaw]:
        """Whether something else is noted of a task that is not here."""
        schedule = self.schedule
        paused = schedule.pauses.entries
        for oid, entry in () if paused is None else items_of(paused):
            if oid != ALL and not self._is_here(oid):
                yield self._gone(
                    oid, entry[3], FlawKind.STRAY_PAUSE, 'a pause',
                    partial(schedule.pauses.end, oid))
        for oid, (_, task) in items_of(schedule.crashes):
            if not self._is_here(oid):
                yield self._gone(
                    oid, task, FlawKind.STRAY_CRASH, 'a crash',
                    partial(remains.discard, schedule, 'crashes', oid))
        for oid, entry in items_of(schedule.requests.entries):
            yield from self._requests(oid, entry)

    def _requests(self, oid: int, entry: Any) -> Iterator[Flaw]:
        if is_gone(entry):
            yield flaw_of(
                entry, FlawKind.LOST_RECORD,
                f'the record of what was requested of task {oid:x} is gone',
                'the request is forgotten',
                partial(remains.discard, self.schedule.requests, 'entries',
                        oid))
        elif not self._is_here(oid):
            yield Flaw(
                FlawKind.STRAY_REQUEST, f'{oid:x}',
                description_of(entry[0]),
                'a run was requested of the task, which is not here',
                'the occurrence is parked',
                partial(repairs.park_requests, self.schedule, oid))

    def _gone(self, oid: int, task: Any, kind: FlawKind, what: str,
              repair: Any) -> Flaw:
        return Flaw(
            kind, f'{oid:x}', description_of(task),
            f'{what} is noted of the task, which is not here',
            'the note is removed', repair)
