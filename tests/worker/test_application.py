"""The application of the README, in a process of its own, and signals."""

import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from databases import wait_until
from shell import opened

from zodbschedule import Schedule


README = Path(__file__).parents[2] / 'README.rst'

#: an application that ends by itself if nothing else ends it
SERVE = '''
import time
import ZODB

def serve():
    for _ in range(6000):
        time.sleep(.01)

db = ZODB.DB('Data.fs')
try:
    main(db, serve)
finally:
    db.close()
'''

WORK = '''
import time
from pathlib import Path

def linger():
    Path('began').touch()
    while not Path('released').exists():
        time.sleep(.01)
'''


def code():
    """What the README tells an application to do."""
    block, = re.findall(
        r'code-block:: python\n\n((?:    .*\n|\n)+?)(?=\S)',
        README.read_text()[README.read_text().index('\nWorkers\n'):])
    assert 'with Worker(db):' in block
    return textwrap.dedent(block)


@pytest.fixture
def application(tmp_path, monkeypatch):
    """Start it, with a task that lingers; it does that now."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'lingering', raising=False)
    Path('lingering.py').write_text(WORK)
    Path('application.py').write_text(code() + SERVE)
    with opened('Data.fs') as root:
        root['schedule'] = Schedule()
        root['schedule'].call('lingering.linger')
    started = []

    def start():
        Path('began').unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, 'application.py'])
        started.append(process)
        wait_until(Path('began').exists, 'a run', process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_the_run_end(application, number):
    process = application()
    process.send_signal(number)
    Path('released').touch()
    assert process.wait(60) == 0
    with opened('Data.fs') as root:
        schedule = root['schedule']
        assert [entry.outcome for entry in schedule.history] == ['succeeded']
        assert not schedule.claims


def test_a_run_that_is_cut_off_is_no_crash_however_often(
        application):
    source = Path('application.py').read_text()
    Path('application.py').write_text(source.replace(
        'Worker(db)', 'Worker(db, grace=__import__("datetime").timedelta(0))'))
    for _ in range(4):
        process = application()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        with opened('Data.fs') as root:
            schedule = root['schedule']
            assert len(list(schedule)) == 1
            assert not schedule.claims
            assert not schedule.crashes
