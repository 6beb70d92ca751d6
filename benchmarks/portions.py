"""How the size of a portion and the sweeping of husks go together best.

For each pair: the rate of `process()` alone, the bytes that it writes a task,
and how many of the transactions of two users conflict meanwhile over ZEO.
"""

from measuring import arguments
from measuring import distinct
from measuring import median
from measuring import show
from measuring import verdict
from run_rate import by_hand
from run_rate import ours
from users import measure

from zodbschedule.execution import passes
from zodbschedule.execution import process as processing


PORTIONS = 64, 128, 256, 512
SWEEPS = 50, 500, 2000

# A round of the users has to be long enough for a sweep, one in about 8,000
# tasks at 500, and so not every pair is tried.
WITH_USERS = (64, 500), (128, 50), (128, 500), (128, 2000), (512, 500)


def alone(n: int, rounds: int, portions, sweeps) -> dict:
    """Rate against the loop by hand, and bytes a task, for each pair.

    By the processor's time.
    """
    found = {}
    for _ in range(rounds):
        for portion in portions:
            for sweep in sweeps:
                processing.PORTION, passes.SWEEP = portion, sweep
                floor = by_hand(distinct(n))
                one = ours(distinct(n), history=False)
                found.setdefault((portion, sweep), []).append(
                    (floor.processor / one.processor, one.size))
    return {pair: tuple(map(median, zip(*figures, strict=True)))
            for pair, figures in found.items()}


def conflicts(due: int, rounds: int, lasting: float, pair) -> tuple:
    """Percent of the users' transactions that conflict, and tasks/s."""
    tried = lost = 0
    rates = []
    for seed in range(0, rounds * 10, 10):
        one = measure(due, due, lasting, seed, *pair)
        tried += one.tried
        lost += one.conflicts
        rates.append(one.rate)
    return 100 * lost / tried, median(rates)


def main() -> None:
    quick = arguments(__doc__).quick
    n, due, rounds = (100, 40, 1) if quick else (3_000, 12_000, 3)
    portions, sweeps = ((16,), (2, 5)) if quick else (PORTIONS, SWEEPS)
    pairs = ((16, 2),) if quick else WITH_USERS
    fixed = processing.PORTION, passes.SWEEP
    table = alone(n, rounds, portions, sweeps)
    show('portion x sweep, alone', 'ratio', 'B a task')
    for pair, (ratio, size) in table.items():
        show(f'{pair[0]} x {pair[1]}', f'{ratio:.2f}', f'{size:.0f}')
    show('portion x sweep, conflicts of users', '0 ms', '50 ms', '200 ms',
         'tasks/s')
    for pair in pairs:
        found = [conflicts(due, 1, lasting, pair)
                 for lasting in ((0,) if quick else (0, .05, .2))]
        show(f'{pair[0]} x {pair[1]}',
             *(f'{percent:.1f} %' for percent, _ in found),
             f'{median(rate for _, rate in found):.0f}')
    best = max(ratio for ratio, _ in table.values())
    if fixed in table:
        ratio = table[fixed][0] / best
    else:
        processing.PORTION, passes.SWEEP = fixed
        ratio = by_hand(distinct(n)).processor / ours(
            distinct(n), history=False).processor / best
    verdict(f'rate of the pair that is fixed, {fixed[0]} x {fixed[1]}, '
            f'against the best', [ratio], '>= 0.95')


if __name__ == '__main__':
    main()
