"""Signs of life, and what silence means."""

import threading
import types
from datetime import timedelta

import pytest
import ZODB.BaseStorage
from databases import wait_until
from sample_work import NOON
from sample_work import Hooked
from sample_work import Note
from sample_work import begin
from sample_work import commit
from sample_work import hooks
from sample_work import names
from sample_work import prepare
from sample_work import runs
from ZODB.POSException import ConflictError

from zodbschedule import heartbeat
from zodbschedule import turn
from zodbschedule.claim import Claim
from zodbschedule.heartbeat import Heart
from zodbschedule.heartbeat import is_abandoned
from zodbschedule.heartbeat import looks_stale
from zodbschedule.heartbeat import seconds_between
from zodbschedule.incarnation import Incarnation
from zodbschedule.incarnation import this


pytestmark = pytest.mark.storages('FileStorage', 'ZEO')

ELSEWHERE = Incarnation('elsewhere', 'another boot pid:[1]', 1, '1')


def claim(database, incarnation=ELSEWHERE):
    """A claim with the id 'theirs' that holds one task; a schedule."""
    schedule = prepare(database, Note('a'))
    found = schedule.claims['theirs'] = Claim('process()', incarnation)
    turn.exchange(
        schedule, found, 1, None, NOON, lambda instant, task: True)
    commit(schedule)
    return schedule


class TestBeating:

    @pytest.fixture
    def often(self, monkeypatch):
        """Beats follow each other at once."""
        monkeypatch.setattr(heartbeat, 'BEATS', 10 ** 6)

    @pytest.mark.storages('FileStorage', 'ZEO', 'PostgreSQL')
    def test_a_call_whose_runs_last_beats_its_claim(self, database, often):
        schedule = prepare(database, Hooked('a'), Hooked('b'))
        watching = database.client().schedule()
        seen = []

        def beaten():
            begin(watching)
            found, = watching.claims.values()
            seen.append(found.beaten())
            return len(set(seen)) > 3

        hooks['a'] = hooks['b'] = lambda: wait_until(beaten, 'a heartbeat')
        assert schedule.process(NOON).succeeded == 2
        assert seen == sorted(seen)
        # No run conflicted with a beat: each hook is there for one run only.
        assert runs(database) == {'a': 1, 'b': 1}

    def test_a_short_call_never_beats(self, database, monkeypatch):
        beats = []
        monkeypatch.setattr(Heart, '_beat', beats.append)
        schedule = prepare(database, Note('a'))
        assert schedule.process(NOON).succeeded == 1
        assert not beats

    def test_no_heart_beats_after_the_call(self, database):
        schedule = prepare(database, Hooked('a'))
        found = []

        def look():
            found.extend(
                thread for thread in threading.enumerate()
                if thread.name == 'zodbschedule heartbeat')

        hooks['a'] = look
        schedule.process(NOON)
        heart, = found
        assert not heart.is_alive()
        assert not heartbeat.alive

    def test_a_beat_that_fails_is_logged_and_others_follow(
            self, database, often, monkeypatch, caplog):
        beats = []

        def fail(self):
            beats.append(None)
            raise ConflictError('The first fails.')

        monkeypatch.setattr(Heart, '_beat', fail)
        schedule = prepare(database, Hooked('a'))
        hooks['a'] = lambda: wait_until(
            lambda: len(beats) > 3, 'a heartbeat after one that failed')
        assert schedule.process(NOON).succeeded == 1
        assert 'A heartbeat was lost.' in caplog.text

    def test_a_beat_of_a_claim_that_was_recovered_changes_nothing(
            self, database):
        schedule = claim(database)
        heart = Heart(schedule, 'theirs')
        turn.withdraw(schedule, 'theirs', schedule.claims['theirs'], NOON)
        commit(schedule)
        before = schedule._p_jar.db().lastTransaction()
        heart._beat()
        assert schedule._p_jar.db().lastTransaction() == before
        begin(schedule)
        assert not list(schedule.claims)

    def test_a_beat_does_not_conflict_with_a_turn(self, database):
        schedule = claim(database)
        heart = Heart(schedule, 'theirs')
        turn.exchange(schedule, schedule.claims['theirs'], 0, None, NOON,
                      lambda instant, task: True)
        heart._beat()
        commit(schedule)
        assert schedule.claims['theirs'].heartbeat.beats == 1


class TestAbandoned:

    def test_one_that_this_process_works_on_is_not(self, database):
        schedule = claim(database, this())
        heart = Heart(schedule, 'theirs')
        heart.start()
        assert is_abandoned('theirs', schedule.claims['theirs']) is False
        heart.stop()
        # Not even its own call works on it any more.
        assert is_abandoned('theirs', schedule.claims['theirs']) is True

    def test_one_of_a_process_that_is_gone_is(self, database):
        schedule = claim(database, this()._replace(started='1'))
        assert is_abandoned('theirs', schedule.claims['theirs']) is True

    def test_of_another_machine_nothing_is_known(self, database):
        schedule = claim(database)
        assert is_abandoned('theirs', schedule.claims['theirs']) is None


class TestAge:

    LEASE = timedelta(seconds=30)

    def test_the_time_between_two_tids_is_in_seconds(self):
        earlier = bytes.fromhex('040d377b9a63d622')
        later = bytes.fromhex('040d377c9a63d622')
        assert seconds_between(earlier, later) == 60
        assert seconds_between(later, earlier) == -60

    def test_within_the_lease_it_does_not_look_stale(self, database):
        found = claim(database).claims['theirs']
        beaten = heartbeat.TimeStamp(found.beaten()).timeTime()
        assert not looks_stale(found, self.LEASE, beaten)
        assert not looks_stale(found, self.LEASE, beaten + 30)
        assert looks_stale(found, self.LEASE, beaten + 31)

    def test_a_beat_from_the_future_looks_stale(self, database):
        found = claim(database).claims['theirs']
        beaten = heartbeat.TimeStamp(found.beaten()).timeTime()
        assert looks_stale(found, self.LEASE, beaten - 1)


@pytest.mark.storages('FileStorage')
class TestLease:
    """The storage's own clock is set here, and ours shows the year 2003."""

    @pytest.fixture
    def storage_time(self, monkeypatch):
        import time as real

        fake = types.SimpleNamespace(
            **{**vars(real), 'now': real.time() + 10 ** 6})
        fake.time = lambda: fake.now
        monkeypatch.setattr(ZODB.BaseStorage, 'time', fake)
        return fake

    @pytest.mark.parametrize('seconds, recovered', [
        (0, False), (29, False), (31, True), (10 ** 5, True)])
    def test_a_silent_claim_is_recovered_when_the_lease_is_over(
            self, database, clock, storage_time, seconds, recovered):
        schedule = claim(database)
        storage_time.now += seconds
        begin(schedule)
        assert bool(schedule.process(NOON).succeeded) == recovered
        assert runs(database) == {'a': int(recovered)}

    def test_a_beat_prolongs_it(self, database, clock, storage_time):
        schedule = claim(database)
        storage_time.now += 25
        Heart(schedule, 'theirs')._beat()
        storage_time.now += 25
        begin(schedule)
        assert schedule.process(NOON).succeeded == 0
        storage_time.now += 6
        begin(schedule)
        assert schedule.process(NOON).succeeded == 1
        assert names(database.schedule()) == []

    def test_a_run_is_no_sign_of_life(self, database, clock, storage_time):
        # It writes its own slot only.
        schedule = claim(database)
        storage_time.now += 31
        begin(schedule)
        schedule.claims['theirs'].slots[0].hold(0, Note('b'))
        commit(schedule)
        assert schedule.process(NOON).succeeded == 1
