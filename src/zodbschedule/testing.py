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
"""For the tests of applications: a clock that stands still, and fixtures.

Put ``pytest_plugins = ['zodbschedule.testing']`` into your ``conftest.py``,
and ask for the fixtures `schedule` and `clock`.
"""

from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import transaction
import ZODB
import ZODB.FileStorage

from zodbschedule import clock as the_clock
from zodbschedule.execution.process import process
from zodbschedule.instant import as_utc
from zodbschedule.outcomes import Tally
from zodbschedule.schedule import Schedule


try:
    import pytest
except ImportError as error:  # pragma: no cover
    raise ImportError(
        'zodbschedule.testing needs pytest: pip install pytest') from error


# So many passes at one moment may `run_until` make before it takes them for an
# endless loop.
PASSES = 200


class SettableClock:
    """A clock that moves only when it is told to, or waited for."""

    def __init__(self, now: datetime = datetime(2003, 4, 1, tzinfo=UTC)
                 ) -> None:
        self._now = as_utc(now, 'now')

    def now(self) -> datetime:
        """The instant that it shows, in UTC."""
        return self._now

    def set(self, now: datetime) -> None:
        """Show that aware datetime from now on; back is possible."""
        self._now = as_utc(now, 'now')

    def advance(self, by: timedelta) -> None:
        """Go forward by that much."""
        self._now += by

    def wait(self, seconds: float) -> None:
        """Go forward by that many seconds, at once."""
        self.advance(timedelta(seconds=seconds))


def run_until(schedule: Schedule, time: datetime, *, commit: bool = True
              ) -> Tally:
    """Process what comes due up to *time*, each at its instant; the sum.

    As `Schedule.process` does, in transactions on the manager of the
    schedule's connection.  What reschedules itself runs again if it comes due
    by then.  What is left in its place is tried again with whatever comes due
    after it, and at *time*.  A settable clock in use is set to each instant,
    and to *time* at the end.

    Unless it may *commit*, all of it happens in the current transaction, with
    savepoints in the place of commits: for layers of tests that forbid those.
    Then what was changed before needs no commit, and whoever aborts in the
    end, or tears down the layer, leaves nothing behind.

    Raises RuntimeError if it does not come to an end: a task then reschedules
    itself again and again without moving on.
    """
    end = as_utc(time)
    total = Tally()
    passes = 0
    moment = _next(schedule, None, end)
    while moment is not None:
        _show(moment)
        tally = process(schedule, moment, commit)
        # What a pass has left may have been run by a later one.
        total = Tally(*map(sum, zip(total, tally, strict=True)))._replace(
            left=tally.left)
        moved = any(tally[:-1])
        coming = _next(schedule, None if moved else moment, end)
        passes = passes + 1 if coming and coming <= moment else 0
        if passes >= PASSES:
            raise RuntimeError(
                f'After {passes} passes at {moment} something is still due '
                f'then; does a task reschedule itself for the same time?')
        moment = coming and max(coming, moment)
    _show(end)
    return total


def _next(schedule: Schedule, after: datetime | None, end: datetime
          ) -> datetime | None:
    """The first instant after that one at which tasks wait, if by *end*.

    Else *end* itself, once, if nothing has moved at the instant *after*.
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


@pytest.fixture
def clock() -> Iterator[SettableClock]:
    """A `SettableClock` in the place of the clock; shows 1 April 2003."""
    with the_clock.use(SettableClock()) as settable:
        assert isinstance(settable, SettableClock)
        yield settable


@pytest.fixture
def schedule(tmp_path: Path) -> Iterator[Schedule]:
    """A committed `Schedule` at ``root['schedule']`` of a new FileStorage.

    Its connection uses the thread's transaction manager.
    """
    db = ZODB.DB(ZODB.FileStorage.FileStorage(str(tmp_path / 'Data.fs')))
    connection = db.open()
    found = connection.root()['schedule'] = Schedule()
    transaction.commit()
    yield found
    transaction.abort()
    connection.close()
    db.close()
