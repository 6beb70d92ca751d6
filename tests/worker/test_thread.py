"""How often a thread of a worker looks at a database that others change."""

import threading
from types import SimpleNamespace

import pytest

from zodbschedule.worker import thread as thread_module
from zodbschedule.worker.thread import LAG
from zodbschedule.worker.thread import LONGEST_LAG
from zodbschedule.worker.thread import ConnectionLost
from zodbschedule.worker.thread import WorkerThread


class Hours:
    """A clock, and an event that is waited for by it."""

    now = 0.0

    def monotonic(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds

    def is_set(self):
        return False


class Attending(WorkerThread):
    """Finds nothing to do; others change the database so often."""

    def __init__(self, clock, interval, looks, found=()):
        self.asked_to_stop = self.clock = clock
        self.interval = interval
        self.config = SimpleNamespace(
            stopping=lambda: len(self.looked) == looks)
        self.found = found
        self.looked = []

    def _round(self):
        self.looked.append(self.clock.now)
        return len(self.looked) in self.found

    def _wait(self, watcher, mark):
        """The next change, in step with the clock."""
        self.clock.now += self.interval - self.clock.now % self.interval
        return True

    @property
    def pauses(self):
        """The time from each look to the next."""
        return [after - before for before, after in zip(
            self.looked, self.looked[1:], strict=False)]


#: exact in binary, so that sums of it are
MOMENT = 1 / 1024


@pytest.fixture
def clock(monkeypatch):
    clock = Hours()
    monkeypatch.setattr(thread_module, 'time', clock)
    return clock


def attend(clock, interval, looks, **options):
    """A thread that has looked so often."""
    attending = Attending(clock, interval, looks, **options)
    attending._attend(SimpleNamespace(mark=threading.Lock))
    return attending


def test_a_database_that_changes_all_the_time_is_looked_at_less_often(clock):
    pauses = attend(clock, MOMENT, 50).pauses
    assert pauses[:4] == pytest.approx([MOMENT, LAG, 2 * LAG, 3 * LAG])
    assert pauses[-1] == pytest.approx(LONGEST_LAG)
    assert max(pauses) == pytest.approx(LONGEST_LAG)


def test_a_change_now_and_then_is_looked_at_at_once(clock):
    interval = .25
    assert interval > LONGEST_LAG
    assert attend(clock, interval, 50).pauses == pytest.approx([interval] * 49)


def test_work_ends_the_lag(clock):
    pauses = attend(clock, MOMENT, 30, found=[20]).pauses
    assert pauses[18] > 10 * LAG
    assert max(pauses[19:21]) <= MOMENT
    assert pauses[21] == pytest.approx(LAG)


class Busy:
    """A schedule that is attended to, while the thread is told to end."""

    def __init__(self, told):
        self.told = told

    def attend(self, briefly):
        self.told.append(briefly)
        return True


def test_told_to_end_it_attends_to_no_other_schedule(clock):
    told = []
    attending = WorkerThread.__new__(WorkerThread)
    attending.asked_to_stop = clock
    attending.watcher = None
    attending.manager = SimpleNamespace(registeredSynchs=lambda: True)
    attending.connection = SimpleNamespace(connections={})
    attending.config = SimpleNamespace(
        stopping=lambda: bool(told), paths=('a', 'b'),
        availability=SimpleNamespace(back=lambda one: None))
    attending.loops = {'a': Busy(told), 'b': Busy(told)}
    assert attending._round()
    assert told == [True]


def test_a_connection_that_was_closed_is_not_worked_with():
    attending = WorkerThread.__new__(WorkerThread)
    attending.manager = object()
    closed = SimpleNamespace(transaction_manager=None)
    attending.connection = SimpleNamespace(connections={'': closed})
    with pytest.raises(ConnectionLost):
        attending._round()
