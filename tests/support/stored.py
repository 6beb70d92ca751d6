"""Write the databases of `tests/data`: with all that a schedule can store.

``PYTHONPATH=src:tests/support python -m stored tests/data`` writes them anew,
in each kind of storage that is a file.  The clock, and what is drawn by lot,
are fixed, so that they change only where the format does.
"""

import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import types
import uuid
from contextlib import ExitStack
from contextlib import closing
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import count
from unittest.mock import patch
from zoneinfo import ZoneInfo

import transaction
import ZODB
import zodburi
from persistent.list import PersistentList
from stored_tasks import Document
from stored_tasks import Ending
from stored_tasks import Failing
from stored_tasks import Foreign
from stored_tasks import Making
from stored_tasks import Noting
from stored_tasks import OfUser
from stored_tasks import Wavering

from zodbschedule import Cron
from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import RRule
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import clock
from zodbschedule.errors.text import ErrorText
from zodbschedule.store import incarnation
from zodbschedule.store.incarnation import Incarnation
from zodbschedule.testing import SettableClock
from zodbschedule.transactions.workarounds import mend


# Long ago, so that whoever opens the files is later.
NOW = datetime(2025, 1, 6, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BERLIN = ZoneInfo('Europe/Berlin')

# Of each error: a real one has the paths and the lines of the writer's code.
TRACEBACK = 'Traceback (most recent call last):\n  ...\n'

#: a process of another machine, which nobody takes for alive
DEAD = Incarnation('elsewhere', 'another boot of another machine', 4711, '1')

#: how often one task has run
BUSY = 50

#: the files by the kind of their storage: what is in `tests/data`
FILES = {'FileStorage': 'filestorage.fs', 'SQLite': 'sqlite3'}

#: the module of a class that is nowhere else
ABSENT = 'absent_addon'


def uri_of(kind, folder):
    """The database of that kind in *folder*."""
    path = pathlib.Path(folder) / FILES[kind]
    if kind == 'FileStorage':
        return f'file://{path}'
    return f'sqlite://?data_dir={path}&keep_history=0'


@contextmanager
def opened(kind, folder):
    """The database of that kind, open."""
    factory, options = zodburi.resolve_uri(uri_of(kind, folder))
    with closing(ZODB.DB(factory(), **options)) as db:
        mend(db)
        yield db


@contextmanager
def root_of(kind, folder):
    """Its root, in a transaction of the thread, which is committed."""
    with opened(kind, folder) as db, closing(db.open()) as connection:
        try:
            yield connection.root()
            transaction.commit()
        finally:
            transaction.abort()


def write(kind, folder):
    """Write the database of that kind into *folder*."""
    with fixed():
        with root_of(kind, folder) as root, absent() as Absent:
            begin(root, Absent)
        # The second process finds that the first one has crashed.
        in_child(kind, folder, NOW + MINUTE, 'crashing')
        in_child(kind, folder, NOW + 2 * MINUTE, 'crashing')
        with root_of(kind, folder) as root:
            go_on(root['schedule'])
        in_child(kind, folder, NOW + 2 * HOUR, 'running')
        with root_of(kind, folder) as root:
            ask(root['schedule'])
        with opened(kind, folder) as db:
            db.pack(time.time() + 1)


# -- what is fixed


@contextmanager
def fixed():
    """Time, what is drawn by lot, process and traceback are always the same.
    """
    ticks, drawn = count(1), random.getstate()
    random.seed('writer')
    now = NOW.timestamp()
    with ExitStack() as stack:
        stack.enter_context(clock.use(SettableClock(NOW)))
        for target, name, value in [
                (time, 'time', lambda: now + next(ticks) / 1000),
                (uuid, 'uuid4', lambda: uuid.UUID(
                    int=random.getrandbits(128))),
                (ErrorText, 'traceback', TRACEBACK),
                (incarnation, 'this', lambda: DEAD),
                (incarnation, 'is_gone', lambda other: True)]:
            stack.enter_context(patch.object(target, name, value))
        yield
    random.setstate(drawn)


@contextmanager
def absent():
    """The class of a task that nobody can import later."""
    module = types.ModuleType(ABSENT)
    cls = type('Absent', (Task,), {
        '__module__': ABSENT, '__call__': lambda task: None})
    module.Absent = cls
    with patch.dict(sys.modules, {ABSENT: module}):
        yield cls


# -- what happens


def begin(root, Absent):
    """A schedule, with tasks of all kinds, and with settings."""
    root['effects'] = PersistentList()
    root['document'] = Document()
    schedule = root['schedule'] = Schedule()
    root['idle'] = Schedule()
    schedule.lease = MINUTE
    schedule.import_grace = 30 * DAY
    schedule.catch_up = 2 * DAY
    schedule.spread = 10 * SECOND
    schedule.history.keep = 20
    schedule.history.keep_each = 5
    schedule.history.max_age = 100 * DAY
    transaction.commit()

    def add(description, cls=Noting, time=NOW, **options):
        return schedule.schedule(cls(time, description=description, **options))

    # What runs in the beginning.
    for number in range(4):
        add(f'first {number}')
    add('busy', missed='all', recurrence=RRule(
        f'FREQ=MINUTELY;COUNT={BUSY}', NOW))
    add('parked', Failing)
    add('once', Failing, NOW + HOUR, principalId='jane', recurrence=Every(
        30 * DAY, start=NOW + HOUR))
    add('retried', Wavering, key='retried', retry=Retry(
        3, delay=3 * DAY, on=(ValueError,)))
    add('crashing', Ending, time=NOW + SECOND)
    # What waits.
    later = NOW + 3 * DAY
    add('waiting', time=later)
    add('absent', Absent, time=NOW + 2 * HOUR - MINUTE)
    schedule.schedule(Foreign(later))
    for number in range(20):
        add(f'together {number}', time=later + HOUR)
    add('keyed', time=later, key='keyed', principalId='jane')
    add('of user', OfUser, time=later, principalId='joe', expires=30 * DAY)
    paused = add('paused', time=later)
    add('cron', time=None, recurrence=Cron('0 3 * * *', 'Europe/Berlin'))
    add('rrule', time=None, missed='all', recurrence=RRule(
        'FREQ=WEEKLY;BYDAY=MO', NOW.astimezone(BERLIN)))
    schedule.call('stored_tasks.note', 'called', time=later,
                  description='call')
    schedule.call('stored_tasks.note', 'called with much',
                  kwargs={'much': 'x' * 5000}, time=later,
                  description='large')
    schedule.call(root['document'].publish, time=later,
                  kwargs={'text': 'published'}, description='method')
    transaction.commit()
    schedule.pause(paused, by='jane', reason='wrong figures')
    root['idle'].pause(by='jane', reason='not yet')
    transaction.commit()


def go_on(schedule):
    """Recover what has crashed, and leave something for the next process."""
    clock.current().set(NOW + 2 * MINUTE)
    schedule.recover('process()')
    [crashing] = [task for _, task in schedule.crashes.values()]
    schedule.pause(crashing, by='joe', reason='it ends processes')
    transaction.commit()
    for minute in range(3, BUSY + 3):
        clock.current().set(NOW + minute * MINUTE)
        schedule.process(clock.now())
    then = NOW + 2 * HOUR
    schedule.schedule(Making(
        then - MINUTE, description='ended', other=OfUser(
            then + 3 * DAY, description='made', principalId='joe')))
    schedule.schedule(Noting(then - MINUTE, description='again', recurrence=(
        Every(DAY, start=then - MINUTE))))
    schedule.schedule(Ending(
        then - 10 * SECOND, description='running', key='running'))
    schedule.schedule(Noting(
        then - SECOND, description='claimed', principalId='jane',
        recurrence=Every(DAY, start=then - SECOND)))
    transaction.commit()


def ask(schedule):
    """Ask for a run of what is in the claim of the dead process."""
    clock.current().set(NOW + 2 * HOUR)
    [claim] = schedule.claims.values()
    [claimed] = [slot.task for slot in claim.held()
                 if slot.task.description == 'claimed']
    schedule.run_now(claimed, by='jane', reason='figures are wanted')
    transaction.commit()


def in_child(kind, folder, now, ending):
    """Process what is due in a process that ends in the midst of it."""
    process = DEAD.pid + (now - NOW) // MINUTE
    child = os.fork()
    if not child:
        try:
            os.environ['STORED'] = ending
            random.seed(f'{now}')
            incarnation.this = lambda: DEAD._replace(pid=process)
            clock.current().set(now)
            with root_of(kind, folder) as root:
                root['schedule'].process(now)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0, f'the child has not ended in its task: {status}'


def main(folder, *kinds):
    """Write those databases into *folder*, in the place of those there."""
    for kind in kinds or FILES:
        name = FILES[kind]
        with tempfile.TemporaryDirectory() as made:
            write(kind, made)
            copy(made, name, folder)


def copy(source, name, folder):
    """Copy a database, without what is made anew."""
    target = pathlib.Path(folder) / name
    if target.is_dir():
        shutil.rmtree(target)
    source = pathlib.Path(source) / name
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


if __name__ == '__main__':
    main(*sys.argv[1:])
