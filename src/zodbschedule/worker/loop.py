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
      ╰─▶ recover what is abandoned ─▶ turn ─▶ run … run ─╮
                                        ▲                 │
                                        ╰─────────────────╯

A pass goes on as long as its turns take as many tasks as they may; then the
next one begins.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple

from zodbschedule import clock
from zodbschedule.execution.consumer import PORTION
from zodbschedule.execution.consumer import Consumer
from zodbschedule.execution.disabled import barred
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.liveness.heartbeat import Heart
from zodbschedule.liveness.stale import Found
from zodbschedule.liveness.stale import Others
from zodbschedule.liveness.stale import namesakes
from zodbschedule.schedule import Schedule
from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.retrying import abort
from zodbschedule.transactions.retrying import transact
from zodbschedule.worker.watcher import back_off


log = logging.getLogger('zodbschedule')

# How much work a portion is to be, in seconds.  More, and what one worker has
# taken waits while another is idle; less, and the turns cost more.
WORK = .5

# Of how many tasks the first portion is, when nothing is known of their runs.
FIRST = 8

# How often the claims of others are looked at, at most, in seconds.
SURVEY = 1.0
NEVER = float('-inf')

# How long to leave a schedule alone, at most, after an error that is no
# task's, in seconds.
FAILED = 60.0

# For how long to wait at most before the clocks, and the processes of this
# machine, are looked at again; without asking the database.
SLICE = .5

# How long to wait before that which keeps a schedule from being attended to
# is looked at again, if the database does not change, in seconds.
RELUCTANT = 60.0


class PortionSize:
    """How many tasks to take, by how long runs have lasted."""

    def __init__(self) -> None:
        self.mean: float | None = None

    def note(self, seconds: float) -> None:
        """A run has lasted so long."""
        self.mean = seconds if self.mean is None else (
            .8 * self.mean + .2 * seconds)

    def limit(self) -> int:
        """How many to take in the next turn."""
        if self.mean is None:
            return FIRST
        return int(max(1, min(PORTION, WORK / max(self.mean, 1e-6))))


class View(NamedTuple):
    """What a look has found."""

    claims: Found
    #: whether a pass began with it
    begun: bool
    #: whether there is something to take
    due: bool
    #: when there will be, as far as that is known
    next: datetime | None


class ScheduleLoop:
    """See above.

    Whoever attends sets `find` and calls `attend` again and again, and `end`
    in the end; and `drop` when the connection has failed.
    """

    #: gives the schedule, or None, in the connection of the moment
    find: Callable[[], Any]

    def __init__(self, name: str, manager: Any, heart: Heart,
                 stopping: Callable[[], bool],
                 answered: Callable[[], None], *, label: str,
                 lease: timedelta | None, inherits: bool,
                 said: dict[str, str]) -> None:
        self.name = name
        self.manager = manager
        self.heart = heart
        self.stopping = stopping
        #: to be told when the database has answered, before a run that may
        #: last
        self.answered = answered
        self.label = label
        self.lease = lease
        #: whether it is to recover claims of its own label when it begins
        self.inherits = inherits
        self.others = Others()
        self.share = PortionSize()
        self.holding: Consumer | None = None
        #: whether the pass is over
        self.over = True
        #: when to look again, though nothing has changed, by the clock
        self.next: datetime | None = None
        #: and by a monotonic clock
        self.reluctant: float | None = None
        #: until when not to look, whatever changes, by a monotonic clock
        self.barred = 0.0
        #: how often it was attended to in vain
        self.failures = 0
        #: how often a run has found that it may not begin here
        self.refusals = 0
        #: when the claims of others were looked at, by a monotonic clock
        self.surveyed = NEVER
        #: whether the last look has left that out
        self.unsurveyed = False
        #: by the names of schedules, what was said last of why they are not
        #: attended to, by this or another thread
        self.said = said
        #: since when the database is asked, by a monotonic clock
        self.asking: float | None = None

    # -- attending

    def attend(self, briefly: bool = False) -> bool:
        """Do the work of a portion; whether there was any.

        *briefly*: leave no outcomes behind, since another schedule is
        attended to before the next portion.  Raises what says that the
        database is away; whatever else keeps this schedule from being
        attended to is of no matter to others.
        """
        self.asking = time.monotonic()
        if self.asking < self.barred:
            self.asking = None
            return False
        try:
            worked = self._attend()
            if briefly:
                self._settle()
        except ClaimLost as error:
            # An idle one has lost nothing, and one that ends wants no other.
            if self.holding is not None and self.holding.portion and (
                    not self.stopping()):
                log.warning('Worker %s: %s. It goes on with another claim.',
                            self.label, error)
            self.drop()
            worked = True
        except PrincipalsMissing as error:
            self._refuse(f'The schedule at {self.name} is not attended to: '
                         f'{error}')
            if self.holding is not None and self.holding.portion:
                # It was found out by a run: what is written to begin with
                # one, and to end, would have it tried again at once.
                self.refusals += 1
                self.barred = self.reluctant = time.monotonic() + back_off(
                    self.refusals, FAILED)
            self.end()
            return False
        except BaseException as error:
            if is_storage_failure(error):
                raise
            self._fail(error)
            return False
        finally:
            self.asking = None
        self.failures = self.refusals = 0
        if self.holding is not None:
            self.said.pop(self.name, None)
        return worked

    def _fail(self, error: BaseException) -> None:
        """Leave it alone for a while."""
        abort(self.manager)
        try:
            self.end()
        except Exception as another:
            if is_storage_failure(another):
                raise
            # It is recovered when this goes on, or by others.
            self.drop()
        self.failures += 1
        pause = back_off(self.failures, FAILED)
        log.error('The schedule at %s: an error that is no task\'s. It is '
                  'attended to again in %.1f seconds.', self.name, pause,
                  exc_info=error)
        self.barred = self.reluctant = time.monotonic() + pause
        self.next = None

    def _attend(self) -> bool:
        if self.holding is None and not self._open_claim():
            return False
        holding: Any = self.holding
        busy = bool(holding.portion)
        if not busy or self.over or self._is_survey_due():
            view = transact(self.manager, self._look)
            if view is None:
                self.end()
                return True
            self._recover(view.claims)
            if not busy and not view.due:
                self.next = view.next
                # Another pass takes what this one has left.
                return not view.begun or any(view.claims)
        self._step(holding)
        return True

    def _open_claim(self) -> bool:
        """Register a claim; False if there is no schedule."""
        def look() -> str:
            schedule = self.find()
            if not isinstance(schedule, Schedule):
                reason = f'There is no schedule at {self.name} yet'
            elif reason := barred(schedule._p_jar):
                reason = f'The schedule at {self.name} is not attended to: ' \
                         f'{reason}'
            else:
                self._begin(schedule)
            abort(self.manager)
            return reason

        self.reluctant = None
        # One of our own, which could not be handed back, is the first to see.
        self.surveyed = NEVER
        reason = transact(self.manager, look)
        if reason:
            self._refuse(f'{reason}.')
            self.holding = None
            return False
        holding: Any = self.holding
        self.heart.hold(holding.pulse)
        holding.register()
        holding.pulse.sign(False)
        if self.inherits:
            self._inherit(holding)
            # Another of that name, elsewhere, may live after all: then each
            # would recover the claim of the other, again and again.
            self.inherits = False
        return True

    def _begin(self, schedule: ScheduleState) -> None:
        self.holding = Consumer(
            schedule, self.label, self.lease, patient=True,
            contained=BaseException)
        self.holding.begin(clock.now())
        self.holding.prepare()
        self.over = True

    def _inherit(self, holding: Consumer) -> None:
        """Recover what an earlier worker of this name has left behind."""
        def look() -> list[str]:
            found = namesakes(
                holding.schedule, self.label, holding.claim_id)
            abort(self.manager)
            return found

        for claim_id in transact(self.manager, look):
            log.warning('Worker %s recovers the claim %s of an earlier one of '
                        'this name.', self.label, claim_id)
            holding.recover(claim_id)

    def _refuse(self, message: str) -> None:
        """Wait for a change, and say why; the same only once."""
        self.reluctant = time.monotonic() + RELUCTANT
        self.next = None
        if self.said.get(self.name) != message:
            self.said[self.name] = message
            log.warning('%s', message)

    def _look(self) -> View | None:
        """What there is to do; None if the schedule is not there any more."""
        holding: Any = self.holding
        if self.find() is not holding.schedule:
            abort(self.manager)
            return None
        begun = self.over
        if begun:
            holding.begin(clock.now())
            self.over = False
        holding.prepare()
        claims = Found([], [])
        self.unsurveyed = not (
            self._is_survey_due() or self.others.is_one_gone())
        if not self.unsurveyed:
            self.surveyed = time.monotonic()
            claims = self.others.look(holding.schedule, holding.claim_id)
        due = bool(holding.portion) or holding.is_anything_due()
        found = View(
            claims, begun, due, None if due else self._next(holding))
        if not due:
            self.over = True
        abort(self.manager)
        return found

    def _next(self, holding: Any) -> datetime | None:
        """When something comes due, or has rested."""
        now = holding.now
        times = (at for at in holding.schedule.timetable.times(now)
                 if at > now)
        rested = holding.rest.ends(holding.left, now)
        return min(filter(None, [next(times, None), rested]), default=None)

    def _is_survey_due(self) -> bool:
        return time.monotonic() - self.surveyed >= SURVEY

    def _recover(self, claims: Found) -> None:
        holding: Any = self.holding
        for claim_id in claims.abandoned:
            holding.recover(claim_id)
        if claims.doubtful:
            holding.recover_stale(claims.doubtful)

    def _step(self, holding: Consumer) -> None:
        """A turn, and the runs of what it has taken."""
        limit = self.share.limit()
        holding.turn(limit)
        self.over = len(holding.portion) < limit
        self.asking = None
        self.failures = 0
        self.answered()
        with holding.guard.on_duty():
            for index, oid in holding.portion.items():
                begun = time.monotonic()
                if self.stopping() or not holding.run(index, oid):
                    break
                self.share.note(time.monotonic() - begun)

    def _settle(self) -> None:
        if self.holding is not None and self.holding.portion and (
                not self.stopping()):
            self.holding.turn(0)

    # -- waiting

    def pause(self) -> float:
        """For how many seconds to wait before `should_look` is asked."""
        if self.next is None:
            return SLICE
        left = (self.next - clock.now()).total_seconds()
        return max(0.0, min(SLICE, left))

    def should_look(self) -> bool:
        """Whether to look again, though the database has not changed."""
        now = time.monotonic()
        if self.reluctant is not None:
            return now >= self.reluctant
        return (self.next is not None and clock.now() >= self.next
                or self._is_survey_due() and (
                    self.unsurveyed or self.others.is_due())
                or self.others.is_one_gone())

    # -- ending

    def end(self) -> None:
        """Hand back what is left, and leave no claim behind."""
        if self.holding is not None:
            self.holding.withdraw()
            self.drop()

    def drop(self) -> None:
        """The claim is not ours any more, or others will recover it."""
        if self.holding is not None:
            self.heart.drop(self.holding.pulse)
            self.holding = None
