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
"""A process that ends while it hands over a message."""

import os
import sys
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import ZODB

from zodbschedule import Schedule
from zodbschedule import alarms
from zodbschedule import clock
from zodbschedule.alarms import telling
from zodbschedule.alarms.looking import queue
from zodbschedule.alarms.setup import looking
from zodbschedule.alarms.wording import News
from zodbschedule.testing import SettableClock


BEGIN = datetime(2030, 1, 31, 8, tzinfo=UTC)

#: the function that is replaced by one that ends the process -> whether
#: that happens before it is called, or after
STEPS = {'before': ('_take', False), 'noted': ('_send', False),
         'sent': ('_send', True), 'done': ('hand_over', True)}


def build(path, port):
    """A schedule that has one message to tell."""
    with clock.use(SettableClock(BEGIN)):
        db = ZODB.DB(path)
        with db.transaction() as connection:
            schedule = connection.root()['schedule'] = Schedule()
            found = alarms.set_up(
                schedule, mail='ops@example.org', no_worker=None,
                smtp=f'smtp://127.0.0.1:{port}')
            schedule.unschedule(looking(schedule))
        with db.transaction() as connection:
            schedule = connection.root()['schedule']
            queue(schedule, schedule.alarms, 'wrong', 'What is wrong.\n',
                  News({}, {}), BEGIN)
        db.close()
    return found


def run(path, step):
    """Run what is due, and end at that step."""
    name, after = STEPS[step]
    real = getattr(telling, name)

    def end(*args):
        if after:
            real(*args)
        os._exit(0)

    setattr(telling, name, end)
    with clock.use(SettableClock(BEGIN + timedelta(seconds=1))):
        db = ZODB.DB(path)
        db.open().root()['schedule'].process(clock.now())


def serve():
    """For each line, a step and a path: do that in a process of its own."""
    for line in sys.stdin:
        step, path = line.strip().split(' ', 1)
        pid = os.fork()
        if not pid:
            run(path, step)
            os._exit(1)
        print('ended' if os.waitpid(pid, 0)[1] == 0 else 'not at that step')
