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

They are values.  Their state is plain data: names, numbers, text, naive
datetimes.  What is made from it, a zone or a parsed rule, is cached beside
them and never stored.
"""

import re
import warnings
from abc import ABC
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo
from functools import lru_cache
from functools import partial
from itertools import islice
from itertools import takewhile
from typing import Self

from zope.interface import implementer

from zodbschedule.instant import MICROSECOND
from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.interfaces import IRecurrence
from zodbschedule.interfaces import RecurrenceWarning
from zodbschedule.recurrence import cron
from zodbschedule.recurrence import cron_fields
from zodbschedule.recurrence import rrule
from zodbschedule.recurrence import rrule_text
from zodbschedule.recurrence.arguments import check_dates
from zodbschedule.recurrence.arguments import check_moment
from zodbschedule.recurrence.arguments import check_policy
from zodbschedule.recurrence.arguments import check_start
from zodbschedule.recurrence.arguments import check_start_zone
from zodbschedule.recurrence.arguments import check_zone_name
from zodbschedule.recurrence.arguments import clamp
from zodbschedule.recurrence.arguments import format_moment
from zodbschedule.recurrence.arguments import format_period
from zodbschedule.recurrence.cron_words import cron_words
from zodbschedule.recurrence.exception_dates import Wall
from zodbschedule.recurrence.exception_dates import added
from zodbschedule.recurrence.exception_dates import instants_of
from zodbschedule.recurrence.exception_dates import left_out
from zodbschedule.recurrence.exception_dates import moment_of
from zodbschedule.recurrence.exception_dates import occurs
from zodbschedule.recurrence.exception_dates import walls_of
from zodbschedule.recurrence.periods import check_period
from zodbschedule.recurrence.rrule_words import rrule_words
from zodbschedule.recurrence.rrule_words import span_words
from zodbschedule.recurrence.walltimes import FOLD
from zodbschedule.recurrence.walltimes import GAP
from zodbschedule.recurrence.walltimes import WallTimes
from zodbschedule.recurrence.zones import DAY
from zodbschedule.recurrence.zones import EARLIEST
from zodbschedule.recurrence.zones import LATEST
from zodbschedule.recurrence.zones import Spec
from zodbschedule.recurrence.zones import UnknownZone
from zodbschedule.recurrence.zones import Zone
from zodbschedule.recurrence.zones import instant_at
from zodbschedule.recurrence.zones import spec_of
from zodbschedule.recurrence.zones import zone_of


#: the frequencies below a day
SUBDAILY = re.compile(r'FREQ=(HOUR|MINUTE|SECOND)LY', re.IGNORECASE)


class _Recurrence(ABC):
    """What all rules have in common."""

    @abstractmethod
    def _next_instant(self, instant: datetime) -> datetime | None:
        """As `next_after`, but in UTC."""

    @abstractmethod
    def _zone(self) -> Zone:
        """The zone of the results."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first occurrence after *moment*, or None if there is none.

        *moment* is an aware datetime, or `InvalidTime` is raised.  Returns an
        aware datetime in the zone of the rule: an instant that exists, later
        than *moment*, and not after the year 9999.
        """
        instant = max(as_utc(moment, 'moment'), EARLIEST)
        result = self._next_instant(instant) if instant < LATEST else None
        if result is None or result > LATEST:
            return None
        return result.astimezone(self._zone().info)

    def upcoming(self, moment: datetime, count: int) -> Iterator[datetime]:
        """The first *count* occurrences after *moment*, ascending, lazily.

        Each is as `next_after` returns it.  Raises `InvalidTime` at the first
        step unless *moment* is an aware datetime.
        """
        for _ in range(count):
            occurrence = self.next_after(moment)
            if occurrence is None:
                return
            yield occurrence
            moment = occurrence

    def passed(self, start: datetime, end: datetime, limit: int) -> int:
        """How many occurrences are after *start* and not after *end*.

        Both are aware datetimes, or `InvalidTime` is raised.  Stops counting
        at *limit*, which is the largest result.
        """
        last = as_utc(end, 'end')
        return sum(1 for _ in takewhile(
            lambda occurrence: as_utc(occurrence) <= last,
            self.upcoming(as_utc(start, 'start'), limit)))

    def anchored(self, first: datetime) -> Self:
        """The rule that is counted from *first*, an aware datetime.

        That is this rule itself, unless it is an `Every` without a start.
        """
        return self


# -- Elapsed time


@implementer(IRecurrence)
@dataclass(frozen=True, init=False, repr=False)
class Every(_Recurrence):
    """A recurrence of elapsed time: one period after the other.

    *period* is a timedelta above zero.  *start* is the first occurrence, an
    aware datetime; its zone is the zone of the occurrences, or UTC if it has
    no name.  Without a start the next occurrence is one period after the
    moment that is asked about.  `Schedule.schedule` then anchors the rule at
    the first time of its task, see `anchored`.

    An immutable value, see `IRecurrence`: `next_after` and `upcoming` give
    aware datetimes.  Raises `InvalidRecurrence`, a ValueError.
    """

    period: timedelta
    _start: int | None
    _spec: Spec

    def __init__(self, period: timedelta,
                 start: datetime | None = None) -> None:
        vars(self).update(
            period=check_period(period), _start=None, _spec='UTC')
        if start is not None:
            vars(self).update(_start=to_micros(check_moment('start', start)),
                              _spec=spec_of(start.tzinfo) or 'UTC')

    @property
    def start(self) -> datetime | None:
        """The first occurrence, an aware datetime, or None."""
        if self._start is None:
            return None
        return from_micros(self._start).astimezone(self._zone().info)

    def _zone(self) -> Zone:
        return zone_of(self._spec)

    def _base(self, instant: datetime) -> datetime:
        """Where counting begins, in UTC: the start, else at *instant*."""
        return instant if self._start is None else from_micros(self._start)

    def _next_instant(self, instant: datetime) -> datetime | None:
        base = self._base(instant)
        number = max(0, (instant - base) // self.period + 1)
        try:
            return base + number * self.period
        except OverflowError:
            return None

    def passed(self, start: datetime, end: datetime, limit: int) -> int:
        since = as_utc(start, 'start')
        until = min(as_utc(end, 'end'), LATEST)
        base = self._base(since)
        # the number of the last occurrence by then; -1: there is none
        before, last = (max(-1, (instant - base) // self.period)
                        for instant in (since, until))
        return max(0, min(limit, last - before))

    def anchored(self, first: datetime) -> Self:
        if self._start is not None:
            return self
        return type(self)(self.period, first)

    def describe(self, moment: datetime) -> str:
        """That no gap and no fold changes this rule, as text."""
        as_utc(moment, 'moment')
        return 'Elapsed time: no gap and no fold changes it.'

    def note(self, occurrence: datetime) -> str | None:
        """None: no gap and no fold changes an occurrence."""
        return None

    def _shown_start(self) -> datetime | None:
        """The start; in UTC, if this process does not know its zone."""
        try:
            return self.start
        except InvalidRecurrence:
            return self._base(EARLIEST)

    def __str__(self) -> str:
        start = self._shown_start()
        since = f' from {format_moment(start)}' if start else ''
        return f'every {format_period(self.period)}{since}'

    def __repr__(self) -> str:
        start = self._shown_start()
        return f'Every({self.period!r}{f", {start!r}" if start else ""})'


# -- Wall time


class _WallTimeRule(_Recurrence):
    """A rule about what the clocks of a zone show."""

    gap: str
    fold: str

    @abstractmethod
    def _wall_times(self) -> WallTimes:
        """Its wall times, with zone and policies."""

    @abstractmethod
    def _default_policies(self) -> tuple[str, str]:
        """The policies for gap and fold that are used if none is given."""

    @abstractmethod
    def _normal_form(self) -> tuple[object, ...]:
        """What it says: that of two rules is equal if they say the same."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._normal_form() == other._normal_form()

    def __hash__(self) -> int:
        return hash(self._normal_form())

    def _check_policies(self, gap: str | None, fold: str | None) -> None:
        default_gap, default_fold = self._default_policies()
        vars(self).update(
            gap=check_policy('gap', gap or default_gap, GAP),
            fold=check_policy('fold', fold or default_fold, FOLD))

    def _repr_of_policies(self) -> str:
        """Those that a repr has to name."""
        try:
            defaults = self._default_policies()
        except InvalidRecurrence:
            # It was stored by a version of ours that took it.
            defaults = '', ''
        return ''.join(
            f', {name}={getattr(self, name)!r}'
            for name, default in zip(('gap', 'fold'), defaults)
            if getattr(self, name) != default)

    def _zone(self) -> Zone:
        return self._wall_times().zone

    def _next_instant(self, instant: datetime) -> datetime | None:
        return self._wall_times().next_after(instant)

    def describe(self, moment: datetime) -> str:
        """What happens at the next gap and fold after *moment*, as text.

        *moment* is an aware datetime, or `InvalidTime` is raised.
        """
        return self._wall_times().describe(clamp(moment))

    def note(self, occurrence: datetime) -> str | None:
        """How a gap or a fold has changed *occurrence*, as text, or None.

        *occurrence* is an aware datetime that `next_after` has returned.
        """
        return self._wall_times().note(clamp(occurrence))


@implementer(IRecurrence)
@dataclass(frozen=True, init=False, repr=False, eq=False)
class Cron(_WallTimeRule):
    """A recurrence at the wall times that match a cron expression.

    *expression* has five fields (minute, hour, day of the month, month, day of
    the week), or six with the seconds first, or is an alias such as
    ``@hourly``.  It is kept as it was written; rules are equal if their fields
    have the same values.  *timezone* is a name of the zone database, such as
    ``'Europe/Berlin'``, or a ZoneInfo.

    *gap* says what happens to a wall time that a gap skips: ``'next'``, it
    occurs at the end of the gap, or ``'skip'``.  *fold* says at which of its
    two instants a repeated wall time occurs: ``'first'``, ``'second'`` or
    ``'both'``.  The defaults are those of Debian's cron.  An expression whose
    minute or hour begins with ``*`` is an interval: ``'skip'`` and
    ``'both'``.  Any other one names fixed times: ``'next'`` and ``'first'``.

    An immutable value, see `IRecurrence`: `next_after` and `upcoming` give
    aware datetimes in the zone.  Raises `InvalidRecurrence`, a ValueError.
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
        cron.check(expression)
        vars(self).update(expression=' '.join(expression.split()),
                          timezone=check_zone_name(timezone))
        self._check_policies(gap, fold)

    def _wall_times(self) -> WallTimes:
        return _times_of_cron(
            self.expression, self.timezone, self.gap, self.fold)

    def _default_policies(self) -> tuple[str, str]:
        if cron_fields.fields(self.expression).is_interval:
            return 'skip', 'both'
        return 'next', 'first'

    def _normal_form(self) -> tuple[object, ...]:
        try:
            says: object = cron_fields.fields(self.expression)
        except InvalidRecurrence:
            # It was stored by a version of ours that took it.
            says = self.expression
        return says, self.timezone, self.gap, self.fold

    def __str__(self) -> str:
        try:
            words = cron_words(self.expression)
        except InvalidRecurrence:
            words = self.expression
        return f'{words}, in {self.timezone}'

    def __repr__(self) -> str:
        return (f'Cron({self.expression!r}, {self.timezone!r}'
                f'{self._repr_of_policies()})')


@implementer(IRecurrence)
@dataclass(frozen=True, init=False, repr=False, eq=False)
class RRule(_WallTimeRule):
    """A recurrence rule of a calendar, as in RFC 5545.

    *text* is an RRULE, with or without that name, and may have lines DTSTART,
    EXDATE and RDATE.  *dtstart* is an aware datetime, in a zone that is a
    ZoneInfo or a `datetime.timezone`; that is the zone of the rule.  Fractions
    of its second are dropped.  It may be omitted if the text has a line
    DTSTART with a zone; if both are there they have to agree.  It is the first
    occurrence if the rule matches it.  *exdate* and *rdate* are aware
    datetimes: what does not occur, and what occurs as well.

    *gap* and *fold* are as for `Cron`.  By default wall times that do not
    exist are skipped and not counted, and a repeated one occurs the first time
    only; with a frequency of hours or less it occurs both times.

    An immutable value, see `IRecurrence`: `next_after` and `upcoming` give
    aware datetimes in the zone.  Raises `InvalidRecurrence`, a ValueError,
    also if the rule never occurs.  Warns by `RecurrenceWarning` of an EXDATE
    that leaves out nothing, see `unmatched_exdate`.
    """

    text: str
    _wall: datetime
    _fold: int  # apart, since a comparison of datetimes ignores it
    _spec: Spec
    _exdate: tuple[Wall, ...]
    _rdate: tuple[Wall, ...]
    gap: str
    fold: str

    def __init__(self, text: str, dtstart: datetime | None = None, *,
                 exdate: Iterable[datetime] | datetime = (),
                 rdate: Iterable[datetime] | datetime = (),
                 gap: str | None = None, fold: str | None = None) -> None:
        if not isinstance(text, str):
            raise InvalidRecurrence(
                f"RRULE is {text!r}; it has to be a str, such as 'FREQ=DAILY'")
        lines = rrule_text.read(text)
        start = check_start(dtstart, lines.start).replace(microsecond=0)
        spec = check_start_zone(start)
        vars(self).update(
            text=rrule_text.normalize(lines.rule, zone_of(spec).info),
            _wall=start.replace(tzinfo=None, fold=0),
            _fold=start.fold,
            _spec=spec,
            _exdate=(),
            _rdate=walls_of(check_dates(
                'rdate', rdate, added(lines.rdates, start)), spec))
        self._check_policies(gap, fold)
        vars(self).update(_exdate=walls_of(check_dates(
            'exdate', exdate, left_out(
                lines.exdates, start, self._next_before_exdate)), spec))
        if self._next_instant(EARLIEST) is None:
            raise InvalidRecurrence(
                f'RRULE is {self.text!r}, which never occurs from {start} on')
        self._warn_of_exdate()

    def _warn_of_exdate(self) -> None:
        if unmatched := self.unmatched_exdate:
            shown = ', '.join(
                format_moment(moment.astimezone(self.dtstart.tzinfo))
                for moment in unmatched[:3])
            more = f' and {len(unmatched) - 3} more' if unmatched[3:] else ''
            warnings.warn(
                f'EXDATE has {shown}{more}, when the rule does not occur; it '
                f'leaves out nothing', RecurrenceWarning, stacklevel=3)

    @property
    def dtstart(self) -> datetime:
        """Where the rule begins, an aware datetime in its zone."""
        return self._wall.replace(tzinfo=self._zone().info, fold=self._fold)

    @property
    def exdate(self) -> tuple[datetime, ...]:
        """The instants that do not occur, in UTC, ascending."""
        return tuple(map(from_micros, instants_of(self._exdate, self._spec)))

    @property
    def rdate(self) -> tuple[datetime, ...]:
        """The instants that occur as well, in UTC, ascending."""
        return tuple(map(from_micros, instants_of(self._rdate, self._spec)))

    def _wall_times(self) -> WallTimes:
        return _times_of_rrule(self.text, self._wall, self._fold, self._spec,
                               self.gap, self.fold)

    def _default_policies(self) -> tuple[str, str]:
        return 'skip', 'both' if SUBDAILY.search(self.text) else 'first'

    def _normal_form(self) -> tuple[object, ...]:
        try:
            says: object = rrule.parse(self.text, self._wall).key
        except InvalidRecurrence:
            # It was stored by a version of ours that took it.
            says = self.text
        return (says, self._wall, self._fold, self._spec, self._exdate,
                self._rdate, self.gap, self.fold)

    @property
    def unmatched_exdate(self) -> tuple[datetime, ...]:
        """Those of `exdate` that leave out nothing, in UTC, ascending."""
        return tuple(each for each in self.exdate
                     if not occurs(each, self._next_before_exdate))

    def _next_instant(self, instant: datetime) -> datetime | None:
        exdate = instants_of(self._exdate, self._spec)
        while True:
            result = self._next_before_exdate(instant)
            if result is None or to_micros(result) not in exdate:
                return result
            instant = result

    def _next_before_exdate(self, instant: datetime) -> datetime | None:
        """The next instant before EXDATE leaves out any."""
        rdate = instants_of(self._rdate, self._spec)
        following = bisect_right(rdate, to_micros(instant))
        proposals = super()._next_instant(instant), *map(
            from_micros, rdate[following:following + 1])
        return min(filter(None, proposals), default=None)

    def _shown_dtstart(self) -> datetime:
        return self._wall.replace(tzinfo=self._shown_zone(), fold=self._fold)

    def _shown_zone(self) -> tzinfo:
        """The zone, also if this process does not know it."""
        try:
            return zone_of(self._spec).info
        except InvalidRecurrence:
            return UnknownZone(self._spec)

    def in_short(self) -> str:
        """As `str()`, without the start, the end and the dates."""
        zone = self._shown_dtstart().tzinfo
        return f'{self._words() or self.text}, in {zone}'

    def _words(self) -> str | None:
        try:
            return rrule_words(rrule.parse(self.text, self._wall))
        except InvalidRecurrence:
            # It was stored by a version of ours that took it.
            return None

    def __str__(self) -> str:
        start = self._shown_dtstart()
        dates = [f', {len(dates)} {word}' for word, dates in (
            ('left out', self._exdate), ('added', self._rdate)) if dates]
        words = self._words()
        if words is None:
            return f'{self.text} from {format_moment(start)}{"".join(dates)}'
        rule = rrule.parse(self.text, self._wall)
        return (f'{words}, {span_words(rule, start.tzinfo)}, in '
                f'{start.tzinfo}{"".join(dates)}')

    def __repr__(self) -> str:
        zone = self._shown_zone()
        dates = [f', {name}={[moment_of(wall, zone) for wall in walls]!r}'
                 for name, walls in (
                     ('exdate', self._exdate), ('rdate', self._rdate))
                 if walls]
        return (f'RRule({self.text!r}, {self._shown_dtstart()!r}'
                f'{"".join(dates)}{self._repr_of_policies()})')


# What is cached has plain data as its key: it is found faster than by a rule.


@lru_cache(maxsize=1024)
def _times_of_cron(expression: str, timezone: str, gap: str,
                   fold: str) -> WallTimes:
    return WallTimes(partial(cron.wall_times, expression),
                     zone_of(timezone), gap, fold)


@lru_cache(maxsize=1024)
def _times_of_rrule(text: str, wall: datetime, fold_of_start: int, spec: Spec,
                    gap: str, fold: str) -> WallTimes:
    zone = zone_of(spec)
    rule = rrule.parse(text, wall)
    times = WallTimes(rule.wall_times, zone, gap, fold,
                      _first_instant(wall, fold_of_start, zone),
                      rule.until or LATEST)
    if rule.count is None:
        return times
    return replace(times, end=_last_instant(times, rule.count))


def _first_instant(wall: datetime, fold: int, zone: Zone) -> datetime:
    """The first instant at which a rule with this start can occur."""
    instants = zone.instants(wall)
    if instants:
        return instants[fold and -1]
    about = instant_at(wall, timedelta())
    transition = zone.transition(about - DAY, about + DAY)
    assert transition is not None
    return transition.instant


def _last_instant(times: WallTimes, count: int) -> datetime:
    """The last occurrence of a rule with COUNT.

    What a gap skips is not counted, as in RFC 5545, and what a fold repeats
    counts twice.
    """
    last = times.begin - MICROSECOND
    while count and (instant := times.next_after(last)):
        # What follows needs no search, until a transition is near.
        walls = _usual_walls(times, times.zone.wall(instant), count - 1)
        count -= 1 + len(walls)
        last = times.zone.instants(walls[-1])[0] if walls else instant
    return last


def _usual_walls(times: WallTimes, wall: datetime,
                 count: int) -> list[datetime]:
    """At most *count* wall times after one, while each of them comes once."""
    if not times.zone.is_usual(wall):
        return []
    return [*islice(takewhile(
        lambda each: each < LATEST.replace(tzinfo=None)
        and times.zone.is_usual(each), times.propose(wall + MICROSECOND)),
        count)]
