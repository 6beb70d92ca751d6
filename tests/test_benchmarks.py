"""The benchmarks run, in a small size, and say what was to be reached."""

import functools
import os
import pathlib
import re
import subprocess
import sys

import pytest


pytestmark = pytest.mark.slow

BENCHMARKS = pathlib.Path(__file__).parent.parent / 'benchmarks'

#: benchmark -> what it has to tell of, for each row that it is there for
TOLD = {
    'run_rate': (
        '50 distinct instants, no history: ratio',
        "50 distinct instants, no history, by the processor's time: ratio",
        '50 distinct instants, no history: bytes a task',
        '50 distinct instants, with history: ratio',
        '1000 at one instant, no history: ratio',
        '1000 at one instant, no history: bytes a task',
        '1000 at one instant, no history, bytes against 50: ratio'),
    'history': (
        'once, with history: ratio',
        'once, with history: bytes a task',
        'repeating, with history: ratio',
        'repeating, with history: bytes a task'),
    'journey': (
        'a plain task, process(), modules: visited',
        'a plain task, process(), moves: between them',
        'a recurring task, process(), modules: visited',
        'a recurring task, process(), moves: between them'),
    'scheduling': (
        'cost per task of 2000 against 20, distinct instants: ratio',
        'cost per task of 2000 against 20, one instant: ratio'),
    'labels': tuple(
        f'{storage}, {kind}, {what}: {unit}'
        for storage in ('FileStorage', 'ZEO')
        for kind in ('a principal', 'a principal and an object')
        for what, unit in (('of the processor', 'ratio'),
                           ('bytes', 'ratio'),
                           ('beside a page of 10 KB, bytes', 'ratio'))),
    'tracing': tuple(
        f'{what}, {kind}{by}'
        for what in ('an insert', 'an insert without fsync',
                     'a run without fsync')
        for kind in ('off', 'on, no SDK', 'on, recorded')
        for by in (', by the clock: ratio', ', by the processor: ratio',
                   ': bytes a task')),
    'pending': (
        'cost of 50 due, 2000 against 50 pending: ratio',
        '50 due: extra MB',
        'cost per task of 2000 due against 50: ratio',
        '2000 due: extra MB'),
    'pages': (
        '/upcoming, 2000 tasks: loads: objects',
        '/upcoming, 2000 tasks against 100, again: ratio',
        '/upcoming, 2000 tasks against 100, first time: ratio',
        'a task, 2000 tasks: loads: objects'),
    'users': (
        'users of 0 ms: points more',
        'users of 20 ms: points more',
        'while users insert: runs wasted'),
    'inserts': tuple(
        f'{kind}, {ms} ms, {beside}: points more'
        for kind in ('now', 'in three days', 'with a key', 'both',
                     'of one principal', 'for an object')
        for ms in (0, 50, 200) for beside in ('nobody', 'a worker')),
    'held_back': (
        'a task for now behind 300 that are paused: ratio',),
    'portions': ('rate of the pair that is fixed',),
    'together': (
        'two at once against one: ratio',
        'two at once: runs wasted'),
    'recurrences': (
        'daily since 20 years against since yesterday: ratio',
        'slowest step of 50 random rules: ms'),
    'listing': (
        'list of 1000: seconds',
        'list of 1000 against the imports: ratio',
        'list of 1000 against 100: ratio'),
    'peers': (),
    'workers': (
        'FileStorage, 1 worker, no-op, against the loop by hand: ratio',
        "FileStorage, 1 worker, no-op, by the processor's time: ratio",
        'ZEO, 2 workers, no-op, against the ceiling: ratio',
        'ZEO, 2 workers, no-op: runs wasted',
        'ZEO, 2 workers, no-op, conflicting turns: percent',
        'ZEO, 2 workers, 50 ms, against 2 times one: ratio',
        'ZEO, 2 workers, 50 ms: runs wasted',
        'ZEO, 2 workers, again in the same minutes, conflicting turns: '
        'percent',
        'ZEO, 2 workers, again in the same minutes: runs wasted'),
    'waking': (
        'FileStorage, due at an instant, p99: ms',
        'ZEO, due at an instant, p99: ms',
        'ZEO, from another process, median: ms',
        'ZEO, from another process, p99: ms'),
    'idle': (
        'FileStorage, idle worker, of a core: percent',
        'FileStorage, idle worker: bytes written',
        'ZEO, idle worker, of a core: percent',
        'ZEO, idle worker: bytes written',
        'ZEO, idle worker: requests more a second',
        'FileStorage, a run, in portions: bytes'),
    'recovering': (
        'ZEO, same machine, the longest: seconds',
        'ZEO, another machine, lease 5 s, the longest: seconds'),
    'soak': (
        'size after pack, in the last quarter against the second: ratio',
        'memory of a worker: KB a minute',
        'soak: runs wasted',
        'soak: tasks parked'),
}

#: what more than one script imports, and nobody runs
SHARED = {'measuring', 'servers', 'crew'}

#: what needs a Plone, and is tried where there is one
ELSEWHERE = {'plone_run'}


# WebOb imports it where it still is.
WARNINGS = "error,ignore:'cgi' is deprecated:DeprecationWarning"


@functools.cache
def run(name):
    """What a benchmark prints."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f'{name}.py'), '--quick'],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, 'PYTHONWARNINGS': WARNINGS})
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_each_script_is_tried_here():
    scripts = {path.stem for path in BENCHMARKS.glob('*.py')}
    assert scripts - SHARED - ELSEWHERE == set(TOLD)


@pytest.mark.parametrize('name', TOLD)
def test_a_benchmark_prints_its_figure_beside_its_target(name):
    told = run(name)
    for line in TOLD[name]:
        assert re.search(
            rf'^{re.escape(line)}.* -?[0-9.]+ \(target ([<>]=? )?[0-9.]+',
            told, re.MULTILINE), told


@pytest.mark.parametrize('name', ['users', 'together', 'workers', 'soak'])
def test_no_run_is_wasted(name):
    assert set(re.findall(r'runs wasted (\S+)', run(name))) == {'0'}


def test_an_idle_worker_writes_nothing():
    told = run('idle')
    assert set(re.findall(
        r'idle worker: (?:transactions|bytes) written (\S+)', told)) == {'0'}


def test_no_task_is_parked_in_a_soak():
    assert 'tasks parked 0 (target 0)' in run('soak')


@pytest.mark.parametrize('name', ['workers', 'waking', 'idle', 'recovering'])
def test_postgresql_is_measured_or_it_is_said_what_is_missing(name):
    told = run(name)
    assert bool(re.search(r'^PostgreSQL, .*\(target ', told, re.MULTILINE)
                ) != ('PostgreSQL is left out: ' in told)


@pytest.mark.parametrize('peer', ['APScheduler', 'Huey'])
def test_a_peer_is_measured_or_it_is_said_how_to_install_it(peer):
    told = run('peers')
    assert (f'run rate against {peer}: ratio' in told) != (
        f'{peer} is left out: No module named' in told)
    assert ('zodbschedule[benchmarks]' in told) == ('left out' in told)
