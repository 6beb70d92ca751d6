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

`process()` is one loop of it, the worker's `ScheduleLoop` another.  Its parts
are the claim (`own_claim`), the pass that it makes (`passes`), and what it
knows of the claims of others (`zodbschedule.liveness.stale`).
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple

from zodbschedule import clock
from zodbschedule.execution import solitude
from zodbschedule.execution.backoff import backoff_of
from zodbschedule.execution.dissolving import Dissolved
from zodbschedule.execution.dissolving import dissolve
from zodbschedule.execution.dissolving import note_cut_off
from zodbschedule.execution.held_back import HeldBack
from zodbschedule.execution.observing import RunObserver
from zodbschedule.execution.observing import observers
from zodbschedule.execution.outcome import PassContext
from zodbschedule.execution.own_claim import OwnClaim
from zodbschedule.execution.passes import Pass
from zodbschedule.execution.run import Run
from zodbschedule.execution.run_log import RunLog
from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import TaskParked
from zodbschedule.liveness.stale import ClaimsToRecover
from zodbschedule.liveness.stale import OtherClaims
from zodbschedule.logger import log
from zodbschedule.outcomes import FAILED
from zodbschedule.principals import find
from zodbschedule.scheduling.events import report
from zodbschedule.store import remains
from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions.errors import is_full
from zodbschedule.transactions.guard import Guard
from zodbschedule.transactions.retrying import OWN_TRIES
from zodbschedule.transactions.retrying import read
from zodbschedule.transactions.savepoints import Savepoints


# How many tasks one turn takes at most.  Larger, and a crash leaves more for
# others to recover, and slots and tasks are loaded twice, since they do not
# fit into a connection's cache of 400 objects; smaller, and the turns cost
# more.  Measured in docs/performance.rst.
PORTION = 128


class WorkToDo(NamedTuple):
    """What a look at a schedule tells."""

    claims: ClaimsToRecover
    #: whether there is something to take, or an outcome to collect
    due: bool
    #: when there will be, as far as that is known, in UTC
    next: datetime | None
    #: whether a pass began with this look
    begins: bool


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
        self.patient = patient
        self.contained = contained
        self.claim = OwnClaim(
            schedule, self.manager, name, lease, ordered=not patient)
        self.others = OtherClaims()
        self.backoff = backoff_of(schedule._p_jar.db())
        self.held_back = HeldBack(schedule)
        #: whether the pass is over, or none was begun
        self.over = True
        #: for how many seconds the runs of the last step lasted
        self.durations: list[float] = []
        #: the outcomes of its runs
        self.counts: Counter[int] = Counter()
        _warn_of_unfit_settings(schedule)

    #: the pass that it makes, or the last one
    current_pass: Pass

    # -- what a loop does

    def begin(self, now: datetime) -> None:
        """Begin a pass, over what is due at *now*."""
        self.current_pass = Pass(
            self.schedule, now, self.backoff, self.held_back, self.patient)
        self.over = False

    def look(self, is_there: Callable[[], bool] = lambda: True
             ) -> WorkToDo | None:
        """What there is to do; in a transaction that writes nothing.

        None if the schedule is not at its place any more, as *is_there*
        says.  Raises `PrincipalsMissing` if tasks may not run here.
        """
        return read(
            self.manager, lambda: self._work_to_do() if is_there() else None,
            OWN_TRIES)

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
        self.over = len(self.claim.portion) < limit
        self._run_portion(taken, stopping)
        if self.over and self.current_pass.suspects:
            self._run_suspects(taken, stopping)
        return not self.over

    def gives_way(self) -> bool:
        """Whether another thread has to run alone; we hold nothing then."""
        closed = solitude.here.is_closed
        if closed and self.claim.portion:
            self.turn(0)
        return closed

    def turn(self, limit: int) -> None:
        """Collect the outcomes of one portion and take the next; commits."""
        self.claim.turn(limit, self.current_pass)
        log.debug('A turn has taken %d tasks into the claim %s.',
                  len(self.claim.portion), self.claim.id)
        self.durations = []

    def withdraw(self) -> None:
        """Hand back what is left, and leave no claim behind."""
        self._dissolve(self.claim.id, 'hand back', '')

    # -- looking

    def _work_to_do(self) -> WorkToDo:
        begins = self.over
        if begins:
            self.begin(clock.now())
            if self.patient:
                self.current_pass.begin()
        self.prepare()
        claims = ClaimsToRecover([], [])
        if remains.holds_anything(self.schedule.claims):
            claims = self.others.survey(self.schedule, self.claim.id)
        due = bool(self.claim.portion) or self.current_pass.is_anything_due()
        self.over = not due
        return WorkToDo(
            claims, due, None if due else self.current_pass.next_due(),
            begins)

    def prepare(self) -> None:
        """Make sure that tasks may run here, in the current transaction."""
        environment = principals = find(self.schedule.principals)
        principals.ready()
        if not IRunEnvironment.providedBy(principals):
            environment = None
        self.guard = Guard(
            self.schedule._p_jar, environment and environment.manager)
        self.context = PassContext(
            self.schedule, self.manager, self.claim.id, principals,
            self.current_pass.now, self.current_pass.begun, self.guard,
            self.contained, environment, self.commits, _observers())

    # -- the claims of others

    def _recover_stale(self, doubtful: list[str]) -> None:
        self.claim.register()
        for claim_id in read(self.manager, lambda: self.others.stale(
                self.schedule, doubtful, self.claim.find()), OWN_TRIES):
            self.recover(claim_id)

    def recover(self, claim_id: str) -> None:
        """Put what the claim of another holds in its place again; commits."""
        seen = self.others.evidence.pop(claim_id, 'it was asked for')
        dissolved = self._dissolve(claim_id, 'recover a claim', seen)
        if dissolved is not None:
            log.warning(
                'The claim %s of %s was recovered: %s. Tasks that are back in '
                'their places: %d.%s', claim_id, dissolved.holder, seen,
                dissolved.returned, dissolved.ran)

    def _dissolve(self, claim_id: str, what: str, seen: str
                  ) -> Dissolved | None:
        dissolved = dissolve(self.schedule, self.manager, claim_id, what,
                             self.current_pass.now, seen)
        for event in dissolved.events if dissolved is not None else ():
            self.counts[FAILED] += isinstance(event, TaskParked)
            report(event)
        return dissolved

    # -- runs

    def _run_portion(self, taken: Callable[[], None],
                     stopping: Callable[[], bool]) -> None:
        taken()
        with self.guard.on_duty():
            for index, oid in self.claim.portion.items():
                begun = time.monotonic()
                if stopping() or not self.run(index, oid):
                    break
                self.durations.append(time.monotonic() - begun)

    def _run_suspects(self, taken: Callable[[], None],
                      stopping: Callable[[], bool]) -> None:
        """Run each alone: if the process ends, it was that one."""
        suspects = self.current_pass.suspects
        for oid in sorted(suspects):
            patience = self.backoff.pause_of(oid)
            with solitude.here.alone(patience, stopping) as alone:
                if stopping():
                    break
                if alone:
                    self._run_suspect(oid, taken, stopping)
                else:
                    self.current_pass.left.add(oid)
                    self.current_pass.hold_off(oid)
        suspects.clear()

    def _run_suspect(self, oid: int, taken: Callable[[], None],
                     stopping: Callable[[], bool]) -> None:
        found = self.current_pass
        found.suspect, found.cursor = oid, None
        try:
            self.turn(1)
            self._run_portion(taken, stopping)
        finally:
            found.suspect = None

    def run(self, index: int, oid: int) -> bool:
        """Run the task in that slot; False if it was handed back."""
        with solitude.here.beside() as may_begin:
            return may_begin and self._run(index, oid)

    def _run(self, index: int, oid: int) -> bool:
        run = Run(self.context, index, oid)
        if not self.claim.heartbeat.start_run(index, run):
            return False
        try:
            with self.guard.children:
                result = run.execute()
        except BaseException as error:
            note_cut_off(self.claim.id, run, error)
            if is_full(error):
                self.backoff.refuse(oid, self.current_pass.now)
            raise
        finally:
            self.claim.heartbeat.finish_run()
        if result.outcome is not None:
            self.claim.settled.append(oid)
            self.counts[result.outcome] += 1
        self.current_pass.note(oid, result)
        return True


def _warn_of_unfit_settings(schedule: ScheduleState) -> None:
    for problem in schedule.unfit_settings + schedule.history.unfit_settings:
        log.warning('A setting of the schedule is not valid, and its default '
                    'is used: %s. Set it again.', problem)


def _observers() -> tuple[Callable[[Any], RunObserver], ...]:
    """Who is to be told of runs; the log last, so that it is inside."""
    if log.isEnabledFor(logging.INFO):
        return *observers, RunLog
    return tuple(observers)
