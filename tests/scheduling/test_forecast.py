"""What would run, and when, without running it."""

import tracemalloc
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import islice

import pytest
import sample_thirdparty
import transaction
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from sample_tasks import Fading
from sample_tasks import gone

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import InvalidTime
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import current_run
from zodbschedule.testing import run_until


BEGIN = datetime(2003, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Doing(Task):

    fails = False

    def __call__(self):
        if self.fails:
            raise ValueError('it fails')


class Repeating(Doing):
    """Repeats by hand."""

    def schedule(self):
        self.time += HOUR
        return self


@pytest.fixture
def add(schedule, clock):
    def add(*args, cls=Doing, **options):
        task = schedule.schedule(cls(*args, **options))
        transaction.commit()
        return task

    return add


def told(schedule, until, **options):
    """When, and which, as far as it goes."""
    return [(one.time - BEGIN, one.task.description, one.note)
            for one in schedule.forecast(until, **options)]


def test_nothing_comes_of_nothing(schedule, clock):
    assert list(schedule.forecast(BEGIN + DAY)) == []


def test_what_waits_is_told_in_order(schedule, add):
    for hours in (3, 1, 2):
        add(BEGIN + hours * HOUR, description=f'{hours}')
    assert told(schedule, BEGIN + 2 * HOUR) == [
        (HOUR, '1', None), (2 * HOUR, '2', None)]


def test_a_series_is_told_through_its_recurrence(schedule, add):
    add(recurrence=Every(HOUR), description='a')
    add(recurrence=Every(90 * MINUTE), description='b')
    add(BEGIN + 2 * HOUR, description='c')
    assert [(time / HOUR, name)
            for time, name, _ in told(schedule, BEGIN + 3 * HOUR)] == [
        (1, 'a'), (1.5, 'b'), (2, 'c'), (2, 'a'), (3, 'b'), (3, 'a')]


def test_a_series_ends_with_its_rule(schedule, add):
    add(recurrence=RRule('FREQ=HOURLY;COUNT=3', BEGIN))
    assert len(told(schedule, BEGIN + DAY)) == 2


def test_what_is_due_runs_now(schedule, add):
    add(recurrence=Every(HOUR), description='a')
    now = BEGIN + 150 * MINUTE
    assert [(one.time - BEGIN, one.occurrence - BEGIN)
            for one in schedule.forecast(BEGIN + 4 * HOUR, now)] == [
        (150 * MINUTE, HOUR), (3 * HOUR, 3 * HOUR), (4 * HOUR, 4 * HOUR)]


def test_all_that_were_missed_are_told(schedule, add):
    add(recurrence=Every(HOUR), missed='all')
    now = BEGIN + 150 * MINUTE
    assert [(one.time - BEGIN, one.occurrence - BEGIN)
            for one in schedule.forecast(BEGIN + 3 * HOUR, now)] == [
        (150 * MINUTE, HOUR), (150 * MINUTE, 2 * HOUR), (3 * HOUR, 3 * HOUR)]


def test_a_spread_is_told(schedule, add):
    schedule.spread = HOUR
    task = add(recurrence=Cron('0 3 * * *', 'UTC'))
    delay = task.time - (BEGIN + 3 * HOUR)
    assert [(one.time - one.occurrence)
            for one in schedule.forecast(BEGIN + 3 * DAY)] == [delay] * 3


def test_a_gap_and_a_fold_are_noted(schedule, add, clock):
    clock.set(datetime(2026, 3, 28, 12, tzinfo=UTC))
    add(recurrence=Cron('30 2 * * *', 'Europe/Berlin'))
    found = list(schedule.forecast(datetime(2026, 3, 31, tzinfo=UTC)))
    assert [one.note is None for one in found] == [False, True]
    assert '02:30' in found[0].note


def test_a_retry_says_which_attempt_it_is(schedule, add):
    task = add(BEGIN, retry=Retry(3, delay=MINUTE, jitter=0))
    task.fails = True
    transaction.commit()
    run_until(schedule, BEGIN)
    assert told(schedule, BEGIN + HOUR) == [
        (MINUTE, task.description, 'attempt 2')]


def test_what_would_expire_says_so(schedule, add):
    add(BEGIN, expires=MINUTE)
    assert told(schedule, BEGIN + HOUR)[0][2] is None
    [(_, _, note)] = told(schedule, BEGIN + HOUR, now=BEGIN + HOUR)
    assert note.startswith('would expire')


def test_a_run_that_was_asked_for_comes_before_the_series_goes_on(
        schedule, add, clock):
    task = add(recurrence=Every(HOUR))
    clock.advance(10 * MINUTE)
    schedule.run_now(task)
    assert [time for time, *_ in told(schedule, BEGIN + 2 * HOUR)] == [
        10 * MINUTE, HOUR, 2 * HOUR]


def test_so_does_the_last_one_of_a_series(schedule, add):
    task = add(recurrence=RRule('FREQ=HOURLY;COUNT=2', BEGIN))
    task.fails = True
    transaction.commit()
    run_until(schedule, BEGIN + HOUR)
    [entry] = schedule.parked
    schedule.unpark(entry)
    assert len(told(schedule, BEGIN + DAY)) == 1


@pytest.mark.parametrize('cls', [Repeating, *sample_thirdparty.CLASSES])
def test_what_repeats_by_hand_is_told_once(schedule, clock, cls):
    schedule.schedule(
        cls(BEGIN) if cls is Repeating else cls(BEGIN, []))
    [(_, _, note)] = told(schedule, BEGIN + DAY)
    assert note == 'what comes after it, its schedule() decides'


def test_what_it_has_scheduled_is_told_then(schedule, add):
    add(BEGIN, cls=Repeating)
    run_until(schedule, BEGIN)
    assert [time for time, *_ in told(schedule, BEGIN + DAY)] == [HOUR]


def test_what_is_held_is_told(schedule, add, clock):
    seen = []

    class Looking(Doing):
        def __call__(self):
            seen.extend(told(current_run().task._p_jar.root()['schedule'],
                             BEGIN + 2 * HOUR))

    globals()['Looking'] = Looking
    Looking.__qualname__ = 'Looking'
    add(BEGIN, cls=Looking, recurrence=Every(HOUR), description='a')
    clock.set(BEGIN)
    schedule.process(BEGIN)
    assert seen == [(hours * HOUR, 'a', None) for hours in (0, 1, 2)]


def test_what_is_paused_is_left_out(schedule, add):
    task = add(BEGIN, description='a')
    add(BEGIN, description='b')
    schedule.pause(task)
    assert told(schedule, BEGIN) == [(0 * HOUR, 'b', None)]
    schedule.pause()
    assert told(schedule, BEGIN) == []


def test_what_cannot_be_loaded_is_told_all_the_same(schedule, add):
    add(BEGIN, cls=Fading, description='a', recurrence=Every(HOUR))
    with gone(schedule._p_jar.db(), 'Fading'):
        [one] = schedule.forecast(BEGIN + DAY)
    assert one.time == one.occurrence == BEGIN
    assert one.note.startswith('its class cannot be imported here')


def test_in_a_schedule_that_is_stored_nowhere_it_works_too(clock):
    schedule = Schedule()
    schedule.spread = HOUR
    schedule.schedule(Task(BEGIN, recurrence=Every(HOUR)))
    assert len(list(schedule.forecast(BEGIN + 3 * HOUR))) >= 3


def test_times_have_to_be_aware(schedule):
    for times in ((datetime(2026, 1, 1),), (BEGIN, datetime(2026, 1, 1))):
        with pytest.raises(InvalidTime):
            schedule.forecast(*times)


def test_it_runs_nothing_and_writes_nothing(schedule, add):
    add(recurrence=Every(HOUR))
    before = schedule._p_jar.db().lastTransaction()
    assert len(list(schedule.forecast(BEGIN + DAY))) == 24
    assert not schedule._p_jar._registered_objects
    transaction.commit()
    assert schedule._p_jar.db().lastTransaction() == before
    assert list(schedule.history) == []


def test_a_commit_between_two_steps_does_not_disturb_it(schedule, add):
    add(recurrence=Every(HOUR))
    steps = schedule.forecast(BEGIN + DAY)
    first = next(steps)
    schedule.schedule(Task(BEGIN + 90 * MINUTE))
    transaction.commit()
    assert first.time - BEGIN == HOUR
    assert len(list(steps)) >= 23


@pytest.mark.slow
def test_thirty_thousand_steps_keep_little(schedule, add):
    for number in range(10):
        add(recurrence=Every(timedelta(seconds=1)))
    steps = schedule.forecast(BEGIN + DAY)
    next(steps)
    tracemalloc.start()
    for _ in islice(steps, 10_000):
        pass
    early, _ = tracemalloc.get_traced_memory()
    for _ in islice(steps, 20_000):
        pass
    late, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert late - early < 20_000


@settings(max_examples=12, deadline=None, derandomize=True,
          suppress_health_check=list(HealthCheck))
@given(periods=st.lists(st.integers(1, 200), min_size=1, max_size=4),
       once=st.lists(st.integers(0, 300), max_size=4))
def test_what_is_foretold_comes_true(schedule, clock, periods, once):
    now = clock.now()
    for task in list(schedule):
        schedule.unschedule(task)
    schedule.history.chunks.clear()
    for minutes in periods:
        schedule.schedule(Doing(recurrence=Every(minutes * MINUTE)))
    for minutes in once:
        schedule.schedule(Doing(now + minutes * MINUTE))
    transaction.commit()
    until = now + 300 * MINUTE
    foretold = [(one.occurrence, int.from_bytes(one.task._p_oid))
                for one in schedule.forecast(until)]
    run_until(schedule, until)
    ran = [(one.occurrence, int(one.id, 16)) for one in schedule.history]
    assert sorted(ran) == sorted(foretold)
    assert [at for at, _ in foretold] == sorted(at for at, _ in foretold)
