"""The injected clock."""

import threading
import time
from datetime import UTC
from datetime import datetime

import pytest

from zodbschedule import clock
from zodbschedule.testing import SettableClock


def test_the_clock_of_the_machine_is_the_default():
    assert type(clock.current()) is clock.SystemClock
    before = datetime.now(UTC)
    now = clock.now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC


def test_the_clock_of_the_machine_waits(monkeypatch):
    slept = []
    monkeypatch.setattr(time, 'sleep', slept.append)
    clock.wait(1.5)
    assert slept == [1.5]


def test_another_clock_is_used_inside_of_the_context_only():
    settable = SettableClock()
    machine = clock.current()
    with clock.use(settable) as used:
        assert used is settable is clock.current()
        assert clock.now() == settable.now()
        clock.wait(60)
        assert settable.now() == datetime(2003, 4, 1, 0, 1, tzinfo=UTC)
    assert clock.current() is machine


def test_the_clock_is_put_back_after_an_error():
    machine = clock.current()
    with pytest.raises(ValueError, match='inside'):
        with clock.use(SettableClock()):
            raise ValueError('inside')
    assert clock.current() is machine


def test_all_threads_use_the_same_clock():
    seen = []
    with clock.use(SettableClock()) as settable:
        thread = threading.Thread(target=lambda: seen.append(clock.current()))
        thread.start()
        thread.join()
    assert seen == [settable]
