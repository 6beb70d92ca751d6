"""Workers of the benchmarks: each in a process of its own, a hand.

What a hand has done is counted in memory that it shares with us, so that
counting asks nothing of the database; what its tasks note at a certain moment
comes through a pipe.
"""

import ctypes
import logging
import os
import signal
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from functools import partial
from typing import Any

import zope.event
from measuring import NOW
from measuring import PATIENCE
from measuring import READY
from measuring import processes
from persistent import Persistent
from servers import Where
from transaction import Transaction
from ZODB.POSException import ConflictError

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Task
from zodbschedule import Worker
from zodbschedule import current_run
from zodbschedule.interfaces import RunEnded
from zodbschedule.store import incarnation


# How an idle worker is given time to come to rest.
IDLE = .3

# In so many minutes do all tasks come again that do.
MINUTES = 5

#: the note of the transaction of a turn
TURN = 'zodbschedule: take due tasks'


class Counts(ctypes.Structure):
    """What a hand has done so far, and what its tasks are told."""

    _fields_ = [
        ('starts', ctypes.c_long),
        ('outcomes', ctypes.c_long),
        # seconds since 1970
        ('first_start', ctypes.c_double),
        ('last_outcome', ctypes.c_double),
        ('turns', ctypes.c_long),
        ('conflicting_turns', ctypes.c_long),
        # of a loop that is no worker
        ('commits', ctypes.c_long),
        # set by us: end the loop; let tasks that wait go on
        ('let_go', ctypes.c_long)]

    def clear(self) -> None:
        """Begin anew."""
        ctypes.memset(ctypes.byref(self), 0, ctypes.sizeof(self))


# -- the tasks


#: of the process that we are in
counts = Counts()
notes: Any = None


class Counted(Task):
    """A task that does nothing but count that it was started."""

    def __call__(self) -> None:
        counts.starts += 1
        counts.first_start = counts.first_start or time.time()


class Sleeping(Counted):
    """A task that takes 50 ms, and no processor."""

    def __call__(self) -> None:
        super().__call__()
        time.sleep(.05)


class Again(Counted):
    """A task that comes again in one of the same minutes, much later."""

    number = 0

    def schedule(self) -> 'Again':
        self.time = NOW + timedelta(days=36500, minutes=self.number % MINUTES)
        return self


class EachSecond(Counted):
    """A task that comes again each second."""

    recurrence = Every(timedelta(seconds=1))


class Scheduling(Counted):
    """A task that schedules another one."""

    def __call__(self) -> None:
        super().__call__()
        current_run().schedule.schedule(Counted(datetime.now(UTC)))


class Failing(Counted):
    """A task that fails at first."""

    retry = Retry(3, timedelta(seconds=.5))

    def __call__(self) -> None:
        super().__call__()
        if current_run().attempt == 1:
            raise RuntimeError('tried again in a moment')


class Noting(Counted):
    """A task that notes when it was started."""

    number = 0

    def __call__(self) -> None:
        now = time.time_ns()
        super().__call__()
        notes.send((self.number, now))


class Consumer(Noting):
    """A task that notes its start, and goes on when it is let go."""

    def __call__(self) -> None:
        super().__call__()
        while not counts.let_go:
            time.sleep(.01)


class Counter(Persistent):
    """One small object."""

    value = 0


def count_outcome(event: object) -> None:
    """A subscriber: a run was committed."""
    if isinstance(event, RunEnded):
        counts.outcomes += 1
        counts.last_outcome = time.time()


def count_turns() -> None:
    """See to it that turns are counted, and those that conflict.

    Every commit is told by its note; that costs it less than 1 us.
    """
    commit = Transaction.commit

    def counted(self: Transaction) -> None:
        turn = self.description.startswith(TURN)
        try:
            commit(self)
        except ConflictError:
            counts.conflicting_turns += turn
            raise
        counts.turns += turn

    Transaction.commit = counted


# -- the process


class Here:
    """The process of a hand, as its orders find it."""

    worker: Worker | None = None

    def __init__(self, where: Where, told: Any, options: dict[str, Any]
                 ) -> None:
        #: for notes, as those of the tasks
        self.told = told
        self.db = where.open(**options)

    def work(self, options: dict[str, Any]) -> None:
        """Start a worker."""
        self.worker = Worker(self.db, **options)
        self.worker.start()

    def rest(self) -> None:
        """Stop it."""
        assert self.worker is not None
        assert self.worker.stop(timedelta(seconds=READY))
        self.worker = None


def be_a_hand(where: Where, shared: Counts, orders: Any, told: Any,
              machine: str, quiet: bool, options: dict[str, Any]) -> None:
    """Do what is ordered until there is no more."""
    global counts, notes
    counts, notes = shared, told
    if quiet:
        logging.disable()
    if machine:
        incarnation.machine = lambda: machine
    zope.event.subscribers.append(count_outcome)
    count_turns()
    here = Here(where, told, options)
    orders.send('ready')
    for order in ordered(orders):
        orders.send(order(here))
    if here.worker is not None:
        here.rest()
    here.db.close()


def ordered(orders: Any) -> Iterator[Callable]:
    """What comes through that pipe, until its other end is closed."""
    with suppress(EOFError):
        while True:
            yield orders.recv()


class Hand:
    """A process with a client of a database; idle until it is told more.

    It says that it runs on that *machine*, another one, if one is given; and
    logs nothing, if it is *quiet*: not that tasks fail, or claims are found.
    """

    def __init__(self, where: Where, machine: str = '', quiet: bool = False,
                 **options: Any) -> None:
        self.counts = processes.RawValue(Counts)
        self.orders, orders = processes.Pipe()
        self.notes, told = processes.Pipe(duplex=False)
        self.process = processes.Process(
            target=be_a_hand, daemon=True,
            args=(where, self.counts, orders, told, machine, quiet, options))
        self.process.start()
        # So that the end of the process is the end of the pipes.
        orders.close()
        told.close()

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def order(self, function: Callable, *args: Any) -> None:
        """Let *function* be called there with its `Here`."""
        self.orders.send(partial(function, *args) if args else function)

    def answer(self) -> Any:
        """What the last order returned."""
        return awaited(self.orders)

    def ask(self, function: Callable, *args: Any) -> Any:
        """An order, and what it returns."""
        self.order(function, *args)
        return self.answer()

    def work(self, **options: Any) -> None:
        """Start a worker there."""
        self.ask(_work, options)

    def rest(self) -> None:
        """Stop the worker."""
        self.ask(Here.rest)

    def noted(self) -> tuple:
        """The next note of a task."""
        return awaited(self.notes)

    def kill(self) -> None:
        """End it by SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the process, and the worker before that."""
        self.orders.close()
        self.process.join(READY)


def processor_time(here: Here) -> float:
    """Seconds that the process has used of the processor."""
    return time.process_time()


def _work(options: dict[str, Any], here: Here) -> None:
    here.work(options)


def awaited(pipe: Any) -> Any:
    """What comes through *pipe*, if it comes in time."""
    if not pipe.poll(PATIENCE):
        raise SystemExit(f'A worker has not answered in {PATIENCE} s.')
    try:
        return pipe.recv()
    except EOFError:
        raise SystemExit('A worker has died.') from None


@contextmanager
def hands(where: Where, number: int, **options) -> Iterator[list[Hand]]:
    """So many of them, ready."""
    found = [Hand(where, **options) for _ in range(number)]
    try:
        for hand in found:
            hand.answer()
        yield found
    finally:
        for hand in found:
            hand.stop()


# -- seen from here


def wait_until(condition: Callable[[], bool], hands: Iterable[Hand],
               step: float = .01) -> None:
    """Return when *condition* holds; the *hands* have to live meanwhile."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if any(not hand.process.is_alive() for hand in hands):
            raise SystemExit('A worker has died.')
        if time.monotonic() > end:
            raise SystemExit(f'Not in {PATIENCE} s.')
        time.sleep(step)


def wait_for_workers(connection, number: int, hands: Iterable[Hand]) -> None:
    """Return when so many workers are registered, and idle."""
    manager = connection.transaction_manager

    def registered() -> bool:
        manager.begin()
        try:
            workers = connection.root()['schedule'].workers
            return sum(1 for _ in workers) == number
        finally:
            manager.abort()

    wait_until(registered, hands, .05)
    time.sleep(IDLE)


def percentile(values: Iterable[float], percent: int) -> float:
    """The value that so many percent are not above."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
