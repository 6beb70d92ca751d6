"""What a run schedules stands in its slot, until the next turn.

So it is free of conflicts.  It is known and can be worked on wherever another
task can that waits.
"""

from datetime import timedelta

import pytest
import transaction
import ZODB
import zope.event
from places import check
from places import oid
from places import watching
from sample_tasks import MINUTE
from sample_tasks import Fading
from sample_tasks import Noting
from sample_tasks import calls
from sample_tasks import gone
from sample_work import begin
from sample_work import commit
from sample_work import try_to_commit
from ZODB.POSException import ConflictError
from ZODB.POSException import StorageError
from ZODB.utils import p64

from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule.execution import process as processing
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import NotScheduled
from zodbschedule.outcomes import SUCCEEDED
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling import turn
from zodbschedule.store.inspection import task_id


#: so that all but those on a FileStorage are slow
HUNDREDS = True

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.storages('FileStorage', 'ZEO')


@pytest.fixture
def stage(database, clock):
    with watching(database, clock) as stage:
        yield stage


class Planning(Task):
    """Schedules what the test says, and writes nothing else."""

    def __call__(self):
        return calls[self.description](self)


def plan(stage, *options):
    """A task that is due, and schedules others: 'b', 'c' and so on.

    In *options* is what each of them is to be; *planned* will hold them.
    """
    planned = []

    def call(task):
        planned[:] = [
            stage.make(name, **{'cls': Noting} | each)
            for name, each in zip('bcdefgh', options, strict=False)]
        for one in planned:
            stage.schedule.schedule(one)

    stage.add('a', cls=Planning, minutes=1, call=call)
    return planned


def then(stage, what):
    """Have *what* be done by the run of another task, right afterwards."""
    stage.add('then', cls=Planning, call=lambda task: stage._watch(
        what, task))


def elsewhere(stage, what):
    """Have *what* be done right afterwards by another connection.

    It is given a schedule; and commits.
    """
    def react(_):
        schedule = stage.database.schedule()
        what(schedule)
        commit(schedule)
        check(stage.database.schedule())

    then(stage, react)


def kept(schedule):
    """What the slots hold that runs have scheduled, by description."""
    return [task.description for claim in schedule.claims.values()
            for slot in claim.slots for _, task in slot.scheduled]


def the(schedule, name):
    """The task with that description that a claim holds."""
    found, = (held.task for held in schedule.claimed()
              if held.task.description == name)
    return found


def lose_the_claim(stage, monkeypatch, minutes=0):
    """Process; the database is away when the claim is to be withdrawn."""
    def away(self, *args):
        raise StorageError('The database is away.')

    with monkeypatch.context() as patch:
        patch.setattr(processing.Consumer, 'withdraw', away)
        with pytest.raises(StorageError):
            stage.process(minutes)


class TestWhatARunWrites:

    def written(self, stage, tid):
        """What each transaction since then has stored, by its description."""
        return {record.description.decode(): {data.oid for data in record}
                for record in stage.db.storage.iterator(tid)}

    @pytest.mark.storages('FileStorage')
    def test_it_writes_its_slot_and_the_new_tasks_and_nothing_else(
            self, stage):
        planned = plan(stage, {}, {'minutes': -5}, {'minutes': -5})
        slots = []
        then(stage, lambda task: slots.extend(
            slot._p_oid for claim in stage.schedule.claims.values()
            for slot in claim.slots if slot.scheduled))
        tid = stage.tid()
        assert stage.process().succeeded == 2
        assert len(slots) == 1
        assert self.written(stage, tid)['a'] == {
            *slots, *(task._p_oid for task in planned)}

    def test_that_of_one_that_schedules_nothing_is_as_small_as_it_can_be(
            self, stage):
        contents = []
        stage.add('quiet', minutes=1)
        then(stage, lambda task: contents.extend(
            slot.__getstate__() for claim in stage.schedule.claims.values()
            for slot in claim.slots))
        assert stage.process().succeeded == 2
        (outcome, record), waiting = contents
        assert outcome == SUCCEEDED
        assert len(waiting) == 2

    def test_the_next_turn_puts_them_at_their_instants_in_order(self, stage):
        plan(stage, {}, {'minutes': -5}, {}, {'minutes': -3}, {})
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['b', 'd', 'f', 'e', 'c']
        assert stage.process(5) == Tally(succeeded=5)
        assert stage.look().effects == ['b', 'd', 'f', 'e', 'c']
        assert stage.over()

    @pytest.mark.parametrize('portion', [1, 2, 100])
    def test_the_same_pass_does_not_take_them(
            self, stage, monkeypatch, portion):
        monkeypatch.setattr(processing, 'PORTION', portion)
        plan(stage, {}, {}, {'minutes': -1})
        for number in range(3):
            stage.add(f'{number}', minutes=-number)
        assert stage.process(3) == Tally(succeeded=4)
        assert stage.look().waiting == ['b', 'c', 'd']
        assert stage.process(3) == Tally(succeeded=3)
        assert stage.over()

    def test_one_that_also_comes_back_itself(self, stage):
        def call(task):
            stage.schedule.schedule(stage.make('b', minutes=-5))
            task.time += 5 * MINUTE
            return task

        stage.add('a', call=call)
        assert stage.process() == Tally(retried=1)
        assert stage.look().waiting == ['b', 'a']

    def test_one_that_has_unscheduled_itself(self, stage):
        def call(task):
            stage.schedule.schedule(stage.make('b'))
            stage.schedule.unschedule(task)
            stage.schedule.schedule(stage.make('c'))

        stage.add('a', call=call)
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['b', 'c']
        assert stage.look().outcomes == [('a', 'succeeded')]

    def test_one_that_unschedules_itself_and_is_scheduled_anew(self, stage):
        def call(task):
            stage.schedule.unschedule(task)
            task.time += 5 * MINUTE
            stage.schedule.schedule(task)
            assert task in stage.schedule
            with pytest.raises(AlreadyScheduled):
                stage.schedule.schedule(task)

        task = stage.add('a', call=call)
        stage.add('c', minutes=-60, key='k')
        assert stage.process() == Tally(succeeded=1)
        assert stage.held() == {'k': 'c'}
        assert stage.look().waiting == ['a', 'c']
        stage.on('unschedule', task)

    def test_a_hook_before_the_commit_may_schedule_too(self, stage):
        def hook():
            stage.schedule.schedule(stage.make('b'))

        stage.add('a', call=lambda task: stage.tm.get().addBeforeCommitHook(
            hook))
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['b']

    def test_what_it_has_scheduled_it_cannot_return(self, stage):
        def call(task):
            return stage.schedule.schedule(stage.make('b'))

        stage.add('a', call=call)
        assert stage.process() == Tally(failed=1)
        assert stage.look().waiting == []
        assert 'AlreadyScheduled' in stage.look().parked['a']

    def test_if_it_fails_they_are_gone(self, stage):
        def call(task):
            stage.schedule.schedule(stage.make('b'))
            raise ValueError('no')

        stage.add('a', call=call)
        assert stage.process() == Tally(failed=1)
        assert stage.look().waiting == []

    def test_if_it_is_run_again_they_are_there_once(self, stage):
        attempts = []

        def call(task):
            stage.schedule.schedule(stage.make('b'))
            attempts.append(1)
            if len(attempts) < 3:
                raise ConflictError

        stage.add('a', call=call)
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['b']

    def test_a_savepoint_may_take_some_back(self, stage):
        def call(task):
            stage.schedule.schedule(stage.make('b'))
            savepoint = stage.tm.savepoint()
            dropped = stage.make('c')
            stage.schedule.schedule(dropped)
            assert dropped in stage.schedule
            savepoint.rollback()
            stage.schedule.schedule(stage.make('d'))
            assert kept(stage.schedule) == ['b', 'd']

        stage.add('a', call=call)
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['b', 'd']

    def test_behind_a_savepoint_the_cache_may_forget_its_slot(self, stage):
        def call(task):
            stage.schedule.schedule(stage.make('b'))
            stage.tm.savepoint()
            stage.schedule.schedule(stage.make('c'))
            task._p_jar.cacheMinimize()

        stage.add('a', call=call)
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['b', 'c']

    def test_with_a_key_it_waits_at_once(self, stage):
        def call(task):
            with_key = stage.schedule.schedule(stage.make('b', key='k'))
            stage.schedule.schedule(stage.make('c'))
            assert list(stage.schedule) == [with_key]
            assert stage.schedule.keys.get('k') is with_key
            assert kept(stage.schedule) == ['c']

        stage.add('a', call=lambda task: stage._watch(call, task))
        assert stage.process() == Tally(succeeded=1)
        assert stage.held() == {'k': 'b'}
        assert stage.look().waiting == ['b', 'c']

    def test_in_another_schedule_it_waits_at_once(self, stage):
        def call(task):
            there = task._p_jar.root()['other'].schedule(stage.make('b'))
            assert list(task._p_jar.root()['other']) == [there]
            assert kept(stage.schedule) == []

        with stage.transaction() as root:
            root['other'] = Schedule()
        stage.add('a', call=lambda task: stage._watch(call, task))
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == []
        with stage.transaction() as root:
            assert [task.description for task in root['other']] == ['b']

    def test_what_it_takes_out_of_the_timetable_goes_back_there(self, stage):
        later = stage.add('later', minutes=-60)

        def call(task):
            stage.schedule.change(later, time=stage.now + 9 * MINUTE)
            assert list(stage.schedule.getTaskTimes()) == [
                stage.now + 9 * MINUTE]
            stage.schedule.run_now(later)
            assert list(stage.schedule) == [later]

        stage.add('a', call=lambda task: stage._watch(call, task))
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['later']
        assert stage.process() == Tally(succeeded=1)

    def test_undone_it_takes_them_back(self, stage):
        def undo(event):
            zope.event.subscribers.remove(undo)
            schedule = stage.database.schedule()
            assert kept(schedule) == ['b']
            entry = next(entry for entry in stage.db.undoLog(0, 9)
                         if entry['description'] in ('a', b'a'))
            manager = schedule._p_jar.transaction_manager
            stage.db.undo(entry['id'], manager.get())
            commit(schedule)

        plan(stage, {})
        zope.event.subscribers.append(undo)
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['a']
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['b']


class TestAnotherDatabase:

    def test_a_schedule_there_has_it_at_once(self, clock):
        # Two databases in one transaction.
        databases = {}
        here = ZODB.DB(None, databases=databases, database_name='here')
        there = ZODB.DB(None, databases=databases, database_name='there')
        manager = transaction.TransactionManager()
        connection = here.open(manager)
        other = connection.get_connection('there').root()
        with manager:
            connection.root()['schedule'] = schedule = Schedule()
            other['schedule'] = Schedule()
            schedule.schedule(Planning(clock.now(), description='a'))

        def call(task):
            found = other['schedule'].schedule(
                Noting(clock.now(), description='b'))
            assert list(other['schedule']) == [found]

        calls['a'] = call
        try:
            assert schedule.process(clock.now()).succeeded == 1
            assert [task.description for task in other['schedule']] == ['b']
        finally:
            calls.clear()
            manager.abort()
            connection.close()
            here.close()
            there.close()


def looks(stage, schedule, planned):
    """It is in the schedule and in a claim, and does not wait yet."""
    task = schedule._p_jar.get(planned[0]._p_oid)
    assert task in schedule
    assert schedule.get(task_id(task)) is task
    with pytest.raises(AlreadyScheduled):
        schedule.schedule(task)
    held, = (held for held in schedule.claimed() if held.task is task)
    assert held[1:] == (stage.now + 5 * MINUTE, 'process()', False, None)
    coming = [(one.task, one.time)
              for one in schedule.forecast(stage.now + HOUR)]
    assert (task, stage.now + 5 * MINUTE) in coming
    assert task not in list(schedule)
    assert stage.now + 5 * MINUTE not in schedule.getTaskTimes()
    assert schedule.overdue(stage.now + 20 * MINUTE) == timedelta(0)


class TestLooking:

    def test_the_run_itself_sees_it_at_once(self, stage):
        def call(task):
            planned = stage.make('b', minutes=-5)
            assert planned not in stage.schedule
            stage.schedule.schedule(planned)
            assert planned in stage.schedule
            with pytest.raises(AlreadyScheduled):
                stage.schedule.schedule(planned)
            task._p_jar.add(planned)
            looks(stage, stage.schedule, [planned])
            running, = (held for held in stage.schedule.claimed()
                        if held.running)
            assert running.task is task

        stage.add('a', call=lambda task: stage._watch(call, task))
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['b']

    def test_so_does_another_run_of_the_same_pass(self, stage):
        planned = plan(stage, {'minutes': -5})
        then(stage, lambda task: looks(stage, stage.schedule, planned))
        assert stage.process() == Tally(succeeded=2)
        assert stage.look().waiting == ['b']

    def test_so_does_another_connection(self, stage):
        planned = plan(stage, {'minutes': -5})
        elsewhere(stage, lambda schedule: looks(stage, schedule, planned))
        assert stage.process() == Tally(succeeded=2)
        assert stage.look().waiting == ['b']

    def test_one_whose_record_is_gone_is_found_where_it_stands(
            self, stage, monkeypatch):
        planned = plan(stage, {'minutes': -5})
        lose_the_claim(stage, monkeypatch)
        lost = planned.pop()._p_oid
        calls.clear()
        schedule = stage.database.schedule()
        load = schedule._p_jar.get
        monkeypatch.setattr(schedule._p_jar, 'get', lambda asked: load(
            p64(2**40) if asked == lost else asked))
        task = schedule.get(f'{int.from_bytes(lost, "big"):x}')
        assert task._p_oid == lost
        schedule.unschedule(task)
        assert kept(schedule) == []


def unschedules(stage, schedule, task):
    schedule.unschedule(task)
    assert task not in schedule
    with pytest.raises(NotScheduled):
        schedule.unschedule(task)


def moves(stage, schedule, task):
    schedule.change(task, time=stage.now + 2 * MINUTE)
    assert task in schedule


def gives_a_key(stage, schedule, task):
    schedule.change(task, key='k')
    assert schedule.keys.get('k') is task
    assert list(schedule) == [task]


def makes_it_a_series(stage, schedule, task):
    schedule.change(task, recurrence=Every(HOUR), time=stage.now + HOUR)


def runs_it_now(stage, schedule, task):
    schedule.run_now(task)
    assert task.time == stage.now


def pauses(stage, schedule, task):
    schedule.pause(task)
    assert schedule.paused(task)


def schedules_it_anew(stage, schedule, task):
    schedule.unschedule(task)
    task.time = stage.now + 3 * MINUTE
    schedule.schedule(task)


ACTS = pytest.mark.parametrize('act, waits, minute', [
    (unschedules, False, 9), (moves, True, 2), (gives_a_key, True, 5),
    (makes_it_a_series, True, 60), (runs_it_now, True, 0),
    (pauses, True, None), (schedules_it_anew, True, 3)])


class TestActing:
    """As if it were in the timetable, wherever one acts."""

    def end(self, stage, waits, minute):
        """It waits where it is to wait, or not at all."""
        assert stage.look().waiting == (['b', 'c'] if waits else ['c'])
        when = 5 if minute is None else minute
        early = stage.process(when - 1).succeeded if minute else 0
        assert early == 0
        stage.clock.set(stage.now + when * MINUTE)
        expected = int(waits and minute is not None)
        assert stage.process(when) == Tally(succeeded=expected)
        assert stage.look().effects.count('b') == expected
        for task in list(stage.schedule):
            stage.on('unschedule', task)
        assert stage.over()
        return True

    @ACTS
    def test_the_run_itself(self, stage, act, waits, minute):
        def call(task):
            first, second = stage.make('b', minutes=-5), stage.make(
                'c', minutes=-700)
            stage.schedule.schedule(first)
            stage.schedule.schedule(second)
            act(stage, stage.schedule, first)
            assert second in stage.schedule

        stage.add('a', cls=Planning, call=lambda task: stage._watch(
            call, task))
        assert stage.process() == Tally(succeeded=1)
        assert self.end(stage, waits, minute)

    @ACTS
    def test_another_run_of_the_same_pass(self, stage, act, waits, minute):
        planned = plan(stage, {'minutes': -5}, {'minutes': -700})
        then(stage, lambda task: act(stage, stage.schedule, planned[0]))
        assert stage.process() == Tally(succeeded=2)
        assert self.end(stage, waits, minute)

    @ACTS
    def test_whichever_run_of_the_pass_has_scheduled_it(
            self, stage, act, waits, minute):
        stage.add('first', cls=Planning, minutes=2, call=lambda task: None)
        planned = plan(stage, {'minutes': -5}, {'minutes': -700})
        then(stage, lambda task: act(stage, stage.schedule, planned[0]))
        assert stage.process() == Tally(succeeded=3)
        assert self.end(stage, waits, minute)

    @ACTS
    def test_another_connection(self, stage, act, waits, minute):
        plan(stage, {'minutes': -5}, {'minutes': -700})
        elsewhere(stage, lambda schedule: act(
            stage, schedule, the(schedule, 'b')))
        assert stage.process() == Tally(succeeded=2)
        assert self.end(stage, waits, minute)

    def test_what_is_run_now_is_taken_at_once(self, stage):
        # By another call, while the claim of this one still holds the rest.
        plan(stage, {'minutes': -5}, {'minutes': -700})
        tallies = []

        def act(schedule):
            schedule.run_now(the(schedule, 'b'))
            commit(schedule)
            begin(schedule)
            tallies.append(schedule.process(stage.now))

        elsewhere(stage, act)
        assert stage.process() == Tally(succeeded=2)
        assert tallies == [Tally(succeeded=1)]
        assert stage.look().effects.count('b') == 1

    def test_a_series_is_asked_for_as_if_it_waited(self, stage):
        plan(stage, {'minutes': -30, 'recurrence': Every(HOUR)})
        elsewhere(stage, lambda schedule: schedule.run_now(
            the(schedule, 'b')))
        assert stage.process() == Tally(succeeded=2)
        assert not stage.schedule.requests.entries
        for minute in 0, 30, 90:
            stage.clock.set(stage.now + minute * MINUTE)
            assert stage.process(minute) == Tally(succeeded=1)
        assert stage.look().effects.count('b') == 3

    @pytest.mark.parametrize('first', ['the turn', 'the other'])
    def test_at_the_moment_of_the_turn_one_of_the_two_conflicts(
            self, stage, monkeypatch, first):
        plan(stage, {'minutes': -5}, {'minutes': -700})
        lose_the_claim(stage, monkeypatch)
        calls.clear()
        collecting, acting = (stage.database.schedule() for _ in 'ab')
        (claim_id, claim), = collecting.claims.items()
        turn.withdraw(collecting, claim_id, claim, stage.now)
        acting.unschedule(the(acting, 'b'))
        order = [collecting, acting]
        if first == 'the other':
            order.reverse()
        assert [try_to_commit(one) for one in order] == [True, False]
        if first == 'the other':
            assert stage.process() == Tally()
            assert stage.look().waiting == ['c']
        else:
            assert stage.look().waiting == ['b', 'c']

    @pytest.mark.parametrize('what', [
        'in the run', 'when it is committed'])
    def test_the_run_that_scheduled_it_is_cancelled(self, stage, what):
        # Then it has scheduled nothing; or it is too late for that.
        def call(task):
            stage.schedule.schedule(stage.make('b'))
            if what == 'in the run':
                stage.on('unschedule', task)

        def cancel(_):
            with pytest.raises(NotScheduled):
                stage.on('unschedule', task)

        task = stage.add('a', minutes=1, call=call)
        then(stage, cancel)
        stage.process()
        assert stage.look().waiting == (
            ['b'] if what == 'when it is committed' else [])

    def test_what_comes_next_is_cancelled_and_they_stay(self, stage):
        def call(task):
            stage.schedule.schedule(stage.make('b'))
            task.time += 5 * MINUTE
            return task

        stage.add('a', minutes=1, call=call)
        elsewhere(stage, lambda schedule: schedule.unschedule(
            the(schedule, 'a')))
        stage.process()
        assert stage.look().waiting == ['b']

    def test_whoever_relies_on_its_place_conflicts_with_the_turn(
            self, stage, monkeypatch):
        # An occurrence of it is parked, and it was scheduled anew.
        def fails(task):
            raise ValueError('no')

        task = stage.add('b', minutes=60, call=fails, recurrence=Every(HOUR))
        assert stage.process(-60) == Tally(failed=1)
        with stage.transaction():
            stage.schedule.unschedule(task)
        del calls['b']

        def call(_):
            task.time = stage.now + 5 * MINUTE
            stage.schedule.schedule(task)
            stage.schedule.run_now(task)

        stage.add('a', cls=Planning, call=call)
        lose_the_claim(stage, monkeypatch)
        collecting, asking = (stage.database.schedule() for _ in 'ab')
        (claim_id, claim), = collecting.claims.items()
        turn.withdraw(collecting, claim_id, claim, stage.now)
        entry, = asking.parked
        asking.unpark(entry)
        assert oid(task) in asking.requests
        assert [try_to_commit(one) for one in (collecting, asking)] == [
            True, False]
        entry, = asking.parked
        asking.unpark(entry)
        commit(asking)
        check(stage.database.schedule())
        for minute in 0, 1, 5:
            stage.clock.set(stage.now + minute * MINUTE)
            assert stage.process(minute) == Tally(succeeded=1)
        stage.on('unschedule', task)
        assert stage.over()


class TestRecovery:

    def test_whoever_recovers_the_claim_puts_them_where_they_wait(
            self, stage, monkeypatch):
        planned = plan(stage, {}, {'minutes': -5})
        lose_the_claim(stage, monkeypatch)
        assert stage.look().waiting == []
        assert kept(stage.database.schedule()) == ['b', 'c']
        check(stage.database.schedule())
        calls.clear()
        # The call that recovers takes them as those of another.
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().waiting == ['c']
        assert stage.look().effects == ['b']
        assert all(task in stage.schedule for task in planned[1:])

    def test_not_if_the_run_was_that_of_a_zombie(self, stage):
        def recovered(task):
            stage.schedule.schedule(stage.make('b'))
            schedule = stage.database.schedule()
            (claim_id, claim), = schedule.claims.items()
            turn.withdraw(schedule, claim_id, claim, stage.now)
            commit(schedule)

        stage.add('a', call=recovered)
        with pytest.raises(processing.ClaimLost):
            stage.process()
        assert stage.look().waiting == ['a']
        del calls['a']
        assert stage.process() == Tally(succeeded=1)
        assert stage.over()

    def test_if_the_answer_to_the_commit_is_lost_they_are_there_once(
            self, stage, monkeypatch):
        plan(stage, {})
        stage.add('other', minutes=-1)
        monkeypatch.setattr(processing, 'PORTION', 1)
        storage = stage.connection._storage
        finish = storage.tpc_finish

        def lost(txn, *args):
            result = finish(txn, *args)
            if txn.description == b'a':
                raise StorageError('The answer was lost.')
            return result

        monkeypatch.setattr(storage, 'tpc_finish', lost)
        assert stage.process(1) == Tally(succeeded=2)
        assert stage.look().waiting == ['b']
        assert stage.process() == Tally(succeeded=1)

    def test_the_class_of_a_task_is_missing_where_they_are_collected(
            self, stage, monkeypatch):
        plan(stage, {}, {'cls': Fading}, {})
        lose_the_claim(stage, monkeypatch)
        calls.clear()
        with gone(stage.db, 'Fading'):
            assert stage.process() == Tally(succeeded=2, left=1)
            assert stage.look().waiting == ['broken']
        assert stage.process() == Tally(succeeded=1)
        assert stage.look().effects == ['b', 'd', 'c']
