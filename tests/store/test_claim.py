"""Claims: what they hold, and how those believed dead are fenced off."""

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
from sample_work import prepare
from sample_work import runs
from sample_work import try_to_commit
from ZODB.utils import p64

from zodbschedule import NotScheduled
from zodbschedule.execution import own_claim
from zodbschedule.execution import process as processing
from zodbschedule.interfaces import ClaimLost
from zodbschedule.outcomes import CANCELLED
from zodbschedule.outcomes import RETRIED
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.claim import Heartbeat
from zodbschedule.store.claim import Slot
from zodbschedule.store.incarnation import this


pytestmark = pytest.mark.storages('FileStorage', 'ZEO')

FIRST = pytest.mark.parametrize('first', ['one first', 'other first'])


def kept(micros):
    """What the history keeps of a run that is cancelled."""
    return 42


def anything(instant, task):
    return True


def abandon(schedule, count=1000, id='dead'):
    """Make a claim that holds tasks and that nobody works on."""
    claim = Claim('process()', this()._replace(started='1'))
    schedule.claims[id] = claim
    turn.exchange(schedule, claim, count, None, NOON, anything)
    commit(schedule)


def recover(schedule, claim_id=None):
    """As `process` does with a claim that it believes abandoned."""
    begin(schedule)
    found, = schedule.claims if claim_id is None else [claim_id]
    turn.withdraw(schedule, found, schedule.claims[found], NOON)
    commit(schedule)


@pytest.fixture(autouse=True)
def no_hooks():
    yield
    assert not hooks, 'a hook was not reached'


@pytest.fixture
def between_runs(monkeypatch):
    """Do something once, after the commit of the first run."""
    def do(what):
        todo = [what]
        monkeypatch.setattr(zope.event, 'subscribers', [
            lambda event: todo.pop()() if todo else None])
    return do


class TestSlot:

    def test_a_new_one_is_free(self):
        slot = Slot()
        assert not slot.waiting
        assert slot.outcome is None
        assert slot.following is None

    def test_it_holds_a_task_and_its_instant(self):
        slot, task = Slot(), Note('a')
        slot.hold(7, task)
        assert slot.waiting
        assert slot.task is task
        assert slot.micros == 7
        assert slot.outcome is None
        assert slot.following is None

    def test_an_outcome_takes_the_place_of_the_task(self):
        slot = Slot()
        slot.hold(7, Note('a'))
        slot.settle(SUCCEEDED, ('record',))
        assert not slot.waiting
        assert slot.outcome == SUCCEEDED
        assert slot.record == ('record',)
        assert slot.following is None

    def test_what_comes_next_stands_beside_the_outcome(self):
        slot, task = Slot(), Note('a')
        slot.hold(7, task)
        slot.settle(RETRIED, 42, (8, task))
        assert slot.outcome == RETRIED
        assert slot.following == (8, task)

    def test_it_can_be_free_again(self):
        slot = Slot()
        slot.hold(7, Note('a'))
        slot.free()
        assert slot.is_free

    def test_a_waiting_task_is_cancelled(self):
        slot, task = Slot(), Note('a')
        task._p_oid = p64(42)
        slot.hold(7, task)
        assert not slot.drop(Note('a'), kept)
        assert slot.waiting
        assert slot.drop(task, kept)
        assert slot.outcome == CANCELLED
        assert slot.oid == 42
        assert not slot.drop(task, kept)

    def test_what_comes_next_is_cancelled_and_the_outcome_stays(self):
        slot, task = Slot(), Note('a')
        slot.settle(SUCCEEDED, ('record',), (8, task))
        assert slot.drop(task, kept)
        assert slot.outcome == SUCCEEDED
        assert slot.record == ('record',)
        assert slot.following is None

    def test_what_the_run_has_scheduled_stays_when_the_rest_goes(self):
        slot, task, planned = Slot(), Note('a'), Note('b')
        slot.hold(7, task)
        slot.schedule(9, planned)
        slot.settle(SUCCEEDED, ('record',), (8, task))
        assert slot.coming == [(9, planned), (8, task)]
        assert slot.drop(task, kept)
        assert slot.coming == [(9, planned)]
        assert list(slot.tasks()) == [planned]
        assert slot.following is None

    @pytest.mark.parametrize('drop', ['unschedule', 'drop'])
    def test_what_the_run_has_scheduled_can_go_and_leaves_nothing(self, drop):
        slot, one, other = Slot(), Note('a'), Note('b')
        slot.settle(SUCCEEDED, ('record',))
        before = slot.__getstate__()
        for task in one, other:
            slot.schedule(9, task)
        for task in one, other:
            assert slot.has(task)
            assert slot.drop(task, kept) if drop == 'drop' else (
                slot.unschedule(task))
            assert not slot.has(task)
            assert not slot.unschedule(task)
        assert slot.__getstate__() == before

    def test_it_is_stored_as_it_is(self, database):
        root = database.open().root()
        root['slot'] = slot = Slot()
        task = Note('a')
        slot.hold(7, task)
        commit(root)
        other = database.client().open().root()['slot']
        assert other.waiting
        assert other.micros == 7
        assert other.task.description == 'a'


class TestClaim:

    def test_it_knows_whose_it_is(self, database):
        prepare(database)
        schedule = database.schedule()
        schedule.claims['id'] = Claim('a name', this())
        commit(schedule)
        claim = database.client().schedule().claims['id']
        assert claim.name == 'a name'
        assert claim.incarnation == this()

    def test_slots_are_used_again(self):
        claim = Claim('', this())
        claim.fill([(1, Note('a')), (2, Note('b'))])
        slots = list(claim.slots)
        for slot in slots:
            slot.free()
        claim.fill([(3, Note('c'))])
        assert list(claim.slots) == slots
        assert [slot.task.description for slot in claim.held()] == ['c']

    def test_it_is_told_which_slots_are_in_use(self):
        claim = Claim('', this())
        assert not claim.used()
        claim.fill([(1, Note()) for _ in range(9)])
        assert list(claim.used()) == list(range(9))
        claim.relieved(4)
        assert list(claim.used()) == [4]
        claim.fill([(1, Note()) for _ in range(2)])
        assert list(claim.used()) == [0, 1]

    @pytest.mark.parametrize('content, running', [
        ('', None), ('....', None), ('wwww', 0), ('swww', 1), ('wsww', 2),
        ('wssw', 3), ('wsss', None), ('wwwc', 0), ('cwww', 1), ('wscw', 3),
        ('r.ww', 2)])
    def test_what_runs_is_the_first_behind_the_last_that_has_run(
            self, content, running):
        claim = Claim('', this())
        for letter in content:
            slot = Slot()
            claim.slots.append(slot)
            if letter == 'w':
                slot.hold(1, Note())
            elif letter != '.':
                slot.settle({'s': SUCCEEDED, 'r': RETRIED, 'c': CANCELLED}[
                    letter], 42)
        claim.filled = len(content)
        assert claim.running == running

    def test_it_holds_what_waits_or_comes_next(self):
        claim, a, b = Claim('', this()), Note('a'), Note('b')
        claim.fill([(1, a)])
        assert claim.holds(a)
        assert not claim.holds(b)
        claim.slots[0].settle(SUCCEEDED, 42, (2, b))
        assert not claim.holds(a)
        assert claim.holds(b)
        assert claim.drop(b, kept)
        assert not claim.drop(b, kept)

    def test_the_last_sign_of_life_is_that_of_the_heartbeat(self, database):
        schedule = prepare(database)
        schedule.claims['id'] = claim = Claim('', this())
        commit(schedule)
        made = claim.beaten()
        claim.heartbeat.beats += 1
        commit(schedule)
        beaten = claim.beaten()
        assert beaten > made
        assert beaten == claim.heartbeat._p_serial > claim._p_serial

    def test_a_heartbeat_counts(self, database):
        root = prepare(database)._p_jar.root()
        root['heartbeat'] = Heartbeat()
        root['heartbeat'].beats += 1
        commit(root)
        assert database.client().open().root()['heartbeat'].beats == 1


class TestZombies:
    """A worker that was believed dead comes back: its effects vanish."""

    pytestmark = pytest.mark.storages('FileStorage', 'ZEO', 'PostgreSQL')

    def test_a_run_begun_before_the_recovery_vanishes(self, database):
        schedule = prepare(database, Hooked('a'), Hooked('b'))
        other = database.client().schedule()
        hooks['a'] = lambda: recover(other)
        with pytest.raises(ClaimLost):
            schedule.process(NOON)
        assert runs(database) == {'a': 0, 'b': 0}
        begin(other)
        assert names(other) == ['a', 'b']
        assert other.process(NOON).succeeded == 2
        assert runs(database) == {'a': 1, 'b': 1}

    def test_without_writing_the_slots_that_run_counts_twice(
            self, database, monkeypatch):
        schedule = prepare(database, Hooked('a'), Hooked('b'))
        other = database.client().schedule()

        def careless():
            with monkeypatch.context() as patch:
                patch.setattr(Claim, 'end', lambda self: None)
                patch.setattr(Slot, 'free', lambda self: None)
                recover(other)

        hooks['a'] = careless
        with pytest.raises(ClaimLost):
            schedule.process(NOON)
        begin(other)
        other.process(NOON)
        assert runs(database) == {'a': 2, 'b': 1}

    def test_a_recovery_begun_before_the_commit_of_a_run_conflicts(
            self, database):
        schedule = prepare(database, Hooked('a'), Hooked('b'))
        other = database.client().schedule()
        committed = []

        def begin_to_recover():
            begin(other)
            (claim_id, claim), = other.claims.items()
            turn.withdraw(other, claim_id, claim, NOON)

        hooks['a'] = begin_to_recover
        hooks['b'] = lambda: committed.append(try_to_commit(other))
        assert schedule.process(NOON).succeeded == 2
        assert committed == [False]
        assert runs(database) == {'a': 1, 'b': 1}
        assert names(database.schedule()) == []

    def test_no_run_begins_after_the_recovery(self, database, between_runs):
        schedule = prepare(database, Note('a'), Note('b'))
        other = database.client().schedule()
        between_runs(lambda: recover(other))
        with pytest.raises(ClaimLost):
            schedule.process(NOON)
        assert runs(database) == {'a': 1, 'b': 0}
        assert names(database.schedule()) == ['b']
        assert len(list(database.schedule().history)) == 1

    @pytest.fixture
    def in_second_turn(self, monkeypatch):
        """Do something once, in the second turn, before it commits."""
        def do(what):
            def exchange(*args):
                calls.append(None)
                found = turn.exchange(*args)
                if len(calls) == 2:
                    what()
                return found

            calls = []
            monkeypatch.setattr(own_claim, 'exchange', exchange)
            monkeypatch.setattr(processing, 'PORTION', 2)
        return do

    def test_a_turn_begun_before_the_recovery_vanishes(
            self, database, in_second_turn):
        tasks = [Note(name, at(n)) for n, name in enumerate('abcd')]
        schedule = prepare(database, *tasks)
        other = database.client().schedule()
        in_second_turn(lambda: recover(other))
        with pytest.raises(ClaimLost):
            schedule.process(at(9))
        assert runs(database) == {'a': 1, 'b': 1, 'c': 0, 'd': 0}
        assert names(database.schedule()) == ['c', 'd']
        assert len(list(database.schedule().history)) == 2

    def test_a_recovery_begun_before_a_turn_conflicts(
            self, database, in_second_turn):
        schedule = prepare(database, *(
            Hooked(name, at(n)) for n, name in enumerate('abcd')))
        other = database.client().schedule()
        committed = []

        def begin_to_recover():
            begin(other)
            (claim_id, claim), = other.claims.items()
            turn.withdraw(other, claim_id, claim, NOON)

        in_second_turn(begin_to_recover)
        hooks['c'] = lambda: committed.append(try_to_commit(other))
        assert schedule.process(at(9)).succeeded == 4
        assert committed == [False]
        assert set(runs(database).values()) == {1}
        assert names(database.schedule()) == []

    def empty_claim(self, schedule):
        schedule.claims['empty'] = Claim('', this())
        commit(schedule)

    def turn_and_recovery(self, database, first):
        """Take into an empty claim while it is recovered; who commits."""
        self.empty_claim(prepare(database, Note('a')))
        one, other = database.schedule(), database.client().schedule()
        turn.exchange(one, one.claims['empty'], 1, None, NOON, anything)
        turn.withdraw(other, 'empty', other.claims['empty'], NOON)
        pair = [one, other] if first == 'one first' else [other, one]
        return [try_to_commit(schedule) for schedule in pair]

    @FIRST
    def test_a_turn_conflicts_with_the_recovery_of_an_empty_claim(
            self, database, first):
        assert self.turn_and_recovery(database, first) == [True, False]

    @FIRST
    def test_without_writing_the_claim_what_that_turn_takes_is_lost(
            self, database, first, monkeypatch):
        monkeypatch.setattr(Claim, 'end', lambda self: None)
        assert self.turn_and_recovery(database, first) == [True, True]
        schedule = database.schedule()
        assert not list(schedule.claims) and names(schedule) == []


class TestRecoveryByTwo:

    def racing(self, database):
        pair = database.schedule(), database.client().schedule()
        for schedule in pair:
            turn.withdraw(schedule, 'dead', schedule.claims['dead'], NOON)
        return pair

    @pytest.mark.parametrize('count', [0, 1, 40])
    def test_one_wins(self, database, count):
        tasks = [Note(f'{n}') for n in range(40)]
        abandon(prepare(database, *tasks), count)
        one, other = self.racing(database)
        assert try_to_commit(one)
        assert not try_to_commit(other)
        assert sorted(names(database.schedule()), key=int) == [
            task.description for task in tasks]

    def test_two_calls_recover_and_run_everything_once(self, database):
        abandon(prepare(database, *(Hooked(f'{n}') for n in range(40))))
        one, other = database.schedule(), database.client().schedule()
        hooks['7'] = lambda: other.process(NOON)
        one.process(NOON)
        assert set(runs(database).values()) == {1}
        assert not list(database.schedule().claims)

    def test_the_second_finds_nothing_to_recover(self, database):
        abandon(prepare(database, Note('a')))
        one, other = database.schedule(), database.client().schedule()
        late = processing.Consumer(other, '')
        late.begin(NOON)
        recover(one)
        late.recover('dead')
        assert names(database.schedule()) == ['a']


class TestCancelling:

    def test_it_undoes_the_run_and_only_that_run(self, database):
        started = []
        schedule = prepare(
            database, Hooked('a'), Hooked('b'), Hooked('c'))
        other = database.client().schedule()

        def cancel():
            begin(other)
            started.append('b')
            other.unschedule(other._p_jar.root()['tasks'][1])
            commit(other)

        hooks['a'] = lambda: started.append('a')
        hooks['b'] = cancel
        hooks['c'] = lambda: started.append('c')
        tally = schedule.process(NOON)
        assert tally.succeeded == 2
        assert started == ['a', 'b', 'c']
        assert runs(database) == {'a': 1, 'b': 0, 'c': 1}
        assert names(database.schedule()) == []
        assert not list(database.schedule().claims)

    def test_one_that_waits_in_the_claim_disturbs_no_run(self, database):
        started = []
        schedule = prepare(
            database, Hooked('a'), Hooked('b'), Hooked('c'))
        other = database.client().schedule()

        def cancel():
            started.append('a')
            begin(other)
            other.unschedule(other._p_jar.root()['tasks'][1])
            commit(other)

        hooks['a'] = cancel
        hooks['c'] = lambda: started.append('c')
        assert schedule.process(NOON).succeeded == 2
        assert started == ['a', 'c']
        assert runs(database) == {'a': 1, 'b': 0, 'c': 1}

    def test_it_conflicts_if_the_run_was_faster(self, database):
        schedule = prepare(database, Hooked('a'), Hooked('b'))
        other = database.client().schedule()
        committed = []

        def begin_to_cancel():
            begin(other)
            other.unschedule(other._p_jar.root()['tasks'][0])

        hooks['a'] = begin_to_cancel
        hooks['b'] = lambda: committed.append(try_to_commit(other))
        assert schedule.process(NOON).succeeded == 2
        assert committed == [False]
        assert runs(database) == {'a': 1, 'b': 1}
        begin(other)
        with pytest.raises(NotScheduled):
            other.unschedule(other._p_jar.root()['tasks'][0])

    @FIRST
    def test_it_conflicts_with_a_turn_that_collects(self, database, first):
        abandon(prepare(database, Note('a'), Note('b')))
        one, other = database.schedule(), database.client().schedule()
        one.unschedule(one._p_jar.root()['tasks'][0])
        turn.collect(other, other.claims['dead'], NOON)
        pair = [one, other] if first == 'one first' else [other, one]
        assert [try_to_commit(schedule) for schedule in pair] == [
            True, False]

    @FIRST
    def test_two_of_one_claim_can_be_cancelled_at_once(
            self, database, first):
        abandon(prepare(database, Note('a'), Note('b'), Note('c')))
        one, other = database.schedule(), database.client().schedule()
        one.unschedule(one._p_jar.root()['tasks'][0])
        other.unschedule(other._p_jar.root()['tasks'][2])
        pair = [one, other] if first == 'one first' else [other, one]
        assert [try_to_commit(schedule) for schedule in pair] == [True, True]
        schedule = database.schedule()
        schedule.process(NOON)
        assert runs(database) == {'a': 0, 'b': 1, 'c': 0}
