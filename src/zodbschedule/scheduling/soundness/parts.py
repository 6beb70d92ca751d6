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
"""The parts that a schedule has one of each, and what to do if one is gone.

They are stored when the schedule is, and never move, so a pack does not lose
them.  Nobody can step over one: what it leads to is not found otherwise.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import NamedTuple

from BTrees.Length import Length
from ZODB.POSException import POSKeyError
from ZODB.utils import u64

from zodbschedule.interfaces import ScheduleDamaged
from zodbschedule.store.history import History
from zodbschedule.store.identity import Witness
from zodbschedule.store.keys import ByOid
from zodbschedule.store.keys import Holders
from zodbschedule.store.keys import Keys
from zodbschedule.store.labels import Entries
from zodbschedule.store.labels import Labels
from zodbschedule.store.moved import Moved
from zodbschedule.store.parked import ParkedTasks
from zodbschedule.store.pauses import Pauses
from zodbschedule.store.remains import is_gone
from zodbschedule.store.requests import Requests
from zodbschedule.store.state import ScheduleState
from zodbschedule.store.timetable import Instants
from zodbschedule.store.timetable import Timetable


WAITING = 'no task that waits is found'
NO_KEY = 'no key is known'


class Part(NamedTuple):
    """One part, an attribute of its owner."""

    owner: Any
    name: str
    #: for a person to read
    what: str
    #: what follows if it is gone
    loss: str
    #: makes a new one, in which there is nothing
    new: Callable[[], Any]

    @property
    def object(self) -> Any:
        """The part itself, perhaps not loaded."""
        return getattr(self.owner, self.name)

    @property
    def problem(self) -> str:
        """What is wrong if it is gone."""
        return f'the record of {self.what} is gone: {self.loss}'


def parts(schedule: ScheduleState) -> Iterator[Part]:
    """All parts, of those that are there; loads nothing else."""
    yield Part(schedule, 'moved', 'what a pack is to see',
               'nothing else is lost', Moved)
    yield Part(schedule, 'witness', 'what tells copies from the schedule',
               'it is taken for a copy when that begins anew', Witness)
    yield Part(schedule, 'timetable', 'the timetable', WAITING,
               lambda: Timetable(schedule.moved))
    yield Part(schedule, 'parked', 'the parked tasks', 'none is found',
               lambda: ParkedTasks(schedule.moved))
    yield Part(schedule, 'history', 'the history', 'no outcome is found, and '
               'its settings are lost', lambda: History(
                   schedule.claims, schedule.moved))
    yield Part(schedule, 'keys', 'the keys', NO_KEY, Keys)
    yield Part(schedule, 'labels', 'the labels of tasks',
               'no task is found by its principal or object', Labels)
    yield Part(schedule, 'pauses', 'the pauses', 'none is known', Pauses)
    yield Part(schedule, 'requests', 'the requests', 'none is known',
               lambda: Requests(schedule.moved))
    yield from _parts_of_parts(schedule)


def _parts_of_parts(schedule: ScheduleState) -> Iterator[Part]:
    if _is_loaded(schedule.timetable):
        yield Part(schedule.timetable, 'instants', 'the instants', WAITING,
                   Instants)
    if _is_loaded(schedule.keys):
        yield Part(schedule.keys, 'holders', 'the holders of keys', NO_KEY,
                   Holders)
        yield Part(schedule.keys, 'by_oid', 'the keys by task', NO_KEY, ByOid)
    if _is_loaded(schedule.labels):
        yield Part(schedule.labels, 'entries', 'the entries by label',
                   'no task is found by its principal or object', Entries)
    if _is_loaded(schedule.pauses) and schedule.pauses.ended is not None:
        yield Part(schedule.pauses, 'ended', 'the count of pauses',
                   'nothing else is lost', Length)
    if _is_loaded(schedule.parked):
        yield Part(schedule.parked, 'count', 'the count of parked tasks',
                   'nothing else is lost',
                   lambda: Length(schedule.parked.counted()))


def _is_loaded(part: Any) -> bool:
    return part._p_changed is not None


def lost_parts(schedule: ScheduleState) -> list[Part]:
    """Those whose records are gone; the others are loaded."""
    return [part for part in parts(schedule) if is_gone(part.object)]


def begin_anew(schedule: ScheduleState, part: Part) -> None:
    """Put a new one in the place of *part*."""
    new = part.new()
    setattr(part.owner, part.name, new)
    if isinstance(new, Moved):
        for other in (schedule.timetable, schedule.parked, schedule.history,
                      schedule.requests):
            if not is_gone(other):
                other.moved = new


@contextmanager
def naming_damage(schedule: ScheduleState) -> Iterator[None]:
    """Inside, an error says which part of *schedule* is gone, if one is.

    Loads nothing: there may be no transaction any more.
    """
    try:
        yield
    except POSKeyError as error:
        for part in parts(schedule):
            if part.object._p_oid == error.args[0]:
                raise ScheduleDamaged(
                    f'The database is damaged: record '
                    f'{u64(error.args[0]):x} is gone, that of {part.what} of '
                    f'a schedule; {part.loss}. Restore the database from a '
                    f'backup. Without one, zodbschedule check --deep --mend '
                    f'begins it anew, with nothing in it.') from error
        raise
