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
"""Zones: which wall times exist, and which come twice.

A zone is stored as plain data, its *spec*: its name in the zone database, or
its timedelta east of UTC.  A `Zone`, which answers, is made from the spec and
never stored: a ZoneInfo cannot be pickled in every Python, and it would keep
the rules of an old database.

A *wall time* is a naive datetime, what a clock on the wall shows there.  A
*transition* is an instant at which the clocks change: they skip wall times, a
*gap*, or repeat some, a *fold*.
"""

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from datetime import tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo
from zoneinfo import available_timezones

from zodbschedule.interfaces import InvalidRecurrence


Spec = str | timedelta

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
# The distance within which one transition is searched for.  It has to be more
# than two offsets can differ, and less than the time between two transitions:
# in the whole database that is at least 3.98 days.
STEP = timedelta(days=2)
# Every zone has a wall time for every instant from the one to the other.
EARLIEST = datetime(1, 1, 4, tzinfo=UTC)
LATEST = datetime(9999, 12, 28, tzinfo=UTC)

# How the names of Windows end, and what some usual ones mean, for a message.
# The whole list is long and changes; it is not ours to keep.
WINDOWS = ' Standard Time'
USUAL = {
    'W. Europe': 'Europe/Berlin', 'Romance': 'Europe/Paris',
    'GMT': 'Europe/London', 'Central Europe': 'Europe/Budapest',
    'Central European': 'Europe/Warsaw', 'Eastern': 'America/New_York',
    'Central': 'America/Chicago', 'Mountain': 'America/Denver',
    'Pacific': 'America/Los_Angeles', 'E. South America': 'America/Sao_Paulo',
    'India': 'Asia/Kolkata', 'China': 'Asia/Shanghai', 'Tokyo': 'Asia/Tokyo',
    'AUS Eastern': 'Australia/Sydney'}


def spec_of(zone: tzinfo | None) -> Spec | None:
    """The spec of a zone, or None if it cannot be stored as plain data."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    if isinstance(zone, timezone):
        return zone.utcoffset(None) or 'UTC'
    return None


@lru_cache(maxsize=1024)
def zone_of(spec: Spec) -> 'Zone':
    """The zone with that spec; `InvalidRecurrence` if there is none."""
    if isinstance(spec, timedelta):
        return Zone(timezone(spec))
    if spec == 'UTC':  # needs no database
        return Zone(UTC)
    try:
        return Zone(ZoneInfo(spec))
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder
        raise InvalidRecurrence(_problem(spec)) from None


def _problem(name: str) -> str:
    if not available_timezones():
        return (f'timezone is {name!r}, but this machine has no time zone '
                f'database; install tzdata, for instance with pip')
    if name.endswith(WINDOWS):
        same = USUAL.get(name.removesuffix(WINDOWS))
        write = f'write {same!r}' if same else (
            "write that of the time zone database, such as 'Europe/Berlin' "
            "for 'W. Europe Standard Time'")
        return f'timezone is {name!r}, which is a name of Windows; {write}'
    return (f'timezone is {name!r}, which the time zone database does not '
            f"know; it takes a name such as 'Europe/Berlin' or 'UTC'")


class UnknownZone(tzinfo):
    """A zone of which only the name is known: to show it, and no more."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def utcoffset(self, moment: datetime | None) -> None:
        return None

    dst = utcoffset

    def tzname(self, moment: datetime | None) -> str:
        return str(self.spec)

    def __str__(self) -> str:
        return str(self.spec)

    def __repr__(self) -> str:
        return f'zoneinfo.ZoneInfo(key={self.spec!r})'


@dataclass(frozen=True)
class Transition:
    """A change of a zone's offset from UTC, and the instant of it."""

    instant: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        return self.after > self.before

    @property
    def first(self) -> datetime:
        """The first wall time that is skipped or repeated."""
        return wall_at(self.instant, min(self.before, self.after))

    @property
    def end(self) -> datetime:
        """The first wall time after them."""
        return wall_at(self.instant, max(self.before, self.after))


class Zone:
    """One zone.  All its instants are in UTC, as arguments and as results."""

    def __init__(self, info: tzinfo) -> None:
        self.info = info

    def offset(self, instant: datetime) -> timedelta:
        """How far east of UTC the zone is at an instant."""
        offset = instant.astimezone(self.info).utcoffset()
        assert offset is not None
        return offset

    def wall(self, instant: datetime) -> datetime:
        """The wall time at an instant."""
        return wall_at(instant, self.offset(instant))

    def instants(self, wall: datetime) -> list[datetime]:
        """The instants with that wall time: none, one or two, ascending.

        Each offset that the zone has near it is tried, and has to be the
        offset at the instant that it leads to.
        """
        utc = wall.replace(tzinfo=UTC)
        offsets = {self.offset(utc - DAY), self.offset(utc),
                   self.offset(utc + DAY)}
        return sorted(
            instant for offset in offsets
            if self.offset(instant := utc - offset) == offset)

    def is_usual(self, wall: datetime) -> bool:
        """Whether a wall time comes once: no transition skips or repeats it.
        """
        aware = wall.replace(tzinfo=self.info)
        return aware.utcoffset() == aware.replace(fold=1).utcoffset()

    def transition(self, after: datetime, until: datetime
                   ) -> Transition | None:
        """The first transition after one instant and not after the other."""
        offset = self.offset(after)
        while after < until:
            step = min(after + STEP, until)
            if self.offset(step) != offset:
                return self._bisect(after, step)
            after = step
        return None

    def _bisect(self, low: datetime, high: datetime) -> Transition:
        # Transitions are at whole seconds.
        low, high = low.replace(microsecond=0), high.replace(microsecond=0)
        before = self.offset(low)
        while high - low > SECOND:
            middle = low + (high - low) // (2 * SECOND) * SECOND
            if self.offset(middle) == before:
                low = middle
            else:
                high = middle
        return Transition(high, before, self.offset(high))


def wall_at(instant: datetime, offset: timedelta) -> datetime:
    """The wall time that far east of UTC."""
    return (instant + offset).replace(tzinfo=None)


def instant_at(wall: datetime, offset: timedelta) -> datetime:
    """The instant with that wall time that far east of UTC."""
    return wall.replace(tzinfo=UTC) - offset
