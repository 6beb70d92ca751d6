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
"""For the tests of applications: a clock to set, and fixtures for pytest.

With pytest put ``pytest_plugins = ['zodbschedule.testing']`` into your
``conftest.py``, and use the fixtures `schedule` and `clock`.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import transaction
import ZODB
import ZODB.FileStorage

from zodbschedule import clock as the_clock
from zodbschedule.execution.process import process
from zodbschedule.instant import EPOCH
from zodbschedule.instant import as_utc
from zodbschedule.outcomes import Tally
from zodbschedule.schedule import Schedule


# How many passes `run_until` makes at one moment before it takes them for an
# endless loop.
MAX_PASSES = 200


class SettableClock:
    """A clock that shows a set time: it moves only if it is told to.

    *now* is the aware datetime that it shows first, by default 1 April 2003,
    midnight UTC.  Raises `InvalidTime` for another value.  To put it in the
    place of the clock of the process, use the fixture `clock`, or ``with
    zodbschedule.clock.use(settable):``.
    """

    def __init__(self, now: datetime = datetime(2003, 4, 1, tzinfo=UTC)
                 ) -> None:
        self._now = as_utc(now, 'now')

    def now(self) -> datetime:
        """The instant that it shows, a datetime in UTC."""
        return self._now

    def set(self, now: datetime) -> None:
        """Show *now*, an aware datetime, which may be earlier than before.

        Raises `InvalidTime` for another value.
        """
        self._now = as_utc(now, 'now')

    def advance(self, by: timedelta) -> None:
        """Move forward *by* a timedelta."""
        self._now += by

    def wait(self, seconds: float) -> None:
        """Move forward by so many *seconds*, and return at once."""
        self.advance(timedelta(seconds=seconds))


def run_until(schedule: Schedule, time: datetime, *, commit: bool = True
              ) -> Tally:
    """Process all that comes due up to *time*, each task at its instant.

    *time* is an aware datetime, or `InvalidTime` is raised.  Returns the sum
    of the tallies of all passes; its ``left`` is that of the last.

    Calls `Schedule.process` at each instant at which a task waits, as a worker
    does.  It begins at the time that the clock shows: what is overdue runs
    then, as after an outage.  Only if the clock shows more than *time*, it
    begins at the first instant at which a task waits.

    What reschedules itself runs again if it comes due by *time*.  What is
    left in its place is tried again with the next task that comes due, and at
    *time*.  A `SettableClock` in use is set to each instant, and at the end
    to *time*, but never back.

    With *commit*, each run is a transaction on the manager of the schedule's
    connection, and changes in the current one raise `PendingChanges`.
    Without, all runs are in the current transaction, with savepoints in place
    of commits: for test layers that forbid commits.  Changes then need no
    commit before, and an abort undoes everything.

    Without a `SettableClock` in use, the clock of the machine does not follow,
    and the next call begins at its time again.

    Raises RuntimeError if a task reschedules itself for the same time again
    and again.
    """
    end = as_utc(time)
    total = Tally()
    passes = 0
    coming = _next(schedule, None, end)
    moment = the_clock.now()
    if moment > end:
        moment = EPOCH
    while coming is not None:
        moment = max(coming, moment)
        _show(moment)
        before = _due(schedule, moment)
        tally = process(schedule, moment, commit)
        # What one pass has left, a later pass may have run.
        total = Tally(*map(sum, zip(total, tally, strict=True)))._replace(
            left=tally.left)
        due = _due(schedule, moment) if any(tally[:-1]) else []
        coming = due[0] if due else _next(schedule, moment, end)
        # What catches up with the time that has passed moves on.
        passes = passes + 1 if due and due <= before else 0
        if passes >= MAX_PASSES:
            raise RuntimeError(
                f'After {passes} passes at {moment} a task is still due; does '
                f'it reschedule itself for the same time?')
    _show(end)
    return total


def _due(schedule: Schedule, moment: datetime) -> list[datetime]:
    """The instants up to *moment* at which tasks wait."""
    return list(schedule.getTaskTimes(max=moment))


def _next(schedule: Schedule, after: datetime | None, end: datetime
          ) -> datetime | None:
    """The first instant after *after*, up to *end*, at which tasks wait.

    If there is none, *end* once, to try again what is left at *after*.
    """
    if after is None:
        return next(schedule.getTaskTimes(max=end), None)
    times = schedule.getTaskTimes(after, end)
    return next((at for at in times if at > after),
                end if after < end else None)


def _show(moment: datetime) -> None:
    clock = the_clock.current()
    if isinstance(clock, SettableClock):
        clock.set(max(moment, clock.now()))


with suppress(ImportError):  # zope.testrunner needs no pytest
    from pytest import fixture

    @fixture
    def clock() -> Iterator[SettableClock]:
        """A `SettableClock` that is in use during the test, in all threads.

        It shows 1 April 2003, midnight UTC.
        """
        with the_clock.use(SettableClock()) as settable:
            assert isinstance(settable, SettableClock)
            yield settable

    @fixture
    def schedule(tmp_path: Path) -> Iterator[Schedule]:
        """A committed `Schedule` at ``root['schedule']`` of a new FileStorage.

        Its connection uses the thread's transaction manager, as ``import
        transaction`` does.  At the end the current transaction is aborted.
        """
        db = ZODB.DB(ZODB.FileStorage.FileStorage(str(tmp_path / 'Data.fs')))
        connection = db.open()
        schedule = connection.root()['schedule'] = Schedule()
        transaction.commit()
        yield schedule
        transaction.abort()
        connection.close()
        db.close()
