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
"""

import logging
from contextlib import ExitStack
from datetime import datetime
from typing import Any
from typing import NamedTuple

from zodbschedule.execution.consumer import PORTION
from zodbschedule.execution.consumer import Consumer
from zodbschedule.execution.disabled import barred
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import NotStored
from zodbschedule.liveness.heartbeat import LOOK
from zodbschedule.liveness.heartbeat import Heart
from zodbschedule.liveness.stale import Found
from zodbschedule.liveness.stale import Others
from zodbschedule.outcomes import EXPIRED
from zodbschedule.outcomes import FAILED
from zodbschedule.outcomes import RETRIED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.outcomes import Tally
from zodbschedule.principals import find
from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions import workarounds as faults
from zodbschedule.transactions.borrowing import borrowed
from zodbschedule.transactions.borrowing import inner
from zodbschedule.transactions.retrying import abort


log = logging.getLogger('zodbschedule')

# What a call of process() is called, where a worker has a name.
NAME = 'process()'


def process(schedule: ScheduleState, now: datetime, commit: bool = True
            ) -> Tally:
    """See `IScheduleControl`; *now* is in UTC.

    Unless it may *commit*, all happens in the current transaction.
    """
    if schedule._p_jar is None:
        raise NotStored(
            'The schedule is in no database, so no run could be committed; '
            "put it there first, as in root['schedule'] = Schedule(), and "
            'commit')
    faults.mend(schedule._p_jar.db())
    reason = barred(schedule._p_jar)
    if reason:
        log.warning('Nothing is run: %s.', reason)
        return Tally()
    with ExitStack() as borrowing:
        for manager in _managers(schedule) if commit else ():
            borrowing.enter_context(borrowed(manager))
        return ProcessPass(schedule, now, commit).process()


def _managers(schedule: ScheduleState) -> list[Any]:
    """Those on which transactions are made: of turns, and of runs."""
    manager = schedule._p_jar.transaction_manager
    principals = find(schedule.principals)
    if IRunEnvironment.providedBy(principals) and (
            inner(principals.manager) is not inner(manager)):
        return [manager, principals.manager]
    return [manager]


class ProcessPass(Consumer):
    """One call of ``process()``."""

    def __init__(self, schedule: ScheduleState, now: datetime,
                 commits: bool = True) -> None:
        super().__init__(schedule, NAME, commits=commits)
        self.begin(now)

    def process(self) -> Tally:
        """Make the pass."""
        survey = self._transact(self._survey)
        for claim_id in survey.claims.abandoned:
            self.recover(claim_id)
        if any(survey.claims) or survey.due:
            self._held(survey)
        return Tally(
            self.counts[SUCCEEDED], self.counts[RETRIED],
            self.counts[FAILED], self.counts[EXPIRED], len(self.left))

    def _survey(self) -> 'Survey':
        self.prepare()
        found = Others().look(self.schedule, self.claim_id)
        due = self.is_anything_due()
        abort(self.manager)
        return Survey(found, due)

    def _held(self, survey: 'Survey') -> None:
        """Work with a claim that is alive, and withdraw it at the end."""
        heart = Heart(min(LOOK, self.pulse.interval))
        heart.hold(self.pulse)
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
        if survey.claims.doubtful:
            self.recover_stale(survey.claims.doubtful)
        with self.guard.on_duty():
            full = True
            while full:
                self.turn(PORTION)
                for index, oid in self.portion.items():
                    self.run(index, oid)
                full = len(self.portion) == PORTION
        self.withdraw()

    def _interrupted(self, error: BaseException) -> None:
        """Hand everything back, whatever it is that goes through."""
        ended_itself = not isinstance(error, Exception)
        try:
            self.withdraw(self.running if ended_itself else None)
        except Exception:
            log.warning(
                'The claim %s could not be withdrawn; the next call recovers '
                'it.', self.claim_id, exc_info=True)


class Survey(NamedTuple):
    """What a pass finds before it begins."""

    claims: Found
    #: whether anything is due
    due: bool
