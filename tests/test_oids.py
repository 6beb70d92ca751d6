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
"""Oids that a client of ZEO has in stock when its server is started again."""

import pytest
import ZODB
from databases import Client
from databases import ZEOServer
from databases import wait_until
from persistent.mapping import PersistentMapping

from zodbschedule.oids import forget_when_away
from zodbschedule.transact import is_storage_failure


@pytest.fixture
def server(tmp_path):
    server = ZEOServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def client(server):
    client = Client(server.uri)
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
    forget_when_away(client.db)
    meets_others_objects(client, server)
    assert len(client.open().root()['second']) == 10


def test_a_client_learns_that_once(client):
    forget_when_away(client.db)
    learned = client.db.storage.notify_disconnected
    forget_when_away(client.db)
    assert client.db.storage.notify_disconnected is learned


def test_other_storages_are_left_alone():
    db = ZODB.DB(None)
    before = dict(vars(db.storage))
    forget_when_away(db)
    assert vars(db.storage) == before
    db.close()
