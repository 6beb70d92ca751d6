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
"""Alarms of the schedule of a site."""

from datetime import timedelta

import pytest
import transaction
from receivers import MailServer

from zodbschedule import CallTask
from zodbschedule import Every
from zodbschedule import alarms


def fail():
    raise ValueError('nobody opens')


@pytest.fixture
def mails():
    server = MailServer().start()
    yield server
    server.stop()


def test_a_site_tells_once(schedule, clock, mails):
    alarms.set_up(schedule, mail='ops@example.org', no_worker=None,
                  smtp=f'smtp://127.0.0.1:{mails.port}')
    schedule.schedule(CallTask(fail, recurrence=Every(timedelta(hours=1))))
    transaction.commit()
    for _ in range(65):
        clock.advance(timedelta(minutes=1))
        schedule.process(clock.now())
    mail, = mails.received
    assert mail['Subject'] == '[zodbschedule] 1 task is parked'
    assert 'nobody opens' in mail.get_content()
    assert len(schedule.alarms.outbox) == 0
