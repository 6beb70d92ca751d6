"""What the history costs: `process()` with it, against the same without.

Tasks that do nothing, at distinct instants; and the same with a recurrence,
whose records carry more.
"""

from datetime import timedelta

from measuring import NOW
from measuring import Database
from measuring import NoOp
from measuring import arguments
from measuring import distinct
from measuring import new_schedule
from measuring import show
from measuring import verdict
from run_rate import Cost
from run_rate import cost

from zodbschedule import Every


class Yearly(NoOp):
    """Comes again, but not in this pass."""

    recurrence = Every(timedelta(days=366))


def drained(cls, n: int, history: bool) -> Cost:
    """The cost of `process()` of *n* tasks of that class."""
    with Database() as database:
        schedule = new_schedule(database.root, history)
        for time in distinct(n):
            schedule.schedule(cls(time))
        database.settle()
        return cost(database, n, lambda: schedule.process(NOW))


def compare(what: str, cls, n: int, rounds: int) -> None:
    """Print the ratios, and the bytes a task."""
    rates, processor, more = [], [], []
    without = drained(cls, n, False)
    for _ in range(rounds):
        before = without
        found = drained(cls, n, True)
        without = drained(cls, n, False)
        rates.append(2 * found.rate / (before.rate + without.rate))
        processor.append(
            (before.processor + without.processor) / 2 / found.processor)
        more.append(found.size - without.size)
        show(what, f'{found.rate:.0f}/s', f'{found.processor:.0f} us',
             f'{found.size:.0f} B', 'without:', f'{without.rate:.0f}/s',
             f'{without.processor:.0f} us', f'{without.size:.0f} B')
    verdict(what, rates, '>= 0.9')
    verdict(f"{what}, by the processor's time", processor, '>= 0.9')
    verdict(what, more, '<= 300', '.0f', 'bytes a task')


def main() -> None:
    quick = arguments(__doc__).quick
    n, rounds = (50, 1) if quick else (5_000, 5)
    compare('once, with history', NoOp, n, rounds)
    compare('repeating, with history', Yearly, n, rounds)


if __name__ == '__main__':
    main()
