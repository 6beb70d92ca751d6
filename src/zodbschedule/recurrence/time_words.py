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
"""The times of a day in words, such as "every 15 minutes from 09:00 to 17:45".

Their days are told with them: "every Monday at 09:00", but "every hour on
Mondays".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from zodbschedule.recurrence.day_words import Days
from zodbschedule.recurrence.words import counted
from zodbschedule.recurrence.words import each
from zodbschedule.recurrence.words import listed
from zodbschedule.recurrence.words import rank
from zodbschedule.recurrence.words import rows
from zodbschedule.recurrence.words import step_of


MINUTE, HOUR, DAY = 60, 3600, 86_400  # in seconds
UNITS = {HOUR: 'hour', MINUTE: 'minute', 1: 'second'}

# Of times and rows of times, how many are listed.  Longer lists are read by
# nobody.
FEW, MOST, MOST_ROWS = 3, 6, 3


@dataclass(frozen=True)
class TimesOfDay:
    """The times with one of the seconds, minutes and hours, on some days."""

    seconds: Sequence[int]
    minutes: Sequence[int]
    hours: Sequence[int]
    days: Days

    def __str__(self) -> str:
        many = self._all_day() or self._past_the_hour() or self._in_a_row()
        few = self._few(FEW) or (self._few(MOST) if not many else None)
        if few:
            return f'{self.days} {few}'
        return (many or self._in_rows() or self._by_unit()) + self.days.within

    @cached_property
    def _times(self) -> list[int]:
        return [hour * HOUR + minute * MINUTE + second
                for hour in self.hours for minute in self.minutes
                for second in self.seconds]

    def _few(self, most: int) -> str | None:
        if len(self._times) > most:
            return None
        return f'at {listed(map(self._format, self._times))}'

    def _format(self, time: int) -> str:
        hour, minute = divmod(time // MINUTE, 60)
        text = f'{hour:02}:{minute:02}'
        return text if self._is_whole else f'{text}:{time % 60:02}'

    @cached_property
    def _is_whole(self) -> bool:
        return list(self.seconds) == [0]

    @cached_property
    def _step(self) -> int:
        return min((after - before for before, after in pairwise(self._times)),
                   default=DAY)

    def _all_day(self) -> str | None:
        """If they go round the clock."""
        if DAY % self._step or self._times != [*range(0, DAY, self._step)]:
            return None
        return _period(self._step)

    def _past_the_hour(self) -> str | None:
        if len(self.hours) < 24:
            return None
        if self._is_whole and len(self.minutes) <= MOST:
            return f'at {_numbers(self.minutes, "minute")} past every hour'
        if len(self.minutes) == 60 and len(self.seconds) <= MOST:
            return f'at {_numbers(self.seconds, "second")} past every minute'
        return None

    @cached_property
    def _rows(self) -> list[list[int]]:
        found = rows(self._times, self._step)
        around = found[-1][-1] + self._step - DAY
        if self.days == Days() and len(found) > 1 and around == found[0][0]:
            found[0] = found.pop() + found[0]
        return found

    def _in_a_row(self) -> str | None:
        return self._in_rows() if len(self._rows) == 1 else None

    def _in_rows(self) -> str | None:
        if len(self._rows) > MOST_ROWS:
            return None
        ranges = listed(
            f'from {self._format(row[0])} to {self._format(row[-1])}'
            if len(row) > 1 else f'at {self._format(row[0])}'
            for row in sorted(self._rows, key=len, reverse=True))
        return f'{_period(self._step)} {ranges}'

    def _by_unit(self) -> str:
        levels = [(self.minutes, 'minute', 60), (self.hours, 'hour', 24)]
        if not self._is_whole:
            levels.insert(0, (self.seconds, 'second', 60))
        first, *others = (_values(*level) for level in levels)
        at = '' if first.startswith('every') else 'at '
        return ' of '.join([at + first, *others])


def _period(seconds: int) -> str:
    size = max(size for size in UNITS if seconds % size == 0)
    return each(seconds // size, UNITS[size])


def _numbers(numbers: Sequence[int], unit: str) -> str:
    """Such as "1 minute" and "5 and 20 minutes"."""
    *others, last = numbers
    return listed([*map(str, others), counted(last, unit)])


def _values(numbers: Sequence[int], unit: str, size: int) -> str:
    """Such as "minutes 5 and 20"."""
    if len(numbers) == size:
        return f'every {unit}'
    step = step_of(numbers) or 1
    if step > 1 and len(numbers) > FEW:
        return (f'every {rank(step)} {unit} from {numbers[0]} to '
                f'{numbers[-1]}')
    plural = 's' if len(numbers) > 1 else ''
    texts: list[str] = []
    for row in rows(numbers):
        texts += [f'{row[0]} to {row[-1]}'] if len(row) > 2 else map(str, row)
    return f'{unit}{plural} {listed(texts)}'
