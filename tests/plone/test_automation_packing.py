"""The database of a real Plone is packed."""

import sys
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import transaction
import ZODB
from persistent.mapping import PersistentMapping
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadOnlyError
from ZODB.POSException import Unsupported
from ZODB.utils import load_current

from zodbschedule import clock
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.zope import steering
from zodbschedule.zope.plone.automation.packing import pack
from zodbschedule.zope.plone.automation.settings import configure
from zodbschedule.zope.sites import SiteSchedule


NAME = 'zodbschedule.pack'


@pytest.fixture
def portal(functional, clock):
    """A site that is to pack its database."""
    portal = functional['portal']
    steering.resume(portal, NAME, by='jane')
    steering.run_now(portal, NAME, by='jane')
    return portal


@pytest.fixture
def runs(portal, schedule, process):
    """Let the task run; return its pause."""
    def runs():
        process()
        return schedule.paused(schedule.contributed_tasks[NAME])

    return runs


@pytest.mark.parametrize('days', [7, 30])
def test_it_keeps_so_many_days(portal, runs, monkeypatch, days):
    packed = []
    monkeypatch.setattr(
        ZODB.DB, 'pack', lambda self, days: packed.append((self, days)))
    if days != 7:
        configure(portal, pack_days=days)
    transaction.commit()
    assert runs() is None
    assert packed == [(portal._p_jar.db(), days)]


@pytest.mark.parametrize('error', [
    NotImplementedError, ReadOnlyError, Unsupported])
def test_a_storage_that_cannot_be_packed_is_told(
        runs, schedule, monkeypatch, caplog, error):
    def refuse(self, days):
        raise error('no')

    monkeypatch.setattr(ZODB.DB, 'pack', refuse)
    reason = runs().reason
    assert 'cannot be packed' in reason and error.__name__ in reason
    assert caplog.text.count(reason) == 1


def test_what_is_wrong_in_a_pack_parks_the_task(
        runs, schedule, monkeypatch):
    def fail(self, days):
        raise AttributeError('a fault of the storage')

    monkeypatch.setattr(ZODB.DB, 'pack', fail)
    assert runs() is None
    [entry] = schedule.parked
    assert 'a fault of the storage' in entry.reason


@pytest.mark.parametrize('later', [6, 8])
def test_a_real_file_is_packed(tmp_path, monkeypatch, later):
    """What was deleted more than seven days ago goes."""
    db = ZODB.DB(str(tmp_path / 'Data.fs'))
    with db.transaction() as connection:
        root = connection.root()
        schedule = root['schedule'] = SiteSchedule()
        schedule.principals = 'plain'
        root['deleted'] = PersistentMapping()
        site = root['site'] = PersistentMapping()
        connection.add(site)
        connection.add(root['deleted'])
        oid = root['deleted']._p_oid
        schedule.call(pack, site)
    with db.transaction() as connection:
        del connection.root()['deleted']
    now = time.time() + later * 86_400
    monkeypatch.setattr(
        sys.modules['ZODB.DB'], 'time', SimpleNamespace(time=lambda: now))
    with db.transaction() as connection:
        schedule = connection.root()['schedule']
        connection.transaction_manager.abort()
        tally = schedule.process(clock.now())
        assert tally.succeeded == 1, next(iter(schedule.parked)).traceback
    with pytest.raises(POSKeyError) if later == 8 else nullcontext():
        load_current(db.storage, oid)
    db.close()


def test_less_than_a_day_is_refused(portal):
    with pytest.raises(InvalidSetting, match='pack_days is 0'):
        configure(portal, pack_days=0)
