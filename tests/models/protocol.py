"""The claim protocol as a model, small enough to be explored.

**The database** is what the ZODB is, for this purpose: objects that one
transaction at a time can write, and trees that merge what was written of
different keys, by value, as BTrees do.  Where the ZODB refuses more than that
(a bucket that is split, a node that was read as current), the model does not:
it allows more than can happen.

**A transaction** sees a snapshot, and computes what it would write.  Here is
what turns, runs, those who hand back or recover, and users write; when they do
so, and when that is refused, is in `interleavings`.

*Broken* rules are for trying whether the explorer notices.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple


# Tasks in one list.
LEAF = 2

#: an object, the key of a tree, or a record
Unit = tuple[Any, ...]

#: all that is in the database
Seen = dict[Unit, Any]

#: what a transaction does to a unit: what that was, and what it is to be
Write = tuple[Unit, Any, Any]

# Objects that a transaction replaces; it conflicts with others who do.
OBJECTS = 'list', 'claim', 'slots', 'slot'

# Keys of trees that merge, by value.  ('tree', name) merges as well.
KEYS = 'instant', 'claims'

# What is added to, by any number at once: effects, the chunks of the history,
# and for the checks, what users have scheduled and unscheduled.
RECORDS = 'effect', 'history', 'scheduled', 'gone'


class Scene(NamedTuple):
    """Who is there at the start, what may happen, and what is broken."""

    #: the tasks that wait at each instant, a letter each
    instants: tuple[str, ...]
    #: what a user schedules, at the first instant
    scheduled: str = ''
    #: what a user unschedules
    unscheduled: str = ''
    #: a task that reschedules itself, once and for the first instant, and is
    #: then called by the capital letter
    again: str = ''
    #: whether the first instant is a busy one, with leaves in a tree
    busy: bool = False
    #: how many tasks a turn takes
    portion: int = 2
    #: how many workers vanish
    crashes: int = 0
    #: whether a claim may be registered before anything is taken
    registers: bool = False
    #: whether all but what runs may be handed back
    relieves: bool = False
    #: whether the answers to commits may be lost
    loses: bool = False
    #: whether a commit to which there is no answer may happen later
    late: bool = False
    #: which rules are broken
    broken: frozenset[str] = frozenset()

    def home(self, task: str) -> int:
        """The instant at which *task* waits, whenever it does."""
        return next((instant for instant, tasks in enumerate(self.instants)
                     if task in tasks), 0)

    def following(self, task: str) -> str:
        """What a run of *task* schedules, or nothing."""
        return task.upper() if task == self.again else ''


class Broken(Exception):
    """A promise is not kept."""


# -- A transaction: the rules


class Transaction:
    """What one sees, and what it would write."""

    def __init__(self, scene: Scene, snapshot: Seen) -> None:
        self.scene = scene
        self.snapshot = snapshot
        self.seen = dict(snapshot)
        self.written: Seen = {}
        self.made = 0

    def breaks(self, rule: str) -> bool:
        return rule in self.scene.broken

    def read(self, *unit: Any) -> Any:
        return self.seen.get(unit)

    def write(self, unit: Unit, value: Any) -> None:
        self.seen[unit] = self.written[unit] = value

    def add(self, record: str, value: str) -> None:
        self.written[record,] = (*self.written.get((record,), ()), value)

    def new(self, kind: str, value: Any) -> Unit:
        """A new object, by a name that is none yet."""
        self.made -= 1
        self.write((kind, self.made), value)
        return kind, self.made

    def writes(self) -> tuple[Write, ...]:
        """All of it, in order."""
        return tuple(sorted([
            (unit, self.snapshot.get(unit) if unit[0] in ('tree', *KEYS)
             else None, value)
            for unit, value in self.written.items()], key=unit_of))

    # -- the timetable: see `zodbschedule.store.timetable`

    def put(self, instant: int, tasks: str, apart: bool = False) -> None:
        """Let *tasks* wait; *apart* from those that are there already."""
        held = self.read('instant', instant)
        if held is None:
            if len(tasks) <= LEAF:
                self.write(('instant', instant), self.new('list', tasks))
                return
            held = self.new('tree', ())
            self.write(('instant', instant), held)
        elif held[0] == 'list':
            there = self.read(*held)
            if len(there) + len(tasks) <= LEAF and not apart:
                self.write(held, there + tasks)
                return
            held = self.new('tree', (held[1],))
            self.write(('instant', instant), held)
        leaves = self.read(*held)
        if leaves and not apart:
            last = 'list', leaves[-1]
            there = self.read(*last)
            room = LEAF - len(there)
            if room:
                self.write(last, there + tasks[:room])
                tasks = tasks[room:]
        for start in range(0, len(tasks), LEAF):
            leaf = self.new('list', tasks[start:start + LEAF])
            self.write(held, (*self.read(*held), leaf[1]))

    def leaves(self, instant: int) -> list[Unit]:
        """The lists of an instant."""
        held = self.read('instant', instant)
        if held is None:
            return []
        if held[0] == 'list':
            return [held]
        return [('list', name) for name in self.read(*held)]

    def take_out(self, instant: int, leaf: Unit, tasks: str) -> None:
        """Take tasks out of a list; whoever detaches that writes it."""
        left = ''.join(one for one in self.read(*leaf) if one not in tasks)
        held = self.read('instant', instant)
        kind = 'leaf' if held[0] == 'tree' else 'list'
        if left or not self.breaks(f'a {kind} is not written'):
            self.write(leaf, left)
        if left:
            return
        if held[0] == 'tree':
            rest = tuple(name for name in self.read(*held) if name != leaf[1])
            if rest or not self.breaks('a tree is not written'):
                self.write(held, rest)
            if rest:
                return
        self.write(('instant', instant), None)

    def take(self, limit: int) -> str:
        """Take what is due."""
        taken = ''
        for instant in range(len(self.scene.instants)):
            for leaf in self.leaves(instant):
                tasks = self.read(*leaf)[:limit - len(taken)]
                if tasks:
                    self.take_out(instant, leaf, tasks)
                taken += tasks
        return taken

    # -- a claim: see `zodbschedule.scheduling.turn`

    def slots(self, id: int) -> Iterator[tuple[Unit, str]]:
        """The places in a claim.

        Each is free, holds a task, or holds an outcome: + or -, the task, and
        what its run has scheduled.
        """
        for index in range(self.read('slots', id)):
            unit = 'slot', id, index
            yield unit, self.read(*unit)

    def register(self, id: int) -> None:
        """A claim of one's own."""
        self.write(('claims', id), True)
        self.write(('claim', id), True)
        self.write(('slots', id), 0)

    def collect(self, id: int, but: int | None = None, fence: bool = False
                ) -> None:
        """Each task and outcome to its place."""
        written = not (fence and self.breaks('slots are not written'))
        fence = fence and not self.breaks('free slots are not written')
        back: dict[int, str] = {}
        for unit, content in list(self.slots(id)):
            if unit[2] == but:
                continue
            if written and (content or fence):
                self.write(unit, '')
            if content[:1] in ('+', '-'):
                self.add('history', content[:2])
                content = content[2:]
            elif self.is_cancelled(content):
                content = ''
            if content:
                home = self.scene.home(content)
                back[home] = back.get(home, '') + content
        for home, tasks in sorted(back.items()):
            self.put(home, tasks, apart=True)

    def is_cancelled(self, content: str) -> bool:
        """Whether that was noted elsewhere, which is against the rules."""
        return content in (self.read('gone') or ()) and self.breaks(
            'the slot of a cancelled task is not written')

    def turn(self, id: int, limit: int) -> str:
        """Collect a portion, and take the next; what that is."""
        tasks = self.take(limit)
        self.collect(id)
        if len(tasks) > self.read('slots', id):
            self.write(('slots', id), len(tasks))
        for index, task in enumerate(tasks):
            self.write(('slot', id, index), task)
        self.write(('claim', id), True)
        return tasks

    def relieve(self, id: int, index: int) -> bool:
        """Hand back all but the slot that runs; whether there is any."""
        if not any(content for unit, content in self.slots(id)
                   if unit[2] != index):
            return False
        if self.breaks('what runs is handed back'):
            self.collect(id)
        else:
            self.collect(id, but=index)
        self.write(('claim', id), True)
        return True

    def withdraw(self, id: int) -> None:
        """Dissolve a claim, one's own or one that is recovered."""
        if not self.breaks('the claim is not written'):
            self.write(('claim', id), True)
        self.collect(id, fence=True)
        self.write(('claims', id), None)

    # -- a run: see `zodbschedule.execution.run`

    def run(self, id: int, index: int) -> bool:
        """A task has its effect, and its outcome; whether it waits."""
        unit = 'slot', id, index
        content = self.read(*unit)
        if self.breaks('a run does not look') and content[:1] == '+':
            content = content[1]
        if not content.isalpha() or self.is_cancelled(content):
            return False
        self.add('effect', content)
        self.write(unit, f'+{content}{self.scene.following(content)}')
        return True

    # -- users: see `zodbschedule.scheduling.places`

    def schedule(self, task: str) -> bool:
        """A task that was nowhere."""
        self.put(0, task)
        self.add('scheduled', task)
        return True

    def unschedule(self, task: str) -> bool:
        """A task, wherever it is; whether it is anywhere."""
        tasks = task + self.scene.following(task)
        return self._from_timetable(tasks) or self._from_claims(tasks)

    def _from_timetable(self, tasks: str) -> bool:
        for instant in range(len(self.scene.instants)):
            for leaf in self.leaves(instant):
                for task in self.read(*leaf):
                    if task in tasks:
                        self.take_out(instant, leaf, task)
                        self.add('gone', task)
                        return True
        return False

    def _from_claims(self, tasks: str) -> bool:
        for id in claims(self.seen):
            for unit, content in self.slots(id):
                if content and content in tasks:
                    self._cancel(unit, content)
                    return True
                if content[2:] and content[2:] in tasks:
                    self.write(unit, content[:2])
                    self.add('gone', content[2:])
                    return True
        return False

    def _cancel(self, unit: Unit, task: str) -> None:
        if self.breaks('the slot of a cancelled task is not written'):
            self.add('gone', task)
        else:
            self.write(unit, f'-{task}')


def unit_of(item: tuple[Any, ...]) -> Unit:
    """What *item* is about: to sort by."""
    unit: Unit = item[0]
    return unit


# -- The database


def claims(seen: Seen) -> list[int]:
    """The ids of the claims that there are."""
    return sorted([unit[1] for unit, there in seen.items()
                   if unit[0] == 'claims' and there])


def contents(seen: Seen, id: int) -> tuple[str, ...]:
    """What the slots of a claim hold."""
    return tuple([seen['slot', id, index]
                  for index in range(seen.get(('slots', id), 0))])


def merged(now: Seen, writes: tuple[Write, ...], empties: bool = False
           ) -> Seen | None:
    """The database after a transaction; None if that conflicts in a tree.

    Who has written an object since is not asked: of two that write one the
    other is refused as the first is committed.
    """
    new = dict(now)
    for unit, before, value in writes:
        there = now.get(unit)
        if unit[0] in KEYS and there != before:
            return None
        if unit[0] in RECORDS:
            value = tuple(sorted((there or ()) + value))
        elif unit[0] == 'tree' and there != before:
            value = _merged_leaves(there or (), before, value)
            if not (value or empties):
                return None
        new[unit] = value
    return new


def _merged_leaves(there: tuple[int, ...], before: tuple[int, ...],
                   after: tuple[int, ...]) -> tuple[int, ...]:
    """The leaves of a busy instant after two transactions.

    Their keys are drawn by lot.  Nothing if that is a conflict: neither of
    the two, nor both, may leave nothing.
    """
    removed = [name for name in before if name not in after]
    added = [name for name in after if name not in before]
    if not there or not after or not set(removed) <= set(there):
        return ()
    return tuple([name for name in there if name not in removed] + added)


class Names(NamedTuple):
    """What objects and claims are called from now on."""

    objects: dict[int, int]
    claims: dict[int, int]

    def writes(self, writes: tuple[Write, ...]) -> tuple[Write, ...]:
        """The same by these names."""
        return tuple(sorted([
            (self.unit(unit), self._value(unit[0], before),
             self._value(unit[0], value))
            for unit, before, value in writes], key=unit_of))

    def unit(self, unit: Unit) -> Unit:
        """The same by these names."""
        if unit[0] in ('list', 'tree'):
            return unit[0], self._object(unit[1])
        if unit[0] in OF_CLAIMS:
            return unit[0], self.claims.get(unit[1], unit[1]), *unit[2:]
        return unit

    def _value(self, kind: str, value: Any) -> Any:
        if value is not None and kind == 'tree':
            return tuple([self._object(name) for name in value])
        if value is not None and kind == 'instant':
            return value[0], self._object(value[1])
        return value

    def _object(self, name: int) -> int:
        if name < 0 or name >= DETACHED:
            return name
        return self.objects.get(name, name + DETACHED)


OF_CLAIMS = 'claims', 'claim', 'slots', 'slot'

# Names from here on are of objects to which nothing refers any more.
DETACHED = 50


def tidy(seen: Seen, kept: tuple[int, ...] = ()
         ) -> tuple[tuple[tuple[Unit, Any], ...], Names]:
    """What can be reached, in order, by new names.

    Claims 0 and 1 keep their names.  Claims in *kept* are kept as well.
    """
    objects: dict[int, int] = {}
    new = {unit: value for unit, value in seen.items() if unit[0] in RECORDS}
    for unit in sorted([one for one in seen if one[0] == 'instant']):
        held = seen[unit]
        if held is None:
            continue
        leaves = [held[1]]
        if held[0] == 'tree':
            leaves = seen[held]
            objects[held[1]] = len(objects)
        for name in leaves:
            objects[name] = len(objects)
            new['list', objects[name]] = seen['list', name]
        new[unit] = held = held[0], objects[held[1]]
        if held[0] == 'tree':
            new[held] = tuple([objects[name] for name in leaves])
    ids = claims(seen)
    others = sorted([(contents(seen, id), id) for id in ids if id > 1])
    names = {id: number + 2 for number, (_, id) in enumerate(others)}
    for id in {*ids, *kept}:
        name = names.get(id, id)
        if id in ids:
            new['claims', name] = True
        new['claim', name] = True
        new['slots', name] = seen['slots', id]
        for index, content in enumerate(contents(seen, id)):
            new['slot', name, index] = content
    return tuple(sorted(new.items(), key=unit_of)), Names(objects, names)


# -- The promises


def check(scene: Scene, seen: Seen) -> None:
    """Each task is in one place, and has its effect once."""
    txn = Transaction(scene, seen)
    places = ''.join(seen[leaf] for instant in range(len(scene.instants))
                     for leaf in txn.leaves(instant))
    outcomes = list(seen.get(('history',), ()))
    for id in claims(seen):
        for content in contents(seen, id):
            if content[:1] in ('+', '-'):
                outcomes.append(content[:2])
                places += content[2:]
            elif not txn.is_cancelled(content):
                places += content
    gone = ''.join(seen.get(('gone',), ()))
    succeeded = ''.join(one[1] for one in outcomes if one[0] == '+')
    tasks = ''.join([*scene.instants, *seen.get(('scheduled',), ()),
                     *map(scene.following, succeeded)])
    effects = ''.join(seen.get(('effect',), ()))
    where = Counter(places + gone + ''.join(one[1] for one in outcomes))
    for task in tasks:
        if not where[task]:
            raise Broken(f'{task} is lost')
        if effects.count(task) > 1:
            raise Broken(f'{task} has its effect twice')
        if where[task] > 1:
            raise Broken(f'{task} is in two places')
        if effects.count(task) != succeeded.count(task):
            raise Broken(f'the effect of {task} is not as its outcome')


def check_over(seen: Seen) -> None:
    """Nothing is left to be done, and no claim."""
    if claims(seen):
        raise Broken('a claim is left')
    if any(unit[0] == 'instant' for unit in seen):
        raise Broken('a task is left')


def drained(scene: Scene, seen: Seen) -> Seen | None:
    """All workers are killed, and another comes; what it does first.

    It recovers a claim that is there, or takes all that is due and runs it.
    None if nothing is to be done.
    """
    there = claims(seen)
    if there:
        return _alone(scene, seen, 'withdraw', there[0])
    if not any(unit[0] == 'instant' for unit in seen):
        return None
    seen = _alone(scene, seen, 'register', 0)
    seen = _alone(scene, seen, 'turn', 0, 9)
    for index in range(seen['slots', 0]):
        seen = _alone(scene, seen, 'run', 0, index)
    return _alone(scene, seen, 'withdraw', 0)


def _alone(scene: Scene, seen: Seen, action: str, *args: Any) -> Seen:
    """After a transaction that meets nobody."""
    txn = Transaction(scene, seen)
    getattr(txn, action)(*args)
    return dict(tidy({**seen, **(merged(seen, txn.writes()) or {})})[0])
