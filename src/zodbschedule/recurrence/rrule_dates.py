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
"""The wall times that a recurrence rule of RFC 5545 names.

dateutil expands it, on naive datetimes, so that it knows of no zone.  Two
things are done here that it does not do.  It begins near the time in question
instead of at DTSTART, years before; and a rule by days, hours or less is split
into its pace and the days that it is limited to, because dateutil would walk
through all the days between.
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

#: dateutil's names of the parts that choose the time of a day; those of days
TIMES = (
    (HOURLY, 'byhour'), (MINUTELY, 'byminute'), (SECONDLY, 'bysecond'))
DAYS = ('bymonth', 'bymonthday', 'byyearday', 'byweekno', 'byweekday')

# The calendar repeats itself after this many years, so what has not been
# found until then is not there.
CYCLE = 400
# On how many days in a row the pace may find nothing before the rule is taken
# for one that never occurs.  Smaller, and one whose interval meets its days
# only once in a long while would end.
FRUITLESS = 1_000


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

    def walls(self, wall: datetime) -> Iterator[datetime]:
        """The wall times from *wall* on, COUNT and UNTIL left aside."""
        wall = max(wall, self.start)
        if self.freq < DAILY or not any(name in self.parts for name in DAYS):
            return self._paced(wall, self.parts)
        return self._limited(wall)

    def _paced(self, wall: datetime,
               parts: dict[str, Any]) -> Iterator[datetime]:
        """What dateutil finds, from a period on that is in phase."""
        try:
            for found in _expand(self.freq, self._in_phase(wall),
                                 self.interval, {**parts, 'wkst': self.wkst}):
                if found >= wall:
                    yield found
        except (ValueError, OverflowError):
            return  # the parts exclude each other, or the years are used up

    def _limited(self, wall: datetime) -> Iterator[datetime]:
        """Where the pace falls on one of the days."""
        pace = {name: value for name, value in self.parts.items()
                if name not in DAYS}
        tries = 0
        while tries < FRUITLESS and (day := self._day_from(wall.date())):
            wall = max(wall, datetime.combine(day, time()))
            for found in self._paced(wall, pace):
                wall = found
                if found.date() != day:
                    break
                yield found
                tries = 0
            else:
                return
            tries += 1

    def _day_from(self, day: date) -> date | None:
        """The first of the days from this on."""
        limits = tuple(
            (name, tuple(self.parts[name]))
            for name in DAYS if name in self.parts)
        for year in range(day.year, min(day.year + CYCLE, MAXYEAR + 1)):
            days = _days_of(year, limits)
            if (index := bisect_left(days, day)) < len(days):
                return days[index]
        return None

    def _in_phase(self, wall: datetime) -> datetime:
        """The beginning of the last period until *wall*."""
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
        # In the first period dateutil looks at what is left of it only.
        return max(begin, start)

    def _first_period(self) -> datetime:
        """The beginning of the period that the start is in."""
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
    """What dateutil makes of a rule."""
    settings: dict[str, Any] = {
        'freq': freq, 'dtstart': start, 'interval': interval, **parts}
    return iter(rrule(**settings))


@lru_cache(maxsize=1024)
def _days_of(year: int,
             limits: tuple[tuple[str, tuple[Any, ...]], ...]) -> list[date]:
    """The days of a year that keep the limits."""
    # Without a limit by weekday, dateutil might take that of its start; and
    # there is no next year in so many years.
    parts = {'byweekday': range(7), **dict(limits)}
    return [found.date() for found in _expand(
        YEARLY, datetime(year, 1, 1), MAXYEAR, parts)]
