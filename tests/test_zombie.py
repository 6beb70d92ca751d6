"""Workers that seem to be dead, and come back in the middle of a run."""

import signal
from datetime import timedelta
from pathlib import Path

import crew as crews
import pytest
from crew import wait_until_done
from databases import HISTORY
from databases import SQLITE
from databases import wait_until
from mixture import Deed
from mixture import Making
from mixture import Repeating
from mixture import add
from mixture import besides
from mixture import check_done
from mixture import is_done
from mixture import looking
from mixture import set_up

from zodbschedule import Worker
from zodbschedule import incarnation


pytestmark = pytest.mark.storages('ZEO', 'PostgreSQL', HISTORY, SQLITE)

# Short, so that nobody waits long; long enough for a machine that is busy.
LEASE = timedelta(seconds=1)


def work_elsewhere(uri, go_on):
    """A worker on what seems to be another machine.

    It stays in the middle of a run for as long as there is no file *go_on*.
    """
    incarnation.machine = lambda: 'elsewhere'
    besides.append(lambda task: linger(task, Path(go_on)))
    crews.work(uri, lease=LEASE)


def linger(task, go_on):
    task.take_effect()
    if not go_on.exists():
        print('runs', task.description, flush=True)
        wait_until(go_on.exists, 'the end of the run')
        print('goes on', flush=True)
    task.done.pop()


def test_it(database, crew, tmp_path):
    go_on = tmp_path / 'go on'
    set_up(database, [Deed('a'), Repeating('b', key='b'), Making('c')])
    zombie = crew.start(
        'test_zombie.work_elsewhere', database.uri(), str(go_on))
    zombie.wait_for('runs a')
    zombie.signal(signal.SIGSTOP)
    with Worker(database.db):
        with looking(database) as schedule:
            wait_until(lambda: is_done(schedule), 'the work of the zombie')
    go_on.touch()
    zombie.signal(signal.SIGCONT)
    zombie.wait_for('goes on with another claim')
    add(database, *(Deed(f'{number}') for number in range(20)))
    wait_until_done(database)
    zombie.finish()
    assert 'Traceback' not in zombie.said()
    print(zombie.said())
    assert check_done(database)
