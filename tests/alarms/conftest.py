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
"""A schedule in memory whose alarms are told to servers on localhost."""

import pytest
from in_memory import clock as clock
from in_memory import commit as commit
from in_memory import schedule as schedule
from receivers import MailServer
from receivers import WebServer

from zodbschedule import alarms as the_alarms
from zodbschedule.alarms import limits


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy of this machine is between."""
    monkeypatch.setenv('no_proxy', '*')


@pytest.fixture
def mails():
    """A mail server that is up."""
    server = MailServer().start()
    yield server
    server.stop()


@pytest.fixture
def web():
    """A web server that is up."""
    server = WebServer().start()
    yield server
    server.stop()


@pytest.fixture
def alarms(schedule, commit, mails):
    """The alarms of the schedule, by mail; that there is no worker is none."""
    found = the_alarms.set_up(
        schedule, mail='ops@example.org', smtp=f'smtp://127.0.0.1:{mails.port}',
        no_worker=None)
    commit()
    return found


@pytest.fixture
def hurried(monkeypatch):
    """What takes long is cut off soon."""
    monkeypatch.setattr(limits, 'ALL', .2)
