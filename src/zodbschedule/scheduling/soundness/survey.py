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
"""Whether a schedule is sound: what is wrong in it, and mending that.

Each task is in one place: it waits in the timetable, is in a slot of a claim,
or is parked as a whole.  What is noted of keys, requests, pauses and crashes
is of tasks that are here, and nothing is missing.  No record is gone.

A class that cannot be imported is not a flaw: another process may know it.
Nor is a task that waits without its key while no task holds that: another
task had it meanwhile.
"""

from collections.abc import Callable
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from BTrees.LOBTree import LOBTree
from ZODB.broken import Broken

from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.scheduling.arrival import arrive_if_whole
from zodbschedule.scheduling.soundness import indexes
from zodbschedule.scheduling.soundness import repairs
from zodbschedule.scheduling.soundness.flaw import Flaw
from zodbschedule.scheduling.soundness.flaw import FlawKind
from zodbschedule.scheduling.soundness.flaw import flaw_of
from zodbschedule.scheduling.soundness.flaw import items_of
from zodbschedule.scheduling.soundness.notes import Notes
from zodbschedule.scheduling.soundness.parts import Part
from zodbschedule.scheduling.soundness.parts import lost_parts
from zodbschedule.scheduling.soundness.sightings import InClaim
from zodbschedule.scheduling.soundness.sightings import InParked
from zodbschedule.scheduling.soundness.sightings import InTimetable
from zodbschedule.scheduling.soundness.sightings import Place
from zodbschedule.scheduling.soundness.sightings import worse
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.inspection import keeps_stamp
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import stamp_of
from zodbschedule.store.remains import is_gone
from zodbschedule.store.spread import Spread
from zodbschedule.store.state import ScheduleState
from zodbschedule.task import CallTask


# So many times what is left is mended: mending one flaw may show another.
ROUNDS = 5

# After so many tasks the connection's cache is reduced to its size.  Larger,
# and more tasks are held in memory; smaller, and more time is lost.
REDUCED = 1_000

KINDS = list(FlawKind)


def flaws(schedule: ScheduleState) -> Iterator[Flaw]:
    """What is wrong in *schedule*, lazily; see `Survey`."""
    return Survey(schedule).flaws()


def mend(schedule: ScheduleState) -> list[Flaw]:
    """Mend what can be mended, in the caller's transaction; what was mended.

    No task is lost, and nothing that is known of it: what cannot be put back
    in its place is parked.  What is left is found by `flaws`.
    """
    mended: dict[Flaw, None] = {}
    for _ in range(ROUNDS):
        arrive_if_whole(schedule)
        found = [(flaw, flaw.repair) for flaw in flaws(schedule)
                 if flaw.repair is not None]
        found.sort(key=lambda pair: KINDS.index(pair[0].kind))
        for flaw, repair in found:
            repair()
            mended[flaw] = None
        if not found:
            break
    return list(mended)


class Survey:
    """One look at all of a schedule, in the caller's transaction.

    Reads only, and keeps the oids of the tasks, each with its place; what it
    loads is bounded by the cache of the connection.  Raises what the storage
    raises if that fails.
    """

    def __init__(self, schedule: ScheduleState) -> None:
        self.schedule = schedule
        #: the oid of each task that is here -> where it was seen first
        self.places: dict[int, Place] = {}
        #: the oids of the tasks in claims, also of those with an outcome
        self.claimed: set[int] = set()
        self.notes = Notes(schedule, self.places, self.claimed)
        self.labels = indexes.LabelCheck(schedule)
        #: whether all that is noted can be read
        self.whole = True

    def flaws(self) -> Iterator[Flaw]:
        """What is wrong, lazily.

        If a part is gone, only that: the rest depends on it.
        """
        lost = lost_parts(self.schedule)
        if lost:
            yield from map(self._lost_part, lost)
            return
        yield from self._timetable()
        yield from self._claims()
        yield from self._parked()
        yield from self._noted()
        if self.whole:
            yield from self.notes.keys()
            yield from self.notes.others()
            yield from indexes.arrivals(self.schedule)
            yield from self.labels.flaws()
        yield from self._history()

    def _lost_part(self, part: Part) -> Flaw:
        return flaw_of(
            part.object, FlawKind.LOST_RECORD, part.problem,
            'it begins anew, with nothing in it, and the rest is checked then',
            partial(repairs.renew_part, self.schedule, part))

    # -- trees

    def _noted(self) -> Iterator[Flaw]:
        """Whether all that is not checked item by item can be read."""
        schedule, keys = self.schedule, self.schedule.keys
        yield from self._spread('keys', keys.holders)
        yield from self._spread('keys of tasks', keys.by_oid)
        yield from self._spread('labels', schedule.labels.entries)
        yield from self._tree_of('keys of running tasks', keys, 'running')
        yield from self._tree_of('crashes', schedule, 'crashes')
        yield from self._tree_of('requests', schedule.requests, 'entries')
        if schedule.pauses.entries is not None:
            yield from self._tree_of('pauses', schedule.pauses, 'entries')
        for part in schedule.moved.parts:
            if is_gone(part):
                yield flaw_of(
                    part, FlawKind.LOST_RECORD,
                    'the record of a part of what a pack is to see is gone',
                    'there is a new one',
                    partial(schedule.moved.renew, part))

    def _tree_of(self, what: str, owner: Any, name: str) -> Iterator[Flaw]:
        return self._tree(what, getattr(owner, name), partial(
            remains.grow_anew, owner, name))

    def _spread(self, name: str, spread: Spread) -> Iterator[Flaw]:
        for tree in spread.trees:
            yield from self._tree(name, tree, partial(spread.mend, tree))

    def _tree(self, name: str, tree: Any, regrow: Callable[[], object]
              ) -> Iterator[Flaw]:
        """Whether *tree* has all its nodes."""
        for node in remains.nodes(tree):
            if is_gone(node):
                self.whole = False
                yield flaw_of(
                    node, FlawKind.LOST_RECORD,
                    f'the record of a part of a tree ({name}) is gone',
                    'the tree grows anew from what is left, and an entry for '
                    'it is parked', partial(
                        repairs.park_node, self.schedule, node, regrow))

    # -- the timetable

    def _timetable(self) -> Iterator[Flaw]:
        timetable = self.schedule.timetable
        yield from self._spread('timetable', timetable.instants)
        for instant in timetable.times():
            held = timetable.held_at(instant)
            if is_gone(held):
                yield self._lost_list(instant, None, held)
            else:
                yield from self._instant(instant, held)

    def _instant(self, instant: datetime, held: Any) -> Iterator[Flaw]:
        if type(held) is LOBTree:
            yield from self._tree(f'instant {instant}', held, partial(
                remains.regrow, held))
        if not remains.holds_anything(held):
            yield self._empty(instant, None, held)
            return
        for key, tasks in self.schedule.timetable.lists_at(instant):
            if is_gone(tasks):
                yield self._lost_list(instant, key, tasks)
                continue
            if not tasks:
                yield self._empty(instant, key, tasks)
            place = InTimetable(to_micros(instant))
            for task in list(tasks):
                yield from self._task(task, place, place.micros)

    def _lost_list(self, instant: datetime, key: int | None, lost: Any
                   ) -> Flaw:
        return flaw_of(
            lost, FlawKind.LOST_RECORD,
            f'the record of a list of tasks that wait at {instant} is gone',
            'an entry for it is parked',
            partial(repairs.park_list, self.schedule, instant, key, lost))

    def _empty(self, instant: datetime, key: int | None, empty: Any) -> Flaw:
        return Flaw(
            FlawKind.EMPTY_INSTANT, '', '',
            f'a list of tasks that wait at {instant} is empty',
            'it is removed',
            partial(repairs.drop_list, self.schedule, instant, key, empty))

    # -- the claims

    def _claims(self) -> Iterator[Flaw]:
        yield from self._tree(
            'claims', self.schedule.claims, self.schedule.mend_claims)
        for claim_id, claim in items_of(self.schedule.claims):
            if is_gone(claim):
                yield self._lost_claim(claim_id, claim)
            elif is_gone(claim.slots):
                yield self._lost_claim(claim_id, claim.slots)
            else:
                yield from self._claim(claim_id, claim)

    def _lost_claim(self, claim_id: str, lost: Any) -> Flaw:
        return flaw_of(
            lost, FlawKind.LOST_RECORD,
            f'the record of claim {claim_id}, or of its slots, is gone',
            'the claim is removed, and an entry for it is parked',
            partial(repairs.park_claim, self.schedule, claim_id, lost))

    def _claim(self, claim_id: str, claim: Claim) -> Iterator[Flaw]:
        if is_gone(claim.heartbeat):
            yield flaw_of(
                claim.heartbeat, FlawKind.LOST_RECORD,
                f'the record of the heartbeat of {claim.name} is gone',
                'it gets a new one', partial(repairs.renew_heartbeat, claim))
        for index, slot in enumerate(claim.slots):
            place = InClaim(claim.name, claim_id, index)
            if is_gone(slot):
                yield flaw_of(
                    slot, FlawKind.LOST_RECORD,
                    f'the record of a slot of {claim.name} is gone',
                    'an entry for it is parked',
                    partial(repairs.park_slot, self.schedule, claim, index))
            elif not slot.is_free:
                yield from self._slot(slot, place)

    def _slot(self, slot: Slot, place: InClaim) -> Iterator[Flaw]:
        self.claimed.add(slot.oid)
        yield from self.notes.busy(slot)
        self.labels.see_changes(slot)
        for micros, task in slot.pending():
            yield from self._task(task, place, micros)

    # -- what is parked

    def _parked(self) -> Iterator[Flaw]:
        entries = self.schedule.parked.entries
        yield from self._tree_of('parked', self.schedule.parked, 'entries')
        for id, entry in items_of(entries):
            if is_gone(entry):
                yield flaw_of(
                    entry, FlawKind.LOST_RECORD,
                    f'the record of the parked entry {id} is gone',
                    'the entry is made anew, without its reason',
                    partial(repairs.renew_entry, self.schedule, id, entry))
            elif entry.occurrence is None:
                yield from self._seen(entry.task, InParked(id))
        yield from self._tree_of('arrivals', self.schedule.parked, 'arrivals')

    # -- a task

    def _task(self, task: Any, place: Place, micros: int) -> Iterator[Flaw]:
        """A task that is due at that instant."""
        if not task._p_oid:
            return  # It was scheduled in this transaction.
        yield from self._seen(task, place)
        lost = _lost_of(task)
        if lost:
            yield flaw_of(
                task, FlawKind.LOST_RECORD, f'the task {place}, and {lost}',
                'the task is parked', partial(
                    repairs.park_task, self.schedule, task, place, micros,
                    lost))
            return
        yield from self._stamp(task, place, micros)
        yield from self.notes.key(task, place)
        self.labels.see(task)

    def _seen(self, task: Any, place: Place) -> Iterator[Flaw]:
        before = len(self.places)
        first = self.places.setdefault(oid_of(task), place)
        if len(self.places) == before:
            left = worse(self.schedule, task, first, place)
            kept = first if left is place else place
            yield flaw_of(
                task, FlawKind.TWO_PLACES,
                f'the task {first}, and also {place}',
                f'it only {kept}', partial(
                    repairs.keep_one, self.schedule, task, first, place))
        elif before % REDUCED == 0:
            self.schedule._p_jar.cacheGC()

    def _stamp(self, task: Any, place: Place, micros: int) -> Iterator[Flaw]:
        stamped = stamp_of(task)
        if stamped == micros or stamped is None and not keeps_stamp(task):
            return
        said = 'no instant' if stamped is None else from_micros(stamped)
        problem = (f'the task {place}, and its stamp names {said} instead of '
                   f'{from_micros(micros)}, so that it cannot be unscheduled')
        if isinstance(task, Broken):
            yield flaw_of(task, FlawKind.WRONG_STAMP, problem)
        else:
            yield flaw_of(
                task, FlawKind.WRONG_STAMP, problem, 'the stamp is corrected',
                partial(repairs.correct_stamp, self.schedule, task, place,
                        micros))

    # -- the history

    def _history(self) -> Iterator[Flaw]:
        history = self.schedule.history
        yield from self._tree_of('history', history, 'chunks')
        for key, chunk in items_of(history.chunks):
            if is_gone(chunk):
                yield flaw_of(
                    chunk, FlawKind.LOST_RECORD,
                    'the record of a part of the history is gone',
                    'the history goes on without it',
                    partial(remains.discard, history, 'chunks', key))
            elif not history.is_counted(key, chunk):
                yield Flaw(
                    FlawKind.WRONG_COUNT, '', '',
                    f'a part of the history holds {len(chunk.records)} '
                    f'outcomes, and is counted for more or less',
                    'it is counted anew', partial(history.count_anew, key))


def _lost_of(task: Any) -> str:
    """Which record of *task* is gone, in words; '' if none is."""
    if is_gone(task):
        return 'its record is gone'
    # Perhaps it cannot be loaded for another reason.
    arguments = vars(task).get('_arguments') if isinstance(
        task, CallTask) else None
    if arguments is None:
        return ''
    lost = is_gone(arguments)
    # They are large.
    arguments._p_deactivate()
    return 'the record of its arguments is gone' if lost else ''
