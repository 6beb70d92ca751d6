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
"""A database that goes silent: nothing is refused, and nothing is answered."""

from contextlib import closing
from types import SimpleNamespace

import psycopg2
import pytest
from databases import Database
from databases import ZEOServer
from databases import wait_until
from onlooker import Onlooker
from sample_work import Hooked
from sample_work import Note
from sample_work import hooks
from test_worker import Run
from test_worker import idle
from transaction import TransactionManager
from ways import Way

from zodbschedule import Worker
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Source
from zodbschedule.transactions import lines
from zodbschedule.worker import watcher as watcher_module
from zodbschedule.worker import worker as worker_module


@pytest.fixture(params=['ZEO', 'PostgreSQL'])
def server(request, tmp_path):
    """A database whose server is directly there, for who looks on."""
    if request.param == 'ZEO':
        found = ZEOServer(tmp_path)
    else:
        found = request.getfixturevalue('postgresql_server')
    yield found
    if request.param == 'ZEO':
        found.stop()


@pytest.fixture
def behind(server):
    storage = 'ZEO' if isinstance(server, ZEOServer) else 'PostgreSQL'
    found = Database(storage, server.uri)
    yield found
    found.close()


@pytest.fixture
def seen(behind):
    return Onlooker(behind)


@pytest.fixture
def way(server):
    """The way of a worker to that server."""
    found = Way(server.port)
    yield found
    found.close()


@pytest.fixture
def quick(monkeypatch):
    """Silence is noticed soon."""
    monkeypatch.setattr(watcher_module, 'PULSE', .1)
    monkeypatch.setattr(watcher_module, 'CUT', .5)
    monkeypatch.setattr(worker_module, 'SILENT', .3)


@pytest.fixture
def worker(behind, server, way, quick):
    """One whose way to the server is that."""
    uri = server.uri.replace(f':{server.port}', f':{way.port}').replace(
        'wait_timeout=60', 'wait_timeout=1')
    if uri.startswith('postgres'):
        uri += '&connect_timeout=2'
    found = Worker(Source(uri, Access.CHANGE).open)
    found.start()
    idle(found)
    yield found
    way.hole = False
    assert found.stop()


@pytest.fixture
def run():
    found = Run('a')
    yield found
    found.going_on.set()
    hooks.clear()


def test_an_idle_worker_says_so_and_goes_on_when_the_way_is_open(
        seen, way, worker, caplog):
    assert worker.healthy
    way.hole = True
    wait_until(lambda: not worker.healthy, 'the silence')
    # Its own session is as dead as that of the watcher.
    assert any('The database is away: it has not answered'
               in record.getMessage() for record in caplog.records)
    seen.add(Note('a'))
    way.hole = False
    seen.wait_for('a')
    wait_until(lambda: worker.healthy, 'health')


def test_it_is_noticed_during_a_run_which_then_happens_once(
        seen, way, worker, run):
    seen.add(Hooked('a'), Note('b'))
    run.wait()
    assert worker.healthy
    way.hole = True
    wait_until(lambda: not worker.healthy, 'the silence')
    run.going_on.set()
    way.hole = False
    seen.wait_for('a', 'b')
    assert sorted(seen.ran()) == ['a', 'b']
    wait_until(lambda: worker.healthy, 'health')


def test_a_storage_without_a_server_has_no_lines():
    lines.remember_sessions(object())
    lines.cut(object())


def test_a_client_that_is_not_connected_has_no_line():
    not_yet = SimpleNamespace(sm_protocol=None)
    lines._abort(SimpleNamespace(protocol=not_yet, protocols=[not_yet]))


def test_what_cannot_be_referred_to_is_not_remembered():
    class Manager:

        def open(self, *args):
            return (1, 2)

    manager = Manager()
    storage = SimpleNamespace(_adapter=SimpleNamespace(connmanager=manager))
    lines.remember_sessions(storage)
    lines.remember_sessions(storage)
    assert manager.open() == (1, 2)
    lines.cut(storage)


@pytest.mark.storages('PostgreSQL')
def test_the_session_that_a_command_opens_first_is_cut_too(database):
    with closing(Source(database.uri(), Access.CHANGE).open()) as db:
        connection = db.open(TransactionManager(explicit=True))
        session = connection._storage._load_connection.connection
        assert not session.closed
        lines.cut(db.storage)
        with pytest.raises(psycopg2.OperationalError):
            session.cursor().execute('SELECT 1')
        connection.close()
