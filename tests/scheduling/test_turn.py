"""What a turn collects, takes and sweeps."""

from datetime import timedelta

import pytest
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from sample_work import names

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Task
from zodbschedule.execution import passes
from zodbschedule.execution import process as processing
from zodbschedule.outcomes import CANCELLED
from zodbschedule.outcomes import FAILED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.scheduling import turn
from zodbschedule.scheduling.endings import running_in
from zodbschedule.scheduling.parking import park
from zodbschedule.store import timetable
from zodbschedule.store.claim import Claim
from zodbschedule.store.history import record
from zodbschedule.store.incarnation import this
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import stamp
from zodbschedule.store.timetable import LEAF
from zodbschedule.store.timetable import Timetable


def anything(instant, task):
    return True


def husks(schedule):
    return list(schedule.timetable.instants.values()).count(None)


@pytest.fixture
def claim(schedule):
    """A claim in the schedule, that holds nothing."""
    found = schedule.claims['mine'] = Claim('a name', this())
    commit(schedule)
    return found


def exchange(schedule, claim, limit=1000):
    return turn.exchange(schedule, claim, limit, None, at(1000), anything)


def held(claim):
    return [slot.task.description for slot in claim.held()]


class TestExchange:

    def test_due_tasks_move_into_the_claim(self, schedule, claim):
        for name in 'ab':
            schedule.schedule(Note(name))
        commit(schedule)
        exchange(schedule, claim)
        assert held(claim) == ['a', 'b']
        assert names(schedule) == []
        assert [slot.micros for slot in claim.held()] == [
            turn.to_micros(NOON)] * 2

    def test_what_has_no_outcome_goes_back_to_its_instant(
            self, schedule, claim):
        for minute in (0, 1):
            schedule.schedule(Note(f'{minute}', at(minute)))
        commit(schedule)
        exchange(schedule, claim)
        exchange(schedule, claim, 0)
        assert held(claim) == []
        assert list(schedule.getTaskTimes()) == [at(0), at(1)]
        assert names(schedule) == ['0', '1']

    def test_it_counts_the_turns(self, schedule, claim):
        exchange(schedule, claim)
        exchange(schedule, claim)
        assert claim.turns == 2

    def test_outcomes_move_into_the_history(self, schedule, claim):
        schedule.schedule(Note('a'))
        commit(schedule)
        exchange(schedule, claim)
        claim.slots[0].settle(
            SUCCEEDED, (7, 0, SUCCEEDED, 0, 'a', None, None, 0))
        exchange(schedule, claim)
        entry, = schedule.history
        assert entry.id == '7'
        assert claim.slots[0].is_free

    def test_what_comes_next_moves_into_the_timetable(
            self, schedule, claim):
        schedule.schedule(Note('a'))
        commit(schedule)
        exchange(schedule, claim)
        slot = claim.slots[0]
        slot.settle(
            SUCCEEDED, slot.oid, (turn.to_micros(at(7)), slot.task))
        exchange(schedule, claim, 0)
        assert list(schedule.getTaskTimes()) == [at(7)]
        assert list(schedule.history) == []

    def test_many_for_one_minute_share_leaves(self, schedule, claim):
        for number in range(3 * LEAF):
            schedule.schedule(Note(f'{number}', at(number)))
        commit(schedule)
        exchange(schedule, claim)
        for slot in list(claim.held()):
            slot.settle(
                SUCCEEDED, slot.oid,
                (turn.to_micros(at(5000)), slot.task))
        exchange(schedule, claim, 0)
        leaves = schedule.timetable.instants[at(5000)].values()
        assert [len(leaf) for leaf in leaves] == [LEAF] * 3


class TestCrashes:

    def crash(self, schedule):
        """What is parked when the first task ends the process."""
        claim = schedule.claims['dead'] = Claim('', this())
        commit(schedule)
        exchange(schedule, claim)
        turn.withdraw(schedule, 'dead', claim, NOON,
                      running_in(claim, 'it has ended', crashed=True))
        return list(schedule.parked)

    def test_the_third_parks_the_task(self, schedule):
        task = schedule.schedule(Note('a'))
        commit(schedule)
        assert self.crash(schedule) == []
        assert self.crash(schedule) == []
        entry, = self.crash(schedule)
        assert entry.task is task
        assert names(schedule) == []
        assert not schedule.crashes

    def test_of_a_series_only_the_occurrence_is_parked(self, schedule):
        task = Note('a')
        task.recurrence = Every(timedelta(hours=1))
        schedule.schedule(task)
        occurrence = task.time
        commit(schedule)
        for _ in range(2):
            assert self.crash(schedule) == []
        entry, = self.crash(schedule)
        assert entry.occurrence == occurrence
        assert list(schedule) == [task]
        assert task.time == occurrence + timedelta(hours=1)
        assert not schedule.crashes

    def test_of_a_series_that_has_ended_nothing_waits(self, schedule):
        task = Note('a')
        task.recurrence = RRule('FREQ=DAILY;COUNT=1', dtstart=NOON)
        schedule.schedule(task)
        commit(schedule)
        for _ in range(2):
            assert self.crash(schedule) == []
        entry, = self.crash(schedule)
        assert entry.occurrence == NOON
        assert list(schedule) == []

    def test_an_outcome_forgives_the_others(self, schedule):
        claim = self.held_after_a_crash(schedule)
        claim.slots[0].settle(SUCCEEDED, claim.slots[0].oid)
        exchange(schedule, claim, 0)
        assert not schedule.crashes

    def test_also_one_that_another_collects(self, schedule):
        claim = self.held_after_a_crash(schedule)
        claim.slots[0].settle(SUCCEEDED, claim.slots[0].oid)
        turn.withdraw(schedule, 'claim', claim, NOON)
        assert not schedule.crashes

    def test_one_that_was_cancelled_forgives_nothing_of_what_came_since(
            self, schedule):
        claim = self.held_after_a_crash(schedule)
        task = claim.slots[0].task
        schedule.unschedule(task)
        assert not schedule.crashes
        schedule.schedule(task)
        assert self.crash(schedule) == []
        exchange(schedule, claim, 0)
        assert [count for count, _ in schedule.crashes.values()] == [1]

    def held_after_a_crash(self, schedule):
        schedule.schedule(Note('a'))
        commit(schedule)
        self.crash(schedule)
        assert [count for count, _ in schedule.crashes.values()] == [1]
        claim = schedule.claims['claim'] = Claim('', this())
        exchange(schedule, claim)
        return claim

    def test_each_is_on_record(self, schedule):
        task = Note('a')
        task.recurrence = Every(timedelta(hours=1), start=NOON)
        task.retry = Retry(5)
        schedule.schedule(task)
        commit(schedule)
        for _ in range(3):
            self.crash(schedule)
        failed, *others = schedule.history
        assert (failed.outcome, failed.occurrence) == ('failed', NOON)
        assert failed.error.startswith('3 runs of it ended their process')
        assert [(each.outcome, each.error, each.attempt) for each in others
                ] == [('interrupted', 'it has ended', 1)] * 2

    def test_only_the_one_that_ran_is_suspected(self, schedule):
        for name in 'ab':
            schedule.schedule(Note(name))
        commit(schedule)
        self.crash(schedule)
        assert len(schedule.crashes) == 1
        assert names(schedule) == ['a', 'b']


class TestRequested:
    """A task leaves its claim, and something is requested of it."""

    @pytest.fixture
    def task(self, schedule, claim):
        """Taken into the second of three slots, and requested."""
        tasks = [schedule.schedule(Note(name)) for name in 'bac']
        for task in tasks:
            task.recurrence = Every(timedelta(hours=1))
        commit(schedule)
        exchange(schedule, claim)
        schedule.requests.add(tasks[1], turn.to_micros(at(5)))
        for slot in claim.slots:
            if slot.task is not tasks[1]:
                slot.settle(SUCCEEDED, slot.oid)
        return tasks[1]

    def end(self, claim, outcome):
        slot = claim.slots[1]
        slot.settle(outcome, slot.oid)

    def test_it_waits_for_that(self, schedule, claim, task):
        self.end(claim, FAILED)
        exchange(schedule, claim, 0)
        assert names(schedule) == ['a']
        assert not schedule.requests.entries

    def test_parked_as_a_whole_it_does_not_wait_as_well(
            self, schedule, claim, task):
        park(schedule, task, turn.to_micros(NOON), 'it cannot be written')
        self.end(claim, FAILED)
        exchange(schedule, claim, 0)
        assert names(schedule) == []
        assert oid_of(task) in schedule.requests

    @pytest.mark.parametrize('index', [0, 2])
    def test_scheduled_by_another_run_it_waits_once(
            self, schedule, claim, task, index):
        claim.slots[index].schedule(turn.to_micros(at(7)), task)
        self.end(claim, CANCELLED)
        exchange(schedule, claim, 0)
        assert names(schedule) == ['a']
        assert list(schedule.getTaskTimes()) == [at(7)]
        assert oid_of(task) in schedule.requests

    def test_scheduled_anew_it_waits_once(self, schedule, claim, task):
        stamp(task, at(7))
        schedule.timetable.add(at(7), [task])
        self.end(claim, CANCELLED)
        exchange(schedule, claim, 0)
        assert names(schedule) == ['a']
        assert oid_of(task) in schedule.requests


def test_each_outcome_has_the_tid_of_its_run_also_behind_a_superseded_one(
        schedule, claim):
    series = schedule.schedule(Task(
        NOON, key='key', recurrence=Every(timedelta(hours=1))))
    schedule.schedule(Note('b'))
    commit(schedule)
    exchange(schedule, claim)
    schedule.schedule(Task(at(60), key='key'))
    for slot in claim.slots:
        noon = turn.to_micros(NOON)
        following = noon + 1, slot.task
        slot.settle(
            SUCCEEDED, record(slot.oid, noon, SUCCEEDED, noon, '', '',
                              began=noon),
            following if slot.task is series else None)
        commit(schedule)
    tids = [slot._p_serial for slot in claim.slots]
    exchange(schedule, claim, 0)
    commit(schedule)
    collected, = schedule.history.chunks.values()
    found = [(entry.outcome, entry.tid) for entry in collected.newest_first()]
    assert found == [('succeeded', tids[1]),
                     ('cancelled', collected._p_serial),
                     ('succeeded', tids[0])]


class TestSweeping:
    """Emptied instants are swept in bulk and seldom, but bounded."""

    @pytest.fixture
    def sweeps(self, monkeypatch):
        """How many husks each sweep has deleted."""
        def sweep(self, until, *where):
            before = list(self.instants.values()).count(None)
            original(self, until, *where)
            found.append(
                before - list(self.instants.values()).count(None))

        found = []
        original = Timetable.sweep
        monkeypatch.setattr(Timetable, 'sweep', sweep)
        monkeypatch.setattr(passes, 'SWEEP', 20)
        monkeypatch.setattr(timetable, 'SWEEP', 20)
        return found

    def fill(self, schedule, count, start=0):
        for number in range(start, start + count):
            schedule.schedule(Note(f'{number}', at(number / 60)))
        commit(schedule)

    def test_a_pass_sweeps_when_there_are_enough(
            self, schedule, sweeps, monkeypatch):
        monkeypatch.setattr(processing, 'PORTION', 50)
        self.fill(schedule, 2000)
        assert schedule.process(at(2000)).succeeded == 2000
        begin(schedule)
        assert len(sweeps) > 1
        assert min(sweeps) >= 20
        assert husks(schedule) < 20 + 50

    def test_few_are_left_for_the_next_pass(self, schedule, sweeps):
        self.fill(schedule, 100)
        schedule.process(at(2000))
        begin(schedule)
        assert sweeps == []
        assert 0 < husks(schedule) < 20

    def test_they_stay_few_pass_after_pass(self, schedule, sweeps):
        self.fill(schedule, 1200)
        for number in range(0, 1200, 20):
            schedule.process(at(number / 60))
            begin(schedule)
            assert husks(schedule) <= 21
        assert len(sweeps) in range(1, 4)

    def test_those_that_users_leave_are_swept_as_well(
            self, schedule, sweeps):
        self.fill(schedule, 100)
        for task in list(schedule):
            schedule.unschedule(task)
        commit(schedule)
        assert husks(schedule) == 100
        self.fill(schedule, 1, start=200)
        schedule.process(at(300))
        begin(schedule)
        assert husks(schedule) < 20

    def test_also_if_nothing_else_is_due(self, schedule, sweeps):
        self.fill(schedule, 100)
        for task in list(schedule):
            schedule.unschedule(task)
        commit(schedule)
        schedule.process(at(300))
        begin(schedule)
        assert husks(schedule) < 20
