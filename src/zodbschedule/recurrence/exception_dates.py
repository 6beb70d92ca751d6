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
"""EXDATE and RDATE of a text: which instants a rule leaves out and adds.

A date stands for its day: RDATE adds the time of day of the start, EXDATE
leaves out whatever the rule has on that day.

They are stored as wall times in the zone of the rule, as its start is: when
the rules of the zone change, they still hit what the rule names.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import tzinfo
from functools import lru_cache

from zodbschedule.instant import MICROSECOND
from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import later
from zodbschedule.instant import to_micros
from zodbschedule.recurrence.arguments import MAX_DATES
from zodbschedule.recurrence.arguments import check_moment
from zodbschedule.recurrence.rrule_moments import Moment
from zodbschedule.recurrence.zones import DAY
from zodbschedule.recurrence.zones import Spec
from zodbschedule.recurrence.zones import zone_of


#: a wall time in microseconds, as if it were in UTC, and its fold
Wall = tuple[int, int]
#: gives the first occurrence after an instant, both in UTC, or None
Next = Callable[[datetime], datetime | None]


def added(moments: list[Moment], start: datetime) -> Iterator[datetime]:
    """What RDATE adds to a rule with that start."""
    for moment in moments:
        if moment.stands_for_day(start.tzinfo):
            yield _on_day_of(moment, start)
        else:
            yield moment.at(start.tzinfo)


def left_out(moments: list[Moment], start: datetime,
             next_after: Next) -> Iterator[datetime]:
    """What EXDATE leaves out; *next_after* knows of no EXDATE."""
    for moment in moments:
        instant = moment.at(start.tzinfo)
        if moment.is_date or moment.stands_for_day(
                start.tzinfo) and not occurs(instant, next_after):
            yield from _day(moment, start, next_after)
        else:
            yield instant


def occurs(instant: datetime, next_after: Next) -> bool:
    """Whether a rule occurs at an instant."""
    instant = check_moment('exdate', instant)
    return next_after(instant - MICROSECOND) == instant


def _on_day_of(moment: Moment, start: datetime) -> datetime:
    """The time of day of the start, on the day of a moment."""
    return datetime.combine(moment.wall, start.time(), start.tzinfo)


def _day(moment: Moment, start: datetime, next_after: Next
         ) -> Iterator[datetime]:
    """What occurs on a day; if nothing does, what an RDATE would add."""
    begin = moment.wall.replace(tzinfo=start.tzinfo)
    end = check_moment('exdate', later(begin, DAY))
    instant = next_after(check_moment('exdate', begin) - MICROSECOND)
    if instant is None or instant >= end:
        yield _on_day_of(moment, start)
    for _ in range(MAX_DATES + 1):
        if instant is None or instant >= end:
            return
        yield instant
        instant = next_after(instant)


# -- As they are stored


def walls_of(instants: Iterable[int], spec: Spec) -> tuple[Wall, ...]:
    """The wall times of instants in a zone."""
    locals = [from_micros(each).astimezone(zone_of(spec).info)
              for each in instants]
    return tuple(
        (to_micros(each.replace(tzinfo=UTC, fold=0)), each.fold)
        for each in locals)


@lru_cache(maxsize=1024)
def instants_of(walls: tuple[Wall, ...], spec: Spec) -> tuple[int, ...]:
    """The instants of wall times in a zone, ascending."""
    info = zone_of(spec).info
    return tuple(sorted(
        to_micros(as_utc(moment_of(wall, info))) for wall in walls))


def moment_of(wall: Wall, info: tzinfo) -> datetime:
    """A wall time that is stored, as a datetime in a zone."""
    micros, fold = wall
    return from_micros(micros).replace(tzinfo=info, fold=fold)
