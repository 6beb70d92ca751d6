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
"""A cron expression in words, such as "every Monday at 09:00"."""

from functools import lru_cache

from zodbschedule.recurrence.cron_fields import DAY
from zodbschedule.recurrence.cron_fields import MONTH
from zodbschedule.recurrence.cron_fields import WEEKDAY
from zodbschedule.recurrence.cron_fields import Field
from zodbschedule.recurrence.cron_fields import Fields
from zodbschedule.recurrence.cron_fields import Values
from zodbschedule.recurrence.cron_fields import fields
from zodbschedule.recurrence.day_words import Days
from zodbschedule.recurrence.time_words import TimesOfDay


# With more, the expression itself is easier to read.
MAX_LENGTH = 150


@lru_cache(maxsize=1024)
def cron_words(expression: str) -> str:
    """The words; the expression itself where they would be too many."""
    parts = fields(expression)
    words = str(TimesOfDay(
        _numbers(parts.seconds), _numbers(parts.minutes),
        _numbers(parts.hours), _days(parts)))
    return words if len(words) <= MAX_LENGTH else expression


def _days(parts: Fields) -> Days:
    days = _unless_all(DAY, parts.days)
    weekdays = _unless_all(WEEKDAY, parts.weekdays)
    return Days(
        months=_numbers(_unless_all(MONTH, parts.months)),
        monthdays=(*_numbers(days), *([-1] if 'L' in days else [])),
        weekdays=tuple(sorted((day - 1) % 7 for day in _numbers(weekdays))),
        numbered=tuple(sorted(map(_numbered, _texts(weekdays)))),
        named=('the last working day',) if 'LW' in days else (),
        needs_both=parts.needs_both)


def _unless_all(kind: Field, values: Values) -> Values:
    return frozenset() if values >= kind.all else values


def _numbers(values: Values) -> tuple[int, ...]:
    return tuple(sorted(
        value for value in values if isinstance(value, int)))


def _texts(values: Values) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _numbered(text: str) -> tuple[int, int]:
    """The weekday, Monday is 0, and its number, of 5L or 1#2."""
    number = -1 if text[1] == 'L' else int(text[2:])
    return (int(text[0]) - 1) % 7, number
