"""Tasks in a site in two languages, with caches that are purged."""

import base64
from datetime import timedelta

import pytest
import transaction
from plone import api
from plone.app.caching.interfaces import IPloneCacheSettings
from plone.app.multilingual.api import translate
from plone.app.multilingual.interfaces import ITranslationManager
from plone.app.testing import TEST_USER_ID
from plone.app.testing import setRoles
from plone.cachepurging.interfaces import ICachePurgingSettings
from plone.cachepurging.interfaces import IPurger
from plone.dexterity.utils import createContentInContainer
from plone.formwidget.namedfile.datamanager import NamedImageAttributeField
from plone.namedfile.field import NamedBlobImage
from plone.namedfile.file import NamedBlobImage as NamedBlobImageValue
from plone.scale.storage import AnnotationStorage
from plone.testing.zope import Browser
from Products.CMFPlone.utils import get_installer
from z3c.form.interfaces import IDataManager
from zope.component import getGlobalSiteManager
from zope.component import getMultiAdapter
from zope.globalrequest import getRequest
from zope.interface import Interface
from zope.lifecycleevent import modified
from zope.publisher.interfaces.browser import IDefaultBrowserLayer

from zodbschedule.zope import ContextTask
from zodbschedule.zope import call
from zodbschedule.zope import contribute
from zodbschedule.zope import contribution_states
from zodbschedule.zope import get_schedule
from zodbschedule.zope import synchronize
from zodbschedule.zope.interfaces import IContribution


seen = []


@pytest.fixture(autouse=True)
def _nothing_seen():
    seen.clear()


@pytest.fixture
def portal(clock, multilingual):
    """A site with a German document and its translation."""
    portal = multilingual['portal']
    setRoles(portal, TEST_USER_ID, ['Manager'])
    createContentInContainer(
        portal['de'], 'Document', id='seite', title='Seite')
    translate(portal['de']['seite'], 'en')
    portal.manage_permission('View', ['Anonymous'])
    transaction.commit()
    return portal


# -- Languages


def look(context):
    request = getRequest()
    state = getMultiAdapter((context, request), name='plone_portal_state')
    found = '|'.join([
        context.absolute_url(), state.language(),
        state.navigation_root_url(), api.portal.get_current_language(),
        getMultiAdapter((context, request), name='plone').toLocalizedTime(
            '2026-11-28T12:00:00+00:00', long_format=True),
        *sorted(ITranslationManager(context).get_translations()),
        # what the language of the request has the catalog find
        *sorted(brain.getPath() for brain in api.content.find(
            portal_type='Document', Language=state.language()))])
    seen.append(found)
    return found


class Look:
    """What a request shows of the languages around it."""

    def __init__(self, context, request):
        self.context = context

    def __call__(self):
        return look(self.context)


@pytest.fixture
def view():
    registry = getGlobalSiteManager()
    registry.registerAdapter(
        Look, (Interface, IDefaultBrowserLayer), Interface, 'look')
    yield
    registry.unregisterAdapter(
        Look, (Interface, IDefaultBrowserLayer), Interface, 'look')


@pytest.mark.parametrize('language', ['de', 'en'])
def test_a_task_speaks_as_a_request_for_the_object_does(
        multilingual, portal, process, view, language):
    context = ITranslationManager(portal['de']['seite']).get_translation(
        language)
    path = '/'.join(context.getPhysicalPath())
    assert process(ContextTask(context, look)).succeeded == 1
    browser = Browser(multilingual['app'])
    # A reader who would rather have the other one.
    browser.addHeader('Accept-Language', {'de': 'en', 'en': 'de'}[language])
    browser.open(f'http://localhost{path}/@@look')
    assert seen[0] == browser.contents
    root = f'http://localhost/plone/{language}'
    assert f'|{language}|{root}|{language}|' in seen[0]


# -- What was queued on the request


class Purger:
    """Records what it has to purge."""

    def __init__(self):
        self.purged = []

    def purgeAsync(self, url, httpVerb='PURGE'):
        self.purged.append(url)


@pytest.fixture
def purged(portal):
    registry, purger = getGlobalSiteManager(), Purger()
    before = registry.getUtility(IPurger)
    registry.registerUtility(purger, IPurger)
    registered = api.portal.get_tool('portal_registry').forInterface
    settings = registered(ICachePurgingSettings)
    settings.enabled = True
    settings.cachingProxies = ('http://proxy:6081',)
    registered(IPloneCacheSettings).purgedContentTypes = ('Document',)
    yield purger.purged
    registry.registerUtility(before, IPurger)


def retitle(context, fails=False):
    context.title = 'Another'
    modified(context)
    if fails:
        raise ValueError('no')


class TestPurging:

    def test_what_a_task_has_changed_is_purged(self, portal, process, purged):
        call(portal['de']['seite'], retitle)
        assert process().succeeded == 1
        assert 'http://proxy:6081/plone/de/seite' in purged

    def test_by_the_addresses_that_people_see(
            self, portal, schedule, process, purged):
        schedule.url = 'http://www.example.org'
        call(portal['de']['seite'], retitle)
        assert process().succeeded == 1
        assert 'http://proxy:6081/de/seite' in purged

    def test_not_if_it_has_failed(self, portal, process, purged):
        call(portal['de']['seite'], retitle, True)
        assert process().failed == 1
        assert not purged


PIXEL = base64.b64decode(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA'
    'WjR9awAAAABJRU5ErkJggg==')


def illustrate(context):
    # As the form does that edits an image.
    field = NamedBlobImage(__name__='image')
    getMultiAdapter((context, field), IDataManager).set(
        NamedBlobImageValue(PIXEL, filename='pixel.png'))


def test_scales_of_an_image_are_made_after_the_commit(
        portal, process, monkeypatch):
    monkeypatch.setattr(
        NamedImageAttributeField, 'scale_generate_on_save', True)
    image = createContentInContainer(portal, 'Image', id='image')
    transaction.commit()
    call(image, illustrate)
    assert process().succeeded == 1
    scales = AnnotationStorage(portal['image'])
    assert {scale['width'] for scale in scales.storage.values()}


# -- An add-on that is uninstalled


def names_of(portal):
    """The names of the contributed tasks."""
    return {state.name for state in contribution_states(portal)}


def test_the_tasks_of_an_add_on_go_when_it_is_uninstalled(portal):
    contribute('ours', look, every=timedelta(hours=1),
               profile='plone.app.caching:default')
    installer = get_installer(portal, portal.REQUEST)
    try:
        synchronize(portal)
        transaction.commit()
        assert 'ours' in names_of(portal)
        assert installer.uninstall_product('plone.app.caching')
        transaction.commit()
        assert 'ours' not in names_of(portal)
        assert 'ours' not in {task.name for task in get_schedule(portal)}
        assert installer.install_product('plone.app.caching')
        assert 'ours' in names_of(portal)
    finally:
        getGlobalSiteManager().unregisterUtility(
            provided=IContribution, name='ours')
