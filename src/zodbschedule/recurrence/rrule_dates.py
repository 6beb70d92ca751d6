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
"""The wall times of a recurrence rule of RFC 5545.

dateutil expands it, on naive datetimes, so it never meets a zone.  Two things
that dateutil does not do are done here.  The expansion begins near the time
in question, not at DTSTART, which may be years before.  And a rule by days,
hours or less is split into its pace and the days to which it is limited,
because dateutil would walk through all the days between.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from datetime import MAXYEAR
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from functools import lru_cache
from typing import Any

from dateutil.rrule import DAILY
from dateutil.rrule import HOURLY
from dateutil.rrule import MINUTELY
from dateutil.rrule import MONTHLY
from dateutil.rrule import SECONDLY
from dateutil.rrule import WEEKLY
from dateutil.rrule import YEARLY
from dateutil.rrule import rrule


UNITS = {
    WEEKLY: timedelta(days=7), DAILY: timedelta(days=1),
    HOURLY: timedelta(hours=1), MINUTELY: timedelta(minutes=1),
    SECONDLY: timedelta(seconds=1)}

#: dateutil's names of the parts that choose the time of a day, and the days
TIMES = (
    (HOURLY, 'byhour'), (MINUTELY, 'byminute'), (SECONDLY, 'bysecond'))
DAYS = ('bymonth', 'bymonthday', 'byyearday', 'byweekno', 'byweekday')

# The calendar repeats after this many years, so a day that has not been found
# by then does not exist.
CYCLE = 400
# On how many days in a row the pace may find nothing before the rule is taken
# for one that never occurs.  With fewer, a rule whose interval seldom meets
# its days would end.
MAX_EMPTY_DAYS = 1_000


@dataclass(frozen=True)
class Rule:
    """A parsed rule; dateutil's names are the keys of its parts."""

    start: datetime
    freq: int
    interval: int = 1
    wkst: int = 0
    count: int | None = None
    until: datetime | None = None
    parts: dict[str, Any] = field(default_factory=dict)

    def wall_times(self, wall: datetime) -> Iterator[datetime]:
        """The wall times from *wall* on, ascending; ignores COUNT and UNTIL.
        """
        wall = max(wall, self.start)
        if self.freq < DAILY or not any(name in self.parts for name in DAYS):
            return self._at_pace(wall, self.parts)
        return self._on_days(wall)

    def _at_pace(self, wall: datetime,
                 parts: dict[str, Any]) -> Iterator[datetime]:
        """What dateutil finds from the period of *wall* on."""
        try:
            for each in _expand(self.freq, self._period_begin(wall),
                                self.interval, {**parts, 'wkst': self.wkst}):
                if each >= wall:
                    yield each
        except (ValueError, OverflowError):
            return  # the parts exclude each other, or the years are used up

    def _on_days(self, wall: datetime) -> Iterator[datetime]:
        """Where the pace meets one of the days."""
        pace = {name: value for name, value in self.parts.items()
                if name not in DAYS}
        empty = 0
        while empty < MAX_EMPTY_DAYS and (day := self._next_day(wall.date())):
            wall = max(wall, datetime.combine(day, time()))
            for wall in self._at_pace(wall, pace):
                if wall.date() != day:
                    break
                yield wall
                empty = 0
            else:
                return
            empty += 1

    def _next_day(self, day: date) -> date | None:
        """The first of the days, from *day* on."""
        limits = tuple(
            (name, tuple(self.parts[name]))
            for name in DAYS if name in self.parts)
        for year in range(day.year, min(day.year + CYCLE, MAXYEAR + 1)):
            days = _days_of(year, limits)
            if (index := bisect_left(days, day)) < len(days):
                return days[index]
        return None

    def _period_begin(self, wall: datetime) -> datetime:
        """Where the last period begins that begins by *wall*."""
        start, step = self.start, self.interval
        if self.freq == YEARLY:
            years = (wall.year - start.year) // step * step
            begin = datetime(start.year + years, 1, 1)
        elif self.freq == MONTHLY:
            months = (wall.year - start.year) * 12 + wall.month - start.month
            years, month = divmod(
                start.month - 1 + months // step * step, 12)
            begin = datetime(start.year + years, month + 1, 1)
        else:
            first = self._first_period()
            length = UNITS[self.freq] * step
            begin = first + (wall - first) // length * length
        # Of the first period only the part after the start counts.
        return max(begin, start)

    def _first_period(self) -> datetime:
        """Where the period of the start begins."""
        if self.freq == SECONDLY:
            return self.start
        if self.freq == MINUTELY:
            return self.start.replace(second=0)
        if self.freq == HOURLY:
            return self.start.replace(minute=0, second=0)
        midnight = datetime.combine(self.start, time())
        if self.freq == DAILY:
            return midnight
        return midnight - timedelta((self.start.weekday() - self.wkst) % 7)


def _expand(freq: int, start: datetime, interval: int,
            parts: dict[str, Any]) -> Iterator[datetime]:
    """The wall times that dateutil gives for a rule."""
    settings: dict[str, Any] = {
        'freq': freq, 'dtstart': start, 'interval': interval, **parts}
    return iter(rrule(**settings))


@lru_cache(maxsize=1024)
def _days_of(year: int,
             limits: tuple[tuple[str, tuple[Any, ...]], ...]) -> list[date]:
    """The days of a year within the limits."""
    # Without a limit by weekday, dateutil might take the weekday of its start.
    # With this interval there is no other year.
    parts = {'byweekday': range(7), **dict(limits)}
    return [wall.date() for wall in _expand(
        YEARLY, datetime(year, 1, 1), MAXYEAR, parts)]
