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
"""The claim that a consumer works with: it makes it, and makes turns with it.

Between two transactions there is only plain data here: each finds the claim
and its slots anew by their ids.  So a claim that another process has recovered
is `ClaimLost`.
"""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

from ZODB.utils import u64

from zodbschedule import clock
from zodbschedule.execution.conflicts import tell_conflict
from zodbschedule.execution.crowd import Crowd
from zodbschedule.execution.passes import Pass
from zodbschedule.execution.run import claim_of
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.liveness.heartbeat import ClaimHeartbeat
from zodbschedule.scheduling.arrival import identify
from zodbschedule.scheduling.turn import exchange
from zodbschedule.store import incarnation
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import numbered_slots
from zodbschedule.store.state import ScheduleState
from zodbschedule.store.timetable import Batch
from zodbschedule.transactions.retrying import OWN_TRIES
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import commit
from zodbschedule.transactions.retrying import transact


class OwnClaim:
    """One claim of this process.

    *name* is its label; *lease* is how long it is believed, if not as the
    schedule says.  With *ordered* its turns keep the order of time, and leave
    nothing to others.
    """

    def __init__(self, schedule: ScheduleState, manager: Any, name: str,
                 lease: timedelta | None, ordered: bool) -> None:
        self.schedule = schedule
        self.manager = manager
        self.name = name
        self.lease = lease
        self.ordered = ordered
        self.id = uuid.uuid4().hex
        self.heartbeat = ClaimHeartbeat(schedule, self.id, lease)
        self.crowd = Crowd()
        #: whether it is known to have been committed
        self.registered = False
        self.turns = 0
        #: `Timetable.returned`, as the last turn has seen it
        self.returned = 0
        #: the tasks to run: the index of the slot -> the oid of the task
        self.portion: dict[int, int] = {}
        #: which of them have an outcome
        self.settled: list[int] = []

    def register(self) -> None:
        """Make it, and give a sign of life with it; commits."""
        def sign() -> None:
            self.find().beat()
            commit(self.manager, 'give a sign of life')

        transact(self.manager, sign, OWN_TRIES)
        self.registered = True

    def find(self) -> Claim:
        """It, in the current transaction; made if there is none yet."""
        if not self.registered and self.schedule.claim(self.id) is None:
            identify(self.schedule)
            claim = Claim(
                self.name, incarnation.this(), to_micros(clock.now()),
                None if self.lease is None else self.lease.total_seconds())
            self.schedule.add_claim(self.id, claim)
            return claim
        return claim_of(self.schedule, self.id)

    def turn(self, limit: int, within: Pass) -> None:
        """Collect the outcomes of one portion and take the next; commits.

        The next one, of up to *limit* tasks, is what is *within* that pass.
        """
        batch = transact(
            self.manager, partial(self._turn, limit, within, count(1)),
            OWN_TRIES, retried=partial(
                tell_conflict, schedule=self.schedule, of='turn'))
        batch.release()
        within.go_on(batch)
        self.registered = True
        self.turns += 1
        self.settled = []
        self.crowd.shrink()
        self.heartbeat.turn_committed(bool(self.portion))

    def _turn(self, limit: int, within: Pass, tries: Iterator[int]) -> Batch:
        claim = self.find()
        if claim.turns > self.turns:
            return self._committed(claim, within)
        if claim.turns < self.turns:
            raise ClaimLost(
                f'The claim {self.id} has made fewer turns than it had: the '
                f'database was restored to an older state')
        self.heartbeat.follow(self.schedule)
        within.choose()
        # A task that asks for itself would run again and again.
        requests = self.schedule.requests
        if remains.holds_anything(requests.entries):
            within.fresh.update(
                oid for oid in self.settled if oid in requests)
        if self.returned != self.schedule.timetable.returned:
            self.returned = self.schedule.timetable.returned
            within.begin_anew()
        skip = 0 if self.ordered else limit * self.crowd.skip(
            next(tries), remains.count(self.schedule.claims))
        batch = exchange(
            self.schedule, claim, limit, within.cursor, within.now,
            within.takes, skip, within.gap)
        # The slots are free then, and filled in order.
        self.portion = {index: u64(task._p_oid)
                        for index, (_, task) in enumerate(batch.tasks)}
        within.sweep(batch, limit)
        commit(self.manager, 'take due tasks')
        return batch

    def _committed(self, claim: Claim, within: Pass) -> Batch:
        """What a turn took, when the answer to its commit was lost."""
        # Some of it may have been cancelled by now.
        self.portion = {}
        batch = Batch(within.cursor)
        for index, slot in numbered_slots(claim):
            if slot.waiting:
                self.portion[index] = u64(slot.task._p_oid)
                batch.cursor = from_micros(slot.micros)
        abort(self.manager)
        return batch
