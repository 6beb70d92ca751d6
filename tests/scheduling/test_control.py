"""Changing what is scheduled: change, pause, resume, refresh."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import sample_thirdparty
import transaction
import zope.event
from sample_work import try_to_commit
from ZODB.POSException import ConflictError
from zope.interface.verify import verifyObject

from zodbschedule import AlreadyScheduled
from zodbschedule import CallTask
from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import InProgress
from zodbschedule import InvalidRecurrence
from zodbschedule import InvalidTask
from zodbschedule import InvalidTime
from zodbschedule import NotScheduled
from zodbschedule import NotStored
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule.interfaces import IPausedTask
from zodbschedule.interfaces import PauseChanged
from zodbschedule.outcomes import Tally
from zodbschedule.store.history import DECISIONS
from zodbschedule.store.inspection import stamp
from zodbschedule.store.inspection import task_id
from zodbschedule.testing import run_until


BEGIN = datetime(2003, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

does = {}


class Doing(Task):

    def __call__(self):
        return does.get('it', lambda task: None)(self)


@pytest.fixture
def add(schedule, clock):
    """Schedule a task, and commit."""
    does.clear()

    def add(*args, cls=Doing, **options):
        task = schedule.schedule(cls(*args, **options))
        transaction.commit()
        return task

    return add


def times(schedule):
    return [time - BEGIN for time in schedule.getTaskTimes()]


# -- change


def test_a_task_moves_to_another_time(schedule, add):
    task = add(BEGIN + HOUR)
    assert schedule.change(task, time=BEGIN + 2 * HOUR) is task
    transaction.commit()
    assert task.time == BEGIN + 2 * HOUR
    assert times(schedule) == [2 * HOUR]
    assert run_until(schedule, BEGIN + HOUR) == Tally()
    assert run_until(schedule, BEGIN + 2 * HOUR) == Tally(succeeded=1)


def test_a_series_goes_on_from_a_time_that_is_given(schedule, add):
    task = add(recurrence=Cron('0 * * * *', 'UTC'))
    schedule.change(task, time=BEGIN + 90 * MINUTE)
    transaction.commit()
    run_until(schedule, BEGIN + 90 * MINUTE)
    assert [one.occurrence - BEGIN for one in schedule.history] == [
        90 * MINUTE]
    assert task.time == BEGIN + 2 * HOUR


def test_with_a_new_recurrence_it_waits_for_its_next_occurrence(
        schedule, add, clock):
    task = add(recurrence=Every(HOUR))
    clock.advance(10 * MINUTE)
    schedule.change(task, recurrence=Every(5 * MINUTE))
    assert task.time == BEGIN + 15 * MINUTE
    assert task.recurrence == Every(5 * MINUTE, BEGIN + 15 * MINUTE)


def test_with_a_time_and_a_recurrence_the_time_comes_first(schedule, add):
    task = add(BEGIN)
    schedule.change(task, recurrence=Cron('0 * * * *', 'UTC'),
                    time=BEGIN + 3 * MINUTE)
    assert times(schedule) == [3 * MINUTE]


def test_without_its_recurrence_it_runs_once_more(schedule, add):
    task = add(recurrence=Every(HOUR))
    schedule.change(task, recurrence=None)
    transaction.commit()
    assert run_until(schedule, BEGIN + 9 * HOUR) == Tally(succeeded=1)
    assert task not in schedule


def test_a_retry_that_is_moved_begins_anew(schedule, add):
    does['it'] = lambda task: 1 / 0
    task = add(BEGIN, retry=Retry(9, delay=HOUR))
    run_until(schedule, BEGIN)
    schedule.change(task, time=BEGIN + MINUTE)
    transaction.commit()
    run_until(schedule, BEGIN + MINUTE)
    assert [(one.attempt, one.occurrence - BEGIN)
            for one in schedule.history] == [
        (1, MINUTE), (1, timedelta(0))]


@pytest.mark.parametrize('name, value', [
    ('description', 'new'), ('principalId', 'bob'), ('missed', 'all'),
    ('expires', HOUR), ('retry', Retry(2)), ('key', 'k')])
def test_other_options_leave_it_where_it_is(schedule, add, name, value):
    task = add(recurrence=Every(HOUR))
    schedule.change(task, **{name: value})
    transaction.commit()
    schedule._p_jar.cacheMinimize()
    assert getattr(task, name) == value
    assert times(schedule) == [HOUR]
    assert task in schedule


def test_a_key_can_be_given_changed_and_taken_away(schedule, add):
    task = add(BEGIN)
    for key in ('one', 'other'):
        schedule.change(task, key=key)
        assert list(schedule.keys) == [key]
        assert schedule.keys.get(key) is task
    schedule.change(task, key=None)
    assert list(schedule.keys) == []


def test_a_key_that_another_holds_is_refused(schedule, add):
    holder, task = add(BEGIN, key='k'), add(BEGIN, key='l')
    with pytest.raises(AlreadyScheduled) as error:
        schedule.change(task, key='k', description='new')
    assert error.value.task is holder
    assert (task.key, task.description) == ('l', f'{__name__}.Doing')
    assert sorted(schedule.keys) == ['k', 'l']


@pytest.mark.parametrize('options, error', [
    ({'time': datetime(2003, 4, 1)}, InvalidTime),
    ({'time': None}, InvalidTime),
    ({'missed': 'none'}, InvalidTask),
    ({'description': 5}, InvalidTask),
    ({'args': (1,)}, InvalidTask),
    ({'recurrence': 'daily'}, InvalidTask),
    ({'recurrence': Cron('0 0 1 1 *', 'UTC'), 'color': 'red'}, InvalidTask)])
def test_a_wrong_value_changes_nothing(schedule, add, options, error):
    task = add(BEGIN + HOUR)
    with pytest.raises(error):
        schedule.change(task, description='new', **options) if (
            'description' not in options) else schedule.change(
                task, **options)
    assert task.description == f'{__name__}.Doing'
    assert task.recurrence is None
    assert times(schedule) == [HOUR]


def test_a_recurrence_that_has_ended_changes_nothing(schedule, add):
    task = add(BEGIN + HOUR)
    with pytest.raises(InvalidRecurrence):
        schedule.change(task, recurrence=RRule(
            'FREQ=DAILY;COUNT=1', BEGIN - HOUR), description='new')
    assert task.recurrence is None
    assert task.description == f'{__name__}.Doing'


def test_what_is_not_there_cannot_be_changed(schedule, clock):
    for call in (lambda task: schedule.change(task, description='new'),
                 schedule.run_now, schedule.pause, schedule.resume):
        with pytest.raises(NotScheduled):
            call(Task(BEGIN))


@pytest.mark.parametrize('cls', sample_thirdparty.CLASSES)
def test_a_task_of_any_class_is_moved_if_it_takes_a_time(
        schedule, add, cls):
    task = add(BEGIN + HOUR, [], cls=cls)
    description = task.description
    try:
        schedule.change(task, time=BEGIN + 2 * HOUR)
    except InvalidTask as error:
        assert 'does not take the time' in str(error)
        assert task.time == BEGIN + HOUR
        assert times(schedule) == [HOUR]
    else:
        assert task.time == BEGIN + 2 * HOUR
        assert times(schedule) == [2 * HOUR]
    assert task.description == description
    with pytest.raises(InvalidTask, match='has no option key'):
        schedule.change(task, key='k')


def test_if_one_value_is_not_taken_none_is(schedule, add):
    class Stubborn(Doing):
        """Does not let its description be changed."""

        @property
        def description(self):
            return 'mine'

    task = Stubborn(BEGIN + HOUR, principalId='bob')
    schedule.timetable.add(BEGIN + HOUR, [task])
    stamp(task, BEGIN + HOUR)
    with pytest.raises(InvalidTask, match='does not take the description'):
        schedule.change(task, principalId='eve', description='new')
    assert task.principalId == 'bob'


def test_while_a_worker_holds_it_it_cannot_be_moved(schedule, add):
    def change(task):
        with pytest.raises(InProgress, match='held by a worker'):
            schedule.change(task, time=BEGIN + HOUR)
        with pytest.raises(InProgress):
            schedule.change(task, recurrence=Every(HOUR))
        with pytest.raises(InProgress):
            schedule.change(task, key='k')
        schedule.change(task, description='new')

    does['it'] = change
    task = add(BEGIN)
    assert schedule.process(BEGIN) == Tally(succeeded=1)
    assert task.description == 'new'


# -- run_now


def test_it_runs_at_once_and_then_as_before(schedule, add, clock):
    task = add(recurrence=Every(HOUR))
    clock.advance(10 * MINUTE)
    schedule.run_now(task)
    transaction.commit()
    assert times(schedule) == [10 * MINUTE]
    assert run_until(schedule, BEGIN + HOUR) == Tally(succeeded=2)
    assert [one.occurrence - BEGIN for one in schedule.history] == [
        HOUR, 10 * MINUTE]


def test_what_does_not_repeat_runs_earlier_and_once(schedule, add, clock):
    task = add(BEGIN + HOUR, expires=MINUTE)
    schedule.run_now(task)
    transaction.commit()
    assert run_until(schedule, BEGIN + 2 * HOUR) == Tally(succeeded=1)
    [entry] = schedule.history
    assert (entry.time - BEGIN, entry.occurrence - BEGIN) == (0 * HOUR, HOUR)
    assert task not in schedule


def test_a_retry_is_hastened_and_keeps_its_occurrence(schedule, add, clock):
    does['it'] = lambda task: 1 / 0
    task = add(BEGIN, recurrence=Every(HOUR), retry=Retry(2, delay=HOUR / 2))
    run_until(schedule, BEGIN)
    does.clear()
    clock.advance(MINUTE)
    schedule.run_now(task)
    transaction.commit()
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    newest = next(iter(schedule.history))
    assert (newest.attempt, newest.occurrence) == (2, BEGIN)
    assert task.time == BEGIN + HOUR


@pytest.mark.parametrize('cls', sample_thirdparty.CLASSES)
def test_a_task_of_any_class_runs_now_if_it_takes_a_time(
        schedule, add, clock, cls):
    task = add(BEGIN + HOUR, [], cls=cls)
    try:
        schedule.run_now(task)
    except InvalidTask as error:
        assert 'does not take the time' in str(error)
        assert times(schedule) == [HOUR]
    else:
        transaction.commit()
        assert sum(schedule.process(clock.now())) == 1


# -- pause and resume


def test_a_paused_task_keeps_its_place_and_does_not_run(
        schedule, add, clock):
    task = add(BEGIN)
    add(BEGIN)
    schedule.pause(task)
    transaction.commit()
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    assert list(schedule) == [task]
    assert times(schedule) == [0 * HOUR]
    schedule.resume(task)
    transaction.commit()
    assert schedule.process(clock.now()) == Tally(succeeded=1)


def test_a_paused_schedule_runs_nothing(schedule, add, clock):
    add(BEGIN)
    schedule.pause()
    transaction.commit()
    before = schedule._p_jar.db().lastTransaction()
    assert schedule.process(clock.now()) == Tally()
    assert schedule._p_jar.db().lastTransaction() == before
    schedule.resume()
    transaction.commit()
    assert schedule.process(clock.now()) == Tally(succeeded=1)


def test_when_it_is_resumed_what_was_missed_is_run_as_it_says(
        schedule, add, clock):
    add(recurrence=Every(HOUR))
    schedule.pause()
    transaction.commit()
    run_until(schedule, BEGIN + 5 * HOUR)
    schedule.resume()
    transaction.commit()
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    assert next(iter(schedule.history)).passed == 4


def test_who_when_and_why_are_on_record(schedule, add, clock):
    task = add(BEGIN + HOUR, description='backup')
    schedule.pause(task, reason='the disk is full', by='bob')
    clock.advance(MINUTE)
    transaction.get().setUser('alice', path='')
    schedule.pause(reason='release')
    transaction.commit()
    assert schedule.paused(task) == (BEGIN, 'bob', 'the disk is full')
    assert schedule.paused() == (BEGIN + MINUTE, 'alice', 'release')
    schedule.resume(task, by='carol')
    schedule.resume()
    transaction.commit()
    assert schedule.paused(task) is schedule.paused() is None
    on_record = [(one.outcome, one.id, one.principalId, one.error,
                  one.ended - BEGIN) for one in schedule.history]
    id = f'{int.from_bytes(task._p_oid):x}'
    assert sorted(on_record, key=str) == sorted([
        ('paused', id, 'bob', 'the disk is full', 0 * MINUTE),
        ('paused', '0', 'alice', 'release', MINUTE),
        ('resumed', id, 'carol', None, MINUTE),
        ('resumed', '0', None, None, MINUTE)], key=str)
    assert [one.description for one in schedule.history.select(task)] == [
        'backup', 'backup']


def fail(task):
    raise ValueError('it fails')


def decide(schedule, task, now, **by):
    """Change *task*, let it run, fail and be unparked, and so on."""
    schedule.change(task, description='nightly', expires=HOUR, **by)
    schedule.run_now(task, **by)
    transaction.commit()
    schedule.process(now)
    schedule.unpark(next(iter(schedule.parked)), **by)
    transaction.commit()
    schedule.process(now)
    schedule.discard(next(iter(schedule.parked)), **by)
    schedule.unschedule(task, **by)
    transaction.commit()


def decisions(schedule, task):
    return sorted(
        (one.outcome, one.principalId, one.error)
        for one in schedule.history.select(task)
        if one.outcome in DECISIONS.values())


def test_each_decision_is_on_record(schedule, add, clock):
    task = add(BEGIN + HOUR, recurrence=Every(DAY))
    does['it'] = fail
    decide(schedule, task, clock.now(), by='zoe', reason='it was late')
    assert decisions(schedule, task) == [
        ('changed', 'zoe', 'description, expires: it was late'),
        ('discarded', 'zoe', 'it was late'),
        ('requested', 'zoe', 'it was late'),
        ('unparked', 'zoe', 'it was late'),
        ('unscheduled', 'zoe', 'it was late')]


def test_a_decision_is_that_of_the_user_of_the_transaction(schedule, add):
    task = add(BEGIN + HOUR)
    transaction.get().setUser('alice', path='')
    schedule.change(task, description='nightly')
    schedule.unschedule(task)
    transaction.commit()
    assert decisions(schedule, task) == [
        ('changed', 'alice', 'description'), ('unscheduled', 'alice', None)]


def test_what_nobody_has_decided_is_not_on_record(schedule, add, clock):
    task = add(BEGIN + HOUR, recurrence=Every(DAY))
    does['it'] = fail
    decide(schedule, task, clock.now())
    assert decisions(schedule, task) == []


def test_an_occurrence_that_is_discarded_is_on_record(
        schedule, add, clock):
    task = add(BEGIN, recurrence=Every(DAY))
    does['it'] = fail
    schedule.process(clock.now())
    schedule.discard(next(iter(schedule.parked)), by='zoe')
    transaction.commit()
    one = next(schedule.history.select(task, 'discarded'))
    assert one.occurrence == BEGIN


def test_a_decision_about_what_was_never_stored_is_not_on_record(schedule):
    fresh = Schedule()
    task = fresh.schedule(Doing(BEGIN))
    fresh.unschedule(task, by='zoe')
    assert list(fresh.history) == []


def test_a_second_pause_changes_the_reason_only(schedule, add, clock):
    schedule.pause(reason='one', by='bob')
    clock.advance(MINUTE)
    schedule.pause(reason='two', by='alice')
    assert schedule.paused() == (BEGIN, 'alice', 'two')


def test_resuming_what_is_not_paused_does_nothing(schedule, add):
    task = add(BEGIN)
    schedule.resume(task)
    schedule.resume()
    assert list(schedule.history) == []
    assert not schedule._p_jar._registered_objects


def test_without_a_history_nothing_is_recorded(schedule, add):
    schedule.history.keep = 0
    schedule.pause()
    schedule.resume()
    assert list(schedule.history) == []


def test_pausing_is_told_after_the_commit(schedule, add):
    task = add(BEGIN)
    id = f'{int.from_bytes(task._p_oid):x}'
    told = []
    zope.event.subscribers.append(told.append)
    try:
        schedule.pause(task, reason='why', by='bob')
        assert told == []
        transaction.commit()
        schedule.pause()
        transaction.abort()
        schedule.resume(task)
        transaction.commit()
    finally:
        zope.event.subscribers.remove(told.append)
    origin = task_id(schedule), None
    assert told == [PauseChanged(id, True, 'bob', 'why', *origin),
                    PauseChanged(id, False, None, '', *origin)]


def test_a_pause_that_conflicts_is_not_told(schedule, add):
    add(BEGIN)
    told = []

    zope.event.subscribers.append(told.append)
    try:
        schedule.pause(by='slow')
        manager = transaction.TransactionManager(explicit=True)
        with manager:
            connection = schedule._p_jar.db().open(manager)
            connection.root()['schedule'].pause(by='quick')
        connection.close()
        with pytest.raises(ConflictError):
            transaction.commit()
    finally:
        zope.event.subscribers.remove(told.append)
        transaction.abort()
    assert [event.by for event in told] == ['quick']


def test_what_runs_goes_on_and_what_has_not_begun_does_not(
        schedule, add, clock):
    def pause_all(task):
        manager = transaction.TransactionManager(explicit=True)
        with manager:
            connection = schedule._p_jar.db().open(manager)
            connection.root()['schedule'].pause()
        connection.close()

    does['it'] = pause_all
    add(BEGIN)
    second = add(BEGIN + timedelta(microseconds=1))
    clock.advance(MINUTE)
    assert schedule.process(clock.now()) == Tally(succeeded=1, left=1)
    assert list(schedule) == [second]
    assert not schedule.claims


def test_a_task_that_is_paused_while_it_is_claimed_does_not_begin(
        schedule, add, clock):
    def pause_other(task):
        manager = transaction.TransactionManager(explicit=True)
        with manager:
            connection = schedule._p_jar.db().open(manager)
            other = connection.root()['schedule']
            other.pause(connection.get(second._p_oid))
        connection.close()

    does['it'] = pause_other
    add(BEGIN)
    second = add(BEGIN + timedelta(microseconds=1))
    clock.advance(MINUTE)
    assert schedule.process(clock.now()) == Tally(succeeded=1, left=1)
    assert list(schedule) == [second]


def paused_elsewhere(schedule, task):
    manager = transaction.TransactionManager(explicit=True)
    with manager:
        connection = schedule._p_jar.db().open(manager)
        other = connection.root()['schedule']
        other.pause(connection.get(task._p_oid))
    connection.close()


def test_the_pause_of_a_task_ends_with_its_run(schedule, add, clock):
    does['it'] = lambda task: paused_elsewhere(schedule, task)
    task = add(BEGIN)
    clock.advance(MINUTE)
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    assert schedule.paused(task) is None
    assert not schedule.pauses.entries


def test_the_pause_of_a_task_lasts_while_it_is_parked(schedule, add, clock):
    def fail(task):
        paused_elsewhere(schedule, task)
        raise ValueError

    does['it'] = fail
    task = add(BEGIN)
    clock.advance(MINUTE)
    assert schedule.process(clock.now()) == Tally(failed=1)
    assert schedule.paused(task) is not None


def test_the_pause_of_a_task_ends_with_it(schedule, add):
    task = add(BEGIN)
    schedule.pause(task)
    schedule.unschedule(task)
    schedule.schedule(task)
    assert schedule.paused(task) is None


def test_unscheduling_a_new_task_leaves_the_pause_of_the_schedule(
        schedule, add):
    schedule.pause()
    task = schedule.schedule(Task(BEGIN))
    assert schedule.paused(task) is None
    schedule.unschedule(task)
    assert schedule.paused() is not None


def test_a_new_task_can_be_paused_before_its_commit(schedule, add, clock):
    task = schedule.schedule(Doing(BEGIN))
    schedule.pause(task)
    transaction.commit()
    assert schedule.paused(task)
    assert schedule.process(clock.now()) == Tally()


def test_in_a_schedule_that_is_stored_nowhere_no_task_can_be_paused(clock):
    schedule = Schedule()
    task = schedule.schedule(Task(BEGIN))
    with pytest.raises(NotStored, match='put the schedule into a database'):
        schedule.pause(task)
    schedule.pause(reason='not yet')
    assert schedule.paused().reason == 'not yet'


def test_what_is_paused_is_listed_by_id_page_by_page(schedule, add, clock):
    assert list(schedule.paused_tasks()) == []
    tasks = [add(BEGIN + number * HOUR) for number in range(3)]
    for task in tasks:
        schedule.pause(task, by='edi', reason='why')
    schedule.pause(by='man')
    transaction.commit()
    first, *others = schedule.paused_tasks()
    assert verifyObject(IPausedTask, first)
    assert first == (task_id(tasks[0]), tasks[0], BEGIN, 'edi', 'why')
    schedule.resume(first.task)
    assert list(schedule.paused_tasks(first.id)) == others
    assert [paused.task for paused in others] == tasks[1:]
    with pytest.raises(ValueError):
        schedule.paused_tasks('no id')


def test_what_is_paused_cannot_be_run_now(schedule, add):
    task = add(BEGIN)
    schedule.pause(task)
    with pytest.raises(InvalidTask, match='is paused'):
        schedule.run_now(task)
    schedule.resume(task)
    schedule.pause()
    with pytest.raises(InvalidTask, match='or its schedule is'):
        schedule.run_now(task)


def test_a_paused_task_is_not_overdue(schedule, add, clock):
    task = add(BEGIN)
    add(BEGIN + 2 * MINUTE)
    clock.advance(5 * MINUTE)
    assert schedule.overdue(clock.now()) == 5 * MINUTE
    schedule.pause(task)
    assert schedule.overdue(clock.now()) == 3 * MINUTE
    schedule.pause()
    assert schedule.overdue(clock.now()) == 3 * MINUTE


@pytest.mark.storages('FileStorage', 'ZEO')
@pytest.mark.parametrize('first', ['one first', 'other first'])
def test_two_that_pause_different_tasks_merge(database, first):
    schedule = database.schedule()
    tasks = [schedule.schedule(Task(BEGIN)) for _ in range(3)]
    schedule.pause(tasks[2])
    schedule._p_jar.transaction_manager.commit()
    pair = [database.schedule(), database.client().schedule()]
    for one, task in zip(pair, tasks, strict=False):
        one.pause(one._p_jar.get(task._p_oid))
    if first == 'other first':
        pair.reverse()
    assert [try_to_commit(one) for one in pair] == [True, True]


# -- refresh


class Shifted(Every):
    """A rule whose zone gets another offset."""

    shift = timedelta(0)

    def next_after(self, moment):
        return super().next_after(moment - Shifted.shift) + Shifted.shift

    def anchored(self, first):
        return Shifted(self.period, BEGIN)


@pytest.fixture
def shifted():
    yield lambda: Shifted(HOUR, BEGIN)
    Shifted.shift = timedelta(0)


def test_occurrences_move_with_the_zone(schedule, add, shifted):
    task = add(recurrence=shifted())
    fixed = add(recurrence=Every(HOUR))
    Shifted.shift = 20 * MINUTE
    assert schedule.refresh() == [
        (task, BEGIN + HOUR, BEGIN + 20 * MINUTE)]
    assert schedule.refresh() == []
    transaction.commit()
    assert task.time == BEGIN + 20 * MINUTE
    assert fixed.time == BEGIN + HOUR
    run_until(schedule, BEGIN + 2 * HOUR)
    assert [one.occurrence - BEGIN
            for one in schedule.history.select(task)] == [
        80 * MINUTE, 20 * MINUTE]


def test_what_was_given_a_time_is_not_moved(schedule, add, shifted):
    task = add(BEGIN + HOUR, recurrence=shifted())
    Shifted.shift = 20 * MINUTE
    assert schedule.refresh() == []
    assert task.time == BEGIN + HOUR


def test_what_is_to_be_tried_again_is_not_moved(schedule, add, shifted):
    does['it'] = lambda task: 1 / 0
    add(recurrence=shifted(), retry=Retry(3, delay=MINUTE))
    run_until(schedule, BEGIN + HOUR)
    Shifted.shift = 20 * MINUTE
    assert schedule.refresh() == []


def test_what_is_to_run_now_is_not_moved(schedule, add, shifted):
    task = add(recurrence=shifted())
    schedule.run_now(task)
    Shifted.shift = 20 * MINUTE
    assert schedule.refresh() == []


def test_others_tasks_are_passed_over(schedule, clock):
    for cls in sample_thirdparty.CLASSES:
        schedule.schedule(cls(BEGIN, []))
    schedule.schedule(CallTask(print, time=BEGIN))
    assert schedule.refresh() == []


def test_a_spread_is_kept(schedule, add, shifted):
    schedule.spread = MINUTE
    task = add(recurrence=shifted())
    delay = task.time - (BEGIN + HOUR)
    Shifted.shift = 20 * MINUTE
    schedule.refresh()
    assert task.time == BEGIN + 20 * MINUTE + delay
