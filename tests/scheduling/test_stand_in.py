"""A task that a repeating one returns stands for one of its occurrences.

The series stands aside meanwhile, and goes on when that has ended: however
that ends.
"""

from datetime import timedelta

import pytest
from places import watching
from sample_tasks import MINUTE
from sample_tasks import Doing
from sample_tasks import Fading
from sample_tasks import Noting
from sample_tasks import calls
from sample_tasks import gone
from sample_tasks import nexts
from sample_work import commit
from ZODB.POSException import ConflictError
from ZODB.POSException import StorageError

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import current_run
from zodbschedule.execution import process as processing
from zodbschedule.execution.process import Tally
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import NotScheduled
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this


#: so that all but those on a FileStorage are slow
HUNDREDS = True

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.storages('FileStorage', 'ZEO')


@pytest.fixture
def stage(database, clock):
    with watching(database, clock) as stage:
        yield stage


def fails(task):
    raise ValueError('no')


#: what `work` returns, once
returned = []


def work():
    """What a CallTask calls: notes that it ran, and for what."""
    run = current_run()
    run.task._p_jar.root()['effects'].append('a')
    return returned.pop() if returned else None


class Keyed(Doing):
    """All of one key, and repeating, as their class says."""

    key = 'k'
    recurrence = Every(HOUR)


class Refusing:
    """A data manager that lets nothing be committed."""

    def sortKey(self):
        return '~'

    def tpc_vote(self, txn):
        raise ConflictError

    def nothing(self, txn):
        """Nothing to do."""

    abort = tpc_begin = commit = tpc_finish = tpc_abort = nothing


KINDS = pytest.mark.parametrize('kind', ['Task', 'CallTask'])


def prepare(stage, kind='Task', stand_in=None, **options):
    """A series 'a' that stands aside for 'b', which is due in 5 minutes."""
    returned.clear()
    options.setdefault('recurrence', Every(HOUR))
    if stand_in is None:
        stand_in = stage.make('b', minutes=-5)
    if kind == 'Task':
        def once(task):
            del calls['a']
            return stand_in

        task = stage.add('a', call=once, **options)
    else:
        returned.append(stand_in)
        with stage.transaction():
            task = stage.schedule.schedule(CallTask(
                work, time=stage.now, description='a', **options))
    assert stage.process().retried == 1
    assert [waits for waits in stage.look().waiting] == ['b']
    stage.held()
    return task, stand_in


def aside(stage):
    """Whether anything stands aside; all is checked."""
    stage.held()
    return bool(stage.database.schedule().aside)


def goes_on(stage, task, minutes=60):
    """Whether the series goes on: it waits, alone, and runs as before."""
    assert not aside(stage)
    assert stage.look().waiting == ['a']
    with stage.transaction():
        assert task.time == stage.now + minutes * MINUTE
    before = stage.look().effects.count('a')
    stage.clock.set(stage.now + minutes * MINUTE)
    assert stage.process(minutes).succeeded == 1
    assert stage.look().effects.count('a') == before + 1
    with stage.transaction():
        assert task.time == stage.now + minutes * MINUTE + HOUR
    stage.on('unschedule', task)
    assert stage.over()
    return True


class TestItGoesOn:

    @KINDS
    def test_when_the_other_has_succeeded(self, stage, kind):
        task, _ = prepare(stage, kind)
        assert aside(stage)
        assert stage.process(5).succeeded == 1
        assert stage.look().effects == ['a', 'b']
        assert goes_on(stage, task)

    @KINDS
    def test_when_the_other_has_failed_and_is_parked(self, stage, kind):
        task, _ = prepare(stage, kind)
        calls['b'] = fails
        assert stage.process(5).failed == 1
        assert list(stage.look().parked) == ['b']
        assert goes_on(stage, task)

    def test_unparked_then_the_other_stands_for_nothing(self, stage):
        task, _ = prepare(stage)
        calls['b'] = fails
        assert stage.process(5).failed == 1
        calls.clear()
        with stage.transaction():
            entry, = stage.schedule.parked
            stage.schedule.unpark(entry)
        assert not aside(stage)
        assert stage.process(5).succeeded == 1
        assert goes_on(stage, task)

    @KINDS
    def test_not_before_the_other_is_not_tried_again_any_more(
            self, stage, kind):
        task, _ = prepare(stage, kind, stage.make(
            'b', minutes=-5, retry=Retry(3, MINUTE, factor=1, jitter=0)))
        calls['b'] = fails
        for minute in 5, 6:
            stage.clock.set(stage.now + minute * MINUTE)
            assert stage.process(minute).retried == 1
            assert aside(stage)
        stage.clock.set(stage.now + 7 * MINUTE)
        assert stage.process(7).failed == 1
        assert goes_on(stage, task)

    @KINDS
    def test_when_the_other_has_expired(self, stage, kind):
        task, _ = prepare(stage, kind, stage.make(
            'b', minutes=-5, expires=MINUTE))
        assert stage.process(10).expired == 1
        assert goes_on(stage, task)

    @KINDS
    def test_when_the_other_is_cancelled_while_it_waits(self, stage, kind):
        task, other = prepare(stage, kind)
        stage.on('unschedule', other)
        assert goes_on(stage, task)

    @KINDS
    def test_when_the_other_is_cancelled_while_it_runs(self, stage, kind):
        task, _ = prepare(stage, kind)
        calls['b'] = lambda other: stage.on('unschedule', other)
        stage.process(5)
        assert stage.look().effects == ['a']
        assert goes_on(stage, task)

    @KINDS
    def test_when_the_other_is_cancelled_in_a_claim(self, stage, kind):
        task, other = prepare(stage, kind)
        stage.now += 5 * MINUTE
        stage.leave_behind()
        stage.on('unschedule', other)
        assert aside(stage)
        stage.process()
        stage.now -= 5 * MINUTE
        assert goes_on(stage, task)

    @KINDS
    def test_when_the_other_is_cancelled_before_it_ever_waited(
            self, stage, kind):
        # The run that returned it is committed, and not yet collected.
        def cancel(_):
            schedule = stage.database.schedule()
            claim, = schedule.claims.values()
            other, = (slot.following[1] for slot in claim.slots
                      if slot.following)
            task, = (slot.aside for slot in claim.slots if slot.aside)
            assert other in schedule
            assert task in schedule
            schedule.unschedule(other)
            assert other not in schedule
            assert task in schedule
            commit(schedule)

        returned.clear()
        stage.add('cancels', call=cancel)
        calls['a'] = lambda task: stage.make('b', minutes=-5)
        task = stage.add('a', minutes=1, recurrence=Every(HOUR))
        stage.process()
        del calls['a']
        assert stage.look().waiting == ['a']
        with stage.transaction():
            assert task.time == stage.now + HOUR - MINUTE
        stage.on('unschedule', task)
        assert stage.over()

    @KINDS
    def test_when_the_other_has_crashed_three_times(self, stage, kind):
        task, _ = prepare(stage, kind)
        stage.now += 5 * MINUTE
        for _ in range(2):
            stage.crash()
            assert aside(stage)
        stage.crash()
        assert list(stage.look().parked) == ['b']
        stage.now -= 5 * MINUTE
        assert goes_on(stage, task)

    @pytest.mark.storages('FileStorage')
    def test_when_the_record_of_the_other_is_gone(self, stage, monkeypatch):
        # Who collects what became of it cannot load it.
        def away(self, *args):
            raise StorageError('The database is away.')

        task, other = prepare(stage)
        del stage.db.storage._index[other._p_oid]
        stage.connection.cacheMinimize()
        with monkeypatch.context() as patch:
            patch.setattr(processing.ProcessPass, 'withdraw', away)
            with pytest.raises(StorageError):
                stage.process(5)
        assert stage.on('process', stage.now) == Tally()
        assert len(stage.look().parked) == 1
        assert goes_on(stage, task)

    @KINDS
    def test_when_what_the_other_has_returned_has_ended(self, stage, kind):
        task, _ = prepare(stage, kind)
        calls['b'] = lambda other: stage.make('c', minutes=-10)
        assert stage.process(5).retried == 1
        assert aside(stage)
        assert stage.look().waiting == ['c']
        calls['c'] = lambda other: other
        assert stage.process(10).retried == 1
        assert aside(stage)
        calls.pop('c')
        assert stage.process(10).succeeded == 1
        assert goes_on(stage, task)

    def test_not_when_the_other_has_scheduled_what_comes_next(self, stage):
        # That is the other's own affair.
        task, _ = prepare(stage)
        nexts['b'] = lambda other: stage.make('c', minutes=-70)
        assert stage.process(5).succeeded == 1
        assert not aside(stage)
        assert stage.look().waiting == ['a', 'c']
        for one in list(stage.schedule):
            stage.on('unschedule', one)

    def test_when_the_other_goes_on_in_a_series_of_its_own(self, stage):
        task, other = prepare(stage, stand_in=stage.make(
            'b', minutes=-5, recurrence=Every(2 * HOUR)))
        assert stage.process(5).succeeded == 1
        assert not aside(stage)
        assert stage.look().waiting == ['a', 'b']
        stage.on('unschedule', other)
        assert goes_on(stage, task)

    def test_one_after_the_other_when_a_series_stands_for_a_series(
            self, stage):
        task, other = prepare(stage, stand_in=stage.make(
            'b', minutes=-5, recurrence=Every(2 * HOUR)))
        calls['b'] = lambda other: stage.make('c', minutes=-10)
        assert stage.process(5).retried == 1
        assert len(list(stage.database.schedule().aside)) == 2
        with stage.transaction():
            assert task in stage.schedule
            assert other in stage.schedule
        assert stage.process(10).succeeded == 1
        assert stage.look().waiting == ['a', 'b']
        stage.on('unschedule', other)
        assert goes_on(stage, task)

    def test_when_it_has_come_too_late_for_its_next(self, stage):
        task, _ = prepare(stage)
        stage.clock.set(stage.now + 3.5 * HOUR)
        assert stage.process(210).succeeded == 1
        assert goes_on(stage, task, 240)

    def test_for_each_that_it_has_missed_if_it_is_to_run_all(self, stage):
        task, _ = prepare(stage, missed='all')
        stage.clock.set(stage.now + 3.5 * HOUR)
        assert stage.process(210).succeeded == 1
        assert goes_on(stage, task, 60)

    def test_although_it_has_changed_its_own_time(self, stage):
        def changing(task):
            del calls['a']
            task.time += 7 * HOUR
            return stage.make('b', minutes=-5)

        task = stage.add('a', call=changing, recurrence=Every(HOUR))
        assert stage.process().retried == 1
        assert stage.process(5).succeeded == 1
        assert goes_on(stage, task)

    def test_and_ends_if_its_recurrence_was_taken_away(self, stage):
        task, _ = prepare(stage)
        with stage.transaction():
            task.recurrence = None
        assert stage.process(5).succeeded == 1
        assert stage.over()

    def test_each_after_its_own(self, stage):
        one, _ = prepare(stage)
        calls['c'] = lambda task: calls.pop('c') and stage.make(
            'd', minutes=-5)
        other = stage.add('c', recurrence=Every(HOUR), call=calls['c'])
        assert stage.process().retried == 1
        stage.on('unschedule', other)
        assert stage.process(5).succeeded == 2
        assert goes_on(stage, one)

    def test_and_ends_if_that_was_its_last_occurrence(self, stage):
        prepare(stage, key='k', recurrence=RRule(
            'FREQ=HOURLY;COUNT=1', stage.now))
        assert stage.process(5).succeeded == 1
        assert stage.over()

    @KINDS
    def test_killed_after_each_step_it_goes_on(self, stage, kind):
        task, _ = prepare(stage, kind)
        stage.now += 5 * MINUTE
        stage.leave_behind()
        assert stage.process().succeeded == 1
        stage.now -= 5 * MINUTE
        assert goes_on(stage, task)

    def test_interrupted_it_goes_on(self, stage):
        def interrupted(task):
            raise KeyboardInterrupt

        task, _ = prepare(stage)
        calls['b'] = interrupted
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                stage.process(5)
            stage.held()
        assert list(stage.look().parked) == ['b']
        assert goes_on(stage, task)

    def test_a_failure_of_an_occurrence_that_was_asked_for(self, stage):
        # It returned another when a person had asked for it.
        task = stage.add('a', minutes=-30, recurrence=Every(HOUR))
        with stage.transaction():
            stage.schedule.run_now(task)
        calls['a'] = lambda task: stage.make('b', minutes=-5)
        assert stage.process().retried == 1
        del calls['a']
        assert aside(stage)
        assert stage.process(5).succeeded == 1
        assert goes_on(stage, task, 30)


class TestOneThatWasUnscheduledBefore:
    """The place that it had in a claim says nothing of what it is now."""

    @pytest.fixture(params=[None, 'k'], ids=['no key', 'a key'])
    def key(self, request):
        return request.param

    @pytest.fixture
    def matters(self, stage):
        """Something waits to which the end of a task could matter."""
        task = stage.add('c', minutes=-600, key='c')
        yield
        stage.on('unschedule', task)
        assert stage.over()

    def take_over(self, stage, other):
        """The run of a series takes another from its place, and returns it.
        """
        def run(task):
            del calls['a']
            stage.schedule.unschedule(other)
            other.time = stage.now + 5 * MINUTE
            return other

        return stage.add('a', minutes=1, call=run, recurrence=Every(HOUR))

    def elsewhere(self, stage, other):
        """Another worker takes it, as this pass begins; how to end that."""
        def take(_):
            schedule = stage.database.schedule()
            claim = schedule.claims['theirs'] = Claim('process()', this())
            turn.exchange(
                schedule, claim, 1, None, stage.now + 5 * MINUTE,
                lambda instant, task: task._p_oid == other._p_oid)
            commit(schedule)

        def collect(_=None):
            schedule = stage.database.schedule()
            claim = schedule.claims['theirs']
            turn.withdraw(schedule, 'theirs', claim, stage.now)
            commit(schedule)

        stage.add('takes', minutes=2, call=take)
        return collect

    def stands_for_it(self, stage, task):
        """The series goes on when the other has ended, and not before."""
        assert aside(stage)
        assert 'a' not in stage.look().waiting
        assert stage.process(5).succeeded == 1
        assert stage.look().effects[-1] == 'b'
        assert not aside(stage)
        assert 'a' in stage.look().waiting
        stage.on('unschedule', task)
        return True

    def test_in_the_same_claim_behind_the_run(self, stage, key):
        other = stage.add('b', key=key)
        task = self.take_over(stage, other)
        assert stage.process() == Tally(retried=1)
        assert self.stands_for_it(stage, task)
        assert stage.over()

    def test_while_the_end_of_another_matters(self, stage, matters, key):
        other = stage.add('b', key=key)
        task = self.take_over(stage, other)
        assert stage.process() == Tally(retried=1)
        assert self.stands_for_it(stage, task)

    def test_in_the_same_claim_before_the_run(self, stage, matters, key):
        def conflict(task):
            raise ConflictError

        other = stage.add('b', minutes=2, key=key, call=conflict)
        task = self.take_over(stage, other)
        assert stage.process().retried == 1
        del calls['b']
        assert self.stands_for_it(stage, task)

    @pytest.mark.parametrize('first', ['ours', 'theirs'])
    def test_in_the_claim_of_another(self, stage, matters, key, first):
        other = stage.add('b', minutes=-5, key=key)
        collect = self.elsewhere(stage, other)
        task = self.take_over(stage, other)
        if first == 'theirs':
            stage.add('collects', call=collect)
        assert stage.process().retried == 1
        assert aside(stage)
        if first == 'ours':
            collect()
        assert self.stands_for_it(stage, task)

    def test_and_asked_for_it_waits_once(self, stage):
        other = stage.add('b', recurrence=Every(HOUR))
        task = self.take_over(stage, other)
        stage.add('asks', call=lambda _: stage.on('run_now', other))
        assert stage.process().succeeded == 1
        assert stage.look().waiting == ['b']
        assert self.stands_for_it(stage, task)
        stage.on('unschedule', other)
        assert stage.over()

    def test_what_it_stood_for_goes_on_when_it_is_scheduled_anew(
            self, stage, key):
        task, other = prepare(stage, stand_in=stage.make(
            'b', minutes=-5, key=key))
        stage.now += 5 * MINUTE
        stage.leave_behind()
        with stage.transaction():
            stage.schedule.unschedule(other)
            assert task in stage.schedule
            other.time = stage.now + 600 * MINUTE
            stage.schedule.schedule(other)
        assert not aside(stage)
        assert stage.look().waiting == ['a', 'b']
        stage.process()
        stage.on('unschedule', other)
        stage.now -= 5 * MINUTE
        assert goes_on(stage, task)

    def test_scheduled_anew_it_holds_the_key_of_what_it_stood_for(
            self, stage):
        _, other = prepare(stage, key='k', stand_in=stage.make(
            'b', minutes=-5, key='k'))
        stage.now += 5 * MINUTE
        stage.leave_behind()
        with stage.transaction():
            stage.schedule.unschedule(other)
            stage.schedule.schedule(other)
        assert stage.held() == {'k': 'b'}
        assert stage.look().waiting == ['b']
        assert ('a', 'cancelled') in stage.look().outcomes
        assert stage.process() == Tally(succeeded=1)
        assert stage.over()

    def test_what_it_stood_for_goes_on_when_it_stands_for_another(
            self, stage, key):
        one, other = prepare(stage, stand_in=stage.make(
            'b', minutes=-5, key=key))
        with stage.transaction():
            one.description = 'first'
        collect = self.elsewhere(stage, other)
        task = self.take_over(stage, other)
        assert stage.process().retried == 1
        assert stage.look().waiting == ['b', 'first']
        collect()
        assert self.stands_for_it(stage, task)
        stage.on('unschedule', one)
        assert stage.over()


class TestWhileItStandsAside:

    @KINDS
    def test_it_is_known_wherever_one_asks(self, stage, kind):
        task, other = prepare(stage, kind)
        with stage.transaction():
            schedule = stage.schedule
            for one in task, other:
                assert one in schedule
                assert schedule.get(f'{int(one._p_oid.hex(), 16):x}') is one
                with pytest.raises(AlreadyScheduled):
                    schedule.schedule(one)
            assert list(schedule) == [other]
        stage.on('unschedule', task)
        stage.on('unschedule', other)

    @KINDS
    def test_it_is_unscheduled_and_the_other_runs(self, stage, kind):
        task, _ = prepare(stage, kind, key='k')
        stage.on('unschedule', task)
        assert not aside(stage)
        with stage.transaction():
            assert task not in stage.schedule
            with pytest.raises(NotScheduled):
                stage.schedule.unschedule(task)
        assert stage.look().waiting == ['b']
        assert stage.process(5).succeeded == 1
        assert stage.over()

    @KINDS
    def test_it_is_unscheduled_while_the_other_runs(self, stage, kind):
        task, _ = prepare(stage, kind, key='k')
        calls['b'] = lambda other: stage.on('unschedule', task)
        assert stage.process(5).succeeded == 1
        assert stage.look().effects == ['a', 'b']
        assert stage.over()

    def test_it_is_unscheduled_before_the_other_has_ever_waited(self, stage):
        def cancel(_):
            schedule = stage.database.schedule()
            schedule.unschedule(task)
            assert task not in schedule
            commit(schedule)

        stage.add('cancels', call=cancel)
        calls['a'] = lambda task: stage.make('b', minutes=-5)
        task = stage.add('a', minutes=1, key='k', recurrence=Every(HOUR))
        stage.process()
        assert stage.look().waiting == ['b']
        assert not aside(stage)
        stage.process(5)
        assert stage.over()

    def test_both_are_unscheduled_before_the_other_has_ever_waited(
            self, stage):
        def cancel(_):
            schedule = stage.database.schedule()
            claim, = schedule.claims.values()
            other, = (slot.following[1] for slot in claim.slots
                      if slot.following)
            for one in order(task, other):
                schedule.unschedule(schedule._p_jar.get(one._p_oid))
            commit(schedule)

        for order in (lambda *both: both), (lambda *both: both[::-1]):
            stage.add('cancels', call=cancel)
            calls['a'] = lambda task: stage.make('b', minutes=-5)
            task = stage.add('a', minutes=1, key='k', recurrence=Every(HOUR))
            stage.process()
            assert stage.over()

    def test_unscheduled_it_is_scheduled_anew(self, stage):
        task, _ = prepare(stage, key='k')
        with stage.transaction():
            stage.schedule.unschedule(task)
            task.time = stage.now + HOUR
            stage.schedule.schedule(task)
        stage.held()
        assert stage.process(5).succeeded == 1
        assert stage.held() == {'k': 'a'}
        assert goes_on(stage, task)

    def test_it_can_be_paused_and_stays_so_when_it_comes_back(self, stage):
        task, _ = prepare(stage)
        with stage.transaction():
            stage.schedule.pause(task)
        assert stage.process(65).succeeded == 1
        assert stage.process(65) == processing.Tally()
        with stage.transaction():
            assert stage.schedule.paused(task)
            stage.schedule.resume(task)

    def test_the_other_can_be_moved(self, stage):
        task, other = prepare(stage)
        with stage.transaction():
            stage.schedule.change(other, time=stage.now + 20 * MINUTE)
        assert aside(stage)
        with stage.transaction():
            stage.schedule.run_now(other)
        assert aside(stage)
        assert stage.process().succeeded == 1
        assert goes_on(stage, task)

    def test_one_that_does_not_repeat_does_not_stand_aside(self, stage):
        calls['a'] = lambda task: stage.make('b', minutes=-5)
        stage.add('a', key='k')
        assert stage.process().retried == 1
        assert not aside(stage)
        stage.process(5)
        assert stage.over()


class TestKeys:

    def test_its_key_is_free_meanwhile_and_it_holds_it_again(self, stage):
        task, _ = prepare(stage, key='k')
        assert stage.held() == {}
        assert stage.busy() == []
        stage.process(5)
        assert stage.held() == {'k': 'a'}
        assert goes_on(stage, task)

    def test_its_key_is_held_when_it_comes_back_and_it_is_superseded(
            self, stage):
        prepare(stage, key='k')
        stage.add('c', key='k', minutes=-10)
        stage.process(5)
        assert stage.held() == {'k': 'c'}
        assert stage.look().waiting == ['c']
        assert stage.look().outcomes[-1] == ('a', 'cancelled')
        stage.process(10)
        assert stage.over()

    def test_the_other_may_have_the_same_key(self, stage):
        task, _ = prepare(stage, stand_in=stage.make(
            'b', minutes=-5, key='k'), key='k')
        assert stage.held() == {'k': 'b'}
        stage.process(5)
        assert stage.held() == {'k': 'a'}
        assert goes_on(stage, task)

    def test_the_other_waits_without_it_if_it_is_held_by_then(self, stage):
        def other(task):
            del calls['a']
            return stage.make('b', minutes=-5, key='k')

        def schedule(_):
            stage.on('schedule', stage.make('c', key='k', minutes=-9))

        stage.add('last', call=schedule)
        stage.add('a', minutes=1, call=other, key='k',
                  recurrence=Every(HOUR))
        stage.process()
        assert stage.held() == {'k': 'c'}
        assert stage.look().waiting == ['b', 'c']
        stage.process(9)
        stage.process(9)
        stage.process(120)
        assert stage.over()

    @pytest.mark.parametrize('duplicate', ['keep', 'refuse', 'replace'])
    def test_a_third_of_the_same_key_comes(self, stage, duplicate):
        task, other = prepare(stage, stand_in=stage.make(
            'b', minutes=-5, key='k'), key='k')
        third = stage.make('c', minutes=-10, key='k')
        with stage.transaction():
            if duplicate == 'refuse':
                with pytest.raises(AlreadyScheduled):
                    stage.schedule.schedule(third)
                return
            found = stage.schedule.schedule(third, duplicate=duplicate)
        if duplicate == 'keep':
            assert found is other
            assert stage.held() == {'k': 'b'}
            return
        # The series, which would go on, finds its key held.
        assert found is third
        assert stage.held() == {'k': 'c'}
        assert stage.look().waiting == ['c']
        assert stage.look().outcomes[-1] == ('a', 'cancelled')
        stage.process(10)
        assert stage.over()

    def test_one_of_its_own_class_takes_its_series_over(self, stage):
        def once(task):
            del calls['a']
            return stage.make('b', minutes=-5, cls=Keyed)

        stage.add('a', cls=Keyed, call=once)
        assert stage.process().retried == 1
        assert stage.held() == {'k': 'b'}
        assert stage.process(5).succeeded == 1
        assert stage.held() == {'k': 'b'}
        assert stage.look().waiting == ['b']
        stage.on('unschedule', stage.schedule.keys.get('k'))
        assert stage.over()


class TestMissingClass:
    """Nothing is lost, and what is there is found."""

    @pytest.mark.parametrize('portion', [1, 100])
    def test_of_the_series_which_is_parked_then(
            self, stage, monkeypatch, caplog, portion):
        task, _ = prepare(stage, stand_in=stage.make(
            'b', minutes=-5, cls=Noting), cls=Doing, key='k')
        # Collected by the next turn, or at the end of the pass.
        monkeypatch.setattr(processing, 'PORTION', portion)
        with gone(stage.database.db, 'Doing'):
            assert stage.process(5) == Tally(succeeded=1)
            assert stage.held() == {}
        assert 'was parked: gone.Doing cannot be' in caplog.text
        with stage.transaction():
            entry, = stage.schedule.parked
            assert entry.task._p_oid == task._p_oid
            assert 'Doing cannot be imported' in entry.reason
            back = stage.schedule.unpark(entry)
            assert back in stage.schedule
        assert stage.held() == {'k': 'a'}
        assert stage.process(5).succeeded == 1
        assert goes_on(stage, back)

    def test_of_the_series_which_was_asked_for(self, stage):
        task, _ = prepare(stage, stand_in=stage.make(
            'b', minutes=-5, cls=Noting), cls=Doing, key='k')
        stage.on('run_now', task)
        with gone(stage.database.db, 'Doing'):
            stage.process(5)
            stage.held()
        with stage.transaction():
            entry, = stage.schedule.parked
            stage.schedule.unpark(entry)
        for _ in range(3):
            stage.process(5)
            stage.held()
        assert stage.look().effects == ['a', 'b', 'a', 'a']
        stage.on('unschedule', stage.schedule.keys.get('k'))
        assert stage.over()

    def test_of_a_series_that_has_ended_and_was_asked_for(
            self, stage, monkeypatch):
        # The process that ran it could import it; who recovers cannot.
        stage.add('a', cls=Doing, key='k', call=lambda task: (
            stage.on('run_now', task)), recurrence=RRule(
                'FREQ=HOURLY;COUNT=1', stage.now))
        def away(self, *args):
            raise StorageError('The database is away.')

        with monkeypatch.context() as patch:
            patch.setattr(processing.ProcessPass, 'withdraw', away)
            with pytest.raises(StorageError):
                stage.process()
        with gone(stage.database.db, 'Doing'):
            stage.process()
        assert stage.over()
        calls.clear()
        with stage.transaction():
            entry, = stage.schedule.parked
            assert entry.occurrence is not None
            stage.schedule.unpark(entry)
        assert stage.held() == {'k': 'a'}
        stage.process(1)
        assert stage.look().effects == ['a', 'a']
        assert stage.over()

    def test_of_the_series_when_the_other_is_unscheduled(
            self, stage, caplog):
        prepare(stage, stand_in=stage.make(
            'b', minutes=-5, cls=Noting), cls=Doing, key='k')
        with stage.transaction():
            [waiting] = stage.schedule
            other = waiting._p_oid
        with gone(stage.database.db, 'Doing'):
            stage.tm.begin()
            stage.schedule.unschedule(stage.connection.get(other))
            stage.tm.get().join(Refusing())
            with pytest.raises(ConflictError):
                stage.tm.commit()
            stage.tm.abort()
            assert 'was parked' not in caplog.text
            with stage.transaction():
                stage.schedule.unschedule(stage.connection.get(other))
        assert 'was parked: gone.Doing cannot be' in caplog.text
        assert len(stage.look().parked) == 1

    def test_of_the_series_while_it_stands_aside(self, stage):
        prepare(stage, stand_in=stage.make(
            'b', minutes=-5, cls=Noting), cls=Doing, key='k')
        with gone(stage.database.db, 'Doing'), stage.transaction():
            broken, = stage.schedule.aside.values()
            assert broken in stage.schedule
            stage.schedule.unschedule(broken)
        stage.process(5)
        assert stage.over()

    def test_of_the_other(self, stage):
        task, _ = prepare(stage, stand_in=stage.make(
            'b', minutes=-5, cls=Fading))
        with gone(stage.database.db, 'Fading'):
            # The series is not loaded with it.
            assert stage.process(10).left == 1
            assert aside(stage)
            assert stage.process(66).failed == 1
            assert not aside(stage)
        assert len(stage.look().parked) == 1
        assert stage.look().waiting == ['a']

    def test_of_both(self, stage):
        prepare(stage, cls=Doing, stand_in=stage.make(
            'b', minutes=-5, cls=Fading))
        with gone(stage.database.db, 'Fading', 'Doing'):
            for minutes in 10, 66, 200:
                stage.process(minutes)
                stage.held()
        with stage.transaction():
            assert len([*stage.schedule.parked, *stage.schedule]) == 2
