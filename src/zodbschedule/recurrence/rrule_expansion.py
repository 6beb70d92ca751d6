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
"""The wall times of a recurrence rule, as RFC 5545 expands it.

A rule comes to periods: every so many years, months, weeks, days, hours,
minutes or seconds, counted from its start.  The set of a period is each of its
days that match, at each of the times of the day that match.  BYSETPOS chooses
from the whole of it.  What is before the start is dropped last.  So the set of
a period is the same whatever moment is asked about.
"""

from bisect import bisect_left
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from enum import IntEnum
from functools import cached_property
from functools import lru_cache
from math import ceil
from math import prod
from typing import Any

from zodbschedule.recurrence.rrule_days import Days
from zodbschedule.recurrence.rrule_days import numbered
from zodbschedule.recurrence.rrule_periods import DAY
from zodbschedule.recurrence.rrule_periods import MonthPeriods
from zodbschedule.recurrence.rrule_periods import Pace
from zodbschedule.recurrence.rrule_periods import PacedPeriods
from zodbschedule.recurrence.rrule_periods import Periods
from zodbschedule.recurrence.rrule_periods import WeekPeriods


class Frequency(IntEnum):
    """What the periods of a rule are, the longest first."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5
    SECONDLY = 6


#: the parts that are about days
DAYS = ('BYMONTH', 'BYMONTHDAY', 'BYYEARDAY', 'BYWEEKNO', 'BYDAY')
#: those about the time of the day; in a period so long or longer, the set has
#: several of its numbers, in a shorter one it is limited to them
TIMES = {'BYHOUR': Frequency.DAILY, 'BYMINUTE': Frequency.HOURLY,
         'BYSECOND': Frequency.MINUTELY}

#: the lengths in seconds of the periods that are on one day
UNITS = {Frequency.DAILY: 86_400, Frequency.HOURLY: 3_600,
         Frequency.MINUTELY: 60, Frequency.SECONDLY: 1}


class Times:
    """The times of a set in a day, as seconds since its period began."""

    def __init__(self, hours: Sequence[int], minutes: Sequence[int],
                 seconds: Sequence[int]) -> None:
        self._places = hours, minutes, seconds
        self._size = prod(map(len, self._places))

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> int:
        hours, minutes, seconds = self._places
        index, second = divmod(index, len(seconds))
        hour, minute = divmod(index, len(minutes))
        return hours[hour] * 3600 + minutes[minute] * 60 + seconds[second]


@dataclass(frozen=True)
class Rule:
    """A rule of which nothing is left open.

    *start* is a naive datetime.  *parts* are the BY parts by name, each with
    its numbers, or `Weekday`s, ascending.  Weeks begin with the weekday
    *wkst*, Monday is 0.
    """

    start: datetime
    freq: Frequency
    interval: int = 1
    wkst: int = 0
    count: int | None = None
    until: datetime | None = None
    parts: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        """What it says, except for its start; hashable."""
        return (self.freq, self.interval, self.wkst, self.count, self.until,
                frozenset(self.parts.items()))

    def wall_times(self, wall: datetime) -> Iterator[datetime]:
        """The wall times from *wall* on, ascending; ignores COUNT and UNTIL.
        """
        wall = max(wall, self.start)
        day, second = wall.toordinal(), _second(wall)
        for days, begin in self._periods.since(day, second):
            chosen = self._chosen(len(days) * len(self._times))
            first = self._index(days, day, second - begin)
            for index in chosen[bisect_left(chosen, first):]:
                which_day, which_time = divmod(index, len(self._times))
                yield datetime.fromordinal(days[which_day]) + timedelta(
                    seconds=begin + self._times[which_time])

    def _index(self, days: list[int], day: int, second: int) -> int:
        """How many moments of a set are before one moment."""
        index = bisect_left(days, day)
        before = index * len(self._times)
        if days[index:index + 1] != [day]:
            return before
        return before + bisect_left(self._times, second)

    def _chosen(self, size: int) -> Sequence[int]:
        """Which of the moments of a set occur, as indexes."""
        if 'BYSETPOS' not in self.parts:
            return range(size)
        return _at_positions(size, self.parts['BYSETPOS'])

    @property
    def least_position(self) -> int:
        """How many moments a set needs, or none of them occurs."""
        positions: Sequence[int] = self.parts.get('BYSETPOS', (1,))
        return min(map(abs, positions))

    @property
    def largest_set(self) -> int:
        """No set has more moments to choose from."""
        days = {Frequency.YEARLY: 366, Frequency.MONTHLY: 31,
                Frequency.WEEKLY: len(self.parts.get('BYDAY', ()))}
        return days.get(self.freq, 1) * len(self._times)

    @cached_property
    def _times(self) -> Times:
        return Times(*(
            self.parts[name] if self.freq <= longest else (0,)
            for name, longest in TIMES.items()))

    @cached_property
    def _periods(self) -> Periods:
        parts = {name: self.parts[name] for name in DAYS if name in self.parts}
        if self.freq in UNITS:
            return self._paced_periods(parts)
        days = Days(parts, self.freq == Frequency.MONTHLY
                    or 'BYMONTH' in parts, self.wkst)
        least = ceil(self.least_position / len(self._times))
        if self.freq == Frequency.WEEKLY:
            return WeekPeriods(
                self.wkst, self.start, self.interval, days, least)
        size = 1 if self.freq == Frequency.MONTHLY else 12
        return MonthPeriods(size, self.start, self.interval, days, least)

    def _paced_periods(self, parts: dict[str, Any]) -> PacedPeriods:
        unit = UNITS[self.freq]
        first = (self.start.toordinal() * DAY + _second(self.start)) // unit
        limits = [self.parts.get(name, range(60))
                  for name, longest in TIMES.items() if self.freq > longest]
        pace = Pace(unit, first, self.interval, limits)
        if 'BYDAY' in parts:
            # The search would not end on weekdays that it never comes to.
            reached = pace.weekdays()
            parts['BYDAY'] = [day for day in parts['BYDAY']
                              if day.weekday in reached]
        return PacedPeriods(pace, Days(parts, False, self.wkst))


def _second(wall: datetime) -> int:
    """The second of the day, rounded up."""
    return (wall.hour * 3600 + wall.minute * 60 + wall.second
            + bool(wall.microsecond))


@lru_cache(maxsize=1024)
def _at_positions(size: int, positions: tuple[int, ...]) -> Sequence[int]:
    """The indexes of these positions, ascending."""
    return sorted({*numbered(range(size), positions)})
