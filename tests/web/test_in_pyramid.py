"""The pages under a prefix, in an application that knows who asks."""

import re

import pytest
import ZODB
from pyramid.config import Configurator
from pyramid.wsgi import wsgiapp2
from webob import Request

from zodbschedule import Schedule
from zodbschedule.store.inspection import task_id
from zodbschedule.web import application
from zodbschedule.web.one import MENU


class Policy:
    """Who may see the pages: see `pyramid.interfaces.ISecurityPolicy`."""

    def authenticated_userid(self, request):
        return request.environ['REMOTE_USER']

    def permits(self, request, context, permission):
        return permission == 'manage' and (
            self.authenticated_userid(request) == 'zoe')


@pytest.fixture
def db():
    db = ZODB.DB(None)
    with db.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        connection.add(schedule)
        connection.add(schedule.call(print, description='greet'))
    yield db
    db.close()


@pytest.fixture
def pyramid(db):
    pages = wsgiapp2(application(db, allow_changes=True))

    def tasks(context, request):
        request.environ['REMOTE_USER'] = request.authenticated_userid or ''
        return pages(context, request)

    config = Configurator()
    config.set_security_policy(Policy())
    config.add_route('tasks', '/in here/tasks/*subpath')
    config.add_view(tasks, route_name='tasks', permission='manage')
    return config.make_wsgi_app()


def get(pyramid, address, user='zoe', **options):
    return Request.blank(address, {'REMOTE_USER': user}, **options
                         ).get_response(pyramid)


@pytest.mark.parametrize('name', [name for name, _ in MENU])
def test_each_address_of_a_page_has_the_prefix(pyramid, name):
    answer = get(pyramid, f'/in%20here/tasks/{name}')
    assert answer.status_code == 200
    found = re.findall(r'\b(?:href|src|action|hx-get)="([^"]*)"', answer.text)
    assert len(found) > 5
    assert all(each.startswith(('/in%20here/tasks/', '#')) for each in found)


def test_each_of_these_addresses_is_a_page(pyramid):
    answer = get(pyramid, '/in%20here/tasks/')
    for address in set(re.findall(r'\b(?:href|src)="(/[^"]*)"', answer.text)):
        assert get(pyramid, address.replace('&amp;', '&')).status_code == 200


def test_the_application_around_says_who_may_look(pyramid):
    assert get(pyramid, '/in%20here/tasks/', user='yan').status_code == 403


def test_a_button_works_and_is_on_record(db, pyramid):
    page = get(pyramid, '/in%20here/tasks/upcoming')
    cookie = page.headers['Set-Cookie']
    assert 'Path=/in%20here/tasks;' in cookie
    with db.transaction() as connection:
        [task] = connection.root()['schedule']
        id = task_id(task)
    token = re.search('name="token" value="([^"]+)"', page.text)[1]
    answer = get(pyramid, '/in%20here/tasks/cancel', POST={
        'token': token, 'id': id}, headers={'Cookie': cookie.split(';')[0]})
    assert answer.status_code == 303
    assert answer.location.startswith('http://localhost/in%20here/tasks/')
    with db.transaction() as connection:
        schedule = connection.root()['schedule']
        assert list(schedule) == []
        [entry] = schedule.history
        assert entry.principalId == 'zoe'
