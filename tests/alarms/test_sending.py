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
"""What goes over the net, and what keeps it from going."""

import socket
import ssl
import threading
from email.utils import parsedate_to_datetime

import pytest

from zodbschedule.alarms import calls
from zodbschedule.alarms import mail as the_mail
from zodbschedule.alarms.addresses import AddressError
from zodbschedule.alarms.calls import CallError
from zodbschedule.alarms.calls import call_heartbeat
from zodbschedule.alarms.calls import call_webhook
from zodbschedule.alarms.limits import Limit
from zodbschedule.alarms.mail import Conversation
from zodbschedule.alarms.mail import envelope_of
from zodbschedule.alarms.mail import send_mail
from zodbschedule.instant import to_micros


def send(mails, to='ops@example.org', sender=None, smtp=None,
         subject='wrong', text='What is wrong.\n', at=0):
    send_mail(envelope_of(to, sender, smtp or f'smtp://127.0.0.1:{mails.port}'),
              'an-id', at, subject, text)


# -- mail


def test_a_mail_says_from_whom_and_when_it_is(mails, clock):
    send(mails, 'ann@example.org, bob@example.org', 'me@example.net',
         at=to_micros(clock.now()), subject='gr\u00fcn', text='f\u00fcr\n')
    mail, = mails.received
    assert mail['From'] == 'me@example.net'
    assert mail['To'] == 'ann@example.org, bob@example.org'
    assert mail['Message-ID'] == '<an-id@example.net>'
    assert mail['Auto-Submitted'] == 'auto-generated'
    assert parsedate_to_datetime(mail['Date']) == clock.now()
    assert mail['Subject'] == 'gr\u00fcn'
    assert mail.get_content().split() == ['f\u00fcr']


@pytest.mark.parametrize('fault', ['rude', None])
def test_what_comes_after_it_was_taken_does_not_matter(mails, fault):
    mails.fault = fault
    send(mails)
    assert len(mails.received) == 1


@pytest.mark.parametrize('fault', ['busy', 'no answer'])
def test_a_server_that_does_not_take_it_is_an_error(mails, fault):
    mails.fault = fault
    with pytest.raises(OSError):
        send(mails)


def test_who_is_unknown_keeps_nobody_else_from_getting_it(mails, caplog):
    mails.fault = 'unknown'
    send(mails, 'ann@example.org, bob@example.org')
    assert len(mails.received) == 1
    assert 'refused some of those to whom alarms are mailed: ann@example.org' \
        in caplog.text


def test_without_tls_that_was_asked_for_nothing_is_sent(mails):
    with pytest.raises(OSError, match='502'):
        send(mails, smtp=f'smtp+tls://127.0.0.1:{mails.port}')
    assert mails.received == []


@pytest.fixture
def without_checks(monkeypatch):
    """Sockets say that they have TLS, and names of whom."""
    wrapped = []

    class Context:
        def wrap_socket(self, sock, server_hostname):
            wrapped.append(server_hostname)
            return sock

    monkeypatch.setattr(ssl, 'create_default_context', Context)
    return wrapped


def test_tls_is_from_the_first_byte_on_or_after_starttls(
        mails, without_checks, monkeypatch):
    send(mails, smtp=f'smtps://localhost:{mails.port}')
    assert without_checks == ['localhost']
    monkeypatch.setattr(Conversation, 'docmd', lambda *args: (220, b'go'))
    send(mails, smtp=f'smtp+tls://localhost:{mails.port}')
    assert without_checks == ['localhost', 'localhost']
    assert len(mails.received) == 2


def test_the_password_is_that_of_the_environment(
        mails, without_checks, monkeypatch):
    seen = []
    monkeypatch.setattr(Conversation, 'login', lambda self, *args: (
        seen.append(args)))
    monkeypatch.setenv('SMTP', f'smtps://me:s3cret@localhost:{mails.port}')
    send(mails, smtp='env:SMTP')
    assert seen == [('me', 's3cret')]
    monkeypatch.delenv('SMTP')
    with pytest.raises(AddressError):
        send(mails, smtp='env:SMTP')


# -- the limits


@pytest.fixture
def dripping():
    """A server that never comes to an end; its port."""
    ended = threading.Event()
    server = socket.create_server(('127.0.0.1', 0))

    def drip():
        connection, _ = server.accept()
        with connection:
            while not ended.wait(.01):
                try:
                    connection.sendall(b'x')
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    ended.set()
    thread.join()
    server.close()


def test_a_mail_server_that_drips_is_cut_off(dripping, hurried):
    with pytest.raises(OSError):
        send(None, smtp=f'smtp://127.0.0.1:{dripping}')


def test_a_web_server_that_drips_is_cut_off(dripping, hurried):
    with pytest.raises(CallError):
        calls.call(f'http://127.0.0.1:{dripping}/')


def test_a_silent_server_is_left_after_a_step(monkeypatch):
    monkeypatch.setattr(calls, 'STEP', .05)
    monkeypatch.setattr(the_mail, 'STEP', .05)
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(CallError, match='timed out'):
            calls.call(f'http://127.0.0.1:{port}/')
        with pytest.raises(OSError, match='timed out'):
            send(None, smtp=f'smtp://127.0.0.1:{port}')


def test_what_has_ended_is_not_cut_off(hurried):
    one, other = socket.socketpair()
    with one, other:
        limit = Limit(one)
        limit.end()
        limit.timer.join()
        other.sendall(b'x')
        assert one.recv(1) == b'x'


def test_what_is_closed_cannot_be_cut_off(hurried):
    one, other = socket.socketpair()
    one.close()
    other.close()
    Limit(one).timer.join()


# -- calls


def test_a_webhook_gets_json_and_a_key(web):
    call_webhook(web.address(), 'an-id', {'text': 'gr\u00fcn'})
    (method, path, headers, data), = web.received
    assert (method, path, data) == ('POST', '/hook', {'text': 'gr\u00fcn'})
    assert headers['Idempotency-Key'] == 'an-id'
    assert headers['Content-Type'] == 'application/json'


@pytest.mark.parametrize('code, said', [
    (500, 'the answer is 500 Internal Server Error'),
    (302, 'the answer is 302 Found, which is not followed; write the address '
     'to which that leads')])
def test_what_is_not_taken_is_an_error(web, code, said):
    web.fault = code
    with pytest.raises(CallError) as raised:
        call_webhook(web.address(), 'an-id', {})
    assert str(raised.value) == said
    assert len(web.received) == 1


def test_no_error_says_the_address(web, monkeypatch):
    web.stop()
    monkeypatch.setenv('PING', web.address('s3cret'))
    problem = call_heartbeat('env:PING')
    assert 'Connection refused' in problem
    assert 's3cret' not in problem


@pytest.mark.parametrize('url', [
    'file:///etc/passwd', 'ftp://127.0.0.1/', 'data:,x'])
def test_nothing_but_http_is_opened(url):
    with pytest.raises(CallError):
        calls.call(url)


def test_https_is_spoken_with_a_limit_too(mails):
    with pytest.raises(CallError, match='SSL|TLS'):
        calls.call(f'https://127.0.0.1:{mails.port}/')


def test_a_heartbeat_is_called_by_who_knows_its_address(web, monkeypatch):
    assert call_heartbeat(None) is None
    assert call_heartbeat('env:PING') is None
    assert web.received == []
    monkeypatch.setenv('PING', web.address('ping'))
    assert call_heartbeat('env:PING') is None
    assert [each[:2] for each in web.received] == [('GET', '/ping')]
    monkeypatch.setenv('PING', 'nothing')
    assert 'is no address that can be used' in call_heartbeat('env:PING')
