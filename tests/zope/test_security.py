"""Who may do what with a schedule, from restricted code, by roles."""

from functools import cache

import pytest
import transaction
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.unauthorized import Unauthorized
from AccessControl.users import emergency_user
from AccessControl.users import nobody
from AccessControl.ZopeGuards import get_safe_globals
from AccessControl.ZopeGuards import guarded_getattr
from conftest import application
from conftest import make_site
from DateTime import DateTime
from OFS.Folder import Folder
from RestrictedPython import compile_restricted
from zope.component.hooks import setSite

from zodbschedule import CallTask
from zodbschedule import clock
from zodbschedule.interfaces import NotScheduled
from zodbschedule.store.inspection import task_id
from zodbschedule.zope import ContextTask
from zodbschedule.zope import RestrictedSchedule
from zodbschedule.zope import install


ROLES = 'Anonymous', 'Member', 'Editor', 'Site Administrator', 'Manager'

NOBODY = set()
MANAGERS = {'Manager'}
ADMINISTRATORS = {'Site Administrator', 'Manager'}
EDITORS = {'Editor', 'Site Administrator', 'Manager'}
EVERYBODY = {'Anonymous', 'Member', *EDITORS}

#: what is done in restricted code, and who may do it.  Editor is a local role
#: on the page, and has the permission to schedule.
MATRIX = [
    # Look
    ('schedule.health()', ADMINISTRATORS),
    ('schedule.upcoming()', ADMINISTRATORS),
    ('schedule.running()', ADMINISTRATORS),
    ('schedule.paused()', ADMINISTRATORS),
    ('schedule.parked()', ADMINISTRATORS),
    ('schedule.history(since=DateTime())', ADMINISTRATORS),
    ('schedule.tasks_of(principalId="acl_users:joe")', ADMINISTRATORS),
    ('schedule.task(ids["of joe"])', ADMINISTRATORS),
    ('schedule.settings()', ADMINISTRATORS),
    # Schedule tasks
    ('call(page, "objectIds")', EDITORS),
    ('call(page, "objectIds", time=DateTime() + 1)', EDITORS),
    ('call(page, "objectIds", principalId=current_principal(page))', EDITORS),
    ('call(page, "objectIds", recurrence=Cron("0 3 * * *", "UTC"))', EDITORS),
    ('call(page, "objectIds", key="contributed:addon")', ADMINISTRATORS),
    ('call(site, "objectIds")', ADMINISTRATORS),
    ('call(None, "objectIds")', ADMINISTRATORS),
    ('schedule.own_tasks()', EVERYBODY),
    ('schedule.cancel(ids["own, of the page"])', EDITORS),
    ('schedule.cancel(ids["own, of the site"])', ADMINISTRATORS),
    ('schedule.cancel(ids["own, gone"])', ADMINISTRATORS),
    ('schedule.cancel(ids["own, of no object"])', ADMINISTRATORS),
    ('schedule.cancel(ids["of joe"])', ADMINISTRATORS),
    ('schedule.cancel(ids["of nobody"])', ADMINISTRATORS),
    ('schedule.cancel("ffff")', ADMINISTRATORS),
    # Control
    ('schedule.pause(ids["of joe"], reason="later")', ADMINISTRATORS),
    ('schedule.resume(ids["of joe"])', ADMINISTRATORS),
    ('schedule.pause()', ADMINISTRATORS),
    ('schedule.resume()', ADMINISTRATORS),
    ('schedule.run_now(ids["of joe"])', ADMINISTRATORS),
    ('schedule.change(ids["of joe"], time=DateTime() + 1)', ADMINISTRATORS),
    ('schedule.change(ids["of joe"], recurrence=Cron("0 3 * * *", "UTC"))',
     ADMINISTRATORS),
    ('schedule.change(ids["own, of the page"], time=DateTime())',
     ADMINISTRATORS),
    ('schedule.several("pause", [(ids["of joe"], None)])', ADMINISTRATORS),
    ('schedule.reset("ffff")', ADMINISTRATORS),
    ('schedule.unpark(ids["parked"], time=DateTime())', ADMINISTRATORS),
    ('schedule.discard(ids["parked"])', ADMINISTRATORS),
    ('schedule.recover("worker")', ADMINISTRATORS),
    # Schedule as others
    ('call(page, "objectIds", principalId="acl_users:joe")', MANAGERS),
    ('call(page, "objectIds", principalId=":system")', MANAGERS),
    ('call(page, "math.sqrt")', MANAGERS),
    ('schedule.change(ids["of joe"], principalId="acl_users:jane")',
     MANAGERS),
    # Nothing of it is for restricted code.
    ('call(page, "objectIds", trusted=True)', NOBODY),
    ('schedule.process', NOBODY),
    ('schedule.schedule', NOBODY),
    ('raw.tasks', NOBODY),
    ('raw.schedule', NOBODY),
    ('raw.call', NOBODY),
    ('raw.pause', NOBODY),
    ('raw.unschedule', NOBODY)]

SCRIPT = """\
from zodbschedule.zope.restricted import Cron
from zodbschedule.zope.restricted import call
from zodbschedule.zope.restricted import current_principal
from zodbschedule.zope.restricted import get_schedule
schedule = get_schedule(page)
result = %s
"""


def fail():
    raise ValueError('it is to fail')


@cache
def compiled(source):
    return compile_restricted(SCRIPT % source, '<script>', 'exec')


class Place:
    """A site, its users and tasks, and restricted code of one user."""

    def __init__(self, app):
        self.app = app
        self.site = make_site(app, 'place')
        self.site._setObject('page', Folder('page'))
        self.site._setObject('gone', Folder('gone'))
        for role in 'Member', 'Editor', 'Site Administrator':
            self.site._addRole(role)
        for role in (*ROLES[1:], 'joe', 'jane'):
            self.site.acl_users._doAddUser(
                role, 'x', [] if role in ('Editor', 'joe', 'jane')
                else [role], [])
        self.site.page.manage_setLocalRoles('Editor', ['Editor'])
        self.site.manage_permission(
            'zodbschedule: Schedule tasks',
            ['Editor', 'Site Administrator', 'Manager'])
        transaction.savepoint()
        self.schedule = install(self.site)
        self.parked = self.schedule.schedule(CallTask(fail))
        transaction.commit()
        self.schedule.process(clock.now())
        transaction.commit()

    def log_in(self, role):
        folder = self.site.acl_users
        user = nobody if role == 'Anonymous' else folder.getUserById(role)
        newSecurityManager(None, user.__of__(folder))

    def run(self, source, **names):
        """The result of restricted code, as the current user."""
        code = compiled(source)
        names.update(get_safe_globals(), _getattr_=guarded_getattr,
                     __name__='script', page=self.site.page, site=self.site,
                     raw=self.schedule, DateTime=DateTime)
        exec(code, names)
        return names['result']

    def add_tasks(self, role):
        """Add tasks of that role and of others; their ids by what they are."""
        own = None if role == 'Anonymous' else f'acl_users:{role}'
        tasks = {
            'own, of the page': (self.site.page, own),
            'own, of the site': (self.site, own),
            'own, gone': (self.site.gone, own),
            'of joe': (self.site.page, 'acl_users:joe'),
            'of nobody': (self.site.page, None)}
        added = {name: self.schedule.schedule(ContextTask(
            context, 'objectIds', principalId=principal_id))
            for name, (context, principal_id) in tasks.items()}
        added['own, of no object'] = self.schedule.schedule(
            CallTask(fail, principalId=own))
        self.site._delObject('gone')
        transaction.savepoint()
        [entry] = self.schedule.parked
        return {name: task_id(task) for name, task in added.items()} | {
            'parked': entry.id}

    def may(self, source, ids):
        """Whether that role may do it; afterwards all is as before."""
        before = transaction.savepoint()
        try:
            result = self.run(source, ids=ids)
        except (Unauthorized, AttributeError):
            return False
        except NotScheduled:
            return True  # there is no worker of that name
        finally:
            before.rollback()
        if 'ffff' not in source and isinstance(result, dict):
            assert result.get('done', True) or (
                result['problem'] == 'unchanged'), result
        return True

    def all_that_may_be_done(self, role):
        """The operations of the matrix that the role may do."""
        ids = self.add_tasks(role)
        self.log_in(role)
        done = {source for source, _ in MATRIX if self.may(source, ids)}
        transaction.abort()
        return done


@pytest.fixture(scope='module')
def place(zope):
    with application(zope) as app:
        place = Place(app)
        setSite(place.site)
        yield place


def test_what_each_role_may_do(place):
    may = {role: place.all_that_may_be_done(role) for role in ROLES}
    assert MATRIX == [
        (source, {role for role in ROLES if source in may[role]})
        for source, _ in MATRIX]


@pytest.mark.parametrize('title, roles', [
    ('zodbschedule: Look', ADMINISTRATORS),
    ('zodbschedule: Schedule tasks', ADMINISTRATORS),
    ('zodbschedule: Control', ADMINISTRATORS),
    ('zodbschedule: Schedule as others', MANAGERS)])
def test_who_has_each_permission_by_default(app, title, roles):
    app._addRole('Site Administrator')
    assert roles == {each['name'] for each in app.rolesOfPermission(title)
                     if each['selected']}
    app._delRoles(['Site Administrator'])


class TestRestrictedCode:

    def test_a_manager_of_the_root_may_work_in_the_site(self, place):
        folder = place.app.acl_users
        folder._doAddUser('root', 'x', ['Manager'], [])
        newSecurityManager(None, folder.getUserById('root').__of__(folder))
        assert place.run('schedule.pause()')['done']
        assert place.schedule.paused().by == '/acl_users:root'
        assert place.run('schedule.resume()')['done']
        folder._doDelUsers(['root'])

    def test_the_emergency_user_has_no_tasks(self, place):
        newSecurityManager(None, emergency_user.__of__(place.site.acl_users))
        assert place.run('schedule.own_tasks()')['items'] == []

    def test_a_task_that_was_scheduled_is_an_own_one(self, place):
        place.log_in('Editor')
        id = place.run('call(page, "objectIds")')
        [own] = place.run('schedule.own_tasks()')['items']
        assert own['id'] == id
        assert own['principalId'] == 'acl_users:Editor'
        assert place.run('[e["id"] for e in schedule.own_tasks()["items"]]'
                         ) == [id]
        assert place.run('schedule.cancel(id)', id=id)['done']
        assert place.run('schedule.own_tasks()')['items'] == []

    def test_nobody_owns_what_runs_as_anonymous(self, place):
        title = 'zodbschedule: Schedule tasks'
        before = transaction.savepoint()
        place.site.page.manage_permission(title, ['Anonymous'])
        place.log_in('Anonymous')
        id = place.run('call(page, "objectIds")')
        assert place.schedule.get(id).principalId is None
        with pytest.raises(Unauthorized, match='Control'):
            place.run('schedule.cancel(id)', id=id)
        before.rollback()

    def test_who_does_it_is_not_for_the_caller_to_say(self, place):
        place.log_in('Manager')
        id = place.run('call(page, "objectIds")')
        place.run('schedule.cancel(id, by="somebody")', id=id)
        entry = next(iter(place.schedule.history))
        assert (entry.id, entry.principalId) == (id, 'acl_users:Manager')

    def test_several_are_told_of_together(self, place):
        place.log_in('Manager')
        first, second = 'DateTime("2100/1/1 UTC")', 'DateTime("2100/1/2 UTC")'
        id = place.run(f'call(page, "objectIds", time={first})')
        for seen, done in (second, 0), (first, 1), ('None', 0):
            found = place.run(
                f'schedule.several("cancel", [(id, {seen})])', id=id)
            assert found['done'] == done

    def test_it_gets_no_task(self, place):
        place.log_in('Manager')
        id = place.run('call(page, "objectIds")')
        details = place.run('schedule.task(id)', id=id)
        assert details['description'] == 'objectIds of page'
        assert isinstance(details['time'], str)

    def test_there_is_nothing_else(self, place):
        with pytest.raises(AttributeError, match='process'):
            RestrictedSchedule(place.site).process
