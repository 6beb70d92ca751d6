"""A Plone site that is copied, imported or renamed while its tasks run."""

from contextlib import contextmanager

import pytest
import transaction
from full_site import contribution
from full_site import export_and_import
from full_site import fill
from full_site import paste_in_the_zmi
from full_site import rename
from lives import CopiedSite
from lives import MovedSite
from lives import copy_while_it_runs
from lives import move_while_it_runs
from OFS.Folder import Folder
from plone.app.testing import TEST_USER_ID
from plone.app.testing import setRoles
from plone.dexterity.utils import createContentInContainer
from plone.protect import auto
from plone.uuid.interfaces import IUUID
from without_contributed import unschedule_all

from zodbschedule import clock
from zodbschedule.testing import SettableClock


@contextmanager
def a_full_site(layer):
    """The application root, with a site that has tasks of all kinds."""
    layer.testSetUp()
    try:
        app, portal = layer['app'], layer['portal']
        app.acl_users._doAddUser('root', 'secret', ['Manager'], [])
        portal.acl_users._doAddUser('jane', 'secret', ['Manager'], [])
        setRoles(portal, TEST_USER_ID, ['Manager'])
        portal._setObject('plain', Folder('plain'))
        with clock.use(SettableClock()), contribution(), (
                pytest.MonkeyPatch.context()) as patch:
            # The form is sent without its token.
            patch.setattr(auto, 'CSRF_DISABLED', True)
            createContentInContainer(portal, 'Document', id='doc')
            unschedule_all(portal)
            fill(portal)
            yield app
    finally:
        transaction.abort()
        layer.testTearDown()


@pytest.fixture(scope='class', params=[
    (paste_in_the_zmi, '/copy_of_plone'),
    (export_and_import, '/elsewhere/plone')],
    ids=lambda param: param[0].__name__)
def copied(request, one_plone, functional_class, tmp_path_factory):
    way, path = request.param
    with a_full_site(functional_class) as app:
        yield copy_while_it_runs(
            app, 'plone', way, path, tmp_path_factory.mktemp('copy'))


@pytest.fixture(scope='class')
def moved(one_plone, functional_class, tmp_path_factory):
    with a_full_site(functional_class) as app:
        yield move_while_it_runs(
            app, 'plone', rename, '/renamed', tmp_path_factory.mktemp('move'))


class TestCopied(CopiedSite):
    """A copy, as `CopiedSite` says."""

    def test_the_catalog_of_the_copy_knows_paths_of_the_original(
            self, copied):
        site = copied.copy.__parent__
        assert '/plone/doc' in site.portal_catalog._catalog.uids

    def test_what_is_parked_there_refers_to_the_object_of_the_copy(
            self, copied):
        for schedule in copied.site, copied.copy:
            [entry] = schedule.parked
            assert entry.task.uuid == IUUID(schedule.__parent__.doc)


class TestRenamed(MovedSite):
    """A site that was renamed, as `MovedSite` says."""
