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
"""The wall times that a cron expression matches.

cronsim finds them.  It is given naive datetimes, so it never meets a zone, and
lists of numbers, so its reading of what people write does not matter.
"""

from collections.abc import Iterator
from copy import copy
from datetime import datetime
from datetime import timedelta
from functools import lru_cache

from cronsim import CronSim
from cronsim import CronSimError

from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence import cron_refusals
from zodbschedule.recurrence.cron_fields import DAY
from zodbschedule.recurrence.cron_fields import fields


# Where the trial of an expression begins.  Any day would do: what cronsim
# finds at all, it finds within fifty years.
TRIAL_START = datetime(2000, 1, 1)


def check(expression: str) -> None:
    """Raise `InvalidRecurrence` for an expression that is none."""
    if next(wall_times(expression, TRIAL_START), None) is None:
        raise InvalidRecurrence(
            f'cron expression is {expression!r}, which never occurs: no year '
            f'has such a day')


def wall_times(expression: str, wall: datetime) -> Iterator[datetime]:
    """The wall times that match, from *wall* on, ascending."""
    simulation = copy(_simulation(expression))
    # cronsim goes on after the whole second that it is given.
    simulation.dt = (wall - timedelta(microseconds=1)).replace(microsecond=0)
    try:
        yield from simulation
    except (OverflowError, ValueError):
        return  # cronsim has come to the end of the year 9999


@lru_cache(maxsize=1024)
def _simulation(expression: str) -> CronSim:
    """What cronsim makes of an expression; it is copied, and never asked."""
    try:
        return CronSim(fields(expression).text, TRIAL_START)
    except CronSimError:
        day = expression.split()[:6][-3]
        raise cron_refusals.wrong_field(
            expression, DAY.name, day, f'it takes {DAY.takes}') from None
