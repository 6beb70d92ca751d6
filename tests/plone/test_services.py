"""The services of plone.restapi, by real requests."""

from datetime import timedelta

import pytest
import transaction
from http_examples import PASSWORD
from http_examples import WRITE
from http_examples import Client
from http_examples import agree
from http_examples import let_through
from http_examples import looked_at
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.app.testing import applyProfile
from plone.app.testing import setRoles
from plone.dexterity.utils import createContentInContainer
from without_contributed import nothing_contributed
from zope.component import getGlobalSiteManager

from zodbschedule import CallTask
from zodbschedule import Cron
from zodbschedule import Schedule
from zodbschedule.store.inspection import task_id
from zodbschedule.testing import run_until
from zodbschedule.zope import ContextTask
from zodbschedule.zope import contribute
from zodbschedule.zope import install
from zodbschedule.zope import synchronize
from zodbschedule.zope import uninstall
from zodbschedule.zope.interfaces import IContribution
from zodbschedule.zope.plone import verbs
from zodbschedule.zope.plone.restapi.services import ROUTES
from zodbschedule.zope.sites import schedule_of


ROLES = {'site-admin': ['Site Administrator'], 'manager': ['Manager'],
         'editor': ['Editor'], 'member': ['Member']}
MAY = 'site-admin', 'manager'
HOUR = timedelta(hours=1)


@pytest.fixture
def portal(clock, functional):
    """A site with a document, a user of each role, and no task."""
    portal = functional['portal']
    setRoles(portal, TEST_USER_ID, ['Manager'])
    for name, roles in ROLES.items():
        portal.acl_users.userFolderAddUser(name, PASSWORD, roles, [])
    createContentInContainer(portal, 'Document', id='doc', title='A page')
    portal.portal_workflow.setChainForPortalTypes(
        ['Document', 'Folder'], 'simple_publication_workflow')
    portal.doc.notifyWorkflowCreated()
    api.content.transition(portal.doc, 'publish')
    with nothing_contributed(portal):
        transaction.commit()
        yield portal


@pytest.fixture
def clients(functional, portal):
    """Somebody of each role, and Anonymous."""
    return {name: Client(functional['app'], name) for name in ['', *ROLES]}


@pytest.fixture
def admin(clients):
    return clients['site-admin']


@pytest.fixture
def add(schedule, clock, admin):
    """Schedule a task in an hour; its id."""
    def add(task=None, name='2e0ba'):
        task = task or CallTask('os.getcwd', time=clock.now() + HOUR,
                                description='send letters')
        schedule.schedule(task)
        transaction.commit()
        id = task_id(task)
        admin.names |= {id: name, str(int(id, 16)): str(int(name, 16))}
        return id

    return add


@pytest.fixture
def park(schedule, clock, add):
    """Park a task; its id."""
    def park():
        id = add(CallTask('math.sqrt', [-1], time=clock.now(),
                          description='find a root'))
        schedule.process(clock.now())
        transaction.commit()
        return id

    return park


@pytest.fixture
def contributed(portal):
    """A task that an add-on contributes."""
    contribute('shop.expire', expire, cron='0 3 * * *', title='Expire offers')
    synchronize(portal)
    transaction.commit()
    yield schedule_of(portal).contributed_tasks['shop.expire']
    getGlobalSiteManager().unregisterUtility(
        provided=IContribution, name='shop.expire')


def expire(site):
    """What it calls."""


def ids(answer):
    return [each['id'] for each in answer.json['items']]


def let_editors_schedule(portal):
    portal.manage_permission(
        'zodbschedule: Schedule tasks', ['Editor'], acquire=1)
    transaction.commit()


def components(client):
    return client.get('/doc?expand=scheduled').json[
        '@components']['scheduled']


def error(answer):
    return answer.status_int, answer.json['error']['type']


def test_an_example_is_renewed_or_has_to_be_true(tmp_path, monkeypatch):
    path = tmp_path / 'examples' / 'one.req'
    monkeypatch.setenv(WRITE, '1')
    agree(path, 'new')
    monkeypatch.delenv(WRITE)
    agree(path, 'new')
    with pytest.raises(AssertionError):
        agree(path, 'other')


class TestWhoMay:

    @pytest.mark.parametrize('user, refused', [
        ('', 401), ('member', 403), ('editor', 403), ('site-admin', None),
        ('manager', None)])
    def test_do_what(self, clients, add, user, refused):
        id = add()
        for path, methods in ROUTES.items():
            for method in methods:
                answer = clients[user].send(
                    method, f'/@schedule/{path}'.replace('{}', id).rstrip('/'))
                where = f'{method} {path}'
                if refused:
                    assert answer.status_int == refused, where
                    assert error(answer) == (refused, 'Unauthorized'), where
                else:
                    assert answer.status_int in (200, 400, 404), where

    def test_take_what_method(self, admin):
        for method in 'POST', 'DELETE':
            answer = admin.send(method, '/@schedule')
            assert error(answer) == (405, 'MethodNotAllowed')
            assert answer.headers['Allow'] == 'GET, PATCH'

    def test_only_managers_change_the_user(self, clients, add, schedule):
        id = add()
        path = f'/@schedule/tasks/{id}'
        change = {'principalId': 'acl_users:member'}
        assert clients['site-admin'].send(
            'PATCH', path, **change).status_int == 403
        assert schedule.get(id).principalId is None
        assert clients['manager'].send(
            'PATCH', path, **change).status_int == 200
        assert schedule.get(id).principalId == 'acl_users:member'

    def test_whoever_may_schedule_cancels_their_own_only(
            self, portal, clients, add, schedule, clock):
        let_editors_schedule(portal)
        own, other = (add(ContextTask(
            portal.doc, verbs.transition, ['retract'], time=clock.now() + HOUR,
            principalId=f'acl_users:{name}')) for name in (
                'editor', 'manager'))
        editor = clients['editor']
        assert editor.send(
            'DELETE', f'/@schedule/tasks/{other}').status_int == 403
        assert editor.send(
            'DELETE', f'/@schedule/tasks/{own}').status_int == 200
        assert [task_id(each) for each in schedule] == [other]

    def test_a_site_without_a_schedule_does_not_show_that_of_the_root(
            self, functional, portal, clients):
        uninstall(portal)
        install(functional['app'])
        transaction.commit()
        admin = clients['manager']
        assert error(admin.get('/@schedule')) == (404, 'NotFound')
        assert error(admin.get('/doc/@scheduled')) == (404, 'NotFound')
        assert components(admin) == {
            '@id': 'http://localhost/plone/doc/@scheduled'}

    def test_without_the_profile_there_are_no_services(self, portal, admin):
        applyProfile(portal, 'zodbschedule.zope:uninstall')
        transaction.commit()
        assert admin.get('/@schedule').status_int == 404


class TestReading:

    def test_how_it_is(self, admin, park):
        park()
        found = admin.get('/@schedule', 'schedule_get').json
        assert found['parked'] == 1
        assert found['links']['tasks'].endswith('/@schedule/tasks')
        assert admin.get(found['links']['workers']).json['items'] == []

    def test_what_is_overdue_is_told_by_its_address(
            self, admin, add, clock):
        id = add()
        clock.set(clock.now() + 2 * HOUR)
        found = admin.get('/@schedule').json
        assert found['overdue'] == 3600
        assert found['task']['@id'].endswith(f'/@schedule/tasks/{id}')
        assert 'description' not in found['task']

    def test_tasks_page_by_page(self, admin, add):
        first, second = add(), add(name='2e0bb')
        page = admin.get('/@schedule/tasks?b_size=1', 'tasks_get')
        assert ids(page) == [first]
        assert page.json['items'][0]['can'] == [
            'cancel', 'change', 'pause', 'run']
        rest = admin.get(page.json['links']['next'])
        assert ids(rest) == [second]
        assert rest.json['links'] == {}

    def test_tasks_from_an_instant_and_in_a_state(self, admin, add, schedule):
        id = add()
        schedule.pause(schedule.get(id))
        transaction.commit()
        tasks = '/@schedule/tasks'
        assert ids(admin.get(f'{tasks}?from=2003-04-01T01:00:00Z')) == [id]
        assert ids(admin.get(f'{tasks}?from=2003-04-01T01:00:01Z')) == []
        assert ids(admin.get(f'{tasks}?state=paused')) == [id]
        assert ids(admin.get(f'{tasks}?state=waiting')) == []
        assert ids(admin.get(f'{tasks}?state=running')) == []

    def test_one_task(self, admin, add):
        id = add()
        found = admin.get(f'/@schedule/tasks/{id}', 'task_get').json
        assert (found['id'], found['state']) == (id, 'waiting')

    def test_whom_it_runs_as(self, admin, add, clock):
        for principal, address, label in (
                ('acl_users:editor', '/@users/editor', 'editor'),
                ('/acl_users:admin', None, '/acl_users:admin'),
                (':system', None, 'System')):
            id = add(CallTask('os.getcwd', time=clock.now() + HOUR,
                              principalId=principal))
            found = admin.get(f'/@schedule/tasks/{id}').json['principal']
            assert (found['id'], found['label']) == (principal, label)
            assert found['@id'] == (
                address and f'http://localhost/plone{address}')

    def test_the_object_is_told_to_who_may_view_it(
            self, portal, admin, add, clock):
        id = add(ContextTask(
            portal.doc, verbs.transition, ['retract'], time=clock.now() + HOUR,
            description='retract: A page'))
        path = f'/@schedule/tasks/{id}'
        found = admin.get(path).json
        assert found['context']['title'] == 'A page'
        assert found['context']['@id'] == 'http://localhost/plone/doc'
        portal.doc.manage_permission('View', ['Manager'])
        transaction.commit()
        found = admin.get(path)
        assert found.json['context'] is None
        assert 'A page' not in found.text
        assert 'A page' not in admin.get('/@schedule/tasks').text
        portal.manage_delObjects(['doc'])
        transaction.commit()
        found = admin.get(path).json
        assert (found['context'], found['description']) == (
            None, 'retract: A page')

    def test_parked(self, admin, park):
        id = park()
        page = admin.get('/@schedule/parked', 'parked_get')
        assert ids(page) == [id]
        assert 'traceback' not in page.json['items'][0]
        found = admin.get(page.json['items'][0]['@id']).json
        assert 'math domain error' in found['traceback']

    def test_recurring(self, admin, contributed):
        admin.names[task_id(contributed)] = '2e0ba'
        found = admin.get('/@schedule/recurring', 'recurring_get').json
        assert [each['name'] for each in found['items']] == ['shop.expire']

    def test_history(self, admin, park):
        id = park()
        found = admin.get('/@schedule/history?outcome=failed', 'history_get')
        assert ids(found) == [id]
        for query in ('outcome=succeeded', 'task=1', 'text=nothing',
                      'since=2003-04-01T01:00:00Z'):
            assert ids(admin.get(f'/@schedule/history?{query}')) == [], query

    def test_timeline(self, admin, add, clock):
        id = add(CallTask('os.getcwd', time=clock.now() + HOUR,
                          recurrence=Cron('0 3 * * *', 'UTC'),
                          description='send letters'))
        found = admin.get('/@schedule/timeline?until=2003-04-03T00:00:00Z',
                          'timeline_get')
        assert ids(found) == [id]
        assert [run['time'] for run in found.json['items'][0]['runs']] == [
            '2003-04-01T01:00:00Z', '2003-04-01T03:00:00Z',
            '2003-04-02T03:00:00Z']
        assert len(admin.get('/@schedule/timeline').json[
            'items'][0]['runs']) == 8

    def test_reading_changes_nothing_and_a_second_time_says_the_same(
            self, admin, park, add, contributed):
        parked, id = park(), add()
        with looked_at() as seen:
            for path, methods in ROUTES.items():
                path = f'/@schedule/{path}'.replace(
                    '{}', parked if 'parked' in path else id).rstrip('/')
                if 'GET' in methods:
                    assert admin.get(path).status_int == 200, path
                    assert admin.get(path).json == admin.get(path).json
            for path in '/@scheduled', '?expand=scheduled':
                assert admin.get(f'/doc{path}').status_int == 200
        assert len(seen) == 3 * 9 + 2
        assert not any(changed for changed, _ in seen)

    def test_a_page_of_many_at_one_instant_loads_little(
            self, portal, admin, schedule, clock):
        at = clock.now() + HOUR
        docs = [createContentInContainer(portal, 'Document')
                for _ in range(50)]
        for number in range(500):
            schedule.schedule(CallTask('os.getcwd', time=at))
        transaction.commit()
        for doc in docs:
            schedule.schedule(ContextTask(
                doc, verbs.transition, ['publish'], time=at - HOUR / 2))
        transaction.commit()
        with looked_at() as seen:
            page = admin.get('/@schedule/tasks?b_size=50')
            admin.get(page.json['links']['next'])
            admin.get('/@schedule')
        assert all(each['context'] for each in page.json['items'])
        assert max(loaded for _, loaded in seen) < 200

    @pytest.mark.parametrize('path', [
        'tasks?cursor=x', 'tasks?b_size=0', 'tasks?b_size=51',
        'tasks?b_size=x', 'tasks?from=tomorrow', 'tasks?from=2003-04-01',
        'tasks?state=odd', 'tasks?sort=id', 'tasks?from=1&from=2',
        'parked?page=2', 'timeline?until=0001-01-01T00:00:00%2B12:00'])
    def test_what_cannot_be_understood(self, admin, path):
        assert error(admin.get(f'/@schedule/{path}'))[0] == 400

    def test_what_is_not_there(self, admin, park):
        id = park()
        for path in f'tasks/{id}', 'tasks/zz', 'parked/ff', 'odd', 'tasks/1/x':
            found = admin.get(f'/@schedule/{path}')
            assert error(found) == (404, 'NotFound'), path
        admin.get('/@schedule/tasks/ffff', 'not_found')


class TestSteering:

    def test_the_schedule_is_paused_and_resumed(self, admin, schedule):
        found = admin.send('PATCH', '/@schedule', 'schedule_pause',
                           paused=True, reason='maintenance')
        assert found.json['done']
        assert schedule.paused().by == 'acl_users:site-admin'
        again = admin.send('PATCH', '/@schedule', paused=True)
        assert (again.status_int, again.json['problem']) == (200, 'unchanged')
        assert admin.send('PATCH', '/@schedule', paused=False).json['done']
        assert schedule.paused() is None
        assert error(admin.send('PATCH', '/@schedule'))[0] == 400
        assert error(admin.send('PATCH', '/@schedule', paused=1))[0] == 400

    def test_a_task_runs_now(self, admin, add, schedule, clock):
        id = add()
        seen = '2003-04-01T01:00:00Z'
        path = f'/@schedule/tasks/{id}/run'
        found = admin.send('POST', path, 'task_run', seen=seen)
        assert found.json['message'] == f'Task {id} is due now.'
        assert schedule.waits(schedule.get(id)) == clock.now()
        # It is not done twice.
        assert error(admin.send('POST', path, 'task_moved', seen=seen)) == (
            409, 'moved')

    def test_a_task_is_paused_and_resumed(self, admin, add, schedule):
        id = add()
        path = f'/@schedule/tasks/{id}'
        admin.send('POST', f'{path}/pause', 'task_pause', reason='not today')
        assert schedule.paused(schedule.get(id)).reason == 'not today'
        assert error(admin.send('POST', f'{path}/run')) == (409, 'paused')
        admin.send('POST', f'{path}/resume')
        assert schedule.paused(schedule.get(id)) is None

    def test_a_task_is_changed(self, admin, add, schedule):
        id = add()
        found = admin.send(
            'PATCH', f'/@schedule/tasks/{id}', 'task_change',
            time='2003-04-02T12:00:00+02:00', recurrence='0 3 * * *',
            timezone='Europe/Berlin', expires=3600,
            retry={'attempts': 3, 'delay': 60})
        assert found.json['time'] == '2003-04-02T10:00:00Z'
        task = schedule.get(id)
        assert task.recurrence == Cron('0 3 * * *', 'Europe/Berlin')
        assert (task.expires, task.retry.attempts) == (HOUR, 3)
        admin.send('PATCH', f'/@schedule/tasks/{id}',
                   recurrence=None, expires=None, retry=None)
        assert (task.recurrence, task.expires, task.retry) == (None,) * 3

    @pytest.mark.parametrize('change', [
        {'func': 'os.abort'}, {'args': []}, {'time': '2003-04-02T12:00:00'},
        {'recurrence': 'now and then'}, {'timezone': 'Europe/Berlin'},
        {'expires': 'x'}, {'expires': 1e99}, {'retry': 3}, {'retry': {}},
        {'retry': {'attempts': 0}}, {'missed': 'maybe'}, {'key': 3}])
    def test_what_a_task_cannot_be_changed_to(
            self, admin, add, schedule, change):
        id = add()
        answer = admin.send('PATCH', f'/@schedule/tasks/{id}', **change)
        assert error(answer)[0] == 400
        assert task_id(next(iter(schedule))) == id

    def test_a_task_is_cancelled(self, admin, add, schedule):
        id = add()
        path = f'/@schedule/tasks/{id}'
        assert error(admin.send(
            'DELETE', f'{path}?seen=2003-04-01T02:00:00Z')) == (409, 'moved')
        assert len(list(schedule)) == 1
        admin.send('DELETE', f'{path}?reason=wrong', 'task_cancel')
        assert list(schedule) == []
        assert error(admin.send('DELETE', path)) == (404, 'gone')
        entry = next(iter(schedule.history))
        assert (entry.principalId, entry.error) == (
            'acl_users:site-admin', 'wrong')

    def test_only_a_write_that_is_permitted_passes_plone_protect(
            self, admin, clients, add):
        """Nobody else is let through by it, with the cookies of a browser."""
        path = f'/@schedule/tasks/{add()}'
        with let_through() as seen:
            admin.get(path)
            for name in '', 'member':
                clients[name].send('DELETE', path)
                clients[name].send('POST', f'{path}/run')
            admin.send('POST', f'{path}/pause')
            admin.send('DELETE', path)
        assert seen == 5 * [False] + 2 * [True]

    def test_what_is_parked_is_scheduled_again(
            self, admin, park, schedule, clock):
        path = f'/@schedule/parked/{park()}'
        found = admin.send(
            'POST', f'{path}/retry', 'parked_retry',
            time='2003-04-02T10:00:00Z')
        assert found.json['time'] == '2003-04-02T10:00:00Z'
        assert not list(schedule.parked)
        assert error(admin.send('POST', f'{path}/retry')) == (
            404, 'not-parked')

    def test_what_is_parked_is_discarded(self, admin, park, schedule):
        path = f'/@schedule/parked/{park()}'
        assert error(admin.send('DELETE', f'{path}?seen=x'))[0] == 400
        admin.send('DELETE', path, 'parked_discard')
        assert not list(schedule.parked)

    def test_a_contributed_task_is_changed_and_reset(
            self, admin, contributed, schedule):
        admin.names[task_id(contributed)] = '2e0ba'
        path = '/@schedule/recurring/shop.expire'
        admin.send('PATCH', path, 'recurring_change',
                   recurrence='every 15m', enabled=False, reason='too often')
        assert contributed.recurrence.period == HOUR / 4
        assert schedule.paused(contributed).reason == 'too often'
        admin.send('PATCH', path, enabled=True)
        assert schedule.paused(contributed) is None
        admin.send('POST', f'{path}/reset', 'recurring_reset')
        assert contributed.recurrence == Cron('0 3 * * *', 'UTC')
        assert error(admin.send('PATCH', path))[0] == 400
        assert error(admin.send(
            'POST', '/@schedule/recurring/odd/reset')) == (404, 'gone')

    def test_what_is_refused_changes_nothing(
            self, admin, contributed, monkeypatch):
        # The rule is changed first, and then it cannot be paused.
        monkeypatch.setattr(Schedule, 'pause', refuse)
        answer = admin.send('PATCH', '/@schedule/recurring/shop.expire',
                            recurrence='every 15m', enabled=False)
        assert error(answer)[0] == 400
        assert contributed.recurrence == Cron('0 3 * * *', 'UTC')

    def test_another_task_has_the_key(self, admin, park, add, schedule):
        id = park()
        schedule.parked.get(id).task.key = 'one'
        other = add(CallTask('os.getcwd', key='one'), '2e0bb')
        answer = admin.send('POST', f'/@schedule/parked/{id}/retry')
        assert error(answer) == (409, 'key-taken')
        assert answer.json['error']['other'] == other

    def test_a_body_that_is_no_json(self, admin, add):
        path = f'/@schedule/tasks/{add()}/run'
        assert error(admin.send('POST', path, raw=b'{')) == (
            400, 'BadRequest')


def refuse(*args, **options):
    raise ValueError('not now')


class TestOnContent:

    @pytest.fixture
    def editor(self, portal, clients):
        """A member who edits the document."""
        let_editors_schedule(portal)
        portal.doc.manage_setLocalRoles('member', ['Editor', 'Reviewer'])
        transaction.commit()
        return clients['member']

    def named(self, client, portal, schedule):
        client.names = {portal.doc.UID(): 'c0ffee'}
        for task in schedule:
            client.names[task_id(task)] = '2e0ba'

    def test_who_edits_a_page_schedules_a_transition(
            self, portal, editor, schedule, clock):
        post = {'transition': 'retract', 'time': '2003-04-01T01:00:00Z'}
        found = editor.send('POST', '/doc/@scheduled', **post)
        assert found.status_int == 201
        assert found.json['principal']['id'] == 'acl_users:member'
        # The same once more is refused.
        assert error(editor.send('POST', '/doc/@scheduled', **post)) == (
            409, 'AlreadyScheduled')
        assert ids(editor.get('/doc/@scheduled')) == [found.json['id']]
        run_until(schedule, clock.now() + HOUR)
        portal._p_jar.sync()
        assert api.content.get_state(portal.doc) == 'private'

    def test_it_says_what_will_be_done(self, portal, editor, schedule):
        editor.send('POST', '/doc/@scheduled', transition='retract',
                    time='2003-04-01T01:00:00Z')
        self.named(editor, portal, schedule)
        page = editor.get('/doc/@scheduled', 'scheduled_get')
        item, = page.json['items']
        assert item['description'] == 'retract: A page'
        assert editor.send('DELETE', item['@id']).json['done']

    def test_page_by_page(self, portal, editor):
        for name in 'retract', 'reject':
            editor.send('POST', '/doc/@scheduled', transition=name)
        page = editor.get('/doc/@scheduled?b_size=1')
        rest = editor.get(page.json['links']['next'])
        assert len({*ids(page), *ids(rest)}) == 2

    def test_it_is_among_the_components(self, editor, clients):
        link = {'@id': 'http://localhost/plone/doc/@scheduled'}
        editor.send('POST', '/doc/@scheduled', transition='retract')
        assert editor.get('/doc').json['@components']['scheduled'] == link
        assert len(components(editor)['items']) == 1
        assert components(clients['']) == link

    def test_a_page_is_moved(self, portal, editor, schedule, clock):
        folder = createContentInContainer(portal, 'Folder', id='attic')
        folder.manage_setLocalRoles('member', ['Editor', 'Contributor'])
        portal.manage_setLocalRoles('member', ['Editor'])
        transaction.commit()
        found = editor.send('POST', '/doc/@scheduled', move=folder.UID())
        assert found.status_int == 201
        run_until(schedule, clock.now())
        portal._p_jar.sync()
        assert 'doc' in folder and 'doc' not in portal

    def test_a_folder_that_one_may_not_view_is_not_told(
            self, portal, editor, schedule):
        folder = createContentInContainer(portal, 'Folder', id='secret')
        folder.manage_permission('View', ['Manager'])
        transaction.commit()
        hidden = editor.send('POST', '/doc/@scheduled', move=folder.UID())
        assert error(hidden)[0] == 400
        assert hidden.json['error']['message'] == (
            f'The site has no folder with the UUID {folder.UID()}.')
        assert list(schedule) == []

    def test_a_scheduled_verb_passes_plone_protect(self, editor):
        with let_through() as seen:
            editor.get('/doc/@scheduled')
            editor.send('POST', '/doc/@scheduled', transition='retract')
        assert seen == [False, True]

    def test_a_folder_that_is_gone_parks_the_move(
            self, portal, editor, schedule, clock):
        folder = createContentInContainer(portal, 'Folder', id='attic')
        folder.manage_permission('View', ['Anonymous'])
        transaction.commit()
        editor.send('POST', '/doc/@scheduled', move=folder.UID())
        portal.manage_delObjects(['attic'])
        transaction.commit()
        run_until(schedule, clock.now())
        assert [entry.reason for entry in schedule.parked] == [
            f'the folder {folder.UID()} is gone: it is not in the site']

    @pytest.mark.parametrize('body', [
        {}, {'transition': 'explode'}, {'transition': 'retract', 'move': '1'},
        {'move': '1'}, {'func': 'os.abort'}, {'transition': 3},
        {'transition': 'retract', 'time': 'soon'},
        {'transition': 'retract', 'principalId': ':system'}])
    def test_what_cannot_be_scheduled(self, editor, schedule, body):
        assert error(editor.send(
            'POST', '/doc/@scheduled', **body))[0] == 400
        assert list(schedule) == []

    def test_who_does_not_edit_it_sees_and_schedules_nothing(
            self, portal, clients, editor):
        createContentInContainer(portal, 'Document', id='other')
        api.content.transition(portal.other, 'publish')
        transaction.commit()
        for client, status in (editor, 403), (clients[''], 401):
            for method in 'GET', 'POST':
                assert client.send(
                    method, '/other/@scheduled').status_int == status


class TestMonitor:

    def ask(self, clients, query=''):
        answer = clients[''].get(f'/@@schedule-ok{query}')
        return answer.status_int, answer.text

    def test_anybody_may_ask_whether_it_works(self, clients, add, clock):
        assert self.ask(clients) == (200, 'OK\n')
        add()
        clock.set(clock.now() + 2 * HOUR)
        assert self.ask(clients) == (503, 'OVERDUE\n')
        assert self.ask(clients, '?max_overdue=4000') == (200, 'OK\n')

    def test_more_may_be_asked_for(self, clients, park):
        park()
        assert self.ask(clients) == (200, 'OK\n')
        assert self.ask(clients, '?max_parked=0&min_workers=1') == (
            503, 'TOO MANY PARKED, TOO FEW WORKERS\n')

    def test_what_cannot_be_understood(self, clients):
        for query in 'max_parked=x', 'max_overdue=x', 'max_overdue=1e99':
            assert self.ask(clients, f'?{query}')[0] == 400

    def test_a_site_without_a_schedule(self, portal, clients):
        uninstall(portal)
        transaction.commit()
        assert self.ask(clients) == (503, 'NO SCHEDULE\n')
