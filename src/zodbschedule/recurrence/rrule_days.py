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
"""The days that the BY parts of a rule of RFC 5545 match.

A day is its number in the calendar, as `date.toordinal` gives it.  Each part
that is about days gives days of a year, and a day matches if all parts give
it.  So it makes no difference here whether the table of the RFC lets a part
"expand" or "limit".
"""

from calendar import isleap
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR
from datetime import MINYEAR
from datetime import date
from functools import lru_cache
from itertools import chain
from itertools import compress
from typing import Any
from typing import NamedTuple
from typing import TypeVar


#: the day after the last one of the calendar
END = date.max.toordinal() + 1
# The calendar repeats after this many years, so a day that has not been found
# by then does not exist.
CYCLE = 400

Item = TypeVar('Item')


class Weekday(NamedTuple):
    """A day of BYDAY.  Monday is 0; the number 0 stands for all of them."""

    weekday: int
    number: int = 0


@dataclass(frozen=True, eq=False)
class Days:
    """The days that match all *parts*, a mapping from their names.

    The numbers in BYDAY count in the month if *in_months*, else in the year.
    Weeks begin with the weekday *wkst*.
    """

    parts: Mapping[str, Any]
    in_months: bool
    wkst: int

    def next(self, day: int) -> int:
        """The first day that matches, from *day* on, or `END`."""
        for year, mask in self.years(day):
            first = first_day(year)
            found = mask.find(1, max(day - first, 0))
            if found >= 0:
                return first + found
        return END

    def between(self, begin: int, end: int) -> list[int]:
        """The days that match, from *begin* on and before *end*."""
        found: list[int] = []
        for year in range(year_of(begin), min(year_of(end), MAXYEAR) + 1):
            first = first_day(year)
            begin = max(begin, first)
            found += compress(range(begin, end),
                              self._mask(same_kind(year))[begin - first:])
        return found

    def years(self, day: int) -> Iterator[tuple[int, bytes]]:
        """The years with days that match, from that of *day* on.

        With each its mask: for each of its days 1 if it matches, else 0.
        """
        empty = 0
        for year in range(year_of(day), MAXYEAR + 1):
            mask = self._mask(same_kind(year))
            if 1 in mask:
                yield year, mask
                empty = 0
            elif (empty := empty + 1) > CYCLE:
                return

    @lru_cache(maxsize=1024)
    def _mask(self, year: int) -> bytes:
        days = _days(year)
        matching = set(days)
        for name, values in self.parts.items():
            matching.intersection_update(self._given_by(name, values, year))
        return bytes(day in matching for day in days)

    def _given_by(self, name: str, values: Any, year: int) -> Iterable[int]:
        """The days of a year that one part gives."""
        months = months_of(year)
        match name:
            case 'BYMONTH':
                return chain(*numbered(months, values))
            case 'BYMONTHDAY':
                return chain(*(numbered(month, values) for month in months))
            case 'BYYEARDAY':
                return numbered(_days(year), values)
            case 'BYWEEKNO':
                # Its first and last days may be in weeks of other years.
                return chain(*(chain(*numbered(_weeks(each, self.wkst),
                                               values))
                               for each in (year - 1, year, year + 1)))
            case _:
                spans = months if self.in_months else [_days(year)]
                return chain(*(_weekdays(span, value)
                               for span in spans for value in values))


def numbered(items: Sequence[Item], numbers: Iterable[int]) -> Iterator[Item]:
    """The items with these numbers: 1 is the first, -1 the last.

    A number beyond what there is gives nothing.
    """
    for number in numbers:
        if 1 <= abs(number) <= len(items):
            yield items[number - 1 if number > 0 else number]


# -- A year, its months and weeks, as ranges of days


def year_of(day: int) -> int:
    """The year that a day is in, or the one before or after the calendar."""
    return date.fromordinal(day).year if 0 < day < END else (
        MAXYEAR + 1 if day > 0 else MINYEAR)


def first_day(year: int) -> int:
    """The first day of a year, or of the one after the calendar."""
    return date(year, 1, 1).toordinal() if year <= MAXYEAR else END


def _days(year: int) -> range:
    return range(first_day(year), first_day(year + 1))


@lru_cache(maxsize=64)
def months_of(year: int) -> list[range]:
    """The months of a year."""
    begins = [date(year, month, 1).toordinal() for month in range(1, 13)]
    return [*map(range, begins, [*begins[1:], first_day(year + 1)])]


def _weeks(year: int, wkst: int) -> list[range]:
    """The weeks that have at least four of their days in the year."""
    begin, end = (fourth - (fourth - 1 - wkst) % 7 for fourth in (
        first_day(year) + 3, first_day(year + 1) + 3))
    return [range(day, day + 7) for day in range(begin, end, 7)]


def _weekdays(span: range, day: Weekday) -> Iterable[int]:
    """A weekday in a span of days: all, or the one with its number."""
    # The first day of the calendar is a Monday.
    days = range(span.start + (day.weekday - span.start + 1) % 7, span.stop, 7)
    return numbered(days, [day.number]) if day.number else days


# -- There are 28 kinds of years: by the first weekday, and by whether the year
# -- or one beside it is a leap year.  All of a kind have the same days and
# -- weeks, so that a search looks at no more than 28 years.


def same_kind(year: int) -> int:
    """A year of the same kind, always the same one."""
    return _SAME_KIND[year % CYCLE]


def _kind(year: int) -> tuple[int, ...]:
    return (date(year, 1, 1).weekday(),
            *(isleap(each) for each in (year - 1, year, year + 1)))


_OF_KIND = {_kind(year): year for year in range(2000, 2000 + CYCLE)}
_SAME_KIND = [_OF_KIND[_kind(year)] for year in range(2000, 2000 + CYCLE)]
