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

A rule proposes wall times as if there were no zones.  What happens to those
in a gap and in a fold is decided here, for all rules alike.

The time line of a zone is a row of stretches, each with one offset.  Within a
stretch wall times and instants have the same order.  From one stretch to the
next they do not: in a fold, an earlier wall time can be the later instant.
So the search goes from stretch to stretch, and asks the rule again in each.
"""

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from itertools import islice
from itertools import pairwise

from zodbschedule.instant import MICROSECOND
from zodbschedule.recurrence.words import listed
from zodbschedule.recurrence.zones import EARLIEST
from zodbschedule.recurrence.zones import LATEST
from zodbschedule.recurrence.zones import SECOND
from zodbschedule.recurrence.zones import STEP
from zodbschedule.recurrence.zones import Transition
from zodbschedule.recurrence.zones import Zone
from zodbschedule.recurrence.zones import instant_at
from zodbschedule.recurrence.zones import wall_at


#: The policies; see `zodbschedule.Cron`.
GAP = ('next', 'skip')
FOLD = ('first', 'second', 'both')

# How many transitions a search passes before it takes a rule for one whose
# times are always skipped.  With more, such a rule costs longer, about 300 us
# each; with fewer, a rule that its zone lets occur once in a century would
# end.
MAX_TRANSITIONS = 100
# How far ahead a description looks for the next gap and the next fold.
HORIZON = timedelta(days=3653)


@dataclass(frozen=True)
class WallTimes:
    """The wall times of a rule in a zone, with policies for gap and fold."""

    #: gives the rule's wall times from one on, that included, ascending
    propose: Callable[[datetime], Iterator[datetime]]
    zone: Zone
    gap: str
    fold: str
    #: nothing occurs before this instant
    begin: datetime = EARLIEST
    #: nothing occurs after this one
    end: datetime = LATEST

    def next_after(self, moment: datetime) -> datetime | None:
        """The first occurrence after *moment*, or None; both in UTC."""
        instant = self._search(moment)
        return None if instant is None or instant > self.end else instant

    def _search(self, moment: datetime) -> datetime | None:
        cursor = max(moment, self.begin - MICROSECOND)
        if cursor >= self.end:
            return None
        wall = self._first_wall(self.zone.wall(cursor) + MICROSECOND)
        passed = 0
        while cursor <= self.end and passed < MAX_TRANSITIONS:
            near = cursor + STEP
            due = self._instant_of(wall, cursor)
            transition = self.zone.transition(cursor, min(near, due or near))
            if transition is not None:
                if self._occurs_after(transition):
                    return transition.instant
                cursor, passed = transition.instant, passed + 1
                wall = self._first_wall(wall_at(cursor, transition.after))
            elif wall is None or due is None:
                return None
            elif due > near:
                # No transition before that leads back behind the wall time.
                cursor = max(near, due - STEP)
            elif self._is_chosen(wall, due):
                return due
            else:
                # Nor is any other of what comes twice then.
                cursor, wall = due, self._first_wall(self._fold_end(wall))
        return None

    def _first_wall(self, wall: datetime) -> datetime | None:
        return next(self.propose(wall), None)

    def _instant_of(self, wall: datetime | None,
                    cursor: datetime) -> datetime | None:
        """The instant of a wall time, with the offset at the cursor."""
        if wall is None or wall > LATEST.replace(tzinfo=None):
            return None
        return instant_at(wall, self.zone.offset(cursor))

    def _occurs_after(self, transition: Transition) -> bool:
        """Whether what a gap skips occurs at its end."""
        return (self.gap == 'next' and transition.is_gap
                and any(True for _ in self._walls_in(transition)))

    def _walls_in(self, transition: Transition) -> Iterator[datetime]:
        """The rule's wall times that a transition skips or repeats."""
        for wall in self.propose(transition.first):
            if wall >= transition.end or transition.instant > self.end:
                return
            yield wall

    def _is_chosen(self, wall: datetime, instant: datetime) -> bool:
        """Whether a wall time occurs at this one of its instants."""
        if self.fold == 'both':
            return True
        instants = [each for each in self.zone.instants(wall)
                    if each >= self.begin]
        return instant == instants[0 if self.fold == 'first' else -1]

    def _fold_end(self, wall: datetime) -> datetime:
        """The first wall time after the fold that repeats one."""
        first, second = self.zone.instants(wall)
        fold = self.zone.transition(first, second)
        assert fold is not None
        return max(fold.end, wall + MICROSECOND)

    # -- In words

    def note(self, instant: datetime) -> str | None:
        """How a gap or a fold has changed an occurrence, or None."""
        wall = self.zone.wall(instant)
        transition = self.zone.transition(instant - SECOND, instant)
        if transition is not None and self._occurs_after(transition):
            skipped = self._told(transition, wall, 'does', 'do')
            same = transition.first.date() == wall.date()
            return f'{skipped} not exist{" that day" if same else ""}'
        instants = self.zone.instants(wall)
        if len(instants) == 1:
            return None
        which = 'first' if instant == instants[0] else 'second'
        time = _format(wall, wall)
        return f'{time} comes twice that day; this is the {which}'

    def describe(self, moment: datetime) -> str:
        """What happens at the next gap, and at the next fold."""
        moment = min(moment, LATEST - HORIZON)
        end = moment + HORIZON
        following: dict[bool, Transition] = {}
        while transition := self.zone.transition(moment, end):
            following.setdefault(transition.is_gap, transition)
            if len(following) == 2:
                break
            moment = transition.instant
        return '\n'.join(self._describe_next(is_gap, following.get(is_gap))
                         for is_gap in (True, False))

    def _describe_next(self, is_gap: bool,
                       transition: Transition | None) -> str:
        name = 'gap' if is_gap else 'fold'
        if transition is None:
            return f'Next {name}: none within ten years.'
        first, end = transition.first, transition.end
        happens = 'does not exist' if is_gap else 'comes twice'
        return (
            f'Next {name}: {first:%Y-%m-%d}, {_format(first, first)} to '
            f'{_format(end, first)} {happens}; '
            f'{self._describe_effect(transition)}.')

    def _describe_effect(self, transition: Transition) -> str:
        first = transition.first
        if not any(True for _ in self._walls_in(transition)):
            return 'nothing is due then'
        if transition.is_gap and self.gap == 'skip':
            return f'{self._told(transition, first, "is", "are")} left out'
        occur = self._told(transition, first, 'occurs', 'occur')
        if transition.is_gap:
            return f'{occur} once, at {_format(transition.end, first)}'
        return f'{occur} {_FOLD_EFFECT[self.fold]}'

    def _told(self, transition: Transition, day: datetime, singular: str,
              plural: str) -> str:
        """The rule's times in a transition, the first two of many; a verb."""
        walls = list(islice(self._walls_in(transition), 3))
        texts = [_format(wall, before) for before, wall in pairwise(
            [day, *walls[:2]])]
        if len(walls) > 2:
            return f'{", ".join(texts)} and others {plural}'
        return f'{listed(texts)} {singular if len(texts) == 1 else plural}'


_FOLD_EFFECT = {
    'first': 'the first time only',
    'second': 'the second time only',
    'both': 'both times',
}


def _format(wall: datetime, day: datetime) -> str:
    """The time of day; with its date, unless that is the date of *day*."""
    form = '%H:%M:%S' if wall.second else '%H:%M'
    if wall.date() != day.date():
        form = f'%Y-%m-%d {form}'
    return wall.strftime(form)
