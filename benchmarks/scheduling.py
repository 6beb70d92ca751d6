"""Scheduling n tasks in one transaction: is the cost linear in n?

Cost is the processor's time, and the disk is not waited for.
"""

import gc

import transaction
from measuring import Database
from measuring import NoOp
from measuring import Stopwatch
from measuring import arguments
from measuring import distinct
from measuring import do_not_wait_for_the_disk
from measuring import median
from measuring import new_schedule
from measuring import one_instant
from measuring import show
from measuring import verdict


def cost(times) -> float:
    """Microseconds a task, the commit included."""
    with Database() as database:
        schedule = new_schedule(database.root)
        database.settle()
        tasks = [NoOp(time) for time in times]
        gc.collect()
        with Stopwatch() as watch:
            for task in tasks:
                schedule.schedule(task)
            transaction.commit()
        return watch.processor / len(tasks) * 1e6


def main() -> None:
    quick = arguments(__doc__).quick
    do_not_wait_for_the_disk()
    small = 20 if quick else 1_000
    rounds = 1 if quick else 3
    for name, times in (('distinct instants', distinct),
                        ('one instant', one_instant)):
        cost(times(small))  # so that everything is imported
        ratios = {10 * small: [], 100 * small: []}
        for _ in range(rounds):
            for many in ratios:
                floors = [cost(times(small)) for _ in range(3)]
                micros = cost(times(many))
                floors.extend(cost(times(small)) for _ in range(3))
                ratios[many].append(micros / median(floors))
                show(f'{many} tasks, {name}', f'{micros:.0f} us',
                     f'{small}:', f'{median(floors):.0f} us')
        for many, found in ratios.items():
            verdict(f'cost per task of {many} against {small}, {name}',
                    found, '<= 1.3')


if __name__ == '__main__':
    main()
