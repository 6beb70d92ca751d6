"""`process()` of tasks that do nothing, against a loop written by hand.

The loop: the next list out of an OOBTree, call what is in it, empty the list,
delete the key, commit.
"""

import math
from typing import NamedTuple

import transaction
from BTrees.OOBTree import OOBTree
from measuring import NOW
from measuring import Database
from measuring import NoOp
from measuring import Stopwatch
from measuring import arguments
from measuring import distinct
from measuring import new_schedule
from measuring import one_instant
from measuring import show
from measuring import verdict
from persistent.list import PersistentList


class Cost(NamedTuple):
    """What one drain took, a task."""

    #: tasks a second
    rate: float
    #: the processor's time, in microseconds
    processor: float
    #: bytes written
    size: float


def by_hand(times) -> Cost:
    """The cost of the loop."""
    with Database() as database:
        tree = database.root['tree'] = OOBTree()
        for time in times:
            tree[time] = PersistentList([NoOp(time)])
        database.settle()
        return cost(database, len(times), lambda: loop(tree))


def ours(times, history: bool) -> Cost:
    """The cost of `process()`."""
    with Database() as database:
        schedule = new_schedule(database.root, history)
        for time in times:
            schedule.schedule(NoOp(time))
        database.settle()
        found = cost(database, len(times), lambda: schedule.process(NOW))
        assert not list(schedule)
        return found


def cost(database: Database, n: int, drain) -> Cost:
    """What *drain* takes for *n* tasks."""
    NoOp.calls = 0
    size = database.size()
    with Stopwatch() as watch:
        drain()
    assert NoOp.calls == n, NoOp.calls
    return Cost(n / watch.seconds, watch.processor / n * 1e6,
                (database.size() - size) / n)


def loop(tree) -> None:
    """The floor."""
    while True:
        transaction.begin()
        time = next(iter(tree), None)
        if time is None or time > NOW:
            break
        tasks = tree[time]
        for task in tasks:
            task()
        del tasks[:]
        del tree[time]
        transaction.commit()
    transaction.abort()


def compare(what, n, times, history, rounds) -> float:
    """Print the ratios to the floor; the bytes a task."""
    rates, processor = [], []
    floor = by_hand(distinct(n))
    for _ in range(rounds):
        before = floor
        found = ours(times, history)
        floor = by_hand(distinct(n))
        rates.append(2 * found.rate / (before.rate + floor.rate))
        processor.append(
            (before.processor + floor.processor) / 2 / found.processor)
        show(what, f'{found.rate:.0f}/s', f'{found.processor:.0f} us',
             f'{found.size:.0f} B', 'by hand:', f'{floor.rate:.0f}/s',
             f'{floor.processor:.0f} us', f'{floor.size:.0f} B')
    aim = '>= 1.1' if times == distinct(n) else '>= 1.0'
    verdict(what, rates, aim)
    verdict(f"{what}, by the processor's time", processor, aim)
    return found.size


def main() -> None:
    quick = arguments(__doc__).quick
    n, rounds = (50, 1) if quick else (5_000, 5)
    for kept, history in (('no history', False), ('with history', True)):
        size = compare(f'{n} distinct instants, {kept}', n, distinct(n),
                       history, rounds)
        if not history:
            verdict(f'{n} distinct instants, {kept}', [size], '<= 400', '.0f',
                    'bytes a task')
    least = 0.0
    for many, times in ((n, rounds), (4 * n, min(rounds, 2)), (20 * n, 1)):
        what = f'{many} at one instant, no history'
        size = compare(what, n, one_instant(many), False, times)
        verdict(what, [size], '<= 800', '.0f', 'bytes a task')
        least = least or size
        verdict(f'{what}, bytes against {n}', [size / least],
                f'<= {math.log(many) / math.log(n):.2f}')


if __name__ == '__main__':
    main()
