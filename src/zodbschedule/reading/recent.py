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
"""How many runs have ended lately, and how, and how late they began."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from statistics import median_low

from zodbschedule import clock
from zodbschedule.instant import MICROSECOND
from zodbschedule.instant import as_utc
from zodbschedule.instant import earlier
from zodbschedule.outcomes import OUTCOMES
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.paging import LOADS
from zodbschedule.reading.paging import Loads
from zodbschedule.reading.past import RUN_OUTCOMES
from zodbschedule.reading.past import OutcomeFacts
from zodbschedule.reading.past import entries
from zodbschedule.reading.workers import OutcomeCounts
from zodbschedule.schedule import Schedule


HOUR = timedelta(hours=1)

# How many outcomes are read at most.  More, and a page takes long; fewer, and
# a busy hour is not whole.
MOST_READ = 5_000

# How many bins there are at most: more than a drawing has points.
MOST_BINS = 500


@dataclass(frozen=True)
class RunCounts(OutcomeCounts):
    """How many runs have ended, and how."""

    cancelled: int
    interrupted: int


@dataclass(frozen=True)
class Period(Facts):
    """What has ended from one moment until another."""

    since: datetime
    until: datetime
    counts: RunCounts
    #: how long after they were due runs have begun; None: none has
    median_lag: timedelta | None
    greatest_lag: timedelta | None


@dataclass(frozen=True)
class Activity(Facts):
    """What has ended lately."""

    total: Period
    #: the same in parts of one length
    bins: tuple[Period, ...]
    #: what ended before that is not counted, since it is too much to read;
    #: None: all that is on record is counted
    incomplete_before: datetime | None


def activity(schedule: Schedule, since: datetime | None = None,
             bins: int = 60, loads: int = LOADS) -> Activity:
    """What has ended from *since* until now, for a sparkline.

    *since* is an aware datetime; None: an hour ago.  *bins*, from 1 to
    `MOST_BINS`, is the number of parts.  What people have decided is not
    counted.  Reads the newest `MOST_READ` entries of the history at most, and
    no more when so many objects are loaded.  Raises `InvalidTime`.
    """
    now = clock.now()
    start = min(now, earlier(now, HOUR) if since is None else as_utc(
        since, 'since'))
    found, incomplete_before = _read(schedule, start, loads)
    number = max(1, min(bins, MOST_BINS))
    width = max((now - start) / number, MICROSECOND)
    parts: list[list[OutcomeFacts]] = [[] for _ in range(number)]
    for each in found:
        # A clock that was ahead: what has ended has ended by now.
        parts[min((each.ended - start) // width, number - 1)].append(each)
    return Activity(
        _period(start, now, found),
        tuple(_period(start + index * width, start + (index + 1) * width, part)
              for index, part in enumerate(parts)),
        incomplete_before)


def _read(schedule: Schedule, since: datetime, most: int
          ) -> tuple[list[OutcomeFacts], datetime | None]:
    """What has ended since then, and what is in `incomplete_before`."""
    loads = Loads(schedule)
    found: list[OutcomeFacts] = []
    for number, (_, each) in enumerate(entries(schedule, None, since)):
        if number >= MOST_READ or loads.are(most):
            return found, each.ended
        if each.ended >= since:
            found.append(each)
    return found, None


def _period(since: datetime, until: datetime, ended: list[OutcomeFacts]
            ) -> Period:
    counts = Counter(each.outcome for each in ended)
    lags = [max(each.began - each.time, timedelta(0)) for each in ended
            if each.outcome in RUN_OUTCOMES]
    return Period(
        since, until,
        RunCounts(**{name: counts[name] for name in OUTCOMES.values()}),
        median_low(lags) if lags else None, max(lags, default=None))
