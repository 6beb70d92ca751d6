"""Mail about tasks that are parked or late, from a real Plone."""

import operator
import sys
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import transaction
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.app.testing import setRoles

from zodbschedule import Every
from zodbschedule.alarms import telling
from zodbschedule.testing import run_until
from zodbschedule.zope import steering
from zodbschedule.zope.plone.automation.settings import configure


NAME = 'zodbschedule.alarms'
MINUTE = timedelta(minutes=1)


def count():
    """Is gone when it is to run."""


@pytest.fixture
def portal(functional, clock):
    """A site that is to mail, by a server."""
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    portal = functional['portal']
    setRoles(portal, TEST_USER_ID, ['Manager'])
    api.portal.set_registry_record(
        'plone.email_from_address', 'site@example.org')
    host = portal.MailHost
    host.smtp_host, host.smtp_port, host.smtp_uid, host.force_tls = (
        'mail.example.org', 25, '', False)
    steering.reset(portal, NAME, by='jane')
    steering.resume(portal, NAME, by='jane')
    transaction.commit()
    return portal


@pytest.fixture
def mails(monkeypatch):
    """What is sent: envelopes, subjects and texts."""
    mails = []
    monkeypatch.setattr(
        telling, 'send_mail', lambda envelope, id, at, subject, text:
        mails.append((envelope, subject, text)))
    return mails


@pytest.fixture
def passes(portal, schedule, clock):
    """Let so many minutes pass, with all that is due in them."""
    def passes(minutes):
        transaction.commit()
        run_until(schedule, clock.now() + minutes * MINUTE)
        portal._p_jar.sync()

    return passes


def pause_of(schedule):
    return schedule.paused(schedule.contributed_tasks[NAME])


def test_a_parked_task_is_mailed_once(portal, schedule, passes, mails):
    schedule.call('math.sqrt', -1, description='deliver')
    passes(30)
    # Later ones say that there is no worker.
    (envelope, subject, text), *others = mails
    assert not any('parked' in other for _, other, _ in others)
    assert (envelope.sender, envelope.to, envelope.smtp) == (
        'site@example.org', ('site@example.org',),
        'smtp://mail.example.org:25')
    assert subject == '[/plone] 1 task is parked'
    assert "'deliver'" in text


def test_a_task_that_has_not_run_by_its_rule_is_mailed(
        schedule, passes, mails, monkeypatch):
    schedule.call(count, description='count', recurrence=Every(MINUTE))
    # Then it is left in its place.
    monkeypatch.delattr(sys.modules[__name__], 'count')
    passes(20)
    [text] = [text for _, subject, text in mails if 'late' in subject]
    assert "'count'" in text


def test_while_it_is_paused_nothing_is_mailed(
        portal, schedule, passes, mails):
    steering.pause(portal, NAME, by='jane')
    schedule.call('math.sqrt', -1)
    passes(30)
    assert mails == []


def test_a_server_that_is_down_is_tried_again(
        portal, schedule, passes, mails, monkeypatch):
    send = telling.send_mail

    def refuse(*args):
        monkeypatch.setattr(telling, 'send_mail', send)
        raise ConnectionRefusedError('down')

    monkeypatch.setattr(telling, 'send_mail', refuse)
    schedule.call('math.sqrt', -1)
    passes(5)
    assert len(mails) == 1


def test_addresses_and_server_can_be_set(portal, schedule, passes, mails):
    configure(portal, alarm_mail='a@example.org, b@example.org',
              alarm_smtp='env:ALARM_SMTP')
    portal.MailHost.smtp_uid = 'user'
    schedule.call('math.sqrt', -1)
    passes(5)
    [(envelope, _subject, _text)] = mails
    assert envelope.to == ('a@example.org', 'b@example.org')
    assert envelope.smtp == 'env:ALARM_SMTP'


def test_a_server_with_tls_is_used_with_it(portal, schedule, passes, mails):
    portal.MailHost.force_tls = True
    schedule.call('math.sqrt', -1)
    passes(5)
    [(envelope, _subject, _text)] = mails
    assert envelope.smtp == 'smtp+tls://mail.example.org:25'


@pytest.mark.parametrize('reason, change', [
    ('nobody to mail to', lambda portal: operator.delitem(
        portal.portal_registry.records, 'plone.email_from_address')),
    ('wants a user', lambda portal: setattr(
        portal.MailHost, 'smtp_uid', 'user')),
    ('smtp is', lambda portal: configure(portal, alarm_smtp='nonsense'))])
def test_a_site_that_cannot_mail_pauses_the_task(
        portal, schedule, passes, mails, caplog, reason, change):
    change(portal)
    schedule.call('math.sqrt', -1)
    passes(5)
    assert mails == []
    assert reason in pause_of(schedule).reason
    assert caplog.text.count(reason) == 1
