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
"""Stopping in order: what runs may end, and is cut off when its time is over.

::

    working ─▶ finish ─▶ the runs have ended ───────────▶ stopped
                 │ ╰───▶ the grace is over ─╮
                 ╰─────▶ abort ─────────────┴─▶ cut off ─▶ stopped

A worker and a call of ``process()`` stop alike.  No thread can be ended from
outside, so the task of a run that is cut off is handed back: then its commit
conflicts.  That counts nothing, since no process has died.
"""

import threading
import time
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any

from zodbschedule import clock
from zodbschedule.errors.text import ErrorText
from zodbschedule.instant import to_micros
from zodbschedule.liveness.heartbeat import ClaimHeartbeat
from zodbschedule.liveness.heartbeat import HeartbeatThread
from zodbschedule.logger import log
from zodbschedule.scheduling.endings import CutOff
from zodbschedule.scheduling.events import report
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.transactions.retrying import OWN_TRIES
from zodbschedule.transactions.retrying import in_own_connection


# For how long runs may go on when it is to stop.
GRACE = timedelta(seconds=8)

# For how many seconds to try to hand back what is held.  Together with the
# grace shorter than the 10 s that Docker gives a container.
HAND_BACK = 1.2

# How often to check whether to stop, in seconds.
SUPERVISE = .1

# What is asked for; plain ints, since a signal handler may run at any moment,
# also while a lock is held.
WORK, FINISH, ABORT = range(3)


class Stop:
    """Whether a worker, or a call of ``process()``, is to stop, and how.

    *who* names it in the log.  *grace* is for how long a run may go on.
    *beats* has the heartbeats of its claims.
    """

    def __init__(self, who: str, grace: timedelta = GRACE,
                 beats: HeartbeatThread | None = None) -> None:
        self.who = who
        self.grace = grace
        self.beats = beats
        self.asked = WORK
        #: when it began to stop, by a monotonic clock
        self.since: float | None = None
        #: when a run was last seen since then, or that moment
        self.seen = 0.0

    # -- for signal handlers too

    def finish(self) -> None:
        """Take nothing more; end when what runs has ended."""
        self.asked = max(self.asked, FINISH)

    def abort(self) -> None:
        """Cut off what runs."""
        self.asked = ABORT

    def hurry(self) -> None:
        """Finish; abort, if it was asked for that before."""
        self.asked = min(ABORT, self.asked + 1)

    def was_asked(self) -> bool:
        """Whether to take nothing more."""
        return self.asked != WORK

    # -- for who supervises the runs

    def has_begun(self) -> bool:
        """Whether to stop; the first time it says what is waited for."""
        if self.asked != WORK and self.since is None:
            self.since = self.seen = time.monotonic()
            runs = self._running()
            if runs and self.asked == FINISH:
                log.info('%s is told to stop; it waits up to %g s for %s.',
                         self.who, self.grace.total_seconds(),
                         ', '.join(runs))
        return self.since is not None

    def is_over(self, answers: bool = True) -> bool:
        """Whether to wait no longer; *answers*: whether the database does.

        Without a run there is only the database to wait for, and that only
        if something is to be handed back.
        """
        if self.since is None:
            return False
        now = time.monotonic()
        if self._running():
            self.seen = now
        return (self.asked == ABORT
                or now - self.since > self.grace.total_seconds()
                or now - self.seen > HAND_BACK
                or not (answers or self._holds_anything()))

    def cut_off(self) -> bool:
        """Hand back what is held, so that the commits of runs will conflict.

        Returns whether all was handed back, without cutting off a run.
        """
        cut_off: list[str] = []
        left: list[str] = []
        events: list[object] = []
        handing = threading.Thread(
            target=self._hand_back, args=(cut_off, left, events), daemon=True)
        try:
            handing.start()
        except RuntimeError as error:  # the interpreter ends, for instance
            log.warning('%s could not hand back what it held: %s. Others will '
                        'recover it.', self.who, error)
            return False
        handing.join(HAND_BACK)
        if handing.is_alive():
            log.warning('%s could not hand back what it held, since the '
                        'database does not answer; others will recover it.',
                        self.who)
            return False
        if cut_off:
            log.warning('%s has cut off what ran, which is back in its place: '
                        '%s.', self.who, ', '.join(cut_off))
        for event in events:
            report(event)
        return not (cut_off or left)

    def _heartbeats(self) -> Collection[ClaimHeartbeat]:
        return () if self.beats is None else self.beats.heartbeats

    def _running(self) -> list[str]:
        return [str(one.run) for one in self._heartbeats()
                if one.running is not None]

    def _holds_anything(self) -> bool:
        return any(one.holds for one in self._heartbeats())

    def _hand_back(self, cut_off: list[str], left: list[str],
                   events: list[object]) -> None:
        seen = ('it was cut off at once' if self.asked == ABORT else
                f'it was cut off after a grace period of '
                f'{self.grace.total_seconds():g} s')
        for heartbeat in self._heartbeats():
            try:
                told = in_own_connection(heartbeat.db, partial(
                    _withdraw, heartbeat, seen), OWN_TRIES)
                if told:
                    cut_off.append(str(heartbeat.run))
                    events += told
            except Exception as error:
                left.append(heartbeat.claim_id)
                log.warning(
                    'The claim %s could not be withdrawn; others will '
                    'recover it.', heartbeat.claim_id,
                    exc_info=ErrorText(error).exc_info)


def _withdraw(heartbeat: ClaimHeartbeat, seen: str, connection: Any
              ) -> list[object]:
    """Withdraw that claim; what is to be told of a run that this cuts off."""
    schedule = connection.get(heartbeat.schedule_oid)
    claim = schedule.claim(heartbeat.claim_id)
    if claim is None:
        return []  # it was withdrawn by its thread just now
    running, cut_off = heartbeat.running, None
    if running is not None:
        index, since = running
        lasted = timedelta(seconds=time.monotonic() - since)
        cut_off = CutOff(index, seen, to_micros(clock.now() - lasted))
    return withdraw(
        schedule, heartbeat.claim_id, claim, clock.now(), cut_off)
