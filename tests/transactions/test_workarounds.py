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
"""Faults of storages: they are there, and what we do mends them."""

import pytest
import ZODB
from databases import SQLITE
from databases import Client
from databases import ZEOServer
from databases import wait_until
from persistent.mapping import PersistentMapping
from ZODB.POSException import ReadConflictError

from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.workarounds import mend


@pytest.fixture
def server(tmp_path):
    server = ZEOServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def client(server):
    client = Client(server.uri)
    client.mended = False
    yield client
    client.close()


def add(connection, name):
    """Store ten new objects."""
    connection.root()[name] = [PersistentMapping() for _ in range(10)]
    connection.transaction_manager.commit()


def meets_others_objects(client, server):
    """Store objects after others have, whose server was started again."""
    add(client.open(), 'first')
    server.kill()
    server.start()
    other = Client(server.uri)
    add(other.open(), 'others')
    other.close()
    wait_until(client.db.storage.is_connected, 'ZEO client')
    connection = client.open()
    for each in connection.root()['others']:
        each._p_activate()
    add(connection, 'second')


def test_a_client_uses_oids_that_its_server_has_given_to_others(
        client, server):
    with pytest.raises(ValueError) as caught:
        meets_others_objects(client, server)
    assert is_storage_failure(caught.value)


def test_a_client_that_forgets_does_not(client, server):
    mend(client.db)
    meets_others_objects(client, server)
    assert len(client.open().root()['second']) == 10


def test_a_client_learns_that_once(client):
    mend(client.db)
    learned = client.db.storage.notify_disconnected
    mend(client.db)
    assert client.db.storage.notify_disconnected is learned


# -- RelStorage on SQLite


def commit_after_a_conflict(uri, mended):
    """Print what another client sees of a transaction that was aborted."""
    Client.mended = bool(mended)
    ours, theirs = Client(uri), Client(uri)
    root, others = ours.open().root(), theirs.open().root()
    for name in 'abc':
        root[name] = PersistentMapping()
    ours_tm, theirs_tm = (
        each._p_jar.transaction_manager for each in (root, others))
    ours_tm.commit()
    ours_tm.begin()
    theirs_tm.abort()
    theirs_tm.begin()
    for mapping in (root['a'], root['b'], root['c'], others['b']):
        mapping._p_activate()
    root['a']['written'] = 'and aborted'
    root._p_jar.readCurrent(root['b'])
    others['b']['written'] = 'meanwhile'
    theirs_tm.commit()
    with pytest.raises(ReadConflictError):
        ours_tm.commit()
    ours_tm.abort()
    ours_tm.begin()
    root['c']['written'] = 'afterwards'
    ours_tm.commit()
    print(dict(Client(uri).open().root()['a']), flush=True)


@pytest.mark.storages(SQLITE)
@pytest.mark.parametrize('mended, seen', [
    ('', "{'written': 'and aborted'}"), ('mended', '{}')])
def test_sqlite_commits_what_was_aborted_unless_mended(
        database, child, mended, seen):
    other = child(
        'test_workarounds.commit_after_a_conflict', database.uri(), mended)
    assert other.wait() == (f'{seen}\n', 0)


def test_other_storages_are_left_alone():
    db = ZODB.DB(None)
    before = dict(vars(db.storage))
    mend(db)
    assert vars(db.storage) == before
    db.close()
