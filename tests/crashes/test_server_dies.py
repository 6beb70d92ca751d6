"""A server that dies and comes back while workers are in the middle of work.
"""

import time

import crew as crews
import pytest
from crew import wait_until_done
from databases import Database
from databases import ZEOServer
from databases import wait_until
from mixture import Deed
from mixture import Failing
from mixture import Making
from mixture import Repeating
from mixture import Wavering
from mixture import add
from mixture import besides
from mixture import check_done
from mixture import is_done
from mixture import looking
from mixture import set_up


pytestmark = pytest.mark.slow

# For how long it is away each time, in seconds.
OUTAGES = 0, .3, 1.5

WORKERS = 3

# What is logged each time, once.
AWAY = 'WARNING The database is away'
BACK = 'INFO The database is back'


def work(uri):
    """A worker whose runs last for some time."""
    besides.append(lambda task: time.sleep(.02))
    crews.worker(uri).run()


def tasks():
    return [cls(f'{cls.__name__} {number}') for number in range(30)
            for cls in (*[Deed] * 9, Making, Repeating, Failing, Wavering)]


# -- What may happen to a server


class Killed:
    """It is killed, and started again after a while."""

    def __init__(self, server):
        self.server = server

    def __call__(self, seconds):
        self.server.kill()
        time.sleep(seconds)
        self.server.start()


class Terminated:
    """It ends the sessions of its clients, again and again for a while."""

    def __init__(self, server):
        self.server = server

    def __call__(self, seconds):
        end = time.monotonic() + seconds
        self.server.terminate_backends()
        while time.monotonic() < end:
            time.sleep(.1)
            self.server.terminate_backends()


def zeo(request, patience):
    server = ZEOServer(request.getfixturevalue('tmp_path'))
    request.addfinalizer(server.stop)
    # A client waits so long before it says that nobody is there.
    uri = f'zeo://127.0.0.1:{server.port}?wait_timeout={patience}'
    return Database('ZEO', uri), Killed(server)


def postgresql(request, outage):
    server = request.getfixturevalue('postgresql_server')
    return Database('PostgreSQL', server.uri), outage(server)


CASES = {
    'ZEO is killed': lambda request: zeo(request, 1),
    'ZEO is killed, its clients are patient': lambda request: zeo(request, 30),
    'PostgreSQL is killed': lambda request: postgresql(request, Killed),
    'sessions are ended': lambda request: postgresql(request, Terminated),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    """A database, and what happens to its server."""
    database, happen = request.param(request)
    yield database, happen
    database.close()


# -- And what does not happen then


def is_back(log):
    return log.count(BACK) == log.count(AWAY)


def outcomes(database):
    with looking(database) as schedule:
        return sum(1 for _ in schedule.history)


def in_the_middle(database):
    """Wait until they work; whether something is left to do."""
    before = outcomes(database)
    wait_until(lambda: outcomes(database) > before + 20, 'some outcomes')
    with looking(database) as schedule:
        return not is_done(schedule)


def test_all_goes_on_and_every_effect_happens_once(case, crew):
    database, happen = case
    set_up(database, tasks())
    workers = [crew.start('test_server_dies.work', database.uri())
               for _ in range(WORKERS)]
    for seconds in OUTAGES:
        assert in_the_middle(database)
        database.close()
        happen(seconds)
    wait_until_done(database)
    # They are idle, and it happens once more.
    database.close()
    happen(.3)
    add(database, *(Deed(f'afterwards {number}') for number in range(30)))
    wait_until_done(database)
    for worker in workers:
        # It is the same process as in the beginning.
        assert worker.is_alive()
        wait_until(lambda: is_back(worker.said()), 'all workers')
        worker.finish()
        assert worker.said().count(AWAY) <= len(OUTAGES) + 1
    assert check_done(database)
