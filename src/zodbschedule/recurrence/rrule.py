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
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from functools import lru_cache
from typing import Any

from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence.days import Weekday
from zodbschedule.recurrence.expansion import TIMES
from zodbschedule.recurrence.expansion import Frequency
from zodbschedule.recurrence.expansion import Rule


#: A moment, with the name of its zone, or '' if the text does not name one.
LocalMoment = tuple[str, datetime]

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
    for part in text.removeprefix('RRULE:').split(';'):
        name, equals, value = part.partition('=')
        if not equals or not (name in _PARSERS or name in NUMBERS):
            raise _error(text, f'has {part!r}; its parts are, as in RFC 5545, '
                               f'{", ".join([*_PARSERS, *NUMBERS])}')
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


def _parse_until(name: str, value: str) -> datetime:
    until = parse_moment(value)
    if until is None or until.tzinfo is None:
        raise ValueError('RFC 5545 requires UTC where the start has a zone, '
                         'as in UNTIL=20301231T235959Z')
    return until


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


# -- Several lines


def parse_lines(text: str) -> tuple[str, dict[str, list[LocalMoment]]]:
    """The RRULE of a text, and its dates by 'EXDATE' and 'RDATE'."""
    rules: list[str] = []
    dates: dict[str, list[LocalMoment]] = {'EXDATE': [], 'RDATE': []}
    for line in re.sub(r'\r?\n[ \t]', '', text).split():
        name, _, value = line.rpartition(':')
        name, _, parameters = name.partition(';')
        if name in dates:
            dates[name] += _parse_dates(text, line, parameters, value)
        elif name in ('', 'RRULE') and not parameters:
            rules.append(value.upper())
        else:
            raise _error(text, f'has the line {line!r}; it takes RRULE, '
                               f'EXDATE and RDATE; DTSTART is an argument')
    if len(rules) != 1:
        raise _error(text, f'has {len(rules)} rules; it takes one, make '
                           f'several recurrences for several rules')
    return rules[0], dates


def _parse_dates(text: str, line: str, parameters: str,
                 value: str) -> Iterator[LocalMoment]:
    zone = ''
    for parameter in filter(None, parameters.split(';')):
        name, _, argument = parameter.partition('=')
        if name == 'TZID':
            zone = argument
        elif parameter != 'VALUE=DATE-TIME':
            raise _error(text, f'has {parameter} in {line!r}; it takes TZID')
    for each in value.split(','):
        moment = parse_moment(each)
        if moment is None:
            raise _error(text, f'has {each!r} in {line!r}; it takes moments '
                               f'such as 20301231T120000Z')
        yield zone, moment


def parse_moment(text: str) -> datetime | None:
    """A DATE-TIME of RFC 5545, in UTC or naive; None if it is not one."""
    if not re.fullmatch('[0-9]{8}T[0-9]{6}Z?', text):
        return None
    try:
        moment = datetime.strptime(text[:15], '%Y%m%dT%H%M%S')
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if text.endswith('Z') else moment
