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
"""The application of the tutorial does what the page says.

Its files are written as they stand there and imported, and its commands are
typed while it serves.  Only the socket is left out.
"""

import importlib
import io
import re
import shlex
import signal
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import pytest
from databases import wait_until
from shell import console_blocks
from shell import pattern

from zodbschedule.cli.commands import commands


pytestmark = pytest.mark.usefixtures('no_terminal')

PAGE = Path(__file__).parents[1].joinpath('docs', 'tutorial.rst').read_text(
    encoding='utf-8')
FILE = re.compile(
    r'^\.\. code-block:: python\n   :caption: (\S+)\n\n((?:(?:   .*)?\n)+)',
    re.M)


@pytest.fixture
def web(bare_shell, monkeypatch):
    """The module of the application, in a folder with all of its files."""
    for name, text in FILE.findall(PAGE):
        Path(name).write_text(textwrap.dedent(text))
    monkeypatch.delenv('SHOP_DB', raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield importlib.import_module('web')
    signal.signal(signal.SIGTERM, before)
    del sys.modules['web']


def ask(application, method, path='/', body=''):
    """The status and the text that are answered."""
    environ = {
        'REQUEST_METHOD': method, 'PATH_INFO': path,
        'CONTENT_LENGTH': str(len(body)),
        'wsgi.input': io.BytesIO(body.encode())}
    setup_testing_defaults(environ)
    said = []
    parts = application(environ, lambda status, headers: said.append(status))
    return said[0], b''.join(parts).decode().strip()


def curl(application, *args):
    """What that command prints."""
    path = args[-1].removeprefix('http://localhost:8080')
    if args[0] == '-d':
        return ask(application, 'POST', path, args[1])[1]
    return ask(application, 'GET', path)[1]


class Server:
    """What serves the application; it serves while *session* lasts."""

    def __init__(self, application, session):
        self.serve_forever = lambda: session(application)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """There is no socket to close."""


def test_the_commands_print_what_the_page_says(
        web, bare_shell, monkeypatch):
    typed = []

    def session(application):
        programs = {
            'curl': lambda *args: curl(application, *args),
            'zodbschedule': bare_shell}
        for (program, *args), expected in console_blocks(PAGE):
            typed.append(program)

            def printed():
                return re.fullmatch(
                    pattern(expected), programs[program](*args), re.S)

            if '-d' in args:
                # It would order once more.
                assert printed()
            else:
                wait_until(printed, expected)

    monkeypatch.setattr(web, 'make_server', lambda host, port, application:
                        Server(application, session))
    web.main()
    assert typed.count('curl') == 5
    assert typed.count('zodbschedule') == 2


@pytest.fixture
def application(web):
    """The application, with no worker beside it."""
    with closing(web.open_database()) as db:
        yield web.Application(db)


def waiting(application):
    """The goods that are to be packed."""
    with application.db.transaction() as connection:
        return sorted(
            task.args[0].goods for task in connection.root()['schedule']
            if task.function == 'shop.pack')


@pytest.fixture
def crossed(application, monkeypatch):
    """Somebody orders shoes in the middle of the next requests for hats."""
    left = []
    order = sys.modules['shop'].order

    def crossing(root, goods):
        new = order(root, goods)
        if goods == 'hats' and left:
            ask(application, 'POST', '/', left.pop())
        return new

    monkeypatch.setattr(sys.modules['shop'], 'order', crossing)
    return left


def test_a_request_that_conflicts_is_tried_again_and_its_task_waits_once(
        application, crossed):
    crossed += ['shoes']
    assert ask(application, 'POST', '/', 'hats') == ('201 Created', 'order 2')
    assert waiting(application) == ['hats', 'shoes']


def test_a_request_that_conflicts_for_ever_leaves_no_task(
        application, crossed):
    crossed += 5 * ['shoes']
    assert ask(application, 'POST', '/', 'hats') == (
        '503 Service Unavailable', 'please try again')
    assert waiting(application) == 5 * ['shoes']


def test_a_request_that_is_refused_leaves_no_task(application):
    assert ask(application, 'POST')[0] == '400 Bad Request'
    assert ask(application, 'GET', '/1') == ('404 Not Found', 'no such order')
    assert waiting(application) == []


def test_the_task_of_every_morning_waits_once_however_often_it_starts(web):
    for _ in range(3):
        with closing(web.open_database()) as db:
            with db.transaction() as connection:
                [task] = connection.root()['schedule']
    assert task.key == 'count'


@pytest.mark.parametrize('line', re.findall(
    r'^ +zodbschedule (.+)$', PAGE, re.M))
def test_a_command_can_be_typed(line):
    name, *args = shlex.split(line)
    commands.get_command(None, name).make_context(name, args)
