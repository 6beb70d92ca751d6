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
"""The text of a recurrence rule of RFC 5545: what it says, what is wrong."""

import re
from collections.abc import Callable
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from functools import lru_cache
from typing import Any

from dateutil.rrule import DAILY
from dateutil.rrule import HOURLY
from dateutil.rrule import MINUTELY
from dateutil.rrule import MONTHLY
from dateutil.rrule import SECONDLY
from dateutil.rrule import WEEKLY
from dateutil.rrule import YEARLY
from dateutil.rrule import weekday

from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence.rrule_dates import DAYS
from zodbschedule.recurrence.rrule_dates import TIMES
from zodbschedule.recurrence.rrule_dates import Rule


FREQUENCIES: dict[str, int] = {
    'YEARLY': YEARLY, 'MONTHLY': MONTHLY, 'WEEKLY': WEEKLY, 'DAILY': DAILY,
    'HOURLY': HOURLY, 'MINUTELY': MINUTELY, 'SECONDLY': SECONDLY}
WEEKDAYS = ('MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU')

#: part -> dateutil's name, smallest and largest number, whether also negative
NUMBERS = {
    'BYSECOND': ('bysecond', 0, 59, False),
    'BYMINUTE': ('byminute', 0, 59, False),
    'BYHOUR': ('byhour', 0, 23, False),
    'BYMONTHDAY': ('bymonthday', 1, 31, True),
    'BYYEARDAY': ('byyearday', 1, 366, True),
    'BYWEEKNO': ('byweekno', 1, 53, True),
    'BYMONTH': ('bymonth', 1, 12, False),
    'BYSETPOS': ('bysetpos', 1, 366, True),
}
#: part -> the frequencies that RFC 5545 has it for, where it is not for all
ONLY = {
    'BYWEEKNO': {YEARLY},
    'BYYEARDAY': {YEARLY, HOURLY, MINUTELY, SECONDLY},
    'BYMONTHDAY': {*FREQUENCIES.values()} - {WEEKLY},
}

# A rule of more is refused: where it ends is found by going there once in each
# process, and this many take up to half a second.
MOST = 10_000


@lru_cache(maxsize=1024)
def parsed(text: str, start: datetime) -> Rule:
    """The rule that a text says; raises `InvalidRecurrence`."""
    given = _split(text)
    if 'FREQ' not in given:
        raise _wrong(text, 'says no FREQ; begin with one, as in FREQ=DAILY')
    if 'COUNT' in given and 'UNTIL' in given:
        raise _wrong(text, 'has both COUNT and UNTIL; leave one out')
    said = {name: _READ.get(name, _numbers)(text, name, value)
            for name, value in given.items()}
    _check_together(text, given, said['FREQ'])
    parts = {_name_in_dateutil(name): value for name, value in said.items()
             if name.startswith('BY')}
    rest = {name.lower(): value for name, value in said.items()
            if not name.startswith('BY')}
    parts = _with_those_of(start, rest['freq'], parts)
    _check_positions(text, rest['freq'], parts)
    return Rule(start, parts=parts, **rest)


def _split(text: str) -> dict[str, str]:
    """The parts of a rule by name."""
    given: dict[str, str] = {}
    for part in text.removeprefix('RRULE:').split(';'):
        name, equals, value = part.partition('=')
        if not equals or not (name in _READ or name in NUMBERS):
            raise _wrong(text, f'has {part!r}; its parts are, as in RFC 5545, '
                               f'{", ".join([*_READ, *NUMBERS])}')
        if name in given:
            raise _wrong(text, f'has {name} twice; leave one out')
        given[name] = value
    return given


def _wrong(text: str, why: str) -> InvalidRecurrence:
    return InvalidRecurrence(f'RRULE is {text!r}, which {why}')


def _name_in_dateutil(name: str) -> str:
    return 'byweekday' if name == 'BYDAY' else NUMBERS[name][0]


def _freq(text: str, name: str, value: str) -> int:
    if value not in FREQUENCIES:
        raise _wrong(text, f'has FREQ={value}; it takes '
                           f'{", ".join(FREQUENCIES)}')
    return FREQUENCIES[value]


def _positive(text: str, name: str, value: str) -> int:
    if not re.fullmatch('[0-9]{1,9}', value) or int(value) < 1:
        raise _wrong(text, f'has {name}={value}; it takes a number from 1 on')
    return int(value)


def _count(text: str, name: str, value: str) -> int:
    count = _positive(text, name, value)
    if count > MOST:
        raise _wrong(text, f'has COUNT={value}; it takes {MOST} at most, use '
                           f'UNTIL for more')
    return count


def _until(text: str, name: str, value: str) -> datetime:
    found = moment(value)
    if found is None or found.tzinfo is None:
        raise _wrong(
            text, f'has UNTIL={value}; RFC 5545 wants it in UTC where the '
                  f'start has a zone, as in UNTIL=20301231T235959Z')
    return found


def _week_start(text: str, name: str, value: str) -> int:
    if value not in WEEKDAYS:
        raise _wrong(text, f'has WKST={value}; it takes '
                           f'{", ".join(WEEKDAYS)}')
    return WEEKDAYS.index(value)


def _weekdays(text: str, name: str, value: str) -> list[weekday]:
    days = []
    for one in value.split(','):
        match = re.fullmatch('([+-]?[1-9][0-9]?)?([A-Z]{2})', one)
        if not match or match[2] not in WEEKDAYS or abs(
                int(match[1] or 1)) > 53:
            raise _wrong(text, f'has BYDAY={value}; it takes days such as MO '
                               f'or, numbered in a month or a year, -1FR')
        days.append(weekday(WEEKDAYS.index(match[2]),
                            int(match[1]) if match[1] else None))
    return days


def _numbers(text: str, name: str, value: str) -> list[int]:
    low, high, also_negative = NUMBERS[name][1:]
    numbers = []
    for one in value.split(','):
        if re.fullmatch('[+-]?[0-9]{1,3}', one):
            numbers.append(int(one))
            size = abs(numbers[-1]) if also_negative else numbers[-1]
            if low <= size <= high:
                continue
        or_negative = f', or -{high} to -{low}' if also_negative else ''
        raise _wrong(text, f'has {name}={value}; it takes numbers from {low} '
                           f'to {high}{or_negative}')
    return numbers


_READ: dict[str, Callable[[str, str, str], Any]] = {
    'FREQ': _freq, 'INTERVAL': _positive, 'COUNT': _count, 'UNTIL': _until,
    'WKST': _week_start, 'BYDAY': _weekdays}


def _check_together(text: str, given: dict[str, str], freq: int) -> None:
    """Refuse what RFC 5545 has no meaning for."""
    for name, frequencies in ONLY.items():
        if name in given and freq not in frequencies:
            raise _wrong(text, f'has {name}, which RFC 5545 does not allow '
                               f'with FREQ={given["FREQ"]}; leave it out')
    is_numbered = re.search('[0-9]', given.get('BYDAY', ''))
    if is_numbered and (
            freq not in (YEARLY, MONTHLY) or 'BYWEEKNO' in given):
        raise _wrong(text, 'numbers the days in BYDAY, which RFC 5545 allows '
                           'with FREQ=MONTHLY, and YEARLY without BYWEEKNO')
    if 'BYSETPOS' in given and sum(
            name.startswith('BY') for name in given) == 1:
        raise _wrong(text, 'has BYSETPOS, but no other BY part for it to '
                           'choose from; add one')


def _check_positions(text: str, freq: int, parts: dict[str, Any]) -> None:
    """Refuse a BYSETPOS that is never reached.

    Of a day, an hour or less is known how many there are to choose from, and
    dateutil would try each second until the year 9999.
    """
    if freq < DAILY or 'bysetpos' not in parts:
        return
    size = 1
    for unit, name in TIMES:
        if freq < unit:
            size *= len({*parts[name]})
    if min(map(abs, parts['bysetpos'])) > size:
        raise _wrong(text, f'never occurs: BYSETPOS has {size} to choose from')


def _with_those_of(start: datetime, freq: int,
                   parts: dict[str, Any]) -> dict[str, Any]:
    """The parts, with those that the start stands for spelled out.

    They have to be, since dateutil is given another start.
    """
    derived: dict[str, Any] = {}
    for unit, name in TIMES:
        if freq < unit:
            derived[name] = [getattr(start, name.removeprefix('by'))]
    if not {*parts} & {*DAYS} - {'bymonth'}:
        if freq == YEARLY:
            derived['bymonth'] = [start.month]
        if freq in (YEARLY, MONTHLY):
            derived['bymonthday'] = [start.day]
        if freq == WEEKLY:
            derived['byweekday'] = [start.weekday()]
    return {**derived, **parts}


def lines(text: str) -> tuple[str, dict[str, list[tuple[str, datetime]]]]:
    """The RRULE of a text, and its EXDATE and RDATE: (TZID or '', moment)."""
    rules: list[str] = []
    dates: dict[str, list[tuple[str, datetime]]] = {'EXDATE': [], 'RDATE': []}
    for line in re.sub(r'\r?\n[ \t]', '', text).split():
        name, _, value = line.rpartition(':')
        name, _, parameters = name.partition(';')
        if name in dates:
            dates[name] += _dates(text, line, parameters, value)
        elif name in ('', 'RRULE') and not parameters:
            rules.append(value.upper())
        else:
            raise _wrong(text, f'has the line {line!r}; it takes RRULE, '
                               f'EXDATE and RDATE; DTSTART is an argument')
    if len(rules) != 1:
        raise _wrong(text, f'has {len(rules)} rules; it takes one, more are '
                           f'as many recurrences')
    return rules[0], dates


def _dates(text: str, line: str, parameters: str,
           value: str) -> Iterator[tuple[str, datetime]]:
    """The moments of a line, each with the zone that it is written in."""
    zone = ''
    for parameter in filter(None, parameters.split(';')):
        name, _, said = parameter.partition('=')
        if name == 'TZID':
            zone = said
        elif parameter != 'VALUE=DATE-TIME':
            raise _wrong(text, f'has {parameter} in {line!r}; it takes TZID')
    for one in value.split(','):
        found = moment(one)
        if found is None:
            raise _wrong(text, f'has {one!r} in {line!r}; it takes moments '
                               f'such as 20301231T120000Z')
        yield zone, found


def moment(text: str) -> datetime | None:
    """A DATE-TIME of RFC 5545, in UTC or naive; None if it is none."""
    if not re.fullmatch('[0-9]{8}T[0-9]{6}Z?', text):
        return None
    try:
        found = datetime.strptime(text[:15], '%Y%m%dT%H%M%S')
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if text.endswith('Z') else found
