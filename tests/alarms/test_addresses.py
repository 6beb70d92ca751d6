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
"""Addresses and settings: what is taken, and what is said of what is not."""

from datetime import timedelta

import pytest
from zope.interface.verify import verifyObject

from zodbschedule.alarms import IAlarms
from zodbschedule.alarms import set_up
from zodbschedule.alarms.addresses import AddressError
from zodbschedule.alarms.addresses import MailServer
from zodbschedule.alarms.addresses import http_address
from zodbschedule.alarms.addresses import is_there
from zodbschedule.alarms.addresses import mail_addresses
from zodbschedule.alarms.addresses import mail_server
from zodbschedule.alarms.addresses import resolved
from zodbschedule.interfaces import InvalidSetting


@pytest.mark.parametrize('address', [
    'http://localhost/x', 'https://example.org', 'HTTPS://example.org:8443?a=b',
    'http://[::1]:80/hook'])
def test_what_can_be_called_is_an_address(address):
    assert http_address(address) == address


@pytest.mark.parametrize('address', [
    '', 'ftp://example.org', 'file:///etc/passwd', 'http://', 'http:///x',
    'https://me:secret@example.org/', 'http://example.org:99999/',
    'http://example.org:0/', 'http://example.org/a b', 'javascript:alert(1)',
    'http://b\u00fccher.example/', 'http://example.org\\@evil.example/',
    'http://[::1/', 'http://example.org/\x01', 'http://example.org:port/'])
def test_what_cannot_is_none(address):
    assert http_address(address) is None


def test_a_mail_server_is_spoken_to_in_one_of_three_ways():
    assert mail_server('smtp://localhost') == MailServer(
        'smtp', 'localhost', 25)
    assert mail_server('smtp+tls://[::1]/') == MailServer(
        'smtp+tls', '::1', 587)
    assert mail_server('smtps://me:a%40b@example.org:4650') == MailServer(
        'smtps', 'example.org', 4650, 'me', 'a@b')


@pytest.mark.parametrize('address', [
    'localhost', 'smtp://', 'http://localhost', 'smtp://localhost:0',
    'smtp://localhost:70000', 'smtp://me:secret@localhost', 'smtp://a b'])
def test_no_password_goes_over_the_net_in_clear(address):
    assert mail_server(address) is None


@pytest.mark.parametrize('text, number', [
    ('ann@example.org', 1), ('ann@example.org, bob@example.org', 2), ('', 0),
    ('ann', 0), ('ann@example.org,', 0), ('a@b@c', 0), ('<a@b>', 0),
    ('ann@example.org\nBcc: x@y', 0), ('\u00e4@example.org', 0)])
def test_mail_goes_to_plain_addresses(text, number):
    assert len(mail_addresses(text)) == number


def test_an_address_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv('HOOK', 'https://example.org/s3cret')
    assert is_there('env:HOOK')
    assert resolved('webhook', 'env:HOOK', http_address) == (
        'https://example.org/s3cret')


def test_what_the_environment_lacks_is_named(monkeypatch):
    monkeypatch.delenv('HOOK', raising=False)
    assert not is_there('env:HOOK')
    with pytest.raises(AddressError, match='no environment variable HOOK'):
        resolved('webhook', 'env:HOOK', http_address)


def test_what_the_environment_holds_is_not_said(monkeypatch):
    monkeypatch.setenv('HOOK', 'gopher://s3cret')
    with pytest.raises(AddressError) as raised:
        resolved('webhook', 'env:HOOK', http_address)
    assert str(raised.value) == (
        'webhook is env:HOOK, and what that holds is no address that can be '
        'used; correct it')


# -- settings


def test_the_settings_are_what_they_say(alarms):
    assert verifyObject(IAlarms, alarms)
    defaults = {name: field.default for name, field in (
        (name, IAlarms[name]) for name in IAlarms)}
    fresh = type(alarms)()
    assert {name: getattr(fresh, name) for name in IAlarms} == defaults


@pytest.mark.parametrize('name, value, wanted', [
    ('failures', 0, 'an int of 1 or more, and 100 or less'),
    ('late', 5, 'a timedelta of 0:00:00 or more, such as '
     'timedelta(seconds=5)'),
    ('mail', 'ann', 'one or several addresses with commas between them, such '
     'as ann@example.org, bob@example.org'),
    ('sender', 'a@b.c, d@e.f', 'one address, such as schedule@example.org'),
    ('webhook', 'https://me:secret@example.org', 'an http or https address, '
     'such as https://example.org/hook, without a user and a password, or '
     'env:NAME for what the environment variable NAME holds'),
    ('smtp', 'smtps://me:secret@example.org', 'smtp://HOST, smtp+tls://HOST '
     'or smtps://HOST, perhaps with :PORT, or, with a user and a password, '
     'env:NAME for what the environment variable NAME holds')])
def test_a_wrong_value_is_refused_with_what_to_write(
        alarms, name, value, wanted):
    before = getattr(alarms, name)
    with pytest.raises(InvalidSetting) as raised:
        setattr(alarms, name, value)
    said = repr(value).replace('secret', '***')
    assert str(raised.value) == f'{name} is {said}; it has to be {wanted}'
    assert getattr(alarms, name) == before


def test_a_setting_that_is_none_is_refused(schedule):
    with pytest.raises(InvalidSetting, match="no setting 'failure' of alarms"):
        set_up(schedule, failure=3)


def test_setting_up_again_changes_settings_only(schedule, alarms, commit):
    assert set_up(schedule, late=timedelta(hours=1)) is alarms
    commit()
    assert alarms.late == timedelta(hours=1)
    assert alarms.mail == 'ops@example.org'
    assert len(list(schedule)) == 1
