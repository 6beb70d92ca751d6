"""Who asks is known by a password, or by a proxy, and else nobody gets in."""

import threading
from base64 import b64encode

import pytest
import ZODB
from webob import Request

from zodbschedule import Schedule
from zodbschedule.web import application
from zodbschedule.web import passwords
from zodbschedule.web.access import header_user
from zodbschedule.web.access import local_user
from zodbschedule.web.passwords import Hash
from zodbschedule.web.passwords import InvalidPasswords
from zodbschedule.web.passwords import Passwords
from zodbschedule.web.passwords import line_for
from zodbschedule.web.passwords import parse


#: before a fixture changes it
N = passwords.N


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Hashes that take no time."""
    monkeypatch.setattr(passwords, 'N', 2)


@pytest.fixture
def file():
    return parse(['# who may look', '', line_for('zoe', 'rosé:1')])


@pytest.fixture
def tried(monkeypatch):
    """The passwords that were tried."""
    tried = []

    def scrypt(self, password):
        tried.append(password)
        return real(self, password)

    real = Hash.scrypt
    monkeypatch.setattr(Hash, 'scrypt', scrypt)
    return tried


@pytest.fixture
def db():
    db = ZODB.DB(None)
    with db.transaction() as connection:
        connection.root()['schedule'] = Schedule()
    yield db
    db.close()


def basic(text):
    return {'Authorization': f'Basic {b64encode(text.encode()).decode()}'}


def get(db, who, headers):
    return Request.blank('/', headers=headers).get_response(
        application(db, who=who))


# -- by a password


def test_who_has_the_password_gets_in(db, file):
    assert get(db, Passwords(file), basic('zoe:rosé:1')).status_code == 200


@pytest.mark.parametrize('headers', [
    {}, basic('zoe:'), basic('zoe:rosé'), basic('zoe'), basic('yan:rosé:1'),
    basic(':'), basic('zoe:' + 'x' * 2000), {'Authorization': 'Basic'},
    {'Authorization': 'Basic =='}, {'Authorization': 'Basic /w=='},
    {'Authorization': basic('zoe:rosé:1')['Authorization'].replace(
        'Basic', 'Bearer')}])
def test_nobody_else_does(db, file, headers):
    answer = get(db, Passwords(file), headers)
    assert answer.status_code == 401
    assert answer.headers['WWW-Authenticate'].startswith('Basic realm=')
    assert 'zoe' not in answer.text
    assert 'Schedule at' not in answer.text
    assert '<li>' not in answer.text


def test_a_right_password_is_tried_once(db, file, tried):
    who = Passwords(file)
    for _ in range(3):
        get(db, who, basic('zoe:rosé:1'))
    assert tried == ['rosé:1']


def test_it_is_tried_again_after_some_minutes(db, file, tried, monkeypatch):
    monkeypatch.setattr(passwords, 'KEPT', -1)
    who = Passwords(file)
    for _ in range(2):
        get(db, who, basic('zoe:rosé:1'))
    assert len(tried) == 2


def test_as_many_are_remembered_as_there_is_room_for(db, file, monkeypatch):
    monkeypatch.setattr(passwords, 'MOST_KEPT', 1)
    who = Passwords(file | parse([line_for('yan', 'x')]))
    get(db, who, basic('zoe:rosé:1'))
    get(db, who, basic('yan:x'))
    assert len(who.right) == 1


def test_a_password_is_not_remembered_itself(db, file):
    who = Passwords(file)
    get(db, who, basic('zoe:rosé:1'))
    assert 'rosé' not in repr(who.right)


def test_an_unknown_user_costs_the_same(db, file, tried):
    get(db, Passwords(file), basic('yan:x'))
    assert tried == ['x']


def test_few_are_tried_at_once(db, file, monkeypatch):
    who = Passwords(file)
    trying, go_on = threading.Semaphore(0), threading.Event()

    def slow(self, password):
        trying.release()
        return not go_on.wait(10)

    monkeypatch.setattr(Hash, 'is_of', slow)
    threads = [threading.Thread(target=get, args=(db, who, basic('zoe:x')))
               for _ in range(passwords.AT_ONCE)]
    for each in threads:
        each.start()
        trying.acquire()
    answer = get(db, who, basic('zoe:y'))
    go_on.set()
    for each in threads:
        each.join()
    assert answer.status_code == 429
    assert get(db, who, basic('zoe:y')).status_code == 401


def test_a_wrong_password_is_logged_without_it(db, file, caplog):
    for user in 'zoe', 'secret':
        get(db, Passwords(file), basic(f'{user}:hunter2'))
    assert [record.getMessage() for record in caplog.records] == [
        'A wrong password was given for zoe.',
        'A wrong password was given for a user that does not exist.']


# -- the file


def test_a_line_holds_no_password_and_another_salt_each_time():
    first, second = line_for('zoe', 'rosé'), line_for('zoe', 'rosé')
    assert 'rosé' not in first
    assert first != second
    assert first.startswith('zoe:scrypt$2$8$1$')


@pytest.mark.parametrize('line', [
    'zoe', 'zoe:hunter2', 'zoe:$2b$12$abc',
    'zoe:scrypt$3$8$1$c2FsdHNhbHQ=$aA==',
    'zoe:bcrypt$2$8$1$c2FsdHNhbHQ=$' + b64encode(bytes(64)).decode(),
    'zoe:scrypt$1048576$8$1$c2FsdHNhbHQ=$' + b64encode(bytes(64)).decode(),
    'zoe:scrypt$32768$8$99$c2FsdHNhbHQ=$' + b64encode(bytes(64)).decode(),
    'zoe:scrypt$65536$1$1$c2FsdHNhbHQ=$' + b64encode(bytes(64)).decode(),
    'zoe:scrypt$2$1048576$16$c2FsdHNhbHQ=$' + b64encode(bytes(64)).decode(),
    ':scrypt$2$8$1$c2FsdHNhbHQ=$' + b64encode(bytes(64)).decode(),
    'zoe :scrypt$2$8$1$c2FsdHNhbHQ=$' + b64encode(bytes(64)).decode(),
    'zoe:scrypt$2$8$1$!$aA=='])
def test_a_line_that_is_none_is_refused_and_not_shown(line):
    with pytest.raises(InvalidPasswords, match='line 2 is not') as caught:
        parse(['#', line])
    assert 'hunter2' not in str(caught.value)


@pytest.mark.parametrize('n, r, p', [
    (32768, 1, 1), (2, 1024, 16), (2, 8192, 1)])
def test_what_is_no_wrong_line_can_be_tried(n, r, p):
    found = parse([f'zoe:scrypt${n}${r}${p}$c2FsdHNhbHQ=$'
                   f'{b64encode(bytes(64)).decode()}'])
    assert not found['zoe'].is_of('hunter2')


def test_a_letter_is_the_same_however_it_was_typed(db):
    typed = 'Zoe\N{COMBINING ACUTE ACCENT}'
    file = parse([line_for(typed, f'my {typed}')])
    for sent in typed, 'Zo\N{LATIN SMALL LETTER E WITH ACUTE}':
        answer = get(db, Passwords(file), basic(f'{sent}:my {sent}'))
        assert answer.status_code == 200


def test_a_file_without_a_user_is_refused():
    with pytest.raises(InvalidPasswords, match='it has no user'):
        parse(['# nobody'])


@pytest.mark.parametrize('user', ['', ' ', 'a:b', '#a', 'a\nb', ' a', 'a '])
def test_a_name_that_a_line_cannot_hold_is_refused(user):
    with pytest.raises(InvalidPasswords, match='choose another'):
        line_for(user, 'x')


def test_a_new_hash_takes_32_mib():
    assert 128 * N * passwords.R * passwords.P == 32 * 2 ** 20


# -- by a proxy


def test_a_proxy_says_who_asks(db):
    answer = get(db, header_user('X-Remote-User'), {'X-Remote-User': 'zoe'})
    assert answer.status_code == 200


@pytest.mark.parametrize('headers', [
    {}, {'X-Remote-User': ' '}, {'X-Other': 'zoe'},
    {'X-Remote-User': 'a\tb'}])
def test_past_the_proxy_nobody_gets_in(db, headers):
    answer = get(db, header_user('X-Remote-User'), headers)
    assert answer.status_code == 403
    assert 'no header X-Remote-User' in answer.text


def test_a_name_of_a_proxy_is_in_utf_8():
    request = Request.blank('/')
    request.environ['HTTP_X_USER'] = 'Zoé'.encode().decode('latin-1')
    assert header_user('X-User')(request) == 'Zoé'


def test_a_file_is_not_sent_to_who_may_not_look(db, file):
    answer = Request.blank('/static/htmx.min.js').get_response(
        application(db, who=Passwords(file)))
    assert answer.status_code == 401


# -- for this machine alone


@pytest.mark.parametrize('host, status', [
    ('localhost:8060', 200), ('LOCALHOST', 200), ('[::1]:8060', 200),
    ('evil.example.com:8060', 403), ('localhost.example.com', 403),
    ('localhost:8060.example.com', 403), ('', 403)])
def test_a_request_names_this_machine(db, host, status):
    who = local_user('zoe', ('localhost', '[::1]'))
    assert get(db, who, {'Host': host}).status_code == status
