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
"""A consumer takes due tasks into a claim of its own, and runs them.

::

    look ─▶ recover the claims of others ─▶ step ─▶ step … ─▶ withdraw
      ╰─▶ nothing is due

    step: a turn, and the runs of what that took

`process()` is one loop of it, the worker's `ScheduleLoop` another.  Between
two transactions there is only plain data here: each finds the claim and its
slots anew by their ids.
"""

import logging
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from datetime import datetime
from datetime import timedelta
from functools import partial
from itertools import count
from typing import NamedTuple
from typing import TypeVar

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import ConflictError
from ZODB.utils import u64

from zodbschedule import clock
from zodbschedule.execution import solitude
from zodbschedule.execution.backoff import NO_ROOM
from zodbschedule.execution.backoff import backoff_of
from zodbschedule.execution.failure import is_long_overdue
from zodbschedule.execution.held_back import HeldBack
from zodbschedule.execution.outcome import PassContext
from zodbschedule.execution.outcome import RunResult
from zodbschedule.execution.run import Run
from zodbschedule.execution.run import claim_of
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import TaskParked
from zodbschedule.liveness.heartbeat import ClaimHeartbeat
from zodbschedule.liveness.stale import ClaimsToRecover
from zodbschedule.liveness.stale import OtherClaims
from zodbschedule.logger import log
from zodbschedule.outcomes import FAILED
from zodbschedule.principals import find
from zodbschedule.scheduling.events import parked_event
from zodbschedule.scheduling.events import report_parked
from zodbschedule.scheduling.turn import SWEEP
from zodbschedule.scheduling.turn import exchange
from zodbschedule.scheduling.turn import is_suspect
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.store import incarnation
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.claim import numbered_slots
from zodbschedule.store.inspection import known_text
from zodbschedule.store.inspection import label
from zodbschedule.store.pauses import ALL
from zodbschedule.store.state import ScheduleState
from zodbschedule.store.timetable import Batch
from zodbschedule.store.timetable import Gap
from zodbschedule.task import type_of
from zodbschedule.transactions.errors import is_full
from zodbschedule.transactions.guard import Guard
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import read
from zodbschedule.transactions.retrying import transact
from zodbschedule.transactions.savepoints import Savepoints


T = TypeVar('T')

# How many tasks one turn takes at most.  Larger, and a crash leaves more for
# others to recover, and slots and tasks are loaded twice, since they do not
# fit into a connection's cache of 400 objects; smaller, and the turns cost
# more.  Measured in docs/performance.rst.
PORTION = 128

# How often a turn is tried: it holds no user code, so until it succeeds.
TURN_TRIES = 100

# Among how many portions, at most, a turn looks for one that no other worker
# takes at the same time.
CROWD = 16

# How many portions there are to choose from for each worker with a claim, if
# there are several.  Fewer, and more turns conflict; more, and tasks run less
# in the order of time.
ROOM = 3

# For how many of them there is room at most: a turn has to step over what it
# leaves to others.
ROOMS = 8


class WorkToDo(NamedTuple):
    """What a look at a schedule tells."""

    claims: ClaimsToRecover
    #: whether there is something to take, or an outcome to collect
    due: bool
    #: when there will be, as far as that is known, in UTC
    next: datetime | None
    #: whether a pass began with this look
    begins: bool


class Dissolved(NamedTuple):
    """A claim that was withdrawn."""

    #: its worker, for a person to read
    holder: str
    #: what was parked, since its runs had ended their process
    parked: list[TaskParked]
    #: the run that counts as a crash of its task, for a person to read
    crashed: str = ''


class Consumer:
    """One claim of a schedule, and the passes that are made with it.

    *name* is the label of the claim; *lease* is how long it is believed, if
    not as the schedule says.  With *patient*, for a loop of passes, a task
    that could not run for any reason is held off, and not only one that
    conflicted.  *contained* is the class of those errors of a task that are
    failures of that task.  Unless it *commits* it makes savepoints.

    `begin` begins a pass, and so does a `look` after the last one is over.
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
        self.backoff = backoff_of(schedule._p_jar.db())
        self.held_back = HeldBack(schedule)
        self.claim_id = uuid.uuid4().hex
        self.heartbeat = ClaimHeartbeat(schedule, self.claim_id, lease)
        self.others = OtherClaims()
        #: whether the claim is known to have been committed
        self.registered = False
        self.turns = 0
        #: among how many portions the next turn chooses one
        self.crowd = 1.0
        #: `Timetable.returned`, as the last turn has seen it
        self.returned = 0
        #: the tasks to run: the index of the slot -> the oid of the task
        self.portion: dict[int, int] = {}
        #: which of them have an outcome
        self.settled: list[int] = []
        #: for how many seconds the runs of the last step lasted
        self.durations: list[float] = []
        #: the slot whose task runs, or whose run has ended the call
        self.running: int | None = None
        #: the outcomes of its runs
        self.counts: Counter[int] = Counter()
        #: whether the pass is over, or none was begun
        self.over = True
        _warn_of_unfit_settings(schedule)

    # -- what a loop does

    def begin(self, now: datetime) -> None:
        """Begin a pass, over what is due at *now*."""
        self.now = now
        self.begun = clock.now()
        self.over = False
        #: where the pass has begun, and where it goes on, inclusive
        self.start: datetime | None = None
        self.cursor: datetime | None = None
        #: what it steps over, since nothing there may be taken
        self.gap: Gap | None = None
        #: emptied instants that were passed, or left behind
        self.husks = 0
        #: what the runs of this pass scheduled ahead of it, which it leaves
        self.fresh: set[int] = set()
        #: what is due and stays in its place
        self.left: set[int] = set()
        #: the keys of what a turn is about to take -> the oid of its task
        self.chosen: dict[str, int] = {}
        #: what it has met, and has to run alone
        self.suspects: set[int] = set()
        #: the one of these that the next turn takes
        self.suspect: int | None = None
        #: emptied instants that were passed, or left behind
        self.husks = 0

    def look(self, is_there: Callable[[], bool] = lambda: True
             ) -> WorkToDo | None:
        """What there is to do; in a transaction that writes nothing.

        None if the schedule is not at its place any more, as *is_there*
        says.  Raises `PrincipalsMissing` if tasks may not run here.
        """
        return read(
            self.manager, lambda: self._work_to_do() if is_there() else None,
            TURN_TRIES)

    def recover_all(self, claims: ClaimsToRecover) -> None:
        """Recover what is abandoned, or was silent longer than its lease."""
        for claim_id in claims.abandoned:
            self.recover(claim_id)
        if claims.doubtful:
            self._recover_stale(claims.doubtful)

    def step(self, limit: int, taken: Callable[[], None] = lambda: None,
             stopping: Callable[[], bool] = lambda: False) -> bool:
        """Make one turn, and the runs of what it took; whether to go on.

        The turn takes up to *limit* tasks.  *taken* is called when it was
        committed; *stopping*, before each run, says whether to leave it and
        those that follow.
        """
        if self.gives_way():
            self.over = True
            return False
        self.turn(limit)
        self.over = len(self.portion) < limit
        self._run_portion(taken, stopping)
        if self.over and self.suspects:
            self._run_suspects(taken, stopping)
        return not self.over

    def gives_way(self) -> bool:
        """Whether another thread has to run alone; we hold nothing then."""
        closed = solitude.here.is_closed
        if closed and self.portion:
            self.turn(0)
        return closed

    def _run_suspects(self, taken: Callable[[], None],
                      stopping: Callable[[], bool]) -> None:
        """Run each alone: if the process ends, it was that one."""
        for oid in sorted(self.suspects):
            patience = self.backoff.pause_of(oid)
            with solitude.here.alone(patience, stopping) as alone:
                if stopping():
                    break
                if alone:
                    self._run_suspect(oid, taken, stopping)
                else:
                    self.left.add(oid)
                    self.backoff.hold(oid, self.now)
        self.suspects.clear()

    def _run_suspect(self, oid: int, taken: Callable[[], None],
                     stopping: Callable[[], bool]) -> None:
        self.suspect, self.cursor = oid, None
        try:
            self.turn(1)
            self._run_portion(taken, stopping)
        finally:
            self.suspect = None

    def _run_portion(self, taken: Callable[[], None],
                     stopping: Callable[[], bool]) -> None:
        taken()
        with self.guard.on_duty():
            for index, oid in self.portion.items():
                begun = time.monotonic()
                if stopping() or not self.run(index, oid):
                    break
                self.durations.append(time.monotonic() - begun)

    def withdraw(self, suspect: int | None = None) -> None:
        """Hand back what is left, and leave no claim behind.

        The run of the task in the slot *suspect* has ended the call.
        """
        self._dissolve(self.claim_id, 'hand back', lambda claim: suspect)

    # -- looking

    def _work_to_do(self) -> WorkToDo:
        begins = self.over
        if begins:
            self.begin(clock.now())
            if self.patient:
                self.start, self.gap = self.held_back.begin(self.now)
                self.cursor = self.start
        self.prepare()
        claims = ClaimsToRecover([], [])
        if remains.holds_anything(self.schedule.claims):
            claims = self.others.survey(self.schedule, self.claim_id)
        due = bool(self.portion) or self.is_anything_due()
        self.over = not due
        return WorkToDo(claims, due, None if due else self._next(), begins)

    def prepare(self) -> None:
        """Make sure that tasks may run here, in the current transaction."""
        environment = principals = find(self.schedule.principals)
        principals.ready()
        if not IRunEnvironment.providedBy(principals):
            environment = None
        self.guard = Guard(
            self.schedule._p_jar, environment and environment.manager)
        self.context = PassContext(
            self.schedule, self.manager, self.claim_id, principals, self.now,
            self.begun, self.guard, self.contained, environment,
            self.commits)

    def _next(self) -> datetime | None:
        """When a task comes due, or ceases to be held off."""
        if not self.patient:
            return None  # There is no further pass.
        now = self.now
        times = (at for at in self.schedule.timetable.times(now) if at > now)
        ends = (next(times, None), self.backoff.next_end(self.left, now),
                self.held_back.next_check())
        return min(filter(None, ends), default=None)

    # -- transactions

    def _transact(self, work: Callable[[], T]) -> T:
        return transact(self.manager, work, TURN_TRIES)

    def _commit(self, what: str) -> None:
        self.manager.get().note(f'zodbschedule: {what}')
        self.manager.commit()

    # -- our own claim

    def register(self) -> None:
        """Make a claim, and give a sign of life with it; commits."""
        def sign() -> None:
            self._claim().beat()
            self._commit('give a sign of life')

        self._transact(sign)
        self.registered = True

    def _claim(self) -> Claim:
        """Our claim, in the current transaction; made if there is none yet."""
        if not self.registered and (
                self.schedule.claim(self.claim_id) is None):
            claim = Claim(
                self.name, incarnation.this(), to_micros(clock.now()),
                None if self.lease is None else self.lease.total_seconds())
            self.schedule.add_claim(self.claim_id, claim)
            return claim
        return claim_of(self.schedule, self.claim_id)

    # -- a turn

    def turn(self, limit: int) -> None:
        """Collect the outcomes of one portion and take the next; commits."""
        batch = self._transact(partial(self._turn, limit, count(1)))
        batch.release()
        self.registered = True
        self.turns += 1
        self.cursor = batch.cursor
        self.husks = batch.husks
        self.settled = []
        self.durations = []
        self.crowd = max(1, self.crowd * .9)
        self.heartbeat.turn_committed(bool(self.portion))

    def _turn(self, limit: int, tries: Iterator[int]) -> Batch:
        claim = self._claim()
        if claim.turns > self.turns:
            return self._committed(claim)
        self.heartbeat.follow(self.schedule)
        self.chosen.clear()
        # A task that asks for itself would run again and again.
        requests = self.schedule.requests
        if remains.holds_anything(requests.entries):
            self.fresh.update(oid for oid in self.settled if oid in requests)
        if self.returned != self.schedule.timetable.returned:
            self.returned = self.schedule.timetable.returned
            self.start = self.cursor = self.gap = None
        batch = exchange(
            self.schedule, claim, limit, self.cursor, self.now, self._takes,
            self._skipped(next(tries), limit), self.gap)
        # The slots are free then, and filled in order.
        self.portion = {index: u64(task._p_oid)
                        for index, (_, task) in enumerate(batch.tasks)}
        self._sweep(batch, limit)
        self._commit('take due tasks')
        return batch

    def _committed(self, claim: Claim) -> Batch:
        """What a turn took, when the answer to its commit was lost."""
        # Some of it may have been cancelled by now.
        self.portion = {}
        batch = Batch(self.cursor)
        for index, slot in numbered_slots(claim):
            if slot.waiting:
                self.portion[index] = u64(slot.task._p_oid)
                batch.cursor = from_micros(slot.micros)
        abort(self.manager)
        return batch

    def _sweep(self, batch: Batch, limit: int) -> None:
        """Remove emptied instants when there are many."""
        batch.husks += self.husks
        if batch.husks >= SWEEP:
            # A full portion has looked no further; the rest would be loaded,
            # each time.
            full = len(batch.tasks) == limit
            self.schedule.timetable.sweep(
                batch.cursor if full and batch.cursor else self.now,
                self.start, self.gap)
            batch.husks = 0

    def _skipped(self, tries: int, limit: int) -> int:
        """How many lists to leave to others, so that turns do not meet.

        None in a single pass, which keeps the order of time.
        """
        if not self.patient:
            return 0
        if tries > 1:
            self.crowd = min(CROWD, self.crowd * 2)
        holders = min(ROOMS, remains.count(self.schedule.claims))
        crowd = max(self.crowd, ROOM * holders if holders > 1 else 1)
        return random.randrange(round(crowd)) * limit

    # -- the claims of others

    def _recover_stale(self, doubtful: list[str]) -> None:
        self.register()
        for claim_id in read(self.manager, lambda: self.others.stale(
                self.schedule, doubtful, self._claim()), TURN_TRIES):
            self.recover(claim_id)

    def recover(self, claim_id: str) -> None:
        """Put what the claim of another holds in its place again; commits."""
        dissolved = self._dissolve(claim_id, 'recover a claim', _suspect)
        if dissolved is not None:
            log.warning('The claim %s of %s was recovered.%s', claim_id,
                        dissolved.holder, dissolved.crashed)

    def _dissolve(self, claim_id: str, what: str,
                  suspect: Callable[[Claim], int | None]) -> Dissolved | None:
        """Withdraw a claim; None if it is not there."""
        # What was perhaps committed, by tries without an answer.
        unanswered: list[Dissolved] = []

        def dissolve() -> Dissolved | None:
            claim = self.schedule.claim(claim_id)
            if claim is None:
                abort(self.manager)
                return unanswered[-1] if unanswered else None
            index = suspect(claim)
            crashed = '' if index is None else _crashed(claim.slots[index])
            entries = withdraw(
                self.schedule, claim_id, claim, self.now, index)
            dissolved = Dissolved(
                _holder(claim), [parked_event(entry) for entry in entries],
                crashed)
            unanswered.append(dissolved)
            try:
                self._commit(what)
            except ConflictError:
                unanswered.clear()
                raise
            return dissolved

        dissolved = self._transact(dissolve)
        for event in dissolved.parked if dissolved is not None else ():
            self.counts[FAILED] += 1
            report_parked(event)
        return dissolved

    # -- one run

    def run(self, index: int, oid: int) -> bool:
        """Run the task in that slot; False if it was handed back."""
        with solitude.here.beside() as may_begin:
            return may_begin and self._run(index, oid)

    def _run(self, index: int, oid: int) -> bool:
        run = Run(self.context, index, oid)
        if not self.heartbeat.start_run(index, run):
            return False
        self.running = index
        try:
            with self.guard.children:
                result = run.execute()
        except Exception as error:
            if is_full(error):
                self.backoff.refuse(oid, self.now)
            raise
        finally:
            self.heartbeat.finish_run()
        self.running = None
        self._note(oid, result)
        return True

    def _note(self, oid: int, result: RunResult) -> None:
        if result.outcome is None:
            self.left.add(oid)
            self.fresh.add(oid)
        else:
            self.settled.append(oid)
            self.left.discard(oid)
            self.counts[result.outcome] += 1
        if result.conflicted or self.patient and result.outcome is None:
            self.backoff.hold(oid, self.now)
        elif self.backoff.pauses:
            self.backoff.forget(oid)
            self.backoff.forget(NO_ROOM)
        for micros, task in result.scheduled:
            if task._p_oid and self._is_ahead(micros):
                self.fresh.add(u64(task._p_oid))

    def _is_ahead(self, micros: int) -> bool:
        """Whether this pass would still come to that instant."""
        instant = from_micros(micros)
        return instant <= self.now and (
            self.cursor is None or instant >= self.cursor)

    # -- which tasks are taken

    def is_anything_due(self) -> bool:
        """Whether there is a task for this pass to take."""
        self.chosen.clear()
        if ALL in self.schedule.pauses or self.backoff.holds(
                NO_ROOM, self.now):
            return False
        portion = Batch(self.cursor, self.gap)
        found = self.schedule.timetable.has(self.now, self._wanted, portion)
        self.held_back.extend(portion.passed)
        return found

    def _takes(self, instant: datetime, task: Persistent) -> bool:
        """Whether the next turn takes it: a suspect is taken by itself."""
        oid = u64(task._p_oid)
        if self.suspect is not None:
            return oid == self.suspect and self._wanted(instant, task)
        wanted = self._wanted(instant, task)
        if wanted and is_suspect(self.schedule, oid):
            self.suspects.add(oid)
            return False
        return wanted

    def _wanted(self, instant: datetime, task: Persistent) -> bool:
        """Whether a task that is due may be taken; loads nothing of it."""
        oid = u64(task._p_oid)
        if oid in self.fresh or self.schedule.pauses.hold(oid):
            return False
        if self.backoff.pauses and self.backoff.holds(oid, self.now):
            self.left.add(oid)
            return False
        if isinstance(task, Broken) and not is_long_overdue(
                self.schedule, instant, self.now):
            self._leave_broken(oid, type(task))
            return False
        return self._key_is_free(oid)

    def _leave_broken(self, oid: int, missing: type) -> None:
        if oid not in self.left:
            name = f'{missing.__module__}.{missing.__name__}'
            level = logging.DEBUG if name in self.backoff.missing else (
                logging.WARNING)
            self.backoff.missing.add(name)
            log.log(level, 'Task %x is left in its place: %s cannot be '
                    'imported', oid, name)
            if self.patient:
                self.backoff.hold(oid, self.now)
        self.left.add(oid)

    def _key_is_free(self, oid: int) -> bool:
        """Whether no task of the same key is taken, or runs."""
        keys = self.schedule.keys
        key = keys.key_of(oid) if keys.by_oid else ''
        if not key:
            return True
        if keys.running_with(key) is not None or (
                self.chosen.get(key, oid) != oid):
            self.left.add(oid)
            return False
        self.chosen[key] = oid
        return True


def _suspect(claim: Claim) -> int | None:
    """The slot whose task ran when the process of *claim* ended."""
    if claim.incarnation == incarnation.this():
        return None  # This process has not ended.
    return claim.running


def _crashed(slot: Slot) -> str:
    """Which run ended with its process, for a person to read."""
    if not slot.waiting:
        return ''
    task = slot.task
    name = label(slot.oid, known_text(task, 'description'), type_of(task))
    return (f' It was running {name}, due at {from_micros(slot.micros)}: that '
            f'counts as a crash of this task.')


def _holder(claim: Claim) -> str:
    """The worker of *claim*, for a person to read."""
    return f'{claim.name} (process {claim.incarnation.pid} on ' \
           f'{claim.incarnation.host})'


def _warn_of_unfit_settings(schedule: ScheduleState) -> None:
    for problem in schedule.unfit_settings + schedule.history.unfit_settings:
        log.warning('A setting of the schedule is not valid, and its default '
                    'is used: %s. Set it again.', problem)
