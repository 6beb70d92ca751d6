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
"""The worker at the command line, mostly in a process of its own."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from asyncio.selector_events import _SelectorSocketTransport
from contextlib import closing
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import pytest
import zope.event
from databases import ZEOServer
from databases import wait_until
from persistent.mapping import PersistentMapping
from shell import opened

from zodbschedule.cli import database
from zodbschedule.cli import process
from zodbschedule.cli import worker
from zodbschedule.cli import zope_site
from zodbschedule.cli.database import Access
from zodbschedule.cli.errors import EXIT_FAILED
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import WorkerFailed
from zodbschedule.cli.errors import failures_of_worker
from zodbschedule.cli.options import import_modules
from zodbschedule.cli.signals import Signals
from zodbschedule.cli.signals import StoppedEarly
from zodbschedule.cli.worker import HealthFile
from zodbschedule.cli.worker import fix_asyncio
from zodbschedule.cli.worker import has_asyncio_fault
from zodbschedule.cli.worker import unless_lost
from zodbschedule.execution.signals import ECHO
from zodbschedule.execution.stopping import Stop


class Command:
    """A command in a process of its own, and what it prints."""

    def __init__(self, *args):
        self.printed = Path('printed')
        path = os.pathsep.join(filter(None, sys.path))
        with self.printed.open('wb') as file:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'zodbschedule', *map(str, args)],
                env=os.environ | {'PYTHONPATH': path}, stdout=file,
                stderr=file)

    def log(self):
        return self.printed.read_text()

    def says(self, text):
        """Wait until it has said that."""
        wait_until(lambda: text in self.log(), text, self.process)

    def told(self, number):
        """Send it a signal."""
        self.process.send_signal(number)

    def told_again(self, number):
        """Send it a signal that is another request than the first one.

        It has noticed that, which may take long on a busy machine, and goes
        on with a run.
        """
        self.says('is told to stop')
        with pytest.raises(subprocess.TimeoutExpired):
            self.process.wait(ECHO)
        self.told(number)

    def ends(self, code=0):
        """Wait until it has ended, with that exit code; what it said."""
        __tracebackhide__ = True
        assert self.process.wait(120) == code, self.log()
        return self.log()

    def ends_when_told(self, number=signal.SIGTERM):
        self.told(number)
        return self.ends()


@pytest.fixture
def start(shell):
    """Start a command in a process of its own, in the directory of *shell*.
    """
    started = []

    def start(*args):
        started.append(Command(*args))
        return started[-1]

    yield start
    for command in started:
        command.process.kill()
        command.process.wait()


@pytest.fixture
def working(start):
    """Start a worker; it has begun."""
    def begun(*args):
        command = start('worker', *args)
        command.says('begins')
        return command

    return begun


@pytest.fixture
def zeo(shell, tmp_path, monkeypatch):
    """A ZEO server, whose database is the one that *shell* goes by."""
    folder = tmp_path / 'zeo'
    folder.mkdir()
    server = ZEOServer(folder)
    # A client waits so long before it says that nobody is there.
    server.uri = f'zeo://127.0.0.1:{server.port}?wait_timeout=1'
    monkeypatch.setenv('ZODBSCHEDULE_DB', server.uri)
    shell.db = server.uri
    shell('init')
    yield server
    server.stop()


def wait_for(path):
    wait_until(Path(path).exists, path)


def lingering(shell, working, *args):
    """A worker that is in the middle of a run; and the id of its task."""
    task = shell('add', 'shop.linger')
    command = working(*args)
    wait_for('began')
    return command, task


def crashes(shell):
    """How often the runs of each task have ended their process."""
    with opened(shell.db) as root:
        return [count for count, _ in root['schedule'].crashes.values()]


def states(shell):
    return [(row['id'], row['state']) for row in shell.json('list')]


# -- working, and ending -----------------------------------------------------


#: the signals that ask a process to end
ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]


@pytest.mark.parametrize('number', ENDING)
def test_a_worker_runs_what_is_due_until_it_is_told_to_end(
        shell, working, number):
    shell('add', 'shop.restock', '--args', '["hats"]')
    later = shell('add', 'shop.restock', '--args', '["shoes"]', '--at', '+1d')
    worker = working()
    wait_for('restocked')
    said = worker.ends_when_told(number)
    assert Path('restocked').read_text() == 'hats 1\n'
    assert states(shell) == [(later, 'waiting')]
    assert shell('workers') == 'no workers are registered'
    assert 'Traceback' not in said


def test_a_worker_says_when_it_begins_and_ends(shell, working):
    worker = working('--name', 'miller', '--threads', '2')
    begun, ended = worker.ends_when_told().splitlines()
    time = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z'
    assert re.fullmatch(
        f'{time} INFO Worker miller begins, process {worker.process.pid}, '
        f'threads: 2, schedules: schedule, database: {re.escape(shell.db)}, '
        f'zodbschedule {version("zodbschedule")}', begun)
    assert re.fullmatch(f'{time} INFO Worker miller has ended.', ended)


def test_a_worker_is_called_by_host_and_process_without_a_name(working):
    worker = working()
    name = f'{socket.gethostname()}:{worker.process.pid}'
    assert f'Worker {name} begins' in worker.ends_when_told()


def test_what_runs_may_end_within_the_grace_period(shell, working):
    worker, task = lingering(shell, working, '--grace', '60s')
    worker.told(signal.SIGTERM)
    worker.says(f'it waits up to 60 s for task {task} (shop.linger)')
    Path('released').touch()
    worker.ends()
    outcome, = shell.json('history')
    assert (outcome['id'], outcome['outcome']) == (task, 'succeeded')


def test_what_runs_for_longer_is_cut_off_and_back_in_its_place(
        shell, working):
    worker, task = lingering(shell, working, '--grace', '0.2')
    said = worker.ends_when_told()
    assert f'has cut off what ran, which is back in its place: task {task} '\
        '(shop.linger).' in said
    assert states(shell) == [(task, 'waiting')]
    assert crashes(shell) == []
    assert shell('workers') == 'no workers are registered'


@pytest.mark.parametrize('second, code', [
    (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_second_signal_cuts_off_at_once_what_runs(
        shell, working, second, code):
    worker, task = lingering(shell, working, '--grace', '1d')
    worker.told(signal.SIGTERM)
    worker.told_again(second)
    assert 'has cut off what ran' in worker.ends(code)
    assert states(shell) == [(task, 'waiting')]


def test_a_worker_that_is_told_to_end_before_it_begins_does_not(
        shell, start):
    Path('impatient.py').write_text(
        'import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n')
    shell('add', 'shop.deliver')
    assert start('worker', '--import', 'impatient').ends() == ''
    assert len(shell.ids()) == 1


@pytest.mark.parametrize('number', [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_that_asks_for_nothing_ends_no_worker(
        shell, working, number):
    worker, task = lingering(shell, working)
    worker.told(number)
    Path('released').touch()
    wait_until(lambda: not shell.ids(), 'the end of the run')
    worker.ends_when_told()


def test_the_same_signal_twice_at_once_is_one_request(shell, working):
    worker, task = lingering(shell, working, '--grace', '1d')
    # As timeout(1) does: first to the process, and then to its group.
    for _ in range(2):
        worker.told(signal.SIGTERM)
    worker.says('is told to stop')
    Path('released').touch()
    worker.ends()
    assert [entry['outcome'] for entry in shell.json('history')] == [
        'succeeded']


FORKING = """
import multiprocessing
import time
from pathlib import Path

def linger():
    Path('began').touch()
    time.sleep(60)

def fork():
    child = multiprocessing.get_context('fork').Process(target=linger)
    child.start()
    while not Path('began').exists():
        time.sleep(.01)
    child.terminate()
    child.join()
    Path('code').write_text(str(child.exitcode))
"""


def test_a_process_that_a_task_forks_is_ended_by_a_signal_as_ever(
        shell, working):
    Path('forking.py').write_text(FORKING)
    with opened(shell.db) as root:
        root['schedule'].call('forking.fork')
    worker = working('--import', 'forking')
    wait_for('code')
    wait_until(lambda: not shell.ids(), 'the end of the run')
    worker.ends_when_told()
    assert Path('code').read_text() == '-15'


def test_a_death_that_nobody_could_hand_back_counts_and_says_which_run(
        shell, working):
    worker, task = lingering(shell, working)
    worker.told(signal.SIGKILL)
    worker.ends(-signal.SIGKILL)
    Path('released').touch()
    worker = working()
    worker.says(f'It was running task {task} (shop.linger), due at ')
    wait_until(lambda: not shell.ids(), 'the end of the run')
    worker.ends_when_told()


# -- one pass, and what ends it


def passing(start, *args):
    """A call of process() in the middle of a run."""
    command = start('process', *args)
    wait_for('began')
    Path('began').unlink()
    return command


@pytest.mark.parametrize('number', ENDING)
def test_process_lets_what_runs_end_and_returns_the_rest(
        shell, start, number):
    task = shell('add', 'shop.linger')
    later = shell('add', 'shop.restock', '--args', '["hats"]')
    command = passing(start, '--grace', '1h')
    command.told(number)
    command.says(f'The pass is told to stop; it waits up to 3600 s for task '
                 f'{task} (shop.linger).')
    Path('released').touch()
    assert '1 succeeded' in command.ends(
        130 if number == signal.SIGINT else 0)
    assert states(shell) == [(later, 'waiting')]
    assert shell('workers') == 'no workers are registered'


@pytest.mark.parametrize('number, code', [
    (signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_what_runs_in_process_for_longer_is_cut_off_and_never_parked(
        shell, start, number, code):
    task = shell('add', 'shop.linger')
    for _ in range(4):
        command = passing(start, '--grace', '0')
        command.told(number)
        assert f'The pass has cut off what ran, which is back in its ' \
            f'place: task {task} (shop.linger).' in command.ends(code)
        assert states(shell) == [(task, 'waiting')]
        assert crashes(shell) == []


def test_a_second_signal_cuts_off_what_runs_in_process(shell, start):
    task = shell('add', 'shop.linger')
    command = passing(start, '--grace', '1d')
    command.told(signal.SIGINT)
    command.says('it waits up to 86400 s')
    command.told(signal.SIGTERM)
    assert f'has cut off what ran, which is back in its place: task {task}' \
        in command.ends(143)
    assert states(shell) == [(task, 'waiting')]


@pytest.mark.parametrize('number, code', [
    (signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_pass_that_is_told_to_end_before_it_begins_does_not(
        shell, start, number, code):
    Path('impatient.py').write_text(
        f'import os\nos.kill(os.getpid(), {int(number)})\n')
    shell('add', 'shop.deliver')
    assert start('process', '--import', 'impatient').ends(code) == ''
    assert len(shell.ids()) == 1


def test_a_pass_that_has_just_ended_by_itself_is_not_ended_at_once(
        monkeypatch):
    tried = threading.Event()

    def cut_off(stop):
        tried.set()
        return True

    monkeypatch.setattr(Stop, 'cut_off', cut_off)
    with process.stoppable(Signals(), timedelta(0)) as stop:
        stop.abort()
        assert tried.wait(60)


# -- how signals are handled


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) == signals.stop
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_as_long_as_there_is_nothing_to_stop_a_second_one_cuts_off_nothing():
    with Signals() as signals:
        with pytest.raises(StoppedEarly):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
    assert signals.code == 0


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1])
def test_another_process_does_what_it_would_without_us(number):
    heard = []
    before = signal.signal(number, lambda *args: heard.append(args[0]))
    try:
        with Signals() as signals:
            signals.pid = 0  # that of a parent
            os.kill(os.getpid(), number)
            assert heard == [number]
    finally:
        signal.signal(number, before)


def test_the_same_signal_again_at_once_is_an_echo_and_cuts_nothing_off():
    # A shell sends it to the group, and a parent passes it on.
    asked = []
    with Signals() as signals:
        signals.work = SimpleNamespace(
            finish=lambda: asked.append('finish'),
            abort=lambda: asked.append('abort'))
        signals.stop(signal.SIGTERM, None)
        signals.stop(signal.SIGTERM, None)
        assert (asked, signals.code) == (['finish'], 0)
        signals.stop(signal.SIGINT, None)
        assert (asked, signals.code) == (['finish', 'abort'], 130)


# -- what else may happen


def test_an_error_in_our_own_words_keeps_them_and_may_pass():
    with (pytest.raises(WorkerFailed, match='^the disk is full$') as caught,
          failures_of_worker()):
        raise CommandError('the disk is full')
    assert caught.value.exit_code == EXIT_FAILED


def test_a_task_that_is_parked_is_logged_and_changes_no_exit_code(
        shell, working):
    task = shell('add', 'shop.deliver')
    worker = working()
    worker.says('RuntimeError: nobody opens\n')
    said = worker.ends_when_told()
    assert (f' ERROR Task {task} (shop.deliver) was parked: RuntimeError: '
            f'nobody' in said)
    assert 'Traceback' in said


def test_with_verbose_the_log_is_that_of_all(start):
    worker = start('-v', 'worker', '--name', 'miller')
    worker.says('INFO zodbschedule: Worker miller begins')
    assert worker.ends_when_told().count('begins') == 1


def test_a_worker_serves_several_schedules(shell, working):
    with opened(shell.db) as root:
        root['app'] = PersistentMapping()
    shell('init', '--path', 'app/plans')
    for path in 'schedule', 'app/plans':
        shell('add', 'shop.restock', '--args', f'["{path}"]', '--path', path)
    worker = working('--path', 'schedule', '--path', '/app/plans/',
                     '--path', 'app/plans')
    wait_until(lambda: Path('restocked').exists() and len(
        Path('restocked').read_text().splitlines()) == 2, 'both')
    assert 'schedules: schedule, app/plans, ' in worker.ends_when_told()


def test_a_worker_has_room_for_a_connection_a_thread(working):
    said = working('--threads', '12').ends_when_told()
    assert 'WARNING' not in said


@pytest.mark.parametrize('connections, size', [(26, 26), (2, 7)])
def test_the_pool_of_the_database_has_room_for_the_threads(
        shell, connections, size):
    source = database.Source(shell.db, database.Access.CHANGE)
    with worker._database(
            source, connections, bool, worker.Ending()) as db:
        assert db.getPoolSize() == size


# -- before the database is there --------------------------------------------


def test_a_worker_may_be_started_before_its_server(shell, zeo, working):
    shell('add', 'shop.restock', '--args', '["hats"]')
    zeo.stop()
    worker = working()
    worker.says('The database is away: cannot open zeo://127.0.0.1:')
    zeo.start()
    worker.says('The database is back.')
    wait_for('restocked')
    assert worker.ends_when_told().count('The database is') == 2


@pytest.mark.parametrize('number, code', [(1, 0), (2, 143)])
def test_a_worker_ends_though_its_server_goes_away_in_a_run(
        shell, zeo, working, number, code):
    worker, task = lingering(
        shell, working, '--grace', '0' if number == 1 else '1d')
    zeo.kill()
    worker.told(signal.SIGTERM)
    if number == 2:
        worker.told_again(signal.SIGTERM)
    assert 'could not hand back' in worker.ends(code)
    zeo.start()
    Path('released').touch()
    assert shell('process') == '1 succeeded'


def test_a_worker_goes_on_when_its_server_is_back(shell, zeo, working):
    worker = working()
    for name in 'hats', 'shoes':
        wait_until(lambda: shell.json('workers'), 'a worker')
        zeo.kill()
        zeo.start()
        # As many new objects as the worker has oids in stock.
        with closing(database.open_database(
                shell.db, database.Access.CHANGE)) as db:
            with db.transaction() as connection:
                for _ in range(50):
                    connection.root()['schedule'].call('shop.restock', name)
        wait_until(lambda: not shell.ids(), 'all runs')
    assert Path('restocked').read_text().splitlines() == (
        50 * ['hats 1'] + 50 * ['shoes 1'])
    assert 'ERROR' not in worker.ends_when_told()


def test_a_worker_ends_though_its_server_is_not_there(zeo, working):
    zeo.stop()
    worker = working('--grace', '1d')
    worker.says('The database is away')
    worker.ends_when_told()
    zeo.start()


def test_a_worker_without_work_ends_though_its_server_has_gone(
        shell, zeo, working):
    worker = working('--grace', '1d')
    wait_until(lambda: shell.json('workers'), 'a worker')
    zeo.kill()
    worker.says('The database is away')
    worker.ends_when_told()
    zeo.start()


def test_a_worker_waits_for_postgresql_too_and_repeats_no_password(working):
    worker = working('--db', 'postgres://me:secret@127.0.0.1:1/db')
    worker.says('The database is away: cannot open '
                'postgres://me:***@127.0.0.1:1/db: ')
    assert 'secret' not in worker.ends_when_told()


@pytest.mark.parametrize('options, complaint', [
    (['--db', 'gopher://x'], "the URI scheme 'gopher' is unknown"),
    (['--db', 'zeo://localhost:port'], 'is invalid'),
    (['--db', 'zeo://localhost?colour=red'], 'colour'),
    (['--db', 'missing.fs'], 'there is no database at missing.fs'),
    (['--db', 'sqlite://'], 'there is no database at main.sqlite3'),
    (['--path', '/'], "--path '/' has no key"),
    (['--threads', '0'], '--threads is 0; it must be a number from 1 to 100'),
    (['--threads', '1000000'], '--threads is 1000000; it must be a number'),
    (['--name', ''], '--name is empty; give a name'),
    (['--lease', '0'], '--lease is 0 s; it must be 1 s or longer'),
    (['--lease', '0.5'], '--lease is 500 ms; it must be 1 s or longer'),
    (['--lease', 'long'], "'long' is not a number of seconds; write 30, or "
                          'a duration: 30s, 5m, 2h or 1d'),
    (['--grace', '-1'], "'-1' is not a number of seconds"),
    (['--import', 'nowhere'], '--import nowhere: there is no module nowhere'),
    (['--import', 'nowhere.at.all'], 'there is no module nowhere'),
    (['--import', 'shop.nothing'],
     "--import shop.nothing: there is no module shop.nothing"),
    (['--import', 'broken'], '--import broken: ZeroDivisionError: division'),
    (['--import', 'needy'], "--import needy: ModuleNotFoundError: No module "
                            "named 'nowhere'"),
    (['--import', 'leaving'], '--import leaving: SystemExit: 0'),
    (['--import', '.relative'], '--import .relative: TypeError: '),
    (['--health-file', 'no/file'],
     '--health-file no/file: the folder no does not exist; create it'),
    (['--health-file', '.'], '--health-file .: '),
    (['--metrics-address', '::1'],
     '--metrics-address needs --metrics-port'),
    (['--metrics-port', '1', '--metrics-address', 'no.such.invalid'],
     '--metrics-port 1: the worker cannot listen there, at no.such.invalid'),
])
def test_what_waiting_cannot_mend_ends_it_with_a_line(
        shell, options, complaint):
    Path('broken.py').write_text('1 / 0')
    Path('needy.py').write_text('import nowhere')
    Path('leaving.py').write_text('raise SystemExit(0)')
    before = signal.getsignal(signal.SIGTERM)
    assert complaint in shell.refuses('worker', *options)
    assert signal.getsignal(signal.SIGTERM) is before


OTHER = 'a PersistentMapping, not a schedule; correct --path'


@pytest.mark.parametrize('path, complaint', [
    ('other', OTHER), ('schedule/b', 'in a Schedule, which is not a mapping')])
def test_a_worker_does_not_wait_where_something_else_is(
        shell, path, complaint):
    with opened(shell.db) as root:
        root['other'] = PersistentMapping()
    assert complaint in shell.refuses(
        'worker', '--path', 'not/yet', '--path', path)


def test_a_worker_does_not_wait_either_if_a_server_tells_of_it_late(
        shell, zeo, working):
    with closing(database.open_database(zeo.uri, Access.CHANGE)) as db:
        with db.transaction() as connection:
            connection.root()['other'] = PersistentMapping()
    zeo.stop()
    worker = working('--path', 'other')
    worker.says('The database is away')
    zeo.start()
    assert OTHER in worker.ends(2)


def test_a_folder_that_cannot_be_written_is_said(shell, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    assert shell.refuses('worker', '--health-file', 'healthy') == (
        '--health-file healthy: the folder . is not writable; choose another')


def test_a_database_that_another_process_has_is_said(shell, start):
    with opened(shell.db):
        said = start('worker').ends(3)
    assert f'{shell.db} is in use by another process ({os.getpid()})' in said
    assert said.count('\n') == 1


def test_a_worker_whose_threads_have_ended_ends_with_a_code_of_its_own(
        shell, start):
    Path('breaking.py').write_text(
        'from zodbschedule.worker.thread import WorkerThread\n'
        'WorkerThread._work_until_stopped = None\n')
    said = start('worker', '--name', 'w', '--import', 'breaking').ends(3)
    assert 'Error: Worker w: all its threads have ended' in said


# -- importing ---------------------------------------------------------------


REGISTERS = '''
import zope.event
from zodbschedule.interfaces import RunEnded

def hear(event):
    if isinstance(event, RunEnded):
        with open('heard', 'a') as file:
            print(event.outcome, file=file)

zope.event.subscribers.append(hear)
'''


@pytest.fixture
def registers(shell):
    """A module in the current directory, and on no path."""
    Path('registers.py').write_text(REGISTERS)
    shell('add', 'shop.restock', '--args', '["hats"]')


def test_a_worker_imports_what_an_application_registers(registers, working):
    worker = working('--import', 'registers')
    wait_for('heard')
    worker.ends_when_told()
    assert Path('heard').read_text() == 'succeeded\n'


def test_a_module_that_is_imported_may_replace_the_log(shell, start):
    Path('configures.py').write_text(
        'import logging\n'
        'logging.basicConfig(filename="app.log", level="INFO", force=True)\n')
    worker = start('worker', '--import', 'configures')
    log = Path('app.log')
    wait_until(lambda: log.exists() and 'begins' in log.read_text(),
               'the first line', worker.process)
    assert worker.ends_when_told() == ''


def test_a_module_that_is_imported_may_configure_the_log(shell, start):
    Path('configures.py').write_text(
        'import logging\n'
        'logging.basicConfig(format="APP %(levelname)s %(message)s")\n'
        'logging.warning("imported")\n')
    shell('add', 'shop.restock', '--args', '["hats"]')
    command = start('worker', '--import', 'configures', '--name', 'miller')
    command.says('succeeded')
    lines = command.ends_when_told().splitlines()
    assert lines[0] == 'APP WARNING imported'
    assert lines[1].startswith('APP INFO Worker miller begins')
    assert all(line.startswith('APP ') for line in lines)
    assert len(set(lines)) == len(lines)
    shell('add', 'shop.restock', '--args', '["hats"]')
    said = start('process', '--import', 'configures').ends().splitlines()
    assert sum('has ended' in line for line in said) == 1


def test_the_log_may_be_in_json(shell, start):
    task = shell('add', 'shop.deliver', '--description', 'order 8')
    said = start('process', '--log-format', 'json').ends(1).splitlines()
    lines = [json.loads(line) for line in said if line.startswith('{')]
    begun, parked, ended = lines
    assert begun['message'].endswith(' begins.')
    for line in lines:
        assert (line['task_id'], line['task_description'],
                line['task_function'], line['schedule_path']) == (
            task, 'order 8', 'shop.deliver', 'schedule')
    assert parked['level'] == 'ERROR'
    assert 'RuntimeError: nobody' in parked['traceback']
    assert ended['run_outcome'] == 'failed'


def test_process_imports_what_an_application_registers(registers, start):
    start('process', '--import', 'registers').ends()
    assert Path('heard').read_text() == 'succeeded\n'


@pytest.fixture
def on_no_path(tmp_path, monkeypatch):
    """A current directory with a module, and on no path."""
    (tmp_path / 'local_module_of_a_test.py').touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [
        each for each in sys.path if each not in ('', str(tmp_path))])
    yield 'local_module_of_a_test'
    sys.modules.pop('local_module_of_a_test', None)


def test_modules_of_the_current_directory_are_found(on_no_path):
    import_modules([on_no_path, 'json'])
    assert sys.path.count(os.getcwd()) == 1
    assert sys.path[0] == os.getcwd()
    assert on_no_path in sys.modules


def test_the_path_stays_as_it_is_if_that_is_to_be_safe(
        on_no_path, monkeypatch):
    monkeypatch.setenv('PYTHONSAFEPATH', '1')
    said = Command('worker', '--db', 'no.fs', '--import', on_no_path).ends(2)
    assert said == (
        f'Error: --import {on_no_path}: there is no module {on_no_path}; '
        f'install it, or correct the name\n')


def test_a_server_that_is_read_only_is_said(shell, zeo, working):
    task = shell('add', 'shop.restock', '--args', '["hats"]')
    zeo.stop()
    zeo.start(read_only=True)
    assert shell.refuses('add', 'shop.deliver') == (
        'the database is read-only; to change it, open it, or have its server '
        'open it, without read_only')
    assert shell.refuses('process') == (
        'nothing was run: the database is read-only')
    assert shell.ids() == [task]
    worker = working()
    worker.says('is not attended to: the database is read-only')
    worker.ends_when_told()


# -- metrics ---------------------------------------------------------------


def test_a_worker_serves_its_metrics_until_it_ends(shell, working):
    shell('add', 'shop.restock', '--args', '["hats"]')
    worker = working('--name', 'w1', '--metrics-port', '0')
    worker.says('Metrics are served on port ')
    worker.says('succeeded')
    port = worker.log().partition('served on port ')[2].split()[0]
    with urlopen(f'http://127.0.0.1:{port}/metrics') as answer:
        text = answer.read().decode()
    worker.ends_when_told()
    assert ('zodbschedule_runs_total{outcome="succeeded",schedule="schedule",'
            'type="shop.restock",worker="w1"} 1.0') in text
    # The library's own are there as well.
    assert 'process_resident_memory_bytes' in text
    assert 'zodbschedule_up{schedule="schedule"} 1.0' in text


@pytest.mark.slow  # what was read is kept for some seconds
def test_what_is_scraped_says_that_a_server_is_away(zeo, working):
    worker = working('--metrics-port', '0')
    worker.says('Metrics are served on port ')
    port = worker.log().partition('served on port ')[2].split()[0]

    def is_up(value):
        with urlopen(f'http://127.0.0.1:{port}/metrics') as answer:
            return (f'zodbschedule_up{{schedule="schedule"}} {value}\n'
                    in answer.read().decode())

    wait_until(lambda: is_up('1.0'), 'it is there', worker.process)
    zeo.stop()
    wait_until(lambda: is_up('0.0'), 'it is away', worker.process)
    zeo.start()
    wait_until(lambda: is_up('1.0'), 'it is back', worker.process)
    worker.ends_when_told()


def test_a_port_in_use_is_said(shell):
    before = list(zope.event.subscribers)
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        assert shell.refuses('worker', '--metrics-port', port) == (
            f'--metrics-port {port}: the worker cannot listen there, at '
            f'127.0.0.1: Address already in use; choose another port or '
            f'--metrics-address')
    assert zope.event.subscribers == before


def test_a_worker_without_a_port_does_not_import_the_library(shell, working):
    Path('looks.py').write_text(
        'import sys, zope.event\n'
        'zope.event.subscribers.append(lambda event: open("seen", "w").write('
        'str("prometheus_client" in sys.modules)))\n')
    shell('add', 'shop.restock', '--args', '["hats"]')
    worker = working('--import', 'looks')
    wait_for('seen')
    worker.ends_when_told()
    assert Path('seen').read_text() == 'False'


# -- the file for probes -----------------------------------------------------


def test_a_worker_has_a_file_while_it_is_healthy(zeo, working):
    zeo.stop()
    Path('healthy').touch()  # as one that was killed leaves it
    worker = working('--health-file', 'healthy')
    worker.says('The database is away')
    assert not Path('healthy').exists()
    zeo.start()
    wait_for('healthy')
    worker.ends_when_told()
    assert not Path('healthy').exists()


@pytest.fixture
def pulse(tmp_path, monkeypatch):
    """A pulse that beats fast, of something that is ill at first."""
    monkeypatch.setattr(worker, 'TOUCH_EVERY', .01)
    monkeypatch.setattr(worker, 'CHECK_EVERY', .01)
    pulse = HealthFile(tmp_path / 'healthy', lambda: pulse.is_well)
    pulse.is_well = False
    pulse.start()
    yield pulse
    pulse.stop()


def age(path):
    """Make the file old."""
    os.utime(path, (0, 0))


def is_new(path):
    return path.exists() and path.stat().st_mtime > 0


def test_the_file_is_touched_again_and_again(pulse):
    pulse.is_well = True
    for _ in range(2):
        wait_until(lambda: is_new(pulse.path), 'the file')
        age(pulse.path)


def test_the_file_gets_old_when_the_worker_is_ill(pulse):
    looks = []
    pulse.is_well = True
    wait_until(lambda: is_new(pulse.path), 'the file')
    pulse.is_healthy = lambda: looks.append(1)
    wait_until(lambda: looks, 'a look')
    age(pulse.path)
    seen = len(looks)
    wait_until(lambda: len(looks) > seen + 1, 'two looks')
    assert not is_new(pulse.path)


def test_a_file_that_cannot_be_touched_is_told_once(
        pulse, monkeypatch, caplog):
    folder = pulse.path.parent
    away = folder.with_name('away')
    folder.rename(away)
    looks = []
    pulse.is_healthy = lambda: looks.append(1) or True
    wait_until(lambda: len(looks) > 2, 'three looks')
    away.rename(folder)
    wait_until(lambda: is_new(pulse.path), 'the file')
    message, = caplog.messages
    assert message.startswith('The health file cannot be changed: ')


# -- looking at workers ------------------------------------------------------


def parsed(text):
    return datetime.fromisoformat(text)


def test_workers_shows_who_runs_what(shell, working):
    worker, task = lingering(shell, working, '--name', 'miller',
                             '--lease', '45')
    row, = shell.json('workers')
    now = datetime.now(UTC)
    day = timedelta(days=1)
    assert now - day < parsed(row['since']) <= parsed(row['heartbeat']) < now
    assert parsed(row['since']) <= parsed(row['running_since']) < now
    assert isinstance(row['id'], str)
    assert {name: value for name, value in row.items() if name not in (
        'id', 'since', 'heartbeat', 'silence', 'running_since')} == {
            'name': 'miller', 'host': socket.gethostname(),
            'pid': worker.process.pid, 'lease': 45.0, 'claimed': 1,
            'state': 'working',
            'task': task, 'description': 'shop.linger',
            'counts': {'succeeded': 0, 'retried': 0, 'failed': 0,
                       'expired': 0}}
    heading, _, line = shell('workers').splitlines()
    assert re.split('  +', heading.strip()) == [
        'name', 'host', 'pid', 'since', 'state', 'claimed',
        'description', 'running since']
    assert line.startswith('miller') and 'shop.linger' in line
    assert ' working ' in line


def test_workers_tells_what_has_ended(shell, working):
    shell('add', 'shop.deliver')
    for _ in range(2):
        shell('add', 'shop.restock', '--args', '["hats"]')
    working('--name', 'miller')
    counts = {'succeeded': 2, 'retried': 0, 'failed': 1, 'expired': 0}
    wait_until(lambda: [
        row['counts'] for row in shell.json('workers')] == [counts], 'counts')
    assert '2 succeeded, 1 parked' in shell('workers')
    heading = shell.out.splitlines()[0]
    assert 'outcomes' in heading and 'description' not in heading


def test_workers_fits_a_terminal(shell, working, terminal):
    lingering(shell, working, '--name', 'miller')
    lines = shell('workers').splitlines()
    assert max(map(len, re.sub('\x1b.*?m', '', shell.out).splitlines())) <= 80
    assert 'shop.linger' in ''.join(lines)


def test_list_and_show_name_the_worker(shell, working):
    assert 'worker' not in shell('list')
    _, task = lingering(shell, working, '--name', 'miller')
    heading, _, line = shell('list').splitlines()
    assert heading.split() == [
        'id', 'time', 'state', 'worker', 'description']
    assert 'running' in line and 'miller' in line
    assert ['worker', 'miller'] in [
        line.split() for line in shell('show', task).splitlines()]


def test_a_killed_worker_is_dead_at_once(shell, working):
    worker, _ = lingering(shell, working)
    assert shell('check') == 'OK: no task is due; 1 worker is alive'
    worker.process.kill()
    worker.process.wait()
    assert shell.json('workers')[0]['state'] == 'dead'
    assert ' dead, silent for ' in shell('workers')
    assert shell('check').endswith('; no workers are alive, 1 is dead')


def test_a_worker_of_several_threads_is_one(shell, working):
    worker = working('--threads', '3')
    wait_until(lambda: len(shell.json('workers')) == 3, '3 claims')
    assert [row['state'] for row in shell.json('workers')] == 3 * ['idle']
    assert ' idle for ' in shell('workers')
    found = shell.json('check')
    assert found['workers'] == {
        'alive': 1, 'silent': 0, 'dead': 0, 'idle': 1}
    worker.ends_when_told()


# -- recovering by hand ------------------------------------------------------


def test_recover_puts_back_what_a_dead_worker_held(shell, zeo, working):
    worker, task = lingering(shell, working, '--name', 'miller')
    worker.process.kill()
    worker.process.wait()
    assert states(shell) == [(task, 'running')]
    assert shell('workers', '--recover', 'miller') == (
        'miller was recovered: 1 task is back in the schedule')
    assert shell.err == ''
    assert states(shell) == [(task, 'waiting')]
    assert shell('workers') == 'no workers are registered'


def test_recover_warns_if_the_worker_lives(shell, zeo, working):
    worker, task = lingering(shell, working, '--name', 'miller')
    shell('workers', '--recover', 'miller')
    assert shell.err == (
        f'Warning: process {worker.process.pid} of this worker is alive on '
        f'this machine; its run is rolled back and will run again\n')
    Path('released').touch()
    wait_until(lambda: shell.json('show', task)['state'] == 'ended', 'a run')
    worker.ends_when_told()
    assert [row['outcome'] for row in shell.json('history')] == [
        'succeeded', 'interrupted']


def test_recover_of_nobody_is_refused(shell, working):
    assert 'miller' in shell.refuses('workers', '--recover', 'miller')
    assert shell.refuses('workers', '--recover', 'miller', '--json') == (
        '--recover and --json are both given; --recover does not print JSON')


# -- the fault of asyncio ----------------------------------------------------


@pytest.mark.parametrize('version, affected', [
    ((3, 11, 9), False),
    ((3, 12, 0), True),
    ((3, 12, 99), True),
    ((3, 13, 0), True),
    ((3, 13, 9), True),
    ((3, 13, 10), False),
    ((3, 13, 11), False),
    ((3, 14, 0), True),
    ((3, 14, 0, 'candidate', 1), True),
    ((3, 14, 1), False),
    ((3, 15, 0), False),
    ((4, 0, 0), False),
])
def test_only_some_pythons_have_the_fault(version, affected):
    assert has_asyncio_fault(version) is affected
    transport = type('Transport', (), {'writelines': as_it_was})
    fix_asyncio(version, transport)
    assert (transport.writelines is not as_it_was) is affected


def test_asyncios_own_transport_is_mended(monkeypatch):
    monkeypatch.setattr(_SelectorSocketTransport, 'writelines', as_it_was)
    fix_asyncio((3, 13, 0))
    assert _SelectorSocketTransport.writelines is not as_it_was


def test_the_command_fixes_asyncio_before_it_opens_the_database(
        shell, monkeypatch):
    happened = []

    def made(*args, **options):
        happened.append('made')
        raise RuntimeError('enough')

    monkeypatch.setattr(
        worker, 'fix_asyncio', lambda: happened.append('fixed'))
    monkeypatch.setattr(worker, 'Worker', made)
    assert shell.refuses('worker') == 'RuntimeError: enough'
    assert happened == ['fixed', 'made']


def as_it_was(transport, data):
    """What the Pythons that have the fault do where nothing can be sent."""
    transport._loop._add_writer(transport._sock_fd, transport._write_ready)


def is_selected(transport):
    return transport._sock_fd in transport._loop._selector.get_map()


def with_transport(check):
    """Call *check* with a transport, and with the socket at its other end."""
    async def call():
        here, there = socket.socketpair()
        with there:
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, sock=here)
            check(transport, there)
            transport.close()

    asyncio.run(call())


@pytest.mark.parametrize('writelines', [
    _SelectorSocketTransport.writelines, as_it_was])
def test_what_is_written_to_a_lost_connection_selects_no_socket(writelines):
    def check(transport, there):
        there.close()
        transport.write(b'finds out')
        unless_lost(writelines)(transport, [b'too', b'late'])
        assert not is_selected(transport)
        # This is what the fault is.
        as_it_was(transport, [])
        assert is_selected(transport)
        transport._loop._remove_writer(transport._sock_fd)

    with_transport(check)


def test_what_is_written_to_a_connection_arrives():
    def check(transport, there):
        unless_lost(_SelectorSocketTransport.writelines)(
            transport, [b'in', b' time'])
        assert there.recv(100) == b'in time'

    with_transport(check)


# -- A Zope, which is not here


class Zope:
    """As much of a Zope that was started as a worker needs."""

    def __init__(self):
        self.told = []

    def worker(self, *paths, **options):
        self.told.append((paths, options))
        return self

    healthy = True

    def run(self):
        return True


@pytest.mark.parametrize('paths, given', [
    ([], ()), (['/a', '/b', '/a'], ('/a', '/b'))])
def test_a_worker_serves_the_sites_of_a_zope(
        bare_shell, monkeypatch, paths, given):
    @contextmanager
    def started(site):
        assert site.conf == str(Path('zope.conf').resolve())
        yield zope

    zope = Zope()
    monkeypatch.setattr(zope_site.ZopeLocation, 'started', started)
    Path('zope.conf').touch()
    bare_shell('worker', '--zope', 'zope.conf', '--threads', 3, '--name', 'x',
               *(part for path in paths for part in ('--path', path)))
    assert zope.told == [(given, {
        'name': 'x', 'threads': 3, 'lease': None,
        'grace': timedelta(seconds=8)})]


@pytest.mark.parametrize('command', ['worker', 'list'])
def test_a_zope_that_is_missing_is_said(bare_shell, monkeypatch, command):
    monkeypatch.setitem(sys.modules, 'Zope2', None)
    Path('zope.conf').touch()
    bare_shell(command, '--zope', 'zope.conf', code=2)
    assert '--zope needs Zope' in bare_shell.err


def test_a_zope_that_does_not_start_may_do_so_another_time(
        bare_shell, monkeypatch):
    def started(site):
        raise zope_site.ZopeFailed('Zope does not start: it is away')

    monkeypatch.setattr(zope_site.ZopeLocation, 'started', started)
    Path('zope.conf').touch()
    bare_shell('worker', '--zope', 'zope.conf', code=3)
    assert 'Zope does not start: it is away' in bare_shell.err


def test_either_a_database_or_a_zope(bare_shell):
    Path('zope.conf').touch()
    bare_shell('list', '--zope', 'zope.conf', '--db', 'Data.fs', code=2)
    assert '--db and --zope are both given; give one' in bare_shell.err
