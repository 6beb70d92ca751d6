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
"""Runs that have connections of their own, beside that of the turns."""

from contextlib import contextmanager
from contextlib import suppress
from datetime import timedelta

import pytest
import transaction
from databases import wait_until
from persistent.list import PersistentList
from sample_work import NOON
from sample_work import Hooked
from sample_work import Note
from sample_work import at
from sample_work import commit
from sample_work import hooks
from sample_work import prepare
from sample_work import runs
from transaction import TransactionManager
from ZODB.POSException import ConflictError
from zope.interface import implementer
from zope.interface.verify import verifyObject

from zodbschedule import Retry
from zodbschedule import Worker
from zodbschedule import current_run
from zodbschedule import principals
from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import PendingChanges
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.testing import run_until
from zodbschedule.transactions.retrying import abort


pytestmark = pytest.mark.storages('FileStorage', 'ZEO')


@implementer(IRunEnvironment)
class Apart:
    """Each attempt is in a connection of its own."""

    name = 'commits'

    def __init__(self, manager):
        self.manager = manager
        #: the connections of the attempts, and whether each was closed
        self.opened = []
        self.closed = 0
        self.adopted = []
        self.missing = False

    def ready(self):
        """Always."""

    @contextmanager
    def enter(self, schedule, commits=True):
        if self.missing:
            raise PrincipalsMissing('not here')
        if not commits:
            yield schedule
            return
        connection = schedule._p_jar.db().open(self.manager)
        self.opened.append(connection)
        try:
            yield connection.get(schedule._p_oid)
        finally:
            abort(self.manager)
            connection.close()
            self.closed += 1

    @contextmanager
    def adopt(self, principal_id, task):
        self.adopted.append((principal_id, task._p_jar))
        yield


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.setattr(principals, '_known', dict(principals._known))
    hooks.clear()
    yield
    hooks.clear()


@pytest.fixture(params=['thread', 'own'])
def commits(request):
    """On the manager of the thread, or on one that is nobody else's."""
    found = Apart(transaction.manager if request.param == 'thread'
                  else TransactionManager(explicit=True))
    principals.register(found)
    yield found
    assert found.closed == len(found.opened)
    transaction.abort()


def prepared(database, *tasks):
    schedule = prepare(database, *tasks)
    schedule.principals = 'commits'
    commit(schedule)
    return schedule


def test_it_provides_its_interface(commits):
    assert verifyObject(IRunEnvironment, commits)


def test_a_run_is_in_the_connection_of_its_attempt(database, commits):
    schedule = prepared(database, Note('a'), Note('b'))
    assert schedule.process(NOON).succeeded == 2
    assert runs(database) == {'a': 1, 'b': 1}
    assert len(commits.opened) == 2
    assert commits.adopted == [(None, jar) for jar in commits.opened]
    assert schedule._p_jar not in commits.opened


def test_each_attempt_has_its_own(database, commits):
    schedule = prepared(database, Hooked('a'))
    jars = []

    def conflict():
        jars.append(current_run().schedule._p_jar)
        if len(jars) < 3:
            hooks['a'] = conflict
            raise ConflictError

    hooks['a'] = conflict
    assert schedule.process(NOON).succeeded == 1
    assert runs(database) == {'a': 1}
    assert jars == commits.opened
    assert len(jars) == 3


def test_a_failed_one_is_put_off_by_a_turn(database, commits):
    task = Hooked('a')
    task.retry = Retry(2, timedelta(minutes=1), jitter=0)
    schedule = prepared(database, task)

    def fail():
        raise ValueError('no')

    hooks['a'] = fail
    assert schedule.process(NOON).retried == 1
    assert runs(database) == {'a': 0}
    hooks['a'] = fail
    assert schedule.process(at(60)).failed == 1
    assert len(commits.opened) == 2
    [entry] = schedule.parked
    assert 'ValueError: no' in entry.reason


@pytest.mark.parametrize('name', ['commit', 'abort'])
def test_it_must_not_end_its_transaction(database, commits, name):
    schedule = prepared(database, Hooked('a'))
    hooks['a'] = getattr(commits.manager, name)
    assert schedule.process(NOON).failed == 1
    assert runs(database) == {'a': 0}
    [entry] = schedule.parked
    assert 'must neither commit nor abort' in entry.reason


def test_what_it_changes_after_that_is_not_committed_by_the_next(
        database, commits):
    schedule = prepared(database, Hooked('a'), Hooked('b', at(1)))
    schedule._p_jar.root()['effects'] = PersistentList()
    commit(schedule)

    def effects():
        return current_run().schedule._p_jar.root()['effects']

    def end_and_change():
        found = effects()
        with suppress(Exception):
            commits.manager.abort()
        with suppress(Exception):
            found.append('too late')

    hooks['a'] = end_and_change
    hooks['b'] = lambda: effects().append('b')
    tally = schedule.process(at(1))
    assert (tally.succeeded, tally.failed) == (1, 1)
    assert commits.opened[0] is commits.opened[1]
    commit(schedule)
    assert list(schedule._p_jar.root()['effects']) == ['b']


def test_what_it_schedules_stands_in_its_slot(database, commits):
    schedule = prepared(database, Hooked('a'))
    hooks['a'] = lambda: current_run().schedule.schedule(
        Note('b', at(5)))
    assert schedule.process(NOON).succeeded == 1
    assert [task.description for task in schedule] == ['b']


def test_cancelled_meanwhile_its_effects_vanish(database, commits):
    schedule = prepared(database, Hooked('a'))

    def cancel():
        there = database.client().schedule()
        there.unschedule(there._p_jar.get(
            current_run().task._p_oid))
        commit(there)

    hooks['a'] = cancel
    schedule.process(NOON)
    assert runs(database) == {'a': 0}
    assert not list(schedule)


@pytest.mark.storages('FileStorage')
def test_what_is_not_committed_is_in_the_connection_of_the_schedule(
        database, commits, clock):
    schedule = prepared(database, Note('a', clock.now()))
    assert run_until(schedule, clock.now(), commit=False).succeeded == 1
    assert commits.opened == []
    assert commits.adopted == [(None, schedule._p_jar)]
    assert runs(database) == {'a': 0}


def test_surroundings_that_are_missing_park_nothing(database, commits):
    schedule = prepared(database, Note('a'))
    commits.missing = True
    with pytest.raises(PrincipalsMissing):
        schedule.process(NOON)
    assert not list(schedule.parked)
    assert not schedule.claims
    commits.missing = False
    assert schedule.process(NOON).succeeded == 1


def test_changes_that_are_pending_are_not_ended(database):
    found = Apart(TransactionManager())
    principals.register(found)
    schedule = prepared(database, Note('a'))
    connection = database.client().db.open(found.manager)
    connection.root()['pending'] = 1
    with pytest.raises(PendingChanges):
        schedule.process(NOON)
    assert connection.root()['pending'] == 1
    found.manager.commit()
    assert schedule.process(NOON).succeeded == 1
    connection.close()


class TurnsApart(Worker):
    """Its turns are on a manager of their own."""

    manager = staticmethod(lambda: TransactionManager(explicit=True))


def test_a_worker_has_its_turns_on_a_manager_of_their_own(database):
    found = Apart(transaction.manager)
    principals.register(found)
    schedule = prepared(database, *(Hooked(str(i)) for i in range(20)))
    managers = []
    hooks['0'] = lambda: managers.append(
        (transaction.get(), current_run().schedule._p_jar
         .transaction_manager.get()))
    worker = TurnsApart(database.client().db)
    worker.start()
    wait_until(lambda: all(runs(database).values()), 'runs')
    assert worker.stop()
    commit(schedule)
    assert not schedule.claims
    [(of_thread, of_run)] = managers
    assert of_thread is of_run
    assert found.closed == len(found.opened) == 20
