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
"""A user at the command line, and a shop whose functions are scheduled."""

import json
import re
import shlex
import sys
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime

import pytest
import ZODB
from ZODB.FileStorage.FileStorage import FileStorage

from zodbschedule import clock
from zodbschedule.cli.commands import commands
from zodbschedule.store.inspection import task_id
from zodbschedule.testing import SettableClock


MORNING = datetime(2030, 1, 31, 8, tzinfo=UTC)

SHOP = '''
import time
from datetime import UTC, datetime
from pathlib import Path

from persistent import Persistent
from zope.interface import implementer

from zodbschedule import CallTask, Task
from zodbschedule.interfaces import IRecurrence, ITask

def restock(shelf='hats', amount=1):
    with open('restocked', 'a') as file:
        print(shelf, amount, file=file)

def deliver():
    raise RuntimeError('nobody opens')

def linger():
    Path('began').touch()
    while not Path('released').exists():
        time.sleep(.01)

SHELF = 'is no function'

def interrupted():
    raise KeyboardInterrupt

def leave():
    raise SystemExit(0)

def bracket():
    raise RuntimeError('[/bold]\x1b[2J')

class Errand(Task):
    def __call__(self):
        pass

class Basket:
    pass

class Unloadable(Errand):
    pass

class Nameless(Errand):
    description = ''

def delegate():
    return CallTask('shop.deliver', time=datetime(2031, 1, 1, tzinfo=UTC))

@implementer(IRecurrence)
class Mute:
    def next_after(self, moment):
        return None

    def anchored(self, first):
        return self

    def __str__(self):
        raise ValueError('not a word')

    def __repr__(self):
        raise ValueError('not a word')

class Order(CallTask):
    pass

def refuse(self, state=None):
    raise ValueError('of another version')

@implementer(ITask)
class Foreign(Persistent):
    description = ''
    time = datetime(2030, 1, 31, 8, tzinfo=UTC)
    principalId = None

@implementer(ITask)
class Strange(Persistent):
    description = ''
    time = datetime(2030, 1, 31, 8, tzinfo=UTC)
    principalId = None

    def __getstate__(self):
        return 'no mapping'

    def __setstate__(self, state):
        pass
'''


class Shell:
    """A user, a directory, and what the last command printed."""

    def __init__(self, capsys, folder):
        self.capsys = capsys
        self.folder = folder
        self.db = str(folder / 'Data.fs')

    def __call__(self, *args, code=0):
        """What the command prints; it has to end with exit code *code*."""
        __tracebackhide__ = True
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            commands([str(arg) for arg in args], prog_name='zodbschedule')
        self.out, self.err = self.capsys.readouterr()
        assert ended.value.code == code, self.out + self.err
        return self.out.strip()

    def refuses(self, *args):
        """The one line in which the command says why it is refused."""
        __tracebackhide__ = True
        assert self(*args, code=2) == ''
        line, = self.err.splitlines()
        assert line.startswith('Error: ')
        return line.removeprefix('Error: ')

    def json(self, *args, code=0):
        return json.loads(self(*args, '--json', code=code))

    def ids(self):
        return [row['id'] for row in self.json('list')]


@contextmanager
def opened(path):
    """The root of the FileStorage at *path*; what is changed is committed."""
    db = ZODB.DB(FileStorage(path))
    try:
        with db.transaction() as connection:
            yield connection.root()
    finally:
        db.close()


def schedule_one(shell, task):
    """Schedule *task*; its id."""
    with opened(shell.db) as root:
        root['schedule'].schedule(task)
        root._p_jar.add(task)
        return task_id(task)


# -- the sessions of a page


def console_blocks(text):
    """The commands of a page, each with what it is said to print."""
    for block in re.findall(
            r'^\.\. code-block:: console\n\n((?:    .*\n|\n)+)', text, re.M):
        block = re.sub(r'^    ', '', block, flags=re.M).strip()
        for step in re.split(r'^\$ ', block, flags=re.M)[1:]:
            command, _, output = step.partition('\n')
            yield shlex.split(command), output.strip()


def pattern(expected):
    """Matches *expected*: any spaces for spaces, anything for dots."""
    words = (re.escape(word) for word in expected.split())
    return r'\s+'.join(words).replace(re.escape('...'), '.*?')


# -- fixtures


@pytest.fixture
def no_terminal(monkeypatch):
    """What is printed goes into a file, so to speak."""
    for name in ('FORCE_COLOR', 'TTY_COMPATIBLE', 'ZODBSCHEDULE_DB'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def terminal(no_terminal, monkeypatch):
    """What is printed goes to a terminal of 80 columns."""
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '80')


@pytest.fixture
def wall_clock():
    """The clock that the commands go by; it shows MORNING."""
    with clock.use(SettableClock(MORNING)) as settable:
        yield settable


@pytest.fixture
def bare_shell(no_terminal, capsys, tmp_path, monkeypatch):
    """A shell in a directory with nothing but the functions of a shop."""
    (tmp_path / 'shop.py').write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv('ZODBSCHEDULE_DB', str(tmp_path / 'Data.fs'))
    yield Shell(capsys, tmp_path)
    sys.modules.pop('shop', None)


@pytest.fixture
def shell(bare_shell):
    """A shell in a directory where a schedule is."""
    bare_shell('init')
    return bare_shell
