"""Keys: one waiting task holds one, and none runs beside another."""

import sys
import threading
import time
from datetime import timedelta
from enum import StrEnum

import pytest
from databases import PATIENCE
from databases import Client
from places import check
from places import check_empty
from places import watching
from sample_tasks import MINUTE
from sample_tasks import Doing
from sample_tasks import calls
from sample_tasks import nexts
from sample_work import NOON
from sample_work import Note
from sample_work import begin
from sample_work import commit
from sample_work import prepare
from sample_work import try_to_commit

from zodbschedule import CallTask
from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule.execution import process as processing
from zodbschedule.execution.passes import Pass
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import NotScheduled
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import this


#: so that all but those on a FileStorage are slow
HUNDREDS = True

HOUR = timedelta(hours=1)

RETRY = Retry(5, MINUTE, jitter=0)


@pytest.fixture
def stage(database, clock):
    """A stage that can be looked at in any state."""
    with watching(database, clock) as stage:
        yield stage


def fails(task):
    raise ValueError('no')


class Sweep(Task):
    """All that it says is said by its class."""

    key = 'sweep'
    recurrence = Every(HOUR)

    def __call__(self):
        """Nothing to do."""


def sweep(*args, **kwargs):
    """Nothing to do."""


class Names(StrEnum):
    """Keys, as a careful application may name them."""

    NIGHTLY = 'nightly'


# -- A second one


class TestDuplicates:

    pytestmark = pytest.mark.storages('FileStorage')

    def test_it_is_refused_unless_the_caller_says_otherwise(self, stage):
        first = stage.add('first', key='k', minutes=-5)
        with pytest.raises(AlreadyScheduled) as caught, stage.transaction():
            stage.schedule.schedule(stage.make('second', key='k'))
        assert caught.value.task is first
        assert 'replace' in str(caught.value)
        assert stage.held() == {'k': 'first'}

    def test_kept_the_first_is_returned_and_nothing_is_written(self, stage):
        first = stage.add('first', key='k', minutes=-5)
        before = stage.tid()
        with stage.transaction():
            kept = stage.schedule.schedule(
                stage.make('second', key='k'), duplicate='keep')
        assert kept is first
        assert stage.tid() == before
        assert stage.held() == {'k': 'first'}

    def test_replaced_the_second_stands_alone(self, stage):
        stage.add('first', key='k')
        with stage.transaction():
            second = stage.make('second', key='k')
            assert stage.schedule.schedule(
                second, duplicate='replace') is second
        assert stage.held() == {'k': 'second'}
        assert stage.look().waiting == ['second']
        stage.process()
        assert stage.look().effects == ['second']
        assert stage.over()

    @pytest.mark.parametrize('duplicate', ['refuse', 'keep', 'replace'])
    def test_none_of_them_matters_if_the_key_is_free(self, stage, duplicate):
        stage.add('first', key='k', minutes=-5)
        with stage.transaction():
            stage.schedule.schedule(
                stage.make('other', key='l'), duplicate=duplicate)
        assert stage.held() == {'k': 'first', 'l': 'other'}

    @pytest.mark.parametrize('duplicate', ['keep', 'replace'])
    def test_the_holder_itself_is_kept(self, stage, duplicate):
        first = stage.add('first', key='k', minutes=-5)
        before = stage.tid()
        with stage.transaction():
            assert stage.schedule.schedule(
                first, duplicate=duplicate) is first
        assert stage.tid() == before

    @pytest.mark.parametrize('duplicate', ['', 'KEEP', None, [], 1])
    def test_any_other_word_is_refused(self, stage, duplicate):
        with stage.transaction():
            with pytest.raises(InvalidTask, match="'refuse', 'keep'"):
                stage.schedule.schedule(
                    stage.make('a'), duplicate=duplicate)
        assert stage.look().waiting == []

    @pytest.mark.parametrize('duplicate', ['keep', 'replace'])
    def test_without_a_key_there_is_no_duplicate(self, stage, duplicate):
        with stage.transaction():
            with pytest.raises(InvalidTask, match=(
                    f"^duplicate is '{duplicate}', and <CallTask .*> has no "
                    f'key .*; give it a key$')):
                stage.schedule.call(sweep, duplicate=duplicate)
        assert stage.look().waiting == []

    def test_a_replacement_that_is_refused_replaces_nothing(self, stage):
        first = stage.add('first', key='k', minutes=-5)
        bad = stage.make('bad', key='k')
        bad.expires = 'soon'
        with stage.transaction():
            with pytest.raises(InvalidTask, match='expires'):
                stage.schedule.schedule(bad, duplicate='replace')
            assert first in stage.schedule
        assert stage.held() == {'k': 'first'}

    def test_a_task_that_waits_without_its_key_replaces_nobody(self, stage):
        lost = lose_key(stage)
        with stage.transaction():
            with pytest.raises(AlreadyScheduled):
                stage.schedule.schedule(lost, duplicate='replace')
        assert stage.held() == {'k': 'holder'}
        assert stage.look().waiting == ['lost', 'holder']

    @pytest.mark.parametrize('key', ['', 5, b'k', ('k',), object()])
    def test_what_is_no_key_is_refused(self, stage, key):
        with pytest.raises(InvalidTask, match='key'):
            stage.make('a', key=key)
        task = stage.make('a')
        task.key = key
        for duplicate in 'refuse', 'keep', 'replace':
            with stage.transaction(), pytest.raises(InvalidTask):
                stage.schedule.schedule(task, duplicate=duplicate)
        assert stage.over()

    @pytest.mark.parametrize('key', [None, 5, b'k', (), object(), ''])
    def test_what_is_no_key_is_held_by_nobody(self, stage, key):
        stage.add('first', key='k')
        with stage.transaction():
            assert key not in stage.schedule.keys
            assert stage.schedule.keys.get(key) is None
            assert stage.schedule.keys.get(key, 7) == 7

    def test_a_key_of_a_class_of_the_application_is_kept_as_text(self, stage):
        # Else the tree of all keys needs that class to be loaded.
        stage.add('a', key=Names.NIGHTLY, minutes=-5)
        assert stage.held() == {'nightly': 'a'}
        with stage.transaction():
            keys = stage.schedule.keys
            assert Names.NIGHTLY in keys
            assert keys.get(Names.NIGHTLY).description == 'a'
            assert [*map(type, keys), *(
                type(key) for key, _ in keys.by_oid.values())] == [
                str, str]

    def test_keys_are_listed_in_order_while_they_change(self, stage):
        with stage.transaction():
            for number in range(100):
                stage.schedule.schedule(
                    stage.make(str(number), key=f'{number:02}'))
        with stage.transaction():
            seen = []
            for key in stage.schedule.keys:
                seen.append(key)
                stage.schedule.unschedule(stage.schedule.keys.get(key))
        assert seen == [f'{number:02}' for number in range(100)]
        assert stage.over()


def lose_key(stage):
    """A task that waits without its key, which another holds."""
    def replaced(task):
        calls.clear()
        stage.on('schedule', stage.make('holder', key='k', minutes=-5))
        fails(task)

    lost = stage.add('lost', key='k', call=replaced, retry=RETRY)
    assert stage.process().retried == 1
    return lost


# -- Saying the same


def says(**options):
    return lambda stage: stage.make('same', key='k', **options)


SAME = {
    'one time': says(minutes=-5),
    'other options': says(
        minutes=-5, retry=RETRY, expires=HOUR, missed='all',
        principalId='zope.anybody'),
    'a recurrence and a time': says(minutes=-5, recurrence=Every(HOUR)),
    'an Every that is anchored': lambda stage: Doing(
        key='k', recurrence=Every(HOUR)),
    'an Every with a start': lambda stage: Doing(
        key='k', recurrence=Every(HOUR, NOON)),
    'a Cron': lambda stage: Doing(
        key='k', recurrence=Cron('30 2 * * *', 'Europe/Berlin')),
    'a class that says it': lambda stage: Sweep(),
    'a call': lambda stage: CallTask(
        sweep, [1, 'two'], {'three': [3]}, key='k', recurrence=Every(HOUR)),
    'a call at a time': lambda stage: CallTask(
        sweep, key='k', time=stage.now + MINUTE),
}


@pytest.mark.storages('FileStorage')
class TestSayingTheSame:

    @pytest.mark.parametrize('make', SAME.values(), ids=SAME)
    def test_replacing_one_that_says_the_same_writes_nothing(
            self, stage, make):
        with stage.transaction():
            first = stage.schedule.schedule(make(stage))
        before = stage.tid()
        for _ in range(2):
            with stage.transaction():
                assert stage.schedule.schedule(
                    make(stage), duplicate='replace') is first
        assert stage.tid() == before
        key, = stage.held()

    @pytest.mark.parametrize('make', [
        make for name, make in SAME.items() if 'time' not in name
        and name != 'other options'])
    def test_also_when_it_has_run(self, stage, make):
        with stage.transaction():
            first = stage.schedule.schedule(make(stage))
        for _ in range(3):
            moment = first.time + 30 * MINUTE
            stage.clock.set(moment)
            assert stage.schedule.process(moment).succeeded == 1
            stage.clock.advance(MINUTE)
        assert first.time > moment
        before = stage.tid()
        with stage.transaction():
            assert stage.schedule.schedule(
                make(stage), duplicate='replace') is first
        assert stage.tid() == before

    def test_also_if_the_schedule_is_spread(self, stage):
        with stage.transaction():
            stage.schedule.spread = HOUR
        make = SAME['a Cron']
        with stage.transaction():
            first = stage.schedule.schedule(make(stage))
        assert first.time != stage.now.replace(hour=0, minute=30)
        before = stage.tid()
        with stage.transaction():
            assert stage.schedule.schedule(
                make(stage), duplicate='replace') is first
        assert stage.tid() == before

    def test_also_while_it_waits_to_be_tried_again(self, stage):
        def make():
            return Doing(key='k', recurrence=Every(HOUR), retry=RETRY,
                         description='bad')

        calls['bad'] = fails
        with stage.transaction():
            first = stage.schedule.schedule(make())
        stage.clock.set(first.time)
        assert stage.schedule.process(first.time).retried == 1
        before = stage.tid()
        with stage.transaction():
            assert stage.schedule.schedule(
                make(), duplicate='replace') is first
        assert stage.tid() == before
        assert stage.held() == {'k': 'bad'}

    def test_what_a_task_caches_does_not_count(self, stage):
        make = SAME['a Cron']
        with stage.transaction():
            first = stage.schedule.schedule(make(stage))
        before = stage.tid()
        with stage.transaction():
            first._v_parsed = object()
            assert stage.schedule.schedule(
                make(stage), duplicate='replace') is first
        assert stage.tid() == before

    OTHERS = {
        'another time': says(minutes=-6),
        'no time': lambda stage: Doing(key='k', description='same'),
        'another description': lambda stage: stage.make(
            'other', key='k', minutes=-5),
        'another class': says(minutes=-5, cls=Note.__mro__[1]),
        'a recurrence': says(minutes=-5, recurrence=Every(HOUR)),
        'a retry': says(minutes=-5, retry=RETRY),
        'an expiry': says(minutes=-5, expires=HOUR),
        'a principal': says(minutes=-5, principalId='somebody'),
    }

    @pytest.mark.parametrize('other', OTHERS.values(), ids=OTHERS)
    def test_one_that_says_something_else_replaces_it(self, stage, other):
        with stage.transaction():
            first = stage.schedule.schedule(SAME['one time'](stage))
        with stage.transaction():
            second = other(stage)
            assert stage.schedule.schedule(
                second, duplicate='replace') is second
            assert first not in stage.schedule
            assert list(stage.schedule) == [second]
        assert len(stage.held()) == 1

    @pytest.mark.parametrize('other', [
        Every(2 * HOUR), Every(HOUR, NOON), Cron('0 * * * *', 'UTC'), None])
    def test_another_recurrence_replaces_it(self, stage, other):
        with stage.transaction():
            stage.schedule.schedule(SAME['an Every that is anchored'](stage))
        with stage.transaction():
            second = Doing(key='k', recurrence=other)
            assert stage.schedule.schedule(
                second, duplicate='replace') is second
        assert len(stage.held()) == 1

    @pytest.mark.parametrize('args', [['1'], [2], [1, 2], []])
    def test_other_arguments_replace_it(self, stage, args):
        with stage.transaction():
            first = stage.schedule.call(sweep, 1, key='k', delay=HOUR)
            second = stage.schedule.call(
                sweep, *args, key='k', delay=HOUR, duplicate='replace')
            assert first not in stage.schedule
            assert list(stage.schedule) == [second]
        assert len(stage.held()) == 1

    def test_values_that_cannot_be_compared_say_something_else(self, stage):
        class Shy:
            def __eq__(self, other):
                raise AttributeError

        first = stage.add('a', key='k', minutes=-5)
        with stage.transaction():
            first.secret = 1
            second = stage.make('a', key='k', minutes=-5)
            second.secret = Shy()
            with pytest.raises(InvalidTask):
                stage.schedule.schedule(second, duplicate='replace')
            stage.schedule.keys.get('k').secret = None
        assert stage.held() == {'k': 'a'}

    def test_a_replacement_is_paused_as_the_first_was(self, stage):
        first = stage.add('first', key='k')
        with stage.transaction():
            stage.schedule.pause(first, reason='why', by='me')
            pause = stage.schedule.paused(first)
        stage.clock.advance(HOUR)
        with stage.transaction():
            second = stage.schedule.schedule(
                stage.make('second', key='k'), duplicate='replace')
        with stage.transaction():
            assert stage.schedule.paused(second) == pause
            assert stage.schedule.paused(first) is None
            assert stage.schedule.paused() is None
        stage.process()
        assert stage.look().effects == []
        with stage.transaction():
            stage.schedule.resume(second)
        stage.process()
        assert stage.look().effects == ['second']
        assert stage.over()


# -- Before there is a database


@pytest.mark.storages('FileStorage')
class TestUnborn:
    """Tasks that were scheduled before their schedule was stored."""

    @pytest.fixture
    def unborn(self, stage):
        """Has a new schedule with tasks of two keys, committed by `store`."""
        schedule = Schedule()
        for name in 'ab':
            schedule.schedule(stage.make(name, key=name))
        return schedule

    @staticmethod
    def store(stage, schedule):
        with stage.transaction() as root:
            root['schedule'] = schedule

    def test_it_holds_its_key_at_once(self, stage, unborn):
        with pytest.raises(AlreadyScheduled):
            unborn.schedule(stage.make('second', key='a'))
        assert list(unborn.keys) == ['a', 'b']
        self.store(stage, unborn)
        assert stage.held() == {'a': 'a', 'b': 'b'}

    def test_it_is_unscheduled_with_its_key(self, stage, unborn):
        for task in list(unborn):
            unborn.unschedule(task)
        assert list(unborn.keys) == []
        self.store(stage, unborn)
        assert stage.over()

    def test_each_of_them_leaves_with_its_own_key(self, stage, unborn):
        unborn.unschedule(unborn.keys.get('b'))
        assert list(unborn.keys) == ['a']
        self.store(stage, unborn)
        assert stage.held() == {'a': 'a'}

    def test_stored_it_is_unscheduled_with_its_key(self, stage, unborn):
        self.store(stage, unborn)
        with stage.transaction():
            for task in list(unborn):
                unborn.unschedule(task)
        assert stage.over()

    def test_stored_its_key_is_changed(self, stage, unborn):
        self.store(stage, unborn)
        with stage.transaction():
            unborn.change(unborn.keys.get('a'), key='c')
            unborn.change(unborn.keys.get('b'), key=None)
        assert stage.held() == {'c': 'a'}

    def test_stored_it_is_moved_with_its_key(self, stage, unborn):
        self.store(stage, unborn)
        with stage.transaction():
            unborn.change(unborn.keys.get('a'), time=stage.now - HOUR)
            unborn.run_now(unborn.keys.get('b'))
        assert stage.held() == {'a': 'a', 'b': 'b'}

    @pytest.mark.parametrize('stored', [True, False])
    def test_it_is_replaced(self, stage, unborn, stored):
        if stored:
            self.store(stage, unborn)
        with stage.transaction():
            unborn.schedule(stage.make('new', key='a'), duplicate='replace')
        self.store(stage, unborn)
        assert stage.held() == {'a': 'new', 'b': 'b'}
        assert stage.process().succeeded == 2
        assert stage.over()

    def test_a_stored_task_of_a_schedule_that_is_not_is_unscheduled(
            self, stage, unborn):
        with stage.transaction() as root:
            task = root['task'] = stage.make('c', key='c')
        with stage.transaction():
            unborn.schedule(task)
            assert 'c' in unborn.keys
            unborn.unschedule(task)
            assert list(unborn.keys) == ['a', 'b']

    def test_behind_a_savepoint_it_is_unscheduled(self, stage, unborn):
        with stage.transaction() as root:
            root['schedule'] = unborn
            stage.tm.savepoint()
            for task in list(unborn):
                unborn.unschedule(task)
            unborn.schedule(stage.make('new', key='a'))
        assert stage.held() == {'a': 'new'}

    def test_it_runs_and_comes_back_with_its_key(self, stage, unborn):
        unborn.schedule(stage.make(
            'again', key='again', recurrence=Every(HOUR)))
        unborn.schedule(stage.make('bad', key='c', call=fails))
        self.store(stage, unborn)
        assert stage.process().succeeded == 3
        assert stage.held() == {'again': 'again'}
        stage.on('unschedule', stage.schedule.keys.get('again'))
        assert stage.over()


# -- From place to place


class TestPlaces:
    """After each step exactly what follows from where the tasks stand."""

    pytestmark = pytest.mark.storages('FileStorage', 'ZEO')

    def test_taken_it_holds_its_key_no_more_and_its_key_is_busy(self, stage):
        seen = []
        stage.add('a', key='k', call=lambda task: seen.append(
            (stage.held(), stage.busy())))
        assert stage.held() == {'k': 'a'}
        assert stage.busy() == []
        stage.process()
        assert seen == [({}, ['k'])]
        assert stage.over()

    def test_a_failed_one_is_parked_without_its_key(self, stage):
        stage.add('a', key='k', call=fails)
        assert stage.process().failed == 1
        assert stage.over()

    def test_unparked_it_holds_its_key_again(self, stage):
        self.test_a_failed_one_is_parked_without_its_key(stage)
        with stage.transaction():
            entry, = stage.schedule.parked
            stage.schedule.unpark(entry)
        assert stage.held() == {'k': 'a'}
        calls.clear()
        stage.process()
        assert stage.over()

    def test_unparking_is_refused_if_its_key_is_held(self, stage):
        self.test_a_failed_one_is_parked_without_its_key(stage)
        stage.add('other', key='k', minutes=-5)
        with stage.transaction(), pytest.raises(
                AlreadyScheduled, match='to be unscheduled, first') as refused:
            entry, = stage.schedule.parked
            stage.schedule.unpark(entry)
        assert 'duplicate' not in str(refused.value)
        assert stage.held() == {'k': 'other'}
        assert list(stage.look().parked) == ['a']

    def test_one_that_is_tried_again_holds_its_key_again(self, stage):
        stage.add('a', key='k', call=fails, retry=Retry(2, jitter=0))
        assert stage.process().retried == 1
        assert stage.held() == {'k': 'a'}
        assert stage.process(1).failed == 1
        assert stage.over()

    def test_one_that_goes_on_in_its_series_holds_its_key_again(self, stage):
        stage.add('a', key='k', recurrence=Every(HOUR))
        for hours in range(3):
            assert stage.process(60 * hours).succeeded == 1
            assert stage.held() == {'k': 'a'}
        stage.clock.advance(5 * HOUR)
        calls['a'] = fails
        assert stage.process(300).failed == 1
        assert stage.held() == {'k': 'a'}

    def test_one_that_repeats_by_itself_holds_its_key_again(self, stage):
        def again(task):
            task.time += HOUR
            return task

        stage.add('a', key='k', next=again)
        assert stage.process().succeeded == 1
        assert stage.held() == {'k': 'a'}
        nexts.clear()
        stage.process(60)
        assert stage.over()

    def test_a_series_that_ends_leaves_nothing(self, stage):
        stage.add('a', key='k', recurrence=RRule(
            'FREQ=HOURLY;COUNT=1', stage.now))
        assert stage.process().succeeded == 1
        assert stage.over()

    @pytest.mark.parametrize('recurrence', [None, Every(2 * HOUR)])
    def test_expired(self, stage, recurrence):
        stage.add('a', key='k', minutes=60, expires=MINUTE,
                  recurrence=recurrence)
        assert stage.process().expired == 1
        if recurrence is None:
            assert stage.over()
        else:
            assert stage.held() == {'k': 'a'}

    def test_unscheduled_while_it_waits(self, stage):
        task = stage.add('a', key='k')
        with stage.transaction():
            stage.schedule.unschedule(task)
        assert stage.over()
        with stage.transaction(), pytest.raises(NotScheduled):
            stage.schedule.unschedule(task)

    def test_unscheduled_while_it_runs(self, stage):
        def cancelled(task):
            stage.on('unschedule', task)
            assert stage.held() == {}
            assert stage.busy() == ['k']

        stage.add('a', key='k', call=cancelled, recurrence=Every(HOUR))
        stage.process()
        assert stage.over()
        assert stage.look().effects == []

    def test_unscheduled_by_itself(self, stage):
        stage.add('a', key='k', call=lambda task: (
            stage.schedule.unschedule(task)))
        stage.process()
        assert stage.look().effects == ['a']
        assert stage.over()

    def test_unscheduled_when_it_has_run_and_comes_back(self, stage):
        task = stage.add('a', key='k', minutes=1, recurrence=Every(HOUR))
        stage.add('b', key='l', call=lambda _: stage.on('unschedule', task))
        stage.process()
        assert stage.look().effects == ['a', 'b']
        assert stage.over()

    @pytest.mark.parametrize('key', ['k', 'l', None])
    def test_unscheduled_and_scheduled_again_while_it_runs(self, stage, key):
        def moved(task):
            schedule = stage.database.schedule()
            there = schedule._p_jar.get(task._p_oid)
            schedule.unschedule(there)
            there.key = key
            schedule.schedule(there)
            commit(schedule)
            calls.clear()
            assert stage.held() == ({key: 'a'} if key else {})
            # The run is in vain, but it goes on.
            assert stage.busy() == ([] if key == 'l' else ['k'])

        stage.add('a', key='k', call=moved)
        stage.process()
        assert stage.held() == ({key: 'a'} if key else {})
        assert stage.busy() == []
        assert stage.process().succeeded == 1
        assert stage.look().effects == ['a']
        assert stage.over()

    @pytest.mark.parametrize('key', ['k', 'l', None])
    @pytest.mark.parametrize('act, options', [
        ('unschedule', {}), ('run_now', {}), ('change', {'key': 'm'}),
        ('change', {'key': None})])
    def test_and_what_is_done_to_it_then_leaves_no_key_busy(
            self, stage, key, act, options):
        def moved(task):
            schedule = stage.database.schedule()
            there = schedule._p_jar.get(task._p_oid)
            schedule.unschedule(there)
            there.key = key
            schedule.schedule(there)
            getattr(schedule, act)(there, **options)
            commit(schedule)
            calls.clear()
            stage.held()

        task = stage.add('a', key='k', call=moved)
        stage.process()
        assert stage.busy() == []
        assert stage.process().succeeded == (act != 'unschedule')
        assert stage.over()
        with stage.transaction():
            stage.schedule.schedule(task)
        assert stage.process().succeeded == 1
        assert stage.over()

    @pytest.mark.parametrize('key', ['k', 'l', None])
    def test_unscheduled_and_scheduled_again_by_itself(self, stage, key):
        def move(task):
            stage.schedule.unschedule(task)
            task.key = key
            stage.schedule.schedule(task)

        stage.add('a', key='k', call=move)
        assert stage.process().succeeded == 1
        assert stage.held() == ({key: 'a'} if key else {})
        calls.clear()
        assert stage.process().succeeded == 1
        assert stage.over()

    @pytest.mark.parametrize('key', ['k', 'l', None])
    def test_rescheduled_when_it_has_run_and_comes_back(self, stage, key):
        def move(_):
            schedule = stage.database.schedule()
            there = schedule._p_jar.get(task._p_oid)
            schedule.unschedule(there)
            there.key = key
            there.time = stage.now + HOUR
            schedule.schedule(there)
            commit(schedule)
            stage.held()

        task = stage.add('a', key='k', minutes=1, recurrence=Every(HOUR))
        stage.add('b', call=move)
        stage.process()
        assert stage.held() == ({key: 'a'} if key else {})
        stage.on('unschedule', task)
        assert stage.over()

    def test_unscheduled_it_makes_room_for_another_that_waits_for_its_end(
            self, stage):
        def replaced(task):
            stage.on('unschedule', task)
            stage.on('schedule', stage.make('b', key='k'))
            assert stage.held() == {'k': 'b'}
            assert stage.on('process', stage.now).left == 1

        stage.add('a', key='k', call=replaced)
        stage.process()
        assert stage.held() == {'k': 'b'}
        assert stage.process().succeeded == 1
        assert stage.look().effects == ['b']
        assert stage.over()

    def test_its_key_is_changed_while_it_waits(self, stage):
        task = stage.add('a', key='k')
        stage.add('b', key='l', minutes=-5)
        with stage.transaction():
            with pytest.raises(AlreadyScheduled):
                stage.schedule.change(task, key='l')
            stage.schedule.change(task, key='m')
        assert stage.held() == {'l': 'b', 'm': 'a'}
        with stage.transaction():
            stage.schedule.change(task, key=None)
        assert stage.held() == {'l': 'b'}

    def test_its_key_is_set_by_itself_while_it_waits(self, stage):
        # Nobody has asked the schedule.
        task = stage.add('a', key='k', recurrence=Every(HOUR))
        with stage.transaction():
            task.key = 'other'
            assert stage.schedule.keys.get('k') is task
        stage.process()
        with stage.transaction():
            assert list(stage.schedule.keys) == ['k']
            stage.schedule.unschedule(task)
        assert stage.over()

    def test_handed_back_it_holds_its_key_again(self, stage):
        def interrupted(task):
            raise KeyboardInterrupt

        stage.add('a', minutes=1, call=interrupted)
        stage.add('b', key='k')
        with pytest.raises(KeyboardInterrupt):
            stage.process()
        assert stage.held() == {'k': 'b'}

    def test_paused_it_holds_its_key(self, stage):
        task = stage.add('a', key='k')
        with stage.transaction():
            stage.schedule.pause(task)
        stage.process()
        assert stage.held() == {'k': 'a'}

    @pytest.mark.parametrize('crashes', range(1, 5))
    def test_crashed_it_holds_its_key_again_and_in_the_end_is_parked(
            self, stage, crashes):
        stage.add('a', key='k')
        stage.add('b', key='l', call=fails)
        for _ in range(crashes):
            stage.crash()
        stage.process()
        assert stage.over()
        seen = stage.look()
        assert seen.effects == (['a'] if crashes < 3 else [])

    def test_crashed_it_finds_its_key_held_and_waits_without_it(self, stage):
        stage.add('a', key='k')
        stage.leave_behind()
        stage.add('b', key='k')
        assert stage.held() == {'k': 'b'}
        # One a pass, since they have one key.
        tally = stage.process()
        assert (tally.succeeded, tally.left) == (1, 1)
        assert stage.process().succeeded == 1
        assert sorted(stage.look().effects) == ['a', 'b']
        assert stage.over()


# -- A task that comes back and finds its key held


@pytest.mark.storages('FileStorage', 'ZEO')
class TestComingBack:

    @staticmethod
    def replaced(stage, then=None):
        """While it runs, one of the same key is scheduled."""
        def run(task):
            calls.pop('a')
            stage.on('schedule', stage.make('b', key='k', minutes=-5))
            return then and then(task)
        return run

    def test_to_be_tried_again_it_waits_without_it(self, stage):
        stage.add('a', key='k', retry=RETRY, call=self.replaced(stage, fails))
        assert stage.process().retried == 1
        assert stage.held() == {'k': 'b'}
        assert sorted(stage.look().waiting) == ['a', 'b']
        stage.process(5)
        stage.process(5)
        assert sorted(stage.look().effects) == ['a', 'b']
        assert stage.over()

    def test_returned_by_itself_it_waits_without_it(self, stage):
        stage.add('a', key='k', call=self.replaced(stage, lambda task: task))
        assert stage.process().retried == 1
        assert stage.held() == {'k': 'b'}
        assert sorted(stage.look().waiting) == ['a', 'b']

    def test_unscheduled_it_leaves_the_key_to_the_other(self, stage):
        task = lose_key(stage)
        stage.on('unschedule', task)
        assert stage.held() == {'k': 'holder'}
        stage.on('unschedule', stage.schedule.keys.get('k'))
        assert stage.over()

    def test_it_does_not_take_the_key_when_that_is_free(self, stage):
        lose_key(stage)
        stage.on('unschedule', stage.schedule.keys.get('k'))
        assert stage.held() == {}
        assert stage.look().waiting == ['lost']
        # But it is its key when it comes back again.
        calls['lost'] = fails
        stage.process(1)
        assert stage.held() == {'k': 'lost'}

    def test_moved_it_takes_its_key_if_that_is_free(self, stage):
        task = lose_key(stage)
        with stage.transaction():
            stage.schedule.run_now(task)
        assert stage.held() == {'k': 'holder'}
        stage.on('unschedule', stage.schedule.keys.get('k'))
        with stage.transaction():
            stage.schedule.run_now(task)
        assert stage.held() == {'k': 'lost'}

    @pytest.mark.parametrize('then', [None, fails], ids=['succeeds', 'fails'])
    def test_it_would_only_go_on_in_its_series_and_is_superseded(
            self, stage, then):
        task = stage.add('a', key='k', recurrence=Every(HOUR),
                         call=self.replaced(stage, then))
        stage.process()
        assert stage.held() == {'k': 'b'}
        seen = stage.look()
        assert seen.waiting == ['b']
        assert seen.outcomes[-1] == ('a', 'cancelled')
        with stage.transaction():
            assert task not in stage.schedule
            outcome = next(stage.schedule.history.select(task, 'cancelled'))
            assert 'its key is held by task' in outcome.error
            # Nobody hides that it has failed.
            assert len(stage.schedule.parked) == (then is not None)
        stage.process(5)
        assert stage.over()

    def test_it_repeats_by_itself_and_is_superseded(self, stage):
        def again(task):
            task.time += HOUR
            return task

        stage.add('a', key='k', call=self.replaced(stage), next=again)
        stage.process()
        assert stage.look().waiting == ['b']
        assert stage.look().outcomes[-1] == ('a', 'cancelled')

    def test_without_a_history_it_is_superseded_all_the_same(self, stage):
        with stage.transaction():
            stage.schedule.history.keep = 0
        stage.add('a', key='k', recurrence=Every(HOUR),
                  call=self.replaced(stage))
        stage.process()
        assert stage.held() == {'k': 'b'}
        assert stage.look().outcomes == []

    def test_superseded_it_still_runs_as_it_was_asked_to(self, stage):
        def ask(task):
            stage.on('run_now', task)

        stage.add('a', key='k', recurrence=Every(HOUR),
                  call=self.replaced(stage, ask))
        stage.process()
        assert sorted(stage.look().waiting) == ['a', 'b']
        stage.process(5)
        stage.process(5)
        assert sorted(stage.look().effects) == ['a', 'a', 'b']
        assert stage.over()

    def test_the_unparked_occurrence_of_a_superseded_series_needs_the_key(
            self, stage):
        self.test_it_would_only_go_on_in_its_series_and_is_superseded(
            stage, fails)
        stage.add('c', key='k', minutes=-9)
        with stage.transaction():
            entry, = stage.schedule.parked
            with pytest.raises(AlreadyScheduled):
                stage.schedule.unpark(entry)
            stage.schedule.unschedule(stage.schedule.keys.get('k'))
            stage.schedule.unpark(entry)
        assert stage.held() == {'k': 'a'}
        stage.process()
        assert stage.over()

    def test_a_run_that_schedules_its_own_key_is_superseded(self, stage):
        def other(task):
            kept = stage.schedule.schedule(
                stage.make('b', key='k', minutes=-5), duplicate='keep')
            assert kept.description == 'b'

        stage.add('a', key='k', recurrence=Every(HOUR), call=other)
        stage.process()
        assert stage.held() == {'k': 'b'}
        assert stage.look().waiting == ['b']


# -- Never at once


def lost_and_holder(stage):
    """Two tasks of one key that are due; the names of those that run."""
    stage.add('a', key='k', retry=RETRY, call=TestComingBack.replaced(
        stage, fails))
    stage.process()
    assert stage.held() == {'k': 'b'}
    stage.now += 9 * MINUTE
    stage.clock.advance(9 * MINUTE)


@pytest.mark.storages('FileStorage', 'ZEO')
class TestNeverAtOnce:

    def test_one_pass_takes_one_of_them(self, stage):
        lost_and_holder(stage)
        for left in 1, 0:
            tally = stage.process()
            assert (tally.succeeded, tally.left) == (1, left)
            stage.held()
        assert sorted(stage.look().effects) == ['a', 'b']
        assert stage.over()

    def test_it_takes_one_of_them_also_a_task_at_a_time(
            self, stage, monkeypatch):
        monkeypatch.setattr(processing, 'PORTION', 1)
        lost_and_holder(stage)
        stage.add('c')
        while stage.look().waiting:
            stage.process()
            stage.held()
        assert sorted(stage.look().effects) == ['a', 'b', 'c']
        assert stage.over()

    def test_another_pass_leaves_the_other_while_one_runs(self, stage):
        def meanwhile(task):
            calls.clear()
            assert stage.on('process', stage.now).left == 1
            assert stage.busy() == ['k']

        lost_and_holder(stage)
        for name in 'ab':
            calls[name] = lambda task: stage._watch(meanwhile, task)
        assert stage.process().succeeded == 1
        assert stage.process().succeeded == 1
        assert stage.over()

    def test_nor_does_another_pass_run_a_new_one(self, stage):
        def meanwhile(task):
            stage.on('schedule', stage.make('b', key='k', minutes=1))
            assert stage.on('process', stage.now).left == 1

        stage.add('a', key='k', call=meanwhile)
        assert stage.process().succeeded == 1
        assert stage.process().succeeded == 1
        assert stage.look().effects == ['a', 'b']
        assert stage.over()

    def test_two_turns_that_take_one_each_conflict(self, stage):
        lost_and_holder(stage)
        schedules = [
            stage.database.schedule(), stage.database.client().schedule()]
        for name, schedule in zip('ba', schedules, strict=True):
            claim = schedule.claims[name] = Claim('', this())
            turn.exchange(
                schedule, claim, 1, None, stage.now,
                lambda instant, task, name=name: task.description == name)
            assert len(list(claim.held())) == 1
        assert [try_to_commit(schedule) for schedule in schedules] == [
            True, False]
        turn.withdraw(
            schedules[0], 'b', schedules[0].claims['b'], stage.now)
        commit(schedules[0])

    def test_collecting_a_cancelled_one_frees_no_key_with_which_it_is_held(
            self, stage):
        def take(name):
            claim = stage.schedule.claims.setdefault(name, Claim('', this()))
            turn.exchange(stage.schedule, claim, 1, None, stage.now,
                          lambda instant, task: True)

        task = stage.add('a', key='k')
        with stage.transaction():
            take('first')
        with stage.transaction():
            stage.schedule.unschedule(task)
            task.key = 'l'
            stage.schedule.schedule(task)
        with stage.transaction():
            take('second')
        with stage.transaction():
            take('first')
        assert stage.busy() == ['l']
        with stage.transaction():
            for name in 'first', 'second':
                turn.withdraw(stage.schedule, name,
                              stage.schedule.claims[name], stage.now)
        assert stage.busy() == []
        assert stage.held() == {'l': 'a'}
        stage.process()
        assert stage.over()

class Marking(Note):
    """Marks in a file when it begins and ends; hands its key on, comes back.
    """

    generations = 0

    def __init__(self, key, path, generations):
        super().__init__()
        self.key = key
        self.path = path
        self.generations = generations

    def __call__(self):
        super().__call__()
        self.mark('begins')
        try:
            time.sleep(.005)
            if self.runs == 1 and self.generations:
                self._p_jar.root()['schedule'].schedule(
                    Marking(self.key, self.path, self.generations - 1),
                    duplicate='keep')
                return self
        finally:
            self.mark('ends')

    def mark(self, what):
        with open(self.path, 'a') as marks:
            marks.write(f'{self.key} {what}\n')


def exhaust(schedule):
    """Process until nothing is left."""
    end = time.monotonic() + PATIENCE
    while any(schedule) or schedule.claims:
        assert time.monotonic() < end
        schedule.process(NOON)
        begin(schedule)
        check(schedule)


def exhaust_as_told(uri):
    """Process when told to, in a process of its own."""
    client = Client(uri)
    schedule = client.schedule()
    print('ready', flush=True)
    sys.stdin.readline()
    exhaust(schedule)
    client.close()
    print('done', flush=True)


class TestAtTheSameTime:
    """Two of one key never run at once, whoever processes."""

    KEYS = 'abc'
    GENERATIONS = 6

    @pytest.fixture
    def marks(self, database, tmp_path):
        """Tasks that multiply; and then, when each began and ended."""
        path = tmp_path / 'marks'
        schedule = prepare(database, *(
            Marking(key, str(path), self.GENERATIONS) for key in self.KEYS))
        begin(schedule)
        yield
        check_empty(database.schedule())
        marks = [line.split() for line in path.read_text().splitlines()]
        for key in self.KEYS:
            mine = [what for of, what in marks if of == key]
            assert len(mine) // 2 >= 2 * self.GENERATIONS + 1
            assert mine == ['begins', 'ends'] * (len(mine) // 2)

    @pytest.mark.slow
    @pytest.mark.storages('FileStorage', 'ZEO')
    def test_in_threads(self, database, marks):
        schedules = [database.schedule() for _ in range(3)]
        threads = [threading.Thread(target=exhaust, args=(schedule,))
                   for schedule in schedules]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @pytest.mark.storages('ZEO', 'PostgreSQL')
    def test_in_processes(self, database, marks, child):
        processes = [
            child('test_keys.exhaust_as_told', database.uri())
            for _ in range(3)]
        for process in processes:
            assert process.line() == 'ready'
        for process in processes:
            process.tell()
        for process in processes:
            assert process.line() == 'done'
            assert process.wait() == ('', 0)

    @pytest.mark.storages('FileStorage')
    def test_without_looking_whether_a_key_is_busy_they_do(
            self, database, tmp_path, monkeypatch):
        monkeypatch.setattr(
            Pass, '_key_is_free', lambda self, oid: True)
        schedule = prepare(database, *(
            Note(name) for name in ('a', 'b')))
        seen = []
        first, second = schedule
        schedule.keys.acquire(first, 'k')
        schedule.keys.acquire(second, 'k')
        commit(schedule)
        monkeypatch.setattr(Note, '__call__', lambda task: seen.append(
            [slot.oid for slot in next(iter(
                database.schedule().claims.values())).held()]))
        schedule.process(NOON)
        assert len(seen[0]) == 2
