"""Telling an error never fails, whatever its class does."""

import io
import logging

import pytest
from odd_errors import ASKING
from odd_errors import FAILING
from odd_errors import StrRaises
from odd_errors import later
from odd_errors import led_to_by
from odd_errors import with_property

from zodbschedule import GiveUp
from zodbschedule import RetryLater
from zodbschedule.errors import text as telling
from zodbschedule.errors.chain import causes
from zodbschedule.errors.text import LINE
from zodbschedule.errors.text import ErrorText


ODD = {**FAILING, **ASKING}


def raised(error):
    """*error* after it was raised, as it reaches us."""
    try:
        raise error
    except BaseException as found:
        return found


@pytest.fixture(params=ODD)
def odd(request):
    return raised(ODD[request.param]())


@pytest.fixture
def logged():
    """What a strict handler has written; it raises what goes wrong."""
    stream = io.TextIOWrapper(io.BytesIO(), 'utf-8')
    handler = logging.StreamHandler(stream)

    def fails(record):
        raise AssertionError('not logged')

    handler.handleError = fails
    log = logging.getLogger('zodbschedule.test')
    log.addHandler(handler)
    yield lambda: stream.flush() or stream.buffer.getvalue().decode()
    log.removeHandler(handler)


def test_it_has_a_reason_in_valid_text(odd):
    told = ErrorText(odd)
    for text in told.reason, told.traceback, told.message, str(told):
        assert type(text) is str
        assert text.encode()
    assert len(str(told)) < LINE + 10
    assert len(str(told).splitlines()) <= 3


def test_its_traceback_says_where_it_was_raised(odd):
    assert ', in raised' in ErrorText(odd).traceback


def test_it_can_be_logged(odd, logged):
    log = logging.getLogger('zodbschedule.test')
    log.error('Failed: %s', ErrorText(odd), exc_info=ErrorText(odd).exc_info)
    assert 'Failed: ' in logged()
    assert ', in raised' in logged()


def test_an_ordinary_error_is_logged_itself():
    error = raised(ValueError('no'))
    assert ErrorText(error).exc_info == (
        ValueError, error, error.__traceback__)


def test_one_that_no_handler_could_tell_has_a_stand_in():
    error = raised(with_property('__notes__'))
    cls, stands_in, traceback = ErrorText(error).exc_info
    assert cls is telling.Untold
    assert 'odd_errors.Odd__notes__: said' in str(stands_in)
    assert traceback is error.__traceback__


@pytest.mark.parametrize('error, reason', [
    (ValueError('no'), 'ValueError: no\n'),
    (ValueError(), 'ValueError\n'),
    (KeyError('a'), "KeyError: 'a'\n"),
    (GiveUp('gone'), 'gone'),
    (RetryLater(reason='busy'), 'busy'),
    (RetryLater(), 'zodbschedule.retry.RetryLater\n'),
    (ExceptionGroup('g', [ValueError(), GiveUp('gone')]), 'gone'),
    (SyntaxError('bad', ('f', 1, 1, 5)),
     'SyntaxError: bad (f, line 1)'),
    (StrRaises(), 'odd_errors.StrRaises: <exception str() failed>\n'),
])
def test_its_reason_is_as_python_says_it_or_the_task(error, reason):
    assert ErrorText(error).reason == reason


def test_nothing_that_led_to_an_odd_one_is_left_out():
    cause = raised(ValueError('in the beginning'))
    error = with_property('__notes__')
    error.__context__ = cause
    assert 'ValueError: in the beginning' in ErrorText(error).traceback


def test_a_part_that_cannot_be_told_at_all_is_named(monkeypatch):
    def fails(*args):
        raise MemoryError

    for name in 'format_exception', 'format_exception_only', 'format_tb':
        monkeypatch.setattr(telling.traceback, name, fails)
    assert ErrorText(ValueError('no')).traceback == 'ValueError: no'
    assert ErrorText(StrRaises()).traceback == 'odd_errors.StrRaises'


@pytest.mark.parametrize('error, message', [
    (ValueError('no'), 'no'), (OSError(), 'OSError'),
    (StrRaises(), 'odd_errors.StrRaises')])
def test_its_message_is_the_name_of_its_class_if_it_says_nothing(
        error, message):
    assert ErrorText(error).message == message


def test_all_that_led_to_it_is_found_once():
    one, two = ValueError('one'), ValueError('two')
    group = ExceptionGroup('g', [one, two])
    one.__context__ = two
    error = led_to_by(group)
    assert {id(each) for each in causes(error)} == set(
        map(id, (error, group, one, two)))
    assert len(list(causes(error))) == 4
    assert len(list(causes(later(1)))) == 1
