"""`process()` beside many tasks that are pending, and of many that are due.

Each measurement is made by a process that opens the prepared FileStorage
anew; the extra peak memory is that of the call of `process()` alone.  Cost is
the processor's time, and the disk is not waited for: the waits are the same
for each transaction, and would hide what differs.
"""

import ctypes
import gc
import tempfile
from datetime import timedelta
from pathlib import Path

import transaction
import ZODB
from measuring import NOW
from measuring import PAST
from measuring import NoOp
from measuring import Stopwatch
from measuring import arguments
from measuring import do_not_wait_for_the_disk
from measuring import median
from measuring import new_schedule
from measuring import processes
from measuring import show
from measuring import verdict
from ZODB.FileStorage import FileStorage


# So many are scheduled before a commit, to keep the memory small.
CHUNK = 20_000


def prepare(path: Path, pending: int) -> None:
    """A FileStorage with so many tasks, a second apart from `NOW` on."""
    do_not_wait_for_the_disk()
    db = ZODB.DB(FileStorage(str(path)))
    with db.transaction() as connection:
        new_schedule(connection.root(), history=False)
    connection = db.open()
    schedule = connection.root()['schedule']
    for first in range(0, pending, CHUNK):
        for i in range(first, min(first + CHUNK, pending)):
            schedule.schedule(NoOp(NOW + timedelta(seconds=i + 1)))
        transaction.commit()
        connection.cacheMinimize()
    connection.close()
    db.close()


def serve(path: Path, orders, results) -> None:
    """Process *due* tasks scheduled just now, or all; tell what it cost."""
    do_not_wait_for_the_disk()
    db = ZODB.DB(FileStorage(str(path)))
    connection = db.open()
    schedule = connection.root()['schedule']
    results.put('ready')
    for due, until in iter(orders.get, None):
        for i in range(due):
            schedule.schedule(NoOp(PAST + timedelta(seconds=i)))
        transaction.commit()
        connection.cacheMinimize()
        before = fresh_peak()
        with Stopwatch() as watch:
            tally = schedule.process(until)
        results.put((watch.processor / tally.succeeded * 1e6,
                     peak() - before, tally.succeeded))
    db.close()


def fresh_peak() -> float:
    """Begin to look for the peak anew; what is in use now, in MB."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path('/proc/self/clear_refs').write_text('5')
    return peak()


def peak() -> float:
    """The most memory that was in use at once, in MB."""
    status = Path('/proc/self/status').read_text()
    return int(status.partition('VmHWM:')[2].split()[0]) / 1024


class Served:
    """A process that has opened one database."""

    def __init__(self, path: Path) -> None:
        self.orders, self.results = processes.Queue(), processes.Queue()
        self.process = processes.Process(
            target=serve, args=(path, self.orders, self.results))
        self.process.start()
        self.results.get()

    def cost(self, due: int, until=NOW) -> tuple[float, float, int]:
        """Microseconds a task, extra MB at the peak, and how many ran."""
        self.orders.put((due, until))
        return self.results.get()

    def stop(self) -> None:
        """End it."""
        self.orders.put(None)
        self.process.join()


def size(parser) -> None:
    """The option that says how many are many."""
    parser.add_argument('--size', type=int, default=1_000_000,
                        help='how many tasks are pending, or due')


def main() -> None:
    args = arguments(__doc__, size)
    many = min(2_000, args.size) if args.quick else args.size
    few = 50 if args.quick else 1_000
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ('few.fs', 'many.fs')]
        for path, pending in zip(paths, (few, many), strict=True):
            with Stopwatch() as watch:
                prepare(path, pending)
            show(f'{pending} pending, prepared', f'{watch.seconds:.0f} s')
        beside_many(paths, few, many, 1 if args.quick else 9)
        all_due(paths, few, many)


def beside_many(paths, few: int, many: int, rounds: int) -> None:
    """The same number due, with few and with many pending."""
    served = [Served(path) for path in paths]
    ratios, extra = [], []
    for _ in range(rounds):
        (floor, less, _), (micros, more, _) = [
            one.cost(few) for one in served]
        ratios.append(micros / floor)
        extra.extend((less, more))
        show(f'{few} due, {few}; {many} pending', f'{floor:.0f} us',
             f'{less:.1f} MB', f'{micros:.0f} us', f'{more:.1f} MB')
    for one in served:
        one.stop()
    verdict(f'cost of {few} due, {many} against {few} pending', ratios,
            '<= 1.2')
    verdict(f'{few} due', [max(extra)], '<= 50', '.1f', 'extra MB')


def all_due(paths, few: int, many: int) -> None:
    """So many due at once, between two measurements of few."""
    floor, crowd = [Served(path) for path in paths]
    floors = [floor.cost(few)[0] for _ in range(3)]
    micros, extra, ran = crowd.cost(
        0, NOW + timedelta(seconds=many + 1))
    floors.extend(floor.cost(few)[0] for _ in range(3))
    for one in (floor, crowd):
        one.stop()
    assert ran == many, ran
    show(f'{many} due', f'{micros:.0f} us', f'{extra:.1f} MB', f'{few}:',
         f'{median(floors):.0f} us')
    verdict(f'cost per task of {many} due against {few}',
            [micros / median(floors)], '<= 1.2')
    verdict(f'{many} due', [extra], '<= 50', '.1f', 'extra MB')


if __name__ == '__main__':
    main()
