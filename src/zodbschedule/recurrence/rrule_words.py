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
"""An RRULE in words, such as "every second Tuesday at 09:00, 10 times"."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from datetime import time
from datetime import tzinfo

from zodbschedule.recurrence.day_words import WEEKDAYS
from zodbschedule.recurrence.day_words import Days
from zodbschedule.recurrence.day_words import monthdays_words
from zodbschedule.recurrence.rrule_days import Weekday
from zodbschedule.recurrence.rrule_expansion import TIMES
from zodbschedule.recurrence.rrule_expansion import Frequency
from zodbschedule.recurrence.rrule_expansion import Rule
from zodbschedule.recurrence.time_words import TimesOfDay
from zodbschedule.recurrence.words import each
from zodbschedule.recurrence.words import listed
from zodbschedule.recurrence.words import ranks


# With more, the rule itself is easier to read.
MAX_LENGTH = 150

UNITS = {Frequency.HOURLY: ('hour', 24), Frequency.MINUTELY: ('minute', 60),
         Frequency.SECONDLY: ('second', 60)}
WORKING_DAYS = {*range(5)}
ALL_DAYS = {*range(7)}
END_OF_DAY = time(23, 59, 59)


class NoWords(Exception):
    """No sentence says this well."""


def rrule_words(rule: Rule) -> str | None:
    """What it says, except for its start and end; None without a sentence."""
    try:
        words = _Words(rule).sentence()
    except NoWords:
        return None
    return words if len(words) <= MAX_LENGTH else None


def span_words(rule: Rule, zone: tzinfo | None) -> str:
    """From when on, and how long, such as "10 times from 2026-01-06"."""
    is_of_day = _Words(rule).are_times_of_day
    start = f'from {_moment(rule.start, is_of_day)}'
    if rule.count is not None:
        times = 'only once' if rule.count == 1 else f'{rule.count} times'
        return f'{times} {start}'
    if rule.until is None:
        return start
    return f'{start} until {_end(rule.until, zone)}'


def _moment(wall: datetime, is_of_day: bool) -> str:
    """With the time of the day, unless the words tell it."""
    if is_of_day:
        return f'{wall:%Y-%m-%d}'
    return wall.isoformat(' ', 'seconds' if wall.second else 'minutes')


def _end(until: datetime, zone: tzinfo | None) -> str:
    """In the zone; the last second of a day is the day."""
    try:
        wall = until.astimezone(zone).replace(tzinfo=None)
    except ValueError:  # the zone is not known
        return f'{_moment(until.replace(tzinfo=None), False)} UTC'
    return _moment(wall, wall.time() == END_OF_DAY)


@dataclass(frozen=True)
class _Words:

    rule: Rule

    def sentence(self) -> str:
        days = self._days()
        if not self.are_times_of_day:
            unit, _ = UNITS[self.rule.freq]
            self._check_phase()
            return each(self.rule.interval, unit) + days.within
        hours, minutes, seconds = map(self._numbers, TIMES)
        if 'BYSETPOS' in self.rule.parts and (
                len(hours) * len(minutes) * len(seconds) > 1):
            raise NoWords
        return str(TimesOfDay(seconds, minutes, hours, days))

    # -- The times of the day

    def _check_phase(self) -> None:
        """Only the start says the time of the day."""
        start = self.rule.start
        for name in TIMES:
            own = getattr(start, name.removeprefix('BY').lower())
            if self.rule.parts.get(name, (own,)) != (own,):
                raise NoWords

    @property
    def are_times_of_day(self) -> bool:
        """Whether the times are the same on each of the days."""
        rule = self.rule
        if rule.freq not in UNITS or rule.interval == 1:
            return True
        return any(name in rule.parts and rule.freq > longest
                   for name, longest in TIMES.items())

    def _numbers(self, name: str) -> Sequence[int]:
        """The numbers of a unit of the time of the day."""
        unit, size = UNITS[Frequency(TIMES[name] + 1)]
        numbers: Sequence[int] = self.rule.parts.get(name, range(size))
        if self.rule.freq != TIMES[name] + 1 or self.rule.interval == 1:
            return numbers
        start = getattr(self.rule.start, unit)
        met = [number for number in numbers
               if (number - start) % self.rule.interval == 0]
        if size % self.rule.interval or not met:
            raise NoWords
        return met

    # -- The days

    def _days(self) -> Days:
        parts, freq = self.rule.parts, self.rule.freq
        if 'BYSETPOS' in parts:
            return self._in_years(self._at_positions())
        if 'BYYEARDAY' in parts or 'BYWEEKNO' in parts:
            return self._of_year()
        if freq >= Frequency.WEEKLY and self.rule.interval > 1:
            return self._paced()
        days = self._matching()
        if freq == Frequency.MONTHLY and self.rule.interval > 1:
            return self._in_months(days)
        return self._in_years(days)

    def _matching(self) -> Days:
        """Those that match all parts."""
        parts = self.rule.parts
        is_of_year = (
            self.rule.freq == Frequency.YEARLY and 'BYMONTH' not in parts)
        weekdays: tuple[Weekday, ...] = parts.get('BYDAY', ())
        numbered = tuple((day, number) for day, number in weekdays if number)
        if is_of_year and numbered and 'BYMONTHDAY' in parts:
            raise NoWords
        return Days(
            months=parts.get('BYMONTH', ()),
            monthdays=parts.get('BYMONTHDAY', ()),
            weekdays=tuple(day for day, number in weekdays if not number),
            numbered=numbered,
            span='year' if is_of_year and numbered else 'month')

    def _in_months(self, days: Days) -> Days:
        if days.months:
            raise NoWords
        return replace(days, interval=self.rule.interval)

    def _in_years(self, days: Days) -> Days:
        if self.rule.freq > Frequency.YEARLY or self.rule.interval == 1:
            return days
        if days.span == 'year':
            return replace(days, interval=self.rule.interval)
        return replace(days, years=self.rule.interval)

    def _paced(self) -> Days:
        """Every so many weeks, or days; with a time of the day, every day."""
        days, interval = self._matching(), self.rule.interval
        if self.rule.freq > Frequency.DAILY:
            return days
        if self.rule.freq == Frequency.WEEKLY:
            return replace(days, pace=(interval, 'week'))
        if days.weekdays or days.monthdays:
            raise NoWords
        return replace(days, pace=(interval, 'day'))

    def _of_year(self) -> Days:
        """By the numbers of days, or weeks, of the year."""
        parts = self.rule.parts
        if {'BYMONTH', 'BYMONTHDAY'} & {*parts}:
            raise NoWords
        if 'BYWEEKNO' not in parts:
            if 'BYDAY' in parts:
                raise NoWords
            numbers = listed(ranks(parts['BYYEARDAY']))
            named = f'the {numbers} day'
        elif 'BYYEARDAY' in parts:
            raise NoWords
        else:
            days = listed(WEEKDAYS[day] for day, _ in parts['BYDAY'])
            named = f'{days} of {_weeks(parts["BYWEEKNO"])}'
        return self._in_years(Days(named=(named,), span='year'))

    def _at_positions(self) -> Days:
        """Those that BYSETPOS chooses from a month."""
        rule = self.rule
        months = rule.parts.get('BYMONTH', ())
        is_of_month = rule.freq == Frequency.MONTHLY or (
            rule.freq == Frequency.YEARLY and len(months) == 1
            and not {'BYYEARDAY', 'BYWEEKNO'} & {*rule.parts})
        if not is_of_month or rule.freq == Frequency.MONTHLY and (
                rule.interval > 1 and months):
            raise NoWords
        interval = rule.interval if rule.freq == Frequency.MONTHLY else 1
        return Days(months=months, named=(self._chosen(),), interval=interval)

    def _chosen(self) -> str:
        parts = self.rule.parts
        weekdays = {day for day, _ in parts.get('BYDAY', ())}
        if any(number for _, number in parts.get('BYDAY', ())):
            raise NoWords
        positions = f'the {listed(ranks(parts["BYSETPOS"]))}'
        if 'BYMONTHDAY' not in parts:
            return f'{positions} {_kind(weekdays)}'
        monthdays = listed(monthdays_words(parts['BYMONTHDAY']))
        kind = f' {_kind(weekdays)}' if weekdays else ''
        return f'{positions}{kind} of {monthdays}'


def _kind(weekdays: set[int]) -> str:
    """What days with these weekdays are called."""
    if weekdays == WORKING_DAYS:
        return 'working day'
    if weekdays == ALL_DAYS:
        return 'day'
    return listed((WEEKDAYS[day] for day in sorted(weekdays)), 'or')


def _weeks(numbers: Sequence[int]) -> str:
    if min(numbers) < 0:
        return f'the {listed(ranks(numbers))} week'
    plural = 's' if len(numbers) > 1 else ''
    return f'week{plural} {listed(map(str, numbers))}'
