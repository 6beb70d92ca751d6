"""Two workers on ZEO under a steady load: does anything grow?

So many runs a second are asked for: most tasks run once, now or some seconds
later; some schedule another one, some fail and are tried again, some come
again each second.  The database is packed at intervals; its size after that
has to be bounded by what is pending, and the workers' memory has to be flat.
Judged is what comes after the first quarter, by when the history is full and
so are the caches.
"""

import os
import random
import statistics
import time
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from crew import Counted
from crew import EachSecond
from crew import Failing
from crew import Hand
from crew import Scheduling
from crew import hands
from crew import wait_for_workers
from crew import wait_until
from measuring import arguments
from measuring import median
from measuring import new_schedule
from measuring import show
from measuring import verdict
from servers import Where
from servers import server
from transaction.interfaces import TransientError


# How often new tasks come in, in seconds.
STEP = .1

# So many of a hundred runs are of tasks that come again each second.
REPEATING = 20

#: what comes in otherwise; of these eight two make two runs
MIXED = 'now', 'now', 'now', 'now', 'now', 'later', 'another', 'fails'
RUNS = 10 / 8

#: how long those wait that come later, in seconds
LATER = 1, 10

# So that the cache of a ZEO client is full soon, in bytes.
CACHE = 1_000_000


class Sample(NamedTuple):
    """How things stand at one moment."""

    #: since the load began
    minutes: float
    #: KB of the database, just packed
    size: float
    #: tasks that wait or are claimed
    pending: int
    #: KB of each worker
    memory: list[int]


class Load:
    """Schedules so many tasks a second, in short transactions."""

    def __init__(self, connection, rate: float) -> None:
        self.connection = connection
        self.manager = connection.transaction_manager
        self.each_second = rate * (100 - REPEATING) / 100 / RUNS
        self.begun = time.monotonic()
        self.scheduled = self.conflicts = 0

    def go_on(self) -> None:
        """What has to have come in by now."""
        behind = int(self.lasted() * self.each_second) - self.scheduled
        self.manager.begin()
        schedule = self.connection.root()['schedule']
        try:
            for _ in range(behind):
                schedule.schedule(new_task())
            self.manager.commit()
        except TransientError:
            self.manager.abort()
            self.conflicts += 1
        else:
            self.scheduled += behind

    def lasted(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.begun


def new_task() -> Counted:
    """One of those that come in."""
    kind, now = random.choice(MIXED), datetime.now(UTC)
    if kind == 'later':
        now += timedelta(seconds=random.uniform(*LATER))
    return {'another': Scheduling, 'fails': Failing}.get(kind, Counted)(now)


def take_sample(where: Where, load: Load, crew: list[Hand]) -> Sample:
    """Pack, and see how things stand."""
    load.connection.db().pack()
    size = os.path.getsize(where.path) / 1024
    load.connection.cacheMinimize()
    return Sample(load.lasted() / 60, size, len(pending(load)),
                  [memory(hand.pid) for hand in crew])


def pending(load: Load) -> list:
    """The tasks that wait or are claimed."""
    load.manager.begin()
    schedule = load.connection.root()['schedule']
    found = [*schedule, *(claimed.task for claimed in schedule.claimed())]
    load.manager.abort()
    return found


def memory(pid: int) -> int:
    """What a process holds of it now, in KB."""
    status = Path(f'/proc/{pid}/status').read_text()
    return int(status.partition('VmRSS:')[2].split()[0])


def soak(rate: float, seconds: float, interval: float) -> None:
    """Keep up the load, and print how things stand."""
    with server('ZEO') as where, where.client() as connection:
        with connection.transaction_manager:
            schedule = new_schedule(connection.root())
            # Full within the first eighth.
            schedule.history.keep = int(min(10_000, rate * seconds / 8))
        with hands(where, 2, cache_size=CACHE, quiet=True) as crew:
            for hand in crew:
                hand.work()
            wait_for_workers(connection, 2, crew)
            with connection.transaction_manager:
                for _ in range(round(rate * REPEATING / 100)):
                    schedule.schedule(EachSecond(datetime.now(UTC)))
            load = Load(connection, rate)
            samples = kept_up(where, load, crew, seconds, interval)
            ended(load, crew)
            judge(samples, load, crew)


def kept_up(where: Where, load: Load, crew: list[Hand], seconds: float,
            interval: float) -> list[Sample]:
    """How things stand at intervals, for so many seconds."""
    samples: list[Sample] = []
    while load.lasted() < seconds:
        load.go_on()
        if load.lasted() >= interval * (len(samples) + 1):
            one = take_sample(where, load, crew)
            samples.append(one)
            done = sum(hand.counts.outcomes for hand in crew)
            show(f'{one.minutes * 60:.0f} s', f'{one.size:.0f} KB',
                 f'{one.pending} pending',
                 *(f'{each} KB' for each in one.memory),
                 f'{done / load.lasted():.0f} runs/s')
        if any(not hand.process.is_alive() for hand in crew):
            raise SystemExit('A worker has died.')
        time.sleep(STEP)
    return samples


def ended(load: Load, crew: list[Hand]) -> None:
    """Wait until nothing is left but what comes again; end the workers."""
    wait_until(lambda: all(isinstance(task, EachSecond)
                           for task in pending(load)), crew, .2)
    for hand in crew:
        hand.rest()


def judge(samples: list[Sample], load: Load, crew: list[Hand]) -> None:
    """Print what has grown after the first quarter, and what went wrong."""
    later = samples[len(samples) // 4:]
    third = max(1, len(later) // 3)
    first, last = later[:third], later[-third:]
    verdict('pending, in the last quarter against the second',
            [median(one.pending for one in last)
             / median(one.pending for one in first)], 'none')
    verdict('size after pack, in the last quarter against the second',
            [median(one.size for one in last)
             / median(one.size for one in first)], '<= 1.1')
    slopes = [slope([(one.minutes, one.memory[i]) for one in later])
              for i in range(len(crew))]
    verdict('memory of a worker', slopes, '<= 100', '.0f', 'KB a minute')
    counts = [hand.counts for hand in crew]
    verdict('soak', [sum(one.starts - one.outcomes for one in counts)], '0',
            'd', 'runs wasted')
    load.manager.begin()
    parked = load.connection.root()['schedule'].parked
    verdict('soak', [sum(1 for _ in parked)], '0', 'd', 'tasks parked')
    load.manager.abort()
    show(f'{load.scheduled} tasks scheduled',
         f'{load.conflicts} conflicts of who scheduled them')


def slope(points: list[tuple[float, float]]) -> float:
    """How steep a straight line through *points* is, by least squares."""
    if len(points) < 2:
        return 0
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def load_and_time(parser) -> None:
    """The options that say how much, and for how long."""
    parser.add_argument('--seconds', type=float, default=120)
    parser.add_argument('--rate', type=float, default=100,
                        help='runs a second')


def main() -> None:
    args = arguments(__doc__, load_and_time)
    seconds = min(4, args.seconds) if args.quick else args.seconds
    soak(args.rate, seconds, max(seconds / 24, .5))


if __name__ == '__main__':
    main()
