"""Only a form of ours changes something, and the next page says what came."""

import re

import pytest
import ZODB
from webob import Request

from zodbschedule import Schedule
from zodbschedule import reading
from zodbschedule.web import acting
from zodbschedule.web import application
from zodbschedule.web.pages import PAGES
from zodbschedule.web.pages.page import Page
from zodbschedule.web.visit import Body


def rename(visit):
    """An act: as many as called it are on record."""
    visit.schedule.history.keep += 1
    return visit.redirect(
        'upcoming', message=visit.text('say') or 'renamed', cursor=None)


def form(visit):
    """A page that shows its token, as a title."""
    return Body('running', f'token={visit.token}', {
        'page': reading.Page(()), 'since': {}})


@pytest.fixture
def db(monkeypatch):
    monkeypatch.setitem(acting.ACTS, 'rename', rename)
    monkeypatch.setitem(PAGES, 'form', Page('Form', form))
    db = ZODB.DB(None)
    with db.transaction() as connection:
        connection.root()['schedule'] = Schedule()
    yield db
    db.close()


def changes(db):
    """How often something was changed."""
    with db.transaction() as connection:
        return connection.root()['schedule'].history.keep - (
            Schedule().history.keep)


class Browser:
    """Keeps cookies, as one does."""

    def __init__(self, app, user='zoe', prefix=''):
        self.app = app
        self.user = user
        self.prefix = prefix
        self.cookies = {}
        self.set = {}

    def send(self, address, environ=(), **options):
        if self.cookies:
            options.setdefault('headers', {})['Cookie'] = '; '.join(
                f'{name}={value}' for name, value in self.cookies.items())
        request = Request.blank(
            address, {'REMOTE_USER': self.user, **dict(environ)}, **options)
        request.script_name = self.prefix
        answer = request.get_response(self.app)
        for line in answer.headers.getall('Set-Cookie'):
            name, _, value = line.partition(';')[0].partition('=')
            self.set[name] = line
            self.cookies[name] = value
            if 'Max-Age=0' in line:
                del self.cookies[name]
        return answer

    def token(self):
        """What a form on a page holds."""
        return re.search(r'token=([\w-]+)', self.send('/form').text)[1]

    def post(self, fields=(), **headers):
        return self.send('/rename', POST=dict(fields), headers={
            name.replace('_', '-'): value for name, value in headers.items()})

    def post_with_token(self, fields=(), **headers):
        return self.post({'token': self.token(), **dict(fields)}, **headers)


@pytest.fixture
def browser(db):
    return Browser(application(db, allow_changes=True))


def test_a_form_of_ours_changes_and_leads_on(db, browser):
    answer = browser.post_with_token()
    assert answer.status_code == 303
    assert answer.location == 'http://localhost/upcoming'
    assert changes(db) == 1


def test_the_undo_log_names_who_did_what(db, browser):
    browser.post_with_token()
    *_, last = db.storage.iterator()
    assert last.user == b'zoe'
    assert last.description == b'zodbschedule: rename in the browser'


@pytest.mark.parametrize('wrong', [
    lambda token: {}, lambda token: {'token': ''},
    lambda token: {'token': token[:-1]}, lambda token: {'token': 'ü\0'}])
def test_without_the_right_token_nothing_happens(db, browser, wrong):
    answer = browser.post(wrong(browser.token()))
    assert answer.status_code == 403
    assert 'load the page again' in answer.text
    assert changes(db) == 0


def test_a_token_is_of_one_cookie(db, browser):
    token = browser.token()
    browser.cookies.clear()
    assert browser.post({'token': token}).status_code == 403
    assert changes(db) == 0


def test_a_token_is_of_one_user(db, browser):
    token = browser.token()
    browser.user = 'yan'
    assert browser.post({'token': token}).status_code == 403


def test_a_token_is_of_one_application(db, browser):
    token = browser.token()
    browser.app = application(db, allow_changes=True)
    assert browser.post({'token': token}).status_code == 403


def test_processes_with_one_secret_take_the_tokens_of_each_other(db, browser):
    browser.app = application(db, allow_changes=True, secret='yes')
    token = browser.token()
    browser.app = application(db, allow_changes=True, secret=b'yes')
    assert browser.post({'token': token}).status_code == 303


@pytest.mark.parametrize('headers', [
    {'Sec_Fetch_Site': 'cross-site'}, {'Sec_Fetch_Site': 'same-site'},
    {'Origin': 'http://elsewhere'}, {'Origin': 'null'},
    {'Origin': 'http://['}])
def test_another_site_cannot_post(db, browser, headers):
    answer = browser.post_with_token(**headers)
    assert answer.status_code == 403
    assert 'another site' in answer.text
    assert changes(db) == 0


@pytest.mark.parametrize('headers', [
    {'Sec_Fetch_Site': 'same-origin'}, {'Origin': 'http://localhost'},
    # A proxy that speaks HTTPS, and passes on the host.
    {'Origin': 'https://localhost'}])
def test_our_own_site_can_post(browser, headers):
    assert browser.post_with_token(**headers).status_code == 303


def test_without_allow_changes_no_token_helps(db, browser):
    token = browser.token()
    browser.app = application(db)
    answer = browser.post({'token': token})
    assert answer.status_code == 403
    assert '--allow-changes' in answer.text
    assert not browser.send('/').headers.getall('Set-Cookie')


def test_who_is_not_known_only_reads(db, browser):
    browser.user = ''
    assert not browser.send('/').headers.getall('Set-Cookie')
    answer = browser.post()
    assert answer.status_code == 403
    assert 'log in' in answer.text


def test_a_large_form_is_not_read(browser):
    answer = browser.post({'token': 'x' * 70_000})
    assert answer.status_code == 413
    assert '65536 are the most' in answer.text


def test_a_form_without_a_length_is_not_read(browser):
    answer = browser.send('/rename', {
        'wsgi.input': None, 'CONTENT_LENGTH': ''}, method='POST')
    assert answer.status_code == 411


def test_only_a_form_is_read(browser):
    answer = browser.send('/rename', method='POST', body=b'{}',
                          content_type='application/json')
    assert answer.status_code == 415


def test_what_is_not_utf_8_is_refused(browser):
    assert browser.send('/upcoming?cursor=%ff').status_code == 400


def test_a_cookie_is_for_our_pages_alone(browser):
    browser.prefix = '/in here'
    browser.token()
    kept = browser.set['zodbschedule-session']
    assert 'HttpOnly' in kept
    assert 'SameSite=Strict' in kept
    assert 'Path=/in%20here' in kept
    assert 'secure' not in kept


def test_over_https_a_cookie_is_not_sent_without(browser):
    browser.send('https://localhost/')
    assert 'secure' in browser.set['zodbschedule-session']


def test_a_cookie_that_we_have_not_made_is_replaced(browser):
    browser.cookies['zodbschedule-session'] = 'chosen'
    browser.token()
    assert browser.cookies['zodbschedule-session'] != 'chosen'


def test_the_next_page_says_what_came_of_it_once(browser):
    browser.post_with_token({'say': 'to <b>'})
    assert 'to &lt;b&gt;' in browser.send('/upcoming').text
    assert 'to &lt;b&gt;' not in browser.send('/upcoming').text


def test_a_part_of_a_page_leaves_the_message_to_the_page(browser):
    browser.post_with_token()
    live = browser.send('/upcoming', headers={'HX-Request': 'true'})
    assert 'renamed' not in live.text
    assert 'renamed' in browser.send('/upcoming').text


def test_a_long_message_fits_into_a_cookie(browser):
    browser.post_with_token({'say': '\U0001f600' * 500})
    assert len(browser.set['zodbschedule-message']) < 4096
    assert '\U0001f600' * 500 in browser.send('/upcoming').text


def test_nobody_else_makes_a_message(browser):
    browser.post_with_token()
    browser.cookies['zodbschedule-message'] = (
        'x' + browser.cookies['zodbschedule-message'])
    assert 'renamed' not in browser.send('/upcoming').text


def test_an_act_may_say_nothing(browser, monkeypatch):
    monkeypatch.setitem(
        acting.ACTS, 'rename', lambda visit: visit.redirect('upcoming'))
    assert browser.post_with_token().status_code == 303
    assert 'zodbschedule-message' not in browser.cookies
