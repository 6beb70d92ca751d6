"""How soon another worker starts the task of one that was killed.

From SIGKILL of a worker in the middle of a run to the start of the same task
in another worker, which is idle: on the same machine, and with a worker that
says that it runs on another one, with a lease of 5 s.
"""

import random
import time
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from crew import Consumer
from crew import Hand
from crew import wait_for_workers
from measuring import arguments
from measuring import median
from measuring import new_schedule
from measuring import show
from measuring import verdict
from servers import SHARED
from servers import Where
from servers import choose_storages
from servers import server
from servers import storages


#: of those whose process cannot be looked at
LEASE = timedelta(seconds=5)

#: what the process says of itself -> its worker's options, and the target
MACHINES = {
    '': ('same machine', {}, '< 2'),
    'another machine': ('another machine, lease 5 s', {'lease': LEASE},
                        '< 8')}


def recovered(where: Where, connection, machine: str, options: dict) -> float:
    """Seconds from the kill to the start elsewhere."""
    victim = Hand(where, machine, quiet=True)
    heir = Hand(where, quiet=True)
    try:
        for hand in victim, heir:
            hand.answer()
        with connection.transaction_manager:
            schedule = new_schedule(connection.root())
        victim.work(**options)
        wait_for_workers(connection, 1, [victim])
        with connection.transaction_manager:
            schedule.schedule(Consumer(datetime.now(UTC)))
        first, _ = victim.noted()
        heir.counts.let_go = 1
        heir.work(**options)
        wait_for_workers(connection, 2, [victim, heir])
        # Somewhere between two beats and two looks.
        time.sleep(random.uniform(0, 2))
        killed = time.time_ns()
        victim.kill()
        # It leaves a zombie, as it does with any parent that is busy.
        second, started = heir.noted()
        assert first == second
        heir.rest()
        return (started - killed) / 1e9
    finally:
        for hand in victim, heir:
            hand.stop()


def main() -> None:
    args = arguments(__doc__, choose_storages)
    rounds = 1 if args.quick else 10
    for storage in storages(args, *SHARED):
        with server(storage) as where, where.client() as connection:
            for machine, (what, options, target) in MACHINES.items():
                found = [recovered(where, connection, machine, options)
                         for _ in range(rounds)]
                show(f'{storage}, {what}', f'{min(found):.2f} s',
                     f'median {median(found):.2f} s', f'{max(found):.2f} s')
                verdict(f'{storage}, {what}, the longest', [max(found)],
                        target, '.2f', 'seconds')


if __name__ == '__main__':
    main()
