"""Signs of life, and what silence means."""

import os
import threading
import time
import types
from datetime import timedelta

import pytest
import ZODB.BaseStorage
from databases import wait_until
from persistent.TimeStamp import TimeStamp
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

from zodbschedule.execution.consumer import Consumer
from zodbschedule.liveness import heartbeat
from zodbschedule.liveness.heartbeat import ClaimHeartbeat
from zodbschedule.liveness.heartbeat import HeartbeatThread
from zodbschedule.liveness.stale import is_abandoned
from zodbschedule.liveness.stale import looks_stale
from zodbschedule.liveness.stale import seconds_between
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.incarnation import started
from zodbschedule.store.incarnation import this


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


def beat_of(schedule, lease=None):
    """What a heart knows of that claim."""
    return ClaimHeartbeat(schedule, 'theirs', lease)


@pytest.fixture
def hearts():
    """Make a heart that beats, until the test ends."""
    made = []

    def make(*args):
        made.append(HeartbeatThread(.005, *args))
        made[-1].start()
        return made[-1]

    yield make
    for heart in made:
        heart.stop()


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
        monkeypatch.setattr(
            ClaimHeartbeat, 'beat', lambda self: beats.append(self))
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

        monkeypatch.setattr(ClaimHeartbeat, 'beat', fail)
        schedule = prepare(database, Hooked('a'))
        hooks['a'] = lambda: wait_until(
            lambda: len(beats) > 3, 'a heartbeat after one that failed')
        assert schedule.process(NOON).succeeded == 1
        assert 'A heartbeat was lost.' in caplog.text

    def test_a_beat_of_a_claim_that_was_recovered_changes_nothing(
            self, database):
        schedule = claim(database)
        found = beat_of(schedule)
        turn.withdraw(schedule, 'theirs', schedule.claims['theirs'], NOON)
        commit(schedule)
        before = schedule._p_jar.db().lastTransaction()
        found.beat()
        assert schedule._p_jar.db().lastTransaction() == before
        begin(schedule)
        assert not list(schedule.claims)

    def test_a_beat_does_not_conflict_with_a_turn(self, database):
        schedule = claim(database)
        turn.exchange(schedule, schedule.claims['theirs'], 0, None, NOON,
                      lambda instant, task: True)
        beat_of(schedule).beat()
        commit(schedule)
        assert schedule.claims['theirs'].heartbeat.beats == 1

    @pytest.mark.parametrize('lease, interval', [
        (None, 10), (timedelta(seconds=6), 2)])
    def test_it_beats_a_few_times_within_the_lease(
            self, database, lease, interval):
        assert beat_of(claim(database), lease).interval == interval

    @pytest.mark.parametrize('lease, interval', [
        (None, 1), (timedelta(seconds=6), 2)])
    def test_from_the_next_turn_it_follows_a_lease_that_was_changed(
            self, database, lease, interval):
        schedule = prepare(database)
        consumer = Consumer(schedule, 'ours', lease)
        consumer.begin(NOON)
        schedule.lease = timedelta(seconds=3)
        commit(schedule)
        consumer.turn(1)
        assert consumer.claim.heartbeat.interval == interval
        consumer.withdraw()

    @pytest.mark.storages('FileStorage')
    def test_a_turn_is_a_sign_of_life_and_who_holds_nothing_gives_none(
            self, database, hearts, monkeypatch):
        beats = []
        monkeypatch.setattr(
            ClaimHeartbeat, 'beat', lambda self: beats.append(self))
        schedule = claim(database)
        idle, signed, silent = (beat_of(schedule) for _ in range(3))
        idle.signed = silent.signed = time.monotonic() - 11
        idle.holds = False
        heart = hearts()
        for one in (idle, signed, silent):
            heart.add(one)
        wait_until(lambda: len(beats) > 3, 'heartbeats')
        assert set(beats) == {silent}
        # From now on that holds nothing, and the other does.
        silent.turn_committed(False)
        idle.signed = time.monotonic() - 11
        idle.turn_committed(True)
        count = len(beats)
        signed.signed = time.monotonic() - 11
        wait_until(lambda: len(beats) > count + 3, 'heartbeats')
        assert set(beats[count + 1:]) == {signed}


@pytest.mark.storages('FileStorage')
class TestRelief:
    """A claim is relieved of what it holds besides a run that lasts."""

    @pytest.fixture
    def reliefs(self):
        """What those did who relieve."""
        return []

    @pytest.fixture
    def heart(self, hearts, monkeypatch, reliefs):
        """One for which a run that lasts at all lasts long."""
        monkeypatch.setattr(heartbeat, 'LONG', 0)
        return hearts(lambda one, index: reliefs.append(index))

    def test_a_run_that_is_short_is_let_alone(
            self, database, hearts, reliefs):
        heart = hearts(lambda one, index: reliefs.append(index))
        one = beat_of(claim(database))
        heart.add(one)
        for index in range(20):
            assert one.start_run(index)
            time.sleep(.005)
            one.finish_run()
        assert not reliefs

    def test_while_one_lasts_once(self, database, heart, reliefs):
        one = beat_of(claim(database))
        heart.add(one)
        assert one.start_run(7)
        wait_until(lambda: one.is_relieved, 'relief')
        other = beat_of(one.db.open().root()['schedule'])
        heart.add(other)
        assert other.start_run(8)
        wait_until(lambda: other.is_relieved, 'relief')
        assert reliefs == [7, 8]

    def test_afterwards_no_run_begins_before_the_next_turn(
            self, database, heart):
        one = beat_of(claim(database))
        heart.add(one)
        one.start_run(0)
        wait_until(lambda: one.is_relieved, 'relief')
        one.finish_run()
        assert not one.start_run(1)
        assert one.running is None
        one.turn_committed(True)
        assert one.start_run(1)

    def test_a_run_does_not_end_in_the_middle_of_it(
            self, database, hearts, monkeypatch):
        monkeypatch.setattr(heartbeat, 'LONG', 0)
        begun, ended = threading.Event(), threading.Event()
        order = []

        def relieve(one, index):
            begun.set()
            ended.wait(.1)
            order.append('relieved')

        one = beat_of(claim(database))
        hearts(relieve).add(one)
        one.start_run(0)
        assert begun.wait(60)
        one.finish_run()
        order.append('ended')
        ended.set()
        assert order == ['relieved', 'ended']

    def test_one_that_fails_is_tried_again(
            self, database, hearts, monkeypatch):
        monkeypatch.setattr(heartbeat, 'LONG', 0)
        errors, reliefs = [], []

        def relieve(one, index):
            if not errors:
                raise ConflictError('The first fails.')
            reliefs.append(index)

        one = beat_of(claim(database))
        hearts(relieve, errors.append).add(one)
        one.start_run(3)
        wait_until(lambda: one.is_relieved, 'relief')
        assert [str(error) for error in errors] == ['The first fails.']
        assert reliefs == [3]

    def test_one_whose_answer_is_lost_may_have_happened(
            self, database, hearts, monkeypatch):
        monkeypatch.setattr(heartbeat, 'LONG', 0)
        lost = threading.Event()

        def relieve(one, index):
            lost.set()
            raise ConnectionError('The answer is lost.')

        one = beat_of(claim(database))
        hearts(relieve, lambda error: None).add(one)
        one.start_run(0)
        assert lost.wait(60)
        one.finish_run()
        assert not one.start_run(1)


@pytest.mark.storages('FileStorage')
class TestStopping:

    def test_it_returns_after_the_last_beat(self, database, monkeypatch):
        begun, going_on = threading.Event(), threading.Event()
        beats = []

        def beat(self):
            begun.set()
            going_on.wait()
            beats.append(self)

        monkeypatch.setattr(ClaimHeartbeat, 'beat', beat)
        one = beat_of(claim(database))
        one.interval = 0
        heart = HeartbeatThread(.001)
        heart.add(one)
        heart.start()
        assert begun.wait(60)
        # Not for longer than it is asked to wait.
        heart.stop(.01)
        assert heart.thread.is_alive() and not beats
        going_on.set()
        heart.stop()
        assert not heart.thread.is_alive() and beats == [one]

    def test_whatever_it_beat_is_held_no_more(self, database):
        one = beat_of(claim(database, this()))
        heart = HeartbeatThread(1)
        heart.add(one)
        heart.start()
        heart.stop()
        assert not heart.heartbeats
        assert is_abandoned('theirs', this())


class TestAbandoned:

    def test_one_that_this_process_works_on_is_not(self, database):
        schedule = claim(database, this())
        heart = HeartbeatThread(1)
        one = beat_of(schedule)
        heart.add(one)
        assert is_abandoned('theirs', this()) is False
        heart.remove(one)
        # Not even its own call works on it any more.
        assert is_abandoned('theirs', this()) is True

    def test_one_of_a_process_that_is_gone_is(self):
        assert is_abandoned('theirs', this()._replace(started='1')) is True

    def test_of_another_machine_nothing_is_known(self):
        assert is_abandoned('theirs', ELSEWHERE) is None

    def test_of_a_process_that_lives_here_its_age_tells(self):
        parent = os.getppid()
        assert is_abandoned('theirs', this()._replace(
            pid=parent, started=started(parent))) is None


class TestAge:

    LEASE = timedelta(seconds=30)

    def test_the_time_between_two_tids_is_in_seconds(self):
        earlier = bytes.fromhex('040d377b9a63d622')
        later = bytes.fromhex('040d377c9a63d622')
        assert seconds_between(earlier, later) == 60
        assert seconds_between(later, earlier) == -60

    def test_within_the_lease_it_does_not_look_stale(self, database):
        found = claim(database).claims['theirs']
        beaten = TimeStamp(found.beaten()).timeTime()
        assert not looks_stale(found, self.LEASE, beaten)
        assert not looks_stale(found, self.LEASE, beaten + 30)
        assert looks_stale(found, self.LEASE, beaten + 31)

    def test_a_beat_from_the_future_looks_stale(self, database):
        found = claim(database).claims['theirs']
        beaten = TimeStamp(found.beaten()).timeTime()
        assert looks_stale(found, self.LEASE, beaten - 1)


@pytest.mark.storages('FileStorage')
class TestLease:
    """The storage's own clock is set here, and ours shows the year 2003."""

    @pytest.fixture
    def storage_time(self, monkeypatch):
        fake = types.SimpleNamespace(
            **{**vars(time), 'now': time.time() + 10 ** 6})
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
        beat_of(schedule).beat()
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
