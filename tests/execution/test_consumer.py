"""A consumer looks, recovers, makes steps, and withdraws."""

import pytest
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import names
from sample_work import prepare
from sample_work import runs
from ZODB.utils import u64

from zodbschedule.execution.backoff import FIRST_PAUSE
from zodbschedule.execution.consumer import Consumer
from zodbschedule.interfaces import ClaimLost
from zodbschedule.scheduling.turn import exchange
from zodbschedule.scheduling.turn import relieve
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this
from zodbschedule.transactions.retrying import read
from zodbschedule.transactions.retrying import transact


pytestmark = pytest.mark.storages('FileStorage')


@pytest.fixture
def schedule(database, clock):
    clock.set(NOON)
    return prepare(database, Note('a', at(-2)), Note('b', at(-1)), Note('c'))


@pytest.fixture
def consumer(schedule):
    return Consumer(schedule, 'ours', patient=True)


def held(consumer):
    """What waits in its claim."""
    return read(consumer.manager, lambda: [
        slot.task.description for slot in
        consumer.schedule.claims[consumer.claim.id].held()])


def change(consumer, work):
    """Do that in a transaction of its own."""
    def commit():
        work(consumer.schedule)
        consumer.manager.commit()

    transact(consumer.manager, commit)


def test_a_claim_that_has_made_fewer_turns_than_before_is_of_a_backup(
        consumer):
    def restore(schedule):
        schedule.claims[consumer.claim.id].turns -= 1

    consumer.look()
    consumer.turn(1)
    change(consumer, restore)
    with pytest.raises(ClaimLost, match='restored to an older state'):
        consumer.turn(1)


class TestLook:

    def test_it_says_what_there_is_to_do_and_writes_nothing(
            self, schedule, consumer):
        before = schedule._p_jar.db().lastTransaction()
        assert consumer.look() == (([], []), True, None, True)
        assert schedule._p_jar.db().lastTransaction() == before

    def test_it_says_when_something_comes_due(
            self, schedule, consumer, clock):
        clock.set(at(-5))
        assert consumer.look() == (([], []), False, at(-2), True)

    def test_and_when_a_task_is_not_held_off_any_more(
            self, schedule, consumer):
        for oid in read(consumer.manager, lambda: [
                u64(task._p_oid) for task in schedule]):
            consumer.backoff.hold(oid, NOON)
        assert consumer.look() == (([], []), False, NOON + FIRST_PAUSE, True)

    def test_a_pass_begins_with_it_when_the_last_one_is_over(self, consumer):
        assert [consumer.look().begins for _ in range(2)] == [True, False]
        consumer.step(9)
        assert consumer.look().begins

    def test_of_a_schedule_that_is_not_there_nothing_is_known(self, consumer):
        assert consumer.look(lambda: False) is None

    def test_what_holds_an_outcome_is_due(self, consumer):
        consumer.look()
        consumer.step(9)
        assert consumer.look().due
        consumer.turn(9)
        assert not consumer.look().due


class TestStep:

    @pytest.fixture(autouse=True)
    def _looked(self, consumer):
        consumer.look()

    def test_it_goes_on_as_long_as_turns_take_what_they_may(
            self, database, consumer):
        assert [consumer.step(2) for _ in range(2)] == [True, False]
        assert runs(database) == {'a': 1, 'b': 1, 'c': 1}

    def test_it_tells_when_the_turn_was_committed(self, database, consumer):
        seen = []
        consumer.step(9, taken=lambda: seen.append(runs(database)))
        assert seen == [dict.fromkeys('abc', 0)]

    def test_before_each_run_it_may_be_stopped(self, database, consumer):
        answers = iter([False, True])
        consumer.step(9, stopping=lambda: next(answers))
        assert runs(database) == {'a': 1, 'b': 0, 'c': 0}
        assert held(consumer) == ['b', 'c']
        consumer.withdraw()
        assert names(database.schedule()) == ['b', 'c']

    def test_how_long_its_runs_have_lasted_is_known(self, consumer):
        consumer.step(2)
        assert len(consumer.durations) == 2
        consumer.step(2)
        assert len(consumer.durations) == 1


class TestOrder:
    """What waits again, before the place of the pass, is taken first."""

    @pytest.fixture
    def consumer(self, schedule):
        """One that leaves nothing to others."""
        return Consumer(schedule, 'ours')

    def test_after_recovery(self, consumer):
        def take(schedule):
            claim = schedule.claims['theirs'] = Claim(
                '', this()._replace(started='1'))
            exchange(schedule, claim, 1, None, NOON, lambda at, task: True)

        change(consumer, take)
        consumer.begin(NOON)
        consumer.turn(1)
        assert held(consumer) == ['b']
        consumer.recover('theirs')
        consumer.turn(1)
        assert held(consumer) == ['a']

    def test_what_another_hands_back(self, schedule, consumer):
        other = Consumer(schedule, 'theirs')
        other.begin(NOON)
        other.turn(1)
        consumer.begin(NOON)
        consumer.turn(1)
        assert held(consumer) == ['b']
        other.withdraw()
        consumer.turn(1)
        assert held(consumer) == ['a']

    def test_of_what_another_is_relieved(self, schedule, consumer):
        other = Consumer(schedule, 'theirs')
        other.begin(NOON)
        other.turn(2)
        consumer.begin(NOON)
        consumer.turn(1)
        change(consumer, lambda schedule: relieve(
            schedule, other.claim.id, 0, NOON))
        consumer.turn(1)
        assert held(consumer) == ['b']

    def test_a_claim_that_gives_nothing_back_changes_no_order(
            self, schedule, consumer):
        other = Consumer(schedule, 'theirs')
        other.look()
        other.step(1)
        consumer.begin(NOON)
        consumer.turn(1)
        other.withdraw()
        consumer.turn(1)
        assert not schedule.timetable.returned
        assert consumer.claim.returned == 0

    def test_after_relief(self, consumer):
        consumer.begin(NOON)
        consumer.look()
        consumer.turn(2)
        assert held(consumer) == ['a', 'b']
        change(consumer, lambda schedule: relieve(
            schedule, consumer.claim.id, 1, NOON))
        consumer.claim.heartbeat.may_be_relieved = True
        assert not consumer.run(0, consumer.claim.portion[0])
        consumer.turn(1)
        assert held(consumer) == ['a']
