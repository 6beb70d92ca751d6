"""Which user a ``principalId`` names, also when a task runs."""

import pytest
import transaction
from AccessControl import getSecurityManager
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.users import emergency_user
from AccessControl.users import nobody
from AccessControl.users import system
from Acquisition import aq_base
from Acquisition import aq_inner
from Acquisition import aq_parent
from conftest import make_site
from conftest import seen
from OFS.Folder import Folder
from Testing.makerequest import makerequest
from ZODB.POSException import ConflictError
from zope.component.hooks import setSite
from zope.security.management import checkPermission

from zodbschedule import CallTask
from zodbschedule.interfaces import InvalidTask
from zodbschedule.zope import UnknownUser
from zodbschedule.zope import call
from zodbschedule.zope import current_principal
from zodbschedule.zope import install
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.users import SYSTEM
from zodbschedule.zope.users import find_user
from zodbschedule.zope.users import principal_id_of


def look():
    user = getSecurityManager().getUser()
    seen.append((user.getId(), user.getUserName(), user.getRoles()))


def may(permission):
    from zope.globalrequest import getRequest
    request = getRequest()
    context = request['PUBLISHED']
    user = getSecurityManager().getUser()
    assert request['AUTHENTICATED_USER'] is user
    by_title = bool(getSecurityManager().checkPermission(permission, context))
    assert by_title == checkPermission('zope2.View', context)
    seen.append(by_title)


@pytest.fixture
def run_as(schedule, clock):
    """Run a function as that principal; what became of it."""
    def run_as(principal_id, func, *args):
        schedule.schedule(CallTask(func, args, principalId=principal_id))
        transaction.commit()
        return schedule.process(clock.now())

    return run_as


class TestSpelling:

    @pytest.mark.parametrize('folder, name', [
        ('site', 'acl_users:jane'), ('app', '/acl_users:jane')])
    def test_a_user_is_named_with_the_folder(self, app, site, folder, name):
        app.acl_users._doAddUser('jane', 'other', [], [])
        try:
            users = {'app': app, 'site': site}[folder].acl_users
            user = users.getUserById('jane').__of__(users)
            assert principal_id_of(user, site) == name
            found = find_user(name, site)
            assert found.getRoles() == user.getRoles()
            assert found.__parent__._p_oid == users._p_oid
        finally:
            app.acl_users._doDelUsers(['jane'])

    def test_in_the_root_too(self, app, site):
        app.acl_users._doAddUser('jane', 'other', [], [])
        try:
            users = app.acl_users
            user = users.getUserById('jane').__of__(users)
            assert principal_id_of(user, app) == '/acl_users:jane'
            assert find_user('/acl_users:jane', app).getId() == 'jane'
            users = site.acl_users
            user = users.getUserById('jane').__of__(users)
            assert principal_id_of(user, app) == '/site/acl_users:jane'
            assert find_user('/site/acl_users:jane', app).getRoles() == (
                'Manager', 'Authenticated')
        finally:
            app.acl_users._doDelUsers(['jane'])

    @pytest.fixture
    def folder_of_sites(self, app):
        """Has a user folder, and a site that has one of its own."""
        app._setObject('outer', Folder('outer'))
        app.outer.manage_addUserFolder()
        app.outer.acl_users._doAddUser('jane', 'secret', ['Owner'], [])
        app.outer._setObject('folder', Folder('folder'))
        make_site(app.outer.folder, 'inner')
        transaction.savepoint()
        return app.outer

    def test_one_above_the_site_is_named_from_the_site(
            self, app, folder_of_sites):
        users = folder_of_sites.acl_users
        user = users.getUserById('jane').__of__(users)
        inner = folder_of_sites.folder.inner
        assert principal_id_of(user, inner) == '../../acl_users:jane'
        newSecurityManager(None, system)
        app.manage_renameObject('outer', 'renamed')
        inner = app.renamed.folder.inner
        found = find_user('../../acl_users:jane', inner)
        assert path_of(aq_parent(aq_inner(found))) == '/renamed/acl_users'

    @pytest.mark.parametrize('levels', [1, 3, 4, 9])
    def test_not_found_there_it_is_not_looked_for_elsewhere(
            self, folder_of_sites, levels):
        with pytest.raises(UnknownUser):
            find_user(f'{levels * "../"}acl_users:jane',
                      folder_of_sites.folder.inner)

    def test_in_a_request_too(self, app, site):
        app = makerequest(app)
        app.acl_users._doAddUser('root', 'other', [], [])
        try:
            users = app.acl_users
            user = users.getUserById('root').__of__(users)
            assert principal_id_of(user, app.site) == '/acl_users:root'
            assert principal_id_of(user, app) == '/acl_users:root'
        finally:
            app.acl_users._doDelUsers(['root'])

    def test_special_users(self, site):
        assert principal_id_of(None, site) is None
        assert principal_id_of(nobody, site) is None
        assert principal_id_of(system, site) == SYSTEM

    def test_the_emergency_user_is_refused(self, site):
        with pytest.raises(UnknownUser, match='not in a user folder'):
            principal_id_of(emergency_user.__of__(site.acl_users), site)

    def test_so_is_a_user_that_no_folder_knows(self, site):
        user = site.acl_users.getUserById('jane')
        with pytest.raises(UnknownUser):
            principal_id_of(user, site)
        wrapped = user.__of__(site.acl_users)
        site.acl_users._doDelUsers(['jane'])
        with pytest.raises(UnknownUser):
            principal_id_of(wrapped, site)

    @pytest.mark.parametrize('name', [
        'acl_users:joe', '/acl_users:jane', 'gone/acl_users:jane',
        '/gone/acl_users:jane', 'joe', ''])
    def test_an_unknown_user_is_nobody_else(self, site, name):
        with pytest.raises(UnknownUser) as caught:
            find_user(name, site)
        assert repr(name) in str(caught.value)

    def test_a_folder_that_finds_somebody_else_has_not_found_the_user(
            self, site, monkeypatch):
        folder = type(aq_base(site.acl_users))
        original = folder.getUserById
        monkeypatch.setattr(
            folder, 'getUserById',
            lambda self, id, default=None: original(self, id.lower()))
        assert find_user('acl_users:jane', site).getId() == 'jane'
        for name in 'acl_users:JANE', 'JANE':
            with pytest.raises(UnknownUser):
                find_user(name, site)

    def test_an_id_may_hold_a_colon(self, site):
        site.acl_users._doAddUser('urn:x:jane', 'secret', [], [])
        assert find_user('acl_users:urn:x:jane', site).getId() == 'urn:x:jane'
        user = site.acl_users.getUserById('urn:x:jane')
        named = principal_id_of(user.__of__(site.acl_users), site)
        assert named == 'acl_users:urn:x:jane'

    def test_a_bare_id_has_no_colon(self, site):
        site.acl_users._doAddUser('urn:x:jane', 'secret', [], [])
        with pytest.raises(UnknownUser, match='needs its folder: acl_users:u'):
            find_user('urn:x:jane', site)

    def test_a_bare_id_is_looked_for_in_the_site_only(self, app, site):
        inner = make_site(site, 'inner')
        with pytest.raises(UnknownUser, match="no such user: 'jane'"):
            find_user('jane', inner)
        inner.acl_users._doAddUser('jane', 'inner', ['Owner'], [])
        assert find_user('jane', inner).getRoles() == (
            'Owner', 'Authenticated')
        assert find_user('jane', site).getRoles() == (
            'Manager', 'Authenticated')

    @pytest.mark.parametrize('name', [
        SYSTEM, '/acl_users:admin', 'acl_users:jane', 'urn:x:joe'])
    @pytest.mark.parametrize('way', ['schedule', 'call', 'change'])
    def test_the_id_of_the_current_user_never_names_another_one(
            self, app, site, schedule, login, name, way):
        app.acl_users._doAddUser('admin', 'other', ['Manager'], [])
        site.acl_users._doAddUser(name, 'secret', [], [])
        task = schedule.call(look)
        login(name)
        try:
            with pytest.raises(InvalidTask, match='current_principal'):
                if way == 'schedule':
                    schedule.schedule(CallTask(look, principalId=name))
                elif way == 'call':
                    call(site, 'objectIds', principalId=name, trusted=True)
                else:
                    schedule.change(task, principalId=name)
            assert current_principal(site) == f'acl_users:{name}'
            found = find_user(current_principal(site), site)
            assert found.getId() == name
        finally:
            app.acl_users._doDelUsers(['admin'])

    @pytest.mark.parametrize('name', ['zope.security.management.system_user',
                                      'System Processes', 'system'])
    def test_no_other_id_is_that_of_the_system(self, site, name):
        site.acl_users._doAddUser(name, 'secret', [], [])
        assert find_user(name, site).getRoles() == ('Authenticated',)


class TestCurrentPrincipal:

    def test_it_is_for_the_site_of_the_object(self, app, site, login):
        login('jane')
        assert current_principal(site.acl_users) == 'acl_users:jane'
        install(app)
        assert current_principal(app) == '/site/acl_users:jane'

    def test_or_for_the_current_site(self, site, login):
        login('jane')
        setSite(site)
        assert current_principal() == 'acl_users:jane'

    def test_is_none_for_anonymous(self, site):
        assert current_principal(site) is None

    def test_there_has_to_be_a_schedule(self, app):
        with pytest.raises(LookupError, match='No schedule'):
            current_principal(app)
        with pytest.raises(LookupError, match='no current site'):
            current_principal()


class TestRunning:

    @pytest.mark.parametrize('principal_id, expected', [
        (None, (None, 'Anonymous User', ('Anonymous',))),
        ('acl_users:jane', ('jane', 'jane', ('Manager', 'Authenticated'))),
        ('jane', ('jane', 'jane', ('Manager', 'Authenticated'))),
        (SYSTEM, (
            None, 'System Processes',
            ('manage', 'Manager', 'Authenticated')))])
    def test_a_task_runs_as_its_principal(
            self, run_as, principal_id, expected):
        assert run_as(principal_id, look).succeeded == 1
        assert seen == [expected]

    def test_a_user_of_the_same_id_further_down_does_not_shadow_it(
            self, app, site, run_as, schedule):
        app.acl_users._doAddUser('jane', 'other', ['Owner'], [])
        try:
            assert run_as('/acl_users:jane', look).succeeded == 1
            assert seen == [('jane', 'jane', ('Owner', 'Authenticated'))]
        finally:
            app.acl_users._doDelUsers(['jane'])

    def test_an_unknown_one_is_parked_and_never_run_as_another(
            self, run_as, schedule):
        assert run_as('acl_users:joe', look).failed == 1
        assert seen == []
        [entry] = schedule.parked
        assert 'has no such user' in entry.reason

    def test_a_folder_that_fails_has_it_tried_again(
            self, site, run_as, schedule, monkeypatch):
        def fail(self, id, default=None):
            raise errors.pop()

        errors = [OSError('the directory is down'), ConflictError('busy')]
        folder = type(aq_base(site.acl_users))
        original = folder.getUserById
        monkeypatch.setattr(
            folder, 'getUserById',
            lambda self, *args: fail(self, *args) if errors
            else original(self, *args))
        assert run_as('acl_users:jane', look).retried == 1
        assert seen == []
        assert not list(schedule.parked)
        [entry] = schedule.history
        assert 'the directory is down' in entry.error

    @pytest.mark.parametrize('principal_id, permitted', [
        (None, False), ('acl_users:joe', False), ('acl_users:jane', True),
        (SYSTEM, True)])
    def test_what_it_may_do_is_asked_of_both_kinds_of_security(
            self, site, run_as, principal_id, permitted):
        site.acl_users._doAddUser('joe', 'secret', [], [])
        site.manage_permission('View', ['Manager'])
        assert run_as(principal_id, may, 'View').succeeded == 1
        assert seen == [permitted]

    def test_whoever_calls_process_is_that_user_again(
            self, site, run_as, login):
        site.acl_users._doAddUser('joe', 'secret', [], [])
        transaction.commit()
        login('joe')
        run_as('acl_users:jane', look)
        assert getSecurityManager().getUser().getId() == 'joe'
        newSecurityManager(None, nobody)

    def test_a_site_without_a_user_folder_has_special_users(
            self, app, clock):
        site = make_site(app, 'bare')
        site._delObject('acl_users')
        transaction.savepoint()
        schedule = install(site)
        for principal_id in None, SYSTEM:
            schedule.schedule(CallTask(look, principalId=principal_id))
        transaction.commit()
        assert schedule.process(clock.now()).succeeded == 2
        assert sorted(name for _, name, _ in seen) == [
            'Anonymous User', 'System Processes']
