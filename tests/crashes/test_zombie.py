"""Workers that seem to be dead, and come back: what they do then is undone."""

import signal
import threading
from datetime import timedelta
from itertools import count
from pathlib import Path

import crew as crews
import pytest
from commits import UNSEEN
from commits import tell_moments
from crew import drain
from crew import wait_until_done
from databases import HISTORY
from databases import SQLITE
from databases import wait_until
from leases import allow_short_leases
from mixture import Deed
from mixture import Failing
from mixture import Making
from mixture import Repeating
from mixture import Wavering
from mixture import add
from mixture import besides
from mixture import check_done
from mixture import set_up

from zodbschedule.store import incarnation


# Short, so that nobody waits long.
LEASE = timedelta(seconds=.5)

# To be seen as gone by nobody, as if it were on another machine.
ELSEWHERE = 'another boot pid:[1]'


def worker(uri):
    incarnation.machine = lambda: ELSEWHERE
    allow_short_leases()
    return crews.worker(uri, lease=LEASE)


def lingering(uri, go_on):
    """A worker that is in its first run for as long as no file is there."""
    besides.append(lambda task: linger(task, Path(go_on)))
    assert worker(uri).run()


def linger(task, go_on):
    if not go_on.exists():
        print('is in a run', flush=True)
        wait_until(go_on.exists, 'the end of the run')


def stopping(uri, number):
    """A worker that stops at that moment of a commit; it prints them all.

    Those are counted at which it holds nobody up: what comes when is not quite
    the same each time.
    """
    numbers = count(1)

    def reached(name):
        if name in UNSEEN and next(numbers) == int(number):
            # This thread goes no further, whichever others there are.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        print(name)

    tell_moments(reached)
    assert worker(uri).run()


def tasks():
    return [
        Deed('plain'), Repeating('repeating', key='repeating'),
        Failing('failing'), Making('making'), Wavering('wavering')]


def go_on(database, zombie):
    """Wake it up; it works as any other, and ends in peace."""
    zombie.signal(signal.SIGCONT)
    add(database, *(Deed(f'afterwards {number}') for number in range(5)))
    wait_until_done(database)
    zombie.finish()
    return check_done(database)


@pytest.mark.storages('ZEO', 'PostgreSQL', HISTORY, SQLITE)
def test_stopped_in_a_run_it_loses_what_it_holds_and_goes_on(
        database, crew, tmp_path):
    set_up(database, tasks())
    file = tmp_path / 'go on'
    zombie = crew.start('test_zombie.lingering', database.uri(), str(file))
    zombie.wait_for('is in a run')
    zombie.signal(signal.SIGSTOP)
    drain(database)
    file.touch()
    assert go_on(database, zombie)
    assert 'It goes on with another claim' in zombie.said()


@pytest.mark.slow
@pytest.mark.storages('ZEO', 'PostgreSQL')
def test_stopped_before_any_commit(database, crew):
    for number in numbers(database, crew):
        set_up(database, tasks())
        zombie = crew.start(
            'test_zombie.stopping', database.uri(), str(number))
        wait_until(zombie.is_stopped, 'the moment to stop')
        drain(database)
        assert go_on(database, zombie)


def numbers(database, crew):
    """Some of the moments at which a commit holds nobody up."""
    set_up(database, tasks())
    member = crew.start('test_zombie.stopping', database.uri(), '0')
    wait_until_done(database)
    member.finish()
    unseen = [line for line in member.said().splitlines() if line in UNSEEN]
    return range(1, len(unseen) + 1)[1:30:5]
