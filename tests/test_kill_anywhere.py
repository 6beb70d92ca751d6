"""A worker that is killed at any moment of any commit: all happens once."""

import logging
import os
import signal
from functools import partial
from itertools import count

import pytest
import zope.event
from crew import drain
from crew import open_database
from databases import SQLITE
from mixture import Deed
from mixture import Failing
from mixture import Making
from mixture import Repeating
from mixture import Wavering
from mixture import check_done
from mixture import count_outcomes
from mixture import looking
from mixture import set_up
from places import check
from relstorage.storage import RelStorage
from ZODB.mvccadapter import MVCCAdapter

from zodbschedule import Worker
from zodbschedule.interfaces import IRunEnded


STEPS = ('tpc_begin', 'store', 'checkCurrentSerialInTransaction', 'tpc_vote',
         'tpc_finish')


def tell_moments(reached):
    """Call *reached* with the name of each moment of each commit.

    Nothing happens between the end of one step and the beginning of the next
    that anybody else could see: so these are the moments before each step,
    within the last one, when it is committed and the client does not know
    that yet, and after it.
    """
    for cls in MVCCAdapter, RelStorage:
        cls.new_instance = telling(cls.new_instance, reached)


def telling(new_instance, reached):
    def told(self, *args, **options):
        storage = new_instance(self, *args, **options)
        for step in STEPS:
            setattr(storage, step, tell(step, getattr(storage, step), reached))
        return storage
    return told


def tell(step, original, reached):
    def before(*args):
        reached(f'before {step}')
        return original(*args)

    def around(transaction, done=lambda tid: None):
        def within(tid):
            reached('in tpc_finish')
            done(tid)

        reached('before tpc_finish')
        tid = original(transaction, within)
        reached('after tpc_finish')
        return tid

    return around if step == 'tpc_finish' else before


def session(uri, outcomes, moment):
    """A worker, until there are so many outcomes; is killed at that moment."""
    logging.basicConfig(level=logging.INFO)
    numbers = count(1)
    names = []

    def reached(name):
        names.append(name)
        if next(numbers) == int(moment):
            os.kill(os.getpid(), signal.SIGKILL)

    ended = count(1)

    def subscriber(event):
        if IRunEnded.providedBy(event) and next(ended) == int(outcomes):
            worker.finish()

    tell_moments(reached)
    zope.event.subscribers.append(subscriber)
    worker = Worker(partial(open_database, uri))
    assert worker.run()
    print(*names, sep='\n')
    print('ended by itself')


def tasks():
    """Of most kinds, and few enough that each moment can be tried."""
    return [
        Deed('plain'), Repeating('repeating', key='repeating'),
        Deed('keyed', key='keyed'), Failing('failing'), Making('making'),
        Wavering('wavering')]


@pytest.fixture
def kill(database, crew):
    """Kill a session at its *moment*; whether it got there."""
    set_up(database, tasks())
    drain(database)
    check_done(database)
    outcomes = str(count_outcomes(database))

    def kill(moment):
        set_up(database, tasks())
        with database.released():
            member = crew.start('test_kill_anywhere.session', database.uri(),
                                outcomes, str(moment))
            status = member.wait()
        with looking(database) as schedule:
            check(schedule)
        if status == 0:
            return member.said()
        assert status == -signal.SIGKILL, member.said()
        drain(database)
        return check_done(database)

    return kill


def names(kill):
    """The moments of a session that is not killed, in order."""
    return [line for line in kill(0).splitlines()
            if line.partition(' ')[2] in STEPS]


def edges(names):
    """Those at which something changes for others."""
    return [moment for moment, name in enumerate(names, 1)
            if name not in INNER]


INNER = 'before store', 'before checkCurrentSerialInTransaction'


def kill_at_each(kill, moments):
    assert len(moments) > 50
    missed = [moment for moment in moments if kill(moment) is not True]
    # How often it looks, and so what a turn takes, is a matter of luck.
    assert len(missed) < len(moments) / 10, missed


@pytest.mark.storages('FileStorage', 'ZEO', 'PostgreSQL', SQLITE)
def test_killed_at_the_edges(database, kill):
    kill_at_each(kill, edges(names(kill)))


@pytest.mark.slow
@pytest.mark.storages('FileStorage', 'ZEO')
def test_killed_anywhere(kill):
    kill_at_each(kill, range(1, 1 + len(names(kill))))
