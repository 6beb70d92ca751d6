"""Several schedules: one page leads to all, and each has its own address."""

import pytest
import ZODB
from persistent.mapping import PersistentMapping
from webob import Request

from zodbschedule import Schedule
from zodbschedule import steering
from zodbschedule.web import acting
from zodbschedule.web import application
from zodbschedule.web import several


PLACES = {'shop': 'shop/schedule', 'shop/<orders>': 'shop/orders',
          '/lost/': 'lost'}


@pytest.fixture
def db():
    db = ZODB.DB(None)
    with db.transaction() as connection:
        shop = connection.root()['shop'] = PersistentMapping()
        shop['schedule'], shop['orders'] = Schedule(), Schedule()
        shop['schedule'].call(print, description='open the shop')
        steering.pause(shop['orders'], by='zoe')
    yield db
    db.close()


@pytest.fixture
def app(db):
    return application(db, places=lambda connection: PLACES,
                       allow_changes=True)


def get(app, address, **options):
    return Request.blank(
        address, {'REMOTE_USER': 'zoe'}, **options).get_response(app)


def test_the_first_page_has_the_health_of_each(app):
    answer = get(app, '/')
    assert answer.status_code == 200
    assert 'href="/at/shop/"' in answer.text
    assert 'href="/at/shop/%3Corders%3E/"' in answer.text
    assert 'paused' in answer.text
    # Nobody works there: no worker is alive.
    assert 'working' not in answer.text
    assert 'There is no schedule at lost.' in answer.text


def test_each_has_its_own_address(app):
    answer = get(app, '/at/shop/upcoming')
    assert 'open the shop' in answer.text
    assert 'href="/at/shop/upcoming"' in answer.text
    assert 'href="/at/shop/static/zodbschedule.css"' in answer.text
    assert 'href="/">all schedules' in answer.text


@pytest.mark.parametrize('address', ['/at/shop', '/at/shop/'])
def test_its_first_page_is_the_overview(app, address):
    assert 'open the shop' in get(app, address).text


def test_one_may_be_inside_another(app):
    answer = get(app, '/at/shop/<orders>/upcoming')
    assert answer.status_code == 200
    assert 'open the shop' not in answer.text


def test_under_a_prefix_all_addresses_have_it(app):
    request = Request.blank('/at/shop/upcoming')
    request.script_name = '/in here'
    answer = request.get_response(app)
    assert 'href="/in%20here/at/shop/upcoming"' in answer.text
    assert 'href="/in%20here/">all schedules' in answer.text


@pytest.mark.parametrize('address', [
    '/shop', '/at', '/at/sho', '/at/lost/upcoming', '/static/x', '/upcoming',
    '/at/shop/static/x'])
def test_what_is_not_there_is_not_found(app, address):
    assert get(app, address).status_code == 404


@pytest.mark.parametrize('address', [
    '/static/zodbschedule.css', '/at/shop/static/zodbschedule.css'])
def test_each_page_finds_its_files(app, address):
    assert get(app, address).content_type == 'text/css'


def test_the_first_page_can_only_be_read(app):
    assert get(app, '/', method='POST').status_code == 405


def test_a_cookie_is_of_one_schedule(app, monkeypatch):
    monkeypatch.setitem(
        acting.ACTS, 'rename', lambda visit: visit.redirect('upcoming'))
    kept = get(app, '/at/shop/upcoming').headers['Set-Cookie']
    assert 'Path=/at/shop;' in kept


def test_where_they_are_may_change(app, monkeypatch):
    monkeypatch.delitem(PLACES, 'shop')
    assert get(app, '/at/shop/upcoming').status_code == 404


def test_without_a_schedule_the_page_says_so(db):
    app = application(db, places=lambda connection: {})
    assert 'There is no schedule yet.' in get(app, '/').text


def test_the_page_shows_a_bounded_number(app, monkeypatch):
    monkeypatch.setattr(several, 'MOST', 1)
    answer = get(app, '/')
    assert 'There are more than 1' in answer.text
    assert 'lost' not in answer.text


def test_one_that_cannot_be_read_does_not_hide_the_others(app, monkeypatch):
    def fail(schedule, now):
        raise RuntimeError('hunter2')

    monkeypatch.setattr(several, 'health', fail)
    answer = get(app, '/')
    assert answer.status_code == 200
    assert 'hunter2' not in answer.text
    assert 'The log says why' in answer.text
