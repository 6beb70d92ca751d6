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
"""What each command prints, at each width, piped and as JSON.

It is kept in files under ``golden``, one for each command.  Where a change of
the output is intended, write them anew, and read what has changed::

    ZODBSCHEDULE_RENEW_GOLDEN=1 pytest tests/cli/test_golden.py
    git diff tests/cli/golden
"""

import getpass
import os
import re
import shlex
import shutil
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import ZODB.BaseStorage
from click.testing import CliRunner
from shell import MORNING
from shell import opened
from ZODB.utils import p64

from zodbschedule import CallTask
from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli.commands import COMMANDS
from zodbschedule.cli.commands import commands
from zodbschedule.instant import to_micros
from zodbschedule.scheduling import turn
from zodbschedule.store.claim import Claim
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.testing import SettableClock


GOLDEN = Path(__file__).with_name('golden')
RENEW = 'ZODBSCHEDULE_RENEW_GOLDEN'

SHOP = '''
def restock(shelf, amount=1):
    pass

def deliver(order):
    raise RuntimeError(f'order {order}: nobody opens, although the bell was '
                       f'rung three times and a note was left at the door')
'''

HOUR = timedelta(hours=1)

WIDTHS = 60, 80, 120

# How each command is called.  A command without --json has None there.
READING = {
    'list': [
        'list', 'list --zone Europe/Berlin', 'list --state waiting --limit 2',
        'list --func shop.deliver --grep ORDER', 'list --key no-such-key'],
    'show': [
        'show 100', 'show 101 --zone Asia/Tokyo', 'show --key hats',
        'show 103', 'show 104', 'show 105', 'show fff'],
    'workers': ['workers'],
    'history': [
        'history', 'history --outcome failed --zone Europe/Berlin',
        'history --since -1h'],
    'forecast': ['forecast --until +1d', 'forecast --timeline'],
    'explain': [
        "explain '30 2 * * *' --timezone Europe/Berlin "
        "--from 2030-03-30T00:00Z -n 3"],
    'parked': ['parked', 'parked --zone Europe/Berlin'],
    'check': ['check --max-parked 0', 'check --deep'],
    'settings': ['settings']}

# They ask, and are told no.
ASKING = {
    'cancel': ['cancel --all', 'cancel --key no-such-key'],
    'unpark': ['unpark --reason BELL', 'unpark --grep nothing'],
    'discard': ['discard --func shop.deliver']}

# In this order, in one database.
CHANGING = [
    'init', 'init --path other',
    'add shop.restock --args \'["caps"]\' --at +3h', 'change 100',
    'change 100 --every 2h --retry 3 --note "more often"',
    'change 101 --at +3h --by ada', 'change fff --at +3h',
    'pause 102 --note "no shoes"', 'pause --all --by ada', 'list',
    'run-now 102', 'process', 'process --json', 'resume --all', 'resume 102',
    'resume 102',
    'run-now 102 --note "shoes are here"',
    'settings lease=2m history.keep=1000', 'settings lease=0s',
    'settings history.keep=many', 'settings lease=soon', 'settings leese=2m',
    'settings lease', 'unpark 103 --at +1h', 'unpark 103',
    'discard 104 --note "closed"', 'cancel 103 101', 'cancel 103 102',
    'cancel', 'cancel 102 --all', 'cancel --func "shop.*" --yes',
    'history --since -1m --limit 12', 'list', 'parked',
    'workers --recover web1:4711', 'workers']


# The same; nothing is sent.
ALARMS = [
    'alarms', 'alarm-settings', 'alarm-settings failures=1 no_worker=none',
    'alarm-settings --json', 'alarms --json', 'alarms --quiet',
    'alarm-settings late=2h spacing=0s name="hats and shoes"',
    'alarm-settings mail=ann', 'alarm-settings late=soon',
    'alarm-settings webhook=ftp://example.org', 'alarm-settings lates=1h',
    'alarm-settings smtp=smtp://me:secret@example.org',
    'alarm-settings late=1h --off', 'list --key zodbschedule.alarms',
    'pause 1a03', 'alarms',
    'alarms --json', 'alarm-settings --off', 'alarm-settings --off']


# -- the schedule that is looked at ------------------------------------------


class Builder:
    """Makes a schedule in which each kind of thing has happened.

    Ids and times are always the same: each step has its time, and makes its
    objects from an id of its own on.
    """

    def __init__(self, path, settable):
        self.path = str(path)
        self.settable = settable
        self.oid = 0x1000

    def step(self, when, change):
        """Do that with the schedule, *when* hours after MORNING."""
        self.settable.set(MORNING + when * HOUR)
        self.oid += 0x100
        with opened(self.path) as root:
            self.number(root, self.oid)
            change(root['schedule'])

    @staticmethod
    def number(root, oid):
        """The next object of the database gets that id."""
        root._p_jar.db().storage._oid = p64(oid - 1)

    def add(self, oid, *args, **options):
        """Schedule a call that has this id."""
        task = CallTask(*args, **options)

        def schedule(schedule):
            self.number(schedule._p_jar.root(), oid)
            schedule._p_jar.add(task)
            self.number(schedule._p_jar.root(), self.oid)
            schedule.schedule(task)

        self.step(-4, schedule)


def build(path, settable):
    build = Builder(path, settable)
    settable.set(MORNING - 4 * HOUR)
    with opened(str(path)) as root:
        root['schedule'] = Schedule()
    build.add(0x100, 'shop.restock', ['hats'], key='hats',
              description='more hats', recurrence=Every(HOUR),
              time=MORNING + HOUR)
    build.add(0x101, 'shop.deliver', [7], time=MORNING - HOUR,
              principalId='zoe',
              description='deliver order 7, the one with the long address',
              retry=Retry(5, 2 * HOUR, jitter=0))
    build.add(0x102, 'shop.restock', ['shoes'], description='shoes at night',
              recurrence=Cron('30 2 * * *', 'Europe/Berlin'))
    build.add(0x103, 'shop.deliver', [8], time=MORNING - 2 * HOUR)
    build.add(0x104, 'shop.deliver', [9], time=MORNING - 3 * HOUR,
              description='deliver order 9')
    build.add(0x105, 'shop.restock', ['coats'], time=MORNING - 2 * HOUR)
    build.step(-1, lambda schedule: schedule.process(clock.now()))
    build.add(0x106, 'shop.restock', ['gloves'], time=MORNING - HOUR / 3)
    build.step(-.3, hold)
    build.step(-.2, lambda schedule: schedule.pause(
        schedule.get('102'), by='zoe', reason='no shoes'))


def hold(schedule):
    """A worker of another machine takes what is due, and has done a part."""
    claim = schedule.claims['web1'] = Claim(
        'web1:4711', Incarnation('web1', 'another boot', 4711, '1'),
        to_micros(MORNING - HOUR))
    turn.exchange(schedule, claim, 9, None, MORNING, lambda *task: True)
    claim.beat().progress = 0x106, 30, 120


@pytest.fixture(scope='module')
def settable():
    """The clock of the commands, and of the transactions."""
    with clock.use(SettableClock(MORNING)) as found:
        yield found


@pytest.fixture(scope='module')
def built(settable, tmp_path_factory):
    """The folder of the database."""
    folder = tmp_path_factory.mktemp('golden')
    (folder / 'shop.py').write_text(SHOP)
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(ZODB.BaseStorage, 'time', SimpleNamespace(
            time=lambda: settable.now().timestamp(), gmtime=time.gmtime))
        patching.syspath_prepend(str(folder))
        sys.modules.pop('shop', None)
        build(folder / 'Data.fs', settable)
        yield folder
    sys.modules.pop('shop', None)


# -- what is printed ---------------------------------------------------------


def help_width(width):
    """The width of help; click's runner would take 80 columns for each."""
    return max(50, min(width or 80, 80) - 2)


@pytest.fixture
def say(built, settable, no_terminal, monkeypatch):
    """Call a command as it is written; what it prints, and its exit code."""
    settable.set(MORNING)
    monkeypatch.chdir(built)
    monkeypatch.setenv('ZODBSCHEDULE_DB', 'Data.fs')
    monkeypatch.setattr(getpass, 'getuser', lambda: 'zoe')

    def say(line, width=None):
        with monkeypatch.context() as screen:
            if width is not None:
                for name, value in (('FORCE_COLOR', '1'), ('TERM', 'xterm'),
                                    ('COLUMNS', str(width))):
                    screen.setenv(name, value)
            done = CliRunner().invoke(
                commands, shlex.split(line), prog_name='zodbschedule',
                input='n\n', terminal_width=help_width(width))
        printed = re.sub(r'\x1b\[[\d;?]*[a-zA-Z]', '', done.output).rstrip()
        # The lines of our own modules change.
        printed = re.sub(r'(Traceback [^:]+:).*?(?=RuntimeError: )',
                         r'\1\n...\n', printed, flags=re.S)
        code = f'\n(exit code {done.exit_code})' if done.exit_code else ''
        where = 'piped' if width is None else f'{width} columns'
        return f'$ zodbschedule {line}    # {where}\n{printed}{code}\n'

    return say


def has_json(name):
    return any(param.name == 'as_json'
               for param in commands.get_command(None, name).params)


def compare(name, said):
    """Raise AssertionError if the file has something else; or write it."""
    golden = GOLDEN / f'{name}.txt'
    text = '\n'.join(said)
    if RENEW in os.environ:
        golden.write_text(text, encoding='utf-8')
    assert text == golden.read_text(encoding='utf-8')


@pytest.mark.parametrize('name', sorted(READING))
def test_what_a_command_that_reads_prints(name, say):
    said = [say(line, width) for line in READING[name]
            for width in (*WIDTHS, None)]
    if has_json(name):
        said += [say(f'{line} --json') for line in READING[name]
                 if '--timeline' not in line]
    compare(name, said)


@pytest.mark.parametrize('name', sorted(ASKING))
def test_what_a_command_shows_before_it_asks(name, say):
    compare(name, [say(line, width) for line in ASKING[name]
                   for width in (*WIDTHS, None)])


@pytest.mark.parametrize('name', sorted({*COMMANDS, 'help'}))
def test_what_the_help_of_a_command_says(name, say):
    line = '--help' if name == 'help' else f'{name} --help'
    compare(f'help/{name}', [say(line, width) for width in WIDTHS])


def test_what_the_commands_that_change_something_print(
        say, built, tmp_path, monkeypatch):
    shutil.copy(built / 'Data.fs', tmp_path)
    monkeypatch.chdir(tmp_path)
    compare('changing', map(say, CHANGING))


def test_what_the_commands_for_alarms_print(
        say, built, tmp_path, monkeypatch):
    shutil.copy(built / 'Data.fs', tmp_path)
    monkeypatch.chdir(tmp_path)
    said = list(map(say, ALARMS))
    say('alarm-settings failures=1')
    compare('alarms', said + [
        say(line, width) for line in ('alarm-settings', 'alarms')
        for width in WIDTHS])


@pytest.mark.parametrize('name', sorted(READING) + sorted(ASKING))
def test_no_line_is_wider_than_the_terminal(name, say):
    for line in READING.get(name, []) + ASKING.get(name, []):
        for width in WIDTHS:
            _, *printed = say(line, width).splitlines()
            if printed and not printed[0].startswith('Error: '):
                assert max(map(len, printed)) <= width


def test_each_command_has_its_file():
    there = {path.stem for path in GOLDEN.glob('*.txt')}
    changing = {shlex.split(line)[0] for line in CHANGING + ALARMS}
    # They run for longer than a moment, or need a Zope, or print a format of
    # others, see test_cli_metrics.py.
    apart = {'worker', 'web', 'demo', 'contributed', 'reset', 'metrics'}
    assert there | changing | apart >= set(COMMANDS)
