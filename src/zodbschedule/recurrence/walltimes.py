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
"""From the wall times of a rule to the instants at which it occurs.

A rule proposes wall times as if there were no zones.  What becomes of those
in a gap and in a fold is decided here, for all rules alike.

The time line of a zone is a row of stretches, each with one offset.  Within a
stretch wall times and instants have the same order; from one stretch to the
next they have not: in a fold, an earlier wall time can be the later instant.
So the search goes through the stretches, and asks the rule anew in each.
"""

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from itertools import islice

from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.recurrence.zones import EARLIEST
from zodbschedule.recurrence.zones import LATEST
from zodbschedule.recurrence.zones import SECOND
from zodbschedule.recurrence.zones import STEP
from zodbschedule.recurrence.zones import Transition
from zodbschedule.recurrence.zones import Zone
from zodbschedule.recurrence.zones import instant_at
from zodbschedule.recurrence.zones import wall_at


GAP = ('next', 'skip')
FOLD = ('first', 'second', 'both')

MICROSECOND = timedelta(microseconds=1)
# How many shifts a search goes through before it takes a rule for one whose
# times are always left out.  Larger, and such a rule costs longer, about 20
# us a shift; smaller, and one that the zone's future lets occur once in a
# century would end.
PATIENCE = 500
# How far ahead a description looks for the next gap and the next fold.
FORESIGHT = timedelta(days=3653)


def checked(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """*value*, a policy; raises `InvalidRecurrence` if there is no such."""
    if value not in allowed:
        raise InvalidRecurrence(
            f'{name} is {value!r}; it has to be one of '
            f'{", ".join(map(repr, allowed))}')
    return value


@dataclass(frozen=True)
class WallTimes:
    """A rule's wall times in a zone, and the policies for gap and fold."""

    #: the rule's wall times from a given one on, that included, ascending
    propose: Callable[[datetime], Iterator[datetime]]
    zone: Zone
    gap: str
    fold: str
    #: nothing occurs before this instant
    begin: datetime = EARLIEST
    #: nothing occurs after this one
    end: datetime = LATEST

    def next_after(self, moment: datetime) -> datetime | None:
        """The first occurrence after *moment*; both in UTC."""
        found = self._search(moment)
        return None if found is None or found > self.end else found

    def _search(self, moment: datetime) -> datetime | None:
        cursor = max(moment, self.begin - MICROSECOND)
        wall = self._first(self.zone.wall(cursor) + MICROSECOND)
        shifts = 0
        while cursor <= self.end and shifts < PATIENCE:
            near = cursor + STEP
            due = self._due(wall, cursor)
            shift = self.zone.shift(cursor, min(near, due or near))
            if shift is not None:
                if self._catches_up(shift):
                    return shift.instant
                cursor, shifts = shift.instant, shifts + 1
                wall = self._first(wall_at(cursor, shift.after))
            elif wall is None or due is None:
                return None
            elif due > near:
                # No shift in between leads back behind that wall time.
                cursor = max(near, due - STEP)
            elif self._is_chosen(wall, due):
                return due
            else:
                cursor, wall = due, self._first(wall + MICROSECOND)
        return None

    def _first(self, wall: datetime) -> datetime | None:
        return next(self.propose(wall), None)

    def _due(self, wall: datetime | None, cursor: datetime) -> datetime | None:
        """When a clock that goes on as it is would show that."""
        if wall is None or wall > LATEST.replace(tzinfo=None):
            return None
        return instant_at(wall, self.zone.offset(cursor))

    def _catches_up(self, shift: Transition) -> bool:
        """Whether what a gap leaves out occurs at its end."""
        return (self.gap == 'next' and shift.is_gap
                and any(True for _ in self._within(shift)))

    def _within(self, shift: Transition) -> Iterator[datetime]:
        """The rule's wall times that a shift leaves out, or doubles."""
        for wall in self.propose(shift.first):
            if wall >= shift.end or shift.instant > self.end:
                return
            yield wall

    def _is_chosen(self, wall: datetime, instant: datetime) -> bool:
        """Whether the rule occurs at this of the instants of a wall time."""
        if self.fold == 'both':
            return True
        instants = [one for one in self.zone.instants(wall)
                    if one >= self.begin]
        return instant == instants[0 if self.fold == 'first' else -1]

    # -- In words

    def note(self, instant: datetime) -> str | None:
        """What a gap or a fold has done to an occurrence."""
        wall = self.zone.wall(instant)
        shift = self.zone.shift(instant - SECOND, instant)
        if shift is not None and self._catches_up(shift):
            return f'{self._listed(shift, wall)} does not exist that day'
        instants = self.zone.instants(wall)
        if len(instants) == 1:
            return None
        which = 'first' if instant == instants[0] else 'second'
        return f'{_clock(wall, wall)} comes twice that day: the {which}'

    def describe(self, moment: datetime) -> str:
        """What happens at the next gap, and at the next fold."""
        moment = min(moment, LATEST - FORESIGHT)
        found: dict[bool, Transition] = {}
        end = moment + FORESIGHT
        while shift := self.zone.shift(moment, end):
            found.setdefault(shift.is_gap, shift)
            if len(found) == 2:
                break
            moment = shift.instant
        return '\n'.join(
            self._told(is_gap, found.get(is_gap)) for is_gap in (True, False))

    def _told(self, is_gap: bool, shift: Transition | None) -> str:
        name = 'gap' if is_gap else 'fold'
        if shift is None:
            return f'Next {name}: none within ten years.'
        first, end = shift.first, shift.end
        happens = 'do not exist' if is_gap else 'come twice'
        return (
            f'Next {name}: {first:%Y-%m-%d}, {_clock(first, first)} to '
            f'{_clock(end, first)} {happens}; {self._effect(shift)}.')

    def _effect(self, shift: Transition) -> str:
        listed = self._listed(shift, shift.first)
        if not listed:
            return 'nothing is due then'
        if not shift.is_gap:
            return f'{listed}: {_FOLDED[self.fold]}'
        if self.gap == 'skip':
            return f'{listed}: left out'
        return f'{listed}: once, at {_clock(shift.end, shift.first)}'

    def _listed(self, shift: Transition, day: datetime) -> str:
        """The rule's times in a shift; of many, the first two."""
        walls = list(islice(self._within(shift), 3))
        listed = ', '.join(_clock(wall, day) for wall in walls[:2])
        return f'{listed} and so on' if len(walls) > 2 else listed


_FOLDED = {
    'first': 'the first time only',
    'second': 'the second time only',
    'both': 'both times',
}


def _clock(wall: datetime, day: datetime) -> str:
    """The time of day; with its date, unless that is *day*'s."""
    form = '%H:%M:%S' if wall.second else '%H:%M'
    if wall.date() != day.date():
        form = f'%Y-%m-%d {form}'
    return wall.strftime(form)
