"""Users' inserts over ZEO while another process drains, or nobody does.

Two users schedule a task each in a transaction that lasts a while, at random
instants in the future, as long as the drain goes on; then the same for as
long with nobody draining.
"""

import random
import time
from datetime import timedelta

import transaction
from measuring import NOW
from measuring import PATIENCE
from measuring import READY
from measuring import NoOp
from measuring import Outcomes
from measuring import arguments
from measuring import distinct
from measuring import new_schedule
from measuring import processes
from measuring import show
from measuring import verdict
from servers import zeo_client
from servers import zeo_server
from ZODB.POSException import ConflictError

from zodbschedule.execution import passes
from zodbschedule.execution import process as processing


#: the users' tasks come within this time after what is due
FUTURE = timedelta(days=30)


def soon(chance: random.Random):
    """A random instant in the future."""
    return NOW + timedelta(seconds=chance.uniform(1, FUTURE.total_seconds()))


def user(address, seed, lasting, start, stop, results) -> None:
    """Insert, a transaction each, until told to stop."""
    chance = random.Random(seed)
    tried = conflicts = 0
    with zeo_client(address) as connection:
        schedule = connection.root()['schedule']
        start.wait()
        while not stop.is_set():
            tried += 1
            try:
                transaction.begin()
                schedule.schedule(NoOp(soon(chance)))
                time.sleep(lasting)
                transaction.commit()
            except ConflictError:
                transaction.abort()
                conflicts += 1
    results.put(('user', tried, conflicts))


def drain(address, portion, sweep, start, results) -> None:
    """Process whatever is due."""
    processing.PORTION = portion
    passes.SWEEP = sweep
    outcomes = Outcomes()
    with zeo_client(address) as connection:
        schedule = connection.root()['schedule']
        start.wait()
        begin = time.perf_counter()
        tally = schedule.process(NOW)
        seconds = time.perf_counter() - begin
    results.put(('drain', tally.succeeded / seconds, outcomes.wasted,
                 seconds))


class Measured:
    """What came of one round."""

    def __init__(self, found) -> None:
        users = [figures for who, *figures in found if who == 'user']
        self.tried = sum(tried for tried, _ in users)
        self.conflicts = sum(conflicts for _, conflicts in users)
        self.rate, self.wasted, self.seconds = next(
            (figures for who, *figures in found if who == 'drain'),
            (0, 0, 0))

    @property
    def percent(self) -> float:
        """How many of the users' transactions conflicted."""
        return 100 * self.conflicts / self.tried


def measure(due: int, pending: int, lasting: float, seed: int,
            portion: int = processing.PORTION, sweep: int = passes.SWEEP,
            idle: float | None = None) -> Measured:
    """One round; with *idle*, so many seconds with nobody draining."""
    with zeo_server() as address:
        prepare(address, due, pending, seed)
        start = processes.Barrier(3, timeout=READY)
        stop = processes.Event()
        results = processes.Queue()
        started = [
            processes.Process(target=user, args=(
                address, seed + number, lasting, start, stop, results))
            for number in (1, 2)]
        if idle is None:
            started.append(processes.Process(target=drain, args=(
                address, portion, sweep, start, results)))
        for process in started:
            process.start()
        if idle is None:
            found = [results.get(timeout=PATIENCE)]
        else:
            start.wait()
            time.sleep(idle)
            found = []
        stop.set()
        found.extend(results.get(timeout=PATIENCE) for _ in range(2))
        for process in started:
            process.join()
        return Measured(found)


def prepare(address, due: int, pending: int, seed: int) -> None:
    """What is due, and what is there before the users come."""
    chance = random.Random(seed)
    with zeo_client(address) as connection:
        schedule = new_schedule(connection.root())
        for instant in distinct(due):
            schedule.schedule(NoOp(instant))
        for _ in range(pending):
            schedule.schedule(NoOp(soon(chance)))
        transaction.commit()


def main() -> None:
    quick = arguments(__doc__).quick
    due, pending, rounds = (40, 40, 1) if quick else (12_000, 12_000, 1)
    wasted = 0
    for lasting in (0, .02) if quick else (0, .05, .2):
        draining, nobody = [0, 0], [0, 0]
        for seed in range(0, rounds * 10, 10):
            busy = measure(due, pending, lasting, seed)
            quiet = measure(due, pending, lasting, seed, idle=busy.seconds)
            wasted += busy.wasted
            for total, one in ((draining, busy), (nobody, quiet)):
                total[0] += one.conflicts
                total[1] += one.tried
            show(f'{due} due, users {lasting * 1000:.0f} ms',
                 f'{busy.percent:.1f} % of {busy.tried}', 'nobody:',
                 f'{quiet.percent:.1f} % of {quiet.tried}',
                 f'{busy.rate:.0f}/s')
        more = (100 * draining[0] / draining[1]
                - 100 * nobody[0] / nobody[1])
        print(f'users of {lasting * 1000:.0f} ms: '
              f'{100 * draining[0] / draining[1]:.1f} % of {draining[1]} '
              f'conflict, {100 * nobody[0] / nobody[1]:.1f} % of {nobody[1]} '
              f'with nobody draining')
        verdict(f'users of {lasting * 1000:.0f} ms', [more], '<= 2.0', '.1f',
                'points more')
    verdict('while users insert', [wasted], '0', 'd', 'runs wasted')


if __name__ == '__main__':
    main()
