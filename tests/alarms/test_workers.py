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
"""A real worker looks and tells."""

import threading
from contextlib import closing
from contextlib import contextmanager
from datetime import timedelta

import ZODB
from databases import wait_until

from zodbschedule import Every
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import Worker
from zodbschedule import alarms as the_alarms
from zodbschedule.alarms.setup import looking
from zodbschedule.transactions.retrying import in_own_connection


class Broken(Task):

    def __call__(self):
        raise RuntimeError('nobody opens')


@contextmanager
def running(worker):
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.finish()
        thread.join()


def descriptions(db):
    with db.transaction() as connection:
        return [(row.description.partition(':')[0], row.outcome)
                for row in connection.root()['schedule'].history]


def try_again(connection):
    """Let what could not be told be told now, once it waits; whether it does.
    """
    schedule = connection.root()['schedule']
    waiting = [task for task in schedule if isinstance(task, the_alarms.Tell)]
    for task in waiting:
        schedule.run_now(task)
    return bool(waiting)


def test_a_worker_tells_once_though_the_mail_server_was_down(
        tmp_path, mails, web):
    mails.stop()
    with closing(ZODB.DB(str(tmp_path / 'Data.fs'))) as db:
        with db.transaction() as connection:
            schedule = connection.root()['schedule'] = Schedule()
            the_alarms.set_up(
                schedule, mail='ops@example.org', spacing=timedelta(0),
                smtp=f'smtp://127.0.0.1:{mails.port}',
                heartbeat=web.address('ping'))
            schedule.schedule(Broken())
        with db.transaction() as connection:
            schedule = connection.root()['schedule']
            schedule.change(looking(schedule), recurrence=Every(
                timedelta(seconds=.05)))
        with running(Worker(db, 'schedule')):
            wait_until(
                lambda: ('tell by mail', 'retried') in descriptions(db),
                'the first attempt')
            mails.start()
            wait_until(lambda: in_own_connection(db, try_again, 50),
                       'a second attempt')
            wait_until(
                lambda: ('tell by mail', 'succeeded') in descriptions(db),
                'the mail')
            called = len(web.received)
            wait_until(lambda: len(web.received) > called, 'another look')
        assert descriptions(db).count(('tell by mail', 'succeeded')) == 1
    mail, = mails.received
    assert mail['Subject'] == '[zodbschedule] 1 task is parked'
