"""All interleavings of the transactions of `protocol`.

The world is two workers and two users.  A worker makes turns and runs, hands
back all or all but what runs, and recovers any other claim at any time: there
are no heartbeats, since the belief that a worker is dead may be wrong at any
time.  It may vanish at any moment, and start again as another incarnation.
One user schedules a task, another unschedules one.

A transaction is two steps: it begins, which is its snapshot and all that it
computes; and it is committed, which is atomic.  Between the two anything may
happen; and after the second the answer may get lost.

What makes this small, and leaves nothing out:

*   A transaction that is going to be refused, since another has written what
    it writes, is ended at once: it would do nothing else until it is told.
*   A transaction that would write the same if it began now has not begun.  So
    none begins but right before the commit of another that makes a difference
    to it, or right before its own.  `Explorer(scene, False)` does without
    this, and has a state after each of the two steps.
*   Workers that have changed places are the same state.  What objects and
    claims are called is no part of it: see `protocol.tidy`.
*   Of the number of turns, which a claim and its worker both keep, no more
    matters than whether that of the claim is ahead.
*   A worker does one thing at a time.  What its heart hands back beside a run
    is none of what the run writes or reads: which of these two is committed
    first makes no difference.
"""

import gc
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any
from typing import NamedTuple

from protocol import OBJECTS
from protocol import Broken
from protocol import Names
from protocol import Scene
from protocol import Transaction
from protocol import Write
from protocol import check
from protocol import check_over
from protocol import claims
from protocol import contents
from protocol import drained
from protocol import merged
from protocol import tidy
from protocol import unit_of


class Stored:
    """One state of the database.  Of two that are equal there is one."""

    def __init__(self, units: tuple[Any, ...]) -> None:
        self.units = units
        self.seen = dict(units)
        self.claims = claims(self.seen)
        self.contents = {id: contents(self.seen, id) for id in (0, 1)}
        self.due = any(unit[0] == 'instant' for unit in self.seen)
        #: what an actor may do here, and what becomes of commits
        self.options: dict[Any, Any] = {}
        self.commits: dict[Any, Any] = {}
        self.overtaken: dict[Any, Any] = {}
        self.renewed: dict[Any, Any] = {}
        #: with the claims of the workers changed
        self.mirrored: Stored | None = None


class Going:
    """A transaction that has begun.  Of two that are equal there is one."""

    def __init__(self, kind: str, about: Any, writes: tuple[Write, ...],
                 foreign: bool = False) -> None:
        self.kind = kind
        #: what a turn takes; the slot, the claim or the task of another
        self.about = about
        self.writes = writes
        #: whether the incarnation that began it is no more
        self.foreign = foreign
        #: without those that are new, which nobody else knows
        self.objects = frozenset([
            unit for unit, _, _ in writes
            if unit[0] in OBJECTS and unit[1] >= 0])
        self.mirrored: Going | None = None

    def hits(self, other: 'Going') -> bool:
        """Whether *other* is refused when this is committed."""
        return not self.objects.isdisjoint(other.objects)

    def __str__(self) -> str:
        return {
            'turn': f'a turn that takes {self.about or "nothing"}',
            'run': f'the run in slot {self.about}',
            'relieve': f'handing back all but slot {self.about}',
            'withdraw': 'handing back its claim',
            'recover': "recovering another's claim",
            'schedule': f'scheduling {self.about}',
            'unschedule': f'unscheduling {self.about}'}[self.kind]


class Worker(NamedTuple):
    """One incarnation, and what it has in memory."""

    alive: bool = True
    #: whether it knows that its claim was there
    begun: bool = False
    #: whether its claim has made a turn that it does not know of
    missed: bool = False
    #: whether it keeps its claim at hand, which is against the rules
    at_hand: bool = False
    #: the slots whose tasks it is to run
    portion: tuple[int, ...] = ()
    going: Going | None = None
    #: what may be committed yet, although it does not wait for it
    late: Going | None = None

    @property
    def doing(self) -> str:
        """In words."""
        if self.going:
            return f'in a {self.going.kind}'
        if self.missed:
            return 'without an answer to a turn'
        if self.portion:
            return 'before a run'
        return 'with a claim' if self.begun else 'without a claim'


class User(NamedTuple):
    """One who does one thing."""

    kind: str
    task: str
    done: bool = False
    going: Going | None = None
    late: None = None


class State(NamedTuple):
    """Of the world."""

    db: Stored
    #: two workers, then users
    actors: tuple[Any, ...]
    #: how many may vanish yet
    crashes: int


#: who does what, or what happens to him; and of which transaction that is
Event = tuple[int, str, Going | None]

#: what happens, the state after that, and whether the workers have changed
#: places in it
Step = tuple[tuple[Event, ...], State, bool]


class Wasted(Broken):
    """A run was hit by somebody who did not mean to undo it."""

    def __init__(self, *events: Event) -> None:
        super().__init__('a run is wasted')
        self.events = events


STARTS = 'starts again'
VANISHES = 'vanishes'

GONE = 'finds its claim gone'

# What happens to a worker, and is none of its doing.
FATE = STARTS, VANISHES

# The claim of a worker that has vanished is first called this, or one more.
ORPHAN = 8

#: the workers change places
MIRROR = Names({name: name for name in range(50)}, {0: 1, 1: 0})


class Explorer:
    """All states of a scene, each of them checked."""

    def __init__(self, scene: Scene, reduced: bool = True) -> None:
        self.scene = scene
        self.reduced = reduced
        #: each state, and from which it was reached first
        self.reached: dict[State, State | None] = {}
        #: the databases of all states
        self.databases: set[Stored] = set()
        #: what has happened, and how often
        self.covered: Counter[str] = Counter()
        #: the promise that is not kept, if there is one
        self.problem = ''
        #: how that comes about, an event a line
        self.trace: list[str] = []
        self._known: dict[Any, Any] = {}
        self._good: set[Stored] = set()
        self._same_id = self._breaks('an id is used again')

    def _breaks(self, rule: str) -> bool:
        return rule in self.scene.broken

    # -- what there is of one kind only once

    def stored(self, units: tuple[Any, ...]) -> Stored:
        if units not in self._known:
            self._known[units] = Stored(units)
        return self._known[units]

    def going(self, kind: str, about: Any, writes: tuple[Write, ...],
              foreign: bool = False) -> Going:
        values = kind, about, writes, foreign
        if values not in self._known:
            self._known[values] = Going(*values)
        return self._known[values]

    def renamed(self, going: Going, names: Names) -> Going:
        if names is not MIRROR:
            return self._renamed_going(going, names)
        if going.mirrored is None:
            going.mirrored = self._renamed_going(going, names)
        return going.mirrored

    def _renamed_going(self, going: Going, names: Names) -> Going:
        about = going.about
        if going.kind in ('recover', 'withdraw'):
            about = names.claims.get(about, about)
        return self.going(
            going.kind, about, names.writes(going.writes), going.foreign)

    def _id(self, number: int) -> int:
        """Of the claim of that worker."""
        return 0 if self._same_id else number

    # -- exploring

    def explore(self) -> 'Explorer':
        """Breadth first, so that what goes wrong takes few steps."""
        gc.disable()  # there is nothing to collect, in millions of objects
        try:
            self._explore()
        except Broken as broken:
            self.problem = str(broken)
            self.trace = self._path(self.at, getattr(broken, 'events', ()))
        finally:
            gc.enable()
        return self

    def _explore(self) -> None:
        start = self.initial()
        self.reached[start] = None
        level = [start]
        while level:
            level = [new for state in level for new in self._look(state)]

    def initial(self) -> State:
        seen: dict[Any, Any] = {}
        for instant, tasks in enumerate(self.scene.instants):
            held = 'list', 2 * instant
            seen[held] = tasks
            if self.scene.busy and not instant:
                held = 'tree', 1
                seen[held] = (0,)
            seen['instant', instant] = held
        users = [User(kind, task) for kind, task in (
            ('schedule', self.scene.scheduled),
            ('unschedule', self.scene.unscheduled)) if task]
        return State(self.stored(tidy(seen)[0]),
                     (Worker(), Worker(), *users), self.scene.crashes)

    def _look(self, state: State) -> list[State]:
        """The states that are reached from there for the first time."""
        self.at = state
        if state.db not in self.databases:
            self.databases.add(state.db)
            self._check(state.db)
        found = []
        over = state.actors[0].alive or state.actors[1].alive
        for events, new, _ in self.steps(state):
            over = over and events[0][1] in FATE
            if new not in self.reached:
                self.reached[new] = state
                found.append(new)
        if over:
            self.covered['the end'] += 1
            check_over(state.db.seen)
        return found

    def _check(self, db: Stored) -> None:
        """The promises, also if all workers vanish and another comes."""
        passed: list[Stored] = []
        while db not in self._good:
            check(self.scene, db.seen)
            if db in passed:
                raise Broken('another worker does not get through')
            passed.append(db)
            seen = drained(self.scene, db.seen)
            if seen is None:
                check_over(db.seen)
                break
            db = self.stored(tidy(seen)[0])
        self._good.update(passed)

    def _path(self, state: State | None, last: tuple[Event, ...]
              ) -> list[str]:
        """How that state is reached, and then *last*."""
        path = []
        while state is not None:
            path.append(state)
            state = self.reached[state]
        path.reverse()
        lines: list[str] = []
        numbers = [1, 2]
        for before, after in zip(path, path[1:]):
            events, swapped = next(
                (events, swapped) for events, new, swapped
                in self.steps(before) if new == after)
            lines += _told(events, numbers)
            if swapped:
                numbers.reverse()
        return lines + _told(last, numbers)

    # -- what each may do next

    def _options(self, db: Stored, number: int, actor: Any
                 ) -> tuple[list[Going], list[tuple[str, Any]]]:
        """What it may begin; and what it may find, which writes nothing.

        With what it finds stands what it knows then, or None if it begins
        anew.
        """
        key = number, actor[:5] if number < 2 else actor[:3]
        if key not in db.options:
            options = db.options[key] = [], []
            if number > 1:
                self._of_user(db, actor, *options)
            elif actor.alive:
                self._of_worker(db, self._id(number), actor, *options)
        return db.options[key]

    def _of_user(self, db: Stored, user: User, begins: list[Going],
                 finds: list[tuple[str, Any]]) -> None:
        if user.done:
            return
        txn = Transaction(self.scene, db.seen)
        if getattr(txn, user.kind)(user.task):
            begins.append(self.going(user.kind, user.task, txn.writes()))
        else:
            finds.append(('finds no such task', {'done': True}))

    def _of_worker(self, db: Stored, id: int, worker: Worker,
                   begins: list[Going], finds: list[tuple[str, Any]]) -> None:

        def begin(kind: str, about: int) -> None:
            txn = Transaction(self.scene, db.seen)
            found: Any = True
            if kind in ('withdraw', 'recover'):
                txn.withdraw(about)
            else:
                if kind == 'turn' and not there and not worker.at_hand:
                    txn.register(id)
                found = getattr(txn, kind)(id, about)
            if kind == 'turn' or found:
                begins.append(self.going(
                    kind, found if kind == 'turn' else about, txn.writes()))

        there = id in db.claims
        if not worker.begun and self._breaks('a first turn does not look'):
            there = False
        if self._is_gone(db, id, worker):
            finds.append((GONE, None))
            return
        if worker.portion:
            begin('run', worker.portion[0])
            if not begins:
                finds.append(
                    ('finds an outcome', {'portion': worker.portion[1:]}))
            if self.scene.relieves:
                begin('relieve', worker.portion[0])
        elif there and (worker.missed or not worker.begun):
            waiting = tuple(
                [index for index, content in enumerate(contents(db.seen, id))
                 if content.isalpha()])
            finds.append(('finds its turn committed', {
                'begun': True, 'missed': False, 'portion': waiting}))
        elif db.due or worker.missed or any(contents(db.seen, id)):
            begin('turn', self.scene.portion)
        if not worker.begun and not there and self.scene.registers:
            begin('turn', 0)
        if not worker.portion:
            for other in db.claims:
                if other != id or (self._same_id and not worker.begun):
                    begin('recover', other)
        if there and (worker.begun or worker.missed):
            begin('withdraw', id)

    def _is_gone(self, db: Stored, id: int, worker: Worker) -> bool:
        """Whether it finds that it has been recovered."""
        rule = f'a {"run" if worker.portion else "turn"} keeps its reference'
        return worker.begun and id not in db.claims and not (
            worker.at_hand and self._breaks(rule))

    # -- the steps

    def steps(self, state: State) -> Iterator[Step]:
        """All that may happen next."""
        for number, actor in enumerate(state.actors):
            if number < 2:
                yield from self._fate(state, number, actor)
            if actor.late:
                yield from self._commit(state, number, actor.late, True)
            if actor.going:
                yield from self._commit(state, number, actor.going, False)
                continue
            begins, finds = self._options(state.db, number, actor)
            for what, changes in finds:
                yield self._step(
                    self._changed(state, number, actor, changes),
                    (number, what, None))
            for going in begins:
                if self.reduced:
                    yield from self._commit(state, number, going, False)
                else:
                    yield self._step(
                        _having(state, number, actor._replace(going=going)),
                        (number, 'begins', going))

    def _fate(self, state: State, number: int, worker: Worker
              ) -> Iterator[Step]:
        """A worker vanishes, or starts again."""
        if not worker.alive:
            yield self._step(
                self._changed(state, number, worker, None),
                (number, STARTS, None))
        elif state.crashes:
            self.covered[f'vanishes {worker.doing}'] += 1
            gone = Worker(alive=False, at_hand=worker.at_hand,
                          late=worker.late)
            yield self._step(
                _having(state, number, gone)._replace(
                    crashes=state.crashes - 1), (number, VANISHES, None))

    def _changed(self, state: State, number: int, actor: Any,
                 changes: dict[str, Any] | None) -> State:
        """After it has come to know something, or has begun anew."""
        if changes is not None:
            return _having(state, number, actor._replace(**changes))
        key = number, self._kept(state, number)
        if key not in state.db.renewed:
            # What is left of it has an id that is no worker's.
            first = Names(MIRROR.objects, {} if self._same_id else {
                number: ORPHAN + number})
            units, second = tidy(dict(renamed(first, state.db)), key[1])
            state.db.renewed[key] = self.stored(units), first, second
        db, *renamings = state.db.renewed[key]
        actors = list(state.actors)
        for names in renamings:
            actors = [self._actor(one, names) for one in actors]
        late = actors[number].late
        actors[number] = Worker(late=late and self.going(
            late.kind, late.about, late.writes, True))
        return State(db, tuple(actors), state.crashes)

    def _kept(self, state: State, but: int = -1) -> tuple[int, ...]:
        """The claims that workers keep at hand."""
        return tuple([self._id(number) for number in (0, 1)
                      if state.actors[number].at_hand and number != but])

    def _actor(self, actor: Any, names: Names) -> Any:
        """The same by those names."""
        if actor.going or actor.late:
            return actor._replace(
                going=actor.going and self.renamed(actor.going, names),
                late=actor.late and self.renamed(actor.late, names))
        return actor

    def _commit(self, state: State, number: int, going: Going, late: bool
                ) -> Iterator[Step]:
        """*going* is committed, or refused."""
        actor = state.actors[number]
        actor = actor._replace(late=None) if late else (
            actor._replace(going=None) if actor.going else actor)
        if self.scene.late and number < 2 and not actor.late and not late:
            self.covered[f'{going.kind}, in doubt'] += 1
            yield self._step(
                _having(state, number, actor._replace(late=going)),
                (number, 'hears no more of', going))
        key = going, self._kept(state)
        if key not in state.db.commits:
            seen = merged(state.db.seen, going.writes,
                          self._breaks('a merge may leave nothing'))
            found = seen and tidy(seen, key[1])
            state.db.commits[key] = found and (
                self.stored(found[0]), found[1])
        if state.db.commits[key] is None:
            self.covered['conflicts in a tree'] += 1
            yield self._step(_having(state, number, actor),
                             (number, 'is refused', going))
            return
        after, names = state.db.commits[key]
        for events, actors in self._others(
                state, number, actor, going, late, after, names):
            for answer, changes in self._answers(actor, going, late):
                self.covered[f'{going.kind}, {answer}'] += 1
                new = State(after, actors, state.crashes)
                yield self._step(
                    self._changed(new, number, actors[number], changes),
                    *events, (number, answer, going))

    def _answers(self, actor: Any, going: Going, late: bool
                 ) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """What it knows after that."""
        kind = going.kind
        if late:
            own = kind == 'turn' and not going.foreign
            yield 'commits late', {'missed': True} if own else {}
            return
        known: dict[str, Any] | None = {}
        if kind == 'turn':
            known = {
                'begun': True, 'missed': False,
                'portion': tuple(range(len(going.about))),
                'at_hand': self._breaks('a turn keeps its reference')
                or self._breaks('a run keeps its reference')}
        elif kind == 'run':
            known = {'portion': actor.portion[1:]}
        elif kind == 'relieve':
            known = {'portion': actor.portion[:1]}
        elif kind == 'withdraw':
            known = None
        elif kind != 'recover':
            known = {'done': True}
        yield 'commits', known
        if self.scene.loses and kind in OF_ONE:
            yield 'commits, unanswered,', (
                {'missed': True} if kind == 'turn' else {})

    def _others(self, state: State, number: int, ended: Any, going: Going,
                late: bool, after: Stored, names: Names
                ) -> Iterator[tuple[list[Event], tuple[Any, ...]]]:
        """All actors afterwards, by which of them have begun before."""
        choices: list[list[tuple[list[Event], Any]]] = []
        plain = True
        for other, actor in enumerate(state.actors):
            mine = other == number
            if mine:
                actor = ended
            choices.append([([], self._met(
                number, going, after, names, other, actor))])
            if mine and going.kind == 'relieve':
                # In the middle of that run.
                for began in self._options(state.db, other, actor)[0]:
                    self._hit(number, going, other, began)
            if mine and not late or actor.going or not self.reduced:
                continue
            for began, now in self._overtaken(
                    state, number, going, after, names, other, actor):
                plain = False
                choices[other].append(
                    ([(other, 'begins', began)],
                     choices[other][0][1]._replace(going=now)))
        if plain:
            yield [], tuple([found[0][1] for found in choices])
            return
        for combination in product(*choices):
            yield ([event for events, _ in combination for event in events],
                   tuple([actor for _, actor in combination]))

    def _met(self, number: int, going: Going, after: Stored, names: Names,
             other: int, actor: Any) -> Any:
        """What has begun is refused, or has other names, or has not begun."""
        mine, late = actor.going, actor.late
        if mine is None and late is None:
            return actor
        if mine and self._hit(number, going, other, mine):
            mine = None
        mine = mine and self.renamed(mine, names)
        if self.reduced and mine in self._options(after, other, actor)[0]:
            mine = None
        if late and going.hits(late):
            late = None
        return actor._replace(
            going=mine, late=late and self.renamed(late, names))

    def _overtaken(self, state: State, number: int, going: Going,
                   after: Stored, names: Names, other: int, actor: Any
                   ) -> list[tuple[Going, Going]]:
        """What it may have begun before, and would not begin after."""
        key = number, going, other, actor[:5], self._kept(state)
        if key not in state.db.overtaken:
            now = self._options(after, other, actor)[0]
            found = []
            for began in self._options(state.db, other, actor)[0]:
                if not self._hit(number, going, other, began):
                    renamed = self.renamed(began, names)
                    if renamed not in now:
                        found.append((began, renamed))
            state.db.overtaken[key] = found
        return state.db.overtaken[key]

    @staticmethod
    def _hit(number: int, going: Going, other: int, began: Going) -> bool:
        """Whether *began* is refused; a run, only if that is meant."""
        if not going.hits(began):
            return False
        meant = going.kind in ('recover', 'unschedule') or (
            number == other and going.kind != 'relieve')
        if began.kind == 'run' and not meant:
            raise Wasted((other, 'begins', began),
                         (number, 'commits', going))
        return True

    # -- workers that have changed places

    def _step(self, state: State, *events: Event) -> Step:
        for _, what, going in events:
            if going is None:
                self.covered[what] += 1
        if self.reduced:
            for number in (0, 1):
                worker = state.actors[number]
                if worker.begun and self._is_gone(
                        state.db, self._id(number), worker):
                    self.covered[GONE] += 1
                    state = self._changed(state, number, None, None)
        db, (first, second, *users), crashes = state
        if self._same_id or _rank(db, 0, first) <= _rank(db, 1, second):
            return events, state, False
        if db.mirrored is None:
            db.mirrored = self.stored(renamed(MIRROR, db))
        return events, State(db.mirrored, tuple(
            [self._actor(actor, MIRROR)
             for actor in (second, first, *users)]), crashes), True


# What one claim is about, so that its worker looks again.
OF_ONE = 'turn', 'run', 'relieve', 'withdraw'


def _having(state: State, number: int, actor: Any) -> State:
    actors = state.actors
    return State(state.db, (*actors[:number], actor, *actors[number + 1:]),
                 state.crashes)


def renamed(names: Names, db: Stored) -> tuple[Any, ...]:
    """The same with other names for claims."""
    return tuple(sorted([(names.unit(unit), value)
                         for unit, value in db.units], key=unit_of))


def _rank(db: Stored, number: int, worker: Worker) -> Any:
    """By which workers are put in order; nothing that has a name."""
    return (worker[:5], db.contents[number],
            worker.going.kind if worker.going else '',
            worker.late.kind if worker.late else '')


def _told(events: tuple[Event, ...], numbers: list[int]) -> list[str]:
    return [' '.join([
        f'worker {numbers[who]}' if who < 2 else 'a user', what,
        *([str(going)] if going else [])]) for who, what, going in events]
