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
"""The period of an `Every`: checked, and what to write where it is none.

A month and a year have no fixed length, and a day has one only where the
clocks never change.  Who wants those is told the rule that repeats by them.
"""

import re
from datetime import timedelta

from zodbschedule.interfaces import InvalidRecurrence


#: word -> argument of a timedelta
FIXED = {
    's': 'seconds', 'sec': 'seconds', 'second': 'seconds',
    'm': 'minutes', 'min': 'minutes', 'minute': 'minutes',
    'h': 'hours', 'hour': 'hours', 'd': 'days', 'day': 'days', 'dai': 'days',
    'w': 'weeks', 'week': 'weeks'}
#: word -> months
CALENDAR = {'month': 1, 'quarter': 3, 'y': 12, 'year': 12, 'annual': 12}
#: argument of a timedelta -> the frequency that keeps the time of day
FREQUENCIES = {'days': 'DAILY', 'weeks': 'WEEKLY'}

WORDS = re.compile(r'(?:every\s+)?([0-9]{1,6})?\s*([a-z]+?)(?:s|ly)?')


def check_period(period: object) -> timedelta:
    """*period*, a timedelta above zero; raises `InvalidRecurrence`."""
    if isinstance(period, timedelta) and period > timedelta() and not (
            _months(period)):
        return period
    raise InvalidRecurrence(
        f'period is {period!r}; it has to be a timedelta of more than zero, '
        f'{_instead(period)}')


def calendar_rule(text: str) -> str | None:
    """The RRULE for a number of months or years in words, else None."""
    number, unit = _in_words(text)
    return _rule_of_months(number * CALENDAR.get(unit, 0))


def _instead(period: object) -> str:
    """What to write instead of *period*."""
    number, unit = _in_words(period)
    months = _months(period) or number * CALENDAR.get(unit, 0)
    fixed = _fixed_parts(period)
    if months and fixed:
        return 'and no rule repeats by months and days together'
    if rule := _rule_of_months(months):
        return (f'and a month has no fixed length; write '
                f"RRule('{rule}', dtstart)")
    if number and unit in FIXED:
        return f'such as {_timedelta(number, FIXED[unit])}'
    if isinstance(period, (int, float)) and period > 0:
        return (f'such as timedelta(seconds={period}) or '
                f'timedelta(minutes={period})')
    return f'such as timedelta({fixed or "minutes=15"})'


def _in_words(period: object) -> tuple[int, str]:
    """The number and the unit of a text such as "2 months"; else 0 and ''."""
    if isinstance(period, str) and (
            match := WORDS.fullmatch(period.strip().lower())):
        return int(match[1] or 1), match[2]
    return 0, ''


def _timedelta(number: int, unit: str) -> str:
    """A timedelta, and for days and weeks what keeps the time of day."""
    if unit not in FREQUENCIES:
        return f'timedelta({unit}={number})'
    rule = _rule(FREQUENCIES[unit], number)
    return (f'timedelta({unit}={number}); for the same time of day whatever '
            f"the clocks do, write RRule('{rule}', dtstart)")


def _months(period: object) -> int:
    """The months of a relativedelta, or of what is like it."""
    years, months = (getattr(period, name, 0) for name in ('years', 'months'))
    return int(years) * 12 + int(months)


def _fixed_parts(period: object) -> str:
    """The days and less of a relativedelta, as arguments of a timedelta."""
    parts = {unit: getattr(period, unit, 0)
             for unit in ('days', 'hours', 'minutes', 'seconds')}
    if isinstance(period, timedelta):
        return ''
    return ', '.join(f'{unit}={part}' for unit, part in parts.items() if part)


def _rule_of_months(months: int) -> str | None:
    if months < 1:
        return None
    if months % 12:
        return _rule('MONTHLY', months)
    return _rule('YEARLY', months // 12)


def _rule(freq: str, interval: int) -> str:
    return f'FREQ={freq}' + (f';INTERVAL={interval}' if interval > 1 else '')
