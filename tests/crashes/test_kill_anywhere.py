"""A worker that is killed at any moment of any commit: all happens once."""

import os
import random
import signal
import time
from datetime import timedelta
from itertools import count

import crew as crews
import pytest
import zope.event
from commits import EDGES
from commits import MOMENTS
from commits import tell_moments
from crew import drain
from databases import SQLITE
from leases import allow_short_leases
from mixture import Deed
from mixture import Failing
from mixture import Making
from mixture import Repeating
from mixture import Wavering
from mixture import besides
from mixture import check_done
from mixture import count_outcomes
from mixture import looking
from mixture import set_up
from places import check

from zodbschedule.interfaces import IRunEnded
from zodbschedule.liveness import heartbeat
from zodbschedule.worker import watcher as waiting
from zodbschedule.worker import worker as workers


def session(uri, outcomes, moment, **options):
    """A worker, until there are so many outcomes; is killed at that moment.

    It prints the moments that it has come through.
    """
    numbers = count(1)
    ended = count(1)

    def reached(name):
        if next(numbers) == int(moment):
            os.kill(os.getpid(), signal.SIGKILL)
        print(name)

    def look(event):
        if IRunEnded.providedBy(event) and next(ended) == int(outcomes):
            worker.finish()

    tell_moments(reached)
    zope.event.subscribers.append(look)
    worker = crews.worker(uri, **options)
    assert worker.run()


def long_session(uri, outcomes, moment):
    """A session with a run that is beaten, and relieved of all others."""
    allow_short_leases()
    heartbeat.LONG, workers.CHECK_INTERVAL = .05, .01
    besides.append(
        lambda task: time.sleep(.2 * (task.description == 'long')))
    session(uri, outcomes, moment, lease=timedelta(seconds=.15))


def tasks():
    """Of most kinds, and so few that each moment can be tried."""
    return [
        Deed('plain'), Repeating('repeating', key='repeating'),
        Deed('keyed', key='keyed'), Failing('failing'), Making('making'),
        Wavering('wavering')]


def long_tasks():
    """One that lasts long, among others that are in the same claim."""
    return [Deed('plain'), Deed('long'), Making('making'),
            Repeating('repeating', key='repeating'), Deed('last')]


SESSIONS = {'session': tasks, 'long_session': long_tasks}


@pytest.fixture
def kill(database, crew, monkeypatch):
    """Kill a session at a moment, and see that all happens once even so.

    Returns the moments that it has come through if there was none like that.
    """
    def kill(moment, session='session'):
        make = SESSIONS[session]
        if make not in outcomes:
            set_up(database, make())
            drain(database)
            outcomes[make] = count_outcomes(database)
        set_up(database, make())
        with database.released():
            member = crew.start(
                f'test_kill_anywhere.{session}', database.uri(),
                str(outcomes[make]), str(moment))
            status = member.wait()
        assert status in (-signal.SIGKILL, 0), member.said()
        with looking(database) as schedule:
            check(schedule)
        drain(database)
        assert check_done(database)
        return [] if status else [line for line in member.said().splitlines()
                                  if line in MOMENTS]

    # Whoever recovers may be in a hurry.
    monkeypatch.setattr(workers, 'SUPERVISE', .005)
    monkeypatch.setattr(waiting.PollingProbe, 'interval', .02)
    outcomes = {}
    return kill


def edges(moments):
    """The numbers of those at which something changes for others."""
    return [number for number, name in enumerate(moments, 1)
            if name in EDGES]


def kill_at(kill, moments, session='session'):
    """Kill one session after the other; whether most of them got there.

    How much a turn takes, and how often a claim is beaten, is not always the
    same.
    """
    missed = [moment for moment in moments if kill(moment, session)]
    return len(missed) <= len(moments) / 10


@pytest.mark.storages('FileStorage', 'ZEO', 'PostgreSQL', SQLITE)
def test_killed_at_some_moments_every_effect_happens_once(kill):
    assert kill_at(kill, edges(kill(0))[::5])


@pytest.mark.slow
@pytest.mark.storages('FileStorage')
def test_killed_at_every_other_moment_every_effect_happens_once(kill):
    # Which of the two, the lot decides: so each is tried in the end.
    moments = range(random.choice([1, 2]), len(kill(0)) + 1, 2)
    print('from', moments[0])
    assert kill_at(kill, moments)


@pytest.mark.slow
@pytest.mark.storages('ZEO', 'PostgreSQL', SQLITE)
def test_killed_at_the_edges_of_any_commit_every_effect_happens_once(kill):
    assert kill_at(kill, edges(kill(0)))


@pytest.mark.slow
@pytest.mark.storages('ZEO')
def test_killed_while_it_is_beaten_and_relieved_of_what_it_has_not_begun(
        kill):
    moments = edges(kill(0, 'long_session'))
    assert kill_at(kill, moments, 'long_session')
