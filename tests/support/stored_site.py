"""Write the database of `tests/data` that needs Zope: a site with its tasks.

``PYTHONPATH=src:tests/support:tests/zope python -m stored_site tests/data``
writes it anew, where Zope is installed.
"""

import sys
import tempfile
import time
from contextlib import closing
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import transaction
import ZODB
from conftest import make_site
from conftest import start
from OFS.Application import Application
from stored import DAY
from stored import DEAD
from stored import HOUR
from stored import NOW
from stored import copy
from stored import fixed
from stored_content import Document
from stored_content import Uuid
from stored_content import visit
from zope.component import getGlobalSiteManager

from zodbschedule import Schedule
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTask
from zodbschedule.zope import ContextTask
from zodbschedule.zope import contexts
from zodbschedule.zope import contribute
from zodbschedule.zope import install
from zodbschedule.zope import synchronize
from zodbschedule.zope.interfaces import IContribution
from zodbschedule.zope.users import SYSTEM


FILE = 'site.fs'


@contextmanager
def contributing(*names):
    """An add-on contributes tasks of those names in this process."""
    for name in names:
        contribute(name, visit, every=HOUR, title=f'Visit {name}')
    yield
    for name in names:
        getGlobalSiteManager().unregisterUtility(
            provided=IContribution, name=name)


def write(folder):
    """Write the database into *folder*."""
    path = Path(folder) / FILE
    with fixed(), patch.object(contexts, 'IUUID', Uuid()), contributing(
            'visits', 'gone'), closing(ZODB.DB(str(path))) as db:
        with closing(db.open()) as connection:
            root = connection.root()
            fill_site(make_stored_site(root))
            # So that those without Zope find such tasks, too.
            schedule = root['schedule'] = Schedule()
            transaction.commit()
            fill_schedule(schedule, root['Application'].site)
            transaction.commit()
        db.pack(time.time() + 1)


def make_stored_site(root):
    """A site with content, a user and a schedule."""
    app = root['Application'] = Application()
    transaction.savepoint()
    site = make_site(app, 'site')
    site.acl_users._doAddUser('jane', 'secret', ['Manager'], [])
    site._setObject('doc', Document('doc', 'a'))
    site._setObject('plain', Document('plain'))
    transaction.savepoint()
    install(site)
    transaction.commit()
    return site


def fill_site(site):
    """Tasks of all kinds that are for objects of the site."""
    schedule = install(site)
    schedule.url = 'https://www.example.org'
    claimed = _add(schedule, site.doc, 'claimed', time=NOW)
    transaction.commit()
    _add(schedule, site.doc, 'by uuid', principalId='acl_users:jane')
    _add(schedule, site.plain, 'by path', gone='cancel', language='de')
    _add(schedule, site.plain, 'method', 'title_or_id')
    parked = _add(schedule, site.doc, 'parked')
    paused = _add(schedule, site.doc, 'paused')
    synchronize(site)
    transaction.commit()
    schedule.pause(paused, by='jane', reason='wrong figures')
    schedule.unschedule(parked)
    schedule.parked.add(ParkedTask(
        task_id(parked), parked, NOW, NOW, 'it has failed'))
    claim = Claim('w1', DEAD, 0)
    schedule.add_claim('1' * 32, claim)
    turn.exchange(schedule, claim, 1, None, NOW, lambda *instant_task: True)
    assert claim.holds(claimed)
    transaction.commit()


def _add(schedule, context, name, func=visit, **options):
    options = {'principalId': SYSTEM, 'time': NOW + DAY, **options}
    return schedule.schedule(
        ContextTask(context, func, description=name, **options))


def fill_schedule(schedule, site):
    """Such tasks in a schedule that does not need Zope."""
    contributed = install(site).contributed_tasks['gone']
    schedule.schedule(ContextTask(
        site.plain, visit, description='of a site', time=NOW + DAY))
    copied = type(contributed)(
        NOW + DAY, description='contributed', recurrence=(
            contributed.recurrence))
    copied.name = 'gone'
    schedule.schedule(copied)


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as made:
        start(Path(made))
        write(made)
        copy(made, FILE, sys.argv[1])
