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
from datetime import date
from functools import lru_cache
from itertools import compress
from itertools import cycle
from math import gcd
from typing import Protocol

from zodbschedule.recurrence.rrule_days import END
from zodbschedule.recurrence.rrule_days import Days
from zodbschedule.recurrence.rrule_days import first_day
from zodbschedule.recurrence.rrule_days import months_of
from zodbschedule.recurrence.rrule_days import same_kind


DAY = 86_400  # seconds

#: its days that match, and the second of the day at which it begins
Period = tuple[list[int], int]


class Periods(Protocol):
    """The periods that a rule comes to by its interval."""

    def since(self, day: int, second: int) -> Iterator[Period]:
        """Those with days that match, from one moment on, ascending.

        The first ones may have ended before.  *second* is the time of the day;
        86,400 is the end of the day.
        """


# -- Years, months and weeks: those in which fewer days than *least* match are
# -- left out


@dataclass(frozen=True, eq=False)
class MonthPeriods:
    """Every so many times *size* months; twelve months are a year."""

    size: int
    start: date
    interval: int
    days: Days
    least: int

    def since(self, day: int, second: int) -> Iterator[Period]:
        """As in `Periods`."""
        in_year = 12 // self.size
        first = (self.start.year * 12 + self.start.month - 1) // self.size
        for year, _ in self.days.years(day):
            sets = self._sets(same_kind(year))
            for number in range((first - year * in_year) % self.interval,
                                in_year, self.interval):
                if number in sets:
                    begin = first_day(year)
                    yield [begin + day for day in sets[number]], 0

    @lru_cache(maxsize=1024)
    def _sets(self, year: int) -> dict[int, list[int]]:
        """The periods of a year by number, with days from 0 on."""
        months = months_of(year)
        first = months[0].start
        sets = {}
        for number in range(12 // self.size):
            begin = months[number * self.size].start
            end = months[(number + 1) * self.size - 1].stop
            days = self.days.between(begin, end)
            if len(days) >= self.least:
                sets[number] = [day - first for day in days]
        return sets


@dataclass(frozen=True)
class WeekPeriods:
    """Every so many weeks that begin with the weekday *wkst*."""

    wkst: int
    start: date
    interval: int
    days: Days
    least: int

    def since(self, day: int, second: int) -> Iterator[Period]:
        """As in `Periods`."""
        first = self._begin(self.start.toordinal())
        while (match := self.days.next(day)) < END:
            week = self._begin(match)
            day = week + (first - week) % (7 * self.interval)
            if day == week:
                days = self.days.between(week, week + 7)
                if len(days) >= self.least:
                    yield days, 0
                day = week + 7

    def _begin(self, day: int) -> int:
        """The first day of the week of *day*."""
        return day - (day - 1 - self.wkst) % 7


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

    @property
    def units(self) -> int:
        """How many units a day has."""
        return DAY // self.unit

    def next(self, number: int) -> int:
        """The first unit at this pace and at its times, from one on."""
        turn, wheel = self._wheel()
        step = self._steps(number)
        found = wheel.find(1, step % turn)
        if found < 0:
            return END * self.units
        return self.first + (step - step % turn + found) * self.interval

    def between(self, begin: int, end: int) -> Iterator[int]:
        """Those from one unit on and before another, in the same year.

        The interval is a day or longer.
        """
        turn, wheel = self._wheel()
        step = self._steps(begin)
        numbers = range(self.first + step * self.interval, end, self.interval)
        begin = step % turn
        return compress(numbers, wheel[begin:begin + len(numbers)])

    def weekdays(self) -> set[int]:
        """The weekdays on which it comes to its times; Monday is 0."""
        units = self.units
        # After so many steps it is at the same time of a day again,
        steps = units // gcd(self.interval, units)
        if steps * self.interval // units % 7:
            return {*range(7)}  # and each time on another weekday.
        turn, wheel = self._wheel()
        return {(number // units - 1) % 7 for number in compress(
            self._numbers(steps), cycle(wheel[:turn]))}

    def _steps(self, number: int) -> int:
        """After how many steps it comes to a unit, or passes it."""
        return -((self.first - number) // self.interval)

    def _numbers(self, steps: int) -> range:
        return range(self.first, self.first + steps * self.interval,
                     self.interval)

    @lru_cache(maxsize=64)
    def _wheel(self) -> tuple[int, bytes]:
        """The steps after which all comes again, and which are at its times.

        Those are 1, the others 0; there are so many turns that a year of days
        can follow on the first.
        """
        day = b'\1'
        for size, numbers in reversed([*zip((24, 60, 60), self.times)]):
            day = b''.join(day if number in numbers else bytes(len(day))
                           for number in range(size))
        # Where all hours are alike, an hour stands for the day.
        units = (day + day).index(day, 1)
        turn = bytes(day[number % units] for number in self._numbers(
            units // gcd(units, self.interval)))
        return len(turn), turn * (2 + 366 // len(turn))


@dataclass(frozen=True)
class PacedPeriods:
    """The periods at a pace, on days that match."""

    pace: Pace
    days: Days

    def since(self, day: int, second: int) -> Iterator[Period]:
        """As in `Periods`."""
        unit, units = self.pace.unit, self.pace.units
        search = self._often if self.pace.interval < units else self._seldom
        for number in search(day * units + second // unit):
            yield [number // units], number % units * unit

    def _often(self, begin: int) -> Iterator[int]:
        """For a pace that comes to each day."""
        units = self.pace.units
        number = self.pace.next(begin)
        while (match := self.days.next(number // units)) < END:
            if match == number // units:
                yield number
                number += 1
            else:
                number = match * units
            number = self.pace.next(number)

    def _seldom(self, begin: int) -> Iterator[int]:
        """For one that does not: it can miss a weekday for a thousand years.
        """
        units = self.pace.units
        number = self.pace.next(begin)
        for year, mask in self.days.years(begin // units):
            first = first_day(year) * units
            end = first + len(mask) * units
            if number < end:
                numbers = [*self.pace.between(
                    max(number, first + mask.find(1) * units), end)]
                yield from (each for each in numbers
                            if mask[(each - first) // units])
                number = end if numbers else self.pace.next(end)
