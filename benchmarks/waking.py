"""How soon a task starts, with an idle worker.

A task that is due at a given instant: the lag of its start behind that, on
FileStorage and on ZEO, against a bare `time.sleep` until instants in between.
A task that one process schedules for now: from the beginning of its commit to
its start in another process, on ZEO and on PostgreSQL; on ZEO against a bare
loop that waits for `lastTransaction()` to change, from the beginning of a
commit of a small change.
"""

import random
import time
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from crew import Counter
from crew import Hand
from crew import Here
from crew import Noting
from crew import hands
from crew import percentile
from crew import wait_for_workers
from measuring import arguments
from measuring import median
from measuring import new_schedule
from measuring import show
from measuring import verdict
from servers import choose_storages
from servers import server
from servers import storages


# How long the worker is left idle between two tasks, in seconds.
PAUSE = .1, .3

# How soon the first one is due, so that the worker is idle by then.
SOON = 1

# The bare loop looks so often.
LOOK = .0001

#: storage -> what is to be expected, in ms: a poll of 0.2 s on PostgreSQL
STARTS = {
    'ZEO': {'median': '<= 20', 'p99': '<= 100'},
    'PostgreSQL': {'median': '<= 200', 'p99': '<= 300'}}


def judge(what: str, lags: list[float], targets: dict[str, str]) -> None:
    """Median and 99th percentile of *lags* in ms, with a target or none."""
    figures = {'median': median(lags), 'p99': percentile(lags, 99)}
    for name, figure in figures.items():
        verdict(f'{what}, {name}', [figure], targets.get(name, 'none'),
                '.2f', 'ms')


def pause() -> float:
    """So long, and never in step with anything."""
    return random.uniform(*PAUSE)


# -- due at a given instant


def due_at_an_instant(storage: str, samples: int) -> None:
    """Print the lag of the starts, and that of a bare sleep."""
    with server(storage) as where, hands(where, 1) as [hand]:
        hand.ask(prepare)
        hand.work()
        time.sleep(SOON)
        instant, instants = time.time() + SOON, []
        for _ in range(samples):
            instants.append(instant)
            instant += pause()
        hand.ask(schedule_at, instants)
        bare = [slept_until(now + PAUSE[0] / 2) for now in instants]
        started = dict(hand.noted() for _ in instants)
        hand.rest()
    lags = [started[number] / 1e6 - now * 1e3
            for number, now in enumerate(instants)]
    show(f'{storage}, due at an instant', f'{min(lags):.2f} ms',
         f'to {max(lags):.2f} ms', 'sleep:', f'{min(bare):.2f} ms',
         f'to {max(bare):.2f} ms')
    judge(f'{storage}, due at an instant', lags, {'p99': '<= 20'})
    judge(f'{storage}, a bare sleep', bare, {})


def prepare(here: Here) -> None:
    """An empty schedule, and a small object."""
    with here.db.transaction() as connection:
        new_schedule(connection.root())
        connection.root()['counter'] = Counter()


def schedule_at(instants: list[float], here: Here) -> None:
    """A task at each of those seconds since 1970, in one commit."""
    with here.db.transaction() as connection:
        schedule = connection.root()['schedule']
        for number, instant in enumerate(instants):
            task = Noting(datetime.fromtimestamp(instant, UTC))
            task.number = number
            schedule.schedule(task)


def slept_until(instant: float) -> float:
    """How late a sleep until that ended, in ms."""
    time.sleep(max(0, instant - time.time()))
    return (time.time() - instant) * 1e3


# -- scheduled for now, by another process


def from_another_process(storage: str, samples: int) -> None:
    """Print the time to the start, and to the end of a bare loop."""
    loops = storage == 'ZEO'
    with server(storage) as where, hands(where, 1 + loops) as crew:
        worker, *loop = crew
        worker.ask(prepare)
        worker.work()
        lags, bare = [], []
        with where.client() as connection:
            wait_for_workers(connection, 1, crew)
            for number in range(samples):
                time.sleep(pause())
                lags.append(to_the_start(connection, worker, number))
                for one in loop:
                    time.sleep(pause())
                    bare.append(to_the_end_of_the_loop(connection, one))
        worker.rest()
    show(f'{storage}, from another process', f'{min(lags):.2f} ms',
         f'to {max(lags):.2f} ms')
    judge(f'{storage}, from another process', lags, STARTS[storage])
    if loops:
        judge(f'{storage}, a bare loop', bare, {})


def to_the_start(connection, worker: Hand, number: int) -> float:
    """From the beginning of the commit that schedules a task, in ms."""
    manager = connection.transaction_manager
    manager.begin()
    task = Noting(datetime.now(UTC) - timedelta(seconds=1))
    task.number = number
    connection.root()['schedule'].schedule(task)
    begun = time.time_ns()
    manager.commit()
    noted, started = worker.noted()
    assert noted == number, (noted, number)
    return (started - begun) / 1e6


def to_the_end_of_the_loop(connection, loop: Hand) -> float:
    """From the beginning of a commit of a small change, in ms."""
    manager = connection.transaction_manager
    manager.begin()
    connection.root()['counter'].value += 1
    loop.order(wait_for_a_change)
    loop.noted()
    begun = time.time_ns()
    manager.commit()
    return (loop.answer() - begun) / 1e6


def wait_for_a_change(here: Here) -> int:
    """When the last transaction was another one."""
    storage = here.db.storage
    before = storage.lastTransaction()
    here.told.send(None)
    while storage.lastTransaction() == before:
        time.sleep(LOOK)
    return time.time_ns()


def main() -> None:
    args = arguments(__doc__, choose_storages)
    samples = 5 if args.quick else 200
    for storage in storages(args, 'FileStorage', 'ZEO'):
        due_at_an_instant(storage, samples)
    for storage in storages(args, *STARTS):
        from_another_process(storage, samples)


if __name__ == '__main__':
    main()
