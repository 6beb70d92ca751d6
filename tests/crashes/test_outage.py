"""A database that goes away and comes back in the middle of everything."""

from asyncio.selector_events import _SelectorSocketTransport

import pytest
import transaction
import zope.event
from databases import Database
from databases import ZEOServer
from databases import wait_until
from persistent.list import PersistentList
from sample_tasks import Noting
from sample_tasks import Stage

from zodbschedule import clock as the_clock
from zodbschedule.cli.worker import unless_lost
from zodbschedule.testing import SettableClock


class PostgreSQL:
    """Sessions that are ended by their server."""

    def __init__(self, server):
        self.server = server
        self.database = Database('PostgreSQL', server.uri)

    def happen(self):
        self.server.terminate_backends()

    def heal(self):
        """It takes new sessions at once."""


class ZEO:
    """A server that is killed, and started again."""

    def __init__(self, folder):
        self.server = ZEOServer(folder)
        # A client waits so long before it says that nobody is there.
        self.database = Database(
            'ZEO', f'zeo://127.0.0.1:{self.server.port}?wait_timeout=1')
        self.down = False

    def happen(self):
        self.server.kill()
        self.down = True

    def heal(self):
        if self.down:
            self.server.start()
            self.down = False
        storage = self.database.db.storage
        wait_until(storage.is_connected, 'ZEO client')


class Patient(SettableClock):
    """Whoever waits by this clock waits until the database is back."""

    def __init__(self, outage):
        super().__init__()
        self.outage = outage

    def wait(self, seconds):
        super().wait(seconds)
        self.outage.heal()


@pytest.fixture(autouse=True)
def writelines_of_later_pythons(monkeypatch):
    """What Python 3.13.10 and 3.14.1 have mended in asyncio (gh-136234).

    From 3.12 on, a client of ZEO that writes more than once to a server that
    is dead may stay disconnected for good: what it writes last leaves the
    number of its socket with the selector, and the next socket, which gets
    that number, is never selected.
    """
    monkeypatch.setattr(
        _SelectorSocketTransport, 'writelines',
        unless_lost(_SelectorSocketTransport.writelines))


@pytest.fixture(params=['PostgreSQL', 'ZEO'])
def outage(request, tmp_path):
    """A database with a server, and its outage."""
    if request.param == 'ZEO':
        found = ZEO(tmp_path)
    else:
        found = PostgreSQL(request.getfixturevalue('postgresql_server'))
    yield found
    found.heal()
    found.database.close()
    if request.param == 'ZEO':
        found.server.stop()


@pytest.fixture
def stage(outage):
    """A stage on that database."""
    with the_clock.use(Patient(outage)) as clock:
        manager = transaction.TransactionManager(explicit=True)
        stage = Stage(outage.database.db, manager, clock)
        yield stage
        outage.heal()
        stage.close()


def settled(stage):
    """Whether all went right, after one more call at the most."""
    stage.process(1)
    seen = stage.look()
    assert seen.effects == ['before', 'bad', 'after']
    assert seen.waiting == []
    assert not seen.claims
    assert not seen.parked
    assert not seen.crashes
    assert [outcome for _, outcome in seen.outcomes
            if outcome != 'interrupted'] == ['succeeded'] * 3
    return True


def three(stage, outage, call=None):
    """Three tasks that are due; the one in the middle does *call*."""
    # No cache of ours knows the state of this.
    other = outage.database.client().open()
    other.root()['rare'] = PersistentList()
    other.transaction_manager.commit()
    stage.add('before', minutes=2, cls=Noting)
    stage.add('bad', minutes=1, call=call)
    stage.add('after', cls=Noting)


def before_a_load(stage, outage):
    rare = stage.connection.root()['rare']
    outage.happen()
    rare._p_activate()


def before_the_commit(stage, outage):
    outage.happen()


def in_the_commit(stage, outage):
    stage.tm.get().addBeforeCommitHook(outage.happen)


@pytest.mark.parametrize('moment', [
    before_a_load, before_the_commit, in_the_commit])
def test_an_outage_during_a_run_counts_for_nothing(stage, outage, moment):
    times = []

    def goes_away(task):
        times.append(1)
        if len(times) == 1:
            moment(stage, outage)

    three(stage, outage, goes_away)
    stage.process()
    # A new session for a commit is made by the storage itself.
    assert len(times) > 1 or moment is not before_a_load
    assert settled(stage)


@pytest.mark.parametrize('name', ['before', 'bad', 'after'])
def test_an_outage_between_two_runs_counts_for_nothing(stage, outage, name):
    def react(event):
        if event.description == name:
            outage.happen()

    three(stage, outage)
    zope.event.subscribers.append(react)
    try:
        stage.process()
    finally:
        zope.event.subscribers.remove(react)
    assert settled(stage)


def test_an_outage_before_a_call_counts_for_nothing(stage, outage):
    three(stage, outage)
    outage.happen()
    assert stage.process().succeeded == 3 and settled(stage)
