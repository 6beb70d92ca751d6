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
"""The state of a schedule, and its settings: the root of all that is pickled.

A task that is scheduled is in one of three places: the timetable; a claim, to
be run there, or because a run there has scheduled it; or the parked set.  This
module only finds it; `zodbschedule.scheduling.places` puts it into its place
and removes it.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime
from datetime import timedelta
from itertools import chain
from itertools import islice
from typing import Any

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.POSException import POSKeyError

from zodbschedule.instant import from_micros
from zodbschedule.interfaces import IScheduleSettings
from zodbschedule.store import remains
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Slot
from zodbschedule.store.claim import left_slots
from zodbschedule.store.history import History
from zodbschedule.store.identity import Identity
from zodbschedule.store.identity import Witness
from zodbschedule.store.identity import tid_of
from zodbschedule.store.inspection import keeps_stamp
from zodbschedule.store.inspection import may_be_task
from zodbschedule.store.inspection import never_stamped
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import stamp_of
from zodbschedule.store.inspection import task_id
from zodbschedule.store.keys import Keys
from zodbschedule.store.labels import Labels
from zodbschedule.store.moved import Moved
from zodbschedule.store.parked import ParkedTask
from zodbschedule.store.parked import ParkedTasks
from zodbschedule.store.pauses import Pauses
from zodbschedule.store.remains import is_left
from zodbschedule.store.requests import Requests
from zodbschedule.store.settings import Configurable
from zodbschedule.store.timetable import Timetable


#: the parts in which something is by an oid, or by a worker that knows the
#: schedule; and the timetable, which lacks what is in the claims
PARTS = ('timetable', 'claims', 'parked', 'history', 'keys', 'labels',
         'pauses', 'requests', 'crashes')

# Among how many waiting tasks one is looked for whose record is gone.  Nothing
# else tells it from an id that no task has, and all would take minutes.
SEARCHED = 25


class ScheduleState(Configurable):
    """The base of `zodbschedule.Schedule`, which adds methods only.

    If it is loaded as a copy of another, its `PARTS` are withheld: they are
    not there as attributes.  So nobody can mistake what is noted of the tasks
    of the other, and those who use any other schedule need not ask.
    """

    settings = IScheduleSettings

    # New settings get their defaults here, so that older databases open.

    #: the name of the `IPrincipals` that every run needs
    principals = 'plain'
    #: how long a task whose class or function cannot be imported is left in
    #: its place before it is parked: a timedelta
    import_grace = timedelta(hours=1)
    #: how long after its last sign of life a claim of another machine is
    #: trusted: a timedelta
    lease = timedelta(seconds=30)
    #: how far back a task with ``missed='all'`` runs occurrences that were
    #: missed: a timedelta
    catch_up = timedelta(days=1)
    #: how much later than their occurrence repeating tasks begin at most, each
    #: by a part that its id fixes: a timedelta
    spread = timedelta(0)

    #: what it was when something was noted of its tasks; None: nothing is
    identity: Identity | None = None

    #: what tells people that something is wrong, see `zodbschedule.alarms`;
    #: None: nothing does
    alarms: Persistent | None = None

    def __init__(self, principals: str = 'plain') -> None:
        if principals != type(self).principals:
            self.principals = principals
        #: what a pack is to see, although it moves
        self.moved = Moved()
        self.timetable = Timetable(self.moved)
        #: id of an incarnation -> `zodbschedule.store.claim.Claim`
        self.claims = OOBTree()
        #: the tasks that were set aside after a failure: an `IParkedTasks`
        self.parked = ParkedTasks(self.moved)
        #: the record of outcomes: an `IHistory`
        self.history = History(self.claims, self.moved)
        #: the keys of waiting tasks: an `IKeys`
        self.keys = Keys()
        #: by which principal and for which object a task is
        self.labels = Labels()
        self.pauses = Pauses()
        self.requests = Requests(self.moved)
        #: oid of a task -> how many of its runs ended their process, and the
        #: task
        self.crashes = LOBTree()
        #: so that the same task is spread differently in different schedules
        self.seed = uuid.uuid4().hex
        self.witness = Witness()

    # -- a copy

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        if self.is_copied:
            self.withhold()

    def __getstate__(self) -> Any:
        # As it was, if it is stored although nobody has used it.
        return {**super().__getstate__(), **self.withheld}

    @property
    def withheld(self) -> dict[str, Any]:
        """The parts that are withheld, by name."""
        self._p_activate()
        withheld: dict[str, Any] = self.__dict__.get('_v_withheld', {})
        return withheld

    def withhold(self) -> None:
        """Withhold the `PARTS`."""
        self.__dict__['_v_withheld'] = {
            name: self.__dict__.pop(name) for name in PARTS}

    def give_back(self) -> None:
        """Withhold nothing."""
        self.__dict__.update(self.__dict__.pop('_v_withheld'))

    @property
    def is_copied(self) -> bool:
        """Whether it is not the one that its identity is of.

        One that had no oid yet when something was noted is not told from a
        copy by it; whoever notes more looks at what was noted.
        """
        if self.identity is None or not is_left(self.witness):
            return False
        oid, tid = self.identity
        now_oid, now_tid = self._identity_now()
        return now_oid != oid > 0 if tid is None else now_tid != tid

    def _identity_now(self) -> Identity:
        return oid_of(self), tid_of(self.witness)

    @property
    def is_identified(self) -> bool:
        """Whether a copy of it can be told for certain."""
        return self.identity is not None and self.identity[1] is not None

    def identify(self) -> None:
        """Remember what it is now, so that a copy can be told."""
        identity = self._identity_now()
        if self.identity != identity:
            self.identity = identity

    @property
    def origin(self) -> tuple[str, str | None]:
        """What an event says of it, see `IScheduleEvent`."""
        return task_id(self) or '', None

    @property
    def hints(self) -> list[str]:
        """What a person may have forgotten to set, in sentences."""
        return []

    @property
    def lacks_address(self) -> bool:
        """Whether links that its tasks make lead nowhere."""
        return False

    def local(self, task: Any) -> Any:
        """*task* as loaded by the connection of the schedule, unwrapped.

        None if it cannot be in this schedule.
        """
        if not isinstance(task, Persistent) or not may_be_task(task):
            return None
        jar = task._p_jar
        if jar is None or self._p_jar is None:
            return task
        if jar.db() is not self._p_jar.db():
            return None
        return self.load(task._p_oid)

    def load(self, oid: bytes) -> Any:
        """The object with that oid, or None.

        If its record is gone: what refers to it may be in a claim, or among
        the `SEARCHED` tasks that wait next.
        """
        try:
            return self._p_jar.get(oid)
        except POSKeyError:
            places = chain(self.in_claims(), islice(self.waiting(), SEARCHED))
            return next(
                (task for task in places if task._p_oid == oid), None)

    def waiting(self, min: datetime | None = None,
                max: datetime | None = None) -> Iterator[Any]:
        """The tasks in the timetable, lazily, by time, then by arrival."""
        return (task for instant in self.timetable.times(min, max)
                for task in self.timetable.at(instant))

    # -- Where a task is.  The methods take it as `local` returns it.

    def has(self, local: Any) -> bool:
        """Whether a task waits here, or is in a claim."""
        return local is not None and not never_stamped(local) and (
            self.in_timetable(local) is not None or self.is_in_claim(local))

    def in_timetable(self, local: Any) -> datetime | None:
        """The instant at which a task is in the timetable, or None."""
        return next((instant for instant in self.instants_of(local)
                     if self.timetable.holds(instant, local)), None)

    def waits(self, local: Any) -> datetime | None:
        """The instant at which a task waits, or will after the next turn.

        The second if a run has scheduled it, and its claim still holds it.
        """
        found = self.in_timetable(local)
        if found is not None:
            return found
        scheduled = (slot.instant_of(local) for slot in self.slots())
        return next((from_micros(micros) for micros in scheduled
                     if micros is not None), None)

    def is_in_claim(self, local: Any) -> bool:
        """Whether a task is in a claim, to be run or scheduled by a run."""
        return any(task is local for task in self.in_claims())

    def is_taken(self, local: Any) -> bool:
        """Whether a task is in a claim, to be run there."""
        return any(slot.waiting and slot.task is local
                   for slot in self.slots())

    def entry_of(self, local: Any) -> ParkedTask | None:
        """The entry of a task that is parked as a whole, or None."""
        entry = self.parked.get(task_id(local) or '')
        return entry if entry is not None and entry.task is local else None

    def is_anywhere(self, local: Any) -> bool:
        """Whether a task waits, is in a claim, or is parked as a whole."""
        return (self.in_timetable(local) is not None
                or self.is_in_claim(local)
                or self.entry_of(local) is not None)

    def instants_of(self, local: Any) -> Iterator[datetime]:
        """The instants at which a task may be in the timetable."""
        stamped = stamp_of(local)
        if stamped is not None:
            yield from_micros(stamped)
        elif not keeps_stamp(local):
            found = self.timetable.find(local)
            if found is not None:
                yield found

    def slots(self) -> Iterator[Slot]:
        """The slots of all claims."""
        return (slot for _, claim in self.left_claims()
                for slot in left_slots(claim))

    # -- The claims, as far as they are left.

    def claim(self, id: str) -> Claim | None:
        """The claim with that id, or None."""
        claim = remains.get(self.claims, id)
        return claim if claim is not None and is_left(claim) else None

    def left_claims(self) -> Iterator[tuple[str, Claim]]:
        """All claims with their ids, while they do not change."""
        return ((id, claim) for id, claim in remains.items(self.claims)
                if is_left(claim))

    def add_claim(self, id: str, claim: Claim) -> None:
        """Register *claim*."""
        self.mend_claims(id)
        self.moved.note_insert(self.claims, id)
        self.claims[id] = claim

    def mend_claims(self, id: str | None = None) -> None:
        """Grow the tree of claims anew, if it does not lead to that id."""
        if id is None or not remains.leads_to(self.claims, id):
            remains.grow_anew(self, 'claims')
            self.history.claims = self.claims

    def in_claims(self) -> Iterator[Any]:
        """The tasks in claims, to be run or scheduled by a run."""
        return (task for slot in self.slots() for task in slot.tasks())
