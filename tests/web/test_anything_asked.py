"""Whatever is asked, nothing is written, and the answer is one of ours."""

import sys
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from urllib.parse import urlencode

import pytest
import ZODB
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from sample_tasks import forget
from webob import Request

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import clock as the_clock
from zodbschedule import steering
from zodbschedule.store.inspection import task_id
from zodbschedule.testing import SettableClock
from zodbschedule.web import application
from zodbschedule.web.acting import ACTS
from zodbschedule.web.forms import settings_form
from zodbschedule.web.headers import HEADERS
from zodbschedule.web.pages import PAGES
from zodbschedule.web.site import Site
from zodbschedule.web.visitor import SESSION
from zodbschedule.web.visitor import Visitor


HOUR = timedelta(hours=1)

MOST_LOADS = 200

# What a page, or an act, may answer.
ANSWERS = {200, 303, 400, 404, 409, 422}


def gone_class():
    """A class whose module is gone when it has been stored."""
    module = sys.modules['gone'] = ModuleType('gone')
    module.Gone = type('Gone', (Task,), {'__module__': 'gone'})
    return module.Gone


def fill(connection, clock):
    """A schedule with tasks of all kinds; their ids."""
    schedule = connection.root()['schedule'] = Schedule()
    connection.add(schedule)
    tasks = [
        schedule.call(print, 'x', description='<script>', delay=HOUR),
        schedule.call(print, recurrence=Cron('30 2 * * *', 'Europe/Berlin'),
                      key='nightly'),
        schedule.call(print, recurrence=Every(HOUR), delay=HOUR),
        schedule.call('operator.truediv', 1, 0),
        schedule.call('os.getcwd'),
        schedule.schedule(gone_class()(clock.now() + HOUR))]
    for each in tasks:
        connection.add(each)
    ids = [task_id(each) for each in tasks]
    connection.transaction_manager.commit()
    schedule.process(clock.now())
    steering.pause(schedule, ids[2], by='zoe')
    connection.transaction_manager.commit()
    ids += [entry.id for entry in schedule.parked]
    del sys.modules['gone']
    return ids


class Shop:
    """An application, and what is in its database."""

    def __init__(self, db, ids):
        self.db = db
        self.ids = ids
        self.app = application(db, allow_changes=True)
        self.site = self.app.shown.site

    def ask(self, path, query='', **options):
        """The answer, which has to be one of ours."""
        __tracebackhide__ = True
        forget(self.db)
        self.db._connectionMap(lambda each: each.getTransferCounts(clear=True))
        request = Request.blank('/', {'REMOTE_USER': 'zoe'}, **options)
        request.path_info, request.query_string = path, query
        answer = request.get_response(self.app)
        assert answer.status_code in ANSWERS, answer.text
        assert HEADERS.items() <= dict(answer.headers).items()
        assert 'Traceback' not in answer.text
        return answer

    def loads(self):
        """How many objects were loaded by the last request."""
        counts = []
        self.db._connectionMap(
            lambda each: counts.append(each.getTransferCounts()[0]))
        return sum(counts)

    def post(self, name, fields):
        """The same by a form of ours."""
        session = 'x' * 22
        visitor = Visitor(Request.blank('/', {
            'REMOTE_USER': 'zoe'}, headers={'Cookie': f'{SESSION}={session}'}),
            self.site, name)
        return self.ask(f'/{name}', POST=[
            ('token', visitor.token), *fields], headers={
                'Cookie': f'{SESSION}={session}'})


@pytest.fixture(scope='module')
def shop():
    clock = SettableClock()
    db = ZODB.DB(None)
    with the_clock.use(clock):
        with db.transaction() as connection:
            ids = fill(connection, clock)
        yield Shop(db, ids)
    db.close()


@pytest.fixture
def unchanged(shop, monkeypatch):
    """Inside, each page leaves its connection and the database as they are.
    """
    @contextmanager
    def watched(site):
        with connected(site) as connection:
            yield connection
            seen.append(connection)
            assert connection._registered_objects == []
            assert connection._added == {}
            assert not connection.transaction_manager.get()._resources

    seen = []
    connected = Site.connected
    monkeypatch.setattr(Site, 'connected', watched)
    before = shop.db.lastTransaction()
    yield seen
    assert seen
    assert shop.db.lastTransaction() == before


# -- nothing is written


@pytest.mark.parametrize('name', [
    name for name, page in PAGES.items() if not page.of_one])
def test_a_page_writes_nothing(shop, unchanged, name):
    assert shop.ask(f'/{name}', 'action=cancel').status_code == 200


def test_the_page_of_a_task_writes_nothing(shop, unchanged):
    for id in shop.ids:
        assert shop.ask(f'/tasks/{id}').status_code == 200


def test_what_is_for_machines_writes_nothing(shop, unchanged, monkeypatch):
    for address in '/readyz', '/metrics':
        assert shop.ask(address).status_code == 200


def test_the_page_of_all_schedules_writes_nothing(shop, unchanged):
    app = application(shop.db, places=lambda _: {'shop': 'schedule'})
    assert Request.blank('/').get_response(app).status_code == 200


def test_a_page_that_writes_would_be_noticed(shop, unchanged, monkeypatch):
    def body(visit):
        visit.schedule.history.keep += 1
        return real(visit)

    real = PAGES['settings'].body
    shop.ask('/settings')
    monkeypatch.setitem(PAGES, 'settings', PAGES['settings']._replace(
        body=body))
    with pytest.raises(AssertionError):
        shop.ask('/settings')


# -- anything may be asked


WORDS = [
    '', '-', '0', '-1', '9' * 30, '1e400', 'nan', '\0', '\N{SNOWMAN}', '%',
    '2030-02-30', '../etc/passwd', 'off', 'os.system', 'tasks', '<script>',
    "' OR 1=1", 'x' * 600, '- - - -', 'cursor=x&back=y', 'text=%ff']
words = st.sampled_from(WORDS) | st.text(max_size=30)

TIMES = [
    '2030-01-31', '0001-01-01', '9999-12-31', '9999-12-31T23:59:59Z',
    '0001-01-01T00:00:00+14:00', '2030-01-31T09:00:00Z', '2026-03-29T02:30']
SPANS = ['1h', '1d', '0s', '-1h', '999999999d', '1e9s']
RULES = ['every 1s', 'every 0s', '* * * * *', '30 2 31 2 *', '0 0 29 2 *',
         'FREQ=SECONDLY;COUNT=1', 'FREQ=SECONDLY', 'FREQ=DAILY;INTERVAL=0',
         'FREQ=YEARLY;BYMONTHDAY=31;BYMONTH=2', 'FREQ=YEARLY;BYDAY=53MO']
ZONES = ['Europe/Berlin', 'UTC', 'Pacific/Apia', 'nowhere']

# What a parameter, or a field, is likely to have.
LIKELY = {
    'cursor': TIMES, 'back': ['-', '- -', '1'], 'text': ['print'],
    'function': ['builtins.print', '*'], 'key': ['nightly'],
    'state': ['waiting', 'paused', 'running', 'claimed'], 'why': ['Zero'],
    'live': ['off'], 'from': TIMES, 'span': ['day', 'week'],
    'task': ['1', 'zz'], 'outcome': ['failed', 'succeeded', 'unscheduled'],
    'since': TIMES, 'after': TIMES, 'rule': RULES, 'zone': ZONES,
    'action': [*steering.ACTIONS], 'id': ['1'], 'reason': ['because'],
    'seen': TIMES, 'page': ['overview', 'upcoming', 'parked'],
    'query': ['cursor=1&live=off'], 'chosen': ['1 2030-01-31T09:00:00Z'],
    'description': ['other'], 'time': TIMES, 'expires': SPANS,
    'recurrence': RULES, **dict.fromkeys(settings_form.NAMES, [*SPANS, '5'])}


def some(names, *others):
    """Names and values, of which most make sense."""
    pair = st.sampled_from(sorted(names)).flatmap(lambda name: st.tuples(
        st.just(name), st.one_of(st.sampled_from(LIKELY.get(
            name.removeprefix('was-'), WORDS)), words, *others)))
    return st.lists(pair, max_size=5)


def query(pairs):
    return urlencode(pairs, errors='replace')


@settings(max_examples=80, deadline=None)
@given(name=st.sampled_from(sorted(PAGES)), pairs=some(LIKELY))
def test_a_page_takes_any_parameters(shop, name, pairs):
    shop.ask(f'/{name}', query(pairs))
    assert shop.loads() <= MOST_LOADS


@settings(max_examples=40, deadline=None)
@given(st.integers(min_value=0), st.data())
def test_the_page_of_one_takes_any_id(shop, number, data):
    real = st.sampled_from(shop.ids)
    id = data.draw(real | st.text(max_size=20) | st.builds(
        '{}{}'.format, real, st.sampled_from(['-', '/', '0', ' ', '-1'])))
    shop.ask(f'/tasks/{id}')
    shop.ask(f'/tasks/{number:x}')
    assert shop.loads() <= MOST_LOADS


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(['upcoming', 'history', 'parked', 'running',
                        'timeline']), st.data())
def test_a_list_takes_any_cursor(shop, name, data):
    real = st.sampled_from(['2030-01-31T09:00:00.000000Z', '1', '1.1', 'a,b'])
    cursor = ''.join(data.draw(st.lists(
        real | st.text(max_size=4), max_size=4)))
    shop.ask(f'/{name}', query({'cursor': cursor}))
    assert shop.loads() <= MOST_LOADS


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec='ascii'), max_size=40))
@example('a=%ff')
@example('%ff')
@example('&=&;==')
def test_an_address_may_be_no_address(shop, text):
    shop.ask('/upcoming', text)
    shop.ask(f'/{text}')


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(ACTS)), data=st.data())
def test_an_act_takes_any_form(shop, name, data):
    ids = st.sampled_from(shop.ids)
    seen = st.builds('{} {}'.format, ids, st.sampled_from(TIMES))
    fields = data.draw(some([*LIKELY, *(f'was-{field}' for field in LIKELY)],
                            ids, seen))
    pairs = [('id', data.draw(ids)), *fields]
    shop.post(name, [(field, text.encode('utf-8', 'replace'))
                     for field, text in pairs])


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([
    'application/x-www-form-urlencoded', 'text/plain', '',
    'application/x-www-form-urlencoded; charset=nothing',
    'multipart/form-data; boundary=x', 'multipart/form-data']))
def test_a_form_may_be_no_form(shop, body, kind):
    request = Request.blank('/cancel', {'REMOTE_USER': 'zoe'}, method='POST',
                            body=body, content_type=kind)
    answer = request.get_response(shop.app)
    assert answer.status_code in (403, 415)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from([
    'Cookie', 'Authorization', 'Host', 'Origin', 'Sec-Fetch-Site', 'Accept',
    'HX-Request', 'If-None-Match', 'If-Modified-Since', 'Range',
    'X-Forwarded-For', 'Content-Type', 'Content-Length']),
    st.text(st.characters(codec='latin-1', exclude_characters='\r\n'),
            max_size=40)))
@example({'Cookie': f'{SESSION}=x; {SESSION}=\xff'})
@example({'Range': 'bytes=0-1'})
def test_headers_may_be_anything(shop, headers):
    request = Request.blank('/upcoming', {'REMOTE_USER': 'zoe'})
    for name, value in headers.items():
        request.environ[f'HTTP_{name.upper().replace("-", "_")}'] = value
    assert request.get_response(shop.app).status_code in (200, 206, 400, 416)
