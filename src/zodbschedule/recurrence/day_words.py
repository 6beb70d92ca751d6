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
"""The days of a rule in words, such as "on the last Friday of each month"."""

from collections.abc import Sequence
from dataclasses import dataclass

from zodbschedule.recurrence.words import listed
from zodbschedule.recurrence.words import ordinal
from zodbschedule.recurrence.words import rank
from zodbschedule.recurrence.words import ranks
from zodbschedule.recurrence.words import rows
from zodbschedule.recurrence.words import step_of


WEEKDAYS = ('Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday',
            'Sunday')
MONTHS = ('January', 'February', 'March', 'April', 'May', 'June', 'July',
          'August', 'September', 'October', 'November', 'December')

# From how many on a row of days or months is told by its ends, and days that
# are some days apart by their step.
RUN, STEPS = 3, 4


@dataclass(frozen=True)
class Days:
    """Which days; where nothing is said, all of them."""

    months: Sequence[int] = ()
    #: below zero they count from the end of the month
    monthdays: Sequence[int] = ()
    #: each of these weekdays, Monday is 0
    weekdays: Sequence[int] = ()
    #: (weekday, its number in the month or year)
    numbered: Sequence[tuple[int, int]] = ()
    #: such as "the last working day", of the month or year
    named: Sequence[str] = ()
    #: a day of the month has to be one of the weekdays, too
    needs_both: bool = True
    #: in what the days are numbered, and every so many of these
    span: str = 'month'
    interval: int = 1
    #: every so many years, where the days are numbered in months
    years: int = 1
    #: every so many weeks, or days
    pace: tuple[int, str] | None = None

    def __str__(self) -> str:
        """What comes before a time of the day."""
        if date := self._date():
            return f'{self._every_year()} {date}'
        if text := self._of_span():
            condition = self._condition()
            return f'{text}{condition}{"," if condition else ""}'
        return (self._at_pace() or self._of_week() or 'every day') + (
            self._in())

    @property
    def within(self) -> str:
        """What comes after a period that is less than a day, with a space."""
        if date := self._date():
            return f' on {date}'
        if text := self._of_span():
            return f' {text}{self._condition()}'
        if text := self._at_pace():
            return f'{"," if " week " in text else " on"} {text}{self._in()}'
        if not self.weekdays:
            return self._in()
        if run := _run(self.weekdays, WEEKDAYS):
            return f', {run}{self._in()}'
        names = (f'{WEEKDAYS[day]}s' for day in self.weekdays)
        return f' on {listed(names)}{self._in()}'

    # -- Days of the month and of the week

    def _date(self) -> str | None:
        """Such as "December 25"."""
        if (len(self.monthdays), len(self.months), self.interval) != (
                1, 1, 1) or self.monthdays[0] < 0 or self._has_others:
            return None
        return f'{MONTHS[self.months[0] - 1]} {self.monthdays[0]}'

    def _every_year(self) -> str:
        if self.years == 1:
            return 'every'
        return f'every {rank(self.years)} year on'

    @property
    def _has_others(self) -> bool:
        """Whether there is more than days of the month."""
        return bool(self.weekdays or self.numbered or self.named)

    def _at_pace(self) -> str | None:
        """Such as "every second Tuesday" and "every third day"."""
        if self.pace is None:
            return None
        number, unit = self.pace
        if len(self.weekdays) == 1:
            return f'every {rank(number)} {WEEKDAYS[self.weekdays[0]]}'
        if unit == 'day':
            return f'every {rank(number)} day'
        if run := _run(self.weekdays, WEEKDAYS):
            return f'every {rank(number)} week from {run}'
        names = (WEEKDAYS[day] for day in self.weekdays)
        return f'every {rank(number)} week on {listed(names)}'

    def _of_week(self) -> str | None:
        if not self.weekdays:
            return None
        if run := _run(self.weekdays, WEEKDAYS):
            return run
        return f'every {listed(WEEKDAYS[day] for day in self.weekdays)}'

    def _of_span(self) -> str | None:
        """What is numbered in a month or year."""
        if not (self.monthdays or self.numbered or self.named
                or self.interval > 1):
            return None
        days = [*monthdays_words(self.monthdays), *self.named]
        if not days:
            days = self._weekdays('every')
        elif not self.needs_both:
            days += self._weekdays('any')
        last = 'and' if self.needs_both else 'or'
        is_run = len(days) == 1 and _is_run(self.monthdays)
        return f'{"from" if is_run else "on"} {listed(days, last)}{self._of()}'

    def _condition(self) -> str:
        """Which of the days of the month it has to be as well."""
        weekdays = self._weekdays('a')
        if not (self.needs_both and self.monthdays and weekdays):
            return ''
        return f', if {listed(weekdays, "or")}'

    def _weekdays(self, article: str) -> list[str]:
        """Such as "any Monday" and "the first Friday"."""
        days = []
        if run := _run(self.weekdays, WEEKDAYS):
            days.append(f'{article} day from {run}')
        elif self.weekdays:
            days.append(f'{article} ' + listed(
                (WEEKDAYS[day] for day in self.weekdays),
                'and' if article == 'every' else 'or'))
        for weekday in sorted({weekday for weekday, _ in self.numbered}):
            numbers = ranks(number for day, number in self.numbered
                               if day == weekday)
            days.append(f'the {listed(numbers)} {WEEKDAYS[weekday]}')
        return days

    # -- The months

    def _of(self) -> str:
        if not self.months:
            if self.interval == 1:
                return f' of each {self.span}{self._in_years()}'
            return f' of every {rank(self.interval)} {self.span}'
        if _is_row(self.months):
            return f' of each month{self._in()}'
        return f' of {_months(self.months)}{self._in_years()}'

    def _in(self) -> str:
        if not self.months:
            return self._in_years()
        if _is_row(self.months):
            return f' from {_run(self.months, MONTHS, 1)}{self._in_years()}'
        return f' in {_months(self.months)}{self._in_years()}'

    def _in_years(self) -> str:
        if self.years == 1:
            return ''
        return f' in every {rank(self.years)} year'


def _is_row(months: Sequence[int]) -> bool:
    return _run(months, MONTHS, 1) is not None


def _months(months: Sequence[int]) -> str:
    if len(months) == 6 and step_of(months) == 2:
        return f'every second month from {MONTHS[months[0] - 1]}'
    length = 3 if len(months) > STEPS else None
    return listed(MONTHS[month - 1][:length] for month in months)


def _run(numbers: Sequence[int], names: Sequence[str],
         low: int = 0) -> str | None:
    """Such as "Friday to Monday", if they follow each other, around the end.
    """
    found = rows(numbers)
    last = low + len(names) - 1
    if len(found) == 2 and (found[0][0], found[1][-1]) == (low, last):
        found = [found[1] + found[0]]
    if len(numbers) < RUN or len(found) > 1:
        return None
    return f'{names[found[0][0] - low]} to {names[found[0][-1] - low]}'


def monthdays_words(days: Sequence[int]) -> list[str]:
    """Such as "the 1st to the 7th" and "the last day"."""
    from_begin = [day for day in days if day > 0]
    from_end = ranks(day for day in days if day < 0)
    texts = []
    if len(from_begin) >= STEPS and (step_of(from_begin) or 1) > 1:
        texts.append(_stepped(from_begin))
    elif from_begin:
        texts.append(_monthday_rows(from_begin))
    if from_end:
        texts.append(f'the {listed(from_end)} day')
    return texts


def _stepped(days: Sequence[int]) -> str:
    first, second, *_, last = days
    step = second - first
    end = '' if last + step > 31 else f' to the {ordinal(last)}'
    return f'every {rank(step)} day from the {ordinal(first)}{end}'


def _is_run(days: Sequence[int]) -> bool:
    return len(days) >= RUN and days[0] > 0 and step_of(days) == 1


def _monthday_rows(days: Sequence[int]) -> str:
    texts = []
    for row in rows(days):
        if len(row) >= RUN:
            texts.append(f'{ordinal(row[0])} to the {ordinal(row[-1])}')
        else:
            texts.extend(map(ordinal, row))
    if len(texts) == len(days):
        return f'the {listed(texts)}'
    return listed(f'the {text}' for text in texts)
