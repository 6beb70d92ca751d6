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
"""The text of a recurrence, as people paste it from a calendar.

It is taken apart into its lines, and the rule is put in the one form that
`rrule.parse` reads: without spaces, in capitals, with an UNTIL in UTC.
"""

import re
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import datetime
from datetime import time
from datetime import tzinfo

from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence.rrule_moments import Moment
from zodbschedule.recurrence.rrule_moments import parse_moment
from zodbschedule.recurrence.rrule_moments import parse_zone


# A longer rule is refused: all that a rule can say takes fewer characters, and
# the cost of an occurrence grows with them.
MAX_RULE = 1_000
# So many are enough for a rule with all its dates, each on a line of its own.
MAX_TEXT = 100_000
# More characters of a text are not shown in an error.
MAX_SHOWN = 200

# The names of lines that mean something to a recurrence.
KNOWN = re.compile(
    r'(?:RRULE|EXRULE|EXDATE|RDATE|DTSTART)\s*[;:]', re.IGNORECASE)
LINE = re.compile(
    r'([A-Z-]+)((?:;(?:"[^"]*"|[^":])*)?):(.*)', re.IGNORECASE)
VALUE_TYPES = ('DATE', 'DATE-TIME', 'PERIOD')
SUBDAILY = ('FREQ=HOURLY', 'FREQ=MINUTELY', 'FREQ=SECONDLY')
END_OF_DAY = time(23, 59, 59)


@dataclass
class CalendarText:
    """The lines of a text."""

    rules: list[str] = field(default_factory=list)
    starts: list[Moment] = field(default_factory=list)
    exdates: list[Moment] = field(default_factory=list)
    rdates: list[Moment] = field(default_factory=list)

    @property
    def rule(self) -> str:
        """The RRULE, without its name."""
        return self.rules[0]

    @property
    def start(self) -> Moment | None:
        """The DTSTART, or None."""
        return next(iter(self.starts), None)


def read(text: str) -> CalendarText:
    """The lines of *text*; raises `InvalidRecurrence`."""
    _check_length(text, MAX_TEXT)
    lines = CalendarText()
    for line in _split(text):
        match = LINE.fullmatch(line)
        name, parameters, value = match.groups() if match else ('', '', line)
        _READERS.get(name.upper(), _refuse_line)(
            lines, _Line(text, line, parameters, value))
    if len(lines.rules) != 1:
        raise _problem(text, _number_of_rules(lines))
    if len(lines.starts) > 1:
        raise _problem(text, f'has {len(lines.starts)} lines DTSTART; leave '
                             f'one')
    return lines


def _problem(text: str, problem: str) -> InvalidRecurrence:
    shown = text
    if len(text) > MAX_SHOWN:
        shown = f'{text[:MAX_SHOWN]}...'
    return InvalidRecurrence(f'RRULE is {shown!r}, which {problem}')


def _check_length(text: str, most: int) -> None:
    if len(text) > most:
        raise _problem(text, f'has {len(text):,} characters; it takes '
                             f'{most:,} at most')


def _number_of_rules(lines: CalendarText) -> str:
    if lines.rules:
        return (f'has {len(lines.rules)} rules; it takes one, make several '
                f'recurrences for several rules')
    if lines.rdates:
        return ('has no rule; for single dates write FREQ=DAILY;COUNT=1, '
                'which is the start alone, and the others as RDATE')
    return 'has no rule; write one, as in FREQ=DAILY'


# -- The lines


def _split(text: str) -> Iterator[str]:
    """The lines, each on one line, and without spaces around separators."""
    for line in _unfold(text):
        line = ' '.join(line.split())
        for each in re.split(f' (?={KNOWN.pattern})', line, flags=re.I):
            yield re.sub(' ?([;=,]) ?', r'\1', each)


def _unfold(text: str) -> list[str]:
    """The lines; what is continued on the next one is put together."""
    lines: list[str] = []
    # A shell leaves a backslash with an n as it is.
    text = text.replace(r'\n', '\n')
    for line in filter(str.strip, text.splitlines()):
        content = line.strip()
        if not lines or KNOWN.match(content):
            lines.append(content)
        elif line[0] in ' \t':  # as RFC 5545 folds a line, 3.1
            lines[-1] += line[1:]
        elif lines[-1][-1] in ';,=:' or content[0] in ';,=':
            lines[-1] += content
        else:
            lines.append(content)
    return lines


@dataclass(frozen=True)
class _Line:
    """One line of a text, taken apart at its separators."""

    text: str
    line: str
    parameters: str
    value: str

    def moments(self) -> Iterator[Moment]:
        """The values that are dates or times."""
        zone = self._zone()
        for each in self.value.split(','):
            # A task has no end, so of a period only the start counts.
            moment = parse_moment(each.partition('/')[0], zone)
            if moment is None:
                raise _problem(self.text, f'has {each!r} in {self.line!r}; it '
                                          f'takes moments such as '
                                          f'20301231T120000Z, or days such as '
                                          f'20301231')
            yield moment

    def _zone(self) -> str:
        zone = ''
        for name, argument in self._parameters():
            if name == 'TZID':
                zone = parse_zone(argument)
            elif name != 'VALUE' or argument.upper() not in VALUE_TYPES:
                raise self._refusal(f'{name}={argument}', 'TZID and VALUE')
        return zone

    def refuse_parameters(self) -> None:
        """Raise for all parameters."""
        for name, argument in self._parameters():
            raise self._refusal(f'{name}={argument}', 'none there')

    def _parameters(self) -> Iterator[tuple[str, str]]:
        """Those that RFC 5545 does not say to ignore, 3.2."""
        for parameter in filter(None, self.parameters.split(';')):
            name, _, argument = parameter.partition('=')
            if not name.upper().startswith('X-'):
                yield name.upper(), argument

    def _refusal(self, parameter: str, taken: str) -> InvalidRecurrence:
        return _problem(self.text, f'has {parameter} in {self.line!r}; it '
                                   f'takes {taken}')


def _read_rule(lines: CalendarText, line: _Line) -> None:
    line.refuse_parameters()
    if rule := line.value.strip():
        lines.rules.append(rule)


def _read_start(lines: CalendarText, line: _Line) -> None:
    lines.starts.extend(line.moments())


def _read_exdates(lines: CalendarText, line: _Line) -> None:
    lines.exdates.extend(line.moments())


def _read_rdates(lines: CalendarText, line: _Line) -> None:
    lines.rdates.extend(line.moments())


def _refuse_exrule(lines: CalendarText, line: _Line) -> None:
    raise _problem(line.text, f'has the line {line.line!r}, which RFC 5545 '
                              f'has given up; write what it leaves out as '
                              f'EXDATE, or a rule without it')


def _refuse_line(lines: CalendarText, line: _Line) -> None:
    raise _problem(line.text, f'has the line {line.line!r}; it takes DTSTART, '
                              f'RRULE, EXDATE and RDATE, leave the other '
                              f'lines of a calendar out')


_READERS: dict[str, Callable[[CalendarText, _Line], None]] = {
    '': _read_rule, 'RRULE': _read_rule, 'DTSTART': _read_start,
    'EXDATE': _read_exdates, 'RDATE': _read_rdates, 'EXRULE': _refuse_exrule}


# -- The rule


def normalize(rule: str, info: tzinfo) -> str:
    """The rule in the form that `rrule.parse` reads.

    *info* is the zone of the rule.  Raises `InvalidRecurrence` if the rule is
    too long; its parts are not checked here.
    """
    _check_length(rule, MAX_RULE)
    parts = [part for part in rule.upper().split(';')
             if part not in MEANINGLESS]
    is_subdaily = any(part in SUBDAILY for part in parts)
    return ';'.join(_normal_part(part, info, is_subdaily) for part in parts)


# What says what holds anyway, RFC 7529.
MEANINGLESS = ('', 'RSCALE=GREGORIAN', 'SKIP=OMIT')


def _normal_part(part: str, info: tzinfo, is_subdaily: bool) -> str:
    name, equals, value = part.partition('=')
    if name == 'UNTIL':
        value = _normal_until(value, info, is_subdaily)
    elif name == 'BYDAY':  # dateutil writes MO(+1)
        value = re.sub(r'\b([A-Z]{2})\(([+-]?[0-9]+)\)', r'\2\1', value)
    elif name == 'BYSECOND':  # 3.3.12 says so
        value = re.sub(r'\b60\b', '59', value)
    return f'{name}{equals}{value}'


def _normal_until(value: str, info: tzinfo, is_subdaily: bool) -> str:
    """The value of UNTIL in UTC, or as it is if it is not a moment.

    A date ends with its day in the zone.
    """
    moment = parse_moment(value)
    if moment is None:
        return value
    if moment.is_date or not is_subdaily and moment.stands_for_day(info):
        moment = replace(
            moment, wall=datetime.combine(moment.wall, END_OF_DAY))
    last = moment.last(info)
    return f'{last.year:04}{last:%m%dT%H%M%SZ}'
