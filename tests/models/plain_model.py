"""What a schedule has to come to, as one plain dictionary.

A `Model` says of each task where it is: free, waiting at an instant, held by
a claim, next (held by a claim, and to wait at an instant when the outcomes of
that are collected), or parked; and how many effects and outcomes it has.  It
knows nothing of lists, leaves and stamps, and nothing of conflicts either: two
that have changed the same fact at the same time may not both be committed,
see `merged`.

A `Mind` is what a worker keeps in memory, for its pass.
"""

import itertools
from collections import Counter
from datetime import datetime
from datetime import timedelta
from typing import NamedTuple


FREE, WAITS, HELD, NEXT, PARKED = 'free waits held next parked'.split()
SCHEDULED = WAITS, HELD, NEXT

# What a task does when it is called.
ACTIONS = ('succeed', 'again', 'retry', 'fail', 'return another', 'hand over',
           'schedule another', 'unschedule another', 'conflict', 'die')

# What is the same wherever it is counted first.
SUMS = 'effects', 'outcome'

# Of how many attempts a task is that may be tried again, and how long it
# waits in between.
ATTEMPTS = 2
DELAY = timedelta(minutes=1)

CRASHES = 3

arrivals = itertools.count(1)


class Task(NamedTuple):
    """What is fixed."""

    key: str | None
    retries: bool


class Told(NamedTuple):
    """What a task is to do."""

    action: str
    step: timedelta
    #: the number of the other one
    other: int


class Place(NamedTuple):
    """Where a task is."""

    kind: str = FREE
    #: the instant at which it waits, or will, or was to run
    at: datetime | None = None
    #: the place in the order of those that came at the same instant
    arrival: int = 0


class Claim(NamedTuple):
    """What is known of a claim, besides its slots."""

    name: str
    #: whether its process is gone
    dead: bool = False
    turns: int = 0
    #: the numbers of outcomes that were collected
    counts: tuple = ()


class Slot(NamedTuple):
    """What became of one task of a portion."""

    number: int
    at: datetime
    #: None: it is to be run
    outcome: str | None = None
    #: what the run has scheduled, and what it has returned: these wait when
    #: this is collected
    scheduled: tuple = ()
    returned: int | None = None

    @property
    def coming(self):
        """In their order."""
        return self.scheduled + (
            () if self.returned is None else (self.returned,))


class Mind:
    """What a worker keeps in memory."""

    def __init__(self, claim, name, patient):
        self.claim = claim
        self.name = name
        self.patient = patient
        self.registered = False
        self.relieved = False
        #: how often something came back that had not run, as it has seen
        self.returned = 0
        #: what it has taken: the index of the slot -> the number of the task
        self.portion = {}
        self.counts = Counter()

    def begin(self, now, begun):
        self.now = now
        self.begun = begun
        self.cursor = None
        self.fresh = set()

    def note(self, coming):
        """What its run has scheduled ahead is not for this pass."""
        self.fresh.update(
            number for number, at in coming if at <= self.now and (
                self.cursor is None or at >= self.cursor))


class Model:
    """See above.  The facts are values that never change, by plain keys."""

    def __init__(self, facts=()):
        self.facts = dict(facts)

    def copy(self):
        return Model(self.facts)

    def __getitem__(self, key):
        return self.facts[key]

    def get(self, *key, default=None):
        return self.facts.get(key, default)

    def set(self, *key, to):
        self.facts[key] = to

    def drop(self, *key):
        self.facts.pop(key, None)

    def add(self, *key):
        self.facts[key] = self.facts.get(key, 0) + 1

    def all(self, kind):
        """The facts of that kind, by what follows in their keys."""
        return {key[1] if len(key) == 2 else key[1:]: value
                for key, value in self.facts.items() if key[0] == kind}

    # -- looking

    def place(self, number):
        return self['place', number]

    def at_place(self, *kinds):
        """The numbers of those that are at such a place."""
        return sorted(number for number, place in self.all('place').items()
                      if place.kind in kinds)

    def waiting(self):
        """The numbers of those that wait, in order."""
        return sorted(self.at_place(WAITS), key=lambda number: (
            self.place(number).at, self.place(number).arrival))

    def slots(self, claim):
        """The slots of a claim, by their index, in order."""
        return {index: slot
                for (one, index), slot in sorted(self.all('slot').items())
                if one == claim}

    def held(self, claim):
        """The index of each slot that is to be run."""
        return [index for index, slot in self.slots(claim).items()
                if slot.outcome is None]

    def running(self, claim):
        """The index of the first to be run behind the last that has run."""
        ended = max((index for index, slot in self.slots(claim).items()
                     if slot.outcome not in (None, 'cancelled')), default=-1)
        return next((index for index in self.held(claim) if index > ended),
                    None)

    def is_paused(self, number):
        return bool(self.get('paused', number) or self.get('paused', None))

    def key_of(self, number):
        return self['task', number].key

    def holder_of(self, number):
        """The number of who holds its key."""
        return self.get('holder', self.key_of(number))

    def is_lost(self, number):
        """Whether another one holds its key."""
        return self.holder_of(number) not in (None, number)

    def may_come(self, number):
        return self.place(number).kind == FREE and not self.is_lost(number)

    # -- coming and leaving

    def move(self, number, kind, at=None):
        self.set('place', number, to=Place(kind, at, next(arrivals)))

    def come(self, number, at):
        """It waits, and holds its key if that is free."""
        self.move(number, WAITS, at)
        if self.key_of(number) is not None and (
                self.holder_of(number) is None):
            self.set('holder', self.key_of(number), to=number)

    def release(self, number):
        """It is not in a claim any more."""
        if self.get('busy', self.key_of(number)) == number:
            self.drop('busy', self.key_of(number))

    def lose(self, number):
        """It does not wait any more."""
        if self.holder_of(number) == number:
            self.drop('holder', self.key_of(number))

    def schedule(self, number):
        self.set('attempts', number, to=0)
        self.come(number, self['time', number])

    def unschedule(self, number):
        kind = self.place(number).kind
        self.lose(number)
        self.move(number, FREE)
        self.drop('paused', number)
        self.drop('crashes', number)
        for key, slot in self.all('slot').items():
            if kind == HELD and slot.number == number and not slot.outcome:
                self.set('slot', *key, to=slot._replace(outcome='cancelled'))
                self.add('outcome', number, 'cancelled')
            elif kind == NEXT and slot.returned == number:
                self.set('slot', *key, to=slot._replace(returned=None))
            elif kind == NEXT and number in slot.scheduled:
                self.set('slot', *key, to=slot._replace(scheduled=()))

    def unpark(self, number, time):
        at = self.place(number).at if time is None else time
        if time is not None:
            self.set('time', number, to=time)
        self.set('attempts', number, to=0)
        self.come(number, at)

    def discard(self, number):
        self.move(number, FREE)
        self.drop('paused', number)
        self.drop('crashes', number)

    def run_now(self, number, now):
        slots = [key for key, slot in self.all('slot').items()
                 if number in slot.scheduled]
        if self.place(number).kind == WAITS or slots:
            for key in slots:
                self.set('slot', *key, to=self['slot', *key]._replace(
                    scheduled=()))
            self.set('time', number, to=now)
            self.lose(number)
            self.come(number, now)

    def pause(self, number, paused):
        """Pause a task, or all, or resume."""
        was = self.get('paused', number)
        if paused:
            self.set('paused', number, to=True)
        else:
            self.drop('paused', number)
        if paused or was:
            self.add('outcome', number, 'paused' if paused else 'resumed')

    # -- turns

    def register(self, mind):
        if not mind.registered:
            self.set('claim', mind.claim, to=Claim(mind.name))
        mind.registered = True

    def choose(self, mind, limit, resting):
        """What a turn takes, and where it goes on."""
        cursor, found, keys = mind.cursor, [], {}
        due = [number for number in self.waiting()
               if self.place(number).at <= mind.now and (
                   cursor is None or self.place(number).at >= cursor)]
        for at, here in itertools.groupby(
                due, lambda number: self.place(number).at):
            cursor = at
            wanted = [number for number in here
                      if self._wanted(number, mind, resting, keys)]
            found += wanted[:limit - len(found)]
            if len(found) == limit:
                break
        return found, cursor

    def _wanted(self, number, mind, resting, keys):
        if number in mind.fresh or self.is_paused(number) or (
                resting.get(number) == mind.now):
            return False
        key = self.key_of(number)
        if key is None:
            return True
        return self.get('busy', key) is None and (
            keys.setdefault(key, number) == number)

    def turn(self, mind, limit, resting):
        self.register(mind)
        returned = self.get('returned', default=0)
        if returned != mind.returned:
            mind.returned, mind.cursor = returned, None
        found, mind.cursor = self.choose(mind, limit, resting)
        places = {number: self.place(number).at for number in found}
        for number in found:
            self.move(number, HELD)
        self.collect(mind.claim)
        mind.portion = dict(enumerate(found))
        for index, (number, at) in enumerate(places.items()):
            self.set('slot', mind.claim, index, to=Slot(number, at))
            self.lose(number)
            if self.key_of(number) is not None:
                self.set('busy', self.key_of(number), to=number)
        claim = self['claim', mind.claim]
        self.set('claim', mind.claim, to=claim._replace(turns=claim.turns + 1))
        mind.relieved = False

    def collect(self, claim, cut_off=None, crashed=True, but=None):
        """All slots are freed; how many tasks were parked.

        The run in the slot *cut_off* was interrupted, or has *crashed*.
        """
        counts = Counter(self['claim', claim].counts)
        parked = 0
        for index, slot in self.slots(claim).items():
            if index == but:
                continue
            self.drop('slot', claim, index)
            if slot.outcome is not None:
                counts[slot.outcome] += 1
                self.settled(slot)
            elif index == cut_off and crashed and self.crash(slot):
                self.add('outcome', slot.number, 'failed')
                parked += 1
            else:
                if index == cut_off:
                    self.add('outcome', slot.number, 'interrupted')
                self.release(slot.number)
                self.come(slot.number, slot.at)
        self.set('claim', claim, to=self['claim', claim]._replace(
            counts=tuple(sorted(counts.elements()))))
        return parked

    def settled(self, slot):
        if slot.outcome != 'cancelled':
            self.drop('crashes', slot.number)
        for number in slot.coming:
            at = self.place(number).at
            if number == slot.number:
                if slot.outcome == 'succeeded' and self.is_lost(number):
                    self.move(number, FREE)
                    self.add('outcome', number, 'cancelled')
                    continue
                self.release(number)
            self.come(number, at)
        self.release(slot.number)

    def crash(self, slot):
        """Whether the task that was running is parked for that."""
        self.add('crashes', slot.number)
        if self['crashes', slot.number] < CRASHES:
            return False
        self.drop('crashes', slot.number)
        self.release(slot.number)
        self.move(slot.number, PARKED, slot.at)
        return True

    def give_back(self, claim, but=None):
        """All passes are told if what comes back has not run."""
        if set(self.held(claim)) - {but}:
            self.add('returned')

    def relieve(self, mind, index):
        self.give_back(mind.claim, but=index)
        self.collect(mind.claim, but=index)
        mind.relieved = True

    def withdraw(self, claim, cut_off=None, crashed=True):
        """Dissolve a claim; how many tasks were parked."""
        self.give_back(claim)
        parked = self.collect(claim, cut_off, crashed)
        self.drop('claim', claim)
        return parked

    def recover(self, claim):
        """As another does: what was running has crashed."""
        dead = self['claim', claim].dead
        return self.withdraw(claim, self.running(claim) if dead else None)

    # -- runs

    def fails(self, number):
        """Whether a task raises what is its own failure."""
        told = self['told', number]
        if told.action in ('return another', 'hand over'):
            return told.other != number and not self.may_come(told.other)
        if told.action == 'schedule another':
            return not self.may_come(told.other)
        if told.action == 'unschedule another':
            return self.place(told.other).kind not in SCHEDULED
        return told.action == 'fail'

    def run(self, claim, index):
        """A run that is committed; what it has scheduled, and when."""
        slot = self['slot', claim, index]
        number, (action, step, other) = slot.number, self['told', slot.number]
        self.add('effects', number)
        self.move(number, FREE)
        scheduled, returned = (), None
        if action in ('again', 'retry'):
            self.set('time', number, to=self['time', number] + step)
            returned = number
        elif action in ('return another', 'hand over') and other == number:
            returned = number
        elif action in (
                'schedule another', 'return another', 'hand over'):
            self.schedule(other)
            # With a key it waits at once.
            if self.key_of(other) is None:
                self.move(other, NEXT, self['time', other])
                scheduled = (other,)
        elif action == 'unschedule another':
            self.unschedule(other)
        outcome = 'succeeded'
        if action in ('retry', 'hand over'):
            outcome = 'retried'
        if returned is not None:
            stays = outcome == 'retried' and returned == number
            self.set('attempts', returned, to=(
                self['attempts', returned] + 1 if stays else 0))
            self.move(returned, NEXT, self['time', returned])
        self.settle(claim, index, outcome, scheduled, returned)
        came = other if returned is None and action in (
            'schedule another', 'return another', 'hand over') else returned
        return () if came is None else ((came, self['time', came]),)

    def settle(self, claim, index, outcome, scheduled=(), returned=None):
        slot = self['slot', claim, index]
        self.add('outcome', slot.number, outcome)
        self.set('slot', claim, index, to=slot._replace(
            outcome=outcome, scheduled=scheduled, returned=returned))

    def end_badly(self, claim, index, now):
        """Try again later, or park; what is scheduled by that, and when."""
        slot = self['slot', claim, index]
        number = slot.number
        attempts = self['attempts', number] + 1
        if not self['task', number].retries or attempts >= ATTEMPTS:
            self.move(number, PARKED, slot.at)
            self.settle(claim, index, 'failed')
            return ()
        self.set('attempts', number, to=attempts)
        self.set('time', number, to=now + DELAY)
        self.move(number, NEXT, now + DELAY)
        self.settle(claim, index, 'retried', returned=number)
        return ((number, now + DELAY),)


def merged(base, mine, theirs):
    """What two come to that both began with *base* and are both committed.

    They must not have changed the same.
    """
    result = theirs.copy()
    for key in base.facts.keys() | mine.facts.keys():
        before, ours = base.get(*key), mine.get(*key)
        if before == ours:
            continue
        if key[0] in SUMS:
            result.facts[key] = (theirs.get(*key) or 0) + ours - (before or 0)
            continue
        assert theirs.get(*key) == before, (
            f'two have changed {key} at the same time: from {before} to '
            f'{ours} and to {theirs.get(*key)}')
        result.drop(*key)
        if ours is not None:
            result.facts[key] = ours
    return result
