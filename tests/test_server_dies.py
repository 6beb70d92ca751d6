"""A server that dies and comes back while workers are in the middle of work.
"""

import time

import crew as crews
import pytest
from crew import wait_until_done
from databases import Database
from databases import ZEOServer
from mixture import Deed
from mixture import Failing
from mixture import Making
from mixture import Repeating
from mixture import Wavering
from mixture import add
from mixture import besides
from mixture import check_done
from mixture import set_up


# How often it dies, and for how long it is away, in seconds.
OUTAGES = 0, .3, 1.5

WORKERS = 3


def work(uri):
    """A worker whose runs last for some time."""
    besides.append(lambda task: time.sleep(.01))
    crews.worker(uri).run()


class Killed:
    """A server that is killed, and is away for a while."""

    def __init__(self, server):
        self.server = server

    def __call__(self, seconds):
        self.server.kill()
        time.sleep(seconds)
        self.server.start()


class Terminated:
    """A server that ends the sessions of its clients."""

    def __init__(self, server):
        self.server = server

    def __call__(self, seconds):
        self.server.terminate_backends()
        time.sleep(seconds)
        self.server.terminate_backends()


def zeo(request, wait):
    server = ZEOServer(request.getfixturevalue('tmp_path'))
    request.addfinalizer(server.stop)
    # A client waits so long before it says that nobody is there.
    uri = f'zeo://127.0.0.1:{server.port}?wait_timeout={wait}'
    return Database('ZEO', uri), Killed(server)


def postgresql(request, outage):
    server = request.getfixturevalue('postgresql_server')
    return Database('PostgreSQL', server.uri), outage(server)


CASES = {
    'ZEO is killed': lambda request: zeo(request, 1),
    'ZEO is killed, and clients are patient': lambda request: zeo(request, 30),
    'PostgreSQL is killed': lambda request: postgresql(request, Killed),
    'sessions are ended': lambda request: postgresql(request, Terminated),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    """A database, and what happens to its server."""
    database, happen = request.param(request)
    yield database, happen
    database.close()


def tasks():
    return [make(f'{number}') for number in range(30) for make in (
        Deed, Deed, Deed, Deed, Deed, Deed, Deed, Deed, Making, Repeating,
        Failing, Wavering)]


@pytest.mark.slow
def test_all_goes_on_and_happens_once(case, crew):
    database, happen = case
    set_up(database, tasks())
    database.close()
    workers = [crew.start('test_server_dies.work', database.uri())
               for _ in range(WORKERS)]
    for worker in workers:
        worker.wait_for('begins')
    a = time.time()
    for seconds in OUTAGES:
        time.sleep(1)
        happen(seconds)
    print(time.time()-a)
    wait_until_done(database)
    print(time.time()-a)
    # Idle by now, and it dies once more.
    database.close()
    happen(.3)
    add(database, *(Deed(f'afterwards {number}') for number in range(30)))
    wait_until_done(database)
    print(time.time()-a)
    for worker in workers:
        assert worker.alive()
        worker.finish()
        print(worker.said())
        assert worker.said().count('The database is away') <= (
            len(OUTAGES) + 1) * 2
    assert check_done(database)
