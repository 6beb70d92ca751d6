"""Workers that are killed, one after the other, while all of them work."""

import random
import time

import crew as crews
import pytest
from crew import wait_until_done
from mixture import Cancelled
from mixture import Cancelling
from mixture import Deed
from mixture import Expired
from mixture import Failing
from mixture import Handing
from mixture import Lasting
from mixture import Making
from mixture import Repeating
from mixture import Returning
from mixture import Standing
from mixture import Wavering
from mixture import besides
from mixture import check_done
from mixture import is_done
from mixture import looking
from mixture import set_up


TASKS = 2000


def work(uri):
    """A worker whose runs last for some milliseconds."""
    besides.append(lambda task: time.sleep(random.expovariate(100)))
    crews.worker(uri).run()


def a_mixture(random, count):
    """So many tasks; those of some kinds are few."""
    kinds = random.choices(MAKERS, WEIGHTS, k=count)
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
    single(Standing, keyed=True): 1,
    single(Handing, keyed=True): 1,
    pair: 1,
}
MAKERS, WEIGHTS = zip(*KINDS.items(), strict=True)


@pytest.mark.slow
@pytest.mark.storages('ZEO', 'PostgreSQL')
def test_killed_at_random_every_effect_happens_once(database, crew):
    seed = random.randrange(1_000_000)
    print('seed', seed)
    chance = random.Random(seed)
    set_up(database, list(a_mixture(chance, TASKS)))
    a=time.time()
    workers = [start(crew, database) for _ in range(4)]
    killed = 0
    with looking(database) as schedule:
        while not is_done(schedule):
            time.sleep(.5)
            victim = chance.randrange(4)
            workers[victim].kill()
            killed += 1
            workers[victim] = start(crew, database)
    print(killed, 'were killed', time.time()-a)
    assert killed > 10
    wait_until_done(database)
    for worker in workers:
        worker.finish()
    check_done(database)


def start(crew, database):
    return crew.start('test_kill_random.work', database.uri())
