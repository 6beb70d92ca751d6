"""Workers that are killed, one after the other, while all of them work."""

import random
import sys
import time
from datetime import timedelta

import crew as crews
import pytest
from mixture import Cancelled
from mixture import Cancelling
from mixture import Deed
from mixture import Delegating
from mixture import Expired
from mixture import Failing
from mixture import Handing
from mixture import Lasting
from mixture import Making
from mixture import Repeating
from mixture import Returning
from mixture import Wavering
from mixture import all_have_run
from mixture import besides
from mixture import check_done
from mixture import looking
from mixture import one_of_each
from mixture import set_up

from zodbschedule.scheduling import turn


TASKS = 1000
WORKERS = 4

# One of them is killed after so many seconds, again and again.
PERIOD = .5


def work(uri):
    """A worker whose runs last for some milliseconds, and some for a second.

    In this test it is no task that ends its process.
    """
    turn.CRASHES = sys.maxsize
    besides.append(dawdle)
    crews.worker(uri, lease=timedelta(seconds=3)).run()


def dawdle(task):
    long = task.description.endswith('777')
    time.sleep(1.2 if long else random.expovariate(100))


def a_mixture(chance, count):
    """So many tasks; those of some kinds are few."""
    kinds = chance.choices(MAKERS, WEIGHTS, k=count)
    for number, make in enumerate(kinds):
        yield from make(f'{number}')


def single(cls, keyed=False):
    def make(name):
        yield cls(name, **({'key': name} if keyed else {}))
    return make


def pair(name):
    victim = Cancelled(f'{name} cancelled')
    yield victim
    yield Cancelling(name, victim)


KINDS = {
    single(Deed): 50,
    single(Deed, keyed=True): 10,
    single(Repeating): 5,
    single(Repeating, keyed=True): 2,
    single(Making): 5,
    single(Failing): 3,
    single(Wavering): 5,
    single(Returning): 5,
    single(Expired): 2,
    single(Lasting, keyed=True): 2,
    single(Delegating, keyed=True): 1,
    single(Handing, keyed=True): 1,
    pair: 1,
}
MAKERS, WEIGHTS = zip(*KINDS.items(), strict=True)


@pytest.mark.storages('FileStorage')
def test_the_check_holds_where_nobody_is_killed(database):
    set_up(database, list(one_of_each()))
    crews.drain(database)
    assert check_done(database)


@pytest.mark.slow
@pytest.mark.storages('ZEO', 'PostgreSQL')
def test_killed_at_random_every_effect_happens_once(database, crew):
    seed = random.randrange(1_000_000)
    print('seed', seed)
    chance = random.Random(seed)
    set_up(database, list(a_mixture(chance, TASKS)))
    workers = [start(crew, database) for _ in range(WORKERS)]
    killed = 0
    end = time.monotonic() + crews.PATIENCE
    with looking(database) as schedule:
        while not all_have_run(schedule):
            assert time.monotonic() < end, 'it takes too long'
            time.sleep(PERIOD)
            number = chance.randrange(WORKERS)
            workers[number].kill()
            workers[number] = start(crew, database)
            killed += 1
    print(killed, 'were killed')
    assert killed > 10
    for worker in workers:
        worker.finish()
    # The last that were killed have left claims.
    crews.drain(database)
    assert check_done(database)


def start(crew, database):
    return crew.start('test_kill_random.work', database.uri())
