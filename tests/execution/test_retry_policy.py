"""What a failure leads to: another attempt, or the parked set."""

import logging
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
import zope.event
from persistent import Persistent
from persistent.list import PersistentList
from ZODB.POSException import ConflictError
from zope.interface import implementer

from zodbschedule import Every
from zodbschedule import GiveUp
from zodbschedule import Retry
from zodbschedule import RetryLater
from zodbschedule import Task
from zodbschedule import current_run
from zodbschedule.interfaces import ITask
from zodbschedule.interfaces import RunEnded
from zodbschedule.outcomes import Tally
from zodbschedule.testing import run_until


BEGIN = datetime(2003, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Attempting(Task):
    """Does what it is told at each attempt; None: succeeds."""

    plan = ()

    def __call__(self):
        run = current_run()
        attempts.append((run.now - BEGIN, run.attempt, run.token))
        self._p_jar.root()['effects'].append(run.attempt)
        step = self.plan[len(attempts) - 1:][:1] or (None,)
        if isinstance(step[0], BaseException):
            raise step[0]
        if step[0] is not None:
            self.time += step[0]
            return self


attempts = []


class Keeping(Task):
    """Has a list of its own, and changes it without a word."""

    def __init__(self, time, **options):
        super().__init__(time, **options)
        self.items = []

    def __call__(self):
        self.items.append(len(self.items))
        raise ValueError(f'{self.items}')


@pytest.fixture
def attempt(schedule, clock):
    """Schedule a task with a plan, commit, and process for a day."""
    schedule._p_jar.root()['effects'] = PersistentList()
    attempts.clear()

    def attempt(*plan, until=24 * HOUR, **options):
        options.setdefault('retry', Retry(3, delay=MINUTE, jitter=0))
        task = Attempting(BEGIN, **options)
        task.plan = plan
        schedule.schedule(task)
        transaction.commit()
        attempt.task = task
        return run_until(schedule, BEGIN + until)

    return attempt


def when():
    """When there were attempts, in minutes since the beginning."""
    return [now / MINUTE for now, _, _ in attempts]


def outcomes(schedule):
    return [(one.outcome, one.attempt)
            for one in reversed(list(schedule.history))]


FAILS = ValueError('no luck')


# -- The policy


def test_what_fails_is_tried_again_after_waits_that_grow(attempt, schedule):
    assert attempt(FAILS, FAILS) == Tally(succeeded=1, retried=2)
    assert when() == [0, 1, 3]
    assert outcomes(schedule) == [
        ('retried', 1), ('retried', 2), ('succeeded', 3)]


def test_what_an_attempt_has_written_is_gone(attempt, schedule):
    attempt(FAILS, FAILS)
    assert list(schedule._p_jar.root()['effects']) == [3]


def test_when_the_attempts_are_used_up_it_is_parked(attempt, schedule):
    assert attempt(FAILS, FAILS, FAILS) == Tally(retried=2, failed=1)
    [entry] = schedule.parked
    assert entry.reason == 'ValueError: no luck'
    assert attempt.task not in schedule
    assert len(attempts) == 3


def test_without_a_policy_it_is_parked_at_once(attempt, schedule):
    assert attempt(FAILS, retry=None) == Tally(failed=1)


def test_what_the_policy_does_not_name_is_parked_at_once(attempt):
    policy = Retry(3, delay=MINUTE, on=(OSError,))
    assert attempt(TimeoutError(), FAILS, retry=policy) == Tally(
        retried=1, failed=1)


def test_an_error_is_on_record_in_one_line(attempt, schedule):
    attempt(ValueError('two\nlines'))
    assert [one.error for one in schedule.history] == [
        None, 'ValueError: two lines']


def test_a_failure_that_is_tried_again_is_a_warning(attempt, caplog):
    with caplog.at_level(logging.WARNING, 'zodbschedule'):
        attempt(FAILS)
    [record] = caplog.records
    assert record.levelname == 'WARNING'
    assert 'failed, and attempt 2 begins at 2003-04-01 00:01' in (
        record.getMessage())
    assert record.exc_info is None


def test_its_transaction_says_what_it_was(attempt, schedule):
    attempt(FAILS, description='fetch', principalId='bob')
    log = schedule._p_jar.db().undoLog(0, 20)
    assert ('bob', 'to be tried again: fetch') in [
        (entry['user_name'], entry['description']) for entry in log]


def test_each_attempt_is_told(attempt):
    told = []
    zope.event.subscribers.append(told.append)
    try:
        attempt(FAILS)
    finally:
        zope.event.subscribers.remove(told.append)
    assert [(event.outcome, event.attempt, event.error) for event in told
            if isinstance(event, RunEnded)] == [
        ('retried', 1, 'ValueError: no luck'), ('succeeded', 2, None)]


def test_the_waits_are_the_same_in_a_replay(attempt, schedule):
    policy = Retry(5, delay=MINUTE, jitter=.5)
    attempt(*[FAILS] * 4, retry=policy)
    token = attempts[0][2]
    at = timedelta(0)
    for now, number, _ in attempts:
        assert now == at
        at += policy.delay_after(number, token, FAILS) or at


def test_attempts_of_one_occurrence_share_a_token(attempt):
    attempt(FAILS, FAILS)
    assert len({token for _, _, token in attempts}) == 1


# -- A retry keeps its occurrence


def test_a_retry_of_a_series_stands_for_its_occurrence(attempt, schedule):
    attempt(FAILS, FAILS, recurrence=Every(HOUR), until=HOUR)
    assert when() == [0, 1, 3, 60]
    assert [one.occurrence - BEGIN for one in schedule.history] == [
        HOUR, 0 * HOUR, 0 * HOUR, 0 * HOUR]
    assert len({token for _, _, token in attempts}) == 2


def test_the_attempts_of_each_occurrence_are_counted_anew(attempt, schedule):
    attempt(*[FAILS] * 4, recurrence=Every(HOUR), until=2 * HOUR)
    assert outcomes(schedule) == [
        ('retried', 1), ('retried', 2), ('failed', 3),
        ('retried', 1), ('succeeded', 2), ('succeeded', 1)]


def test_occurrences_that_pass_meanwhile_are_missed(attempt, schedule):
    policy = Retry(3, delay=150 * MINUTE, max_delay=10 * HOUR, jitter=0)
    attempt(FAILS, recurrence=Every(HOUR), until=3 * HOUR, retry=policy)
    assert when() == [0, 150, 180]
    assert [one.passed for one in schedule.history] == [0, 2, 0]


def test_a_retry_does_not_expire(attempt):
    policy = Retry(3, delay=HOUR, jitter=0)
    assert attempt(FAILS, expires=MINUTE, retry=policy) == Tally(
        succeeded=1, retried=1)


def test_what_is_unparked_gets_all_its_attempts_again(
        attempt, schedule, clock):
    attempt(*[FAILS] * 5)
    [entry] = schedule.parked
    schedule.unpark(entry)
    transaction.commit()
    assert run_until(schedule, clock.now() + 24 * HOUR) == Tally(
        succeeded=1, retried=2)


# -- What a task says at run time


def test_a_task_may_say_when_it_wants_to_be_tried_again(attempt, schedule):
    attempt(RetryLater(7 * MINUTE, 'the server is busy'))
    assert when() == [0, 7]
    assert [one.error for one in schedule.history][1] == 'the server is busy'


def test_what_a_task_asks_for_is_logged_without_a_traceback(attempt, caplog):
    attempt(RetryLater(7 * MINUTE, 'the server is busy'))
    [record] = caplog.records
    assert record.getMessage().endswith('2003-04-01 00:07:00+00:00: the '
                                        'server is busy')
    assert record.exc_info is None


def test_that_counts_as_an_attempt(attempt):
    assert attempt(*[RetryLater(MINUTE)] * 3) == Tally(retried=2, failed=1)


def test_without_a_policy_it_may_do_so_for_ever(attempt):
    assert attempt(*[RetryLater(MINUTE)] * 9, retry=None) == Tally(
        succeeded=1, retried=9)


def test_if_it_does_not_say_when_the_policy_does(attempt):
    attempt(RetryLater(), retry=Retry(3, delay=5 * MINUTE, jitter=0))
    assert when() == [0, 5]


def test_it_need_not_be_an_error_that_the_policy_names(attempt):
    attempt(RetryLater(), retry=Retry(3, on=(OSError,)))
    assert len(attempts) == 2


def test_without_both_it_waits_for_a_minute(attempt):
    attempt(RetryLater(), retry=None)
    assert .9 <= when()[1] <= 1.1


def test_a_wait_beyond_the_calendar_ends_with_it(attempt):
    attempt(RetryLater(timedelta.max))
    assert attempt.task.time == datetime.max.replace(tzinfo=UTC)


def test_a_task_may_give_up(attempt, schedule):
    assert attempt(GiveUp('the account is closed')) == Tally(failed=1)
    [entry] = schedule.parked
    assert entry.reason == 'the account is closed'
    assert 'GiveUp: the account is closed' in entry.traceback


def test_a_series_goes_on_although_a_task_gives_up(attempt, schedule):
    attempt(GiveUp('not today'), recurrence=Every(HOUR), until=HOUR)
    assert when() == [0, 60]
    [entry] = schedule.parked
    assert entry.occurrence == BEGIN


def test_returning_itself_is_an_attempt_at_the_same_occurrence(
        attempt, schedule):
    attempt(5 * MINUTE, 5 * MINUTE, recurrence=Every(HOUR), until=HOUR)
    assert when() == [0, 5, 10, 60]
    assert [number for _, number, _ in attempts] == [1, 2, 3, 1]
    assert len({token for _, _, token in attempts}) == 2


# -- What is no attempt


def test_conflicts_are_no_attempts(attempt, schedule):
    assert attempt(*[ConflictError()] * 3) == Tally(succeeded=1)
    assert {number for _, number, _ in attempts} == {1}
    assert outcomes(schedule) == [('succeeded', 1)]


def test_what_always_conflicts_is_left_and_counts_nothing(attempt, schedule):
    assert attempt(*[ConflictError()] * 5, until=0 * HOUR).left == 1
    assert schedule.process(BEGIN + HOUR) == Tally(succeeded=1)
    assert outcomes(schedule) == [('succeeded', 1)]


# -- What is left of an attempt that has failed


def test_nothing_is_kept_of_a_failed_attempt(schedule, clock):
    """Also if the task was changed, and did not say so."""
    task = schedule.schedule(Keeping(
        BEGIN, retry=Retry(3, delay=MINUTE, jitter=0)))
    transaction.commit()
    assert run_until(schedule, BEGIN + HOUR) == Tally(retried=2, failed=1)
    assert {one.error for one in schedule.history} == {'ValueError: [0]'}
    schedule._p_jar.cacheMinimize()
    assert task.items == []


# -- Others' tasks


@implementer(ITask)
class Plain(Persistent):
    """A third party's task."""

    principalId = None
    description = ''

    def __init__(self, time):
        self.time = time

    def __call__(self):
        attempts.append((current_run().now - BEGIN, None, None))
        if len(attempts) < 3:
            raise RetryLater(MINUTE)

    def schedule(self):
        """Once is enough."""


def test_a_task_of_any_class_may_ask_to_be_tried_again(schedule, clock):
    attempts.clear()
    task = schedule.schedule(Plain(BEGIN))
    transaction.commit()
    assert run_until(schedule, BEGIN + HOUR) == Tally(succeeded=1, retried=2)
    assert when() == [0, 1, 2]
    assert task.time == BEGIN + 2 * MINUTE
