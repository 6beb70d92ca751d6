"""How a child that comes back from a task is ended."""

import os
import sys

import pytest

from zodbschedule.transactions.forks import Children


class Ended(BaseException):
    """The process would have ended."""


class Unspeakable(Exception):
    def __str__(self):
        raise Ended


@pytest.fixture
def children(monkeypatch):
    """In a child of those."""
    def end(status):
        raise Ended(status)

    found = Children()
    monkeypatch.setattr(os, 'getpid', lambda: 0)
    monkeypatch.setattr(os, '_exit', end)
    return found


@pytest.mark.parametrize('error, status, said', [
    (None, 0, ''),
    (SystemExit(), 0, ''),
    (SystemExit(0), 0, ''),
    (SystemExit(300), 44, ''),
    (SystemExit('a \udc80 reason'), 1, 'a \\udc80 reason\n'),
    (ValueError('wrong'), 1, 'ValueError: wrong\n'),
    (KeyboardInterrupt(), 1, 'KeyboardInterrupt\n'),
])
def test_it_ends_as_a_program(children, capfd, error, status, said):
    with pytest.raises(Ended) as ended:
        children.end(error)
    assert ended.value.args == (status,)
    assert capfd.readouterr().err == said


def test_it_ends_even_if_its_error_cannot_be_told(children):
    with pytest.raises(Ended) as ended:
        children.end(Unspeakable())
    assert ended.value.args == (1,)


def test_it_ends_even_if_it_has_no_streams(children, monkeypatch):
    monkeypatch.setattr(sys, 'stdout', None)
    monkeypatch.setattr(sys, 'stderr', None)
    with pytest.raises(Ended) as ended:
        children.end()
    assert ended.value.args == (0,)


def test_it_gets_no_further_than_the_block(children):
    with pytest.raises(Ended) as ended, children:
        sys.exit(3)
    assert ended.value.args == (3,)


def test_the_parent_goes_on():
    with Children():
        pass
    with pytest.raises(ValueError), Children():
        raise ValueError
