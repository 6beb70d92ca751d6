"""The application: which page is where, and what each answer tells."""

import sys

import pytest
import ZODB
from webob import Request

from zodbschedule import Schedule
from zodbschedule.web import application


@pytest.fixture
def db():
    db = ZODB.DB(None)
    with db.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        schedule.call(print, 'Hello!', description='greet <script>')
    yield db
    db.close()


def get(db, address, **options):
    """What a GET there answers."""
    return Request.blank(address, **options).get_response(application(db))


@pytest.mark.parametrize('address', ['/', '/upcoming'])
def test_a_page_shows_tasks_and_escapes_them(db, address):
    answer = get(db, address)
    assert answer.status_code == 200
    assert 'greet &lt;script&gt;' in answer.text


def test_a_page_runs_nothing_but_what_we_ship(db):
    policy = get(db, '/').headers['Content-Security-Policy']
    assert "default-src 'none'" in policy
    assert 'unsafe' not in policy


@pytest.mark.parametrize('address', [
    '/nothing', '/upcoming/x', '/static/nothing', '/static/../site.py'])
def test_what_is_not_there_is_not_found(db, address):
    assert get(db, address).status_code == 404


def test_without_a_schedule_there_is_no_page():
    db = ZODB.DB(None)
    answer = get(db, '/')
    assert answer.status_code == 404
    assert 'There is no schedule at schedule.' in answer.text
    db.close()


def test_a_page_cannot_be_posted_to(db):
    assert get(db, '/upcoming', method='POST').status_code == 405


def test_an_act_takes_post_only(db):
    assert get(db, '/cancel').status_code == 405


def test_a_file_is_kept_by_the_browser(db):
    answer = get(db, '/static/htmx.min.js')
    assert answer.content_type == 'text/javascript'
    assert 'max-age' in answer.headers['Cache-Control']


# -- wrong from the beginning


@pytest.mark.parametrize('options, said', [
    ({'path': 3}, 'path is 3; it has to be a str'),
    ({'zone': 'UTC'}, "zone is 'UTC'; it has to be a tzinfo"),
    ({'mask': 'password'}, "mask is 'password'; it has to be a function"),
    ({'who': 'zoe'}, "who is 'zoe'; it has to be a function"),
    ({'places': {'shop': 'shop'}}, 'places is {'),
])
def test_an_option_of_a_wrong_type_is_refused_at_once(db, options, said):
    with pytest.raises(TypeError) as raised:
        application(db, **options)
    assert said in str(raised.value)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'webob', None)
    for name in list(sys.modules):
        if name.startswith('zodbschedule.web'):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError) as raised:
        __import__('zodbschedule.web')
    assert str(raised.value) == (
        "the pages need WebOb, Chameleon and waitress; install them with: pip "
        "install 'zodbschedule[web]'")
