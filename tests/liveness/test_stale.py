"""Which claims of others nobody works on any more."""

import os
import re
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
import ZODB.BaseStorage
from sample_work import Note
from sample_work import commit

from zodbschedule.liveness import stale as observing
from zodbschedule.liveness.heartbeat import BEATS
from zodbschedule.liveness.stale import IDLE
from zodbschedule.liveness.stale import OtherClaims
from zodbschedule.liveness.stale import believed
from zodbschedule.liveness.stale import namesakes
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.incarnation import started
from zodbschedule.store.incarnation import this


SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=30)
ELSEWHERE = Incarnation('elsewhere', 'another boot pid:[1]', 1, '1')


@pytest.fixture
def others():
    return OtherClaims()


@pytest.fixture
def ticks(monkeypatch):
    """A monotonic clock that we set."""
    found = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(
        observing, 'time', SimpleNamespace(monotonic=lambda: found.now))
    return found


@pytest.fixture
def storage_time(monkeypatch):
    """The clock of the storage, which we set."""
    fake = SimpleNamespace(
        **{**vars(time), 'now': time.time() + 10 ** 6})
    fake.time = lambda: fake.now
    monkeypatch.setattr(ZODB.BaseStorage, 'time', fake)
    return fake


@pytest.fixture
def make(schedule):
    """Register a claim that holds one task, or none."""
    def make(claim_id, holder=ELSEWHERE, name='', lease=None, full=True):
        claim = schedule.claims[claim_id] = Claim(name, holder, 0, lease)
        if full:
            claim.fill([(0, Note())])
        commit(schedule)
        return claim

    return make


def alive(monkeypatch, *claim_ids):
    """This very process works on those claims."""
    monkeypatch.setattr(
        observing, 'alive', {(os.getpid(), one) for one in claim_ids})


class TestProcessesOfThisMachine:

    def test_our_own_claim_is_not_looked_at(self, schedule, others, make):
        make('mine', this())
        assert others.look(schedule, 'mine') == ([], [])
        assert not others.known

    def test_what_this_process_does_not_work_on_any_more_is_abandoned(
            self, schedule, others, make):
        make('a', this())
        assert others.look(schedule, 'mine') == (['a'], [])
        assert others.evidence == {'a': 'this process could not hand it back'}

    def test_what_another_thread_works_on_is_not(
            self, schedule, others, make, monkeypatch):
        make('a', this())
        alive(monkeypatch, 'a')
        assert others.look(schedule, 'mine') == ([], [])

    def test_what_a_process_held_that_is_gone_is_abandoned(
            self, schedule, others, make):
        make('a', this()._replace(started='1'))
        make('b', this()._replace(started='1'), full=False)
        assert others.look(schedule, 'mine') == (['a', 'b'], [])
        assert set(others.evidence.values()) == {'its process has ended'}

    def test_that_one_has_ended_is_seen_without_the_database(
            self, schedule, others, make, monkeypatch):
        parent = os.getppid()
        make('a', this()._replace(pid=parent, started=started(parent)))
        make('b')
        others.look(schedule, 'mine')
        assert not others.is_one_gone()
        monkeypatch.setattr(
            'zodbschedule.store.incarnation.started', lambda pid: None)
        assert others.is_one_gone()

    def test_claims_that_are_there_no_more_are_forgotten(
            self, schedule, others, make, clock):
        make('a')
        make('b', full=False)
        others.look(schedule, 'mine')
        assert set(others.known) == {'a', 'b'}
        del schedule.claims['a'], schedule.claims['b']
        assert others.look(schedule, 'mine') == ([], [])
        assert not any([others.known, others.again, others.idle])


class TestSilence:
    """Of another machine only silence tells."""

    @pytest.mark.parametrize('seconds, doubtful', [
        (1, []), (29, []), (31, ['a']), (10 ** 6, ['a'])])
    def test_one_that_is_silent_for_longer_than_its_lease_is_doubtful(
            self, schedule, others, make, silence, seconds, doubtful):
        silence(make('a'), seconds * SECOND)
        assert others.look(schedule, 'mine') == ([], doubtful)

    def test_a_sign_of_life_from_the_future_is_doubtful(
            self, schedule, others, make, silence):
        silence(make('a'), -SECOND)
        assert others.look(schedule, 'mine') == ([], ['a'])

    @pytest.mark.parametrize('days, doubtful', [(.9, []), (1.1, ['a'])])
    def test_of_a_process_that_works_here_only_a_long_one_tells(
            self, schedule, others, make, silence, days, doubtful):
        # It may have given up the claim.
        parent = os.getppid()
        silence(make('a', this()._replace(
            pid=parent, started=started(parent))), days * 24 * 3600 * SECOND)
        assert others.look(schedule, 'mine') == ([], doubtful)

    @pytest.mark.parametrize('lease, seconds, doubtful', [
        (100, 99, []), (100, 101, ['a']), (10, 11, ['a']),
        (None, 29, []), (None, 31, ['a'])])
    def test_it_goes_by_the_lease_of_the_claim_if_that_has_one(
            self, schedule, others, make, silence, lease, seconds, doubtful):
        silence(make('a', lease=lease), seconds * SECOND)
        assert others.look(schedule, 'mine') == ([], doubtful)

    def test_it_is_looked_at_a_few_times_in_its_lease(
            self, schedule, others, make, silence, ticks):
        silence(make('a'), 31 * SECOND)
        assert not others.is_one_due()
        assert others.look(schedule, 'mine').doubtful == ['a']
        ticks.now += LEASE.total_seconds() / BEATS - 1
        assert not others.is_one_due()
        assert others.look(schedule, 'mine').doubtful == []
        ticks.now += 1
        # Though nothing has changed.
        assert others.is_one_due()
        assert others.look(schedule, 'mine').doubtful == ['a']
        assert not others.is_one_due()


class TestIdle:
    """A claim that holds nothing is in nobody's way."""

    def test_it_is_believed_for_a_day(
            self, schedule, others, make, silence):
        claim = make('a', full=False, lease=10)
        silence(claim, IDLE - SECOND)
        assert others.look(schedule, 'mine').doubtful == []
        others = OtherClaims()
        silence(claim, IDLE + SECOND)
        assert others.look(schedule, 'mine').doubtful == ['a']

    def test_nobody_wakes_up_to_look_at_it(
            self, schedule, others, make, silence, ticks):
        silence(make('a', full=False), 31 * SECOND)
        others.look(schedule, 'mine')
        ticks.now += 10 ** 6
        assert not others.is_one_due()

    @pytest.mark.parametrize('by', [-SECOND, timedelta(days=400)])
    def test_a_wrong_clock_does_not_make_it_doubtful_each_time(
            self, schedule, others, make, silence, ticks, by):
        # Each time is a write, which others see, who do the same.
        silence(make('a', full=False), by)
        assert others.look(schedule, 'mine').doubtful == ['a']
        ticks.now += 10
        assert others.look(schedule, 'mine').doubtful == []
        ticks.now += IDLE.total_seconds() / BEATS
        assert others.look(schedule, 'mine').doubtful == ['a']

    def test_when_it_takes_something_it_is_looked_at_as_the_others(
            self, schedule, others, make, silence, ticks):
        claim = make('a', full=False)
        others.look(schedule, 'mine')
        claim.fill([(0, Note())])
        commit(schedule)
        silence(claim, 31 * SECOND)
        assert others.look(schedule, 'mine').doubtful == ['a']
        assert not others.is_one_due()
        ticks.now += 10
        assert others.is_one_due()

    def test_when_it_holds_nothing_any_more_nobody_wakes_up(
            self, schedule, others, make, silence, ticks):
        claim = make('a')
        silence(claim, SECOND)
        others.look(schedule, 'mine')
        claim.fill([])
        commit(schedule)
        ticks.now += 10
        assert others.is_one_due()
        assert others.look(schedule, 'mine').doubtful == []
        ticks.now += 10 ** 6
        assert not others.is_one_due()


class TestStale:
    """By the time of the storage only; our clock shows the year 2003."""

    @pytest.fixture
    def mine(self, schedule, make, storage_time):
        """Our own claim; when it is asked for, it gives a sign of life."""
        claim = make('mine', this())

        def beaten():
            claim.heartbeat.beats += 1
            commit(schedule)
            return claim

        return beaten

    @pytest.mark.parametrize('options, seconds, found', [
        ({}, 29, []), ({}, 31, ['a']),
        ({'lease': 100}, 31, []), ({'lease': 100}, 101, ['a']),
        ({'full': False}, 31, []),
        ({'full': False}, IDLE.total_seconds() - 1, []),
        ({'full': False}, IDLE.total_seconds() + 1, ['a']),
    ])
    def test_whoever_was_silent_for_too_long(
            self, schedule, make, mine, clock, storage_time,
            options, seconds, found):
        make('a', **options)
        storage_time.now += seconds
        assert OtherClaims().stale(schedule, ['a'], mine()) == found

    def test_of_those_in_doubt_only(self, schedule, make, mine, storage_time):
        make('a')
        make('b')
        storage_time.now += 31
        others = OtherClaims()
        assert others.stale(
            schedule, ['b', 'gone by now'], mine()) == ['b']
        assert others.evidence == {'b': 'it was silent for 31 s'}

    def test_a_clock_that_was_wrong_recovers_nobody(
            self, schedule, others, make, mine, silence, storage_time):
        silence(make('a'), timedelta(days=1000))
        doubtful = others.look(schedule, 'mine').doubtful
        assert doubtful == ['a']
        assert others.stale(schedule, doubtful, mine()) == []

    def test_while_the_time_of_the_storage_stands_still_our_own_tells(
            self, schedule, others, make, mine, ticks):
        # Its clock was ahead once, and has not caught up.
        make('a')
        assert others.stale(schedule, ['a'], mine()) == []
        ticks.now += 29
        assert others.stale(schedule, ['a'], mine()) == []
        ticks.now += 2
        assert others.stale(schedule, ['a'], mine()) == ['a']
        assert re.fullmatch(
            r'it was silent for 31 s, as this process has seen itself; its '
            r'last sign of life is [1-9]\d+ s in the future, since the clock '
            r'of the storage was ahead', others.evidence['a'])

    def test_a_new_sign_of_life_begins_it_anew(
            self, schedule, others, make, mine, ticks):
        claim = make('a')
        others.stale(schedule, ['a'], mine())
        ticks.now += 29
        claim.heartbeat.beats += 1
        commit(schedule)
        assert others.stale(schedule, ['a'], mine()) == []
        ticks.now += 29
        assert others.stale(schedule, ['a'], mine()) == []
        ticks.now += 2
        assert others.stale(schedule, ['a'], mine()) == ['a']


def test_how_long_a_claim_is_believed(schedule):
    claim = Claim('', ELSEWHERE)
    assert believed(claim, schedule) == IDLE
    claim.filled = 1
    assert believed(claim, schedule) == LEASE
    schedule.lease = 2 * LEASE
    assert believed(claim, schedule) == 2 * LEASE
    claim.lease = 1.5
    assert believed(claim, schedule) == 1.5 * SECOND


class TestNamesakes:

    def find(self, schedule):
        return namesakes(schedule, 'a name', 'mine')

    def test_those_of_the_same_name_are(self, schedule, make):
        make('a', name='a name')
        make('b', name='another')
        make('c', name='a name', full=False)
        assert self.find(schedule) == ['a', 'c']

    def test_not_our_own(self, schedule, make):
        make('mine', name='a name')
        assert self.find(schedule) == []

    def test_not_another_thread_of_this_process(
            self, schedule, make, monkeypatch):
        make('a', this(), name='a name')
        alive(monkeypatch, 'a')
        assert self.find(schedule) == []

    def test_nor_another_process_that_lives_here(self, schedule, make):
        parent = os.getppid()
        make('a', this()._replace(
            pid=parent, started=started(parent)),
            name='a name')
        assert self.find(schedule) == []

    def test_one_that_is_gone_is(self, schedule, make):
        make('a', this()._replace(started='1'), name='a name')
        assert self.find(schedule) == ['a']

    def test_what_this_process_does_not_work_on_any_more_is(
            self, schedule, make):
        make('a', this(), name='a name')
        assert self.find(schedule) == ['a']
