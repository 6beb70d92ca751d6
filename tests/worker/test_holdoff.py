"""For how long a schedule is left alone, and why."""

import random
import time
from datetime import timedelta

import pytest
from sample_work import NOON

from zodbschedule.worker import holdoff
from zodbschedule.worker.holdoff import HoldOff
from zodbschedule.worker.holdoff import Reason
from zodbschedule.worker.holdoff import next_hold_off
from zodbschedule.worker.holdoff import pause_after


@pytest.fixture(autouse=True)
def _longest(monkeypatch):
    """Of the pauses that are drawn by lot the longest."""
    monkeypatch.setattr(random, 'uniform', lambda least, most: most)


def follow(*reasons):
    """The state after these, one after the other."""
    found = None
    for reason in reasons:
        found = next_hold_off(found, reason)
    return found


def test_each_pause_is_about_twice_as_long_up_to_the_longest(monkeypatch):
    for chosen in min, max:
        monkeypatch.setattr(random, 'uniform', chosen)
        for failures, pause in [
                (1, .1), (2, .2), (5, 1.6), (7, 5), (10 ** 6, 5)]:
            assert pause_after(failures, 5) == chosen(pause / 2, pause)


def test_without_a_moment_no_time_ends_it():
    found = HoldOff(Reason.IDLE)
    assert not found.is_over
    assert found.pause() == holdoff.SLICE


@pytest.mark.parametrize('seconds, over, pause', [
    (100, False, holdoff.SLICE), (.25, False, .25), (0, True, 0),
    (-1, True, 0)])
def test_when_something_comes_due_the_clock_tells(
        clock, seconds, over, pause):
    clock.set(NOON)
    found = next_hold_off(
        None, Reason.IDLE, NOON + timedelta(seconds=seconds))
    assert found.is_over == over
    assert found.pause() == pause


def test_else_a_clock_that_nobody_sets(clock):
    found = follow(Reason.UNAVAILABLE)
    clock.advance(timedelta(days=1))
    assert not found.is_over
    assert found._replace(until=time.monotonic()).is_over


@pytest.mark.parametrize('reason', Reason)
def test_a_change_of_the_database_ends_it_unless_it_would_happen_again(
        reason):
    firm = reason in (Reason.REFUSED, Reason.FAILED)
    assert follow(reason).is_firm == firm
    assert not HoldOff(reason, time.monotonic()).is_firm


@pytest.mark.parametrize('reason', [Reason.REFUSED, Reason.FAILED])
def test_what_happens_again_lasts_twice_as_long(reason):
    found = [follow(*[reason] * times).left() for times in (1, 2, 3, 100)]
    assert found == pytest.approx([.1, .2, .4, holdoff.LONGEST_PAUSE], abs=.05)


@pytest.mark.parametrize('reasons', [
    (Reason.REFUSED, Reason.FAILED), (Reason.FAILED, Reason.REFUSED),
    (Reason.FAILED, Reason.IDLE, Reason.FAILED),
    (Reason.FAILED, Reason.UNAVAILABLE, Reason.FAILED)])
def test_unless_something_else_has_happened_in_between(reasons):
    assert follow(*reasons).times == 1
