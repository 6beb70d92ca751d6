"""One line in the log for each change, however many notice it."""

import logging

import pytest

from zodbschedule.worker import availability as availability
from zodbschedule.worker.availability import Availability


@pytest.fixture
def said(caplog):
    """What was said so far."""
    caplog.set_level(logging.INFO, 'zodbschedule')
    return lambda: [(record.levelname, record.getMessage())
                    for record in caplog.records]


AWAY = 'WARNING', 'The database is away: gone'
BACK = 'INFO', 'The database is back.'


def test_at_first_it_answers_and_nothing_is_said(said):
    found = Availability()
    found.back('a')
    found.leave('a')
    assert found.answers
    assert said() == []


def test_going_away_and_coming_back_are_a_line_each(said):
    found = Availability()
    for _ in range(3):
        found.away('a', 'gone')
    assert not found.answers
    for _ in range(3):
        found.back('a')
    assert found.answers
    assert said() == [AWAY, BACK]


def test_it_is_away_as_long_as_one_gets_no_answer(said):
    found = Availability()
    found.away('a', 'gone')
    found.away('b', 'away')
    found.back('a')
    assert not found.answers
    assert said() == [AWAY]
    found.back('b')
    assert said() == [AWAY, BACK]


def test_who_asks_no_more_does_not_say_that_it_is_back(said):
    found = Availability()
    found.away('a', 'gone')
    found.leave('a')
    assert not found.answers
    found.away('b', 'gone')
    found.leave('b')
    assert said() == [AWAY]
    # Somebody who never was without an answer gets one.
    found.back('c')
    assert found.answers
    assert said() == [AWAY, BACK]


@pytest.mark.parametrize('problem, line', [
    (OSError('one\n  two'), 'one two'),
    (OSError(), 'OSError'),
    ('x' * 1000, 'x' * availability.PROBLEM_LENGTH),
])
def test_what_is_wrong_is_a_line_of_bounded_length(said, problem, line):
    Availability().away('a', problem)
    assert said() == [('WARNING', f'The database is away: {line}')]
