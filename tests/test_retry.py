"""Retries: how long to wait, when to give up, and what is refused."""

import dataclasses
import datetime
import pickle
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyClass
from zope.interface.verify import verifyObject

from zodbschedule import GiveUp
from zodbschedule import InvalidTask
from zodbschedule import Retry
from zodbschedule import RetryLater
from zodbschedule import ScheduleError
from zodbschedule.interfaces import IRetry


MINUTE = timedelta(minutes=1)
ERROR = ValueError('it fails')


class OurError(ConnectionError):
    """An error of an application."""


def test_a_retry_keeps_the_contract():
    assert verifyClass(IRetry, Retry, tentative=False)
    assert verifyObject(IRetry, Retry(3), tentative=False)


def test_each_wait_is_longer_up_to_a_longest():
    retry = Retry(9, jitter=0)
    assert [retry.delay_after(attempt, 'a', ERROR) // MINUTE
            for attempt in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_attempts_are_used_up():
    assert Retry(3).delay_after(2, 'a', ERROR)
    assert Retry(3).delay_after(3, 'a', ERROR) is None
    assert Retry(1).delay_after(1, 'a', ERROR) is None


def test_the_jitter_is_the_same_for_the_same_token_and_attempt():
    retry = Retry(100, MINUTE, factor=1)
    assert retry.delay_after(1, 'a', ERROR) == retry.delay_after(1, 'a', ERROR)
    assert len({retry.delay_after(1, token, ERROR) for token in 'abc'}) == 3
    assert len({retry.delay_after(n, 'a', ERROR) for n in (1, 2, 3)}) == 3


def test_the_jitter_is_the_same_in_every_process():
    delay = Retry(3, jitter=1).delay_after(1, 'token', ERROR)
    assert delay == timedelta(seconds=46.09286)


@given(
    st.timedeltas(timedelta()), st.floats(1, 1e300) | st.integers(1, 2**70),
    st.timedeltas(timedelta()), st.floats(0, 1), st.integers(1, 2**70),
    st.text(st.characters(exclude_categories=['Cs'])))
def test_a_wait_is_within_its_bounds(
        delay, factor, max_delay, jitter, attempt, token):
    retry = Retry(2**71, delay, factor, max_delay, jitter)
    wait = retry.delay_after(attempt, token, ERROR)
    assert wait >= timedelta()
    longest = max(delay, max_delay).total_seconds()
    assert wait.total_seconds() <= longest * (1 + jitter) + 1e-3
    if not delay:
        assert not wait


def test_no_wait_is_shorter_than_the_first():
    retry = Retry(5, timedelta(days=1), jitter=0)
    assert [retry.delay_after(number, 'a', ERROR) for number in (1, 2, 3)] == (
        [timedelta(days=1)] * 3)


def test_only_some_errors_are_tried_again():
    retry = Retry(3, on=[OSError, 'zope.interface.Invalid'])
    for error in (OSError(), OurError(), TimeoutError()):
        assert retry.delay_after(1, 'a', error)
    for error in (ERROR, KeyboardInterrupt()):
        assert retry.delay_after(1, 'a', error) is None


def test_an_error_is_known_by_its_name():
    error = type('Odd', (Exception,), {'__module__': 'no.such.module'})
    assert Retry(3, on=['no.such.module.Odd']).delay_after(1, 'a', error())
    assert Retry(3, on=[OurError]).on == (f'{__name__}.OurError',)


def test_a_retry_is_a_value():
    retry = Retry(3, on=(OSError, ValueError, OSError))
    same = Retry(3, on=['builtins.ValueError', 'builtins.OSError'])
    assert retry == same
    assert hash(retry) == hash(same)
    assert retry != Retry(4, on=(OSError, ValueError))
    assert eval(repr(retry), {'Retry': Retry, 'datetime': datetime}) == retry
    assert pickle.loads(pickle.dumps(retry)) == retry
    assert len(pickle.dumps(retry)) < 250
    for field in dataclasses.fields(retry):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(retry, field.name, None)


@pytest.mark.parametrize('options, message', [
    ({'attempts': 0}, 'attempts is 0; it has to be a whole number from 1 on'),
    ({'attempts': 2.0}, 'attempts is 2.0; it has to be a whole number'),
    ({'attempts': True}, 'attempts is True; it has to be a whole'),
    ({'attempts': None}, 'attempts is None; it has to be a whole'),
    ({'attempts': 10 ** 400}, 'it has to be a whole number'),
    ({'delay': -MINUTE}, 'delay is .*; it has to be a timedelta of zero or'),
    ({'delay': 60}, 'delay is 60; it has to be a timedelta'),
    ({'max_delay': -MINUTE}, 'max_delay is .*; it has to be a timedelta'),
    ({'factor': .5}, 'factor is 0.5; it has to be a number from 1 on'),
    ({'factor': float('nan')}, 'factor is nan; it has to be a number'),
    ({'factor': float('inf')}, 'factor is inf; it has to be a number'),
    ({'factor': '2'}, "factor is '2'; it has to be a number"),
    ({'jitter': -.1}, 'jitter is -0.1; it has to be a number from 0 to 1'),
    ({'jitter': 1.1}, 'jitter is 1.1; it has to be a number from 0 to 1'),
    ({'on': ()}, 'on is empty; name at least one exception'),
    ({'on': OSError}, "on is <class 'OSError'>; it has to be a tuple"),
    ({'on': 'builtins.OSError'}, 'it has to be a tuple, such as'),
    ({'on': [int]}, "on has <class 'int'>; it takes exception classes"),
    ({'on': [ERROR]}, 'on has ValueError.*; it takes exception classes'),
    ({'on': ['OSError']}, "on has 'OSError'; .* such as 'builtins.OSError'"),
    ({'on': ['a.']}, "on has 'a.'; it takes exception classes"),
    ({'on': [3]}, 'on has 3; it takes exception classes'),
])
def test_a_retry_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(InvalidTask, match=message):
        Retry(**{'attempts': 3, **options})


def test_an_exception_that_is_local_to_a_function_is_refused():
    class Local(Exception):
        pass

    with pytest.raises(InvalidTask, match='exception classes of a module'):
        Retry(3, on=[Local])


# -- What a task raises


def test_a_task_can_ask_to_be_tried_later():
    error = RetryLater(MINUTE, 'not there yet')
    assert (error.delay, error.reason) == (MINUTE, 'not there yet')
    assert str(error) == 'not there yet'
    assert RetryLater().delay is None
    again = pickle.loads(pickle.dumps(error))
    assert (again.delay, again.reason) == (error.delay, error.reason)


def test_a_task_can_give_up():
    error = pickle.loads(pickle.dumps(GiveUp('no such account')))
    assert error.reason == str(error) == 'no such account'


def test_what_a_task_raises_is_no_error_of_the_schedule():
    for cls in (RetryLater, GiveUp):
        assert issubclass(cls, Exception)
        assert not issubclass(cls, ScheduleError)


@pytest.mark.parametrize('make, message', [
    (lambda: RetryLater(60), 'delay is 60; it has to be a timedelta'),
    (lambda: RetryLater(-MINUTE), 'delay is .* of zero or more'),
    (lambda: RetryLater(MINUTE, None), 'reason is None; it has to be a str'),
    (lambda: GiveUp(ERROR), 'reason is ValueError.*; it has to be a str'),
])
def test_asking_for_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(InvalidTask, match=message):
        make()
