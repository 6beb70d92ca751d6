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
    'scheduling': (
        'cost per task of 2000 against 20, distinct instants: ratio',
        'cost per task of 2000 against 20, one instant: ratio'),
    'pending': (
        'cost of 50 due, 2000 against 50 pending: ratio',
        '50 due: extra MB',
        'cost per task of 2000 due against 50: ratio',
        '2000 due: extra MB'),
    'users': (
        'users of 0 ms: points more',
        'users of 20 ms: points more',
        'while users insert: runs wasted'),
    'portions': ('rate of the pair that is fixed',),
    'together': (
        'two at once against one: ratio',
        'two at once: runs wasted'),
    'recurrences': (
        'daily since 20 years against since yesterday: ratio',),
    'peers': (),
}


@functools.cache
def run(name):
    """What a benchmark prints."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f'{name}.py'), '--quick'],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, 'PYTHONWARNINGS': 'error'})
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_each_script_is_tried_here():
    scripts = {path.stem for path in BENCHMARKS.glob('*.py')}
    assert scripts - {'measuring'} == set(TOLD)


@pytest.mark.parametrize('name', TOLD)
def test_a_benchmark_prints_its_figure_beside_its_target(name):
    told = run(name)
    for line in TOLD[name]:
        assert re.search(
            rf'^{re.escape(line)}.* -?[0-9.]+ \(target (<= |>= )?[0-9.]+',
            told, re.MULTILINE), told


@pytest.mark.parametrize('name', ['users', 'together'])
def test_no_run_is_wasted_while_others_write(name):
    assert 'runs wasted 0 (target 0)' in run(name)


@pytest.mark.parametrize('peer', ['APScheduler', 'Huey'])
def test_a_peer_is_measured_or_it_is_said_how_to_install_it(peer):
    told = run('peers')
    assert (f'run rate against {peer}: ratio' in told) != (
        f'{peer} is left out: No module named' in told)
    assert ('zodbschedule[benchmarks]' in told) == ('left out' in told)
