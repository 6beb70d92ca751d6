"""1, 2, 4 and 8 workers on one server: do they get on together?

Each is a process with one thread.  They are up, registered and idle on an
empty schedule; then all tasks are scheduled in one commit, at distinct
instants in the past, so that all workers begin at the same end; or, if they
are to be at once, at one instant.  Time is from the first start to the last
outcome.

Tasks that do nothing are measured against as many processes, on the same
server, that each change one small object of their own and commit, in a loop:
what the storage can do at all; by the clock, and by the processor's time of
all of them and of their server.  Tasks that sleep for 50 ms: N workers against
N times one.  And tasks that all come again in the same five minutes.

A conflicting turn is one that could not be committed for a conflict, and was
made again; percent are of all turns, these among them.
"""

import time
from collections.abc import Callable
from datetime import datetime
from threading import Event
from typing import Any
from typing import NamedTuple

import crew
import zope.event
from crew import Again
from crew import Counted
from crew import Counter
from crew import Hand
from crew import Here
from crew import Sleeping
from crew import count_outcome
from crew import hands
from crew import processor_time
from crew import wait_for_workers
from crew import wait_until
from measuring import PATIENCE
from measuring import Database
from measuring import arguments
from measuring import distinct
from measuring import new_schedule
from measuring import one_instant
from measuring import show
from measuring import verdict
from persistent.list import PersistentList
from run_rate import Cost
from run_rate import by_hand
from servers import SHARED
from servers import Where
from servers import choose_storages
from servers import server
from servers import server_time
from servers import storages
from transaction import TransactionManager

from zodbschedule import Worker


#: how many workers
CREWS = 1, 2, 4, 8


class Sizes(NamedTuple):
    """How much is measured."""

    crews: tuple[int, ...] = CREWS
    #: tasks that do nothing
    tasks: int = 4_000
    #: tasks that sleep, for each worker
    sleeping: int = 100
    #: seconds for which the clients commit
    seconds: float = 5
    rounds: int = 3


# -- what is measured


class Done(NamedTuple):
    """What a crew did."""

    #: tasks a second
    rate: float
    #: of all and of the server, in microseconds a task
    processor: float
    #: outcomes of each
    shares: list[int]
    #: runs that were started and came to nothing
    wasted: int
    #: that were committed
    turns: int
    #: that conflicted, and were made again
    conflicting: int

    @property
    def conflicts(self) -> float:
        """Conflicting turns, in percent of all."""
        return 100 * self.conflicting / (self.turns + self.conflicting)


def prepare(connection, number: int) -> None:
    """An empty schedule, and an object for each client."""
    with connection.transaction_manager:
        root = connection.root()
        new_schedule(root)
        root['counters'] = PersistentList(Counter() for _ in range(number))


def used(where: Where, crew: list[Hand]) -> float:
    """Seconds of the processor: of the hands, and of their server."""
    return (sum(hand.ask(processor_time) for hand in crew)
            + server_time(where.pid))


def done(where: Where, connection, crew: list[Hand], tasks: list) -> Done:
    """What workers do with *tasks*, from a clean start."""
    for hand in crew:
        hand.counts.clear()
        hand.work()
    wait_for_workers(connection, len(crew), crew)
    counts = [hand.counts for hand in crew]
    for one in counts:
        # How they registered is not of interest.
        one.clear()
    with connection.transaction_manager:
        schedule = connection.root()['schedule']
        for task in tasks:
            schedule.schedule(task)
    # Some have begun already; what it took to schedule is not of interest.
    processor = used(where, crew)
    begun = sum(one.outcomes for one in counts)
    wait_until(lambda: sum(one.outcomes for one in counts) >= len(tasks),
               crew, .05)
    processor = used(where, crew) - processor
    for hand in crew:
        hand.rest()
    connection.cacheMinimize()
    outcomes = [one.outcomes for one in counts]
    assert sum(outcomes) == len(tasks), outcomes
    seconds = (max(one.last_outcome for one in counts)
               - min(one.first_start for one in counts if one.starts))
    return Done(len(tasks) / seconds,
                1e6 * processor / (len(tasks) - begun), outcomes,
                sum(one.starts for one in counts) - len(tasks),
                sum(one.turns for one in counts),
                sum(one.conflicting_turns for one in counts))


class Ceiling(NamedTuple):
    """What the storage can do with as many clients."""

    #: commits a second
    rate: float
    #: of all and of the server, in microseconds a commit
    processor: float


def ceiling(where: Where, crew: list[Hand], seconds: float) -> Ceiling:
    """Let them commit in a loop for so long."""
    processor = used(where, crew)
    for number, hand in enumerate(crew):
        hand.counts.clear()
        hand.order(commit_in_a_loop, number)

    def commits() -> tuple[float, int]:
        return time.perf_counter(), sum(hand.counts.commits for hand in crew)

    wait_until(lambda: all(hand.counts.commits > 5 for hand in crew), crew)
    begun, before = commits()
    time.sleep(seconds)
    ended, after = commits()
    for hand in crew:
        hand.counts.let_go = 1
    for hand in crew:
        hand.answer()
    processor = used(where, crew) - processor
    return Ceiling(
        (after - before) / (ended - begun),
        1e6 * processor / sum(hand.counts.commits for hand in crew))


def commit_in_a_loop(number: int, here: Here) -> None:
    """Change one small object and commit, until let go."""
    manager = TransactionManager(explicit=True)
    connection = here.db.open(manager)
    manager.begin()
    counter = connection.root()['counters'][number]
    manager.abort()
    counts = crew.counts
    while not counts.let_go:
        manager.begin()
        counter.value += 1
        manager.commit()
        counts.commits += 1
    connection.close()


# -- tasks that do nothing


def no_op(storage: str, sizes: Sizes) -> None:
    """Print the ratios to the ceiling."""
    against_the_ceiling(storage, sizes, 'no-op', distinct)


def at_once(storage: str, sizes: Sizes) -> None:
    """Print the same, of tasks that are all due at one instant."""
    against_the_ceiling(storage, sizes, 'at one instant', one_instant)


def against_the_ceiling(
        storage: str, sizes: Sizes, how: str,
        instants: Callable[[int], list[datetime]]) -> None:
    """Print the ratios of tasks that do nothing, at those *instants*."""
    for number in sizes.crews:
        what = f'{storage}, {many(number)}, {how}'
        found, ratios, processor = [], [], []
        with server(storage) as where, where.client() as connection:
            prepare(connection, number)
            with hands(where, number) as crew:
                floor = ceiling(where, crew, sizes.seconds)
                for _ in range(sizes.rounds):
                    before = floor
                    one = done(where, connection, crew, [
                        Counted(time) for time in instants(sizes.tasks)])
                    floor = ceiling(where, crew, sizes.seconds)
                    found.append(one)
                    ratios.append(2 * one.rate / (before.rate + floor.rate))
                    processor.append((before.processor + floor.processor) / 2
                                     / one.processor)
                    tell(what, one, 'ceiling:', f'{floor.rate:.0f}/s',
                         f'{floor.processor:.0f} us')
        verdict(f'{what}, against the ceiling', ratios, '>= 0.8')
        verdict(f"{what}, by the processor's time", processor, '>= 0.8')
        judge(what, found)


def tell(what: str, one: Done, *more: str) -> None:
    """One line of a round."""
    show(what, f'{one.rate:.0f}/s', f'{one.processor:.0f} us', *more,
         f'turns: {one.turns}', f'conflicts: {one.conflicting}',
         f'wasted: {one.wasted}', f'shares: {one.shares}')


def judge(what: str, found: list[Done]) -> None:
    """Wasted runs, conflicts and shares of all rounds."""
    verdict(what, [sum(one.wasted for one in found)], '0', 'd', 'runs wasted')
    verdict(f'{what}, conflicting turns', [one.conflicts for one in found],
            '< 20', '.1f', 'percent')
    if len(found[0].shares) > 1:
        verdict(f'{what}, the smallest share of an even one',
                [min(one.shares) * len(one.shares) / sum(one.shares)
                 for one in found], 'none')


def many(number: int) -> str:
    """So many workers, in words."""
    return f'{number} worker{"s" if number > 1 else ""}'


# -- tasks that sleep


def sleeping(storage: str, sizes: Sizes) -> None:
    """Print the ratios to N times one worker."""
    for number in sizes.crews[1:]:
        what = f'{storage}, {many(number)}, 50 ms'
        found, ratios = [], []
        for _ in range(sizes.rounds):
            one = rate_of_sleeping(storage, 1, sizes)
            several = rate_of_sleeping(storage, number, sizes)
            found.append(several)
            ratios.append(several.rate / number / one.rate)
            tell(what, several, 'one:', f'{one.rate:.1f}/s')
        verdict(f'{what}, against {number} times one', ratios, '>= 0.9')
        judge(what, found)


def rate_of_sleeping(storage: str, number: int, sizes: Sizes) -> Done:
    """What so many workers do, with as many tasks for each."""
    with server(storage) as where, where.client() as connection:
        prepare(connection, number)
        with hands(where, number) as crew:
            return done(where, connection, crew, [
                Sleeping(time)
                for time in distinct(sizes.sleeping * number)])


# -- tasks that come again


def again(time: datetime, number: int) -> Again:
    """That one."""
    task = Again(time)
    task.number = number
    return task


def same_minutes(storage: str, sizes: Sizes) -> None:
    """Print how many turns conflict."""
    number = min(4, sizes.crews[-1])
    what = f'{storage}, {many(number)}, again in the same minutes'
    found = []
    for _ in range(sizes.rounds):
        with server(storage) as where, where.client() as connection:
            prepare(connection, number)
            with hands(where, number) as crew:
                found.append(done(where, connection, crew, [
                    again(time, i)
                    for i, time in enumerate(distinct(sizes.tasks))]))
        tell(what, found[-1])
    judge(what, found)


# -- one alone


def alone(sizes: Sizes) -> None:
    """Print the ratios of one worker to the loop by hand, on FileStorage."""
    what = 'FileStorage, 1 worker, no-op'
    zope.event.subscribers.append(count_outcome)
    rates, processor = [], []
    floor = by_hand(distinct(sizes.tasks))
    for _ in range(sizes.rounds):
        before = floor
        found = by_a_worker(sizes.tasks)
        floor = by_hand(distinct(sizes.tasks))
        rates.append(2 * found.rate / (before.rate + floor.rate))
        processor.append(
            (before.processor + floor.processor) / 2 / found.processor)
        show(what, f'{found.rate:.0f}/s', f'{found.processor:.0f} us',
             'by hand:', f'{floor.rate:.0f}/s', f'{floor.processor:.0f} us')
    verdict(f'{what}, against the loop by hand', rates, '>= 1.0')
    verdict(f"{what}, by the processor's time", processor, '>= 1.0')


class Watched(Counted):
    """A task whose first start begins a measurement."""

    begun: tuple[float, float] | None = None

    def __call__(self) -> None:
        if Watched.begun is None:
            Watched.begun = stand()
        super().__call__()


def stand() -> tuple[float, float]:
    """What the clock and the processor's clock say."""
    return time.perf_counter(), time.process_time()


def by_a_worker(n: int) -> Cost:
    """The cost of a worker in this process, from a clean start."""
    Watched.begun = None
    crew.counts.clear()
    ended = Event()
    last: list[Any] = []

    def watch(event: object) -> None:
        if crew.counts.outcomes == n and not last:
            last.append(stand())
            ended.set()

    with Database() as database, subscribed(watch):
        schedule = new_schedule(database.root)
        database.settle()
        size = database.size()
        with Worker(database.db):
            time.sleep(crew.IDLE)
            for instant in distinct(n):
                schedule.schedule(Watched(instant))
            database.settle()
            if not ended.wait(PATIENCE):
                raise SystemExit(f'Not in {PATIENCE} s.')
        assert crew.counts.starts == n, crew.counts.starts
        seconds, processor = (
            after - before for before, after in zip(
                Watched.begun, last[0], strict=True))
        return Cost(n / seconds, processor / n * 1e6,
                    (database.size() - size) / n)


class subscribed:
    """Inside, *watch* is told of every event."""

    def __init__(self, watch: Callable[[object], None]) -> None:
        self.watch = watch

    def __enter__(self) -> None:
        zope.event.subscribers.append(self.watch)

    def __exit__(self, *args: object) -> None:
        zope.event.subscribers.remove(self.watch)


def parts(parser) -> None:
    """The options that leave something out."""
    parser.add_argument('--part', action='append', choices=PARTS,
                        help='what to measure; default: all')
    parser.add_argument('--workers', type=int, action='append',
                        help='how many; default: 1, 2, 4 and 8')
    parser.add_argument('--rounds', type=int, default=3)


PARTS = {'no-op': no_op, 'at-once': at_once, 'sleeping': sleeping,
         'again': same_minutes}


def main() -> None:
    args = arguments(__doc__, choose_storages, parts)
    sizes = Sizes((1, 2), 200, 4, .5, 1) if args.quick else Sizes(
        tuple(args.workers or CREWS), rounds=args.rounds)
    if 'FileStorage' in storages(args, 'FileStorage') and not args.part:
        alone(sizes)
    for storage in storages(args, *SHARED):
        for name, part in PARTS.items():
            if name in (args.part or PARTS):
                part(storage, sizes)


if __name__ == '__main__':
    main()
