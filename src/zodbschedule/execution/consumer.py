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
"""A claim, as the one who holds it works with it.

::

    register ─▶ begin a pass ─▶ turn ─▶ run … run ─▶ turn ─▶ … ─▶ withdraw

Everything here is plain data between two transactions: the claim and its
slots are found anew by their id in each.
"""

import logging
import random
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import ConflictError
from ZODB.utils import u64

from zodbschedule import clock
from zodbschedule.execution.backoff import rest_of
from zodbschedule.execution.failure import is_long_overdue
from zodbschedule.execution.outcome import PassContext
from zodbschedule.execution.run import Run
from zodbschedule.execution.run import claim_of
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import TaskParked
from zodbschedule.liveness.heartbeat import Pulse
from zodbschedule.liveness.stale import stale
from zodbschedule.outcomes import FAILED
from zodbschedule.principals import find
from zodbschedule.scheduling.events import parked_event
from zodbschedule.scheduling.events import report_parked
from zodbschedule.scheduling.turn import SWEEP
from zodbschedule.scheduling.turn import exchange
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.store import incarnation
from zodbschedule.store.claim import Claim
from zodbschedule.store.pauses import ALL
from zodbschedule.store.state import ScheduleState
from zodbschedule.store.timetable import Batch
from zodbschedule.transactions.guard import Guard
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import transact
from zodbschedule.transactions.savepoints import Savepoints


log = logging.getLogger('zodbschedule')

# How many tasks one turn takes at most.  Larger, and a crash leaves more for
# others to recover, and slots and tasks are loaded twice, since they do not
# fit into a connection's cache of 400 objects; smaller, and the turns cost
# more.  Measured in docs/performance.rst.
PORTION = 128

# A turn holds no user code, so it may be tried until it passes.
TURN_TRIES = 100

# Among how many portions, at most, a turn looks for one that nobody else
# takes at the same time.
CROWD = 16

# Among how many for each that has a claim it looks from the beginning, if
# there are several.  Fewer, and more turns conflict; more, and tasks run less
# in the order of time.
ROOM = 3

# For how many of them there is room at most: what a turn leaves to others it
# has to step over.
ROOMS = 8


class Consumer:
    """One claim of a schedule, and the pass that goes on with it.

    *name* is the label of the claim, *lease* for how long it is believed, if
    that is not what the schedule says.  With *patient* whatever could not be
    run now rests, and not only what conflicts: else a loop of passes spins.
    *contained* is what of the errors of a task is a failure of that task.
    Unless it *commits* it makes savepoints.
    """

    def __init__(self, schedule: ScheduleState, name: str,
                 lease: timedelta | None = None, patient: bool = False,
                 contained: type[BaseException] = Exception,
                 commits: bool = True) -> None:
        self.schedule = schedule
        manager = schedule._p_jar.transaction_manager
        self.manager = manager if commits else Savepoints(manager)
        self.commits = commits
        self.name = name
        self.lease = lease
        self.patient = patient
        self.contained = contained
        self.rest = rest_of(schedule._p_jar.db())
        self.claim_id = uuid.uuid4().hex
        self.pulse = Pulse(schedule, self.claim_id, lease)
        self.registered = False
        self.turns = 0
        #: among how many portions the next turn chooses one
        self.crowd = 1.0
        #: the tasks to run: the index of the slot -> the oid of the task
        self.portion: dict[int, int] = {}
        #: which of them have an outcome
        self.settled: list[int] = []
        #: the slot whose task runs
        self.running: int | None = None
        #: the outcomes of its runs
        self.counts: Counter[int] = Counter()

    def begin(self, now: datetime) -> None:
        """Begin a pass, over what is due at *now*."""
        self.now = now
        self.begun = clock.now()
        #: where the pass goes on, inclusive
        self.cursor: datetime | None = None
        #: emptied instants that were passed, or left behind
        self.husks = 0
        #: what the runs of this pass put into its way, and it does not take
        self.fresh: set[int] = set()
        #: what is due and stays in its place
        self.left: set[int] = set()
        #: the keys of what a turn is about to take, and whose they are
        self.chosen: dict[str, int] = {}

    def prepare(self) -> None:
        """Make certain that tasks may run here, in the current transaction."""
        principals = find(self.schedule.principals)
        principals.ready()
        environment = (
            principals if IRunEnvironment.providedBy(principals) else None)
        self.guard = Guard(
            self.schedule._p_jar, environment and environment.manager)
        self.context = PassContext(
            self.schedule, self.manager, self.claim_id, principals, self.now,
            self.begun, self.guard, self.contained, environment,
            self.commits)

    def _transact(self, work: Callable[[], Any]) -> Any:
        return transact(self.manager, work, TURN_TRIES)

    def _commit(self, what: str) -> None:
        self.manager.get().note(f'zodbschedule: {what}')
        self.manager.commit()

    # -- our own claim

    def register(self) -> None:
        """Have a claim, and give a sign of life with it."""
        def sign() -> None:
            self._claim().heartbeat.beats += 1
            self._commit('give a sign of life')

        self._transact(sign)
        self.registered = True

    def turn(self, limit: int) -> None:
        """Collect what became of a portion, and take the next one."""
        tries = 0

        def turn() -> Batch:
            nonlocal tries
            tries += 1
            claim = self._claim()
            if claim.turns > self.turns:
                return self._committed(claim)
            self.pulse.follow(self.schedule)
            self.chosen.clear()
            # A task that asks for itself would run again and again.
            if self.schedule.requests.entries:
                self.fresh.update(
                    oid for oid in self.settled
                    if oid in self.schedule.requests)
            portion = exchange(
                self.schedule, claim, limit, self.cursor, self.now,
                self._wanted, self._skipped(tries, limit))
            self.portion = _held_by(claim)
            portion.husks += self.husks
            if portion.husks >= SWEEP:
                # A full portion has looked no further; the rest would be
                # loaded, each time.
                full = len(portion.tasks) == limit
                self.schedule.timetable.sweep(
                    portion.cursor if full and portion.cursor else self.now)
                portion.husks = 0
            self._commit('take due tasks')
            return portion

        portion = self._transact(turn)
        portion.release()
        self.registered = True
        self.turns += 1
        self.cursor = portion.cursor
        self.husks = portion.husks
        self.settled = []
        self.crowd = max(1, self.crowd * .9)
        self.pulse.sign(bool(self.portion))

    def _skipped(self, tries: int, limit: int) -> int:
        """How many lists to leave to others, so that turns do not meet.

        None in a single pass, which keeps the order of time.
        """
        if not self.patient:
            return 0
        if tries > 1:
            self.crowd = min(CROWD, self.crowd * 2)
        holders = min(ROOMS, len(self.schedule.claims))
        crowd = max(self.crowd, ROOM * holders if holders > 1 else 1)
        return random.randrange(round(crowd)) * limit

    def _claim(self) -> Claim:
        """Our claim, made by the first who asks."""
        if not self.registered and self.claim_id not in self.schedule.claims:
            claim = Claim(
                self.name, incarnation.this(), to_micros(clock.now()),
                None if self.lease is None else self.lease.total_seconds())
            self.schedule.claims[self.claim_id] = claim
            return claim
        return claim_of(self.schedule, self.claim_id)

    def _committed(self, claim: Claim) -> Batch:
        """What a turn took, the answer to whose commit was lost."""
        portion = Batch(self.cursor)
        # Some of it may have been cancelled by now.
        self.portion = _held_by(claim)
        for slot in claim.held():
            portion.cursor = from_micros(slot.micros)
        abort(self.manager)
        return portion

    def withdraw(self, suspect: int | None = None) -> None:
        """Hand back whatever is left, and leave no claim behind."""
        self._dissolve(self.claim_id, lambda claim: suspect, 'hand back')

    # -- the claims of others

    def recover_stale(self, doubtful: list[str]) -> None:
        """Recover those claims that were silent for longer than the lease."""
        def look() -> list[str]:
            found = stale(self.schedule, doubtful, claim_of(
                self.schedule, self.claim_id))
            abort(self.manager)
            return found

        self.register()
        for claim_id in self._transact(look):
            self.recover(claim_id)

    def recover(self, claim_id: str) -> None:
        """Put what the claim of another holds in its place again."""
        whose = ''

        def suspect(claim: Claim) -> int | None:
            nonlocal whose
            whose = f'{claim.name} (process {claim.incarnation.pid} on ' \
                    f'{claim.incarnation.host})'
            if claim.incarnation == incarnation.this():
                return None  # it has not crashed: here we are
            return claim.running

        if self._dissolve(claim_id, suspect, 'recover a claim'):
            log.warning('The claim %s of %s was recovered.', claim_id, whose)
            # What it held may stand anywhere.
            self.cursor = None

    def _dissolve(self, claim_id: str,
                  suspect: Callable[[Claim], int | None], what: str) -> bool:
        """Withdraw a claim; whether it was there."""
        # What a commit has parked, the answer to which may be lost.
        parked: list[TaskParked] | None = None

        def dissolve() -> None:
            nonlocal parked
            claim = self.schedule.claims.get(claim_id)
            if claim is None:
                abort(self.manager)
                return
            entries = withdraw(
                self.schedule, claim_id, claim, self.now, suspect(claim))
            parked = [parked_event(entry) for entry in entries]
            try:
                self._commit(what)
            except ConflictError:
                parked = None
                raise

        self._transact(dissolve)
        for event in parked or ():
            self.counts[FAILED] += 1
            report_parked(event)
        return parked is not None

    # -- one run

    def run(self, index: int, oid: int) -> bool:
        """Run what is in that slot; False if it was handed back."""
        if not self.pulse.begin(index):
            # What else was, may stand anywhere.
            self.cursor = None
            return False
        self.running = index
        try:
            ending = Run(self.context, index, oid).execute()
        finally:
            self.pulse.end()
        self.running = None
        if ending.outcome is None:
            self.left.add(oid)
            self.fresh.add(oid)
        else:
            self.settled.append(oid)
            self.left.discard(oid)
            self.counts[ending.outcome] += 1
        in_vain = self.patient and ending.outcome is None
        self.rest.note(oid, self.now, ending.conflicted or in_vain)
        for micros, task in ending.scheduled:
            if task._p_oid and self._is_ahead(micros):
                self.fresh.add(u64(task._p_oid))
        return True

    def _is_ahead(self, micros: int) -> bool:
        """Whether this pass would come upon that instant."""
        instant = from_micros(micros)
        return instant <= self.now and (
            self.cursor is None or instant >= self.cursor)

    # -- what is wanted

    def is_anything_due(self) -> bool:
        """Whether there is anything for this pass to take."""
        self.chosen.clear()
        return ALL not in self.schedule.pauses and (
            self.schedule.timetable.has(self.now, self._wanted))

    def _wanted(self, instant: datetime, task: Persistent) -> bool:
        """Whether a task that is due may be taken; loads nothing."""
        oid = u64(task._p_oid)
        if oid in self.fresh:
            return False
        if self.schedule.pauses.hold(oid):
            return False
        if self.rest.rests(oid, self.now):
            self.left.add(oid)
            return False
        if isinstance(task, Broken) and not is_long_overdue(
                self.schedule, instant, self.now):
            if oid not in self.left:
                log.warning('Task %x is left in its place: %s.%s cannot be '
                            'imported', oid, type(task).__module__,
                            type(task).__name__)
                self.rest.note(oid, self.now, self.patient)
            self.left.add(oid)
            return False
        return self._key_is_free(oid)

    def _key_is_free(self, oid: int) -> bool:
        """Whether no task of the same key is taken, or runs."""
        keys = self.schedule.keys
        key = keys.key_of(oid) if keys.by_oid else ''
        if not key:
            return True
        if key in keys.running or self.chosen.get(key, oid) != oid:
            self.left.add(oid)
            return False
        self.chosen[key] = oid
        return True


def _held_by(claim: Claim) -> dict[int, int]:
    """Which slots of *claim* wait: index -> the oid of the task."""
    return {index: u64(slot.task._p_oid)
            for index, slot in enumerate(claim.slots) if slot.waiting}
