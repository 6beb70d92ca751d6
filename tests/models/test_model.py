"""A schedule beside a model of it: every task is in exactly one place.

Hypothesis makes up what is done to both; after each step they must agree.
The model is one dict; it knows nothing of instants that are split into
leaves, of claims, stamps and transactions.
"""

import copy
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from tempfile import TemporaryDirectory

import pytest
import transaction
import ZODB
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test
from persistent.mapping import PersistentMapping

from zodbschedule import AlreadyScheduled
from zodbschedule import NotScheduled
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule.store.inspection import task_id
from zodbschedule.store.timetable import LEAF


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)

# Few instants, and one that is more likely, so that it gets busy.
minutes = st.one_of(st.just(5), st.integers(0, 10)).map(
    lambda minute: NOON + timedelta(minutes=minute))
steps = st.integers(-2, 3).map(lambda minute: timedelta(minutes=minute))
any_task = st.integers(0, 10_000)

ACTIONS = ('succeed', 'again', 'retry', 'fail', 'return another',
           'unschedule another', 'schedule another')

FREE, WAITS, HELD, FOLLOWS, PARKED = 'free waits held follows parked'.split()


class Actor(Task):
    """Does what it is told to, with another of the same stage."""

    action = 'succeed'
    step = timedelta(0)
    other = None

    def __init__(self, time, stage):
        super().__init__(time)
        self.stage = stage

    def __call__(self):
        if self.action == 'fail':
            raise ValueError('it was told to fail')
        if self.action == 'retry':
            self.time += self.step
            return self
        if self.action == 'unschedule another':
            try:
                schedule_of(self).unschedule(self.stage[self.other])
            except NotScheduled:
                self.stage['missed'] = self.other
        if self.action == 'schedule another':
            try:
                schedule_of(self).schedule(self.stage[self.other])
            except AlreadyScheduled:
                self.stage['missed'] = self.other

    def schedule(self):
        if self.action == 'again':
            self.time += self.step
            return self
        if self.action == 'return another':
            return self.stage[self.other]


def schedule_of(task):
    return task._p_jar.root()['schedule']


class Expected:
    """What the model knows of one task."""

    def __init__(self, time):
        self.time = time
        #: where it is, and, unless it is free, at which instant
        self.place = FREE
        self.at = None
        #: the place in the order of those that came at the same instant
        self.arrival = 0
        self.action = 'succeed'
        self.step = timedelta(0)
        self.other = None


class Model:
    """The plain model: a dict of `Expected` by number."""

    def __init__(self):
        self.tasks = {}
        self.arrivals = 0

    def put(self, number, at):
        found = self.tasks[number]
        self.arrivals += 1
        found.place, found.at, found.arrival = WAITS, at, self.arrivals

    def waiting(self, until=None):
        """The numbers of those that wait, in order."""
        found = [(one.at, one.arrival, number)
                 for number, one in self.tasks.items() if one.place == WAITS
                 and (until is None or one.at <= until)]
        return [number for *_, number in sorted(found)]

    def at_place(self, place):
        return {number for number, one in self.tasks.items()
                if one.place == place}

    def process(self, now):
        """What a pass makes of it: how many succeeded, retried, failed."""
        portion = self.waiting(now)
        for number in portion:
            self.tasks[number].place = HELD
        counts = {'succeeded': 0, 'retried': 0, 'failed': 0}
        follow = {}
        for slot, number in enumerate(portion):
            if self.tasks[number].place == HELD:
                outcome, following = self.run(number)
                counts[outcome] += 1
                if following is not None:
                    follow[slot] = following
        # One may come, be unscheduled, and come again.
        last = {follow[slot]: slot for slot in sorted(follow)}
        for number in sorted(last, key=last.get):
            if self.tasks[number].place == FOLLOWS:
                self.put(number, self.tasks[number].at)
        return counts['succeeded'], counts['retried'], counts['failed']

    def run(self, number):
        """One run: its outcome, and what takes its place."""
        task = self.tasks[number]
        if task.action == 'fail':
            task.place = PARKED
            return 'failed', None
        if task.action in ('again', 'retry'):
            task.time += task.step
            task.place, task.at = FOLLOWS, task.time
            return ('retried' if task.action == 'retry' else 'succeeded',
                    number)
        if task.action == 'return another':
            return self.replace(number, task, self.tasks[task.other])
        task.place = FREE
        if task.action == 'unschedule another':
            other = self.tasks[task.other]
            if other.place in (WAITS, HELD, FOLLOWS):
                other.place = FREE
        if task.action == 'schedule another':
            other = self.tasks[task.other]
            if other.place == FREE and other is not task:
                other.place, other.at = FOLLOWS, other.time
                return 'succeeded', task.other
        return 'succeeded', None

    def replace(self, number, task, other):
        if other is not task and other.place != FREE:
            task.place = PARKED
            return 'failed', None
        task.place = FREE
        other.place, other.at = FOLLOWS, other.time
        return 'succeeded', task.other


class Machine(RuleBasedStateMachine):
    """Does the same to a schedule on a FileStorage and to the model."""

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.db = ZODB.DB(f'{self.folder.name}/Data.fs')
        root = self.db.open().root()
        self.schedule = root['schedule'] = Schedule()
        self.stage = root['stage'] = PersistentMapping()
        self.model = Model()
        self.commit()

    def teardown(self):
        transaction.abort()
        self.db.close()
        self.folder.cleanup()

    # -- helpers

    def new(self, time):
        number = len(self.model.tasks)
        self.stage[number] = Actor(time, self.stage)
        self.model.tasks[number] = Expected(time)
        return number

    def pick(self, at_random, places=(FREE, WAITS, PARKED)):
        """One of the numbers of those that are at one of the places."""
        numbers = sorted(
            number for number, one in self.model.tasks.items()
            if one.place in places)
        return numbers[at_random % len(numbers)]

    def entry_of(self, number):
        return self.schedule.parked.get(task_id(self.stage[number]))

    # -- the everyday

    @initialize(told=st.lists(
        st.tuples(minutes, st.sampled_from(ACTIONS), any_task, steps),
        min_size=6, max_size=12))
    def begin_with_some(self, told):
        for time, *_ in told:
            self.schedule_new(time)
        for number, (_, action, other, step) in enumerate(told):
            self.instruct(number, action, other, step)
        self.commit()

    def schedule_new(self, time):
        number = self.new(time)
        self.schedule.schedule(self.stage[number])
        self.model.put(number, time)

    @rule(time=minutes, count=st.integers(1, LEAF + 4))
    def schedule_many(self, time, count):
        for _ in range(count):
            self.schedule_new(time)

    @rule(at_random=any_task)
    def schedule_known(self, at_random):
        number = self.pick(at_random)
        known = self.model.tasks[number]
        if known.place == FREE:
            self.schedule.schedule(self.stage[number])
            self.model.put(number, known.time)
        else:
            with pytest.raises(AlreadyScheduled):
                self.schedule.schedule(self.stage[number])

    @rule(at_random=any_task)
    def unschedule(self, at_random):
        number = self.pick(at_random)
        known = self.model.tasks[number]
        if known.place == WAITS:
            self.schedule.unschedule(self.stage[number])
            known.place = FREE
        else:
            with pytest.raises(NotScheduled):
                self.schedule.unschedule(self.stage[number])

    @rule(time=minutes)
    def unschedule_all_of_an_instant(self, time):
        for number in self.model.waiting():
            if self.model.tasks[number].at == time:
                self.unschedule(number)

    @rule(at_random=any_task, time=minutes)
    def change_time(self, at_random, time):
        number = self.pick(at_random)
        self.stage[number].time = self.model.tasks[number].time = time

    def instruct(self, number, action, other, step):
        values = {'action': action, 'step': step, 'other': self.pick(other)}
        for name, value in values.items():
            setattr(self.stage[number], name, value)
            setattr(self.model.tasks[number], name, value)

    @rule(first=any_task, action=st.sampled_from(ACTIONS), step=steps,
          stride=st.integers(1, 4))
    def instruct_some(self, first, action, step, stride):
        for number in range(0, len(self.model.tasks), stride):
            self.instruct(number, action, first + number, step)

    @precondition(lambda self: len(self.model.waiting()) > 1)
    @rule(at_random=any_task, other=any_task, step=steps,
          action=st.sampled_from(['again', 'retry', 'schedule another']))
    def instruct_one_to_unschedule_what_the_one_before_puts_next(
            self, at_random, other, step, action):
        waiting = self.model.waiting()
        index = at_random % (len(waiting) - 1)
        first, second = waiting[index:index + 2]
        self.instruct(first, action, other, step)
        following = other if action == 'schedule another' else first
        self.instruct(second, 'unschedule another', following, step)

    # -- what failed

    @precondition(lambda self: self.model.at_place(PARKED))
    @rule(at_random=any_task, time=st.none() | minutes)
    def unpark(self, at_random, time):
        number = self.pick(at_random, (PARKED,))
        self.schedule.unpark(self.entry_of(number), time)
        known = self.model.tasks[number]
        known.time = time or known.time
        self.model.put(number, time or known.at)

    @precondition(lambda self: self.model.at_place(PARKED))
    @rule(at_random=any_task)
    def discard(self, at_random):
        number = self.pick(at_random, (PARKED,))
        self.schedule.discard(self.entry_of(number))
        self.model.tasks[number].place = FREE

    # -- transactions, and runs

    def commit(self):
        transaction.commit()
        self.committed = copy.deepcopy(self.model)

    @rule()
    def abort(self):
        transaction.abort()
        self.model = copy.deepcopy(self.committed)

    @rule(reload=st.booleans())
    def make_a_savepoint(self, reload):
        transaction.savepoint()
        if reload:
            self.schedule._p_jar.cacheMinimize()

    @rule(now=minutes)
    def process(self, now):
        self.commit()
        tally = self.schedule.process(now)
        assert self.model.process(now) == tally[:3]
        assert tally.left == tally.expired == 0
        self.commit()

    @rule()
    def process_all(self):
        self.process(NOON + timedelta(minutes=20))

    # -- after every step

    @invariant()
    def every_task_is_in_exactly_one_place(self):
        waiting = self.model.waiting()
        listed = list(self.schedule)
        assert len(listed) == len(waiting)
        for task, number in zip(listed, waiting, strict=True):
            assert task is self.stage[number]
        parked = [entry.task for entry in self.schedule.parked]
        assert len(parked) == len(self.schedule.parked)
        assert {id(task) for task in parked} == {
            id(self.stage[number]) for number in self.model.at_place(PARKED)}
        assert len(parked) == len(self.model.at_place(PARKED))
        assert list(self.schedule.claimed()) == []
        assert not self.schedule.claims

    @invariant()
    def all_ways_to_look_agree(self):
        for number, known in self.model.tasks.items():
            task = self.stage[number]
            assert (task in self.schedule) == (known.place == WAITS)
            found = self.schedule.get(task_id(task) or '')
            if task_id(task) is not None:
                assert found is (task if known.place == WAITS else None)

    @invariant()
    def the_instants_agree(self):
        times = sorted({
            known.at for known in self.model.tasks.values()
            if known.place == WAITS})
        assert list(self.schedule.getTaskTimes()) == times
        assert self.schedule.next_due() == (times[0] if times else None)
        assert all(time.tzinfo is UTC for time in times)
        for low, high in zip(times[::2], times[1::2], strict=False):
            assert [id(task) for task in self.schedule.tasks(low, high)] == [
                id(self.stage[number]) for number in self.model.waiting(high)
                if self.model.tasks[number].at >= low]


def test_a_schedule_agrees_with_the_model():
    run_state_machine_as_test(Machine, settings=settings(
        # The same examples each time, so that a red build is no luck.
        derandomize=True,
        max_examples=20, stateful_step_count=30, deadline=None,
        suppress_health_check=list(HealthCheck)))


def test_what_is_rare_among_the_examples_is_played_by_hand():
    machine = Machine()
    first, second = NOON, NOON + timedelta(minutes=1)
    machine.begin_with_some([
        (first, 'fail', 0, timedelta(0)),
        (first, 'unschedule another', 2, timedelta(0)),
        (second, 'succeed', 0, timedelta(0))])
    machine.process_all()
    assert machine.model.at_place(PARKED) == {0}
    machine.every_task_is_in_exactly_one_place()
    machine.unpark(0, second)
    machine.all_ways_to_look_agree()
    machine.process_all()
    machine.every_task_is_in_exactly_one_place()
    machine.teardown()
