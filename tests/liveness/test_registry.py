"""Who works on a schedule, as its claims tell; recovering them by hand."""

import os
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import zope.event
from sample_work import NOON
from sample_work import Hooked
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import hooks
from sample_work import names
from zope.interface.verify import verifyClass
from zope.interface.verify import verifyObject

from zodbschedule.instant import to_micros
from zodbschedule.interfaces import IWorkers
from zodbschedule.interfaces import IWorkerState
from zodbschedule.interfaces import NotScheduled
from zodbschedule.liveness import registry
from zodbschedule.liveness.registry import WorkerState
from zodbschedule.outcomes import CANCELLED
from zodbschedule.outcomes import FAILED
from zodbschedule.outcomes import RETRIED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling import turn
from zodbschedule.store import incarnation
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.incarnation import started
from zodbschedule.store.incarnation import this


ELSEWHERE = Incarnation('elsewhere', 'another boot pid:[1]', 4711, '1')


def anything(instant, task):
    return True


def take(schedule, limit=100, claim_id='theirs', name='a name', lease=None,
         holder=ELSEWHERE):
    """A claim that has taken so many tasks."""
    claim = schedule.claims.get(claim_id)
    if claim is None:
        claim = schedule.claims[claim_id] = Claim(
            name, holder, to_micros(at(3)), lease)
    turn.exchange(schedule, claim, limit, None, NOON, anything)
    commit(schedule)
    return claim


def settle(schedule, index, outcome=SUCCEEDED):
    slot = schedule.claims['theirs'].slots[index]
    slot.settle(outcome, slot.oid)
    commit(schedule)


def add(schedule, *descriptions):
    for description in descriptions:
        schedule.schedule(Note(description))
    commit(schedule)


class TestWorkers:

    def test_a_schedule_tells_of_them(self, schedule):
        assert verifyObject(IWorkers, schedule)
        assert verifyClass(IWorkerState, WorkerState)
        assert list(schedule.workers) == []

    def test_who_is_idle(self, schedule):
        take(schedule)
        state, = schedule.workers
        assert verifyObject(IWorkerState, state)
        assert state._replace(beaten=None, silence=None) == WorkerState(
            'theirs', 'a name', 'elsewhere', 4711, at(3),
            timedelta(seconds=30), 'idle', None, None, None, None, 0, Tally())
        age = datetime.now(UTC) - state.beaten
        assert abs(age) < timedelta(minutes=5)

    def test_who_runs_something(self, schedule):
        add(schedule, 'a', 'b', 'c')
        claim = take(schedule)
        state, = schedule.workers
        assert state.task.description == 'a'
        assert state.claimed == 3
        assert state.running_since == state.beaten
        assert state.counts == Tally()
        # When one run has ended the next begins.
        claim.heartbeat.beats += 1
        commit(schedule)
        settle(schedule, 0)
        state, = schedule.workers
        assert state.task.description == 'b'
        assert state.claimed == 2
        assert state.running_since > state.beaten
        assert state.counts == Tally(succeeded=1)

    def test_since_when_it_runs_though_it_is_relieved(self, schedule):
        add(schedule, 'a', 'b', 'c')
        take(schedule)
        settle(schedule, 0)
        before, = schedule.workers
        turn.relieve(schedule, 'theirs', 1, at(4))
        commit(schedule)
        after, = schedule.workers
        assert after.beaten > before.beaten
        assert after.running_since == before.running_since
        # But what a turn takes begins then.
        settle(schedule, 1)
        take(schedule)
        later, = schedule.workers
        assert later.task.description == 'c'
        assert later.running_since == later.beaten

    def test_outcomes_are_counted_collected_or_not(self, schedule):
        add(schedule, 'a', 'b', 'c')
        take(schedule)
        for index, outcome in enumerate([SUCCEEDED, FAILED, CANCELLED]):
            settle(schedule, index, outcome)
        assert [state.counts for state in schedule.workers] == [
            Tally(succeeded=1, failed=1)]
        add(schedule, 'd')
        take(schedule)
        settle(schedule, 0, RETRIED)
        assert [state.counts for state in schedule.workers] == [
            Tally(succeeded=1, failed=1, retried=1)]

    def test_the_lease_is_that_of_the_claim_if_it_has_one(self, schedule):
        take(schedule, lease=1.5)
        schedule.lease = timedelta(minutes=2)
        take(schedule, claim_id='another')
        assert {state.id: state.lease for state in schedule.workers} == {
            'theirs': timedelta(seconds=1.5),
            'another': timedelta(minutes=2)}

    @pytest.mark.storages('FileStorage', 'ZEO', 'PostgreSQL')
    def test_a_call_of_process_is_there_as_long_as_it_lasts(self, database):
        schedule = database.schedule()
        schedule.schedule(Hooked('a'))
        commit(schedule)
        other = database.client().schedule()
        found = []

        def look():
            begin(other)
            found.extend(other.workers)

        hooks['a'] = look
        schedule.process(NOON)
        state, = found
        assert state.name == 'process()'
        assert state.task.description == 'a'
        begin(other)
        assert list(other.workers) == []


PARENT = this()._replace(pid=os.getppid(), started=started(os.getppid()))
GONE = PARENT._replace(started='1')
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


class TestWhatCanBeSaidOfThem:

    @pytest.mark.parametrize('holder, tasks, silent, said', [
        (ELSEWHERE, 1, 29 * SECOND, 'working'),
        (ELSEWHERE, 1, 31 * SECOND, 'silent'),
        (ELSEWHERE, 1, -HOUR, 'silent'),
        (ELSEWHERE, 0, 14 * HOUR, 'idle'),
        (ELSEWHERE, 0, 2 * DAY, 'silent'),
        (PARENT, 1, 29 * SECOND, 'working'),
        (PARENT, 1, 31 * SECOND, 'silent'),
        (PARENT, 0, 9 * DAY, 'idle'),
        (GONE, 1, SECOND, 'dead'),
        (GONE, 0, SECOND, 'dead'),
        (GONE, 0, 9 * DAY, 'dead')])
    def test_in_a_word(self, schedule, silence, holder, tasks, silent, said):
        add(schedule, 'a')
        silence(take(schedule, tasks, holder=holder), silent)
        state, = schedule.workers
        assert (state.state, state.silence) == (said, silent)

    def test_one_that_was_stopped_is_not_idle(
            self, schedule, silence, monkeypatch):
        monkeypatch.setattr(incarnation, 'is_at_work', lambda other: False)
        silence(take(schedule, holder=PARENT), 2 * DAY)
        assert [each.state for each in schedule.workers] == ['silent']

    def test_what_a_dead_one_holds_is_overdue_at_once(self, schedule, clock):
        add(schedule, 'a')
        claim = take(schedule, holder=GONE)
        assert schedule.overdue(NOON + HOUR) == HOUR
        claim._incarnation = tuple(ELSEWHERE)
        commit(schedule)
        state, = schedule.workers
        assert schedule.overdue(state.beaten + SECOND) == timedelta(0)


    @pytest.mark.parametrize('abandoned, overdue', [
        (None, HOUR), (False, timedelta(0))])
    def test_a_sign_of_life_from_the_future_tells_nothing_of_others(
            self, schedule, silence, monkeypatch, abandoned, overdue):
        monkeypatch.setattr(registry, 'is_abandoned', lambda *args: abandoned)
        add(schedule, 'a')
        silence(take(schedule), -HOUR)
        assert schedule.overdue(NOON + HOUR) == overdue


@pytest.fixture
def told():
    """The events that are sent."""
    found = []
    zope.event.subscribers.append(found.append)
    yield found
    zope.event.subscribers.remove(found.append)


class TestRecover:

    def test_what_they_hold_is_back_in_its_place(self, schedule):
        add(schedule, 'a', 'b', 'c')
        take(schedule)
        settle(schedule, 1)
        assert schedule.recover('a name') == 2
        commit(schedule)
        assert names(schedule) == ['a', 'c']
        assert not list(schedule.claims)

    def test_nobody_is_suspected(self, schedule):
        add(schedule, 'a')
        for _ in range(5):
            take(schedule)
            schedule.recover('a name')
            commit(schedule)
        assert not schedule.crashes
        assert not list(schedule.parked)

    def test_what_ran_is_on_record_and_told(self, schedule, told):
        add(schedule, 'a', 'b')
        take(schedule)
        settle(schedule, 0)
        schedule.recover('a name')
        commit(schedule)
        [interrupted] = schedule.history.select(outcome='interrupted')
        assert (interrupted.description, interrupted.worker) == ('b', 'a name')
        assert interrupted.error == 'its worker was recovered by a person'
        assert [(each.description, each.outcome) for each in told] == [
            ('b', 'interrupted')]

    def test_all_of_that_name_and_no_others_are_recovered(self, schedule):
        add(schedule, 'a', 'b', 'c')
        take(schedule, 1, 'one')
        take(schedule, 1, 'two')
        take(schedule, 1, 'three', 'another')
        assert schedule.recover('a name') == 2
        assert list(schedule.claims) == ['three']
        assert sorted(names(schedule)) == ['a', 'b']

    def test_one_that_holds_nothing_is_recovered_too(self, schedule):
        take(schedule)
        assert schedule.recover('a name') == 0
        assert not list(schedule.claims)

    def test_nobody_of_that_name(self, schedule):
        take(schedule)
        with pytest.raises(NotScheduled, match="'another'"):
            schedule.recover('another')
        assert list(schedule.claims) == ['theirs']
