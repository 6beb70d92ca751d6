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

    look ─▶ recover ─▶ step ─▶ step … ─▶ withdraw
      ╰─▶ nothing is due and no claim is abandoned: nothing is written

The steps are those of `zodbschedule.execution.consumer`.
"""

import os
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from zodbschedule.errors.text import ErrorText
from zodbschedule.execution.consumer import PORTION
from zodbschedule.execution.consumer import Consumer
from zodbschedule.execution.stopping import Stop
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import NotStored
from zodbschedule.liveness.heartbeat import beating
from zodbschedule.liveness.stale import ClaimsToRecover
from zodbschedule.logger import log
from zodbschedule.logger import working_for
from zodbschedule.outcomes import EXPIRED
from zodbschedule.outcomes import FAILED
from zodbschedule.outcomes import RETRIED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.outcomes import Tally
from zodbschedule.principals import find
from zodbschedule.scheduling.soundness.parts import naming_damage
from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions import workarounds
from zodbschedule.transactions.borrowing import borrowed
from zodbschedule.transactions.borrowing import inner


# The label of the claim of a call, where that of a worker has its name.
NAME = 'process()'

#: the environment variable that stops all runs, for instance on a staging
#: copy of production; 0 or nothing stops none
OFF = 'ZODBSCHEDULE_OFF'


def process(schedule: ScheduleState, now: datetime, commit: bool = True,
            stop: Stop | None = None) -> Tally:
    """See `IScheduleControl`; *now* is in UTC.

    Unless it may *commit*, all happens in the current transaction.  *stop*
    may ask it to end before the pass is through.
    """
    if schedule._p_jar is None:
        raise NotStored(
            'The schedule is not in a database, so no run could be committed; '
            "put it there first, as in root['schedule'] = Schedule(), and "
            'commit')
    workarounds.mend(schedule._p_jar.db())
    reason = why_disabled(schedule._p_jar)
    if reason:
        log.warning('Nothing is run: %s.', reason)
        return Tally()
    with ExitStack() as borrowing:
        borrowing.enter_context(naming_damage(schedule))
        borrowing.enter_context(working_for(schedule_worker=NAME))
        for manager in _managers(schedule) if commit else ():
            borrowing.enter_context(borrowed(manager))
        consumer = Consumer(schedule, NAME, commits=commit)
        consumer.begin(now)
        return _make_pass(consumer, stop or Stop(NAME))


def why_disabled(connection: Any) -> str:
    """Why tasks must not run in this process; '' if they may."""
    if os.environ.get(OFF, '0') not in ('', '0'):
        return f'{OFF} is set in the environment of this process'
    # A ZEO server that is away looks read-only too.
    if _is_answering(connection) and connection.isReadOnly() and (
            _is_answering(connection)):
        return 'the database is read-only'
    return ''


def _is_answering(connection: Any) -> bool:
    is_connected = getattr(connection.db().storage, 'is_connected', None)
    return is_connected is None or is_connected()


def _managers(schedule: ScheduleState) -> list[Any]:
    """The managers of the transactions of turns, and of runs."""
    manager = schedule._p_jar.transaction_manager
    principals = find(schedule.principals)
    if IRunEnvironment.providedBy(principals) and (
            inner(principals.manager) is not inner(manager)):
        return [manager, principals.manager]
    return [manager]


def _make_pass(consumer: Consumer, stop: Stop) -> Tally:
    work = consumer.look()
    if work is not None and (work.due or any(work.claims)):
        with beating(consumer.claim.heartbeat) as stop.beats:
            _work(consumer, work.claims, stop)
    counts = consumer.counts
    return Tally(counts[SUCCEEDED], counts[RETRIED], counts[FAILED],
                 counts[EXPIRED], len(consumer.current_pass.left))


def _work(consumer: Consumer, claims: ClaimsToRecover, stop: Stop) -> None:
    """Work with a claim, and leave none behind, whatever is raised."""
    try:
        consumer.recover_all(claims)
        while not stop.was_asked() and consumer.step(
                PORTION, stopping=stop.was_asked):
            pass
        consumer.withdraw()
    except ClaimLost:
        raise
    except BaseException:
        _hand_back(consumer)
        raise


def _hand_back(consumer: Consumer) -> None:
    """Withdraw the claim, although the call ends with an error."""
    try:
        consumer.withdraw()
    except Exception as problem:
        log.warning('The claim %s could not be withdrawn; the next call '
                    'recovers it.', consumer.claim.id,
                    exc_info=ErrorText(problem).exc_info)
