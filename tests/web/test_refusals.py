"""Whatever fails, the answer is a page of ours, and never a traceback."""

import re

import pytest
import ZODB
from webob import Request
from webob.exc import HTTPSeeOther
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadOnlyError

from zodbschedule import Schedule
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidTime
from zodbschedule.web import application
from zodbschedule.web.headers import HEADERS
from zodbschedule.web.pages import PAGES
from zodbschedule.web.pages.page import Page
from zodbschedule.web.site import DatabaseAway


@pytest.fixture
def db():
    db = ZODB.DB(None)
    with db.transaction() as connection:
        connection.root()['schedule'] = Schedule()
    yield db
    db.close()


@pytest.fixture
def answer_after(db, monkeypatch):
    """What is answered after an error in a page."""
    def answer_after(error, **options):
        def fail(visit):
            raise error

        monkeypatch.setitem(PAGES, 'failing', Page('Failing', fail))
        return Request.blank('/failing', **options).get_response(
            application(db))

    return answer_after


@pytest.mark.parametrize('error, status, said', [
    (InvalidTime('<now>'), 400, '&lt;now&gt;'),
    (CodeMissing('gone'), 409, 'gone'),
    (ReadOnlyError(), 409, 'can only be read'),
    (ConflictError(), 409, 'Others have changed'),
    (DatabaseAway('db.example.com'), 503, 'does not answer'),
    (RuntimeError('hunter2'), 500, 'under the number'),
    (POSKeyError(b'\0' * 8), 500, 'under the number'),
    (UnicodeDecodeError('utf-8', b'', 0, 1, 'hunter2'), 500, 'number')])
def test_an_error_is_a_page(answer_after, error, status, said):
    answer = answer_after(error)
    assert answer.status_code == status
    assert said in answer.text
    assert '<nav' in answer.text
    assert 'hunter2' not in answer.text
    assert 'Traceback' not in answer.text
    assert HEADERS.items() <= dict(answer.headers).items()


def test_what_nobody_has_foreseen_is_in_the_log_under_its_number(
        answer_after, caplog):
    answer = answer_after(RuntimeError('broken'))
    [record] = caplog.records
    number = re.search('number ([0-9a-f]{8})', answer.text)[1]
    assert record.getMessage() == (
        f'A page could not be made, error {number}.')
    assert record.exc_info[1].args == ('broken',)


def test_the_log_has_nothing_of_the_request(answer_after, caplog):
    answer_after(RuntimeError(), headers={
        'Cookie': 'hunter2', 'Authorization': 'hunter2'})
    assert 'hunter2' not in caplog.text


def test_a_page_may_lead_elsewhere(answer_after):
    answer = answer_after(HTTPSeeOther(location='/upcoming'))
    assert answer.status_code == 303


def test_a_database_that_is_away_may_be_asked_again(answer_after):
    assert 'Retry-After' in answer_after(DatabaseAway()).headers


def test_a_storage_that_fails_is_a_database_that_is_away(db):
    app = application(db)
    db.storage.loadBefore = db.storage.load = fail
    db.cacheMinimize()
    assert Request.blank('/').get_response(app).status_code == 503


def fail(*args, **options):
    raise OSError('the disk is gone')


@pytest.mark.parametrize('method, address, allowed', [
    ('POST', '/upcoming', 'GET, HEAD'), ('OPTIONS', '/', 'GET, HEAD'),
    ('TRACE', '/', 'GET, HEAD'), ('FOO', '/', 'GET, HEAD'),
    ('GET', '/cancel', 'POST'), ('PUT', '/cancel', 'POST')])
def test_another_method_is_told_which_one_to_use(db, method, address, allowed):
    answer = Request.blank(address, method=method).get_response(
        application(db))
    assert answer.status_code == 405
    assert answer.headers['Allow'] == allowed


@pytest.mark.parametrize('address', [
    '/', '/upcoming', '/nothing', '/healthz', '/readyz', '/metrics',
    '/static/zodbschedule.css'])
def test_head_is_get_without_its_body(db, address):
    app = application(db)
    head = Request.blank(address, method='HEAD').get_response(app)
    assert head.body == b''
    assert head.status == Request.blank(address).get_response(app).status


@pytest.mark.parametrize('address', [
    '/', '/upcoming', '/nothing', '/healthz', '/readyz', '/metrics',
    '/static/zodbschedule.css', '/cancel'])
def test_each_answer_has_the_headers_that_protect(db, address):
    answer = Request.blank(address).get_response(application(db))
    assert HEADERS.items() <= dict(answer.headers).items()
    assert 'Cache-Control' in answer.headers


@pytest.mark.parametrize('address', ['/%ff', '/upcoming?cursor=%ff'])
def test_an_address_that_is_no_text_is_refused(db, address):
    answer = Request.blank(address).get_response(application(db))
    assert answer.status_code == 400
    assert 'not in UTF-8' in answer.text


def test_a_cursor_that_is_none_is_refused(db):
    answer = Request.blank('/upcoming?cursor=nothing').get_response(
        application(db))
    assert answer.status_code == 400
