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
"""What keeps a process from running anything."""

from types import SimpleNamespace

import pytest
import ZODB
from databases import wait_until
from sample_work import NOON
from sample_work import Note
from sample_work import prepare
from sample_work import runs
from ZODB.FileStorage import FileStorage

from zodbschedule import Worker
from zodbschedule.execution.process import OFF
from zodbschedule.execution.process import why_disabled


pytestmark = pytest.mark.storages('FileStorage')

IS_OFF = 'ZODBSCHEDULE_OFF is set in the environment of this process'


@pytest.mark.parametrize('value', ['1', 'yes'])
def test_it_is_switched_off(database, monkeypatch, caplog, value):
    schedule = prepare(database, Note('a'))
    monkeypatch.setenv(OFF, value)
    size = database.client().db.storage.getSize()
    assert not any(schedule.process(NOON))
    assert runs(database) == {'a': 0}
    assert database.client().db.storage.getSize() == size
    assert f'Nothing is run: {IS_OFF}.' in caplog.text
    monkeypatch.delenv(OFF)
    assert schedule.process(NOON).succeeded == 1


@pytest.mark.parametrize('value', ['', '0'])
def test_it_is_not(database, monkeypatch, value):
    schedule = prepare(database, Note('a'))
    monkeypatch.setenv(OFF, value)
    assert schedule.process(NOON).succeeded == 1


def test_a_worker_waits_and_says_why(database, monkeypatch, caplog):
    prepare(database, Note('a'))
    monkeypatch.setenv(OFF, '1')
    db = database.client().db
    size = db.storage.getSize()
    with Worker(db) as worker:
        wait_until(lambda: IS_OFF in caplog.text, 'a line of log')
        wait_until(lambda: worker.healthy, 'health')
    assert caplog.text.count(IS_OFF) == 1
    assert db.storage.getSize() == size
    assert runs(database) == {'a': 0}


@pytest.mark.parametrize('answers, reason', [
    ([True, True], 'the database is read-only'), ([False], ''),
    ([True, False], '')])
def test_a_server_that_is_away_is_not_read_only(answers, reason):
    class Storage:

        def is_connected(self):
            return answers.pop(0)

    class Connection:

        def db(self):
            return SimpleNamespace(storage=Storage())

        def isReadOnly(self):
            return True

    assert why_disabled(Connection()) == reason
    assert not answers


def test_a_read_only_database_runs_nothing(database, caplog):
    prepare(database, Note('a'))
    file = database.client().db.storage.getName()
    database.close()
    db = ZODB.DB(FileStorage(file, read_only=True))
    try:
        connection = db.open()
        assert not any(connection.root()['schedule'].process(NOON))
        connection.close()
        with Worker(db):
            wait_until(lambda: 'not attended to: the database is read-only'
                       in caplog.text, 'a line of log')
        assert 'is not a task' not in caplog.text
    finally:
        db.close()
