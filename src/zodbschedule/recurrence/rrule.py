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
"""The text of a recurrence rule of RFC 5545: parsed and checked."""

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from functools import lru_cache
from typing import Any

from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence.rrule_days import Weekday
from zodbschedule.recurrence.rrule_expansion import TIMES
from zodbschedule.recurrence.rrule_expansion import Frequency
from zodbschedule.recurrence.rrule_expansion import Rule
from zodbschedule.recurrence.rrule_moments import parse_moment
from zodbschedule.recurrence.zones import EARLIEST
from zodbschedule.recurrence.zones import LATEST


WEEKDAYS = {'MO': 0, 'TU': 1, 'WE': 2, 'TH': 3, 'FR': 4, 'SA': 5, 'SU': 6}
CHOICES: dict[str, Mapping[str, int]] = {
    'FREQ': Frequency.__members__, 'WKST': WEEKDAYS}

#: part -> smallest and largest number, whether also negative
NUMBERS = {
    'BYSECOND': (0, 59, False),
    'BYMINUTE': (0, 59, False),
    'BYHOUR': (0, 23, False),
    'BYMONTHDAY': (1, 31, True),
    'BYYEARDAY': (1, 366, True),
    'BYWEEKNO': (1, 53, True),
    'BYMONTH': (1, 12, False),
    'BYSETPOS': (1, 366, True),
}
#: part -> the frequencies that RFC 5545 allows, where that is not all
FREQUENCIES_OF = {
    'BYWEEKNO': {Frequency.YEARLY},
    'BYYEARDAY': {Frequency.YEARLY, Frequency.HOURLY, Frequency.MINUTELY,
                  Frequency.SECONDLY},
    'BYMONTHDAY': {*Frequency} - {Frequency.WEEKLY},
}

PARTS = ('its parts are, as in RFC 5545, FREQ, INTERVAL, COUNT, UNTIL, WKST, '
         f'BYDAY, {", ".join(NUMBERS)}')
#: part that is not of RFC 5545 -> what to write instead
INSTEAD = {
    'BYEASTER': 'RFC 5545 has no Easter; write the days as RDATE',
    'RSCALE': 'it takes the calendar GREGORIAN, in which a rule may be '
              'without this part',
    'SKIP': 'a day that a month does not have is left out; for the last one '
            'by the 30th write BYMONTHDAY=28,29,30;BYSETPOS=-1, and for the '
            'last day BYMONTHDAY=-1',
    'DTSTART': 'the start is a line of its own, as in '
               'DTSTART;TZID=Europe/Berlin:20300131T090000, or the argument '
               'dtstart',
    'TZID': 'the zone is that of the start; write it there',
    'EXDATE': 'EXDATE is a line of its own, as in EXDATE:20300131T090000',
    'RDATE': 'RDATE is a line of its own, as in RDATE:20300131T090000',
}

# A larger COUNT is refused: each process finds the last occurrence by going
# through all of them once, and this many take up to 50 ms of the processor.
MAX_COUNT = 1_000


@lru_cache(maxsize=1024)
def parse(text: str, start: datetime) -> Rule:
    """The rule in a text, with a naive start; raises `InvalidRecurrence`."""
    texts = _split(text)
    if 'FREQ' not in texts:
        raise _error(text, 'has no FREQ; begin with one, as in FREQ=DAILY')
    if 'COUNT' in texts and 'UNTIL' in texts:
        raise _error(text, 'has both COUNT and UNTIL; leave one out')
    values = {name: _parse_part(text, name, value)
              for name, value in texts.items()}
    _check_combination(text, texts, values['FREQ'])
    settings = {name.lower(): value for name, value in values.items()
                if not name.startswith('BY')}
    parts = {name: value for name, value in values.items()
             if name.startswith('BY')}
    parts = {**_parts_of_start(start, settings['freq'], parts), **parts}
    rule = Rule(start, parts=parts, **settings)
    _check_positions(text, rule)
    return rule


def _split(text: str) -> dict[str, str]:
    """The parts of a rule by name."""
    texts: dict[str, str] = {}
    for part in text.split(';'):
        name, equals, value = part.partition('=')
        if not equals or not (name in _PARSERS or name in NUMBERS):
            raise _error(text, f'has {part!r}; {INSTEAD.get(name, PARTS)}')
        if name in texts:
            raise _error(text, f'has {name} twice; leave one out')
        texts[name] = value
    return texts


def _error(text: str, problem: str) -> InvalidRecurrence:
    return InvalidRecurrence(f'RRULE is {text!r}, which {problem}')


# -- One part: each parser raises a ValueError that says what the part takes


def _parse_part(text: str, name: str, value: str) -> Any:
    try:
        return _PARSERS.get(name, _parse_numbers)(name, value)
    except ValueError as error:
        raise _error(text, f'has {name}={value}; {error}') from None


def _parse_choice(name: str, value: str) -> int:
    choices = CHOICES[name]
    if value not in choices:
        raise ValueError(f'it takes {", ".join(choices)}')
    return choices[value]


def _parse_positive(name: str, value: str) -> int:
    if not re.fullmatch('[0-9]{1,9}', value) or int(value) < 1:
        raise ValueError('it takes a number from 1 on')
    return int(value)


def _parse_count(name: str, value: str) -> int:
    count = _parse_positive(name, value)
    if count > MAX_COUNT:
        raise ValueError(f'it takes {MAX_COUNT} at most, use UNTIL for more')
    return count


def _parse_until(name: str, value: str) -> datetime | None:
    until = parse_moment(value)
    if until is None:
        raise ValueError('it takes a moment such as 20301231T120000Z, or the '
                         'last day, such as 20301231')
    # Some calendars write the end of the year 9999 where nothing ends.
    instant = max(until.wall.replace(tzinfo=UTC), EARLIEST)
    return None if instant > LATEST else instant


def _parse_weekdays(name: str, value: str) -> tuple[Weekday, ...]:
    days = set()
    for each in value.split(','):
        match = re.fullmatch('([+-]?[1-9][0-9]?)?([A-Z]{2})', each)
        if not match or match[2] not in WEEKDAYS or abs(
                int(match[1] or 1)) > 53:
            raise ValueError('it takes days such as MO or, numbered in a '
                             'month or a year, -1FR')
        days.add(Weekday(WEEKDAYS[match[2]], int(match[1] or 0)))
    return tuple(sorted(days))


def _parse_numbers(name: str, value: str) -> tuple[int, ...]:
    low, high, also_negative = NUMBERS[name]
    size = abs if also_negative else int
    texts = value.split(',')
    if not all(re.fullmatch('[+-]?[0-9]{1,3}', each)
               and low <= size(int(each)) <= high for each in texts):
        or_negative = f', or -{high} to -{low}' if also_negative else ''
        raise ValueError(f'it takes numbers from {low} to {high}{or_negative}')
    return tuple(sorted({*map(int, texts)}))


_PARSERS: dict[str, Callable[[str, str], Any]] = {
    'FREQ': _parse_choice, 'INTERVAL': _parse_positive, 'COUNT': _parse_count,
    'UNTIL': _parse_until, 'WKST': _parse_choice, 'BYDAY': _parse_weekdays}


# -- All parts together


def _check_combination(text: str, texts: dict[str, str], freq: int) -> None:
    """Refuse what RFC 5545 has no meaning for."""
    for name, frequencies in FREQUENCIES_OF.items():
        if name in texts and freq not in frequencies:
            raise _error(text, f'has {name}, which RFC 5545 does not allow '
                               f'with FREQ={texts["FREQ"]}; leave it out')
    is_numbered = re.search('[0-9]', texts.get('BYDAY', ''))
    if is_numbered and (freq > Frequency.MONTHLY or 'BYWEEKNO' in texts):
        raise _error(text, 'numbers the days in BYDAY, which RFC 5545 allows '
                           'with FREQ=MONTHLY, and YEARLY without BYWEEKNO')
    if 'BYSETPOS' in texts and sum(
            name.startswith('BY') for name in texts) == 1:
        raise _error(text, 'has BYSETPOS, but no other BY part for it to '
                           'choose from; add one')


def _check_positions(text: str, rule: Rule) -> None:
    """Refuse a BYSETPOS beyond every set."""
    size = rule.largest_set
    if rule.least_position > size:
        raise _error(text, f'never occurs: BYSETPOS has {size} to choose from')


def _parts_of_start(start: datetime, freq: int,
                    parts: Iterable[str]) -> dict[str, Any]:
    """The parts that a rule leaves to its start."""
    implied: dict[str, Any] = {
        name: (getattr(start, name.removeprefix('BY').lower()),)
        for name, longest in TIMES.items() if freq <= longest}
    if {'BYDAY', 'BYMONTHDAY', 'BYYEARDAY'}.isdisjoint(parts):
        implied.update(_day_of_start(start, freq, 'BYWEEKNO' in parts))
    return implied


def _day_of_start(start: datetime, freq: int,
                  has_weeks: bool) -> dict[str, Any]:
    if freq == Frequency.WEEKLY or has_weeks:
        return {'BYDAY': (Weekday(start.weekday()),)}
    if freq == Frequency.MONTHLY:
        return {'BYMONTHDAY': (start.day,)}
    if freq == Frequency.YEARLY:
        return {'BYMONTH': (start.month,), 'BYMONTHDAY': (start.day,)}
    return {}
