"""Keys: one waiting task holds one, and none runs beside another."""

import sys
import threading
from datetime import timedelta
from enum import StrEnum

import pytest
import transaction
from databases import Client
from places import check
from places import check_empty
from sample_tasks import MINUTE
from sample_tasks import Doing
from sample_tasks import Stage
from sample_tasks import calls
from sample_tasks import gone
from sample_tasks import nexts
from sample_work import NOON
from sample_work import Note
from sample_work import at
from sample_work import begin
from sample_work import commit
from ZODB.utils import u64

from zodbschedule import CallTask
from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import turn
from zodbschedule.claim import Claim
from zodbschedule.incarnation import this
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import NotScheduled


HOUR = timedelta(hours=1)

RETRY = Retry(5, MINUTE, jitter=0)


@pytest.fixture
def stage(database, clock):
    """A stage that can be looked at from another connection, in any state."""
    manager = transaction.TransactionManager(explicit=True)
    stage = Stage(database.db, manager, clock)
    stage.database = database
    yield stage
    stage.close()
    check(database.schedule())


def held(stage):
    """Who holds which key, as it is committed; all is checked."""
    schedule = stage.database.schedule()
    check(schedule)
    return {key: schedule.keys.get(key).description for key in schedule.keys}


def busy(stage):
    """Which keys belong to tasks in claims."""
    return list(stage.database.schedule().keys.busy)


def over(stage):
    """Whether nothing is left over."""
    check_empty(stage.database.schedule())
    return True


def fails(task):
    raise ValueError('no')


def on(stage, function, *args, **options):
    """Do something with the schedule, through another connection."""
    schedule = stage.database.schedule()
    result = getattr(schedule, function)(*args, **options)
    commit(schedule)
    return result


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
        assert held(stage) == {'k': 'first'}

    def test_kept_the_first_is_returned_and_nothing_is_written(self, stage):
        first = stage.add('first', key='k', minutes=-5)
        before = stage.tid()
        with stage.transaction():
            kept = stage.schedule.schedule(
                stage.make('second', key='k'), duplicate='keep')
        assert kept is first
        assert stage.tid() == before
        assert held(stage) == {'k': 'first'}

    def test_replaced_the_second_stands_alone(self, stage):
        stage.add('first', key='k')
        with stage.transaction():
            second = stage.make('second', key='k')
            assert stage.schedule.schedule(
                second, duplicate='replace') is second
        assert held(stage) == {'k': 'second'}
        assert stage.look().waiting == ['second']
        stage.process()
        assert stage.look().effects == ['second']
        assert over(stage)

    @pytest.mark.parametrize('duplicate', ['refuse', 'keep', 'replace'])
    def test_none_of_them_matters_if_the_key_is_free(self, stage, duplicate):
        stage.add('first', key='k', minutes=-5)
        with stage.transaction():
            stage.schedule.schedule(
                stage.make('other', key='l'), duplicate=duplicate)
            stage.schedule.schedule(stage.make('none'), duplicate=duplicate)
        assert held(stage) == {'k': 'first', 'l': 'other'}

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

    def test_a_replacement_that_is_refused_replaces_nothing(self, stage):
        first = stage.add('first', key='k', minutes=-5)
        bad = stage.make('bad', key='k')
        bad.expires = 'soon'
        with stage.transaction():
            with pytest.raises(InvalidTask, match='expires'):
                stage.schedule.schedule(bad, duplicate='replace')
            assert first in stage.schedule
        assert held(stage) == {'k': 'first'}

    def test_a_task_that_waits_without_its_key_replaces_nobody(self, stage):
        lost = lose_key(stage)
        with stage.transaction():
            with pytest.raises(AlreadyScheduled):
                stage.schedule.schedule(lost, duplicate='replace')
        assert held(stage) == {'k': 'holder'}
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
        assert over(stage)

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
        assert held(stage) == {'nightly': 'a'}
        with stage.transaction():
            keys = stage.schedule.keys
            assert Names.NIGHTLY in keys
            assert keys.get(Names.NIGHTLY).description == 'a'
            assert [*map(type, keys), *map(type, keys.of.values())] == [
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
        assert over(stage)


def lose_key(stage):
    """A task that waits without its key, which another holds."""
    def replaced(task):
        calls.clear()
        on(stage, 'schedule', stage.make('holder', key='k', minutes=-5))
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
        key, = held(stage)

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
        assert held(stage) == {'k': 'bad'}

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
        assert len(held(stage)) == 1

    @pytest.mark.parametrize('other', [
        Every(2 * HOUR), Every(HOUR, NOON), Cron('0 * * * *', 'UTC'), None])
    def test_another_recurrence_replaces_it(self, stage, other):
        with stage.transaction():
            stage.schedule.schedule(SAME['an Every that is anchored'](stage))
        with stage.transaction():
            second = Doing(key='k', recurrence=other)
            assert stage.schedule.schedule(
                second, duplicate='replace') is second
        assert len(held(stage)) == 1

    @pytest.mark.parametrize('args', [['1'], [2], [1, 2], []])
    def test_other_arguments_replace_it(self, stage, args):
        with stage.transaction():
            first = stage.schedule.call(sweep, 1, key='k', delay=HOUR)
            second = stage.schedule.call(
                sweep, *args, key='k', delay=HOUR, duplicate='replace')
            assert first not in stage.schedule
            assert list(stage.schedule) == [second]
        assert len(held(stage)) == 1

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
        assert held(stage) == {'k': 'a'}

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
        assert over(stage)
