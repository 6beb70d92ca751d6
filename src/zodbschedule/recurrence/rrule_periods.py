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
"""The periods that a rule of RFC 5545 comes to by its interval.

A period is a year, a month, a week, a day, an hour, a minute or a second.
Nothing here walks from one to the next.  A search goes in turn to the next day
that matches and to the next period that the interval comes to.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR
from datetime import date
from functools import lru_cache
from itertools import compress
from itertools import cycle
from math import gcd
from typing import Protocol

from zodbschedule.recurrence.rrule_days import CYCLE
from zodbschedule.recurrence.rrule_days import END
from zodbschedule.recurrence.rrule_days import Days


DAY = 86_400  # seconds

#: its days that match, and the second of the day at which it begins
Period = tuple[list[int], int]


class Periods(Protocol):
    """The periods that a rule comes to."""

    def since(self, day: int, second: int) -> Iterator[Period]:
        """Those with days that match, from one moment on, ascending.

        The first may have begun before.  *second* is the time of the day;
        86,400 is the end of the day.
        """


# -- Weeks, months and years


@dataclass(frozen=True)
class Weeks:
    """The weeks that begin with the weekday *wkst*."""

    wkst: int
    #: after how many the calendar repeats
    cycle = CYCLE * 365 // 7 + CYCLE // 4

    def number(self, day: int) -> int:
        """Which week a day is in."""
        return (day - 1 - self.wkst) // 7

    def begin(self, number: int) -> int:
        """The first day of a week."""
        return number * 7 + 1 + self.wkst


@dataclass(frozen=True)
class Months:
    """The spans of *size* months: 1, or 12 for years."""

    size: int

    @property
    def cycle(self) -> int:
        """After how many the calendar repeats."""
        return CYCLE * 12 // self.size

    def number(self, day: int) -> int:
        """Which span a day is in."""
        moment = date.fromordinal(day)
        return (moment.year * 12 + moment.month - 1) // self.size

    def begin(self, number: int) -> int:
        """The first day of a span."""
        year, month = divmod(number * self.size, 12)
        return date(year, month + 1, 1).toordinal() if year <= MAXYEAR else END


@dataclass(frozen=True)
class CalendarPeriods:
    """Every so many weeks, months or years, counted from that of *first*.

    Those in which fewer days than *least* match are left out.
    """

    spans: Weeks | Months
    first: int
    interval: int
    days: Days
    least: int

    def since(self, day: int, second: int) -> Iterator[Period]:
        """As in `Periods`."""
        number = self._at_pace(day)
        # After so many the calendar repeats, and would go on for ever.
        tries = most = self.spans.cycle // gcd(self.spans.cycle, self.interval)
        while tries >= 0 and (match := self.days.next(
                self.spans.begin(number))):
            number = self._at_pace(match)
            days = self.days.between(
                self.spans.begin(number), self.spans.begin(number + 1))
            tries -= 1
            if len(days) >= self.least:
                yield days, 0
                tries = most
            number += self.interval

    def _at_pace(self, day: int) -> int:
        """The first period that the interval comes to, from that of a day on.
        """
        number, first = map(self.spans.number, (day, self.first))
        return number + (first - number) % self.interval


# -- Days, hours, minutes and seconds


@dataclass(frozen=True, eq=False)
class Pace:
    """Every so many units of time, counted from *first*, at certain times.

    A *unit* is a number of seconds; the units are numbered from the day 0 on.
    *times* are the numbers allowed of each place of the time of the day:
    hours; hours and minutes; hours, minutes and seconds.
    """

    unit: int
    first: int
    interval: int
    times: Sequence[Sequence[int]]

    def next(self, number: int) -> int | None:
        """The first unit at this pace and at its times, from one on."""
        wheel = self._wheel()
        step = -((self.first - number) // self.interval)
        begin = step % (len(wheel) // 2)
        found = wheel.find(1, begin)
        if found < 0:
            return None
        return self.first + (step + found - begin) * self.interval

    def weekdays(self) -> set[int]:
        """The weekdays on which it comes to its times; Monday is 0."""
        units = DAY // self.unit
        # After so many steps it is at the same time of a day again,
        steps = units // gcd(self.interval, units)
        if steps * self.interval // units % 7:
            return {*range(7)}  # and each time on another weekday.
        return {(number // units - 1) % 7 for number in compress(
            self._numbers(steps), cycle(self._wheel()))}

    def _numbers(self, steps: int) -> range:
        return range(self.first, self.first + steps * self.interval,
                     self.interval)

    @lru_cache(maxsize=64)
    def _wheel(self) -> bytes:
        """Two turns through all times of a day that the steps come to.

        Each is 1 if it is one of the times, else 0.
        """
        day = b'\1'
        for size, numbers in reversed([*zip((24, 60, 60), self.times)]):
            day = b''.join(day if number in numbers else bytes(len(day))
                           for number in range(size))
        # Where all hours are alike, an hour stands for the day.
        units = (day + day).index(day, 1)
        return 2 * bytes(day[number % units] for number in self._numbers(
            units // gcd(units, self.interval)))


@dataclass(frozen=True)
class PacedPeriods:
    """The periods at a pace, on days that match."""

    pace: Pace
    days: Days

    def since(self, day: int, second: int) -> Iterator[Period]:
        """As in `Periods`."""
        unit = self.pace.unit
        units = DAY // unit
        number = self.pace.next(day * units + second // unit)
        while number is not None and (match := self.days.next(
                number // units)):
            if match == number // units:
                yield [match], number % units * unit
                number += 1
            else:
                number = match * units
            number = self.pace.next(number)
