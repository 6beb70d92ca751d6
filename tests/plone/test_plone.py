"""Tasks in a Plone site, by real Plone."""

from datetime import timedelta

import pytest
import transaction
from AccessControl import getSecurityManager
from AccessControl.PermissionRole import rolesForPermissionOn
from AccessControl.unauthorized import Unauthorized
from Acquisition import aq_base
from DateTime import DateTime
from five.localsitemanager import make_objectmanager_site
from plone import api
from plone.app.contentrules.rule import Rule
from plone.app.portlets.portlets import news
from plone.app.testing import SITE_OWNER_NAME
from plone.app.testing import SITE_OWNER_PASSWORD
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import applyProfile
from plone.app.testing import login
from plone.app.testing import setRoles
from plone.browserlayer.utils import register_layer
from plone.browserlayer.utils import unregister_layer
from plone.contentrules.engine.interfaces import IRuleStorage
from plone.dexterity.utils import createContentInContainer
from plone.portlets.interfaces import IPortletAssignmentMapping
from plone.portlets.interfaces import IPortletManager
from plone.testing.zope import Browser
from plone.uuid.interfaces import IUUID
from Products.MailHost import MailHost
from Products.PageTemplates.ZopePageTemplate import manage_addPageTemplate
from Products.PythonScripts.PythonScript import manage_addPythonScript
from Products.SiteAccess.VirtualHostMonster import manage_addVirtualHostMonster
from zope.component import getGlobalSiteManager
from zope.component import getMultiAdapter
from zope.component import getUtility
from zope.component.hooks import getSite
from zope.globalrequest import getRequest
from zope.interface import Interface
from zope.publisher.browser import BrowserView

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import ISchedule
from zodbschedule.testing import run_until
from zodbschedule.zope import ContextTask
from zodbschedule.zope import call
from zodbschedule.zope import contribute
from zodbschedule.zope import contribution_states
from zodbschedule.zope import get_schedule
from zodbschedule.zope.interfaces import IContribution
from zodbschedule.zope.users import SYSTEM


seen = []


@pytest.fixture(autouse=True)
def _nothing_seen():
    seen.clear()


@pytest.fixture
def portal(clock, functional):
    """A site with a document, whose test user is a manager."""
    portal = functional['portal']
    setRoles(portal, TEST_USER_ID, ['Manager'])
    createContentInContainer(portal, 'Document', id='doc', title='A')
    transaction.commit()
    return portal


# -- What tasks do


def who(context):
    user = getSecurityManager().getUser()
    seen.append((user.getId(), user.getUserName(),
                 sorted(user.getRolesInContext(context))))


def find(context):
    seen.append({brain.getId for brain in api.content.find(Subject='found')})


def create(context):
    createContentInContainer(context, 'Document', id='new', title='New')


def retitle(context, title):
    context.title = title
    context.reindexObject()


def retitle_and_fail(context, title):
    retitle(context, title)
    raise ValueError('no')


def where(context):
    seen.append(context.absolute_url_path())


def send(context, fails=False):
    api.portal.get_tool('MailHost').send(
        'text', 'to@example.org', 'from@example.org', 'a mail')
    if fails:
        raise ValueError('no')


class TestInstalled:

    def test_the_profile_gives_the_site_a_schedule(self, portal, schedule):
        assert schedule.path == '/plone'
        assert ISchedule(portal) is schedule
        assert get_schedule(portal.doc) is schedule
        assert get_schedule() is schedule

    def test_the_other_profile_takes_it_away(self, portal):
        applyProfile(portal, 'zodbschedule.zope:uninstall')
        with pytest.raises(LookupError):
            get_schedule(portal)
        applyProfile(portal, 'zodbschedule.zope:default')
        assert get_schedule(portal)

    def test_site_administrators_may_control(self, portal):
        assert set(rolesForPermissionOn('zodbschedule: Control', portal)) == {
            'Manager', 'Site Administrator'}


class TestUsers:

    def test_call_runs_as_whoever_has_called(self, portal, process):
        task = call(portal.doc, who)
        assert task.principalId == f'acl_users:{TEST_USER_ID}'
        assert process().succeeded == 1
        assert seen == [(TEST_USER_ID, TEST_USER_NAME, [
            'Authenticated', 'Manager', 'Owner'])]

    def test_the_id_counts_and_not_the_name_to_log_in(self, portal, process):
        users = portal.acl_users.source_users
        users.updateUser(TEST_USER_ID, 'another-name')
        assert process(ContextTask(
            portal.doc, who, principalId=f'acl_users:{TEST_USER_ID}')
        ).succeeded == 1
        assert seen[0][:2] == (TEST_USER_ID, 'another-name')

    def test_a_user_of_the_root(self, functional, portal, process):
        root = functional['app'].acl_users
        assert root.getUserById(SITE_OWNER_NAME) is not None
        login(functional['app'], SITE_OWNER_NAME)
        task = call(portal.doc, who)
        assert task.principalId == f'/acl_users:{SITE_OWNER_NAME}'
        assert process().succeeded == 1
        assert seen[0][0] == SITE_OWNER_NAME

    def test_one_who_was_deleted_is_parked(self, portal, process, schedule):
        call(portal.doc, who)
        portal.acl_users.source_users.removeUser(TEST_USER_ID)
        assert process().failed == 1
        [entry] = schedule.parked
        assert 'has no such user' in entry.reason
        assert seen == []

    def test_roles_that_were_taken_away_are_gone(
            self, portal, process, schedule):
        call(portal, create)
        setRoles(portal, TEST_USER_ID, ['Member'])
        assert process().failed == 1
        assert 'new' not in portal.objectIds()

    def test_who_may_not_schedule(self, portal):
        setRoles(portal, TEST_USER_ID, ['Editor'])
        with pytest.raises(Exception, match='Schedule tasks'):
            call(portal.doc, who)

    @pytest.mark.parametrize('principal_id, creators', [
        (f'acl_users:{TEST_USER_ID}', (TEST_USER_ID,)),
        (SYSTEM, ())])
    def test_who_is_the_creator_of_what_is_created(
            self, portal, process, principal_id, creators):
        api.portal.get_tool('portal_workflow').setDefaultChain(
            'simple_publication_workflow')
        assert process(ContextTask(
            portal, create, principalId=principal_id)).succeeded == 1
        assert portal['new'].creators == creators
        [brain] = api.content.find(id='new')
        assert brain.Title == 'New'
        history = portal['new'].workflow_history
        actor = next(iter(history.values()))[-1]['actor']
        assert actor == (creators[0] if creators else None)

    def test_the_system_user_finds_private_and_expired_content(
            self, portal, process):
        api.portal.get_tool('portal_workflow').setDefaultChain(
            'simple_publication_workflow')
        createContentInContainer(
            portal, 'Document', id='private', subject=('found',))
        expired = createContentInContainer(
            portal, 'Document', id='expired', subject=('found',))
        api.content.transition(expired, 'publish')
        expired.setExpirationDate(DateTime() - 1)
        expired.reindexObject()
        for principal_id in SYSTEM, None:
            process(ContextTask(portal, find, principalId=principal_id))
        assert seen == [{'private', 'expired'}, set()]


SCRIPT = """\
from zodbschedule.zope.restricted import call, get_schedule
id = call(context, 'reindexObject', time=DateTime() + 1)
schedule = get_schedule(context)
print([(task['id'] == id, task['description'], task['state'])
       for task in schedule.own_tasks()['items']])
print(schedule.cancel(id)['done'])
return printed
"""

TEMPLATE = """\
<ul tal:define="restricted nocall:modules/zodbschedule.zope.restricted;
                schedule python:restricted.get_schedule(context)">
  <li tal:repeat="task python:schedule.upcoming()['items']"
      tal:content="task/description"></li>
</ul>
"""


class TestRestrictedCode:

    def test_an_editor_schedules_in_a_script_for_a_page(self, portal):
        portal.manage_permission(
            'zodbschedule: Schedule tasks', ['Editor'], acquire=1)
        portal.doc.manage_setLocalRoles(TEST_USER_ID, ['Editor'])
        manage_addPythonScript(portal, 'plan')
        portal.plan.write(SCRIPT)
        setRoles(portal, TEST_USER_ID, ['Member'])
        assert portal.doc.plan() == (
            "[(True, 'reindexObject of doc', 'waiting')]\nTrue\n")
        with pytest.raises(Unauthorized, match='Schedule tasks'):
            portal.plan()

    @pytest.mark.parametrize('role', ['Site Administrator', 'Manager'])
    def test_who_may_look_sees_the_tasks_in_a_template(self, portal, role):
        call(portal.doc, 'reindexObject')
        manage_addPageTemplate(portal, 'template', text=TEMPLATE)
        setRoles(portal, TEST_USER_ID, [role])
        assert '<li>reindexObject of doc</li>' in portal.doc.template()
        setRoles(portal, TEST_USER_ID, ['Editor'])
        with pytest.raises(Unauthorized, match='Look'):
            portal.doc.template()


class TestContent:

    def test_the_catalog_knows_what_was_changed(self, portal, process):
        call(portal.doc, retitle, 'B')
        assert process().succeeded == 1
        [brain] = api.content.find(id='doc')
        assert brain.Title == 'B'
        assert not len(api.content.find(Title='A'))

    def test_and_nothing_of_what_has_failed(self, portal, process):
        call(portal.doc, retitle_and_fail, 'B')
        assert process().failed == 1
        assert portal.doc.title == 'A'
        [brain] = api.content.find(Title='A')
        assert brain.getId == 'doc'
        assert not len(api.content.find(Title='B'))

    def test_versions_are_kept(self, portal, process):
        def edit(context):
            context.title = 'B'
            repository = api.portal.get_tool('portal_repository')
            repository.save(obj=context, comment='by a task')

        globals()['edit'] = edit
        edit.__qualname__ = 'edit'
        call(portal.doc, edit)
        assert process().succeeded == 1
        repository = api.portal.get_tool('portal_repository')
        history = repository.getHistoryMetadata(portal.doc)
        assert history.retrieve(history.getLength(False) - 1)[
            'metadata']['sys_metadata']['comment'] == 'by a task'

    def test_renamed_and_moved_it_is_found(self, portal, process):
        createContentInContainer(portal, 'Folder', id='folder')
        task = call(portal.doc, where)
        assert task.uuid == IUUID(portal.doc)
        transaction.commit()
        api.content.rename(portal.doc, new_id='other')
        transaction.commit()
        api.content.move(portal.other, portal.folder)
        assert process().succeeded == 1
        assert seen == ['/plone/folder/other']

    def test_what_only_traversal_finds_is_found(self, portal, process):
        getUtility(IRuleStorage)['rule'] = Rule()
        left = getUtility(IPortletManager, 'plone.leftcolumn')
        portlets = getMultiAdapter((portal, left), IPortletAssignmentMapping)
        portlets['news'] = news.Assignment()
        paths = ['++rule++rule', '++contextportlets++plone.leftcolumn/news']
        for path in paths:
            call(portal.restrictedTraverse(path), where)
        assert process().succeeded == 2
        assert seen == [f'/plone/{path}' for path in paths]

    def test_a_user_is_not_found_and_refused(self, portal):
        user = portal.acl_users.getUserById(TEST_USER_ID)
        with pytest.raises(InvalidTask, match='its path, /plone/acl_users,'):
            call(user, where)

    def test_a_copy_is_not_it(self, portal, process):
        call(portal.doc, where)
        api.content.copy(portal.doc, portal, id='copy')
        assert process().succeeded == 1
        assert seen == ['/plone/doc']

    def test_deleted_it_is_gone(self, portal, process, schedule):
        call(portal.doc, where)
        api.content.delete(portal.doc)
        assert process().failed == 1
        [entry] = schedule.parked
        assert 'is gone' in entry.reason

    def test_another_in_its_place_is_not_it(self, portal, process, schedule):
        call(portal.doc, where)
        api.content.delete(portal.doc)
        createContentInContainer(portal, 'Document', id='doc')
        assert process().failed == 1
        assert seen == []

    def test_what_is_private_needs_the_right_to_view_it(
            self, portal, process, schedule):
        api.portal.get_tool('portal_workflow').setDefaultChain(
            'simple_publication_workflow')
        createContentInContainer(portal, 'Document', id='private')
        for principal_id in None, f'acl_users:{TEST_USER_ID}':
            schedule.schedule(ContextTask(
                portal.private, where, principalId=principal_id))
        tally = process()
        assert (tally.succeeded, tally.failed) == (1, 1)
        [entry] = schedule.parked
        assert 'may not view' in entry.reason


class ILayer(Interface):
    """A browser layer of a site."""


class Look(BrowserView):
    """What a request shows of its environment."""

    def __call__(self):
        return look(self.context)


def look(context):
    request = getRequest()
    languages = api.portal.get_tool('portal_languages')
    found = '|'.join([
        context.absolute_url(), getSite().absolute_url(),
        str(ILayer.providedBy(request)), languages.getPreferredLanguage(),
        api.portal.get_current_language(context),
        getMultiAdapter((context, request), name='plone').toLocalizedTime(
            '2026-11-28T12:00:00+00:00', long_format=True),
        str(request.get('AUTHENTICATED_USER'))])
    seen.append(found)
    return found


class TestAsInABrowser:

    @pytest.fixture
    def view(self, portal):
        registry = getGlobalSiteManager()
        from zope.publisher.interfaces.browser import IDefaultBrowserLayer
        registry.registerAdapter(
            Look, (Interface, IDefaultBrowserLayer), Interface, 'look')
        yield
        registry.unregisterAdapter(
            Look, (Interface, IDefaultBrowserLayer), Interface, 'look')

    @pytest.mark.parametrize('language', ['en', 'de'])
    @pytest.mark.parametrize('url', ['', 'http://www.example.org'])
    def test_a_task_sees_what_a_request_sees(
            self, functional, portal, process, schedule, view, language, url):
        registry = api.portal.get_tool('portal_registry')
        registry['plone.available_languages'] = ['en', 'de']
        registry['plone.use_request_negotiation'] = True
        registry['plone.use_content_negotiation'] = True
        portal.doc.language = language
        register_layer(ILayer, 'tests.layer')
        schedule.url = url
        manage_addVirtualHostMonster(functional['app'])
        portal.manage_permission('View', ['Anonymous'])
        transaction.commit()
        try:
            assert process(ContextTask(portal.doc, look)).succeeded == 1
            [in_task] = seen
            browser = Browser(functional['app'])
            browser.addHeader('Accept-Language', language)
            browser.open({
                '': 'http://localhost/plone/doc/@@look',
                'http://www.example.org':
                    'http://localhost/VirtualHostBase/http/www.example.org:80'
                    '/plone/VirtualHostRoot/doc/@@look'}[url])
            assert in_task == browser.contents
            assert f'|True|{language}|{language}|' in in_task
            assert in_task.startswith(url or 'http://localhost/plone/doc')
        finally:
            unregister_layer('tests.layer')

    def test_in_a_local_site_too(self, functional, portal, process, view):
        createContentInContainer(portal, 'Folder', id='local')
        make_objectmanager_site(portal.local)
        createContentInContainer(portal.local, 'Document', id='doc')
        portal.manage_permission('View', ['Anonymous'])
        assert process(ContextTask(portal.local.doc, look)).succeeded == 1
        [in_task] = seen
        browser = Browser(functional['app'])
        browser.open('http://localhost/plone/local/doc/@@look')
        assert in_task == browser.contents
        assert '|http://localhost/plone/local|' in browser.contents


class Later(BrowserView):
    """A view that schedules by a GET, as one should not."""

    __name__ = 'later'

    def __call__(self):
        call(self.context, where)
        return 'scheduled'


def test_what_is_scheduled_by_a_get_is_thrown_away_and_said(
        functional, portal, schedule, caplog):
    registry = getGlobalSiteManager()
    registry.registerAdapter(
        Later, (Interface, Interface), Interface, name='later')
    before = len(list(schedule))
    try:
        browser = Browser(functional['app'])
        browser.addHeader(
            'Authorization', f'Basic {SITE_OWNER_NAME}:{SITE_OWNER_PASSWORD}')
        browser.open('http://localhost/plone/doc/@@later')
    finally:
        registry.unregisterAdapter(
            Later, (Interface, Interface), Interface, name='later')
    assert browser.contents == 'scheduled'
    transaction.begin()
    assert len(list(schedule)) == before
    assert 'the view later (http://localhost/plone/doc/@@later)' in caplog.text


class TestMail:

    @pytest.fixture
    def sent(self, portal, monkeypatch):
        sent = []

        class Mailer:
            """Sends nothing."""

            def send(self, sender, recipients, message):
                sent.append(recipients)

            def vote(self, *args):
                """May be sent."""

            def abort(self):
                """May be forgotten."""

        monkeypatch.setattr(
            MailHost.MailBase, '_makeMailer', lambda self: Mailer())
        host = MailHost.MailHost('MailHost', smtp_host='localhost')
        before = aq_base(portal.MailHost)
        portal.MailHost = host
        registry = getSite().getSiteManager()
        from Products.MailHost.interfaces import IMailHost
        registry.registerUtility(host, IMailHost)
        transaction.commit()
        yield sent
        portal.MailHost = before
        registry.registerUtility(before, IMailHost)
        transaction.commit()

    def test_it_leaves_when_the_task_is_committed(
            self, portal, process, sent):
        call(portal.doc, send)
        assert process().succeeded == 1
        assert len(sent) == 1

    def test_and_not_if_it_fails(self, portal, process, sent):
        call(portal.doc, send, True)
        assert process().failed == 1
        assert sent == []


def checked(site):
    seen.append((site.getId(), getSite().getId()))


class TestContributed:

    @pytest.fixture(autouse=True)
    def definition(self):
        contribute('a', checked, every=timedelta(hours=1),
                   profile='zodbschedule.zope:default')
        contribute('b', checked, cron='0 3 * * *', profile='not:there')
        yield
        registry = getGlobalSiteManager()
        for each in list(registry.registeredUtilities()):
            if each.provided is IContribution and each.name in 'ab':
                registry.unregisterUtility(
                    each.component, IContribution, each.name)

    def test_a_profile_brings_them(self, portal, process, schedule, clock):
        applyProfile(portal, 'zodbschedule.zope:default')
        names = {state.name for state in contribution_states(portal)}
        assert names & {'a', 'b'} == {'a'}
        transaction.commit()
        clock.advance(timedelta(hours=1))
        assert process().succeeded == 1
        assert seen == [('plone', 'plone')]

    def test_in_the_zone_of_the_site(self, portal, schedule):
        registry = api.portal.get_tool('portal_registry')
        registry['plone.portal_timezone'] = 'Asia/Tokyo'
        contribute('c', checked, cron='0 3 * * *')
        applyProfile(portal, 'zodbschedule.zope:default')
        [task] = [task for task in schedule if task.name == 'c']
        assert task.recurrence.timezone == 'Asia/Tokyo'


class TestIntegration:
    """A layer that forbids commits."""

    @pytest.mark.parametrize('again', [1, 2])
    def test_nothing_is_left_behind(self, clock, integration, again):
        portal = integration['portal']
        setRoles(portal, TEST_USER_ID, ['Manager'])
        schedule = get_schedule(portal)
        # Those of this package are paused.
        assert all(schedule.paused(task) for task in schedule)
        assert 'new' not in portal.objectIds()
        call(portal, create)
        schedule.schedule(CallTask(checkpoint, recurrence=Every(
            timedelta(hours=1))))
        tally = run_until(
            schedule, clock.now() + timedelta(hours=2), commit=False)
        assert tally.succeeded == 3
        assert 'new' in portal.objectIds()
        assert [brain.getId for brain in api.content.find(id='new')] == [
            'new']
        assert portal['new'].creators == (TEST_USER_ID,)

    def test_what_a_failed_one_has_done_is_rolled_back(
            self, clock, integration):
        portal = integration['portal']
        setRoles(portal, TEST_USER_ID, ['Manager'])
        schedule = get_schedule(portal)
        call(portal, create_and_fail)
        assert run_until(schedule, clock.now(), commit=False).failed == 1
        assert 'new' not in portal.objectIds()
        assert not len(api.content.find(id='new'))


def checkpoint():
    seen.append(getSite().getId())


def create_and_fail(context):
    create(context)
    raise ValueError('no')


