##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""A database that is restored to an older state while a worker uses it."""

import asyncio
import shutil
from types import SimpleNamespace

import pytest
from databases import Client
from databases import Database
from databases import ZEOServer
from databases import wait_until
from onlooker import Onlooker
from sample_work import Note
from test_worker import idle
from ZODB.utils import p64
from ZODB.utils import z64

from zodbschedule import Worker
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Source
from zodbschedule.transactions import restores
from zodbschedule.worker.watcher import PollingProbe


class RestorableZEO:
    """A ZEO server, and its file at another time."""

    storage = 'ZEO'

    def __init__(self, folder):
        self.server = ZEOServer(folder)
        self.uri = self.server.uri
        self.data, self.saved = folder / 'Data.fs', folder / 'saved'

    def save(self):
        shutil.copy(self.data, self.saved)

    def restore(self):
        self.server.stop()
        self.data.with_name('Data.fs.index').unlink(missing_ok=True)
        shutil.copy(self.saved, self.data)
        self.server.start()

    def close(self):
        self.server.stop()


class RestorablePostgreSQL:
    """A PostgreSQL server, and copies of its tables."""

    storage = 'PostgreSQL'

    def __init__(self, server):
        self.server = server
        self.uri = server.uri

    def save(self):
        self.server.execute('CREATE TABLE saved AS SELECT * FROM object_state')

    def restore(self):
        self.server.execute('BEGIN; DELETE FROM object_state; INSERT INTO '
                            'object_state SELECT * FROM saved; COMMIT')

    def close(self):
        self.server.execute('DROP TABLE IF EXISTS saved')


@pytest.fixture(params=['ZEO', 'PostgreSQL'])
def server(request, tmp_path):
    if request.param == 'ZEO':
        found = RestorableZEO(tmp_path)
    else:
        found = RestorablePostgreSQL(
            request.getfixturevalue('postgresql_server'))
    yield found
    found.close()


@pytest.fixture
def clients():
    made = []
    yield made
    for one in made:
        one.close()


def test_a_worker_ends_and_another_one_goes_on(server, clients, caplog):
    def onlooker(client):
        clients.append(client)
        return Onlooker(client)

    def work():
        return Worker(Source(server.uri, Access.CHANGE).open, name='w')

    seen = onlooker(Database(server.storage, server.uri))
    seen.add(Note('before'))
    server.save()
    worker = work()
    worker.start()
    seen.wait_for('before')
    seen.add(Note('lost'))
    seen.wait_for('lost')
    idle(worker)
    clients.pop().close()
    server.restore()
    wait_until(lambda: not worker._supervisor.is_alive(), 'the end')
    assert not worker.healthy
    assert not worker.intact
    assert not worker.stop()
    assert 'its database was restored to an older state' in caplog.text
    # Nothing that it knew has come to the state of now, in which 'before' has
    # not run.
    seen = onlooker(Client(server.uri))
    seen.add(Note('after'))
    with work():
        seen.wait_for('before', 'after')
    assert sorted(seen.ran()) == ['after', 'before']


class Memory:
    """The cache of a ZEO client, and what that has to do with it."""

    def __init__(self, tid):
        self.tid = tid
        self.said = []

    def getLastTid(self):
        return self.tid

    def clear(self):
        self.said.append('clear')

    def invalidateCache(self):
        self.said.append('invalidate')

    async def verify(self, tid):
        self.said.append('verify')


class Protocol:
    """The line to a server that has only one transaction."""

    def __init__(self, tid):
        self.tid = tid

    async def server_call(self, name, *args):
        if self.tid is None:
            raise ConnectionError('lost again')
        if name == 'iterator_start':
            self.found = args == (self.tid, self.tid)
        return self.found or None


def verify(client_tid, server_tid):
    """What a ZEO client does when it connects again."""
    memory = Memory(client_tid)
    client = SimpleNamespace(cache=memory, client=memory)
    client.protocol = Protocol(server_tid)
    storage = type('Storage', (), {})()
    storage._server = SimpleNamespace(client=client)
    restores.verify_history(storage)  # has nothing to do yet
    client = type('Client', (), {'verify': memory.verify, **vars(client)})()
    storage._server.client = client
    restores.verify_history(storage)
    learned = client.verify
    restores.verify_history(storage)
    assert client.verify is learned
    asyncio.run(client.verify(p64(9)))
    try:
        restores.refuse_restored(storage)
    except restores.DatabaseRestored:
        memory.said.append('restored')
    return memory.said


@pytest.mark.parametrize('client_tid, server_tid', [
    (z64, p64(1)), (None, p64(1)), (p64(1), p64(1)), (p64(1), None)])
def test_a_client_that_knows_nothing_else_keeps_what_it_has(
        client_tid, server_tid):
    assert verify(client_tid, server_tid) == ['verify']


def test_a_client_forgets_all_if_its_server_knows_nothing_of_it():
    assert verify(p64(2), p64(1)) == [
        'clear', 'invalidate', 'verify', 'restored']


class Polled:
    """A RelStorage, and an instance of it, with that newest transaction."""

    def __init__(self, tid):
        self.tid = tid
        self._adapter = SimpleNamespace(poller=self)
        self._load_connection = SimpleNamespace(cursor=None)

    def new_instance(self):
        return self

    def get_current_tid(self, cursor):
        return self.tid

    def poll_invalidations(self):
        return ()

    def afterCompletion(self):
        """The end of the transaction."""


def test_a_polled_database_that_goes_back_is_of_no_use_for_ever():
    storage = Polled(2)
    probe = PollingProbe(storage)
    for tid in 2, 3, 3:
        storage.tid = tid
        probe.ask()
    for tid in 1, 1, 4:
        storage.tid = tid
        with pytest.raises(restores.DatabaseRestored):
            probe.ask()
