"""Repeating tasks: from occurrence to occurrence, as time goes by."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
from persistent.list import PersistentList

from zodbschedule import CallTask
from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import InvalidRecurrence
from zodbschedule import InvalidTask
from zodbschedule import RRule
from zodbschedule import Task
from zodbschedule import clock as the_clock
from zodbschedule import current_run
from zodbschedule.interfaces import IRecurrence
from zodbschedule.outcomes import Tally
from zodbschedule.scheduling import series
from zodbschedule.scheduling.series import COUNTED
from zodbschedule.testing import run_until


BEGIN = datetime(2003, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Stroke(Task):
    """Notes when it ran, and for which occurrence."""

    fails = False

    def __call__(self):
        if self.fails:
            raise ValueError('it fails')
        run = current_run()
        notes(self).append((run.now - BEGIN, run.occurrence - BEGIN))


class Hourly(Stroke):
    """A task whose class says how it repeats."""

    recurrence = Every(HOUR)
    description = 'strikes the hour'


def notes(task):
    return task._p_jar.root().setdefault('notes', PersistentList())


@pytest.fixture
def strike(schedule, clock):
    """Schedule a stroke, by default each hour, and commit."""
    def strike(cls=Stroke, **options):
        if cls is Stroke:
            options.setdefault('recurrence', Every(HOUR))
        task = schedule.schedule(cls(**options))
        transaction.commit()
        return task

    return strike


def noted(task):
    return list(task._p_jar.root().get('notes', ()))


def runs(task):
    """When it ran, in hours since the beginning."""
    return [now / HOUR for now, _ in noted(task)]


def occurrences(task):
    return [occurrence / HOUR for _, occurrence in noted(task)]


# -- The first time


def test_the_first_time_is_the_next_occurrence(schedule, clock):
    clock.advance(10 * MINUTE)
    task = schedule.schedule(Task(recurrence=Cron('0 * * * *', 'UTC')))
    assert task.time == BEGIN + HOUR
    assert list(schedule.getTaskTimes()) == [BEGIN + HOUR]


def test_a_time_that_is_given_is_the_first(strike, schedule):
    task = strike(time=BEGIN + 90 * MINUTE,
                  recurrence=Cron('0 * * * *', 'UTC'))
    run_until(schedule, BEGIN + 3 * HOUR)
    assert runs(task) == occurrences(task) == [1.5, 2, 3]


def test_an_interval_is_counted_from_the_first_time(strike, schedule):
    task = strike(time=BEGIN + 10 * MINUTE)
    assert task.recurrence == Every(HOUR, BEGIN + 10 * MINUTE)
    run_until(schedule, BEGIN + 3 * HOUR)
    assert runs(task) == [1 / 6, 7 / 6, 13 / 6]


def test_an_interval_without_a_time_begins_after_one(strike, schedule):
    task = strike()
    assert task.time == BEGIN + HOUR


def test_an_interval_does_not_drift_when_runs_are_late(strike, schedule,
                                                       clock):
    task = strike()
    for late in (3, 7, 59):
        clock.set(task.time + late * MINUTE)
        schedule.process(clock.now())
    assert occurrences(task) == [1, 2, 3]
    assert task.time == BEGIN + 4 * HOUR


def test_a_class_may_say_how_its_tasks_repeat(strike, schedule):
    task = strike(Hourly)
    run_until(schedule, BEGIN + 2 * HOUR)
    assert runs(task) == [1, 2]
    assert Hourly.recurrence == Every(HOUR)


def test_a_call_repeats(schedule, clock):
    task = schedule.call('math.sqrt', 4, recurrence=Every(HOUR))
    transaction.commit()
    assert run_until(schedule, BEGIN + 3 * HOUR) == Tally(succeeded=3)
    assert task in schedule


def test_it_is_the_same_object_that_goes_on(strike, schedule):
    task = strike()
    run_until(schedule, BEGIN + 5 * HOUR)
    assert list(schedule) == [task]


def test_a_rule_that_ends_ends_the_series(strike, schedule):
    task = strike(recurrence=RRule('FREQ=HOURLY;COUNT=3', BEGIN))
    run_until(schedule, BEGIN + 9 * HOUR)
    assert runs(task) == [1, 2]
    assert task not in schedule


def test_a_rule_that_has_ended_is_refused(schedule, clock):
    clock.advance(DAY)
    rule = RRule('FREQ=HOURLY;COUNT=3', BEGIN)
    with pytest.raises(InvalidRecurrence, match='names no occurrence after'):
        schedule.schedule(Task(recurrence=rule))
    assert list(schedule) == []


def test_a_rule_that_has_ended_may_have_a_last_time(strike, schedule, clock):
    clock.advance(DAY)
    rule = RRule('FREQ=HOURLY;COUNT=3', BEGIN)
    task = strike(time=BEGIN + DAY + HOUR, recurrence=rule)
    run_until(schedule, BEGIN + 2 * DAY)
    assert runs(task) == [25]


def test_a_task_that_is_scheduled_again_begins_anew(strike, schedule, clock):
    task = strike(missed='all')
    task.fails = True
    transaction.commit()
    run_until(schedule, BEGIN + HOUR)
    schedule.unschedule(task)
    task.fails = False
    task.time = BEGIN + 5 * HOUR
    schedule.schedule(task)
    transaction.commit()
    clock.set(BEGIN + 5 * HOUR)
    schedule.process(clock.now())
    assert occurrences(task) == [5]


def test_it_is_placed_anew_if_its_recurrence_had_placed_it(
        schedule, clock, strike):
    schedule.spread = HOUR
    task = strike(recurrence=Cron('0 3 * * *', 'UTC'))
    before = task.time
    schedule.unschedule(task)
    clock.advance(DAY)
    schedule.schedule(task)
    assert task.time == before + DAY
    transaction.commit()
    run_until(schedule, BEGIN + 2 * DAY)
    assert occurrences(task) == [27]


def test_so_a_series_that_has_ended_is_refused(schedule, clock, strike):
    task = strike(recurrence=RRule('FREQ=HOURLY;COUNT=2', BEGIN))
    run_until(schedule, BEGIN + HOUR)
    with pytest.raises(InvalidRecurrence):
        schedule.schedule(task)


# -- What schedule() of a task is still for


class Stubborn(Stroke):
    """Has its own idea of what comes next."""

    def schedule(self):
        self.time += 90 * MINUTE
        return self


def test_what_a_task_schedules_itself_stands_before_its_recurrence(
        strike, schedule):
    task = strike(Stubborn, recurrence=Every(HOUR), time=BEGIN)
    run_until(schedule, BEGIN + 3 * HOUR)
    assert runs(task) == occurrences(task) == [0, 1.5, 3]


def test_a_failure_of_it_goes_on_by_the_recurrence(strike, schedule):
    task = strike(Stubborn, recurrence=Every(HOUR), time=BEGIN)
    task.fails = True
    transaction.commit()
    run_until(schedule, BEGIN)
    assert task.time == BEGIN + HOUR


# -- Missed occurrences


def test_of_many_missed_one_is_run(strike, schedule, clock):
    task = strike()
    clock.set(BEGIN + 5.5 * HOUR)
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    assert occurrences(task) == [1]
    assert task.time == BEGIN + 6 * HOUR


def test_what_is_passed_over_is_counted_and_recorded(strike, schedule, clock):
    strike()
    clock.set(BEGIN + 5.5 * HOUR)
    schedule.process(clock.now())
    [entry] = schedule.history
    assert entry.passed == 4
    assert entry.occurrence == BEGIN + HOUR
    clock.set(BEGIN + 6 * HOUR)
    schedule.process(clock.now())
    assert [entry.passed for entry in schedule.history] == [0, 4]


def test_counting_is_bounded(strike, schedule, clock):
    strike(recurrence=Cron('* * * * *', 'UTC'))
    clock.set(BEGIN + 2 * DAY)
    schedule.process(clock.now())
    # One more stands for any larger number.
    assert next(iter(schedule.history)).passed == COUNTED + 1


def test_all_that_were_missed_run_in_order(strike, schedule, clock):
    task = strike(missed='all')
    clock.set(BEGIN + 5.5 * HOUR)
    for _ in range(7):
        schedule.process(clock.now())
    assert occurrences(task) == [1, 2, 3, 4, 5]
    assert task.time == BEGIN + 6 * HOUR
    assert {entry.passed for entry in schedule.history} == {0}


def test_how_far_back_all_run_is_bounded(strike, schedule, clock):
    schedule.catch_up = 3 * HOUR
    task = strike(missed='all')
    clock.set(BEGIN + 10 * HOUR)
    for _ in range(7):
        schedule.process(clock.now())
    # The first stands already; the last three hours begin after the seventh.
    assert occurrences(task) == [1, 8, 9, 10]
    assert [entry.passed for entry in schedule.history.select(task)] == [
        0, 0, 0, 6]


def test_how_far_back_may_be_without_bound(strike, schedule, clock):
    schedule.catch_up = timedelta.max
    task = strike(missed='all')
    clock.set(BEGIN + 100 * HOUR)
    while schedule.process(clock.now()).succeeded:
        pass
    assert occurrences(task) == list(range(1, 101))


@pytest.mark.parametrize('missed', ['one', 'all'])
def test_a_clock_that_is_set_back_repeats_nothing(
        strike, schedule, clock, missed):
    task = strike(missed=missed)
    run_until(schedule, BEGIN + 3 * HOUR)
    clock.set(BEGIN)
    # Somebody else's clock is right.
    schedule.process(BEGIN + 4 * HOUR)
    clock.set(BEGIN + 30 * MINUTE)
    run_until(schedule, BEGIN + 6 * HOUR)
    assert occurrences(task) == [1, 2, 3, 4, 5, 6]


def test_a_run_before_its_time_goes_on_after_its_occurrence(
        strike, schedule, clock):
    task = strike()
    schedule.process(BEGIN + HOUR)  # and it is an hour earlier
    assert task.time == BEGIN + 2 * HOUR


class Slow(Stroke):
    """Takes two hours and a half, the first time."""

    def __call__(self):
        super().__call__()
        if len(noted(self)) == 1:
            the_clock.wait(2.5 * 3600)


def test_what_comes_while_it_runs_is_run_once_when_it_has_ended(
        strike, schedule, clock):
    task = strike(Slow, recurrence=Every(HOUR))
    clock.set(BEGIN + HOUR)
    schedule.process(clock.now())
    schedule.process(clock.now())
    clock.set(BEGIN + 4 * HOUR)
    schedule.process(clock.now())
    assert runs(task) == [1, 3.5, 4]
    assert occurrences(task) == [1, 2, 4]
    assert [entry.passed for entry in schedule.history] == [0, 1, 0]


# -- Expiry


def test_what_is_too_late_to_begin_expires_without_a_call(
        schedule, clock, strike):
    task = strike(Stroke, time=BEGIN, recurrence=None, expires=MINUTE)
    clock.set(BEGIN + MINUTE + timedelta(microseconds=1))
    assert schedule.process(clock.now()) == Tally(expired=1)
    assert task not in schedule
    assert noted(task) == []
    [entry] = schedule.history
    assert (entry.outcome, entry.error) == ('expired', None)


def test_what_begins_in_time_runs(schedule, clock, strike):
    strike(time=BEGIN, recurrence=None, expires=MINUTE)
    clock.set(BEGIN + MINUTE)
    assert schedule.process(clock.now()) == Tally(succeeded=1)


def test_a_series_goes_on_at_the_first_that_can_begin_in_time(
        strike, schedule, clock):
    task = strike(expires=10 * MINUTE)
    clock.set(BEGIN + 5 * HOUR + 5 * MINUTE)
    assert schedule.process(clock.now()) == Tally(expired=1)
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    assert occurrences(task) == [5]
    first, second = reversed(list(schedule.history))
    assert (first.outcome, first.passed) == ('expired', 3)
    assert (second.outcome, second.passed) == ('succeeded', 0)


def test_an_expired_run_carries_its_principal(strike, schedule, clock):
    strike(expires=MINUTE, principalId='bob', description='news')
    clock.set(BEGIN + 90 * MINUTE)
    schedule.process(clock.now())
    log = schedule._p_jar.db().undoLog(0, 10)
    assert ('bob', 'expired: news') in [
        (entry['user_name'], entry['description']) for entry in log]


# -- Spread


def test_repeating_tasks_begin_later_by_a_part_of_their_own(
        schedule, clock, strike):
    schedule.spread = HOUR
    tasks = [strike(recurrence=Cron('0 3 * * *', 'UTC')) for _ in range(20)]
    three = BEGIN + 3 * HOUR
    delays = [task.time - three for task in tasks]
    assert all(timedelta(0) <= delay < HOUR for delay in delays)
    assert len(set(delays)) == 20
    run_until(schedule, BEGIN + 3 * DAY)
    for task, delay in zip(tasks, delays, strict=True):
        assert task.time == three + 3 * DAY + delay


def test_the_occurrence_stays_what_it_is(schedule, clock, strike):
    schedule.spread = HOUR
    task = strike(recurrence=Cron('0 3 * * *', 'UTC'))
    run_until(schedule, BEGIN + DAY)
    assert occurrences(task) == [3]
    [entry] = schedule.history
    assert entry.occurrence == BEGIN + 3 * HOUR < entry.time


def fixed_spread(schedule, monkeypatch, delay):
    """Let every task begin later by just that."""
    schedule.spread = delay
    monkeypatch.setattr(series, 'delay_of', lambda spread, seed, oid: spread)


def test_a_spread_makes_nothing_expire(
        schedule, clock, strike, monkeypatch):
    fixed_spread(schedule, monkeypatch, 30 * MINUTE)
    task = strike(expires=MINUTE)
    assert run_until(schedule, BEGIN + 4 * HOUR) == Tally(succeeded=3)
    assert occurrences(task) == [1, 2, 3]


def test_what_expires_goes_on_at_the_first_that_begins_in_time(
        schedule, clock, strike, monkeypatch):
    fixed_spread(schedule, monkeypatch, 30 * MINUTE)
    task = strike(expires=10 * MINUTE)
    clock.set(BEGIN + 5 * HOUR + 40 * MINUTE)
    assert schedule.process(clock.now()) == Tally(expired=1)
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    assert occurrences(task) == [5]


def test_what_begins_later_by_the_spread_is_not_missed_yet(
        schedule, clock, strike, monkeypatch):
    fixed_spread(schedule, monkeypatch, 30 * MINUTE)
    task = strike()
    clock.set(BEGIN + 3 * HOUR + 20 * MINUTE)
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    run_until(schedule, BEGIN + 4 * HOUR)
    assert occurrences(task) == [1, 3]


def test_a_spread_may_be_longer_than_the_period(
        schedule, clock, strike, monkeypatch):
    fixed_spread(schedule, monkeypatch, 150 * MINUTE)
    task = strike()
    run_until(schedule, BEGIN + 6 * HOUR)
    assert occurrences(task) == [1, 2, 3]
    assert runs(task) == [3.5, 4.5, 5.5]


def test_two_schedules_spread_differently(schedule):
    other = type(schedule)()
    assert other.seed != schedule.seed


def test_what_does_not_repeat_is_not_spread(schedule, clock):
    schedule.spread = HOUR
    assert schedule.schedule(Task(BEGIN)).time == BEGIN
    assert schedule.schedule(Task()).time == BEGIN


# -- What a failure does to a series


def test_a_failure_does_not_end_the_series(strike, schedule):
    task = strike()
    task.fails = True
    transaction.commit()
    assert run_until(schedule, BEGIN + 3 * HOUR) == Tally(failed=3)
    assert [entry.occurrence for entry in schedule.parked] == [
        BEGIN + hours * HOUR for hours in (1, 2, 3)]
    assert all(entry.task is task for entry in schedule.parked)
    assert task.time == BEGIN + 4 * HOUR


def test_what_failed_runs_for_its_occurrence_and_goes_back(
        strike, schedule, clock):
    task = strike()
    task.fails = True
    transaction.commit()
    run_until(schedule, BEGIN + HOUR)
    task.fails = False
    [entry] = schedule.parked
    schedule.unpark(entry)
    transaction.commit()
    clock.advance(10 * MINUTE)
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    assert task.time == BEGIN + 2 * HOUR
    assert occurrences(task) == [1]
    assert list(schedule.parked) == []
    run_until(schedule, BEGIN + 2 * HOUR)
    assert occurrences(task) == [1, 2]


def test_the_last_occurrence_that_failed_can_be_unparked(
        strike, schedule, clock):
    task = strike(recurrence=RRule('FREQ=HOURLY;COUNT=2', BEGIN))
    task.fails = True
    transaction.commit()
    run_until(schedule, BEGIN + HOUR)
    assert task not in schedule
    task.fails = False
    [entry] = schedule.parked
    schedule.unpark(entry, BEGIN + 2 * HOUR)
    transaction.commit()
    run_until(schedule, BEGIN + 9 * HOUR)
    assert (runs(task), occurrences(task)) == ([2], [1])
    assert task not in schedule


def test_an_unparked_occurrence_does_not_expire(strike, schedule, clock):
    task = strike(expires=MINUTE)
    task.fails = True
    transaction.commit()
    run_until(schedule, BEGIN + HOUR)
    task.fails = False
    clock.advance(20 * MINUTE)
    [entry] = schedule.parked
    schedule.unpark(entry)
    transaction.commit()
    assert schedule.process(clock.now()) == Tally(succeeded=1)


# -- Bad input, and rules that cannot be asked


@pytest.mark.parametrize('name, value, wanted', [
    ('key', 5, 'a str'), ('key', '', 'not empty'), ('key', b'k', 'a str'),
    ('recurrence', 'daily', 'an Every'), ('recurrence', HOUR, 'an Every'),
    ('missed', 'none', "'one' or 'all'"), ('missed', None, "'one' or 'all'"),
    ('expires', timedelta(0), 'above zero'), ('expires', -HOUR, 'above zero'),
    ('expires', 60, 'a timedelta'), ('retry', 3, 'a Retry')])
def test_a_wrong_option_is_refused_when_it_is_given(name, value, wanted):
    for make in (lambda: Task(**{name: value}),
                 lambda: CallTask(print, **{name: value})):
        with pytest.raises(InvalidTask, match=f'^{name} is .*{wanted}'):
            make()


@pytest.mark.parametrize('name, value', [
    ('key', 5), ('recurrence', 'daily'), ('missed', 'none'),
    ('expires', 60), ('retry', 3)])
def test_a_wrong_option_is_refused_when_it_is_scheduled(
        schedule, name, value):
    task = Task(BEGIN)
    setattr(task, name, value)
    with pytest.raises(InvalidTask, match=f'^{name} is {value!r}'):
        schedule.schedule(task)
    assert list(schedule) == []


class Unknown(Every):
    """A rule that only some machines can answer."""

    known = True

    def next_after(self, moment):
        if not Unknown.known:
            raise InvalidRecurrence("the time zone 'Mars/Olympus' is unknown")
        return super().next_after(moment)


@pytest.fixture
def unknown():
    yield Unknown
    Unknown.known = True


def test_a_series_that_cannot_be_computed_here_is_left(
        strike, schedule, clock, unknown):
    task = strike(recurrence=unknown(HOUR))
    unknown.known = False
    clock.set(BEGIN + HOUR)
    assert schedule.process(clock.now()) == Tally(left=1)
    assert noted(task) == []
    unknown.known = True
    assert schedule.process(clock.now()) == Tally(succeeded=1)


def test_it_is_parked_whole_when_it_is_long_overdue(
        strike, schedule, clock, unknown):
    task = strike(recurrence=unknown(HOUR))
    unknown.known = False
    clock.set(BEGIN + 3 * HOUR)
    assert schedule.process(clock.now()) == Tally(failed=1)
    [entry] = schedule.parked
    assert 'Mars/Olympus' in entry.reason
    assert entry.occurrence is None
    assert task not in schedule
    unknown.known = True
    schedule.unpark(entry)
    transaction.commit()
    assert schedule.process(clock.now()) == Tally(succeeded=1)
    assert task.time == BEGIN + 4 * HOUR


def test_a_task_of_which_nothing_can_be_written_is_parked_whole(
        strike, schedule, clock):
    task = strike(Unwritable, recurrence=Every(HOUR))
    Unwritable.writable = False
    try:
        run_until(schedule, BEGIN + HOUR)
    finally:
        Unwritable.writable = True
    [entry] = schedule.parked
    assert entry.task is task and entry.occurrence is None
    assert entry.reason == 'RuntimeError: it cannot be pickled'
    schedule.unpark(entry)
    transaction.commit()
    assert run_until(schedule, BEGIN + 2 * HOUR) == Tally(succeeded=2)


class Unwritable(Stroke):

    writable = True

    def __getstate__(self):
        if not Unwritable.writable:
            raise RuntimeError('it cannot be pickled')
        return super().__getstate__()


def test_our_rules_are_recurrences():
    assert IRecurrence.providedBy(Every(HOUR))
