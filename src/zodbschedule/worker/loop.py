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
"""One schedule that one thread of a worker attends to.

::

    look ─▶ nothing is due ─▶ wait
      │
      ╰─▶ recover claims ─▶ turn ─▶ run … run ─╮
                             ▲                 │
                             ╰─────────────────╯

A pass goes on as long as its turns take as many tasks as they may; then the
next one begins.  For how long the schedule is left alone, and why, is one
state: see `zodbschedule.worker.holdoff`.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from zodbschedule import clock
from zodbschedule.errors.text import ErrorText
from zodbschedule.execution.consumer import PORTION
from zodbschedule.execution.consumer import Consumer
from zodbschedule.execution.process import why_disabled
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.liveness.stale import namesakes
from zodbschedule.logger import log
from zodbschedule.logger import working_for
from zodbschedule.schedule import Schedule
from zodbschedule.scheduling.soundness.parts import naming_damage
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import read
from zodbschedule.worker.config import WorkerConfig
from zodbschedule.worker.holdoff import SLICE
from zodbschedule.worker.holdoff import HoldOff
from zodbschedule.worker.holdoff import Reason
from zodbschedule.worker.holdoff import next_hold_off


# How much work a portion is to be, in seconds.  More, and what one worker has
# taken waits while another is idle; less, and the turns cost more.
WORK = .5

# How many tasks the first portion has, when nothing is known of their runs.
FIRST = 8


class PortionSize:
    """How many tasks to take, by how long runs have lasted."""

    def __init__(self) -> None:
        #: seconds; recent runs count more
        self.mean: float | None = None

    def note(self, seconds: float) -> None:
        """A run has lasted so long."""
        self.mean = seconds if self.mean is None else (
            .8 * self.mean + .2 * seconds)

    def tasks(self) -> int:
        """How many tasks to take in the next turn."""
        if self.mean is None:
            return FIRST
        return int(max(1, min(PORTION, WORK / max(self.mean, 1e-6))))


class ScheduleLoop:
    """Attends to one schedule: looks, recovers, makes turns and runs.

    Its thread calls `attend` again and again, and `withdraw` in the end; and
    `abandon` when the connection has failed.

    *find* gives the schedule, or None, in the current connection.  *stopping*
    says whether nothing more is to be taken.  *answered* is called when the
    database has answered, before a run that may last.
    """

    def __init__(self, name: str, find: Callable[[], Any], manager: Any,
                 config: WorkerConfig, stopping: Callable[[], bool],
                 answered: Callable[[], None]) -> None:
        self.name = name
        self.find = find
        self.manager = manager
        self.config = config
        self.stopping = stopping
        self.answered = answered
        self.inherits = config.inherits
        self.size = PortionSize()
        self.consumer: Consumer | None = None
        #: set by `_hold_off` and, when it was good for something, by `attend`
        self.hold_off: HoldOff | None = None
        #: since when the database is asked, by a monotonic clock
        self.asking: float | None = None

    # -- attending

    def attend(self, briefly: bool = False) -> bool:
        """Do the work of a portion; whether to come back at once.

        *briefly*: leave no outcomes uncollected, since another schedule is
        attended to before the next portion.  Raises what says that the
        database is away; other errors keep the thread from no other schedule.
        """
        if self.hold_off is not None and self.hold_off.is_firm:
            return False
        with working_for(schedule_worker=self.config.name,
                         schedule_path=self.name):
            return self._attend_safely(briefly)

    def _attend_safely(self, briefly: bool) -> bool:
        self.asking = time.monotonic()
        try:
            again = self._attend(briefly)
        except ClaimLost as error:
            self._lose_claim(error)
            again = True
        except PrincipalsMissing as error:
            self._refuse(error)
            again = False
        except BaseException as error:
            if is_storage_failure(error):
                raise
            self._fail(error)
            again = False
        finally:
            self.asking = None
        if again:
            self.hold_off = None
        if self.consumer is not None:
            self.config.warned.pop(self.name, None)
        return again

    def _attend(self, briefly: bool) -> bool:
        consumer = self.consumer or self._open_claim()
        if consumer is None:
            return False
        with naming_damage(consumer.schedule):
            return self._work(consumer, briefly)

    def _work(self, consumer: Consumer, briefly: bool) -> bool:
        if consumer.gives_way():
            self._hold_off(Reason.GIVING_WAY)
            return False
        busy = bool(consumer.claim.portion)
        if not busy or consumer.over or consumer.others.is_survey_due():
            work = consumer.look(lambda: self.find() is consumer.schedule)
            if work is None:
                self.withdraw()
                return True
            consumer.recover_all(work.claims)
            if not busy and not work.due:
                self._hold_off(Reason.IDLE, work.next)
                # Another pass takes what this one has left.
                return not work.begins or any(work.claims)
        self._step(consumer, briefly)
        return True

    def _step(self, consumer: Consumer, briefly: bool) -> None:
        consumer.step(self.size.tasks(), self._taken, self.stopping)
        for seconds in consumer.durations:
            self.size.note(seconds)
        if briefly and consumer.claim.portion and not self.stopping():
            consumer.turn(0)

    def _taken(self) -> None:
        """A turn was committed: the database answers, and a run may last."""
        self.asking = None
        if self.has_failed:
            self.hold_off = None
        self.answered()

    # -- our claim

    def _open_claim(self) -> Consumer | None:
        """Register a claim; None if there is no schedule to attend to."""
        consumer = read(self.manager, self._new_consumer)
        if isinstance(consumer, str):
            self._warn(f'{consumer}.')
            self._hold_off(Reason.UNAVAILABLE)
            return None
        self.consumer = consumer
        self.config.heartbeats.add(consumer.claim.heartbeat)
        consumer.claim.register()
        consumer.claim.heartbeat.turn_committed(holds=False)
        if self.inherits:
            self._inherit(consumer)
            # Another worker of that name, elsewhere, may be alive after all:
            # then each would recover the claim of the other, again and again.
            self.inherits = False
        return consumer

    def _new_consumer(self) -> Consumer | str:
        """A consumer without a claim, or why there is none."""
        schedule = self.find()
        if not isinstance(schedule, Schedule):
            return f'There is no schedule at {self.name} yet'
        if reason := why_disabled(schedule._p_jar):
            return f'The schedule at {self.name} is not attended to: {reason}'
        with naming_damage(schedule):
            consumer = Consumer(
                schedule, self.config.name, self.config.lease, patient=True,
                contained=BaseException)
            # Nothing is written if tasks may not run here.
            consumer.begin(clock.now())
            consumer.prepare()
        consumer.over = True
        return consumer

    def _inherit(self, consumer: Consumer) -> None:
        """Recover what an earlier worker of this name has left behind."""
        for claim_id in read(self.manager, lambda: namesakes(
                consumer.schedule, self.config.name, consumer.claim.id)):
            log.warning('Worker %s recovers the claim %s of an earlier one of '
                        'this name.', self.config.name, claim_id)
            consumer.others.evidence[claim_id] = (
                'another worker of its name has begun')
            consumer.recover(claim_id)

    def withdraw(self) -> None:
        """Hand back what is left, and leave no claim behind."""
        if self.consumer is not None:
            self.consumer.withdraw()
            self.abandon()

    def abandon(self) -> None:
        """The claim is not ours any more, or others will recover it."""
        if self.consumer is not None:
            self.config.heartbeats.remove(self.consumer.claim.heartbeat)
            self.consumer = None

    # -- what keeps it from being attended to

    @property
    def _is_in_portion(self) -> bool:
        return self.consumer is not None and bool(self.consumer.claim.portion)

    @property
    def has_failed(self) -> bool:
        """Whether the last attempt ended by an error that is not a task's."""
        return self.hold_off is not None and (
            self.hold_off.reason is Reason.FAILED)

    def _hold_off(self, reason: Reason, due: datetime | None = None
                  ) -> HoldOff:
        """Leave the schedule alone."""
        self.hold_off = next_hold_off(self.hold_off, reason, due)
        return self.hold_off

    def _lose_claim(self, error: ClaimLost) -> None:
        # An idle one has lost nothing, and one that stops needs no other.
        if self._is_in_portion and not self.stopping():
            log.warning('Worker %s: %s. It goes on with another claim.',
                        self.config.name, error)
        self.abandon()

    def _refuse(self, error: PrincipalsMissing) -> None:
        self._warn(f'The schedule at {self.name} is not attended to: {error}')
        self._hold_off(
            Reason.REFUSED if self._is_in_portion else Reason.UNAVAILABLE)
        self.withdraw()

    def _fail(self, error: BaseException) -> None:
        abort(self.manager)
        try:
            self.withdraw()
        except Exception as another:
            if is_storage_failure(another):
                raise
            # It is recovered when this goes on, or by others.
            self.abandon()
        hold_off = self._hold_off(Reason.FAILED)
        log.error('The schedule at %s: an error that is not a task\'s. It is '
                  'attended to again in %.1f seconds.', self.name,
                  hold_off.left(), exc_info=ErrorText(error).exc_info)

    def _warn(self, message: str) -> None:
        """Say why the schedule is not attended to; the same only once."""
        if self.config.warned.get(self.name) != message:
            self.config.warned[self.name] = message
            log.warning('%s', message)

    # -- waiting

    def should_look(self) -> bool:
        """Whether to look again, though the database has not changed."""
        if self.hold_off is None or self.hold_off.is_over:
            return True
        if self.hold_off.reason is not Reason.IDLE:
            return False
        return self.consumer is None or self.consumer.others.should_survey()

    def pause(self) -> float:
        """For how many seconds to wait before `should_look` is asked."""
        return SLICE if self.hold_off is None else self.hold_off.pause()
