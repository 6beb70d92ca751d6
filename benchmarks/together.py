"""Two calls of `process()` at once, in two processes, over ZEO."""

import time

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


def drain(address, start, results) -> None:
    """Process whatever is due, from the moment at which all are ready."""
    outcomes = Outcomes()
    with zeo_client(address) as connection:
        schedule = connection.root()['schedule']
        start.wait()
        begin = time.time()
        tally = schedule.process(NOW)
        results.put((begin, time.time(), tally.succeeded, outcomes.wasted))


def rate(n: int, workers: int) -> tuple[float, int, list[int]]:
    """Tasks a second, runs wasted, and who ran how many."""
    with zeo_server() as address:
        with zeo_client(address) as connection:
            schedule = new_schedule(connection.root())
            for instant in distinct(n):
                schedule.schedule(NoOp(instant))
            transaction.commit()
        start = processes.Barrier(workers, timeout=READY)
        results = processes.Queue()
        started = [
            processes.Process(target=drain, args=(address, start, results))
            for _ in range(workers)]
        for process in started:
            process.start()
        found = [results.get(timeout=PATIENCE) for _ in started]
        for process in started:
            process.join()
    begins, ends, ran, wasted = zip(*found, strict=True)
    assert sum(ran) == n, ran
    return n / (max(ends) - min(begins)), sum(wasted), sorted(ran)


def main() -> None:
    quick = arguments(__doc__).quick
    n, rounds = (60, 1) if quick else (2_000, 5)
    ratios, wasted = [], 0
    for _ in range(rounds):
        one, lost, _ = rate(n, 1)
        wasted += lost
        two, lost, shares = rate(n, 2)
        wasted += lost
        ratios.append(two / one)
        show(f'{n} tasks', f'one: {one:.0f}/s', f'two: {two:.0f}/s',
             f'shares {shares}', f'wasted {lost}')
    verdict('two at once against one', ratios, '>= 1.0')
    verdict('two at once', [wasted], '0', 'd', 'runs wasted')


if __name__ == '__main__':
    main()
