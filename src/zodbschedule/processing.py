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
"""``process()``: one ascending pass over what is due, in portions.

::

    look ─▶ register, recover ─▶ turn ─▶ run … run ─▶ turn ─▶ … ─▶ withdraw
      ╰─▶ nothing is due and no claim is left behind: nothing is written

Everything here is plain data between two transactions: the claim and its
slots are found anew by their id in each.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple
from weakref import WeakKeyDictionary

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import ConflictError
from ZODB.utils import u64
from zope.interface import implementer

from zodbschedule import clock
from zodbschedule import incarnation
from zodbschedule.claim import EXPIRED
from zodbschedule.claim import FAILED
from zodbschedule.claim import RETRIED
from zodbschedule.claim import SUCCEEDED
from zodbschedule.claim import Claim
from zodbschedule.failure import is_long_overdue
from zodbschedule.guard import Guard
from zodbschedule.heartbeat import Heart
from zodbschedule.heartbeat import is_abandoned
from zodbschedule.heartbeat import looks_stale
from zodbschedule.heartbeat import seconds_between
from zodbschedule.instant import from_micros
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import IPrincipals
from zodbschedule.interfaces import ITally
from zodbschedule.interfaces import TaskParked
from zodbschedule.parking import report_parked
from zodbschedule.parking import told
from zodbschedule.pauses import ALL
from zodbschedule.principals import find
from zodbschedule.run import Run
from zodbschedule.settling import Context
from zodbschedule.settling import claim_of
from zodbschedule.timetable import Portion
from zodbschedule.transact import abort
from zodbschedule.transact import borrowed
from zodbschedule.transact import transact
from zodbschedule.turn import SWEEP
from zodbschedule.turn import exchange
from zodbschedule.turn import forgive
from zodbschedule.turn import withdraw


log = logging.getLogger('zodbschedule')

# How many tasks one turn takes.  Larger, and a crash leaves more for others
# to recover, and slots and tasks are loaded twice, since they do not fit into
# a connection's cache of 400 objects; smaller, and the turns cost more.
# Measured in docs/performance.rst.
PORTION = 128

# What a call of process() is called, where a worker has a name.
NAME = 'process()'

# A turn holds no user code, so it may be tried until it passes.
TURN_TRIES = 100

# How long a task that could not be committed rests, at first and at most.
REST = timedelta(seconds=1)
LONGEST_REST = timedelta(minutes=1)


@implementer(ITally)
class Tally(NamedTuple):
    """See `ITally`."""

    succeeded: int = 0
    retried: int = 0
    failed: int = 0
    expired: int = 0
    left: int = 0


class Rest:
    """Which tasks of one database wait longer, because they conflict.

    Kept in memory: another process finds out by itself.
    """

    def __init__(self) -> None:
        self.until: dict[int, tuple[datetime, timedelta]] = {}

    def rests(self, oid: int, now: datetime) -> bool:
        """Whether that task is to be left alone at *now*."""
        if oid not in self.until:
            return False
        since, pause = self.until[oid]
        return since <= now < since + pause

    def note(self, oid: int, now: datetime, conflicted: bool) -> None:
        """After a conflict leave it alone for twice as long as before."""
        if conflicted:
            _, pause = self.until.get(oid, (now, REST / 2))
            self.until[oid] = now, min(pause * 2, LONGEST_REST)
        elif oid in self.until:
            del self.until[oid]


_rests: WeakKeyDictionary[Any, Rest] = WeakKeyDictionary()


def process(schedule: Any, now: datetime) -> Tally:
    """See `IScheduleControl`.  *schedule* is stored, *now* is in UTC."""
    with borrowed(schedule._p_jar.transaction_manager):
        return Pass(schedule, now).process()


class Pass:
    """One call of ``process()``."""

    def __init__(self, schedule: Any, now: datetime) -> None:
        self.schedule = schedule
        self.now = now
        self.begun = clock.now()
        self.manager = schedule._p_jar.transaction_manager
        self.claim_id = uuid.uuid4().hex
        self.rest = _rests.setdefault(schedule._p_jar.db(), Rest())
        self.turns = 0
        #: where the pass goes on, inclusive
        self.cursor: datetime | None = None
        #: emptied instants that it has passed, or left behind
        self.husks = 0
        #: the tasks to run: the index of the slot -> the oid of the task
        self.portion: dict[int, int] = {}
        #: which of them have an outcome
        self.settled: list[int] = []
        #: what the runs of this pass put into its way, and it does not take
        self.fresh: set[int] = set()
        #: what is due and stays in its place
        self.left: set[int] = set()
        #: the keys of what a turn is about to take
        self.chosen: set[str] = set()
        self.counts: Counter[int] = Counter()
        #: the slot whose task runs
        self.running: int | None = None

    def process(self) -> Tally:
        """Make the pass."""
        survey = self._transact(self._survey)
        for claim_id in survey.abandoned:
            self._recover(claim_id)
        if any(survey.reasons):
            self._held(survey)
        return Tally(
            self.counts[SUCCEEDED], self.counts[RETRIED],
            self.counts[FAILED], self.counts[EXPIRED], len(self.left))

    def _held(self, survey: 'Survey') -> None:
        """Work with a claim that is alive, and withdraw it at the end."""
        heart = Heart(self.schedule, self.claim_id)
        heart.start()
        try:
            self._work(survey)
        except ClaimLost:
            raise
        except BaseException as error:
            self._interrupted(error)
            raise
        finally:
            heart.stop()

    def _work(self, survey: 'Survey') -> None:
        if survey.doubtful:
            self._turn(0)
            self._recover_stale(survey.doubtful)
        guard = Guard(self.schedule._p_jar)
        self.context = Context(
            self.schedule, self.manager, self.claim_id, survey.principals,
            self.now, self.begun, guard)
        with guard.on_duty():
            full = True
            while full:
                self._turn(PORTION)
                for index, oid in self.portion.items():
                    self._run(index, oid)
                full = len(self.portion) == PORTION
        self._withdraw()

    def _transact(self, work: Callable[[], Any]) -> Any:
        return transact(self.manager, work, TURN_TRIES)

    def _commit(self, what: str) -> None:
        self.manager.get().note(f'zodbschedule: {what}')
        self.manager.commit()

    # -- looking, and the claims of others

    def _survey(self) -> 'Survey':
        principals = find(self.schedule.principals)
        principals.ready()
        abandoned, doubtful = [], []
        now = clock.now().timestamp()
        for claim_id, claim in self.schedule.claims.items():
            gone = is_abandoned(claim_id, claim)
            if gone:
                abandoned.append(claim_id)
            elif gone is None and looks_stale(
                    claim, self.schedule.lease, now):
                doubtful.append(claim_id)
        self.chosen.clear()
        due = ALL not in self.schedule.pauses and (
            self.schedule.timetable.has(self.now, self._wanted))
        abort(self.manager)
        return Survey(principals, abandoned, doubtful, due)

    def _recover_stale(self, doubtful: list[str]) -> None:
        """Recover those claims that are older than the lease.

        By the time of the storage, as the tid of our own turn gives it.
        """
        def stale() -> list[str]:
            now = claim_of(self.schedule, self.claim_id).beaten()
            lease = self.schedule.lease.total_seconds()
            found = []
            for claim_id in doubtful:
                claim = self.schedule.claims.get(claim_id)
                if claim is not None and seconds_between(
                        claim.beaten(), now) > lease:
                    found.append(claim_id)
            abort(self.manager)
            return found

        for claim_id in self._transact(stale):
            self._recover(claim_id)

    def _recover(self, claim_id: str) -> None:
        """Put what the claim of another holds in its place again."""
        def suspect(claim: Claim) -> int | None:
            if claim.incarnation == incarnation.this():
                return None  # it has not crashed: here we are
            return next((index for index, slot in enumerate(claim.slots)
                         if slot.waiting), None)

        if self._dissolve(claim_id, suspect, 'recover a claim'):
            log.warning('The claim %s was recovered: its process is gone.',
                        claim_id)
            # What it held may stand anywhere.
            self.cursor = None

    # -- our own claim

    def _turn(self, limit: int) -> None:
        """Collect what became of a portion, and take the next one."""
        def turn() -> Portion:
            claim = self._claim()
            if claim.turns > self.turns:
                return self._committed(claim)
            self.chosen.clear()
            # A task that asks for itself would run again and again.
            if self.schedule.asked.entries:
                self.fresh.update(
                    oid for oid in self.settled if oid in self.schedule.asked)
            portion = exchange(
                self.schedule, claim, limit, self.cursor, self.now,
                self._wanted)
            forgive(self.schedule, self.settled)
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
        self.turns += 1
        self.cursor = portion.cursor
        self.husks = portion.husks
        self.settled = []

    def _claim(self) -> Claim:
        """Our claim, made by the first turn."""
        if self.turns == 0 and self.claim_id not in self.schedule.claims:
            claim = Claim(NAME, incarnation.this())
            self.schedule.claims[self.claim_id] = claim
            return claim
        return claim_of(self.schedule, self.claim_id)

    def _committed(self, claim: Claim) -> Portion:
        """What a turn took, the answer to whose commit was lost."""
        portion = Portion(self.cursor)
        # Some of it may have been cancelled by now.
        self.portion = _held_by(claim)
        for slot in claim.held():
            portion.cursor = from_micros(slot.micros)
        abort(self.manager)
        return portion

    def _withdraw(self, suspect: int | None = None) -> None:
        """Hand back whatever is left, and leave no claim behind."""
        self._dissolve(self.claim_id, lambda claim: suspect, 'hand back')

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
            forgive(self.schedule, self.settled)
            entries = withdraw(
                self.schedule, claim_id, claim, self.now, suspect(claim))
            parked = [told(entry) for entry in entries]
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

    def _interrupted(self, error: BaseException) -> None:
        """Hand everything back, whatever it is that goes through."""
        ended_itself = not isinstance(error, Exception)
        try:
            self._withdraw(self.running if ended_itself else None)
        except Exception:
            log.warning(
                'The claim %s could not be withdrawn; the next call recovers '
                'it.', self.claim_id, exc_info=True)

    # -- one run

    def _run(self, index: int, oid: int) -> None:
        self.running = index
        ending = Run(self.context, index, oid)()
        self.running = None
        if ending.outcome is None:
            self.left.add(oid)
            self.fresh.add(oid)
        else:
            self.settled.append(oid)
            self.left.discard(oid)
            self.counts[ending.outcome] += 1
        self.rest.note(oid, self.now, ending.conflicted)
        for micros, task in ending.scheduled:
            if task._p_oid and self._is_ahead(micros):
                self.fresh.add(u64(task._p_oid))

    def _is_ahead(self, micros: int) -> bool:
        """Whether this pass would come upon that instant."""
        instant = from_micros(micros)
        return instant <= self.now and (
            self.cursor is None or instant >= self.cursor)

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
            self.left.add(oid)
            return False
        return self._key_is_free(oid)

    def _key_is_free(self, oid: int) -> bool:
        """Whether no task of the same key is taken, or runs."""
        keys = self.schedule.keys
        key = keys.key_of(oid) if keys.of else ''
        if not key:
            return True
        if key in self.chosen or key in keys.busy:
            self.left.add(oid)
            return False
        self.chosen.add(key)
        return True


def _held_by(claim: Claim) -> dict[int, int]:
    """Which slots of *claim* wait: index -> the oid of the task."""
    return {index: u64(slot.task._p_oid)
            for index, slot in enumerate(claim.slots) if slot.waiting}


class Survey(NamedTuple):
    """What a pass finds before it begins."""

    principals: IPrincipals
    #: claims that nobody works on any more
    abandoned: list[str]
    #: claims whose age has to be learned
    doubtful: list[str]
    #: whether anything is due
    due: bool

    @property
    def reasons(self) -> tuple[object, ...]:
        """What there may be to do for a claim of our own."""
        return self.abandoned, self.doubtful, self.due
