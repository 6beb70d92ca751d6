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
"""The command line, as its users see it."""

import errno
import gc
import getpass
import importlib
import io
import json
import logging
import os
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import textwrap
from contextlib import closing
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import ZEO
import ZODB
import ZODB.broken
import zodburi
from BTrees.OOBTree import OOBTree
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from shell import MORNING
from shell import console_blocks
from shell import opened
from shell import pattern
from shell import schedule_one
from transaction import TransactionManager
from zc.lockfile import LockError
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import packed_version
from ZODB.FileStorage.format import TRANS_HDR
from ZODB.FileStorage.format import TRANS_HDR_LEN
from ZODB.POSException import ConflictError
from ZODB.POSException import ReadOnlyError
from ZODB.utils import p64

import zodbschedule.cli
from zodbschedule import CallTask
from zodbschedule import InProgress
from zodbschedule import InvalidTask
from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule import current_run
from zodbschedule.cli import database
from zodbschedule.cli import deep_check
from zodbschedule.cli import format
from zodbschedule.cli import portions
from zodbschedule.cli import process
from zodbschedule.cli import show
from zodbschedule.cli.commands import commands
from zodbschedule.cli.database import DatabaseLocation
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import RunEnded
from zodbschedule.plain_text import MAX_LENGTH
from zodbschedule.reading import one_task
from zodbschedule.reading import tasks
from zodbschedule.reading.attributes import attributes
from zodbschedule.reading.attributes import problem_of
from zodbschedule.reading.tasks import waiting_tasks
from zodbschedule.reading.workers import WorkerCounts
from zodbschedule.reading.workers import count_workers
from zodbschedule.scheduling import turn
from zodbschedule.scheduling.soundness.survey import flaws
from zodbschedule.store.claim import Claim
from zodbschedule.store.history import History
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.store.inspection import task_id
from zodbschedule.store.parked import ParkedTasks


pytestmark = pytest.mark.usefixtures('no_terminal')

DOCS = Path(__file__).parents[2] / 'docs' / 'cli.rst'

def run_process(*args, code=0):
    """Standard output and error of a real process."""
    # It finds what we find, the shop among that.
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, '-m', 'zodbschedule', *map(str, args)],
        env=os.environ | {'PYTHONPATH': path}, capture_output=True,
        text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


# -- init --------------------------------------------------------------------


def test_init_makes_database_and_schedule(bare_shell):
    said = bare_shell('init')
    assert said == f'schedule in {bare_shell.db} was created'
    with opened(bare_shell.db) as root:
        assert isinstance(root['schedule'], Schedule)


def test_init_leaves_a_schedule_that_is_there_alone(shell):
    task = shell('add', 'shop.deliver')
    assert 'already exists' in shell('init')
    assert shell.ids() == [task]


def test_init_puts_the_schedule_where_path_says(bare_shell):
    with opened(bare_shell.db) as root:
        root['app'] = PersistentMapping()
    bare_shell('init', '--path', '/app/plans/')
    with opened(bare_shell.db) as root:
        assert isinstance(root['app']['plans'], Schedule)
    assert bare_shell('list', '--path', 'app/plans') == 'no tasks'


def test_init_does_not_make_what_leads_to_the_schedule(bare_shell):
    assert bare_shell.refuses('init', '--path', 'app/plans') == (
        f"there is no key 'app' in the path app/plans in {bare_shell.db}; "
        f'correct --path, or create the mapping in your application')


def test_init_replaces_nothing_that_is_no_schedule(bare_shell):
    with opened(bare_shell.db) as root:
        root['schedule'] = PersistentMapping()
    assert bare_shell.refuses('init') == (
        f'the object at schedule in {bare_shell.db} is a '
        f'PersistentMapping, not a schedule; correct --path')


# -- add ---------------------------------------------------------------------


def test_add_schedules_a_call_and_prints_its_id(shell, wall_clock):
    task = shell(
        'add', 'shop.restock', '--at', '2030-01-31T10:00+01:00', '--args',
        '["shoes"]', '--kwargs', '{"amount": 3}', '--principal', 'zoe',
        '--description', 'more shoes')
    assert shell.json('show', task) == {
        'id': task, 'time': '2030-01-31T09:00:00Z', 'state': 'waiting',
        'worker': None, 'description': 'more shoes', 'principalId': 'zoe',
        'type': 'zodbschedule.task.CallTask', 'problem': None,
        'key': None, 'recurrence': None, 'function': 'shop.restock',
        'error': None,
        'occurrence': '2030-01-31T09:00:00Z', 'attempt': 1, 'missed': 'one',
        'expires': None, 'retry': None, 'progress': None,
        'pause': None, 'schedule_pause': None, 'parked': [],
        'attributes': {'func': 'shop.restock', 'args': ['shoes'],
                       'kwargs': {'amount': 3}},
        'outcomes': []}


def test_add_without_time_is_due_at_once(shell, wall_clock):
    shell('add', 'shop.deliver')
    assert [row['time'] for row in shell.json('list')] == [
        '2030-01-31T08:00:00Z']


@pytest.mark.parametrize('given, instant', [
    ('+90s', '2030-01-31T08:01:30Z'),
    ('+10m', '2030-01-31T08:10:00Z'),
    ('+1.5h', '2030-01-31T09:30:00Z'),
    ('+2d', '2030-02-02T08:00:00Z'),
    ('2030-06-01T00:00Z', '2030-06-01T00:00:00Z'),
    ('2030-06-01 12:00:00.250+02:00', '2030-06-01T10:00:00.250000Z'),
])
def test_a_time_is_an_offset_or_iso_8601(shell, wall_clock, given, instant):
    shell('add', 'shop.deliver', '--at', given)
    assert [row['time'] for row in shell.json('list')] == [instant]


@pytest.mark.parametrize('given, complaint', [
    ('2030-06-01T09:00', 'the time 2030-06-01T09:00 has no time zone; write '
     '2030-06-01T09:00Z for UTC, or an offset, as in '
     '2030-06-01T09:00+01:00'),
    ('tomorrow', "'tomorrow' is not a time; write 2030-01-31T09:00Z, "
     '2030-01-31T09:00+01:00, or +10m for ten minutes from now'),
    ('+10', '10 is not a duration; write 30s, 5m, 2h or 1d'),
    ('+9999999d', 'the time +9999999d is out of range; write a time between '
     'the years 1 and 9999'),
    (f'+{"9" * 400}d', f'{"9" * 400}d is out of range'),
    ('0001-01-01T00:00+01:00', 'the time 0001-01-01T00:00+01:00 is out of '
     'range; write a time between the years 1 and 9999'),
])
def test_a_time_that_is_none_is_refused(shell, given, complaint):
    assert shell.refuses('add', 'shop.deliver', '--at', given) == complaint
    assert shell.ids() == []


@pytest.mark.parametrize('option, given, complaint', [
    ('--args', '[', 'Expecting value'),
    ('--args', '{}', '{} is not a JSON list; write [1, "two"]'),
    ('--kwargs', '[]', '[] is not a JSON object; write {"name": 1}'),
])
def test_arguments_that_are_no_json_are_refused(
        shell, option, given, complaint):
    assert complaint in shell.refuses('add', 'shop.deliver', option, given)


@pytest.mark.parametrize('function', [
    'shop.nothing', 'no_such_module.function', 'shop', 'shop.SHELF'])
def test_a_function_that_is_not_found_is_refused(shell, function):
    assert function in shell.refuses('add', function)
    assert shell.ids() == []


def test_what_the_command_line_changes_is_in_the_undo_log(shell):
    shell('add', 'shop.deliver')
    db = ZODB.DB(FileStorage(shell.db))
    notes = {each['description'] for each in db.undoLog(0, 10)}
    db.close()
    assert {'zodbschedule init', 'zodbschedule add shop.deliver'} <= notes


# -- list --------------------------------------------------------------------


def test_list_shows_id_time_state_principal_and_what(shell, wall_clock):
    one = shell('add', 'shop.deliver', '--at', '+10m', '--principal', 'zoe')
    two = shell('add', 'shop.restock', '--description', 'first\nof all')
    heading, _, first, second = shell('list').splitlines()
    assert heading.split() == [
        'id', 'time', 'state', 'principal', 'description', 'function']
    assert first.split() == [
        two, '2030-01-31T08:00:00Z', '(now)', 'waiting', 'first', 'of', 'all',
        'shop.restock']
    assert second.split() == [
        one, '2030-01-31T08:10:00Z', '(in', '10', 'min)', 'waiting', 'zoe',
        'shop.deliver']


def test_list_says_how_long_ago_a_time_was(shell, wall_clock):
    shell('add', 'shop.deliver')
    wall_clock.advance(timedelta(hours=3))
    assert '(3 h ago)' in shell('list')


def test_list_takes_inclusive_bounds(shell, wall_clock):
    ids = [shell('add', 'shop.deliver', '--at', f'+{minutes}m')
           for minutes in (1, 2, 3, 4)]
    bounds = ('--from', '+2m', '--until', '+3m')
    assert [row['id'] for row in shell.json('list', *bounds)] == ids[1:3]


def test_list_stops_at_its_limit_and_says_so(shell, wall_clock):
    ids = [shell('add', 'shop.deliver', '--at', f'+{minutes}m')
           for minutes in (1, 2, 3)]
    said = shell('list', '--limit', 2)
    assert ids[1] in said.splitlines()[3]
    assert said.splitlines()[-1] == (
        'there are more than 2; --limit 0 shows all')
    assert [row['id'] for row in shell.json('list', '-n', 2)] == ids[:2]
    assert 'there are more' not in shell('list', '-n', 0)
    assert shell.json('list', '-n', 0) == shell.json('list')


def test_a_table_ends_after_a_screenful_and_json_does_not(shell, monkeypatch):
    monkeypatch.setattr('zodbschedule.cli.options.DEFAULT_LIMIT', 1)
    ids = [shell('add', 'shop.deliver') for _ in range(2)]
    assert 'there are more than 1;' in shell('list')
    assert shell.ids() == ids


def test_list_of_nothing_says_so(shell):
    assert shell('list') == 'no tasks'
    assert shell.json('list') == []


def test_list_names_the_command_for_parked_tasks(shell):
    shell('add', 'shop.deliver')
    shell('process', code=1)
    assert shell('list').splitlines() == [
        'no tasks', 'some tasks are parked; zodbschedule parked lists them']


def test_list_is_not_wrapped_when_it_is_piped(shell):
    shell('add', 'shop.deliver', '--description', 'word ' * 60)
    assert len(shell('list').splitlines()) == 3


def test_wide_characters_take_two_columns(shell):
    for key in '\u65e5\u672c', 'abcd':
        shell('add', 'shop.deliver', '--key', key)
    _, _, *rows = shell('list').splitlines()
    assert {row.partition('shop.deliver')[0].replace(
        '\u65e5\u672c', 'abcd')[-8:] for row in rows} == {'  abcd  '}


def test_list_fits_a_terminal(shell, terminal):
    shell('add', 'shop.deliver', '--description', 'word ' * 60)
    assert len(shell('list').splitlines()) > 4
    assert '\x1b[' in shell.out


def test_a_description_is_shown_and_not_obeyed(shell):
    shell('add', 'shop.deliver', '--description', '[bold]\x1b[2J\a\udc80')
    assert '[bold]\N{REPLACEMENT CHARACTER}[2J' in shell('list')
    assert '\x1b' not in shell.out
    assert shell.json('list')[0]['description'].startswith('[bold]\x1b[2J')


def test_a_narrow_encoding_is_no_obstacle(shell, monkeypatch):
    shell('add', 'shop.deliver', '--description', 'caf\xe9 \N{SNOWMAN}')
    latin = io.TextIOWrapper(io.BytesIO(), 'latin-1')
    monkeypatch.setattr(sys, 'stdout', latin)
    with pytest.raises(SystemExit):
        commands(['list'])
    latin.flush()
    assert b'caf\xe9 \\u2603' in latin.buffer.getvalue()


def test_any_text_stream_will_do_for_output(shell, monkeypatch):
    monkeypatch.setattr(sys, 'stdout', io.StringIO())
    with pytest.raises(SystemExit):
        commands(['list'])
    assert sys.stdout.getvalue() == 'no tasks\n'


def test_a_long_list_does_not_stay_in_memory(shell, wall_clock):
    with opened(shell.db) as root:
        for number in range(300):
            root['schedule'].call(
                'shop.deliver', time=MORNING + timedelta(hours=number))
    db = ZODB.DB(FileStorage(shell.db), cache_size=50)
    with db.transaction() as connection:
        schedule = connection.root()['schedule']
        assert len(list(waiting_tasks(schedule))) == 300
        assert connection._cache.cache_non_ghost_count < 100
    db.close()


def test_a_list_loads_no_more_tasks_than_it_shows(
        shell, wall_clock, monkeypatch):
    for hours in range(9):
        shell('add', 'shop.deliver', '--at', f'+{hours}h')
    read = []
    monkeypatch.setattr(
        tasks, 'waiting_task', lambda schedule, task, instant: (
            read.append(instant), tasks.task_facts(task, instant))[1])
    assert len(shell.json('list', '--limit', 3)) == 3
    assert len(read) <= 4
    read.clear()
    assert 'there are more than 3' in shell('list', '--limit', 3)
    # One more than it shows: so it knows that there are more.
    assert len(read) <= 5


def test_list_imports_only_what_it_needs(shell):
    shell('add', 'shop.deliver')
    printed = subprocess.run(
        [sys.executable, '-X', 'importtime', '-m', 'zodbschedule', 'list'],
        env=os.environ | {'PYTHONPATH': os.pathsep.join(
            filter(None, sys.path))}, capture_output=True, text=True)
    assert 'shop.deliver' in printed.stdout
    imported = {line.rpartition('|')[2].strip()
                for line in printed.stderr.splitlines()}
    assert 'ZODB.DB' in imported
    assert not imported & {'ZEO', 'asyncio', 'zodburi', 'rich.progress',
                           'rich.live', 'zodbschedule.cli.worker'}


# -- what a worker holds -----------------------------------------------------


def looked_at_from_within(*bounds):
    """A task that calls the command line while it runs."""
    with pytest.raises(SystemExit):
        commands(['list', '--json', *bounds])


def test_list_shows_what_is_claimed_and_what_runs(shell, wall_clock, capsys):
    running = shell('add', f'{__name__}.looked_at_from_within')
    claimed = shell('add', 'shop.restock', '--args', '["hats"]')
    later = shell('add', 'shop.deliver', '--at', '+1d')
    said = shell('process')
    rows = json.loads(said[:said.rindex(']') + 1])
    assert [(row['id'], row['state']) for row in rows] == [
        (running, 'running'), (claimed, 'claimed'), (later, 'waiting')]
    assert rows[0]['worker'] and rows[2]['worker'] is None


def plans(ids):
    """A task that schedules another."""
    schedule = current_run().schedule
    task = schedule.call('shop.deliver', time=MORNING)
    schedule._p_jar.add(task)
    ids.append(task_id(task))


def test_what_a_run_has_scheduled_is_claimed_until_the_next_turn(
        shell, wall_clock, capsys):
    with opened(shell.db) as root:
        schedule = root['schedule']
        ids = root['ids'] = PersistentList()
        schedule.call(plans, ids, time=clock.now())
        schedule.call(looked_at_from_within, time=clock.now())
        schedule.call(shown_from_within, ids, time=clock.now())
    said = shell('process')
    planned, = (row for row in json.loads(said[:said.rindex(']') + 1])
                if row['description'] == 'shop.deliver')
    assert planned['state'] == 'claimed'
    assert planned['time'] == f'{MORNING:%Y-%m-%dT%H:%M:%SZ}'
    assert planned['worker']
    assert re.findall(r'^state +(\w+)', said, re.M) == ['claimed']
    rows = json.loads(shell('list', '--json'))
    assert [(row['id'], row['state']) for row in rows] == [
        (planned['id'], 'waiting')]


@pytest.mark.parametrize('bounds', [
    ['--from', '+1m'], ['--until', '2000-01-01T00:00Z']])
def test_the_bounds_of_list_are_for_claimed_tasks_too(
        shell, wall_clock, bounds):
    shell('add', f'{__name__}.looked_at_from_within',
          '--args', json.dumps(bounds))
    shell('add', 'shop.restock', '--args', '["hats"]')
    assert shell('process').startswith('[]')


def shown_from_within(ids):
    """A task that shows itself and others."""
    for id in ids:
        with pytest.raises(SystemExit):
            commands(['show', id])


def test_show_finds_what_a_worker_holds(shell, wall_clock):
    # The ids are known beforehand: the tasks are made together.
    with opened(shell.db) as root:
        schedule = root['schedule']
        ids = []
        first = schedule.call(shown_from_within, ids, time=clock.now())
        second = schedule.call('shop.restock', 'hats', time=clock.now())
        for task in (first, second):
            root._p_jar.add(task)
            ids.append(task_id(task))
        first.args = (ids,)
    states = re.findall(r'^state +(\w+)', shell('process'), re.M)
    assert states == ['running', 'claimed']


def test_a_task_that_comes_next_in_a_claim_is_claimed(shell, wall_clock):
    # As it is between a run and the next turn.
    class Schedule:
        aside = claims = crashes = {}
        workers = ()
        history = History(OOBTree())
        parked = ParkedTasks()

        def get(self, id):
            return task

        def claimed(self):
            return iter(())

        def left_claims(self):
            return iter(())

        def paused(self, task=None):
            return None

        def in_timetable(self, task):
            return None

    with opened(shell.db) as root:
        task = root['schedule'].call('shop.deliver', time=MORNING)
        root._p_jar.add(task)
        Schedule._p_jar = root._p_jar
        assert one_task.task(
            Schedule(), task_id(task)).state == 'claimed'


# -- show --------------------------------------------------------------------


def test_show_tells_people_what_a_task_carries(shell, wall_clock):
    task = shell('add', 'shop.restock', '--args', '["hats"]', '--at', '+10m')
    lines = [line.strip().split(None, 1)
             for line in shell('show', task).splitlines()]
    assert ['id', task] in lines
    assert ['time', '2030-01-31T08:10:00Z (in 10 min)'] in lines
    assert ['state', 'waiting'] in lines
    assert ['func', 'shop.restock'] in lines
    assert ['args', "('hats',)"] in lines
    assert 'principalId' not in shell.out


def test_show_takes_any_way_to_write_an_id(shell):
    task = shell('add', 'shop.deliver')
    assert shell.json('show', f'0x0{task.upper()}')['id'] == task


def test_show_tells_why_a_task_is_parked(shell, wall_clock):
    task = shell('add', 'shop.deliver')
    shell('process', code=1)
    facts = shell.json('show', task)
    assert facts['state'] == 'parked'
    assert facts['reason'] == 'RuntimeError: nobody opens'
    assert facts['traceback'].startswith('Traceback')
    assert facts['attributes'] == {'func': 'shop.deliver'}
    assert [(each['outcome'], each['error']) for each in facts['outcomes']
            ] == [('failed', 'RuntimeError: nobody opens')]
    said = shell('show', task)
    assert 'reason       RuntimeError: nobody opens' in said
    assert '    raise RuntimeError' in said


def test_a_traceback_is_shown_and_not_obeyed(shell, wall_clock):
    task = shell('add', 'shop.bracket')
    shell('process', code=1)
    assert '\nRuntimeError: [/bold]\N{REPLACEMENT CHARACTER}[2J' in shell(
        'show', task)
    assert '\x1b' not in shell.out


def test_show_tells_how_a_task_ended_that_is_there_no_more(
        shell, wall_clock):
    task = shell('add', 'shop.restock', '--args', '["hats"]')
    shell('process')
    assert shell.json('show', task) == {
        'id': task, 'state': 'ended', 'description': 'shop.restock',
        'outcomes': [{
            'id': task, 'outcome': 'succeeded',
            'time': '2030-01-31T08:00:00Z',
            'occurrence': '2030-01-31T08:00:00Z',
            'began': '2030-01-31T08:00:00Z', 'ended': '2030-01-31T08:00:00Z',
            'attempt': 1, 'passed': 0, 'worker': 'process()',
            'description': 'shop.restock', 'principalId': None,
            'error': None, 'type': 'shop.restock'}]}
    assert 'succeeded' in shell('show', f'0x0{task}')


@pytest.mark.parametrize('id', ['fff', 'nonsense', '-', '-1', '1'])
def test_an_id_of_no_task_is_refused(shell, id):
    for command in 'show', 'cancel':
        assert shell.refuses(command, '--', id) == (
            f'there is no task {id} in schedule in {shell.db}; zodbschedule '
            f'list shows the ids')
    for command in 'unpark', 'discard':
        assert shell.refuses(command, '--', id) == (
            f'no task {id} is parked in schedule in {shell.db}; '
            f'zodbschedule parked shows the ids')


# -- tasks that are broken, gone, or strange ---------------------------------


def forget_shop(shell):
    """The module that the tasks are in is no more."""
    sys.modules.pop('shop')
    (shell.folder / 'shop.py').unlink()
    importlib.invalidate_caches()


def delete_record(shell, id):
    """The record of an object is gone; what refers to it is not."""
    storage = FileStorage(shell.db)
    oid = p64(int(id, 16))
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    storage.deleteObject(oid, storage.load(oid)[1], txn)
    storage.tpc_vote(txn)
    storage.tpc_finish(txn)
    storage.close()


@pytest.fixture
def lost(shell, wall_clock):
    """The id of a task whose class cannot be imported."""
    import shop
    task = shop.Errand(description='find me', principalId='zoe')
    task.to = 'the harbour'
    id = schedule_one(shell, task)
    forget_shop(shell)
    yield id
    ZODB.broken.broken_cache.clear()


def test_a_task_whose_class_is_missing_is_shown(shell, lost):
    row, = shell.json('list')
    assert row == {
        'id': lost, 'time': '2030-01-31T08:00:00Z', 'state': 'waiting',
        'worker': None, 'description': 'find me', 'principalId': 'zoe',
        'type': 'shop.Errand', 'problem': 'class missing', 'key': None,
        'recurrence': None, 'function': 'shop.Errand', 'attempt': 1,
        'progress': None, 'error': None}
    assert 'find me (class missing)' in shell('list')
    assert shell.json('show', lost)['attributes'] == {'to': 'the harbour'}
    assert shell('cancel', lost) == f'{lost} was cancelled'


def test_what_a_missing_class_of_call_task_is_for_is_shown(shell):
    import shop
    schedule_one(shell, shop.Order('gc.collect', description='find me'))
    forget_shop(shell)
    assert 'find me (class missing)' in shell('list')
    ZODB.broken.broken_cache.clear()


def test_a_task_whose_class_is_missing_is_not_hastened(shell, lost):
    assert shell.refuses('run-now', lost) == (
        f'task {lost} cannot be changed in this process: shop.Errand cannot '
        f'be imported')


@pytest.mark.parametrize('command', ['pause', 'resume', 'cancel'])
def test_a_task_whose_class_is_missing_can_be_kept_from_running(
        shell, lost, command):
    shell(command, lost)


NO_SHOP = ("shop.deliver cannot be imported: ModuleNotFoundError: No module "
           "named 'shop'")


def test_a_call_whose_function_is_missing_is_shown(shell, wall_clock):
    id = shell('add', 'shop.deliver', '--retry', '2')
    forget_shop(shell)
    [row] = shell.json('list')
    [due] = shell.json('check')['unable']
    shown = shell.json('show', id)
    assert row == due
    assert row['problem'] == shown['problem'] == NO_SHOP
    assert shown['retry']['attempts'] == 2
    assert f'shop.deliver ({NO_SHOP})' in shell('list')
    assert NO_SHOP in ' '.join(shell('show', id).split())
    assert shell('check').startswith('OK: ')
    assert shell.err == (
        f'Warning: task {id} (shop.deliver) cannot run here: {NO_SHOP}\n')


def test_check_does_not_name_what_is_not_due_or_is_paused(shell, wall_clock):
    shell('add', 'shop.deliver', '--at', '2030-01-31T09:00Z')
    shell('pause', shell('add', 'shop.deliver'))
    forget_shop(shell)
    assert len(shell.json('list')) == 2
    assert shell.json('check')['unable'] == []
    assert shell('check')
    assert 'cannot run here' not in shell.err


def test_a_parked_call_whose_function_is_missing_is_shown(shell, wall_clock):
    shell('add', 'shop.deliver')
    shell('process', code=1)
    forget_shop(shell)
    [entry] = shell.json('parked')
    assert entry['problem'] == NO_SHOP


def test_a_call_that_holds_what_is_missing_is_shown(shell):
    import shop
    schedule_one(shell, CallTask(print, [shop.Basket()]))
    forget_shop(shell)
    [row] = shell.json('list')
    assert row['problem'] == (
        'shop.Basket, which it holds, cannot be imported')
    ZODB.broken.broken_cache.clear()


def test_a_call_of_a_method_whose_object_is_gone_is_shown(shell):
    import shop
    errand = shop.Errand()
    with opened(shell.db) as root:
        root['errand'] = errand
        root['schedule'].call(errand.schedule)
    with opened(shell.db) as root:
        id = task_id(root['errand'])
    delete_record(shell, id)
    [row] = shell.json('list')
    assert row['problem'] == 'record gone'


def test_a_parked_task_whose_class_is_missing_is_shown(shell, lost):
    assert 'left for the next call' in shell('process')
    assert shell.json('process', '--until', '+2h', code=1)['failed'] == 1
    entry, = shell.json('parked')
    assert (entry['type'], entry['problem']) == ('shop.Errand',
                                                 'class missing')
    assert 'find me' in shell('parked')
    assert shell.json('show', lost)['attributes'] == {'to': 'the harbour'}
    assert 'shop.Errand cannot be imported' in shell.refuses('unpark', lost)
    assert shell('discard', lost) == f'{lost} was discarded'


def test_a_task_whose_record_is_gone_is_shown(shell, wall_clock):
    import shop
    id = schedule_one(shell, shop.Errand(description='find me'))
    delete_record(shell, id)
    row, = shell.json('list')
    assert (row['id'], row['type'], row['problem'], row['description']) == (
        id, 'shop.Errand', 'record gone', 'shop.Errand')
    assert 'shop.Errand (record gone)' in shell('list')
    assert shell.json('show', id)['attributes'] == {}
    assert shell('cancel', id) == f'{id} was cancelled'


def test_a_parked_task_whose_record_is_gone_is_shown(shell, wall_clock):
    import shop
    id = schedule_one(shell, shop.Errand(description='find me'))
    delete_record(shell, id)
    assert shell.json('process', code=1)['failed'] == 1
    entry, = shell.json('parked')
    assert (entry['id'], entry['problem']) == (id, 'record gone')
    assert 'shop.Errand' in shell('parked')
    assert shell.json('show', id)['state'] == 'parked'
    assert shell('discard', id) == f'{id} was discarded'


def test_a_task_that_cannot_be_loaded_is_shown(shell, wall_clock):
    import shop
    id = schedule_one(shell, shop.Unloadable())
    shop.Unloadable.__setstate__ = shop.refuse
    row, = shell.json('list')
    assert (row['id'], row['problem']) == (
        id, 'cannot be loaded: of another version')


def test_attributes_that_are_not_to_be_had_are_left_out(shell, wall_clock):
    import shop
    id = schedule_one(shell, shop.Strange())
    shop.Strange.description = property(shop.refuse)
    row, = shell.json('list')
    assert (row['description'], row['principalId']) == ('shop.Strange', None)
    assert 'shop.Strange' in shell('list')
    assert shell.json('show', id)['attributes'] == {'state': 'no mapping'}
    assert [line.split() for line in shell('show', id).splitlines()][-2:] == [
        ['type', 'shop.Strange'], [
            'attribute', 'state', 'no', 'mapping']]


def test_arguments_are_shown_that_have_a_record_of_their_own(
        shell, wall_clock):
    import shop
    load = 'x' * 10_000
    attributes = {'args': [load], 'kwargs': {'amount': 3}}
    for cls in CallTask, shop.Order:
        id = schedule_one(shell, cls(
            'shop.restock', [load], {'amount': 3}))
        assert shell.json('show', id)['attributes'] == attributes | {
            'func': 'shop.restock'}
    forget_shop(shell)
    shown = shell.json('show', id)
    assert shown['problem'] == 'class missing'
    assert shown['attributes'].items() >= attributes.items()
    ZODB.broken.broken_cache.clear()


def test_what_json_does_not_know_is_shown_as_text(shell, wall_clock):
    import shop
    task = shop.Errand(description='find me')
    task.to = {('a', 'tuple'): 1}
    task.size = float('nan')
    task.description = 7
    id = schedule_one(shell, task)
    assert shell.json('show', id)['description'] == '7'
    assert shell.json('show', id)['attributes'] == {
        'to': "{('a', 'tuple'): 1}", 'size': 'nan'}


def test_a_task_stands_where_it_was_scheduled_though_its_time_was_changed(
        shell, wall_clock):
    import shop
    id = schedule_one(shell, shop.Errand())
    with opened(shell.db) as root:
        root['schedule'].get(id).time = MORNING + timedelta(days=1)
    assert shell.json('show', id)['time'] == '2030-01-31T08:00:00Z'


@pytest.mark.parametrize('look', [attributes, problem_of])
def test_a_database_that_is_away_is_not_taken_for_a_broken_task(look):
    class Away:
        def _p_activate(self):
            raise ReadOnlyError

        __getstate__ = _p_activate

    with pytest.raises(ReadOnlyError):
        look(Away())


# -- cancel ------------------------------------------------------------------


def test_cancel_removes_a_task(shell):
    one, two = (shell('add', 'shop.deliver') for _ in range(2))
    assert shell('cancel', one) == f'{one} was cancelled'
    assert shell.ids() == [two]


def test_cancel_of_a_parked_task_names_the_commands_to_use(shell):
    task = shell('add', 'shop.deliver')
    shell('process', code=1)
    assert shell.refuses('cancel', task) == (
        f'{task} is parked; use zodbschedule unpark or zodbschedule discard')


def test_a_change_that_conflicts_is_tried_again(shell, monkeypatch):
    conflicts = iter([ConflictError, ConflictError])
    unschedule = Schedule.unschedule

    def contended(self, task, **record):
        for conflict in conflicts:
            raise conflict
        unschedule(self, task, **record)

    task = shell('add', 'shop.deliver')
    monkeypatch.setattr(Schedule, 'unschedule', contended)
    shell('cancel', task)
    assert shell.ids() == []


# -- several tasks at once ---------------------------------------------------


def test_many_tasks_are_cancelled_in_portions(shell, monkeypatch):
    monkeypatch.setattr(portions, 'PORTION', 2)
    for _ in range(5):
        shell('add', 'shop.restock', '--at', '+1d')
    kept = shell('add', 'shop.deliver', '--at', '+1d')
    assert shell('cancel', '--func', 'shop.re*', '--yes') == (
        'cancelled 5 tasks')
    assert shell.ids() == [kept]


def test_what_is_found_is_shown_before_one_question(shell, monkeypatch):
    monkeypatch.setattr(portions, 'SHOWN', 1)
    ids = [shell('add', 'shop.restock', '--at', '+1d') for _ in range(2)]
    monkeypatch.setattr(sys, 'stdin', io.StringIO('y\n'))
    said = shell('cancel', '--all')
    assert 'and 1 more' in said
    assert said.endswith('cancelled 2 tasks')
    assert [line.split()[0] in ids for line in said.splitlines()].count(
        True) == 1


def test_nobody_who_answers_is_no_yes(shell, monkeypatch):
    task = shell('add', 'shop.restock', '--at', '+1d')
    monkeypatch.setattr(sys, 'stdin', io.StringIO(''))
    shell('cancel', '--all', code=2)
    assert 'since nobody answers; give --yes' in shell.err
    assert shell.ids() == [task]


def test_what_cannot_be_unparked_stops_nothing_else(shell):
    blocked = shell('add', 'shop.deliver', '--key', 'hats')
    free = shell('add', 'shop.deliver')
    shell('process', code=1)
    shell('add', 'shop.restock', '--key', 'hats', '--at', '+1d')
    assert shell('unpark', '--all', '--yes', '--at', '+1d', code=2) == (
        'unparked 1 task')
    assert (f"{blocked} was left as it is: the key 'hats' is held by"
            in shell.err)
    assert [row['id'] for row in shell.json('parked')] == [blocked]
    assert free in shell.ids()


def test_what_has_gone_meanwhile_is_said(shell, monkeypatch):
    shell('add', 'shop.restock', '--at', '+1d')
    monkeypatch.setattr(Schedule, 'get', lambda schedule, id: None)
    assert shell('cancel', '--all', '--yes').splitlines() == [
        'cancelled 0 tasks', '1 task had gone meanwhile']


def test_what_the_api_refuses_is_said(shell, monkeypatch):
    def refuse(schedule, task, **record):
        raise InvalidTask('it is odd')

    shell('add', 'shop.restock', '--at', '+1d')
    monkeypatch.setattr(Schedule, 'unschedule', refuse)
    shell('cancel', '--all', '--yes', code=2)
    assert shell.err.strip() == 'Error: it is odd'


def test_what_a_worker_has_taken_is_said(shell, monkeypatch):
    def refuse(schedule, task, **record):
        raise InProgress('it is busy')

    task = shell('add', 'shop.restock', '--at', '+1d')
    monkeypatch.setattr(Schedule, 'change', refuse)
    assert shell.refuses('change', task, '--at', '+2d') == (
        f'{task} runs just now, or is about to, and was left as it is; try '
        f'again when that has ended')


@pytest.mark.parametrize('args', [('',), (), ('2a', '--all')])
def test_it_has_to_be_said_which_tasks_are_meant(shell, args):
    shell('cancel', *args, code=2)
    assert 'Error: ' in shell.err


@pytest.mark.parametrize('args', [(), ('2a', '--key', 'hats')])
def test_show_takes_an_id_or_a_key(shell, args):
    shell('show', *args, code=2)
    assert 'give either the ID of a task, or --key KEY' in shell.err


def test_a_task_is_shown_by_its_key_wherever_it_is(shell, wall_clock):
    assert "with the key 'hats'" in shell.refuses('show', '--key', 'hats')
    task = shell('add', 'shop.deliver', '--key', 'hats')
    assert shell.json('show', '--key', 'hats')['state'] == 'waiting'
    shell('process', code=1)
    found = shell.json('show', '--key', 'hats')
    assert (found['id'], found['state']) == (task, 'parked')


def test_a_change_of_what_does_not_move_says_no_time(shell, wall_clock):
    task = shell('add', 'shop.restock')
    with opened(shell.db) as root:
        claim_elsewhere(root['schedule'], MORNING)
    assert shell('change', task, '--description', 'hats') == (
        f'{task} was changed')


def test_a_setting_that_is_not_valid_is_told(shell):
    with opened(shell.db) as root:
        root['schedule']._p_activate()
        root['schedule'].__dict__['lease'] = 5
        root['schedule']._p_changed = True
    shell('settings')
    assert 'Warning: a setting is not valid' in shell.err
    assert shell('settings', 'history.max_age=none').split()[-8:][0] == 'none'


def test_a_setting_may_be_a_name(shell):
    shell('settings', 'principals=other')
    with opened(shell.db) as root:
        assert root['schedule'].principals == 'other'


def test_a_method_that_is_called_is_shown_beside_its_type(capsys):
    show._show_facts(SimpleNamespace(
        type='zodbschedule.task.CallTask', function='shop.Order.confirm',
        attributes={'func': 'confirm'}), None)
    assert 'function  shop.Order.confirm' in capsys.readouterr().out


# -- process -----------------------------------------------------------------


def restocked(shell):
    return (shell.folder / 'restocked').read_text().splitlines()


def test_process_runs_what_is_due_and_says_how_it_ended(shell, wall_clock):
    shell('add', 'shop.restock', '--args', '["hats"]')
    shell('add', 'shop.restock', '--args', '["shoes", 2]', '--at', '+1d')
    assert shell('process') == '1 succeeded'
    assert restocked(shell) == ['hats 1']
    assert shell('process') == 'no tasks were due'


def test_process_until_a_time_runs_what_is_due_by_then(shell, wall_clock):
    for number in (1, 2, 3):
        shell('add', 'shop.restock', '--args', f'[{number}]',
              '--at', f'+{number}d')
    assert shell('process', '--until', '+2d') == '2 succeeded'
    assert restocked(shell) == ['1 1', '2 1']


def test_process_tells_what_it_parked_and_exits_with_1(shell, wall_clock):
    shell('add', 'shop.restock', '--args', '["hats"]')
    task = shell('add', 'shop.deliver', '--principal', 'zoe')
    assert shell('process', code=1).splitlines() == [
        '1 succeeded, 1 parked', f'parked: {task} RuntimeError: nobody opens']
    assert shell('process') == 'no tasks were due'


def test_process_prints_its_tally_as_json(shell, wall_clock):
    shell('add', 'shop.restock', '--args', '["hats"]')
    task = shell('add', 'shop.deliver', '--principal', 'zoe')
    assert shell.json('process', code=1) == {
        'succeeded': 1, 'retried': 0, 'failed': 1, 'expired': 0, 'left': 0,
        'parked': [{
            'id': task, 'time': '2030-01-31T08:00:00Z',
            'reason': 'RuntimeError: nobody opens',
            'description': 'shop.deliver', 'principalId': 'zoe'}],
        'schedule_pause': None, 'paused': 0, 'claimed': 0}


def claim_elsewhere(schedule, until, name='there:1'):
    """A worker of another machine takes what is due."""
    claim = schedule.claims[name] = Claim(
        name, Incarnation('there', 'another boot', 1, '1'), to_micros(until))
    turn.exchange(schedule, claim, 9, None, until, lambda *task: True)


@pytest.mark.parametrize('options', [(), ('--json',)])
def test_process_is_refused_where_nothing_may_run(
        shell, monkeypatch, options):
    task = shell('add', 'shop.restock', '--args', '["hats"]')
    read_only = '--db', f'file://{shell.db}?read_only=1'
    assert shell.refuses('process', *options, *read_only) == (
        'nothing was run: the database is read-only')
    monkeypatch.setenv('ZODBSCHEDULE_OFF', '1')
    assert shell.refuses('process', *options) == (
        'nothing was run: ZODBSCHEDULE_OFF is set in the environment of this '
        'process')
    assert shell.ids() == [task]


def test_process_says_that_the_schedule_is_paused(shell, wall_clock):
    shell('add', 'shop.restock', '--args', '["hats"]')
    shell('pause', '--all', '--reason', 'we move house')
    first, second = shell('process').splitlines()
    assert first == 'no tasks were run'
    assert second.startswith('the schedule has been paused since 2030-01-31')
    assert second.endswith(': we move house')
    found = shell.json('process')
    assert found['schedule_pause']['reason'] == 'we move house'
    assert found['succeeded'] == 0


def test_process_says_that_due_tasks_are_paused(shell, wall_clock):
    for offset in ('+0s', '+0s', '+1d'):
        shell('pause', shell('add', 'shop.deliver', '--at', offset))
    assert shell('process').splitlines() == [
        'no tasks were run', '2 tasks are due and paused']
    assert shell.json('process')['paused'] == 2
    shell('add', 'shop.restock', '--args', '["hats"]')
    assert shell('process') == '1 succeeded'


def test_process_says_that_due_tasks_are_held_by_others(shell, wall_clock):
    for offset in ('+0s', '+1d'):
        shell('add', 'shop.deliver', '--at', offset)
    with opened(shell.db) as root:
        claim_elsewhere(root['schedule'], MORNING)
    assert shell('process').splitlines() == [
        'no tasks were run', '1 task is due and held by workers']
    assert shell.json('process')['claimed'] == 1


def test_process_says_that_a_signal_has_ended_the_pass(shell, wall_clock):
    shell('add', 'signal.raise_signal', '--args', f'[{int(signal.SIGTERM)}]')
    task = shell('add', 'shop.restock', '--args', '["hats"]')
    assert shell('process').splitlines() == [
        '1 succeeded', 'a signal has ended the pass']
    assert shell.ids() == [task]


def test_process_ends_quietly_when_it_is_interrupted(shell, wall_clock):
    task = shell('add', 'shop.interrupted')
    assert shell('process', code=130) == ''
    assert shell.err == ''
    assert [(row['id'], row['state']) for row in shell.json('list')] == [
        (task, 'waiting')]


def test_a_task_that_exits_is_no_success(shell, wall_clock):
    task = shell('add', 'shop.leave')
    assert shell.refuses('process') == (
        'a task called sys.exit(0); it, and the tasks that did not run, are '
        'back in the schedule')
    assert shell.ids() == [task]


def test_history_shows_what_was_interrupted(shell):
    task = shell('add', 'shop.leave')
    shell.refuses('process')
    [entry] = shell.json('history', '--outcome', 'interrupted')
    assert (entry['id'], entry['attempt']) == (task, 1)
    assert 'it was ended by SystemExit: 0' in shell('history')


def test_a_task_that_ended_its_process_too_often_is_bad_news(shell):
    task = shell('add', 'shop.leave')
    for _ in range(2):
        shell.refuses('process')
    shell.refuses('process')
    assert [entry['id'] for entry in shell.json('parked')] == [task]


def test_process_refuses_what_needs_other_principals(shell):
    with opened(shell.db) as root:
        root['schedule'].principals = 'martian'
    shell('add', 'shop.deliver')
    assert 'martian' in shell.refuses('process')
    assert 'martian' in shell.refuses('process', '--json')


def test_process_shows_a_bar_on_a_terminal_when_it_is_long(
        shell, terminal, monkeypatch):
    monkeypatch.setattr(process, 'BAR_DELAY', 0)
    for _ in range(2):
        shell('add', 'shop.restock', '--args', '["hats"]')
    assert shell('process') == '2 succeeded'
    assert 'processing' in shell.err
    assert '2/2' in shell.err


def test_a_bar_of_very_many_has_no_end(shell, terminal, monkeypatch):
    monkeypatch.setattr(process, 'BAR_DELAY', 0)
    monkeypatch.setattr(process, 'MOST_COUNTED', 1)
    for _ in range(2):
        shell('add', 'shop.restock', '--args', '["hats"]')
    shell('process')
    assert '2/?' in shell.err


def test_a_bar_counts_what_was_interrupted_when_it_is_run_again():
    counted = []
    told = process.each_run(lambda: counted.append(1))
    told(RunEnded('1', 'interrupted', MORNING, 'a', 'a', None, 1, MORNING,
                  'its process has ended'))
    assert counted == []
    told(RunEnded('1', 'succeeded', MORNING, 'a', 'a', None, 1, MORNING, None))
    assert counted == [1]


def test_very_many_due_tasks_are_not_all_loaded_for_the_bar(monkeypatch):
    class Schedule:
        def tasks(self, max):
            yield from range(6)
            raise AssertionError('loaded the seventh of five')

    monkeypatch.setattr(process, 'MOST_COUNTED', 5)
    assert process.count_due(Schedule(), MORNING) is None


def test_process_shows_no_bar_when_it_is_short(shell, terminal):
    shell('add', 'shop.deliver')
    shell('process', code=1)
    assert shell.err == ''


# -- parked, unpark, discard -------------------------------------------------


def test_parked_tells_what_was_set_aside_and_why(shell, wall_clock):
    assert shell('parked') == 'no tasks are parked'
    assert shell.json('parked') == []
    task = shell('add', 'shop.deliver', '--principal', 'zoe')
    wall_clock.advance(timedelta(hours=3))
    shell('process', code=1)
    heading, _, row = shell('parked').splitlines()
    assert heading.split() == [
        'id', 'occurrence', 'parked', 'description', 'reason']
    assert row.split() == [
        task, '2030-01-31T08:00:00Z',
        '2030-01-31T11:00:00Z', '(now)', 'shop.deliver', 'RuntimeError:',
        'nobody', 'opens']
    entry, = shell.json('parked')
    assert entry['traceback'].startswith('Traceback')
    assert entry | {'traceback': ''} == {
        'id': task, 'task': task, 'time': '2030-01-31T08:00:00Z',
        'parked_at': '2030-01-31T11:00:00Z', 'state': 'parked',
        'reason': 'RuntimeError: nobody opens', 'traceback': '',
        'description': 'shop.deliver', 'principalId': 'zoe',
        'type': 'zodbschedule.task.CallTask',
        'function': 'shop.deliver', 'problem': None,
        'occurrence': None, 'key': None, 'recurrence': None}


def test_unpark_schedules_a_task_for_the_time_that_it_had(shell, wall_clock):
    task = shell('add', 'shop.deliver')
    wall_clock.advance(timedelta(hours=3))
    shell('process', code=1)
    assert shell('unpark', task) == (
        f'{task} is scheduled for 2030-01-31T08:00:00Z (3 h ago)')
    assert shell.ids() == [task]
    assert shell('parked') == 'no tasks are parked'


def test_unpark_schedules_a_task_for_another_time(shell, wall_clock):
    task = shell('add', 'shop.deliver')
    shell('process', code=1)
    assert shell('unpark', task, '--at', '+90s') == (
        f'{task} is scheduled for 2030-01-31T08:01:30Z (in 1 min)')
    assert shell.json('list')[0]['time'] == '2030-01-31T08:01:30Z'


def test_unpark_names_the_task_that_holds_the_key(shell):
    task = shell('add', 'shop.deliver', '--key', 'k')
    shell('process', code=1)
    other = shell('add', 'shop.deliver', '--key', 'k')
    assert shell.refuses('unpark', task) == (
        f"{task} was left as it is: the key 'k' is held by task {other}, "
        f"which waits; try again when that has run, or cancel it first, with: "
        f"zodbschedule cancel {other}")
    assert len(shell.json('parked')) == 1


def test_discard_forgets_a_parked_task(shell):
    task = shell('add', 'shop.deliver')
    shell('process', code=1)
    assert shell('discard', task) == f'{task} was discarded'
    assert shell('parked') == 'no tasks are parked'
    assert shell.ids() == []


# -- check -------------------------------------------------------------------


def test_check_is_fine_while_tasks_are_processed_in_time(shell, wall_clock):
    assert shell('check') == 'OK: no task is due; no workers are registered'
    task = shell('add', 'shop.deliver')
    wall_clock.advance(timedelta(minutes=5))
    assert shell('check') == (
        f'OK: task {task} (shop.deliver) has been due for 5 min (allowed: '
        f'5 min); no workers are registered')
    assert shell.json('check') == {
        'ok': True, 'problems': [], 'max_overdue': 300.0,
        'max_parked': None, 'min_workers': None, 'more_overdue': 0,
        'now': '2030-01-31T08:05:00Z', 'overdue': 300.0,
        'task': {'id': task, 'description': 'shop.deliver',
                 'function': 'shop.deliver', 'time': '2030-01-31T08:00:00Z',
                 'worker': None},
        'overdue_unknown': False, 'next_due': None, 'parked': 0,
        'workers': {'alive': 0, 'silent': 0, 'dead': 0, 'idle': 0},
        'pause': None,
        'unable': [], 'paused_tasks': [], 'first_pause': None,
        'dead_holders': [], 'unfit_settings': [], 'address_unset': False,
        'hints': [], 'clock_problems': [], 'packs_badly': False}


def test_check_exits_with_1_if_a_task_is_overdue(shell, wall_clock):
    task = shell('add', 'shop.deliver', '--description', 'order 8')
    wall_clock.advance(timedelta(minutes=6))
    assert shell('check', code=1) == (
        f"OVERDUE: task {task} 'order 8' (shop.deliver) has been due for 6 "
        f'min (allowed: 5 min); no workers are registered')
    assert shell.json('check', code=1)['ok'] is False
    assert shell('check', '--max-overdue', '10m')
    assert shell('check', '--max-overdue', '0s', code=1)


def test_check_says_which_worker_holds_what_is_overdue(shell, wall_clock):
    task = shell('add', 'shop.deliver')
    shell('add', 'shop.restock', '--at', '+1m')
    with opened(shell.db) as root:
        claim_elsewhere(root['schedule'], MORNING)
    wall_clock.advance(timedelta(minutes=6))
    assert shell('check', code=1) == (
        f'OVERDUE: task {task} (shop.deliver), held by there:1, has been due '
        f'for 6 min (allowed: 5 min); no workers are alive, 1 is silent')
    assert shell.json('check', code=1)['task']['worker'] == 'there:1'


def test_check_names_a_task_whose_class_is_missing(shell, lost, wall_clock):
    wall_clock.advance(timedelta(days=1))
    assert f"task {lost} 'find me' (shop.Errand) has been due for " in (
        shell('check', code=1))


def test_check_exits_with_1_if_too_many_tasks_are_parked(shell, wall_clock):
    for _ in range(2):
        shell('add', 'shop.deliver')
    shell('process', code=1)
    assert shell('check').startswith('OK: no task is due; 2 tasks are parked;')
    assert shell('check', '--max-parked', 2).startswith('OK: ')
    assert shell('check', '--max-parked', 1, code=1) == (
        'TOO MANY PARKED: no task is due; 2 tasks are parked (allowed: 1); '
        'no workers are registered')
    found = shell.json('check', '--max-parked', 1, code=1)
    assert (found['ok'], found['parked'], found['max_parked']) == (False, 2, 1)


def test_check_exits_with_1_if_too_few_workers_are_alive(shell):
    with opened(shell.db) as root:
        claim_elsewhere(root['schedule'], MORNING)
    assert shell('check', '--min-workers', 1) == (
        'OK: no task is due; 1 worker is alive (needed: 1)')
    assert shell('check', '--min-workers', 2, code=1) == (
        'TOO FEW WORKERS: no task is due; 1 worker is alive (needed: 2)')
    found = shell.json('check', '--min-workers', 2, code=1)
    assert (found['ok'], found['workers']['alive'], found['min_workers']) == (
        False, 1, 2)


def test_check_says_all_that_is_wrong(shell, wall_clock):
    shell('add', 'shop.deliver')
    shell('process', code=1)
    shell('add', 'shop.deliver')
    wall_clock.advance(timedelta(minutes=6))
    said = shell('check', '--max-parked', 0, '--min-workers', 1, code=1)
    assert said.startswith('OVERDUE, TOO MANY PARKED, TOO FEW WORKERS: task ')


def test_check_says_that_a_stored_setting_is_not_valid(shell):
    with closing(ZODB.DB(FileStorage(shell.db))) as db:
        with db.transaction() as connection:
            schedule = connection.root()['schedule']
            schedule._p_activate()
            vars(schedule)['lease'] = 60
            schedule._p_changed = True
    assert shell('check').startswith('OK: ')
    assert shell.err == (
        'Warning: a setting is not valid, and its default is used: lease is '
        '60; it has to be a timedelta of 0:00:01 or more, such as '
        'timedelta(seconds=60)\n')
    assert len(shell.json('check')['unfit_settings']) == 1


def test_check_names_the_tasks_that_a_clock_which_was_ahead_has_placed(
        shell, wall_clock):
    add = 'add', 'shop.restock', '--args', '["hats"]', '--every', '1h', '--at'
    shell(*add, '2030-01-31T07:00Z')
    shell(*add, '2099-01-01T00:00Z')
    wall_clock.advance(timedelta(days=5000))
    shell('process')
    wall_clock.advance(-timedelta(days=5000))
    assert shell('check').startswith('OK: ')
    assert shell.err.count('Warning') == 1
    assert 'Warning: repeating tasks that wait too far ahead' in shell.err
    assert ': 1; the first is task ' in shell.err
    assert '(shop.restock), which waits for 2043-' in shell.err
    assert 'schedule.refresh()' in shell.err
    assert len(shell.json('check')['clock_problems']) == 1


def test_check_names_the_claim_whose_sign_of_life_is_from_the_future(
        shell, wall_clock):
    with closing(ZODB.DB(FileStorage(shell.db))) as db:
        with db.transaction() as connection:
            connection.root()['schedule'].claims['c'] = Claim(
                'night', Incarnation('far', 'another boot pid:[1]', 7, '1'))
    wall_clock.set(datetime.now(UTC))
    shell('check')
    assert shell.err == ''
    wall_clock.advance(-timedelta(minutes=20))
    assert shell('check').startswith('OK: ')
    assert ('Warning: the last sign of life of worker night (process 7 on '
            'far) is from the future, ') in shell.err
    assert len(shell.json('check')['clock_problems']) == 1


def state(condition, name='there:1', pid=1):
    return SimpleNamespace(
        name=name, host='there', pid=pid, state=condition)


@pytest.mark.parametrize('states, counts, said', [
    ([], (0, 0, 0), 'no workers are registered'),
    ([state('idle', 'process()')], (0, 0, 0), 'no workers are registered'),
    ([state('idle'), state('silent')], (0, 1, 0),
     'no workers are alive, 1 is silent'),
    ([state('silent'), state('working')], (1, 0, 0), '1 worker is alive'),
    ([state('working'), state('dead')], (0, 0, 1),
     'no workers are alive, 1 is dead'),
    ([state('idle'), state('working', pid=2), state('dead', 'a', 3),
      state('dead', 'b', 3), state('silent', 'c')],
     (2, 1, 2, 1),
     '2 workers are alive, 1 is silent, 2 are dead')])
def test_a_worker_is_what_its_threads_tell(states, counts, said):
    found = count_workers(states)
    assert found == WorkerCounts(*counts)
    assert format.workers(found) == said


@pytest.mark.parametrize('condition, seconds, words', [
    ('working', 20, 'working'),
    ('idle', 840, 'idle for 14 min'),
    ('silent', 60, 'silent for 1 min'),
    ('silent', -7200, 'silent, by a clock that is 2 h ahead'),
    ('dead', 3600, 'dead, silent for 1 h')])
def test_the_state_of_a_worker_in_words(condition, seconds, words):
    assert format.worker(condition, timedelta(seconds=seconds)) == words


def test_check_refuses_what_is_no_duration(shell):
    assert shell.refuses('check', '--max-overdue', 'long') == (
        'long is not a duration; write 30s, 5m, 2h or 1d')


# -- where the schedule is, and is not ---------------------------------------


EVERY_COMMAND = (
    ('add', 'shop.deliver'), ('list',), ('show', '1'), ('cancel', '1'),
    ('process',), ('parked',), ('unpark', '1'), ('discard', '1'), ('check',),
    ('pause', '--all'), ('resume', '1'), ('run-now', '1'), ('history',),
    ('forecast',), ('workers',), ('workers', '--recover', 'a'))


@pytest.mark.parametrize('command', EVERY_COMMAND)
def test_only_init_makes_a_database(bare_shell, command):
    assert bare_shell.refuses(*command) == (
        f'there is no database at {bare_shell.db}; create one with: '
        f'zodbschedule init')
    assert os.listdir(bare_shell.folder) == ['shop.py']


@pytest.mark.parametrize('command', EVERY_COMMAND)
def test_a_missing_schedule_is_said_with_the_remedy(bare_shell, command):
    with opened(bare_shell.db):
        pass
    assert bare_shell.refuses(*command) == (
        f'there is no schedule at schedule in {bare_shell.db}; create one '
        f'with: zodbschedule init')


@pytest.mark.parametrize('path, complaint', [
    ('text/schedule', "'schedule' in the path text/schedule in {db} would be "
     "in a str, which is not a mapping; correct --path"),
    ('text', 'the object at text in {db} is a str, not a schedule; correct '
     '--path'),
    ('missing/schedule',
     "there is no key 'missing' in the path missing/schedule in {db}; correct "
     "--path, or create the mapping in your application"),
    ('/', "--path '/' has no key; write, for example, --path schedule"),
])
def test_a_path_that_leads_nowhere_is_said(shell, path, complaint):
    with opened(shell.db) as root:
        root['text'] = 'a text'
    assert shell.refuses('list', '--path', path) == complaint.format(
        db=shell.db)


@pytest.mark.parametrize('mapping', [PersistentMapping, OOBTree])
def test_a_path_that_leads_through_damage_is_said(shell, mapping):
    with opened(shell.db) as root:
        gone = root['gone'] = mapping()
        root._p_jar.add(gone)
    id = task_id(gone)
    delete_record(shell, id)
    assert shell.refuses('list', '--path', 'gone/schedule') == (
        f'the database is damaged: object 0x{id.zfill(2)} is missing; '
        f'restore it from a backup')


def test_what_leads_through_damage_may_be_mended(shell):
    with opened(shell.db) as root:
        gone = root['gone'] = PersistentMapping()
        root._p_jar.add(gone)
    delete_record(shell, task_id(gone))
    with closing(ZODB.DB(FileStorage(shell.db))) as db:
        with db.transaction() as connection:
            database.refuse_other(
                connection, DatabaseLocation(shell.db, 'gone/b'))


def test_the_database_has_to_be_named(bare_shell, monkeypatch):
    monkeypatch.delenv('ZODBSCHEDULE_DB')
    bare_shell('list', code=2)
    assert 'no database is given; give --db URI' in bare_shell.err
    bare_shell('list', '--db', 'file://Data.fs', code=2)
    assert 'no database at Data.fs' in bare_shell.err


@pytest.mark.parametrize('uri, complaint', [
    ('gopher://x', "the URI scheme 'gopher' is unknown; use one of demo, "
     'file, '),
    ('file:Data.fs', 'the URI file:Data.fs is invalid: '),
    ('file://Data.fs?colour=red', 'the URI file://Data.fs?colour=red is '
     'invalid: Unrecognized database keyword(s): colour'),
    ('zeo://localhost:port', 'is invalid: Port could not be cast'),
    ('zconfig:///nowhere.conf', 'is invalid: error opening file'),
    ('sqlite://', 'there is no database at main.sqlite3'),
    ('postgres://me:secret@127.0.0.1:1/db',
     'cannot open postgres://me:***@127.0.0.1:1/db: '),
    ('zeo://127.0.0.1:1?wait_timeout=1&password=secret',
     'cannot open zeo://127.0.0.1:1?wait_timeout=1&password=***: timed out'),
])
def test_a_uri_that_opens_nothing_is_said_in_a_line(
        bare_shell, uri, complaint):
    line = bare_shell.refuses('list', '--db', uri)
    assert complaint in line
    assert 'secret' not in line


@pytest.mark.filterwarnings('ignore:unclosed file')
@pytest.mark.parametrize('content, complaint', [
    ('', 'is empty'),
    ('this is no database', 'Data.fs is no database: the file is of another '
     'kind, or its beginning is damaged; correct --db, or restore it from a '
     'backup'),
])
def test_a_file_that_is_no_database_is_said(bare_shell, content, complaint):
    Path(bare_shell.db).write_text(content)
    assert complaint in bare_shell.refuses('list')
    gc.collect()  # FileStorage has not closed its file


def damage_first_record(path):
    """Give it a version, which no storage has had for long."""
    with open(path, 'r+b') as file:
        begin = len(packed_version)
        file.seek(begin)
        *_, user, description, extension = struct.unpack(
            TRANS_HDR, file.read(TRANS_HDR_LEN))
        file.seek(begin + TRANS_HDR_LEN + user + description + extension + 32)
        file.write(b'??')


@pytest.mark.filterwarnings('ignore:unclosed file')
@pytest.mark.parametrize('command', ['list', 'process'])
def test_a_damaged_file_is_said(shell, command):
    Path(f'{shell.db}.index').unlink()
    damage_first_record(shell.db)
    said = shell.refuses(command)
    assert said.startswith(f'file://{shell.db} is damaged: ')
    assert said.endswith('; restore it from a backup')
    gc.collect()  # FileStorage has not closed its file


def test_a_folder_is_no_database(bare_shell):
    Path(bare_shell.db).mkdir()
    assert bare_shell.refuses('list') == (
        f"cannot open file://{bare_shell.db}: [Errno 21] Is a directory: "
        f"'{bare_shell.db}'")


@pytest.mark.parametrize('command', [
    ('list',), ('list', '--json'), ('history',), ('forecast',),
    ('explain', 'every 15m')])
def test_a_limit_beyond_all_rows_is_refused(shell, command):
    assert shell(*command, '-n', 10 ** 20, code=2) == ''
    assert f"'-n' / '--limit': {10 ** 20} is not in the range" in shell.err


TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


@pytest.mark.parametrize('keep_history', [0, 1])
@pytest.mark.parametrize('form', ['sqlite', 'zconfig'])
def test_what_only_looks_makes_no_tables(bare_shell, form, keep_history):
    file = bare_shell.folder / 'main.sqlite3'
    file.touch()
    conf = bare_shell.folder / 'zodb.conf'
    conf.write_text(
        f'%import relstorage\n<relstorage>\n'
        f'keep-history {bool(keep_history)}\n'
        f'<sqlite3>\ndata-dir {bare_shell.folder}\n</sqlite3>\n'
        f'</relstorage>\n')
    uri = {'sqlite': f'sqlite://?data_dir={bare_shell.folder}&keep_history='
                     f'{keep_history}', 'zconfig': f'zconfig://{conf}'}[form]
    said = bare_shell.refuses('list', '--db', uri)
    assert said.startswith(f'cannot open {uri}: ')
    assert said.endswith(
        'if it is empty, create a schedule with: zodbschedule init')
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute(TABLES).fetchall() == []
    bare_shell('init', '--db', uri)
    assert bare_shell('list', '--db', uri) == 'no tasks'


def test_what_fails_while_it_is_opened_leaves_no_lock(shell, monkeypatch):
    with monkeypatch.context() as patches:
        patches.setattr(database, 'DB', len)
        assert 'TypeError' in shell.refuses('cancel', '1')
    assert shell('add', 'shop.deliver')


def test_output_that_nobody_reads_is_no_error(shell, monkeypatch):
    def closed(*args):
        raise BrokenPipeError(errno.EPIPE, 'Broken pipe')

    monkeypatch.setattr('zodbschedule.cli.output.show', closed)
    monkeypatch.setattr(sys, 'stdout', sys.stdout)  # click wraps it
    monkeypatch.setattr(sys, 'stderr', sys.stderr)
    shell('list', code=141)
    assert shell.err == ''


@pytest.mark.parametrize('options', [(), ('--json',)])
def test_a_pipe_that_is_closed_is_no_alert(shell, options):
    for _ in range(3):
        shell('add', 'shop.restock', '--at', '+1d')
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, 'w') as closed:
        done = subprocess.run(
            [sys.executable, '-m', 'zodbschedule', 'list', *options],
            stdout=closed, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (141, '')


def test_an_unexpected_error_is_a_line_and_not_exit_code_1(
        shell, monkeypatch):
    def fail(*args):
        raise ZeroDivisionError('so\nthere')

    monkeypatch.setattr(Schedule, 'getTaskTimes', fail)
    assert shell.refuses('list') == 'ZeroDivisionError: so there'


def test_a_very_long_error_is_cut(shell):
    assert len(shell.refuses('add', 'x' * 1000)) <= MAX_LENGTH + 1


@pytest.mark.parametrize('uri', [
    '{folder}/Data.fs', 'Data.fs', 'file://{folder}/Data.fs',
    'file://{folder}/Data.fs?connection_cache_size=100',
    'sqlite://?data_dir={folder}/lite&keep_history=0',
    'zconfig://{folder}/zodb.conf#main'])
def test_every_kind_of_uri_will_do(bare_shell, uri, monkeypatch):
    (bare_shell.folder / 'zodb.conf').write_text(
        '<zodb main>\n<filestorage>\npath Data.fs\n</filestorage>\n</zodb>\n')
    monkeypatch.setenv(
        'ZODBSCHEDULE_DB', uri.format(folder=bare_shell.folder))
    bare_shell.refuses('process')
    bare_shell('init')
    task = bare_shell('add', 'shop.deliver')
    assert bare_shell.ids() == [task]
    assert bare_shell('process', code=1)
    assert bare_shell.json('parked')[0]['id'] == task


def test_a_plain_file_is_opened_with_the_options_of_zodburi(bare_shell):
    bare_shell('init')
    uri = f'file://{bare_shell.folder}/./Data.fs'
    factory, options = zodburi.resolve_uri(uri)
    with closing(ZODB.DB(factory(), **options)) as expected:
        known = path_and_sizes(expected)
    with closing(database.open_database(
            uri, database.Access.CHANGE)) as opened_by_us:
        assert path_and_sizes(opened_by_us) == known


def path_and_sizes(db):
    return (db.storage.getName(), db.getCacheSize(), db.getPoolSize(),
            db.database_name)


def test_a_database_in_memory_lasts_for_a_command(bare_shell):
    assert 'was created' in bare_shell('init', '--db', 'memory://')


@pytest.fixture
def zeo(tmp_path):
    """The URI of a ZEO server."""
    address, stop = ZEO.server(str(tmp_path / 'zeo.fs'))
    yield f'zeo://{address[0]}:{address[1]}'
    stop()


def test_zeo_will_do(bare_shell, zeo, monkeypatch):
    monkeypatch.setenv('ZODBSCHEDULE_DB', zeo)
    bare_shell('init')
    task = bare_shell('add', 'shop.deliver')
    assert bare_shell.ids() == [task]
    assert bare_shell('process', code=1)
    assert bare_shell('discard', task)


@pytest.mark.parametrize('scheme', ['file', 'zconfig', 'sqlite', 'zeo'])
def test_what_only_looks_opens_the_database_read_only(
        bare_shell, scheme, zeo, monkeypatch):
    (bare_shell.folder / 'zodb.conf').write_text(
        '<filestorage>\npath Data.fs\n</filestorage>\n')
    monkeypatch.setenv('ZODBSCHEDULE_DB', {
        'file': 'file://Data.fs', 'zconfig': 'zconfig://zodb.conf',
        'sqlite': f'sqlite://?data_dir={bare_shell.folder}', 'zeo': zeo,
    }[scheme].replace('zconfig://', f'zconfig://{bare_shell.folder}/'))
    bare_shell('init')
    task = bare_shell('add', 'shop.deliver')
    seen = []
    find = database.DatabaseLocation.find

    def spy(place, connection):
        seen.append(connection.isReadOnly())
        return find(place, connection)

    monkeypatch.setattr(database.DatabaseLocation, 'find', spy)
    for command in (
            'list', 'parked', 'check', 'history', 'forecast', 'workers'):
        bare_shell(command)
    bare_shell('show', task)
    assert seen == [True] * 7
    bare_shell('cancel', task)
    assert seen == [True] * 7 + [False]


@pytest.mark.parametrize('given, resolved', [
    ('zeo://localhost', 'zeo://localhost?wait_timeout=5&read_only=1'),
    ('zeo://localhost?wait_timeout=1',
     'zeo://localhost?wait_timeout=1&read_only=1'),
    ('postgres://localhost/db',
     'postgres://localhost/db?connect_timeout=10&read_only=1'),
    ('postgres://localhost/db?connect_timeout=1',
     'postgres://localhost/db?connect_timeout=1&read_only=1'),
    ('zeo://localhost?read_only_fallback=0',
     'zeo://localhost?read_only_fallback=0&wait_timeout=5&read_only=1'),
    ('file://Data.fs?quota=10', 'file://Data.fs?quota=10&read_only=1'),
    ('memory://', 'memory://'),
])
def test_what_only_looks_says_so_in_the_uri(
        bare_shell, given, resolved, monkeypatch):
    def resolve(uri):
        raise ValueError(f'asked for {uri}')

    monkeypatch.setattr(zodburi, 'resolve_uri', resolve)
    assert bare_shell.refuses('list', '--db', given).endswith(
        f'asked for {resolved}')


@pytest.mark.parametrize('given, resolved', [
    ('zeo://localhost', 'zeo://localhost?wait_timeout=5&read_only_fallback=1'),
    ('zeo://localhost?read_only=1',
     'zeo://localhost?read_only=1&wait_timeout=5')])
def test_what_changes_finds_a_server_that_is_read_only(
        bare_shell, given, resolved, monkeypatch):
    def resolve(uri):
        raise ValueError(f'asked for {uri}')

    monkeypatch.setattr(zodburi, 'resolve_uri', resolve)
    assert bare_shell.refuses('pause', '--all', '--db', given).endswith(
        f'asked for {resolved}')


def test_a_read_only_database_is_said(shell):
    assert shell.refuses(
        'add', 'shop.deliver', '--db', f'file://{shell.db}?read_only=1') == (
        'the database is read-only; to change it, open it, or have its server '
        'open it, without read_only')


def test_a_locked_database_can_only_be_looked_at(shell):
    task = shell('add', 'shop.deliver')
    with opened(shell.db):
        assert shell.refuses('cancel', task) == (
            f'{shell.db} is in use by another process ({os.getpid()}); stop '
            f'that process, or share the database through ZEO (commands that '
            f'only read work meanwhile)')
        assert shell.ids() == [task]


def test_a_lock_that_names_no_process_is_one_all_the_same(
        shell, monkeypatch):
    def locked(*args):
        raise LockError('somebody')

    monkeypatch.setattr(database, 'open_database', locked)
    assert 'is in use by another process;' in shell.refuses('list')


# -- real processes ----------------------------------------------------------


def test_a_process_ends_with_its_exit_code_and_no_traceback(shell):
    task = run_process('add', 'shop.deliver')[0].strip()
    said, errors = run_process('process', code=1)
    assert (said.splitlines()[0], errors) == ('1 parked', '')
    _, errors = run_process('cancel', task, code=2)
    assert errors == (
        f'Error: {task} is parked; use zodbschedule unpark or zodbschedule '
        f'discard\n')


def test_another_process_has_the_lock(shell):
    holder = subprocess.Popen(
        [sys.executable, '-c',
         'import sys\n'
         'from ZODB.FileStorage.FileStorage import FileStorage\n'
         'storage = FileStorage(sys.argv[1])\n'
         'print("locked", flush=True)\n'
         'sys.stdin.read()\n'
         'storage.close()\n', shell.db],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout.readline() == 'locked\n'
        _, error = run_process('add', 'gc.collect', code=2)
        assert f'in use by another process ({holder.pid})' in error
        assert error.count('\n') == 1
        said, _ = run_process('list')
        assert said == 'no tasks\n'
        holder.stdin.close()


def test_a_server_that_is_not_there_is_said_in_a_line():
    _, error = run_process(
        'list', '--db', 'zeo://127.0.0.1:1?wait_timeout=1', code=2)
    assert error.startswith('Error: cannot open zeo://127.0.0.1:1')
    assert error.count('\n') == 1


def test_the_log_is_shown_only_if_asked_for(shell):
    run_process('add', 'shop.deliver')
    _, errors = run_process('-v', 'process', code=1)
    assert '(shop.deliver) was parked' in errors and 'Traceback' in errors
    _, errors = run_process('-v', 'show', '0', code=2)
    assert 'Traceback' in errors
    assert errors.splitlines()[-1].startswith('Error: there is no task 0')


def test_verbose_sets_the_log_up(shell, monkeypatch):
    asked = []
    monkeypatch.setattr(
        logging, 'basicConfig', lambda **options: asked.append(options))
    shell('--verbose', 'list')
    assert [options['level'] for options in asked] == [logging.INFO]


# -- the extra that may be missing -------------------------------------------


def test_a_missing_extra_is_said_with_the_remedy(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'rich', None)
    monkeypatch.setitem(sys.modules, 'zodburi', None)
    with pytest.raises(SystemExit) as ended:
        zodbschedule.cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "zodbschedule: the command line needs rich, zodburi: "
        "pip install 'zodbschedule[cli]'\n")


def test_main_runs_the_command_that_the_process_was_called_with(
        shell, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['/usr/bin/zodbschedule', 'check'])
    with pytest.raises(SystemExit):
        zodbschedule.cli.main()
    assert capsys.readouterr().out == (
        'OK: no task is due; no workers are registered\n')


def test_help_documents_the_exit_codes(shell):
    for args in ('--help',), ('process', '-h'), ('check', '--help'):
        assert '1    a task was parked by this call' in shell(*args)


# -- the documentation -------------------------------------------------------


def translated(text, ids):
    """With the ids that the tasks have, instead of those of the page."""
    return re.sub(r'\b[\da-f]+\b', lambda shown: ids.get(
        shown[0], shown[0]), text)


def test_every_session_of_the_documentation_is_true(
        bare_shell, wall_clock, monkeypatch):
    page = DOCS.read_text()
    listing, = re.findall(
        r'^\.\. code-block:: python\n +:caption: shop.py\n\n'
        r'((?:    .*\n|\n)+)', page, re.M)
    (bare_shell.folder / 'shop.py').write_text(textwrap.dedent(listing))
    monkeypatch.delenv('ZODBSCHEDULE_DB')
    monkeypatch.setattr(getpass, 'getuser', lambda: 'zoe')
    code, ids, steps = 0, {}, 0
    for command, expected in console_blocks(page):
        steps += 1
        match command:
            case 'export', setting:
                name, _, value = setting.partition('=')
                monkeypatch.setenv(name, value)
                ids.clear()
            case 'echo', '$?':
                assert expected == str(code)
            case _:
                args = command[1:]
                with pytest.raises(SystemExit) as ended:
                    commands([translated(arg, ids) if re.match(
                        r'\w+(-\w+Z)?$', arg) else arg for arg in args])
                code = ended.value.code
                printed = ''.join(bare_shell.capsys.readouterr()).strip()
                if args[0] == 'add' and code == 0:
                    # The page shows ids of its own.
                    ids.setdefault(expected, printed)
                expected = translated(expected, ids)
                assert re.fullmatch(pattern(expected), printed, re.S), (
                    f'{command} printed:\n{printed}\nnot:\n{expected}')
    assert steps > 10


# -- check --deep


def plant(shell, *functions):
    """Change what the schedule consists of."""
    with opened(shell.db) as root:
        schedule = root['schedule']
        for function in functions:
            function(schedule)


def twice(schedule):
    """The first task waits at a second instant, too."""
    schedule.timetable.add(MORNING + timedelta(days=1), [next(iter(schedule))])


def later(schedule):
    """The first task waits later than it says."""
    task = next(iter(schedule))
    schedule.timetable.remove(MORNING, task)
    schedule.timetable.add(MORNING + timedelta(days=1), [task])


def a_crash_is_left(schedule):
    schedule.crashes[0x99] = 1, next(iter(schedule))


def test_a_deep_check_finds_a_sound_schedule(shell):
    schedule_one(shell, CallTask('shop.restock', ['hats'], time=MORNING))
    sound = 'OK: 1 task was checked; the schedule is sound'
    assert shell('check', '--deep') == sound
    assert shell('check', '--deep', '--mend') == sound
    assert shell('check', '--deep', '--json') == '[]'


def test_a_deep_check_says_what_is_wrong_and_what_mending_does(shell):
    id = schedule_one(shell, CallTask(
        'shop.restock', ['hats'], time=MORNING))
    plant(shell, twice, a_crash_is_left)
    summary, *lines, last = shell('check', '--deep', code=1).splitlines()
    assert summary == 'FLAWED: 1 task was checked; 3 flaws were found'
    assert lines[0] == (
        f'two-places: {id} shop.restock: the task waits at 2030-01-31 '
        f'08:00:00+00:00, and also waits at 2030-02-01 08:00:00+00:00; '
        f'mending: it only waits at 2030-01-31 08:00:00+00:00')
    assert lines[1].startswith(f'wrong-stamp: {id} shop.restock: ')
    assert lines[2].startswith('stray-crash: 99 shop.restock: ')
    assert last.endswith('run: zodbschedule check --deep --mend')
    rows = shell.json('check', '--deep', code=1)
    assert [(row['kind'], row['task'], row['mended']) for row in rows] == [
        ('two-places', id, False), ('wrong-stamp', id, False),
        ('stray-crash', '99', False)]


def test_a_deep_check_mends(shell):
    schedule_one(shell, CallTask('shop.restock', ['hats'], time=MORNING))
    plant(shell, a_crash_is_left)
    summary, line = shell('check', '--deep', '--mend').splitlines()
    assert summary == ('OK: 1 task was checked; 1 flaw was mended; the '
                       'schedule is sound')
    assert line.endswith('; mended: the note is removed')
    assert shell('check', '--deep') == (
        'OK: 1 task was checked; the schedule is sound')
    plant(shell, a_crash_is_left)
    [row] = shell.json('check', '--deep', '--mend')
    assert row['mended'] and row['remedy'] == 'the note is removed'


def test_a_deep_check_tells_what_cannot_be_mended(shell, lost):
    plant(shell, later)
    for options in (), ('--mend',):
        summary, line, last = shell(
            'check', '--deep', *options, code=1).splitlines()
        assert summary == 'FLAWED: 1 task was checked; 1 flaw was found'
        assert line.startswith('wrong-stamp: ')
        assert line.endswith('; cannot be mended')
        assert 'install the classes that are missing' in last


def test_what_a_pack_takes_away_meanwhile_is_no_flaw(tmp_path):
    """The transaction has yet to read what has not been there any more."""
    with closing(ZODB.DB(str(tmp_path / 'D.fs'))) as db:
        with db.transaction() as connection:
            schedule = connection.root()['schedule'] = Schedule()
            schedule.call('os.getcwd', time=MORNING)
        reader = db.open(TransactionManager())
        schedule = reader.root()['schedule']
        [(_, waiting)] = schedule.timetable.lists_at(MORNING, None)
        waiting._p_deactivate()
        with db.transaction() as connection:
            other = connection.root()['schedule']
            other.unschedule(next(iter(other)))
        db.pack()
        assert [flaw.kind for flaw in flaws(schedule)] == ['lost-record']
        assert deep_check.report(schedule).left == []
        reader.close()


def test_only_a_deep_check_mends(shell):
    shell('check', '--mend', code=2)
    assert '--mend needs --deep' in shell.err


# -- Copies ------------------------------------------------------------------


def test_a_copy_that_was_not_used_yet_is_read_and_changed(shell):
    id = schedule_one(shell, CallTask(
        'shop.restock', ['hats'], time=MORNING, key='hats'))
    shell('pause', id, '--reason', 'wrong figures')
    with opened(shell.db) as root:
        jar, schedule = root._p_jar, root['schedule']
        with jar.exportFile(schedule._p_oid) as file:
            file.seek(0)
            root['copy'] = jar.importFile(file)
    where = '--path', 'copy'
    before = Path(shell.db).read_bytes()
    [row] = shell.json('list', *where)
    assert row['id'] != id
    assert (row['state'], row['key']) == ('paused', 'hats')
    assert shell('check', '--deep', *where) == (
        'OK: 1 task was checked; the schedule is sound')
    assert shell.json('show', row['id'], *where)['pause'][
        'reason'] == 'wrong figures'
    assert Path(shell.db).read_bytes() == before, 'reading writes nothing'
    shell('resume', row['id'], *where)
    shell('cancel', row['id'], *where)
    assert shell.json('list', *where) == []
    [row] = shell.json('list')
    assert (row['id'], row['state']) == (id, 'paused')
