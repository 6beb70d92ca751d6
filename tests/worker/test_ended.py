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
"""Workers that end although nobody has asked them to, and say so."""

import pytest
from databases import wait_until
from onlooker import Onlooker
from sample_work import Note

from zodbschedule import Worker
from zodbschedule.interfaces import WorkerEnded
from zodbschedule.worker.thread import WorkerThread


pytestmark = pytest.mark.storages('FileStorage')


@pytest.fixture
def broken(monkeypatch):
    """Have the threads of these numbers end by an error, at once."""
    def broken(*numbers):
        def work(thread):
            if thread.thread.name.endswith(numbers):
                raise MemoryError('no room for a thread')
            original(thread)

        original = WorkerThread._work_until_stopped
        monkeypatch.setattr(WorkerThread, '_work_until_stopped', work)

    return broken


def said(caplog):
    return [record.getMessage() for record in caplog.records
            if record.name == 'zodbschedule']


def test_one_whose_threads_have_all_ended_raises(database, broken, caplog):
    broken('0', '1')
    worker = Worker(database.db, name='w', threads=2)
    with pytest.raises(WorkerEnded, match='Worker w: all its threads have '
                       'ended, .*MemoryError: no room for a thread'):
        worker.run()
    assert not worker.healthy
    assert sum('Worker w: a thread has ended by an error' in line
               for line in said(caplog)) == 2


def test_one_in_the_background_logs_that_and_its_stop_says_so(
        database, broken, caplog):
    broken('0')
    worker = Worker(database.db, name='w')
    worker.start()
    worker._supervisor.join(60)
    assert not worker.healthy
    assert not worker.intact
    assert 'Worker w has failed: zodbschedule.interfaces.WorkerEnded' in (
        said(caplog)[-1])
    assert not worker.stop()


def test_one_that_has_lost_a_thread_is_not_healthy_and_works(
        database, broken):
    broken('1')
    seen = Onlooker(database)
    worker = Worker(database.db, threads=2)
    worker.start()
    seen.add(Note('a'))
    seen.wait_for('a')
    wait_until(lambda: worker._threads[1].error, 'the end of a thread')
    assert not worker.healthy
    assert not worker.intact
    assert not worker.stop()
    assert seen.claims() == []


def test_one_for_which_the_system_has_no_thread_is_not_intact(
        database, monkeypatch, caplog):
    def start(worker):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Worker, '_start_threads', start)
    worker = Worker(database.db)
    assert worker.intact
    worker.start()
    worker._supervisor.join(60)
    assert not worker.intact


def test_one_that_ends_since_it_was_asked_to_is_intact(database):
    worker = Worker(database.db)
    assert not worker.ending
    with worker:
        assert worker.intact
        worker.finish()
        assert worker.ending
    assert worker.intact


def test_one_whose_database_is_away_is_intact(database):
    with Worker(database.db) as worker:
        wait_until(lambda: worker.healthy, 'health')
        worker._availability.away(worker, 'a test')
        assert not worker.healthy
        assert worker.intact
        worker._availability.back(worker)
