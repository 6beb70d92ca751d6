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
"""A database with twelve faults, made on purpose, as an operator finds it.

Each function makes one fault, by what leads to it in life where that can be
done, and returns the id of the task that it concerns.  `make_all` makes all of
them, in one night: what is in the database in the morning is that of a shop.
"""

import errno
import sys
from contextlib import closing
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import ZODB
from persistent.mapping import PersistentMapping
from ZODB.broken import broken_cache
from ZODB.FileStorage.FileStorage import FileStorage

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule import RRule
from zodbschedule import Schedule
from zodbschedule.execution import process
from zodbschedule.instant import to_micros
from zodbschedule.scheduling import turn
from zodbschedule.store import incarnation
from zodbschedule.store.claim import Claim
from zodbschedule.store.inspection import task_id


MORNING = datetime(2030, 1, 31, 8, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

#: the code of the machine that scheduled all this
NEW = '''
import transaction
from persistent.mapping import PersistentMapping

from zodbschedule import Task, current_run

class Invoice(Task):
    def __call__(self):
        pass

def back_up():
    pass

def restock(goods='hats'):
    pass

def deliver(papers=None):
    if papers == 'Sunday':
        raise RuntimeError('nobody opens')

def count_visitors():
    """Others write what it writes, while it runs."""
    connection = current_run().task._p_jar
    visitors = connection.root()['visitors']
    visitors['total'] = 1
    manager = transaction.TransactionManager()
    other = connection.db().open(manager)
    other.root()['visitors']['total'] = 2
    manager.commit()
    other.close()

def wrap(gift):
    pass
'''
#: what is deployed on the machine where somebody looks
OLD = NEW.replace('class Invoice', 'class Bill').replace(
    'def wrap', 'def pack')


class Night:
    """A database at *folder*, and the clock of its machines."""

    def __init__(self, folder: Path, clock) -> None:
        self.path = str(folder / 'Data.fs')
        self.module = folder / 'shop.py'
        self.clock = clock
        self.deploy(NEW)
        with self.schedule() as schedule:
            schedule._p_jar.root()['visitors'] = PersistentMapping()

    def deploy(self, code: str) -> None:
        """Have this process find that *code*, as a new process does."""
        self.module.write_text(code)
        sys.modules.pop('shop', None)
        broken_cache.clear()

    @contextmanager
    def schedule(self):
        """The schedule; what is changed is committed."""
        with closing(ZODB.DB(FileStorage(self.path))) as db, (
                db.transaction()) as connection:
            root = connection.root()
            if 'schedule' not in root:
                root['schedule'] = Schedule()
                connection.add(root['schedule'])
            yield root['schedule']

    def add(self, task) -> str:
        """Schedule *task*; its id."""
        with self.schedule() as schedule:
            schedule.schedule(task)
            schedule._p_jar.add(task)
            return task_id(task)

    def call(self, function: str, *args, **options) -> str:
        """Schedule such a call; its id."""
        return self.add(CallTask(f'shop.{function}', args, **options))

    def work(self, now: datetime, worker: str = 'web1') -> None:
        """That worker does what is due, and the clock shows *now*."""
        self.clock.set(now)
        with closing(ZODB.DB(FileStorage(self.path))) as db, (
                closing(db.open())) as connection, (
                mock.patch.object(process, 'NAME', worker)):
            connection.root()['schedule'].process(now)


# -- the faults ---------------------------------------------------------------


def wrong_clock(night: Night) -> str:
    """A task that has run while a clock was ten years ahead."""
    task = night.call('restock', 'gloves', time=MORNING - DAY,
                      recurrence=Every(HOUR), description='stock the gloves')
    night.work(MORNING + 3652 * DAY)
    return task


def series_ended(night: Night) -> str:
    """A task whose recurrence has no further occurrence."""
    night.clock.set(MORNING - 4 * DAY)
    task = night.call(
        'restock', 'shoes', description='stock the shoes',
        recurrence=RRule('FREQ=DAILY;COUNT=2', MORNING - 3 * DAY))
    for day in 3, 2:
        night.work(MORNING - day * DAY)
    return task


def parked_occurrence(night: Night) -> str:
    """A task that failed once, and goes on."""
    task = night.call('deliver', 'Sunday', time=MORNING - 22 * HOUR,
                      recurrence=Every(DAY), description='deliver the papers')
    night.work(MORNING - 22 * HOUR)
    return task


def two_versions(night: Night) -> str:
    """A call that one machine can do, and another cannot."""
    task = night.call('wrap', 'toys', time=MORNING - HOUR - 10 * MINUTE,
                      recurrence=Every(HOUR), description='wrap the toys')
    night.work(MORNING - HOUR - 10 * MINUTE, 'new:71')
    return task


def forgotten_pause(night: Night) -> str:
    """A task that was paused three months ago."""
    night.clock.set(MORNING - 93 * DAY)
    task = night.call('back_up', time=MORNING - 93 * DAY,
                      recurrence=Every(DAY), description='back up the shop')
    with night.schedule() as schedule:
        schedule.pause(schedule.get(task), reason='we move house', by='zoe')
    return task


def class_missing(night: Night) -> str:
    """A task whose class the code here does not have."""
    import shop
    return night.add(shop.Invoice(
        MORNING - 10 * MINUTE, description='send invoice 12'))


def dead_worker(night: Night) -> str:
    """A task that a worker held whose process has ended."""
    task = night.call('restock', 'rates', time=MORNING - 9 * HOUR,
                      description='fetch the rates')
    gone = incarnation.this()._replace(host='web2', pid=2 ** 22 + 88)
    with night.schedule() as schedule:
        claim = schedule.claims['web2:88'] = Claim(
            'web2:88', gone, to_micros(MORNING - 9 * HOUR))
        turn.exchange(schedule, claim, 1, None, MORNING - 9 * HOUR,
                      lambda time, one: task_id(one) == task)
    return task


def overdue(night: Night) -> str:
    """A task that nobody has run."""
    return night.call('restock', 'hats', time=MORNING - 6 * HOUR,
                      description='stock the hats')


def always_conflicting(night: Night) -> str:
    """A task that writes what is written by others, each time it runs."""
    return night.call('count_visitors', time=MORNING - 20 * MINUTE,
                      description='count the visitors')


def old_setting(night: Night) -> None:
    """A setting that an older release has accepted."""
    with night.schedule() as schedule:
        schedule._p_activate()
        vars(schedule)['lease'] = 60
        schedule._p_changed = True


def held_key(night: Night) -> str:
    """A key held by a task that waits for long."""
    return night.call('restock', 'trees', time=MORNING + 690 * DAY,
                      key='christmas', description='stock the trees')


@contextmanager
def full_disk():
    """Inside this context no storage has room for a transaction."""
    def refuse(self, transaction):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with mock.patch.object(FileStorage, 'tpc_vote', refuse):
        yield


#: those that are in a database, in an order in which none disturbs another
IN_DATABASE = (
    wrong_clock, series_ended, parked_occurrence, two_versions,
    forgotten_pause, class_missing, dead_worker, overdue, always_conflicting,
    old_setting, held_key)


def make_all(night: Night) -> SimpleNamespace:
    """Make all that a database can hold; the ids of the tasks, by fault.

    Then it is morning, on a machine that has the code of the day before.
    """
    ids = SimpleNamespace(**{
        fault.__name__: fault(night) for fault in IN_DATABASE})
    night.clock.set(MORNING)
    night.deploy(OLD)
    return ids
