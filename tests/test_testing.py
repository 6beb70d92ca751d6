"""The testing kit, as users of the package have it."""

import os
import sys
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import transaction

from zodbschedule import Every
from zodbschedule import InvalidTime
from zodbschedule import Task
from zodbschedule import clock as the_clock
from zodbschedule import current_run
from zodbschedule import testing
from zodbschedule.outcomes import Tally
from zodbschedule.testing import SettableClock
from zodbschedule.testing import run_until


pytest_plugins = ['pytester']


NOON = datetime(2003, 4, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

# When which task ran, by the clock, and in which order.
ran = []


@pytest.fixture(autouse=True)
def _nothing_ran():
    ran.clear()


class Ticks(Task):
    """Runs each so often; counts in the database."""

    count = 0

    def __init__(self, time, step):
        super().__init__(time)
        self.step = step

    def __call__(self):
        ran.append(the_clock.now())
        self.count += 1

    def schedule(self):
        self.time += self.step
        return self


class Fails(Task):

    def __call__(self):
        raise ValueError('it fails')


class Retries(Task):
    """Asks for a retry, so many times."""

    def __init__(self, time, times):
        super().__init__(time)
        self.times = times

    def __call__(self):
        if self.times:
            self.times -= 1
            self.time += MINUTE
            return self


def scheduled(schedule, *tasks):
    for task in tasks:
        schedule.schedule(task)
    transaction.commit()
    return tasks[0]


# -- SettableClock


def test_a_settable_clock_stands_until_it_is_told_to_move():
    clock = SettableClock()
    assert clock.now() == clock.now() == datetime(2003, 4, 1, tzinfo=UTC)
    clock.advance(HOUR)
    assert clock.now() == datetime(2003, 4, 1, 1, tzinfo=UTC)
    clock.wait(90)
    assert clock.now() == datetime(2003, 4, 1, 1, 1, 30, tzinfo=UTC)
    clock.set(NOON)
    assert clock.now() == NOON
    clock.set(NOON - HOUR)
    assert clock.now() == NOON - HOUR


def test_a_settable_clock_shows_utc():
    paris = NOON.astimezone(ZoneInfo('Europe/Paris'))
    clock = SettableClock(paris)
    assert (clock.now(), clock.now().tzinfo) == (NOON, UTC)
    clock.set(paris)
    assert clock.now().tzinfo is UTC


def test_a_settable_clock_needs_aware_times():
    with pytest.raises(InvalidTime, match='^now is '):
        SettableClock(datetime(2003, 4, 1))
    with pytest.raises(InvalidTime, match='^now is '):
        SettableClock().set(datetime(2003, 4, 1))


# -- run_until


def test_repeating_tasks_run_at_each_of_their_instants(schedule, clock):
    ticks = scheduled(schedule, Ticks(NOON, HOUR))
    tally = run_until(schedule, NOON + 3 * HOUR)
    assert ran == [NOON + hours * HOUR for hours in range(4)]
    assert tally == Tally(succeeded=4)
    assert ticks.count == 4
    assert ticks.time == NOON + 4 * HOUR
    assert clock.now() == NOON + 3 * HOUR


def test_tasks_of_different_steps_run_in_the_order_of_time(schedule, clock):
    scheduled(schedule, Ticks(NOON, 2 * HOUR), Ticks(NOON + HOUR, 3 * HOUR))
    run_until(schedule, NOON + 4 * HOUR)
    assert ran == [NOON + hours * HOUR for hours in (0, 1, 2, 4, 4)]


def test_what_is_not_due_by_then_stays(schedule, clock):
    task = scheduled(schedule, Ticks(NOON + MINUTE, HOUR))
    assert run_until(schedule, NOON) == Tally()
    assert ran == []
    assert list(schedule) == [task]
    assert clock.now() == NOON


def test_the_clock_does_not_go_back(schedule, clock):
    clock.set(NOON + 2 * HOUR)
    scheduled(schedule, Ticks(NOON, 10 * HOUR))
    run_until(schedule, NOON + HOUR)
    assert ran == [NOON + 2 * HOUR]
    assert clock.now() == NOON + 2 * HOUR


def test_a_clock_that_cannot_be_set_is_left_alone(schedule):
    scheduled(schedule, Ticks(NOON, HOUR))
    assert run_until(schedule, NOON + HOUR).succeeded == 2
    assert ran[0] > NOON + HOUR


def test_the_tally_is_the_sum(schedule, clock):
    scheduled(schedule, Ticks(NOON, HOUR), Fails(NOON + MINUTE),
              Retries(NOON, 3))
    tally = run_until(schedule, NOON + 2 * HOUR)
    assert tally == Tally(succeeded=4, retried=3, failed=1)
    assert len(list(schedule.parked)) == 1


def test_a_reschedule_into_the_past_runs_and_the_clock_stays(schedule, clock):
    task = scheduled(schedule, Ticks(NOON, -HOUR))
    passes = 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, 'MAX_PASSES', passes)
        with pytest.raises(RuntimeError, match='3 passes at 2003-04-01 12'):
            run_until(schedule, NOON + HOUR)
    assert ran == [NOON] * passes
    assert task.count == passes


def test_an_endless_loop_is_reported(schedule, clock, monkeypatch):
    monkeypatch.setattr(testing, 'MAX_PASSES', 5)
    scheduled(schedule, Ticks(NOON, timedelta(0)))
    with pytest.raises(RuntimeError) as error:
        run_until(schedule, NOON)
    assert str(error.value) == (
        'After 5 passes at 2003-04-01 12:00:00+00:00 a task is still due; '
        'does it reschedule itself for the same time?')


def test_many_instants_are_no_endless_loop(schedule, clock, monkeypatch):
    monkeypatch.setattr(testing, 'MAX_PASSES', 2)
    scheduled(schedule, Ticks(NOON, MINUTE))
    assert run_until(schedule, NOON + 9 * MINUTE).succeeded == 10


def test_what_is_left_holds_up_nothing_that_comes_after_it(schedule, clock):
    missing = schedule.call('sample_functions.fail', time=NOON)
    missing.func = 'no_such_module.function'
    scheduled(schedule, Ticks(NOON + MINUTE, MINUTE))
    tally = run_until(schedule, NOON + 3 * MINUTE)
    assert tally == Tally(succeeded=3, left=1)
    assert list(schedule)[0] is missing
    assert clock.now() == NOON + 3 * MINUTE


def test_what_is_left_is_tried_again_at_the_end(schedule, clock):
    missing = schedule.call('sample_functions.fail', time=NOON)
    missing.func = 'no_such_module.function'
    transaction.commit()
    assert run_until(schedule, NOON) == Tally(left=1)
    tally = run_until(schedule, NOON + 2 * HOUR)
    # It has been missing for longer than the schedule takes for normal.
    assert tally == Tally(failed=1)


def test_the_end_has_to_be_aware(schedule):
    with pytest.raises(InvalidTime):
        run_until(schedule, datetime(2003, 4, 1))


def test_the_end_may_be_in_any_zone(schedule, clock):
    scheduled(schedule, Ticks(NOON, HOUR))
    run_until(schedule, NOON.astimezone(ZoneInfo('Asia/Kathmandu')))
    assert ran == [NOON]
    assert clock.now().tzinfo is UTC


class Hourly(Ticks):
    """Repeats by a recurrence."""

    recurrence = Every(HOUR)

    def __init__(self, **options):
        Task.__init__(self, **options)

    def __call__(self):
        ran.append((the_clock.now(), current_run().occurrence))

    def schedule(self):
        return None


def after_an_outage(schedule, clock, **options):
    """A series whose occurrences of half a day were missed."""
    task = scheduled(schedule, Hourly(time=NOON, **options))
    clock.set(NOON + 12 * HOUR + MINUTE)
    return task


def test_after_an_outage_one_run_is_for_all_that_were_missed(schedule, clock):
    after_an_outage(schedule, clock)
    now = clock.now()
    run_until(schedule, NOON + 14 * HOUR)
    assert ran == [(now, NOON)] + [
        (NOON + hours * HOUR, NOON + hours * HOUR) for hours in (13, 14)]
    assert [one.passed for one in schedule.history] == [0, 0, 12]


def test_after_an_outage_each_runs_if_the_task_says_so(
        schedule, clock, monkeypatch):
    monkeypatch.setattr(testing, 'MAX_PASSES', 5)
    after_an_outage(schedule, clock, missed='all')
    schedule.catch_up = 10 * HOUR
    transaction.commit()
    now = clock.now()
    run_until(schedule, now)
    assert [moment for moment, _ in ran] == [now] * 11
    assert [(occurrence - NOON) / HOUR for _, occurrence in ran] == [
        0, *range(3, 13)]


def test_after_an_outage_what_is_too_late_expires(schedule, clock):
    after_an_outage(schedule, clock, expires=2 * MINUTE)
    now = clock.now()
    assert run_until(schedule, now) == Tally(succeeded=1, expired=1)
    assert ran == [(now, NOON + 12 * HOUR)]


# -- The fixtures


def test_the_fixtures_serve_the_tests_of_an_application(
        pytester, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, sys.path)))
    pytester.makeconftest("pytest_plugins = ['zodbschedule.testing']")
    pytester.makepyfile(application='''
        from zodbschedule import Task

        def send(root, text):
            root['sent'] = text
        ''')
    pytester.makepyfile('''
        from datetime import UTC, datetime, timedelta

        import application
        import transaction
        from zodbschedule import clock as the_clock
        from zodbschedule.testing import run_until

        def test_it_is_sent_an_hour_later(schedule, clock):
            root = schedule._p_jar.root()
            assert root['schedule'] is schedule
            assert not schedule._p_changed
            assert clock.now() == datetime(2003, 4, 1, tzinfo=UTC)
            assert the_clock.current() is clock
            schedule.call(application.send, root, 'hello',
                          delay=timedelta(hours=1))
            transaction.commit()
            run_until(schedule, clock.now() + timedelta(minutes=59))
            assert 'sent' not in root
            run_until(schedule, clock.now() + timedelta(minutes=1))
            assert root['sent'] == 'hello'

        def test_each_test_has_a_database_of_its_own(schedule, tmp_path):
            assert 'sent' not in schedule._p_jar.root()
            assert list(schedule) == []
            storage = schedule._p_jar.db().storage
            assert storage.getName() == str(tmp_path / 'Data.fs')

        def test_the_clock_is_put_back():
            assert type(the_clock.current()) is the_clock.SystemClock

        def test_what_is_pending_does_not_harm(schedule):
            schedule.call(print)
        ''')
    pytester.runpytest_subprocess('-p', 'no:cacheprovider').assert_outcomes(
        passed=4)
