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
"""The fields of a cron expression: parsed into the values that they name.

Expressions that say the same have equal fields.  cronsim gets the values that
are found here, never the text that somebody has written.
"""

import re
from dataclasses import dataclass
from dataclasses import field
from functools import lru_cache

from zodbschedule.recurrence import cron_refusals


#: Numbers; for the days also what is no number: L, LW, 5L and 1#2.
Values = frozenset[int | str]

ALIASES = {
    '@yearly': '0 0 1 1 *',
    '@annually': '0 0 1 1 *',
    '@monthly': '0 0 1 * *',
    '@weekly': '0 0 * * 0',
    '@daily': '0 0 * * *',
    '@midnight': '0 0 * * *',
    '@hourly': '0 * * * *',
}

TERM = re.compile(
    r'(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>[0-9]+))?', re.ASCII)


@dataclass(frozen=True)
class Field:
    """What one field takes."""

    name: str
    low: int
    high: int
    #: what a message says that it takes
    takes: str
    #: a rule with a period in the unit of the field, as a message says it
    period: str
    #: of the values, from the lowest on
    names: tuple[str, ...] = ()
    #: the terms that are no numbers
    special: re.Pattern[str] = re.compile('(?!)')

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    @property
    def all(self) -> Values:
        return frozenset(range(self.low, self.high + 1))

    def parse(self, text: str) -> Values:
        """The values in a field; a ValueError says what is wrong."""
        values = frozenset[int | str]().union(
            *map(self._parse_term, text.upper().split(',')))
        # A day that occurs anyway needs no number.
        return values - {value for value in values
                         if isinstance(value, str) and value[0].isdigit()
                         and int(value[0]) in values}

    def _parse_term(self, term: str) -> Values:
        cron_refusals.check_term(self.name, term)
        if match := self.special.fullmatch(term):
            day, rest = match.groups()
            return frozenset(
                {f'{self._number(day) % 7}{rest}' if day else term})
        match = TERM.fullmatch('*' if term == '?' else term)
        if match is None:
            raise self._wrong()
        first, last = self._ends(match['first'], match['last'])
        if match['step'] is None:
            return self._wrapped(range(first, (last or first) + 1))
        return self._stepped(first, last, int(match['step']))

    def _stepped(self, first: int, last: int | None, step: int) -> Values:
        """Those of a range that a step meets."""
        # A single number is where the steps begin.
        end = self.high if last is None else last
        size = end - first + 1
        # A range of one value is that value.
        if step > (self.size if last == first else size):
            raise ValueError(cron_refusals.step_beyond(
                step, first, self._wrap(end), self.period.format(step)))
        if step == 0:
            raise self._wrong()
        return self._wrapped(range(first, end + 1, step))

    def _ends(self, first: str, last: str | None) -> tuple[int, int | None]:
        """Where a range begins and ends, the one not after the other."""
        if first == '*':
            if last is not None:
                raise self._wrong()
            return self.low, self.high
        begin = self._number(first)
        if last is None:
            return begin, None
        end = self._number(last)
        # A reversed range goes on with the lowest value.
        return begin, end if begin <= end else end + self.size

    def _wrapped(self, values: range) -> Values:
        return frozenset(map(self._wrap, values))

    def _wrap(self, value: int) -> int:
        return self.low + (value - self.low) % self.size

    def _number(self, text: str) -> int:
        """A number, or the name of one; at least its first three letters."""
        for number, name in enumerate(self.names, self.low):
            if len(text) > 2 and name.startswith(text):
                return number
        # Sunday is 7 as well as 0.
        high = 7 if self.high == 6 else self.high
        if not text.isdecimal() or not self.low <= int(text) <= high:
            raise self._wrong()
        return int(text)

    def _wrong(self) -> ValueError:
        return ValueError(f'it takes {self.takes}')


MONTHS = ('JANUARY', 'FEBRUARY', 'MARCH', 'APRIL', 'MAY', 'JUNE', 'JULY',
          'AUGUST', 'SEPTEMBER', 'OCTOBER', 'NOVEMBER', 'DECEMBER')
WEEKDAYS = ('SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY',
            'SATURDAY')

SECOND = Field('second', 0, 59, '0 to 59', 'Every(timedelta(seconds={}))')
MINUTE = Field('minute', 0, 59, '0 to 59', 'Every(timedelta(minutes={}))')
HOUR = Field('hour', 0, 23, '0 to 23', 'Every(timedelta(hours={}))')
DAY = Field(
    'day-of-month', 1, 31, '1 to 31 or L, a day that one of the months has',
    'Every(timedelta(days={}))', special=re.compile('()(LW?)'))
MONTH = Field('month', 1, 12, '1 to 12 or JAN to DEC',
              "RRule('FREQ=MONTHLY;INTERVAL={}', start), or Every for days",
              MONTHS)
WEEKDAY = Field(
    'day-of-week', 0, 6, '0 to 7 or SUN to SAT; 5L is the last Friday and '
    'MON#1 the first Monday of a month', 'Every(timedelta(days={}))', WEEKDAYS,
    re.compile('([0-7]|[A-Z]{3,})(L|#[1-5])'))
FIELDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@dataclass(frozen=True)
class Fields:
    """The values of all fields."""

    seconds: Values
    minutes: Values
    hours: Values
    days: Values
    months: Values
    weekdays: Values
    #: whether a day has to match both fields of days, or one of them
    needs_both: bool
    #: whether Debian's cron takes it for an interval, not for fixed times
    is_interval: bool = field(compare=False)

    @property
    def text(self) -> str:
        """An expression of lists that cronsim takes."""
        days, weekdays = (
            self._days_text(DAY, self.days, '*/31'),
            self._days_text(WEEKDAY, self.weekdays, '*/8'))
        return ' '.join([
            _listed(SECOND, self.seconds), _listed(MINUTE, self.minutes),
            _listed(HOUR, self.hours), days, _listed(MONTH, self.months),
            weekdays])

    def _days_text(self, kind: Field, values: Values, lowest: str) -> str:
        # To cronsim an asterisk in front means that both fields have to match.
        # These steps lead to the lowest value and to no other.
        text = _listed(kind, values)
        if self.needs_both and kind.low in values and text != '*':
            return f'{lowest},{text}'
        return text


def _listed(kind: Field, values: Values) -> str:
    return '*' if values == kind.all else ','.join(sorted(map(str, values)))


@lru_cache(maxsize=1024)
def fields(expression: str) -> Fields:
    """The fields of an expression; raises `InvalidRecurrence`."""
    cron_refusals.check_expression(expression)
    alias = expression.strip().lower()
    texts = ALIASES.get(alias, expression).split()
    cron_refusals.check_fields(expression, texts, [*ALIASES])
    # The seconds may be left out, and the year of Quartz says nothing.
    texts = ['0', *texts] if len(texts) == 5 else texts[:6]
    return _fields([_parse(expression, *each) for each in zip(FIELDS, texts)],
                   texts)


def _parse(expression: str, kind: Field, text: str) -> Values:
    try:
        return kind.parse(text)
    except ValueError as error:
        raise cron_refusals.wrong_field(
            expression, kind.name, text, str(error)) from None


def _fields(values: list[Values], texts: list[str]) -> Fields:
    second, minute, hour, day, month, weekday = values
    _, minute_text, hour_text, day_text, _, weekday_text = texts
    needs_both = day_text[0] in '*?' or weekday_text[0] in '*?'
    every_day, every_weekday = day >= DAY.all, weekday >= WEEKDAY.all
    if every_day or every_weekday:
        # One of the two says nothing, or, where one is enough, both.
        day = DAY.all if every_day or not needs_both else day
        weekday = WEEKDAY.all if every_weekday or not needs_both else weekday
        needs_both = True
    return Fields(second, minute, hour, day, month, weekday, needs_both,
                  minute_text[0] == '*' or hour_text[0] == '*')
