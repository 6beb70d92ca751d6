"""A look and a turn for one task, behind many that may not be taken.

They are paused, and overdue.  The time is the processor's, of what a worker
does after each commit of anybody: a look; and then the turn that takes what is
due now.
"""

from datetime import timedelta

import transaction
from measuring import PAST
from measuring import Database
from measuring import NoOp
from measuring import Stopwatch
from measuring import arguments
from measuring import do_not_wait_for_the_disk
from measuring import median
from measuring import new_schedule
from measuring import show
from measuring import verdict

from zodbschedule import clock
from zodbschedule.execution.consumer import Consumer


def cost(held: int, times: int) -> float:
    """Seconds of a look and a turn beside so many, the median."""
    with Database() as database:
        schedule = new_schedule(database.root, history=False)
        tasks = [schedule.schedule(NoOp(PAST + timedelta(seconds=number)))
                 for number in range(held)]
        transaction.commit()
        for task in tasks:
            schedule.pause(task)
        database.settle()
        consumer = Consumer(schedule, 'measured', patient=True)
        consumer.look()
        found = [once(schedule, consumer) for _ in range(times)]
        consumer.withdraw()
        return median(found)


def once(schedule, consumer: Consumer) -> float:
    """One task for now, and what it costs until it is taken."""
    transaction.begin()
    schedule.schedule(NoOp(clock.now()))
    transaction.commit()
    with Stopwatch() as watch:
        assert consumer.look().due
        consumer.turn(8)
    assert len(consumer.claim.portion) == 1
    with consumer.guard.on_duty():
        for index, oid in consumer.claim.portion.items():
            consumer.run(index, oid)
    consumer.step(8)
    return watch.processor


def main() -> None:
    options = arguments(__doc__)
    do_not_wait_for_the_disk()
    held, times, rounds = (300, 5, 1) if options.quick else (20_000, 20, 3)
    ratios = []
    for _ in range(rounds):
        alone, behind = cost(0, times), cost(held, times)
        show(f'behind {held}', f'{behind * 1000:.1f} ms',
             f'alone {alone * 1000:.1f} ms')
        ratios.append(behind / alone)
    verdict(f'a task for now behind {held} that are paused', ratios, '<= 5')


if __name__ == '__main__':
    main()
