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

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

from zodbschedule.recurrence.words import listed
from zodbschedule.recurrence.words import ordinal
from zodbschedule.recurrence.words import rank
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
    #: numbers of the working days of the month
    working: Sequence[int] = ()
    #: a day of the month has to be one of the weekdays, too
    needs_both: bool = True
    #: every so many months, or years
    interval: int = 1
    #: in what the days are numbered
    span: str = 'month'

    def __str__(self) -> str:
        """What comes before a time of the day."""
        if date := self._date():
            return f'every {date}'
        if text := self._of_span():
            condition = self._condition()
            return f'{text}{condition}{"," if condition else ""}'
        return self._of_week() or f'every day{self._in()}'

    @property
    def within(self) -> str:
        """What comes after a period that is less than a day, with a space."""
        if date := self._date():
            return f' on {date}'
        if text := self._of_span():
            return f' {text}{self._condition()}'
        if not self.weekdays:
            return self._in()
        if run := _run(self.weekdays, WEEKDAYS):
            return f', {run}{self._in()}'
        names = (f'{WEEKDAYS[day]}s' for day in self.weekdays)
        return f' on {listed(names)}{self._in()}'

    def _date(self) -> str | None:
        """Such as "December 25"."""
        if len(self.monthdays) == len(self.months) == self.interval == 1 and (
                self.monthdays[0] > 0 and not self._others):
            return f'{MONTHS[self.months[0] - 1]} {self.monthdays[0]}'
        return None

    @property
    def _others(self) -> bool:
        """Whether there is more than days of the month."""
        return bool(self.weekdays or self.numbered or self.working)

    def _of_week(self) -> str | None:
        if not self.weekdays:
            return None
        if run := _run(self.weekdays, WEEKDAYS):
            return f'{run}{self._in()}'
        names = (WEEKDAYS[day] for day in self.weekdays)
        return f'every {listed(names)}{self._in()}'

    def _of_span(self) -> str | None:
        """What is numbered in a month or year."""
        if not (self.monthdays or self.numbered or self.working):
            return None
        days = [*_monthdays(self.monthdays), *self._working()]
        if not days:
            days = self._weekdays('every')
        elif not self.needs_both:
            days += self._weekdays('any')
        last = 'and' if self.needs_both else 'or'
        return f'on {listed(days, last)}{self._of()}'

    def _condition(self) -> str:
        """Which of the days of the month it has to be as well."""
        weekdays = self._weekdays('a')
        if not (self.needs_both and self.monthdays and weekdays):
            return ''
        return f', if {listed(weekdays, "or")}'

    def _working(self) -> list[str]:
        return [f'the {listed(map(rank, self.working))} working day'
                ] if self.working else []

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
            numbers = _by_rank(number for day, number in self.numbered
                               if day == weekday)
            days.append(f'the {listed(numbers)} {WEEKDAYS[weekday]}')
        return days

    # -- The months

    def _of(self) -> str:
        if not self.months:
            if self.interval == 1:
                return f' of each {self.span}'
            return f' of every {rank(self.interval)} {self.span}'
        if _is_row(self.months):
            return f' of each month{self._in()}'
        return f' of {_months(self.months)}'

    def _in(self) -> str:
        if not self.months:
            return ''
        if _is_row(self.months):
            return f' from {_run(self.months, MONTHS, 1)}'
        return f' in {_months(self.months)}'


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


def _monthdays(days: Sequence[int]) -> list[str]:
    """Such as "the 1st to the 7th" and "the last day"."""
    from_begin = [day for day in days if day > 0]
    from_end = _by_rank(day for day in days if day < 0)
    texts = []
    if len(from_begin) >= STEPS and (step_of(from_begin) or 1) > 1:
        texts.append(_stepped(from_begin))
    elif from_begin:
        texts.append(f'the {listed(_parts(from_begin))}')
    if from_end:
        texts.append(f'the {listed(from_end)} day')
    return texts


def _stepped(days: Sequence[int]) -> str:
    first, second, *_, last = days
    step = second - first
    end = '' if last + step > 31 else f' to the {ordinal(last)}'
    return f'every {rank(step)} day from the {ordinal(first)}{end}'


def _parts(days: Sequence[int]) -> list[str]:
    texts = []
    for row in rows(days):
        if len(row) >= RUN:
            texts.append(f'{ordinal(row[0])} to the {ordinal(row[-1])}')
        else:
            texts.extend(map(ordinal, row))
    return texts


def _by_rank(numbers: Iterable[int]) -> list[str]:
    """From the first to the last."""
    return [rank(number) for number in sorted(
        numbers, key=lambda number: (number < 0, number))]
