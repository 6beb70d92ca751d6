"""Two workers, users and ``process()`` beside a model: see `plain_model`.

Hypothesis makes up what is done, and what another does in the middle of that:
in a run, before a turn or a recovery is committed, or before a user commits.
Of the two transactions the second conflicts, or both may stand: then together
they come to what each has come to by itself, and have not changed the same.

Workers are driven step by step.  Nothing waits, and nothing is left to luck.
"""

import itertools
from collections import Counter
from contextlib import ExitStack
from contextlib import contextmanager
from contextlib import nullcontext
from contextlib import suppress
from datetime import timedelta
from functools import partial
from logging import CRITICAL
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest import mock

import places
import plain_model
import pytest
import transaction
import ZODB
from BTrees.IOBTree import IOBTree
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test
from plain_model import ACTIONS
from plain_model import FREE
from plain_model import PARKED
from plain_model import SCHEDULED
from plain_model import WAITS
from plain_model import Mind
from plain_model import Model
from plain_model import Told
from plain_model import merged
from sample_work import NOON
from ZODB.POSException import ConflictError
from ZODB.utils import u64

from zodbschedule import AlreadyScheduled
from zodbschedule import NotScheduled
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import clock as the_clock
from zodbschedule.execution import consumer
from zodbschedule.execution import crowd
from zodbschedule.execution import dissolving
from zodbschedule.execution import own_claim
from zodbschedule.execution import passes
from zodbschedule.execution import process as processing
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import InvalidTask
from zodbschedule.liveness.heartbeat import HeartbeatThread
from zodbschedule.scheduling.turn import relieve
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import task_id
from zodbschedule.store.pauses import ALL
from zodbschedule.testing import SettableClock


WORKERS = 'A', 'B'
KEYS = None, None, None, None, 'k', 'k', 'l'
RETRY = Retry(plain_model.ATTEMPTS, delay=plain_model.DELAY, jitter=0)

# Three dice, for whatever is to be chosen: who, what, and which other.
some = st.tuples(*[st.integers(0, 59)] * 3)
minutes = st.sampled_from([0, 0, 0, -1, -2, 1, 2]).map(
    lambda count: timedelta(minutes=count))

# What is done, by users and by workers; some of it more often.
STEPS = (
    'add', 'schedule', 'schedule_some', 'unschedule', 'instruct', 'run_now',
    'pause', 'resume', 'unpark', 'discard', 'recover_by_name', 'begin',
    'turn', 'run', 'attend', 'withdraw', 'crash', 'recover', 'process',
    'wait')
OFTEN = ('schedule_some', 'schedule_some', 'resume', 'run', 'run', 'run',
         'attend', 'process', 'recover')

# What is done in the middle of something else: of a run, or of anything, but
# not of the first so many.
MIDST = (*STEPS, 'relieve', 'die', 'relieve', 'recover', 'recover',
         'recover_by_name', 'unschedule', 'unschedule', 'schedule', 'process')
meanwhiles = st.none() | st.tuples(
    st.sampled_from(['run', 'run', 'anything']), st.sampled_from([0, 0, 1]),
    st.sampled_from(MIDST), some, minutes)

# Of how many tasks the portions of a pass are.
PORTION = 2


class Died(BaseException):
    """The process ends in the middle of something."""


class Actor(Task):
    """Does what it is told to, with another of the same stage."""

    #: called in the middle of each run
    reached = None
    #: for each run a number of its own
    serials = itertools.count()

    def __init__(self, number, **options):
        super().__init__(**options)
        self.number = number
        self.told = Told('succeed', timedelta(0), 0)

    def __call__(self):
        root = self._p_jar.root()
        root['effects'][next(self.serials)] = self.number
        self.reached()
        action, step, other = self.told
        if action == 'fail':
            raise ValueError('it was told to fail')
        if action == 'conflict':
            raise ConflictError('it was told to conflict')
        if action == 'die':
            raise Died
        if action == 'schedule another':
            root['schedule'].schedule(root['tasks'][other])
        if action == 'unschedule another':
            root['schedule'].unschedule(root['tasks'][other])
        if action == 'retry':
            self.time += step
            return self
        if action == 'hand over':
            return root['tasks'][other]

    def schedule(self):
        action, step, other = self.told
        if action == 'again':
            self.time += step
            return self
        if action == 'return another':
            return self._p_jar.root()['tasks'][other]


class StandingClock(SettableClock):
    """Stands also for those who wait."""

    def wait(self, seconds):
        pass


class Watched:
    """A holding that tells the machine what it does."""

    machine = None

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.claim.register = partial(
            self.machine.registering, self, self.claim.register)

    def begin(self, now):
        super().begin(now)
        self.machine.begun(self)

    def turn(self, limit):
        self.machine.turning(self, limit, super().turn)

    def run(self, index, oid):
        return self.machine.running(self, index, oid, super().run)

    def withdraw(self):
        self.machine.withdrawing(self, super().withdraw)

    def recover(self, claim_id):
        self.machine.recovering(self, claim_id, super().recover)


class Worker(Watched, consumer.Consumer):
    pass


class Call(Watched, consumer.Consumer):
    pass


class Step:
    """A transaction under way, and what happens in the middle of it."""

    def __init__(self, manager, base, worker, about):
        self.manager = manager
        #: the holding whose it is, if it is no user's
        self.worker = worker
        #: if it is a run: the numbers of its task, and of the other one
        self.about = about
        #: what arrives from now on has arrived later
        self.mark = next(plain_model.arrivals)
        #: the model as it was when it began
        self.base = base
        #: whether another has done something in the middle
        self.met = False
        #: then, whether this was committed nevertheless; None: it had failed
        self.stood = None

    def note(self, success):
        self.stood = success


class Machine(RuleBasedStateMachine):
    """Does the same to a schedule on a FileStorage and to the model."""

    def __init__(self):
        super().__init__()
        self.clock = StandingClock(NOON)
        self.heart = HeartbeatThread(1)
        self.model = Model()
        self.numbers = itertools.count()
        self.names = itertools.count(1)
        #: who is in the middle of something, and of which transactions
        self.acting = []
        self.steps = []
        #: what is to be done in the middle of what comes
        self.pending = None
        #: how often something was done in the middle of something else
        self.met = 0
        #: the tasks that could not be run, and when that was
        self.resting = {}
        self.oids = {}
        self.holdings = dict.fromkeys(WORKERS)
        self.stack = ExitStack()
        self._patch()
        folder = self.stack.enter_context(TemporaryDirectory())
        self.db = ZODB.DB(f'{folder}/Data.fs')
        self.stack.callback(self.db.close)
        self.roots = {name: self._open() for name in (
            'user', 'other', 'process', *WORKERS)}
        self.looking = itertools.cycle(list(self.roots)[1:])
        with self._transaction('user') as root:
            root['schedule'] = Schedule()
            root['tasks'] = IOBTree()
            root['effects'] = IOBTree()
            self._manager('user').commit()

    def _patch(self):
        enter = self.stack.enter_context
        enter(the_clock.use(self.clock))
        for owner, name, value in [
                (Actor, 'reached', self.reached),
                (Watched, 'machine', self),
                (processing, 'Consumer', Call),
                (processing, 'PORTION', PORTION),
                # A turn that conflicts looks for what it takes at random.
                (crowd, 'CROWD', 1),
                (crowd, 'ROOM', 0),
                (own_claim, 'uuid', SimpleNamespace(uuid4=self._claim_id)),
                (own_claim, 'exchange', self._reaching(own_claim.exchange)),
                (dissolving, 'withdraw', self._reaching(dissolving.withdraw)),
                (dissolving, 'cut_offs', {}),
                # It is a process with one thread: every run goes on alone.
                (passes, 'is_suspect', lambda schedule, oid: False)]:
            enter(mock.patch.object(owner, name, value))

    def _claim_id(self):
        """In the order of their coming, and not at random."""
        return SimpleNamespace(hex=f'{next(self.names):04}')

    def _reaching(self, function):
        """Another may do something between *function* and the commit."""
        def reaching(*args):
            result = function(*args)
            self.reached()
            return result

        return reaching

    def _open(self):
        manager = transaction.TransactionManager(explicit=True)
        with manager:
            return self.db.open(manager).root()

    def teardown(self):
        for name in WORKERS:
            self.forget(name)
        for root in self.roots.values():
            root._p_jar.close()
        self.stack.close()

    # -- helpers

    def _manager(self, name):
        return self.roots[name]._p_jar.transaction_manager

    @contextmanager
    def _transaction(self, name):
        """Inside a transaction of that one, which is aborted if it is left."""
        manager = self._manager(name)
        manager.begin()
        try:
            yield self.roots[name]
        finally:
            if manager._txn is not None:
                manager.abort()

    def at(self, offset):
        return self.clock.now() + offset

    def pick(self, die, *kinds):
        """The number of one at one of these places, if there is one.

        In the middle of a run, more likely one that it is about.
        """
        numbers = self.model.at_place(*kinds or (FREE, *SCHEDULED, PARKED))
        close = [number for step in self.steps
                 for number in step.about if number in numbers]
        if close and die % 2:
            numbers = close
        return numbers[die // 2 % len(numbers)] if numbers else None

    def likely(self, dice, *kinds):
        """One at such a place, if there is one; now and then any."""
        number = self.pick(dice[0], *kinds) if dice[1] % 5 else None
        return self.pick(dice[0]) if number is None else number

    # -- two at the same time

    def reached(self):
        """The middle of a transaction: another has its turn, if there is one.
        """
        step = self.steps[-1]
        if self.pending is None:
            return
        where, after, name, *args = self.pending
        if where == 'run' and not step.about:
            return
        if after:
            self.pending = where, after - 1, name, *args
            return
        self.pending = None
        step.met = True
        self.met += 1
        step.manager.get().addAfterCommitHook(step.note)
        getattr(self, name)(*args)

    @contextmanager
    def step(self, manager, worker=None, *about):
        found = Step(manager, self.model.copy(), worker, about)
        self.steps.append(found)
        try:
            yield found
        finally:
            self.steps.pop()

    def conclude(self, step, change):
        """It was committed: *change* the model accordingly."""
        if not (step.met and step.stood):
            return change(self.model)
        mine = step.base.copy()
        result = change(mine)
        self.model = merged(step.base, mine, self.model)
        self._adopt_order(step.mark)
        return result

    def _adopt_order(self, mark):
        """Who came first of those that came at the same time."""
        with self._transaction('user') as root:
            for task in root['schedule']:
                kind, at, arrival = self.model.place(task.number)
                if kind == WAITS and arrival > mark:
                    self.model.move(task.number, WAITS, at)

    # -- users

    def as_user(self, work, change, error=None):
        """Commit *work*, given a root, unless it raises *error*."""
        name = 'other' if self.steps else 'user'
        manager = self._manager(name)
        with self._transaction(name) as root, self.step(manager) as step:
            with pytest.raises(error) if error else nullcontext():
                work(root)
            if error is not None:
                return
            self.reached()
            try:
                manager.commit()
            except ConflictError:
                assert step.met
                return
        self.conclude(step, change)

    def wait(self, dice, offset):
        self.clock.advance(abs(offset))

    def add(self, dice, offset):
        number = next(self.numbers)
        time = self.at(offset)
        key = KEYS[dice[0] % len(KEYS)]
        retries = dice[1] % 3 == 0

        def work(root):
            task = root['tasks'][number] = Actor(
                number, time=time, key=key, retry=RETRY if retries else None)
            root._p_jar.add(task)
            self.oids[number] = u64(task._p_oid)

        def change(model):
            model.set('task', number, to=plain_model.Task(key, retries))
            model.set('time', number, to=time)
            model.set('attempts', number, to=0)
            model.set('told', number, to=Told('succeed', timedelta(0), 0))
            model.move(number, FREE)

        self.as_user(work, change)

    def schedule(self, dice, offset):
        number = self.likely(dice, FREE)
        may_come = self.model.may_come(number)
        self.as_user(
            lambda root: root['schedule'].schedule(root['tasks'][number]),
            lambda model: model.schedule(number),
            None if may_come else AlreadyScheduled)

    def schedule_some(self, dice, offset):
        """What is free, or a part of it."""
        for number in self.model.at_place(FREE)[::1 + dice[0] % 3]:
            if self.model.may_come(number):
                self.schedule((2 * self.model.at_place(FREE).index(number), 1,
                               dice[2]), offset)

    def unschedule(self, dice, offset):
        number = self.likely(dice, *SCHEDULED)
        there = self.model.place(number).kind in SCHEDULED
        self.as_user(
            lambda root: root['schedule'].unschedule(root['tasks'][number]),
            lambda model: model.unschedule(number),
            None if there else NotScheduled)

    def instruct(self, dice, offset):
        number = self.pick(dice[0])
        told = Told(ACTIONS[dice[1] % len(ACTIONS)], offset,
                    self.pick(dice[2]))
        self.as_user(
            lambda root: setattr(root['tasks'][number], 'told', told),
            lambda model: model.set('told', number, to=told))

    def run_now(self, dice, offset):
        number = self.likely(dice, *SCHEDULED)
        error = None
        if self.model.place(number).kind not in SCHEDULED:
            error = NotScheduled
        elif self.model.is_paused(number):
            error = InvalidTask
        now = self.clock.now()
        self.as_user(
            lambda root: root['schedule'].run_now(root['tasks'][number]),
            lambda model: model.run_now(number, now), error)

    def pause(self, dice, offset, paused=True):
        number = self.likely(dice, *SCHEDULED)
        if dice[2] % 10 == 0 or not paused and self.model.get('paused', None):
            number = None
        there = number is None or (
            self.model.place(number).kind in SCHEDULED)

        def work(root):
            task = None if number is None else root['tasks'][number]
            schedule = root['schedule']
            (schedule.pause if paused else schedule.resume)(task)

        self.as_user(work, lambda model: model.pause(number, paused),
                     None if there else NotScheduled)

    def resume(self, dice, offset):
        self.pause(dice, offset, False)

    def unpark(self, dice, offset):
        number = self.pick(dice[0], PARKED)
        if number is None:
            return
        time = self.at(offset) if dice[1] % 2 else None
        self.as_user(
            lambda root: root['schedule'].unpark(
                self._entry(root, number), time),
            lambda model: model.unpark(number, time),
            AlreadyScheduled if self.model.is_lost(number) else None)

    def discard(self, dice, offset):
        number = self.pick(dice[0], PARKED)
        if number is None:
            return
        self.as_user(
            lambda root: root['schedule'].discard(self._entry(root, number)),
            lambda model: model.discard(number))

    @staticmethod
    def _entry(root, number):
        return root['schedule'].parked.get(task_id(root['tasks'][number]))

    def recover_by_name(self, dice, offset):
        """All claims of a name, by hand; that is nobody's crash."""
        name = (*WORKERS, processing.NAME)[dice[0] % 3]
        if self.steps and self.steps[-1].worker and dice[1] % 2:
            name = self.steps[-1].worker.claim.name
        claims = [claim for claim, known in self.model.all('claim').items()
                  if known.name == name]
        held = sum(len(self.model.held(claim)) for claim in claims)

        def work(root):
            assert root['schedule'].recover(name) == held

        def change(model):
            for claim in claims:
                model.withdraw(claim, model.running(claim), crashed=False)

        self.as_user(work, change, None if claims else NotScheduled)

    # -- workers

    def as_worker(self, name, work):
        """Have a worker do something, unless it is doing something.

        One whose claim was recovered learns it, and goes on with another; one
        that dies leaves its claim behind.
        """
        if name in self.acting:
            return
        self.acting.append(name)
        try:
            if self.holdings[name] is None:
                self._open_claim(name)
            work(self.holdings[name])
        except ClaimLost:
            self.forget(name)
        except Died:
            self._leave_behind(name)
        finally:
            self.acting.remove(name)

    def _open_claim(self, name):
        with self._transaction(name) as root:
            worker = self.holdings[name] = Worker(
                root['schedule'], name, patient=True)
            worker.begin(self.clock.now())
            worker.prepare()
        self.heart.add(worker.claim.heartbeat)
        worker.claim.register()

    def forget(self, name):
        """It has no claim any more."""
        if self.holdings[name] is not None:
            self.heart.remove(self.holdings[name].claim.heartbeat)
            self.holdings[name] = None

    def _leave_behind(self, name):
        """Its claim is one of a process that is gone."""
        claim_id = self.holdings[name].claim.id
        self.forget(name)

        def work(root):
            claim = root['schedule'].claims.get(claim_id)
            if claim is not None:
                claim._incarnation = tuple(this()._replace(started='1'))

        def change(model):
            claim = model.get('claim', claim_id)
            if claim is not None:
                model.set('claim', claim_id, to=claim._replace(dead=True))

        self.as_user(work, change)

    def begin(self, dice, offset):
        def work(worker):
            with self._transaction(worker.claim.name):
                worker.begin(self.clock.now())
                worker.prepare()

        self.as_worker(WORKERS[dice[0] % 2], work)

    def turn(self, dice, offset):
        self.as_worker(WORKERS[dice[0] % 2],
                       lambda worker: worker.turn(dice[1] % 5))

    def run(self, dice, offset):
        self.as_worker(WORKERS[dice[0] % 2], self._run_one)

    def _run_one(self, worker):
        """Of a new portion, if the last one is through."""
        if not worker.claim.portion:
            worker.turn(PORTION)
        for index, oid in list(worker.claim.portion.items())[:1]:
            with worker.guard.on_duty():
                worker.run(index, oid)
            worker.claim.portion.pop(index)

    def attend(self, dice, offset):
        """A whole pass."""
        self.begin(dice, offset)

        def work(worker):
            full = True
            while full:
                worker.turn(PORTION)
                full = len(worker.claim.portion) == PORTION
                while worker.claim.portion:
                    self._run_one(worker)

        self.as_worker(WORKERS[dice[0] % 2], work)

    def withdraw(self, dice, offset):
        name = WORKERS[dice[0] % 2]

        def work(worker):
            worker.withdraw()
            self.forget(name)

        self.as_worker(name, work)

    def crash(self, dice, offset):
        name = WORKERS[dice[0] % 2]
        if name not in self.acting and self.holdings[name] is not None:
            self._leave_behind(name)

    def recover(self, dice, offset):
        """Any claim but its own: also of one that lives."""
        def work(worker):
            claims = sorted(
                self.model.all('claim').keys() - {worker.claim.id})
            close = [step.worker.claim.id for step in self.steps
                     if step.worker and step.worker.claim.id in claims]
            if close and dice[2] % 2:
                claims = close
            if claims:
                worker.recover(claims[dice[1] % len(claims)])

        self.as_worker(WORKERS[dice[0] % 2], work)

    def relieve(self, dice, offset):
        """The heart of who runs hands back what is not running."""
        step = self.steps[-1]
        worker = step.worker
        if not (step.about and isinstance(worker, Worker)):
            return
        running, _ = worker.claim.heartbeat.running

        def work(root):
            relieve(root['schedule'], worker.claim.id, running,
                    self.clock.now())

        self.as_user(work, lambda model: model.relieve(worker.mind, running))
        worker.claim.heartbeat.may_be_relieved = True

    def die(self, dice, offset):
        raise Died

    def process(self, dice, offset):
        if 'process' in self.acting:
            return
        self.acting.append('process')
        met = self.met
        try:
            with self._transaction('process') as root:
                tally = root['schedule'].process(self.at(offset))
        except (Died, ClaimLost):
            return
        finally:
            self.acting.remove('process')
        mind = self.last_pass.mind
        assert tally[:3] == tuple(
            mind.counts[what] for what in ('succeeded', 'retried', 'failed'))
        if self.met == met:
            found, _ = self.model.choose(mind, 1_000, self.resting)
            # What waits for another of its key waits for the next pass.
            assert not [number for number in found if not (
                self.model.key_of(number))], 'it has left what was due'

    # -- what a holding tells

    def begun(self, holding):
        if not hasattr(holding, 'mind'):
            holding.mind = Mind(
                holding.claim.id, holding.claim.name, holding.patient)
        holding.mind.begin(holding.current_pass.now, self.clock.now())
        if holding.claim.name == processing.NAME:
            self.last_pass = holding

    def registering(self, holding, register):
        with self.claim_lost_rightly(holding):
            register()
        self.model.register(holding.mind)

    @contextmanager
    def claim_lost_rightly(self, holding):
        try:
            yield
        except ClaimLost:
            assert self.model.get('claim', holding.claim.id) is None
            raise

    def turning(self, holding, limit, turn):
        mind = holding.mind
        with self.step(holding.manager, holding) as step:
            with self.claim_lost_rightly(holding):
                turn(limit)
        self.conclude(
            step, lambda model: model.turn(mind, limit, self.resting))
        assert list(holding.claim.portion.items()) == [
            (index, self.oids[number])
            for index, number in mind.portion.items()]
        assert holding.current_pass.cursor == mind.cursor

    def running(self, holding, index, oid, run):
        mind = holding.mind
        if mind.relieved:
            assert run(index, oid) is False
            return False
        number = mind.portion[index]
        other = self.model['told', number].other
        with self.step(holding.manager, holding, number, other) as step:
            with self.claim_lost_rightly(holding):
                result = run(index, oid)
        left, in_vain = self._became(step, mind, index)
        assert left == (oid in holding.current_pass.left)
        self.resting.pop(number, None)
        if in_vain:
            self.resting[number] = mind.now
        return result

    def _became(self, step, mind, index):
        """Whether a run has left its task, and so that it is to rest."""
        base, claim = step.base, mind.claim
        slot = base.get('slot', claim, index)
        number = slot.number
        if slot.outcome is not None:
            return False, False
        if base.is_paused(number):
            return self._left(mind, number, False)
        if step.met and step.stood:
            self._note(mind, self.conclude(
                step, lambda model: model.run(claim, index)), claim, index)
            return False, False
        model = self.model
        if model['slot', claim, index].outcome is not None:
            return False, False
        failed = step.stood is None and base.fails(number)
        if not failed and model.is_paused(number):
            return self._left(mind, number, False)
        if not failed and model['told', number].action == 'conflict':
            return self._left(mind, number, True)
        if failed or model.fails(number):
            now = mind.now + (self.clock.now() - mind.begun)
            self._note(mind, model.end_badly(claim, index, now), claim, index)
        else:
            self._note(mind, model.run(claim, index), claim, index)
        return False, False

    def _note(self, mind, scheduled, claim, index):
        mind.counts[self.model['slot', claim, index].outcome] += 1
        mind.note(scheduled)

    def _left(self, mind, number, conflicted):
        mind.fresh.add(number)
        return True, conflicted or mind.patient

    def withdrawing(self, holding, withdraw):
        cut_off = dissolving.cut_offs.get(holding.claim.id)
        with self.step(holding.manager, holding) as step:
            withdraw()
        self._dissolved(step, holding.mind, lambda model: model.withdraw(
            holding.claim.id, cut_off and cut_off.slot), holding.claim.id)

    def recovering(self, holding, claim_id, recover):
        with self.step(holding.manager, holding) as step:
            recover(claim_id)
        self._dissolved(step, holding.mind, lambda model: (
            model.recover(claim_id)), claim_id)

    def _dissolved(self, step, mind, change, claim_id):
        there = self.model.get('claim', claim_id) is not None
        if there or step.met and step.stood:
            mind.counts['failed'] += self.conclude(step, change)

    # -- what is done

    @initialize(given=st.lists(st.tuples(some, minutes), min_size=6,
                               max_size=10))
    def begin_with_some(self, given):
        for dice, offset in given:
            self.add(dice, offset)
        for number, (dice, offset) in enumerate(given):
            self.instruct((2 * number, *dice[1:]), offset)
        self.schedule_some((0, 1, 1), timedelta(0))

    # One rule: of many, hypothesis would leave out most in each example.
    @rule(what=st.sampled_from([*STEPS, *OFTEN]), dice=some, offset=minutes,
          meanwhile=meanwhiles)
    def do(self, what, dice, offset, meanwhile):
        """Do that, with something in the middle of it."""
        self.pending = meanwhile
        with suppress(Died):
            getattr(self, what)(dice, offset)

    # -- after every step

    @invariant()
    def all_agree(self):
        self.pending = None
        # In each connection; of those that are not the user's one a time.
        for name in ('user', next(self.looking)):
            with self._transaction(name) as root:
                tasks = dict(root['tasks'])
                places.check(root['schedule'])
                self._check_places(root['schedule'], tasks)
                self._check_claims(root['schedule'])
                self._check_facts(root)

    def _check_places(self, schedule, tasks):
        waiting = list(schedule)
        assert [task.number for task in waiting] == self.model.waiting()
        for number, task in tasks.items():
            kind, at, _ = self.model.place(number)
            there = kind in SCHEDULED
            assert (task in schedule) == there
            assert schedule.get(task_id(task)) is (task if there else None)
            assert task.time == self.model['time', number]
            if kind == WAITS:
                assert schedule.waits(task) == at
        assert {entry.task.number: entry.time for entry in schedule.parked
                } == {number: self.model.place(number).at
                      for number in self.model.at_place(PARKED)}

    def _check_claims(self, schedule):
        claimed, states = Counter(), []
        for claim, known in sorted(self.model.all('claim').items()):
            held, running = self.model.held(claim), self.model.running(claim)
            counts = Counter(known.counts)
            for index, slot in self.model.slots(claim).items():
                if slot.outcome is None:
                    claimed[slot.number, slot.at, known.name,
                            index == running] += 1
                else:
                    counts[slot.outcome] += 1
                claimed.update((number, self.model.place(number).at,
                                known.name, False) for number in slot.coming)
            what = None if running is None else (
                self.model['slot', claim, running].number)
            states.append((claim, known.name, what, len(held), *(
                counts[what] for what in ('succeeded', 'retried', 'failed'))))
        assert claimed == Counter(
            (one.task.number, one.time, one.worker, one.running)
            for one in schedule.claimed())
        assert states == [
            (one.id, one.name, one.task and one.task.number, one.claimed,
             *one.counts[:3]) for one in schedule.workers]

    def _check_facts(self, root):
        schedule = root['schedule']
        oids = {oid: number for number, oid in self.oids.items()}
        oids[ALL] = None

        def numbered(facts):
            return {oids[oid]: value for oid, value in (facts or {}).items()}

        assert Counter(root['effects'].values()) == self.model.all('effects')
        assert Counter(
            (oids[int(one.id, 16)], one.outcome) for one in schedule.history
        ) == self.model.all('outcome')
        assert {number: count for number, (count, _) in numbered(
            schedule.crashes).items()} == self.model.all('crashes')
        assert numbered(schedule.pauses.entries).keys() == (
            self.model.all('paused').keys())
        assert {key: task.number for key, task in schedule.keys.holders.items()
                } == self.model.all('holder')
        assert {key: oids[oid] for key, oid in schedule.keys.running.items()
                } == self.model.all('busy')


@pytest.mark.usefixtures('unmeasured')
def test_workers_and_users_agree_with_the_model(caplog):
    caplog.set_level(CRITICAL, 'zodbschedule')
    run_state_machine_as_test(Machine, settings=settings(
        # The same examples each time, so that a red build is no luck.
        derandomize=True, max_examples=50, stateful_step_count=50,
        deadline=None, suppress_health_check=list(HealthCheck)))


# -- What hypothesis comes upon seldom
#
# Its examples depend on the code all over the project; these do not.


NOW = timedelta(0)
A, B = 0, 1


@pytest.fixture
def machine(caplog):
    """One that is driven by hand; after each step all agree."""
    caplog.set_level(CRITICAL, 'zodbschedule')
    found = Machine()
    yield found
    found.teardown()


def given(machine, *told):
    """Tasks: of each the key, what it does, and the other one.

    They wait, if they have anything to do.
    """
    for key, *_ in told:
        machine.add((KEYS.index(key), 1, 0), NOW)
    for number, (_, *does) in enumerate(told):
        for action, other in [does] if does else []:
            machine.instruct(
                (2 * number, ACTIONS.index(action), 2 * other), NOW)
            machine.schedule((2 * number, 0, 0), NOW)


def play(machine, what, *dice, midst=None, where='run'):
    """Do that, and what is in the midst of it; the number of effects."""
    meanwhile = midst and (where, 0, midst[0], midst[1:], NOW)
    machine.do(what=what, dice=dice, offset=NOW, meanwhile=meanwhile)
    machine.all_agree()
    return sum(machine.model.all('effects').values())


def test_what_is_held_besides_a_long_run_is_handed_back(machine):
    given(machine, *[(None, 'succeed', 0)] * 3)
    play(machine, 'turn', A, 3, 0)
    assert play(machine, 'run', A, 0, 0, midst=('relieve', 0, 0, 0)) == 1
    assert machine.model.waiting() == [1, 2]
    assert play(machine, 'run', A, 0, 0) == 1


@pytest.mark.parametrize('what', ['relieve', 'process'])
def test_in_the_midst_of_process_neither_is_done(machine, what):
    given(machine, (None, 'succeed', 0))
    assert play(machine, 'process', 0, 0, 0, midst=(what, 0, 0, 0)) == 1


def test_a_task_that_comes_back_finds_its_key_held(machine):
    given(machine, ('k', 'again', 0), ('k',))
    play(machine, 'run', A, 0, 0)
    play(machine, 'schedule', 2, 0, 0)
    play(machine, 'turn', A, 0, 0)
    assert machine.model.waiting() == [1]


def test_a_task_that_was_cancelled_is_not_called(machine):
    given(machine, (None, 'succeed', 0))
    play(machine, 'turn', A, 1, 0)
    play(machine, 'unschedule', 0, 0, 0)
    assert play(machine, 'run', A, 0, 0) == 0


@pytest.mark.parametrize('midst', [
    ('unschedule', 1, 1, 1), ('recover_by_name', A, 1, 0),
    ('recover', B, 0, 1), ('die', 0, 0, 0)])
def test_a_run_in_vain_has_no_effect(machine, midst):
    given(machine, (None, 'succeed', 0))
    assert play(machine, 'run', A, 0, 0, midst=midst) == 0


@pytest.mark.parametrize('action, effects', [('succeed', 1), ('conflict', 0)])
def test_a_run_that_is_tried_again_sees_that_it_is_paused(
        machine, action, effects):
    given(machine, (None, action, 0))
    assert play(machine, 'run', A, 0, 0, midst=('pause', 1, 1, 1)) == effects


def test_a_worker_whose_claim_was_recovered_may_die(machine):
    play(machine, 'begin', A, 0, 0)
    play(machine, 'recover_by_name', A, 0, 0)
    play(machine, 'crash', A, 0, 0)
    assert not machine.model.all('claim')


def test_a_claim_is_recovered_once(machine):
    play(machine, 'begin', B, 0, 0)
    play(machine, 'recover', A, 0, 0, midst=('recover_by_name', B, 0, 0),
         where='anything')
    assert [claim.name for claim in machine.model.all('claim').values()] == [
        'A']


def test_three_crashes_park_a_task(machine):
    given(machine, (None, 'die', 0))
    for _ in range(3):
        assert machine.model.waiting() == [0]
        play(machine, 'run', A, 0, 0)
        play(machine, 'recover', B, 0, 0)
    assert machine.model.at_place(PARKED) == [0]
    play(machine, 'unpark', 0, 0, 0)
    assert machine.model.waiting() == [0]


@pytest.mark.parametrize('key', [None, 'k'])
@pytest.mark.parametrize('act, waiting', [('run_now', [1]),
                                          ('unschedule', [])])
def test_what_a_run_has_scheduled(machine, key, act, waiting):
    given(machine, (None, 'schedule another', 1), (key,))
    play(machine, 'run', A, 0, 0)
    assert machine.model.waiting() == ([1] if key else [])
    play(machine, act, 2, 0, 0)
    assert machine.model.waiting() == waiting


def test_a_task_that_comes_again_is_cancelled_before_its_turn(machine):
    given(machine, (None, 'again', 0))
    assert play(machine, 'run', A, 0, 0) == 1
    play(machine, 'unschedule', 0, 0, 0)
    play(machine, 'turn', A, 0, 0)
    assert machine.model.waiting() == []
