"""The database of a real Plone is packed."""

import pytest
import transaction
import ZODB
from ZODB.POSException import ReadOnlyError
from ZODB.POSException import Unsupported

from zodbschedule.interfaces import InvalidSetting
from zodbschedule.zope import steering
from zodbschedule.zope.plone.automation.settings import configure


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
    AttributeError, NotImplementedError, ReadOnlyError, Unsupported])
def test_a_storage_that_cannot_be_packed_is_told(
        runs, schedule, monkeypatch, caplog, error):
    def refuse(self, days):
        raise error('no')

    monkeypatch.setattr(ZODB.DB, 'pack', refuse)
    reason = runs().reason
    assert 'cannot be packed' in reason and error.__name__ in reason
    assert caplog.text.count(reason) == 1


def test_less_than_a_day_is_refused(portal):
    with pytest.raises(InvalidSetting, match='pack_days is 0'):
        configure(portal, pack_days=0)
