"""A site that is copied, imported, moved or renamed while its tasks run."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import transaction
from Acquisition import aq_base
from conftest import application
from conftest import make_site
from full_site import contribution
from full_site import export_and_import
from full_site import fill
from full_site import move
from full_site import paste
from full_site import paste_in_the_zmi
from full_site import rename
from lives import CopiedSite
from lives import MovedSite
from lives import copy_while_it_runs
from lives import move_while_it_runs
from OFS.Folder import Folder
from OFS.SimpleItem import SimpleItem

from zodbschedule import clock
from zodbschedule.testing import SettableClock
from zodbschedule.zope import contexts
from zodbschedule.zope import install


class Document(SimpleItem):
    """Has a UUID, as content of Plone has."""

    title = ''

    def __init__(self, uuid):
        self.id = 'doc'
        self.uuid = uuid


class Catalog(SimpleItem):
    """Answers with the paths of the original, in each copy too."""

    id = 'portal_catalog'

    def unrestrictedSearchResults(self, UID):
        return [SimpleNamespace(getPath=lambda: '/site/doc')]


class Uuid:
    """Stands for `IUUID`."""

    def __call__(self, context, default):
        return getattr(aq_base(context), 'uuid', default)


@contextmanager
def a_full_site(zope):
    """The application root, with a site that has tasks of all kinds."""
    with application(zope) as app, clock.use(SettableClock()), (
            contribution()), pytest.MonkeyPatch.context() as patch:
        patch.setattr(contexts, 'IUUID', Uuid())
        app.acl_users._doAddUser('root', 'secret', ['Manager'], [])
        site = make_site(app, 'site')
        site.acl_users._doAddUser('jane', 'secret', ['Manager'], [])
        site._setObject('doc', Document('a'))
        site._setObject('plain', Folder('plain'))
        site._setObject('portal_catalog', Catalog())
        transaction.savepoint()
        install(site)
        fill(site)
        yield app
        app.acl_users._doDelUsers(['root'])


def give_another_uuid(copy):
    """As Plone does."""
    copy.doc.uuid = 'b'


@pytest.fixture(scope='class', params=[
    (paste, '/copy_of_site', give_another_uuid),
    (paste_in_the_zmi, '/copy_of_site', give_another_uuid),
    (export_and_import, '/elsewhere/site', None)],
    ids=lambda param: param[0].__name__)
def copied(request, zope, tmp_path_factory):
    way, path, adapt = request.param
    with a_full_site(zope) as app:
        yield copy_while_it_runs(
            app, 'site', way, path, tmp_path_factory.mktemp('copy'), adapt)


@pytest.fixture(scope='class', params=[
    (move, '/elsewhere/site'), (rename, '/renamed')],
    ids=lambda param: param[0].__name__)
def moved(request, zope, tmp_path_factory):
    way, path = request.param
    with a_full_site(zope) as app:
        yield move_while_it_runs(
            app, 'site', way, path, tmp_path_factory.mktemp('move'))


class TestCopied(CopiedSite):
    """A copy, as `CopiedSite` says."""


class TestMoved(MovedSite):
    """A site that was moved, as `MovedSite` says."""
