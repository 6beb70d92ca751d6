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
"""The commands for alarms, beside test_golden.py: what they send."""

from contextlib import contextmanager

import pytest
from receivers import MailServer
from receivers import WebServer
from shell import opened

from zodbschedule.alarms import telling


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy of this machine is between."""
    monkeypatch.setenv('no_proxy', '*')


@contextmanager
def started(server):
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def mails():
    with started(MailServer()) as server:
        yield server


@pytest.fixture
def web():
    with started(WebServer()) as server:
        yield server


@pytest.fixture
def told(shell, wall_clock, mails):
    """A shell whose alarms are mailed; a task is parked, no worker runs."""
    shell('alarm-settings', 'mail=ops@example.org', 'name=hats',
          f'smtp=smtp://127.0.0.1:{mails.port}')
    shell('add', 'shop.deliver')
    shell('process', code=1)
    return shell


def pass_time(clock, seconds):
    clock.set(clock.now().replace(minute=clock.now().minute + seconds // 60))


def test_what_is_wrong_is_told_once_though_the_mail_server_was_down(
        told, mails, wall_clock):
    mails.stop()
    told('alarms', code=1)
    assert told.err == (
        "Error: mail '[hats] 1 task is parked' could not be sent, and waits: "
        "[Errno 111] Connection refused\n")
    told('alarms', '--quiet', code=1)
    mails.start()
    assert "sent: mail '[hats] 1 task is parked'" in told('alarms')
    assert 'sent' not in told('alarms')
    assert told('alarms', '--quiet') == ''
    pass_time(wall_clock, 120)
    told('process')
    assert [mail['Subject'] for mail in mails.received] == [
        '[hats] 1 task is parked']


def test_that_there_is_no_worker_is_told(told, mails, wall_clock):
    told('alarms')
    pass_time(wall_clock, 1200)
    found = told.json('alarms')
    assert {row['kind'] for row in found['standing']} == {
        'no worker', 'late', 'parked'}
    assert found['sent'] == ["mail '[hats] no worker, 1 task is late'"]
    assert 'workers are missing: 0 are alive, 0 silent, 0 dead, since' in (
        mails.received[-1].get_content())


def test_a_server_that_is_down_is_asked_once(told, mails, monkeypatch):
    mails.stop()
    tried = []
    real = telling._send
    monkeypatch.setattr(telling, '_send', lambda letter: (
        tried.append(letter.id), real(letter)))
    told('alarms', '--test', code=1)
    assert len(tried) == 1
    first, second = told.err.splitlines()
    assert 'could not be sent, and waits: ' in first
    assert second.endswith("' was not tried, and waits")
    mails.start()
    told('alarms')
    assert len(mails.received) == 2


def test_a_test_goes_each_way(told, mails, web):
    told('alarm-settings', f'webhook={web.address()}')
    printed = told('alarms', '--test')
    assert "sent: webhook '[hats] this is a test'" in printed
    texts = {mail['Subject']: mail.get_content() for mail in mails.received}
    assert set(texts) == {'[hats] 1 task is parked', '[hats] this is a test'}
    assert 'nothing is wrong' in texts['[hats] this is a test']
    assert {data['subject']: len(data['raised'])
            for *_, data in web.received} == {
        '[hats] 1 task is parked': 1, '[hats] this is a test': 0}


def test_a_test_without_a_way_says_so(shell):
    shell('alarm-settings', 'failures=5')
    shell('alarms', '--test', '--quiet', code=1)
    assert shell.err == (
        'Error: there is nowhere to send a test to; say where with, for '
        'example: zodbschedule alarm-settings mail=you@example.org\n')


def test_what_another_sends_at_this_moment_is_left_to_it(
        told, mails, wall_clock):
    mails.stop()
    told('alarms', code=1)
    with opened(told.db) as root:
        alarms = root['schedule'].alarms
        telling._take(*alarms.outbox, alarms)
    mails.start()
    told('alarms')
    assert mails.received == []


def test_what_another_has_sent_meanwhile_is_not_said_to_be_sent(
        told, mails, monkeypatch):
    from zodbschedule.cli import alarms
    monkeypatch.setattr(alarms, 'hand_over', lambda *args: False)
    assert 'sent' not in told('alarms')


def test_the_heartbeat_is_called_while_all_is_well(
        shell, wall_clock, web, monkeypatch):
    monkeypatch.setenv('PING', web.address('ping'))
    shell('alarm-settings', 'heartbeat=env:PING')
    assert shell('alarms') == 'nothing is wrong'
    assert [each[:2] for each in web.received] == [('GET', '/ping')]
    web.fault = 500
    shell('alarms', '--json', code=1)
    assert shell.err == ('Error: the heartbeat was not taken: the answer is '
                         '500 Internal Server Error\n')
    pass_time(wall_clock, 1200)
    shell('alarms')
    assert len(web.received) == 2


def test_paused_alarms_are_silent(told, mails):
    row, = (row for row in told.json('list')
            if row['key'] == 'zodbschedule.alarms')
    told('pause', row['id'])
    assert told('alarms') == (
        f'alarms are paused; to end that: zodbschedule resume {row["id"]}')
    assert told.json('alarms')['paused']
    assert mails.received == []


def test_alarms_that_are_off_need_no_settings(shell):
    assert shell('alarm-settings', '--off') == 'alarms are off'
    assert 'no alarms are set up' in shell.refuses('alarms')


def test_alarms_that_nobody_is_told_warn(shell):
    shell('alarm-settings', 'late=1h')
    assert 'Warning: nobody is told: ' in shell.err
    shell('alarm-settings', 'heartbeat=env:PING')
    assert shell.err == ''


def test_a_schedule_with_alarms_is_sound(told, mails):
    mails.stop()
    told('alarms', code=1)
    assert told('check', '--deep').startswith('OK')


def test_a_setting_that_is_not_valid_any_more_is_said(told):
    with opened(told.db) as root:
        root['schedule'].alarms.note(name='caps')
        root['schedule'].alarms.__dict__['late'] = 5
    told('alarm-settings')
    assert told.err.startswith(
        'Warning: a setting is not valid, and its default is used: late is 5;')
