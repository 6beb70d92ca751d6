##############################################################################
#
# Copyright (c) 2026 zodbschedule contributors.
#
# This software is subject to the provisions of the Zope Public License,
# Version 2.1 (ZPL).  A copy of the ZPL should accompany this distribution.
# THIS SOFTWARE IS PROVIDED "AS IS" AND ANY AND ALL EXPRESS OR IMPLIED
# WARRANTIES ARE DISCLAIMED, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
# WARRANTIES OF TITLE, MERCHANTABILITY, AGAINST INFRINGEMENT, AND FITNESS
# FOR A PARTICULAR PURPOSE.
#
##############################################################################
"""The command that shows schedules in the browser."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from contextlib import contextmanager
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import Request
from urllib.request import urlopen

import click
import pytest
import webob
import ZODB
from databases import free_port
from databases import wait_until
from shell import opened
from transaction import TransactionManager
from ZODB.DB import DB
from ZODB.FileStorage.FileStorage import FileStorage

from zodbschedule import Schedule
from zodbschedule.cli import kept_open
from zodbschedule.cli import listening
from zodbschedule.cli import web
from zodbschedule.cli.database import DatabaseLocation
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.kept_open import KeptOpen
from zodbschedule.cli.listening import bind_of
from zodbschedule.cli.user import system_user
from zodbschedule.cli.zope_site import ZopeLocation
from zodbschedule.web import passwords


class Server:
    """The command in a process of its own."""

    def __init__(self, *args):
        self.printed = Path('printed')
        path = os.pathsep.join(filter(None, sys.path))
        with self.printed.open('wb') as file:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'zodbschedule', 'web', '--bind',
                 '127.0.0.1:0', *map(str, args)], stdout=file, stderr=file,
                env=os.environ | {'PYTHONPATH': path})
        wait_until(lambda: 'http://' in self.log(), 'its address',
                   self.process)
        self.address = re.search(r'http://[\d.:]+', self.log())[0]

    def log(self):
        return self.printed.read_text()

    def ends_when_told(self, number):
        self.process.send_signal(number)
        assert self.process.wait(120) == 0, self.log()
        assert 'Traceback' not in self.log()

    def get(self, path, **headers):
        """The status and the text of an answer."""
        request = Request(f'{self.address}{path}', headers={
            name.replace('_', '-'): value for name, value in headers.items()})
        try:
            with urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def serve(shell):
    """Start the command in the directory of *shell*."""
    started = []

    def serve(*args):
        started.append(Server(*args))
        return started[-1]

    yield serve
    for each in started:
        each.process.kill()
        each.process.wait()


# -- serving


def test_pages_are_shown_until_a_signal_ends_that(shell, serve):
    shell('add', 'shop.restock', '--description', 'restock the shelf')
    server = serve()
    status, page = server.get('/upcoming')
    assert status == 200
    assert 'restock the shelf' in page
    status, page = server.get('/', Host='shop.example.com')
    assert status == 403
    assert 'not called shop.example.com' in page
    server.ends_when_told(signal.SIGTERM)


def test_several_schedules_have_a_page_that_leads_to_them(shell, serve):
    shell('init', '--path', 'orders')
    server = serve('--path', 'schedule', '--path', 'orders')
    _, page = server.get('/')
    assert 'href="/at/orders/"' in page
    assert server.get('/at/orders/upcoming')[0] == 200
    server.ends_when_told(signal.SIGINT)


def test_behind_a_proxy_the_addresses_are_those_of_the_proxy(shell, serve):
    server = serve('--url', 'https://shop.example.com/tasks/',
                   '--allow-changes', '--user-header', 'X-User')
    request = Request(f'{server.address}/upcoming', headers={
        'Host': 'shop.example.com', 'X-User': 'zoe'})
    with urlopen(request, timeout=60) as answer:
        assert 'href="/tasks/upcoming"' in answer.read().decode()
        assert 'secure' in answer.headers['Set-Cookie']
    server.ends_when_told(signal.SIGHUP)


def test_a_server_that_is_away_may_come_later():
    there = DatabaseLocation(
        f'zeo://127.0.0.1:{free_port()}?wait_timeout=1', 'schedule')
    with web.database_of([there], True, 1) as db:
        app = web.application_of(db, [there], {})
        page = webob.Request.blank('/').get_response(app)
    assert page.status_code == 503
    assert 'does not answer' in page.text


# -- what is refused


@pytest.mark.parametrize('bind', [
    '0.0.0.0:0', '[::]:0', '192.0.2.1:80', '[::ffff:192.0.2.1]:80'])
def test_nobody_on_the_net_is_let_in_without_a_password(shell, bind):
    said = shell.refuses('web', '--bind', bind)
    assert 'give --passwords FILE, or --user-header NAME' in said


def test_a_name_is_taken_for_what_it_leads_to(shell, monkeypatch):
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *args, **options: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, '', ('127.0.0.1', 80)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, '', ('192.0.2.1', 80))])
    assert 'lets others' in shell.refuses('web', '--bind', 'shop:80')


@pytest.mark.parametrize('bind', [
    '8060', ':8060', '127.0.0.1', '127.0.0.1:', '127.0.0.1:http',
    '127.0.0.1:65536', '127.0.0.1:-1'])
def test_an_address_that_is_none_is_refused(shell, bind):
    assert 'is not an address and a port' in shell.refuses(
        'web', '--bind', bind)


def test_a_host_that_is_not_known_is_refused(shell, monkeypatch):
    def fail(*args, **options):
        raise socket.gaierror

    monkeypatch.setattr(socket, 'getaddrinfo', fail)
    assert 'the host is not known' in shell.refuses(
        'web', '--bind', 'nowhere.invalid:80')


def test_a_port_that_is_taken_is_refused(shell):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        assert 'nobody can listen there' in shell.refuses(
            'web', '--bind', f'127.0.0.1:{port}')


@pytest.mark.parametrize('url', [
    'shop.example.com', 'ftp://shop', 'https://', 'https://shop/?a=b',
    'https://[::1', 'https://[shop]/'])
def test_a_url_that_is_none_is_refused(shell, url):
    assert 'is not the address of a page' in shell.refuses(
        'web', '--url', url)


def test_two_ways_to_know_who_asks_are_refused(shell):
    Path('passwords').write_text('')
    shell('web', '--passwords', 'passwords', '--user-header', 'X-User',
          code=2)
    assert '--user-header and --passwords are both given' in shell.err


@pytest.mark.parametrize('name', ['', 'X User', 'X-Üser', 'X_User', 'X:'])
def test_a_header_that_no_request_can_have_is_refused(shell, name):
    assert f'--user-header {name!r} is not the name of a header' in (
        shell.refuses('web', '--user-header', name))


def test_a_mask_that_names_nothing_is_refused(shell):
    assert "--mask '' names nothing" in shell.refuses('web', '--mask', '')


def test_a_password_file_that_is_wrong_is_refused(shell):
    Path('passwords').write_text('zoe:hunter2\n')
    said = shell.refuses('web', '--passwords', 'passwords')
    assert '--passwords passwords: line 1 is not' in said
    assert 'hunter2' not in said
    Path('passwords').write_bytes(b'\xff')
    assert '--passwords passwords:' in shell.refuses(
        'web', '--passwords', 'passwords')


def test_a_database_that_is_not_there_is_refused(bare_shell):
    assert 'there is no database' in bare_shell.refuses('web')


def test_another_object_is_refused(shell):
    with opened(shell.db) as root:
        root['other'] = {}
    assert 'is a dict, not a schedule' in shell.refuses(
        'web', '--path', 'other')


def test_without_the_extra_a_message_says_what_to_install(shell, monkeypatch):
    for name in 'zodbschedule.web', 'zodbschedule.web.passwords':
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install 'zodbschedule[cli,web]'" in shell.refuses('web')
    assert "pip install 'zodbschedule[cli,web]'" in shell.refuses(
        'web', '--make-password', 'zoe')


# -- who asks


def who(**options):
    given = {'bind': '127.0.0.1:8060', 'header': None, 'passwords': None,
             'url': None, **options}
    return web.who_of(bind_of(given['bind']), web.proxy_of(given['url']),
                      given['header'], given['passwords'])


def asked(headers=(), host='localhost:8060'):
    return SimpleNamespace(headers=dict(headers), host=host)


def test_alone_on_this_machine_it_is_who_has_started_it():
    assert who()(asked()) == system_user()


@pytest.mark.parametrize('url', [
    'https://shop.example.com', 'http://[fd00::1]:80'])
def test_nobody_is_let_in_by_a_proxy_without_a_password(url):
    with pytest.raises(CommandError, match='give --passwords FILE'):
        who(url=url)


@pytest.mark.parametrize('url', ['http://localhost/tasks', 'http://[::1]:80'])
def test_a_proxy_may_be_for_this_machine_alone(url):
    assert who(url=url)(asked()) == system_user()


def test_the_address_of_a_proxy_is_written_as_in_a_browser():
    assert web.proxy_of('https://[fd00::1]:8443/in%20here/r\xe9/') == {
        'scheme': 'https', 'host': '[fd00::1]',
        'prefix': '/in here/r\xc3\xa9'}


def test_an_editor_may_have_marked_a_password_file_as_utf_8(
        tmp_path, monkeypatch):
    monkeypatch.setattr(passwords, 'N', 2)
    file = tmp_path / 'passwords'
    file.write_text(passwords.line_for('zoe', 'x'), encoding='utf-8-sig')
    assert [*who(passwords=file).users] == ['zoe']


def test_with_a_header_or_a_password_others_may_look(tmp_path, monkeypatch):
    monkeypatch.setattr(passwords, 'N', 2)
    file = tmp_path / 'passwords'
    file.write_text(passwords.line_for('zoe', 'rosé'))
    assert who(bind='0.0.0.0:80', header='X-User')(
        asked({'X-User': 'zoe'})) == 'zoe'
    assert [*who(bind='[::]:80', passwords=file).users] == ['zoe']


def test_a_line_of_a_password_file_is_made(monkeypatch, shell):
    monkeypatch.setattr(passwords, 'N', 2)
    monkeypatch.setattr(click, 'prompt', lambda *args, **options: 'rosé')
    line = shell('web', '--make-password', 'zoe')
    assert passwords.parse([line])['zoe'].is_of('rosé')
    assert 'choose another' in shell.refuses('web', '--make-password', 'a:b')


# -- where it listens


@pytest.mark.parametrize('text', [
    '127.0.0.1:0', '[::1]:0', 'localhost:0', '127.9.9.9:0',
    '[::ffff:127.0.0.1]:0'])
def test_an_address_of_this_machine_is_local(text):
    found = bind_of(text)
    assert found.is_local
    assert str(found) == text


def test_it_listens_at_each_address(monkeypatch):
    made = bind_of('[::1]:0')
    for each in made.sockets():
        with closing(each):
            assert each.getsockname()[0] == '::1'


def test_it_listens_at_all_addresses_or_at_none(monkeypatch):
    def second_fails(family, address):
        if made:
            raise OSError(98, 'in use')
        made.append(bound(family, address))
        return made[0]

    made, bound = [], listening._bound
    monkeypatch.setattr(listening, '_bound', second_fails)
    place = bind_of('127.0.0.1:0')
    with pytest.raises(CommandError, match='in use'):
        place._replace(addresses=place.addresses * 2).sockets()
    assert made[0].fileno() == -1


# -- a database that is kept open


@contextmanager
def reading(path):
    db = DB(FileStorage(path, read_only=True))
    try:
        yield db
    finally:
        db.close()


class Away(Exception):
    """The database is not there."""


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_open, 'LOOK_EVERY', 0)
    path = str(tmp_path / 'Data.fs')
    with opened(path) as root:
        root['number'] = 1
    return path


@pytest.fixture
def kept(path):
    kept = KeptOpen(lambda: reading(path), 3, Away)
    yield kept
    kept.close()


def number(kept):
    connection = kept.open(TransactionManager())
    try:
        return connection.root()['number']
    finally:
        connection.close()


def test_a_file_is_read_anew_when_it_has_changed(path, kept):
    assert number(kept) == 1
    before = kept.opened
    assert number(kept) == 1
    assert kept.opened is before
    with opened(path) as root:
        root['number'] = 2
    assert number(kept) == 2


def test_a_file_that_is_replaced_is_read_anew(path, kept, tmp_path):
    assert number(kept) == 1
    with opened(str(tmp_path / 'Other.fs')) as root:
        root['number'] = 2
    os.replace(tmp_path / 'Other.fs', path)
    assert number(kept) == 2


def test_it_is_not_looked_at_for_each_page(path, kept, monkeypatch):
    monkeypatch.setattr(kept_open, 'LOOK_EVERY', 1000)
    assert number(kept) == 1
    with opened(path) as root:
        root['number'] = 2
    assert number(kept) == 1


def test_what_is_in_use_is_not_closed(path, kept):
    connection = kept.open(TransactionManager())
    for value in 2, 3, 4:
        with opened(path) as root:
            root['number'] = value
        assert number(kept) == value
    assert connection.root()['number'] == 1
    assert len(kept.old) == 2
    connection.close()
    with opened(path) as root:
        root['number'] = 5
    number(kept)
    assert len(kept.old) == 1


def test_a_file_that_is_gone_is_not_read(path, kept, monkeypatch):
    assert number(kept) == 1
    os.remove(path)
    with pytest.raises(Away):
        number(kept)


def test_a_database_that_is_away_is_tried_again_after_a_while(
        path, caplog, monkeypatch):
    caplog.set_level('INFO', 'zodbschedule')
    tried = []

    def open_late():
        tried.append(1)
        if len(tried) < 3:
            raise OSError('no server')
        return reading(path)

    kept = KeptOpen(open_late, 3, Away)
    for _ in range(2):
        with pytest.raises(Away, match='no server'):
            number(kept)
    assert len(tried) == 1
    monkeypatch.setattr(kept_open, 'TRY_EVERY', 0)
    kept.not_before = 0
    with pytest.raises(Away):
        number(kept)
    assert number(kept) == 1
    assert [record.getMessage() for record in caplog.records] == [
        'The database is not available: OSError: no server',
        'The database is available again.']
    kept.close()


def test_a_connection_that_cannot_be_had_is_not_counted(path, kept,
                                                        monkeypatch):
    kept.prepare()

    def fail(*args):
        raise OSError

    monkeypatch.setattr(kept.opened.db, 'open', fail)
    with pytest.raises(OSError):
        kept.open(TransactionManager())
    assert kept.opened.used == 0


def test_a_database_that_can_be_changed_is_not_opened_anew():
    db = ZODB.DB(None)
    kept = KeptOpen(lambda: nullcontext(db), 20, Away)
    kept.prepare()
    assert kept.opened.files == {}
    assert not kept.opened.is_old()
    assert db.getPoolSize() == 20
    kept.close()


# -- the sites of a Zope


def test_the_schedule_of_a_site_is_found_by_its_location(monkeypatch):
    schedule = Schedule()
    root = SimpleNamespace(_p_jar=None)
    monkeypatch.setattr(ZopeLocation, 'find', lambda self, _: schedule)
    path = web.path_of(ZopeLocation('zope.conf', '/shop'))
    assert str(path) == '/shop'
    assert path(root) is schedule

    def fail(self, connection):
        raise CommandError('there is none')

    monkeypatch.setattr(ZopeLocation, 'find', fail)
    assert path(root) is None


def test_the_databases_of_a_zope_are_opened_when_they_are_needed(
        monkeypatch):
    configured = []
    monkeypatch.setattr(web, 'configured', configured.append)
    with web.database_of(
            [ZopeLocation('zope.conf', '/shop')], False, 1) as db:
        assert configured == ['zope.conf']
        assert db.opened is None
