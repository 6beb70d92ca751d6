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
"""Zones: which local times exist, which are left out, which come twice.

A zone is kept as plain data, a *spec*: the name that the zone database gives
it, or a timedelta east of UTC.  The object that can be asked is made from
that, and is never stored: a ZoneInfo cannot be pickled everywhere, and would
bring the rules of an old database along.

A *wall time* is a naive datetime, what a clock on the wall shows there.
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
# How far apart two instants may be between which one shift is looked for.
# Larger than the difference between two offsets can be, and less than two
# shifts are apart: in all of the database those are at least 3.98 days.
STEP = timedelta(days=2)
# Every zone can say what time it is between these.
EARLIEST = datetime(1, 1, 4, tzinfo=UTC)
LATEST = datetime(9999, 12, 28, tzinfo=UTC)


def spec_of(zone: tzinfo | None) -> Spec | None:
    """The spec of a zone, or None if that cannot be kept as plain data."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    if isinstance(zone, timezone):
        return zone.utcoffset(None) or 'UTC'
    return None


@lru_cache(maxsize=1024)
def zone_of(spec: Spec) -> 'Zone':
    """The zone that can be asked; raises `InvalidRecurrence`."""
    if isinstance(spec, timedelta):
        return Zone(timezone(spec))
    if spec == 'UTC':  # needs no database
        return Zone(UTC)
    try:
        return Zone(ZoneInfo(spec))
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder
        raise InvalidRecurrence(_why_not(spec)) from None


def _why_not(name: str) -> str:
    if not available_timezones():
        return (f'timezone is {name!r}, but this machine has no time zone '
                f'database; install tzdata, for instance by pip')
    return (f'timezone is {name!r}, which the time zone database does not '
            f"know; it takes a name such as 'Europe/Berlin' or 'UTC'")


@dataclass(frozen=True)
class Transition:
    """The instant at which a zone's distance from UTC changes."""

    instant: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        return self.after > self.before

    @property
    def first(self) -> datetime:
        """The first of the wall times that are left out, or come twice."""
        return wall_at(self.instant, min(self.before, self.after))

    @property
    def end(self) -> datetime:
        """The first wall time after those."""
        return wall_at(self.instant, max(self.before, self.after))


class Zone:
    """One zone.  All instants that go in and out are in UTC."""

    def __init__(self, info: tzinfo) -> None:
        self.info = info

    def offset(self, instant: datetime) -> timedelta:
        """How far the zone is from UTC at an instant."""
        offset = instant.astimezone(self.info).utcoffset()
        assert offset is not None
        return offset

    def wall(self, instant: datetime) -> datetime:
        """What the clock shows at an instant."""
        return wall_at(instant, self.offset(instant))

    def instants(self, wall: datetime) -> list[datetime]:
        """When a clock shows this: never, once, or twice; in order.

        Every offset that the zone has about then is tried, and has to be the
        one in force at the instant that it leads to.
        """
        utc = wall.replace(tzinfo=UTC)
        offsets = {self.offset(utc - DAY), self.offset(utc),
                   self.offset(utc + DAY)}
        return sorted(
            instant for offset in offsets
            if self.offset(instant := utc - offset) == offset)

    def shift(self, after: datetime, until: datetime) -> Transition | None:
        """The first shift after one instant and not after another."""
        offset = self.offset(after)
        while after < until:
            step = min(after + STEP, until)
            if self.offset(step) != offset:
                return self._between(after, step)
            after = step
        return None

    def _between(self, low: datetime, high: datetime) -> Transition:
        # Shifts happen at whole seconds.
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
    """What a clock shows that is so far from UTC."""
    return (instant + offset).replace(tzinfo=None)


def instant_at(wall: datetime, offset: timedelta) -> datetime:
    """When a clock shows this that is so far from UTC."""
    return wall.replace(tzinfo=UTC) - offset
