"""What may not be taken costs a worker a bounded part of each pass."""

from datetime import timedelta

import pytest
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import commit
from sample_work import names
from sample_work import prepare

from zodbschedule.execution import held_back
from zodbschedule.execution.consumer import Consumer
from zodbschedule.execution.held_back import NEAR
from zodbschedule.execution.held_back import PART
from zodbschedule.transactions.retrying import read


pytestmark = pytest.mark.storages('FileStorage')

MANY = 5_000

#: for each list at most the list, its bucket, and what is noted of its task
BOUND = 3 * (PART + 2 * NEAR)


def overdue(count):
    """So many tasks that are due since long ago, each at its own instant."""
    return [Note(f'{number}', at(-60) + timedelta(milliseconds=number))
            for number in range(count)]


def schedule_with_paused(database, count):
    tasks = overdue(count)
    schedule = prepare(database, *tasks)
    for task in tasks:
        schedule.pause(task)
    commit(schedule)
    return schedule


def open_consumer(database, patient=True):
    """A consumer of its own connection, as a worker has it."""
    schedule = database.client().schedule()
    schedule._p_jar.transaction_manager.abort()
    return Consumer(schedule, 'ours', patient=patient)


@pytest.fixture
def schedule(database, clock):
    clock.set(NOON)
    return schedule_with_paused(database, 600)


@pytest.fixture
def consumer(database, schedule):
    """A consumer that has looked at all of it once."""
    found = open_consumer(database)
    assert not found.look().due
    return found


@pytest.fixture
def later(monkeypatch):
    """Let so much time pass that a part is looked at again."""
    def later():
        monkeypatch.setattr(held_back, 'INTERVAL', 0)

    monkeypatch.setattr(held_back, 'INTERVAL', 1_000)
    return later


def work(consumer, passes=1):
    """Make so many passes, and hand back what is left."""
    for _ in range(passes):
        if consumer.look().due:
            while consumer.step(PART):
                pass
    consumer.withdraw()


def ran(schedule):
    """What has run, in order, by description."""
    return [entry.description for entry in schedule.history
            if entry.outcome == 'succeeded'][::-1]


def loads(consumer, do):
    """How many records that loads."""
    connection = consumer.schedule._p_jar
    connection.cacheMinimize()
    connection.getTransferCounts(clear=True)
    do()
    return connection.getTransferCounts(clear=True)[0]


class TestBound:

    def test_a_look_and_a_turn_load_a_bounded_part_of_what_is_held_back(
            self, database, clock):
        clock.set(NOON)
        schedule = schedule_with_paused(database, MANY)
        consumer = open_consumer(database)
        consumer.look()
        assert loads(consumer, consumer.look) < BOUND
        schedule.schedule(Note('now'))
        commit(schedule)
        assert loads(consumer, consumer.look) < BOUND
        assert loads(consumer, lambda: consumer.turn(8)) < BOUND
        assert len(consumer.claim.portion) == 1
        consumer.withdraw()

    def test_so_it_is_while_a_part_is_looked_at_again(
            self, consumer, monkeypatch):
        monkeypatch.setattr(held_back, 'INTERVAL', 0)
        counts = [loads(consumer, consumer.look) for _ in range(5)]
        assert max(counts) < BOUND

    def test_it_says_when_the_next_part_is_looked_at(self, consumer, later):
        assert NOON < consumer.look().next <= NOON + timedelta(seconds=1_000)

    def test_few_are_all_looked_at_each_time(self, database, clock, later):
        clock.set(NOON)
        schedule = schedule_with_paused(database, 2 * NEAR)
        consumer = open_consumer(database)
        assert consumer.look().next is None
        schedule.schedule(Note('long due', at(-70)))
        commit(schedule)
        assert consumer.look().due


class TestWhatRuns:

    @pytest.mark.parametrize('minutes', [-70, -60, -1])
    def test_what_comes_to_stand_anywhere_runs(
            self, schedule, consumer, later, minutes):
        schedule.schedule(Note('new', at(minutes) + timedelta(microseconds=7)))
        commit(schedule)
        later()
        work(consumer, 600 // PART + 2)
        commit(schedule)
        assert ran(schedule) == ['new']

    def test_among_those_stepped_over_it_waits_for_its_part(
            self, schedule, consumer, later):
        schedule.schedule(Note('new', at(-70)))
        commit(schedule)
        assert not consumer.look().due
        later()
        assert consumer.look().due
        work(consumer)

    def test_what_is_due_now_runs_at_once(self, schedule, consumer, later):
        schedule.schedule(Note('now'))
        commit(schedule)
        work(consumer)
        commit(schedule)
        assert ran(schedule) == ['now']

    def test_what_is_resumed_runs_at_once_and_in_order(
            self, schedule, consumer, later):
        tasks = schedule._p_jar.root()['tasks']
        for number in (599, 7, 300):
            schedule.resume(tasks[number])
        commit(schedule)
        work(consumer)
        commit(schedule)
        assert ran(schedule) == ['7', '300', '599']

    def test_what_was_handed_back_runs_at_once(
            self, schedule, consumer, later):
        schedule.timetable.returned += 1
        schedule.schedule(Note('back', at(-70)))
        commit(schedule)
        work(consumer)
        commit(schedule)
        assert ran(schedule) == ['back']

    def test_all_is_looked_at_if_the_clock_goes_back(
            self, schedule, consumer, later, clock):
        schedule.schedule(Note('new', at(-70)))
        commit(schedule)
        clock.set(at(-65))
        work(consumer)
        commit(schedule)
        assert ran(schedule) == ['new']

    def test_a_single_pass_steps_over_nothing(self, schedule, later):
        schedule.schedule(Note('new', at(-70)))
        commit(schedule)
        assert schedule.process(NOON).succeeded == 1

    def test_nothing_that_is_held_back_leaves_its_place(
            self, schedule, consumer, later):
        later()
        work(consumer, 5)
        commit(schedule)
        assert len(names(schedule)) == 600


class TestMissingCode:
    """Another process may have what this one has not."""

    def test_what_is_there_again_runs(
            self, database, clock, later, monkeypatch):
        clock.set(NOON)
        prepare(database, *overdue(300))
        consumer = open_consumer(database)
        with monkeypatch.context() as without:
            without.setattr('zodbschedule.execution.passes.isinstance',
                            lambda task, cls: True, raising=False)
            assert not consumer.look().due
        clock.set(at(10))  # none is held off any more
        later()
        work(consumer, 3)
        fresh = database.client().schedule()
        assert ran(fresh) == [f'{number}' for number in range(300)]
        assert read(consumer.manager, lambda: names(consumer.schedule)) == []
