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
"""Recurrences: the rules that answer "when next?".

They are values.  What they keep is plain data: names, numbers, text, naive
datetimes.  What is made from that, a zone, a parsed rule, is cached beside
them by what it was made from, and never stored.
"""

import re
from abc import ABC
from abc import abstractmethod
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo
from functools import lru_cache
from functools import partial
from itertools import takewhile
from typing import Self

from zope.interface import implementer

from zodbschedule.instant import MICROSECOND
from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.interfaces import IRecurrence
from zodbschedule.recurrence import cron as crontab
from zodbschedule.recurrence import rrule as rfc5545
from zodbschedule.recurrence.arguments import aware
from zodbschedule.recurrence.arguments import in_words
from zodbschedule.recurrence.arguments import instants
from zodbschedule.recurrence.arguments import name_of
from zodbschedule.recurrence.arguments import shown
from zodbschedule.recurrence.arguments import spec_of_start
from zodbschedule.recurrence.arguments import within_years
from zodbschedule.recurrence.walltimes import FOLD
from zodbschedule.recurrence.walltimes import GAP
from zodbschedule.recurrence.walltimes import WallTimes
from zodbschedule.recurrence.walltimes import checked
from zodbschedule.recurrence.zones import DAY
from zodbschedule.recurrence.zones import EARLIEST
from zodbschedule.recurrence.zones import LATEST
from zodbschedule.recurrence.zones import Spec
from zodbschedule.recurrence.zones import Zone
from zodbschedule.recurrence.zones import instant_at
from zodbschedule.recurrence.zones import spec_of
from zodbschedule.recurrence.zones import zone_of


#: the frequencies that are less than a day
OFTEN = re.compile(r'FREQ=(HOUR|MINUTE|SECOND)LY', re.IGNORECASE)


class _Recurrence(ABC):
    """What all rules have in common."""

    @abstractmethod
    def _after(self, instant: datetime) -> datetime | None:
        """As `next_after`, but in UTC."""

    @abstractmethod
    def _zone(self) -> Zone:
        """The zone of the answers."""

    def next_after(self, moment: datetime) -> datetime | None:
        instant = max(as_utc(moment, 'moment'), EARLIEST)
        found = self._after(instant) if instant < LATEST else None
        if found is None or found > LATEST:
            return None
        return found.astimezone(self._zone().info)

    def upcoming(self, moment: datetime, count: int) -> Iterator[datetime]:
        for _ in range(count):
            found = self.next_after(moment)
            if found is None:
                return
            yield found
            moment = found

    def passed(self, start: datetime, end: datetime, limit: int) -> int:
        last = as_utc(end, 'end')
        return sum(1 for _ in takewhile(
            lambda occurrence: as_utc(occurrence) <= last,
            self.upcoming(as_utc(start, 'start'), limit)))

    def anchored(self, first: datetime) -> Self:
        return self


# -- Elapsed time


@implementer(IRecurrence)
@dataclass(frozen=True, init=False, repr=False)
class Every(_Recurrence):
    """One period after the other, from a start on: elapsed time.

    See `IRecurrence`.  *period* is a timedelta, *start*, the first occurrence,
    an aware datetime.  The answers are in the zone of the start; in UTC if it
    has none that has a name.  Without a start the next occurrence is one
    period later than whatever moment is asked for; see `anchored`.
    """

    period: timedelta
    _start: int | None
    _spec: Spec

    def __init__(self, period: timedelta,
                 start: datetime | None = None) -> None:
        if not isinstance(period, timedelta) or period <= timedelta():
            raise InvalidRecurrence(
                f'period is {period!r}; it has to be a timedelta of more '
                f'than zero, such as timedelta(minutes=15)')
        vars(self).update(period=period, _start=None, _spec='UTC')
        if start is not None:
            vars(self).update(_start=to_micros(aware('start', start)),
                              _spec=spec_of(start.tzinfo) or 'UTC')

    @property
    def start(self) -> datetime | None:
        """The first occurrence."""
        if self._start is None:
            return None
        return from_micros(self._start).astimezone(self._zone().info)

    def _zone(self) -> Zone:
        return zone_of(self._spec)

    def _after(self, instant: datetime) -> datetime | None:
        micros = to_micros(instant)
        start = micros if self._start is None else self._start
        done = max(0, (micros - start) // self._micros + 1)
        try:
            return from_micros(start + done * self._micros)
        except OverflowError:
            return None

    @property
    def _micros(self) -> int:
        return self.period // MICROSECOND

    def passed(self, start: datetime, end: datetime, limit: int) -> int:
        low = to_micros(as_utc(start, 'start'))
        high = to_micros(min(as_utc(end, 'end'), LATEST))
        base = low if self._start is None else self._start
        # the number of the last occurrence that is not after it; -1: none is
        until, since = (max(-1, (micros - base) // self._micros)
                        for micros in (high, low))
        return max(0, min(limit, until - since))

    def anchored(self, first: datetime) -> Self:
        if self._start is not None:
            return self
        return type(self)(self.period, first)

    def describe(self, moment: datetime) -> str:
        as_utc(moment, 'moment')
        return 'Elapsed time: no gap and no fold changes it.'

    def note(self, occurrence: datetime) -> str | None:
        return None

    def __str__(self) -> str:
        since = '' if self.start is None else f' from {shown(self.start)}'
        return f'every {in_words(self.period)}{since}'

    def __repr__(self) -> str:
        start = '' if self.start is None else f', {self.start!r}'
        return f'Every({self.period!r}{start})'


# -- Wall time


class _OfWallTimes(_Recurrence):
    """A rule about what the clocks of a zone show."""

    @abstractmethod
    def _times(self) -> WallTimes:
        """What becomes of its wall times."""

    def _zone(self) -> Zone:
        return self._times().zone

    def _after(self, instant: datetime) -> datetime | None:
        return self._times().next_after(instant)

    def describe(self, moment: datetime) -> str:
        return self._times().describe(within_years(moment))

    def note(self, occurrence: datetime) -> str | None:
        return self._times().note(within_years(occurrence))


@implementer(IRecurrence)
@dataclass(frozen=True, init=False, repr=False)
class Cron(_OfWallTimes):
    """When the clocks of a zone match a cron expression.

    See `IRecurrence`.  *expression* has five fields, or six with the seconds
    first, or is an alias such as ``@hourly``.  *timezone* is a name of the
    zone database, or a ZoneInfo.

    *gap* says what becomes of a time that a gap leaves out: ``'next'``, it
    occurs at the end of the gap, or ``'skip'``.  *fold* says at which of the
    two an ambiguous time occurs: ``'first'``, ``'second'`` or ``'both'``.  By
    default as in Debian's cron: an expression whose minute or hour begins
    with ``*`` is an interval, which skips and occurs at both; any other names
    fixed times, which occur once, at the next valid instant and at the first.
    """

    expression: str
    timezone: str
    gap: str
    fold: str

    def __init__(self, expression: str, timezone: str | tzinfo,
                 gap: str | None = None, fold: str | None = None) -> None:
        if not isinstance(expression, str):
            raise InvalidRecurrence(
                f'cron expression is {expression!r}; it has to be a str, '
                f"such as '30 2 * * *'")
        expression = ' '.join(expression.split())
        default = _defaults(expression)
        vars(self).update(
            expression=expression,
            timezone=name_of(timezone),
            gap=checked('gap', gap or default[0], GAP),
            fold=checked('fold', fold or default[1], FOLD))

    def _times(self) -> WallTimes:
        return _cron_times(
            self.expression, self.timezone, self.gap, self.fold)

    def __str__(self) -> str:
        return f'{crontab.explained(self.expression)}, in {self.timezone}'

    def __repr__(self) -> str:
        policies = _policies(self, _defaults(self.expression))
        return f'Cron({self.expression!r}, {self.timezone!r}{policies})'


@lru_cache(maxsize=1024)
def _cron_times(expression: str, timezone: str, gap: str,
                fold: str) -> WallTimes:
    return WallTimes(
        partial(crontab.walls, expression), zone_of(timezone), gap, fold)


def _defaults(expression: str) -> tuple[str, str]:
    if crontab.is_interval(expression):
        return 'skip', 'both'
    return 'next', 'first'


def _policies(rule: object, defaults: tuple[str, str]) -> str:
    """Those that a repr has to name."""
    return ''.join(
        f', {name}={getattr(rule, name)!r}'
        for name, default in zip(('gap', 'fold'), defaults)
        if getattr(rule, name) != default)


@implementer(IRecurrence)
@dataclass(frozen=True, init=False, repr=False)
class RRule(_OfWallTimes):
    """A recurrence rule of RFC 5545.

    See `IRecurrence`.  *text* is an RRULE, with or without that name, and may
    have lines EXDATE and RDATE.  *dtstart* is an aware datetime; its zone is
    the rule's, one by zoneinfo or a fixed distance from UTC, and parts of a
    second are dropped.  It is the first occurrence if the rule matches it.
    *exdate* and *rdate* are aware datetimes that do not occur, or occur too.

    *gap* and *fold* as for `Cron`.  By default times that do not exist are
    left out and not counted, and of two the first occurs; both do with a
    frequency of hours or less, whose work is to be done again and again.
    """

    text: str
    _wall: datetime
    _fold: int  # apart, since it does not count when datetimes are compared
    _spec: Spec
    _exdate: tuple[int, ...]
    _rdate: tuple[int, ...]
    gap: str
    fold: str

    def __init__(self, text: str, dtstart: datetime, *,
                 exdate: Iterable[datetime] = (),
                 rdate: Iterable[datetime] = (),
                 gap: str | None = None, fold: str | None = None) -> None:
        if not isinstance(text, str):
            raise InvalidRecurrence(
                f"RRULE is {text!r}; it has to be a str, such as 'FREQ=DAILY'")
        aware('dtstart', dtstart)
        spec = spec_of_start(dtstart)
        rule, dates = rfc5545.lines(text)
        vars(self).update(
            text=rule,
            _wall=dtstart.replace(tzinfo=None, microsecond=0, fold=0),
            _fold=dtstart.fold,
            _spec=spec,
            _exdate=instants('exdate', exdate, dates['EXDATE'], spec),
            _rdate=instants('rdate', rdate, dates['RDATE'], spec),
            gap=checked('gap', gap or 'skip', GAP),
            fold=checked('fold', fold or _fold_of(rule), FOLD))
        if self._after(EARLIEST) is None:
            raise InvalidRecurrence(
                f'RRULE is {text!r}, which never occurs from {dtstart} on')

    @property
    def dtstart(self) -> datetime:
        """Where the rule begins."""
        return self._wall.replace(tzinfo=self._zone().info, fold=self._fold)

    @property
    def exdate(self) -> tuple[datetime, ...]:
        """What does not occur, in UTC."""
        return tuple(map(from_micros, self._exdate))

    @property
    def rdate(self) -> tuple[datetime, ...]:
        """What occurs besides, in UTC."""
        return tuple(map(from_micros, self._rdate))

    def _times(self) -> WallTimes:
        return _rrule_times(self.text, self._wall, self._fold, self._spec,
                            self.gap, self.fold)

    def _after(self, instant: datetime) -> datetime | None:
        while True:
            found = min(filter(None, (super()._after(instant),
                                      self._more(instant))), default=None)
            if found is None or to_micros(found) not in self._exdate:
                return found
            instant = found

    def _more(self, instant: datetime) -> datetime | None:
        """What RDATE says."""
        return next((one for one in self.rdate if one > instant), None)

    def __str__(self) -> str:
        others = [f', {len(dates)} {word}' for word, dates in (
            ('left out', self._exdate), ('added', self._rdate)) if dates]
        return f'{self.text} from {shown(self.dtstart)}{"".join(others)}'

    def __repr__(self) -> str:
        dates = [f', {name}={value!r}' for name, value in (
            ('exdate', self.exdate), ('rdate', self.rdate)) if value]
        policies = _policies(self, ('skip', _fold_of(self.text)))
        return (f'RRule({self.text!r}, {self.dtstart!r}{"".join(dates)}'
                f'{policies})')


def _fold_of(text: str) -> str:
    """What a rule does in a fold if it does not say."""
    return 'both' if OFTEN.search(text) else 'first'


@lru_cache(maxsize=1024)
def _rrule_times(text: str, wall: datetime, at_fold: int, spec: Spec,
                 gap: str, fold: str) -> WallTimes:
    zone = zone_of(spec)
    rule = rfc5545.parsed(text, wall)
    times = WallTimes(rule.walls, zone, gap, fold,
                      _begin(wall, at_fold, zone),
                      min(rule.until or LATEST, LATEST))
    if rule.count is None:
        return times
    return replace(times, end=_last(times, rule.count))


def _begin(wall: datetime, fold: int, zone: Zone) -> datetime:
    """The first instant that such a DTSTART lets a rule occur at."""
    instants = zone.instants(wall)
    if instants:
        return instants[fold and -1]
    about = instant_at(wall, timedelta())
    shift = zone.shift(about - DAY, about + DAY)
    assert shift is not None
    return shift.instant


def _last(times: WallTimes, count: int) -> datetime:
    """The last occurrence of a rule with COUNT.

    What a gap leaves out is not counted, as in RFC 5545, and what comes twice
    in a fold counts twice.
    """
    moment = times.begin - MICROSECOND
    for _ in range(count):
        found = times.next_after(moment)
        if found is None:
            break
        moment = found
    return moment
