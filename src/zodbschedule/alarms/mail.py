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
"""Sending a mail, to the mail server itself."""

import smtplib
import socket
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime
from typing import NamedTuple

from zodbschedule.alarms.addresses import MailServer
from zodbschedule.alarms.addresses import mail_addresses
from zodbschedule.alarms.addresses import mail_server
from zodbschedule.alarms.addresses import resolved
from zodbschedule.alarms.limits import STEP
from zodbschedule.alarms.limits import Limit
from zodbschedule.instant import from_micros
from zodbschedule.logger import log


class Envelope(NamedTuple):
    """From whom and to whom a mail is, and by which server."""

    sender: str
    to: tuple[str, ...]
    smtp: str


class Conversation(smtplib.SMTP):
    """SMTP whose socket has TLS if that is wanted, and a limit in all."""

    limit: Limit | None = None

    def __init__(self, server: MailServer, domain: str) -> None:
        super().__init__(timeout=STEP, local_hostname=domain)
        self.server = server

    def connect(self, host: str = '', port: int = 0,
                source_address: object = None) -> tuple[int, bytes]:
        """See `smtplib.SMTP`, to the server that was given."""
        self.sock = self.plain = socket.create_connection(
            (self.server.host, self.server.port), STEP)
        self.limit = Limit(self.plain)
        if self.server.way == 'smtps':
            self._add_tls()
        self.file = None
        return self.getreply()

    def _add_tls(self) -> None:
        self.sock = ssl.create_default_context().wrap_socket(
            self.plain, server_hostname=self.server.host)
        self.file = None

    def begin(self) -> None:
        """Connect, and log in if there is a user."""
        code, said = self.connect()
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)
        self.ehlo_or_helo_if_needed()
        if self.server.way == 'smtp+tls':
            self._start_tls()
        if self.server.user:
            self.login(self.server.user, self.server.password)

    def _start_tls(self) -> None:
        code, said = self.docmd('STARTTLS')
        if code != 220:
            raise smtplib.SMTPResponseException(code, said)
        self._add_tls()
        self.ehlo()

    def end(self) -> None:
        """Say goodbye; the mail is sent, whatever comes of that."""
        with suppress(Exception):
            self.quit()

    def close(self) -> None:
        """See `smtplib.SMTP`."""
        if self.limit is not None:
            self.limit.end()
        super().close()


def send_mail(envelope: Envelope, id: str, at: int, subject: str, text: str
              ) -> None:
    """Send it, and return when the server has taken it.

    Raises OSError, of which those of smtplib are, or `AddressError`.
    """
    server = resolved('smtp', envelope.smtp, mail_server)
    domain = envelope.sender.partition('@')[2]
    message = EmailMessage()
    message['From'] = envelope.sender
    message['To'] = ', '.join(envelope.to)
    message['Subject'] = subject
    message['Date'] = format_datetime(from_micros(at))
    message['Message-ID'] = f'<{id}@{domain}>'
    message['Auto-Submitted'] = 'auto-generated'
    message.set_content(text)
    conversation = Conversation(server, domain)
    try:
        conversation.begin()
        refused = conversation.send_message(
            message, envelope.sender, envelope.to)
        conversation.end()
    finally:
        conversation.close()
    if refused:
        log.warning('The mail server has refused some of those to whom alarms '
                    'are mailed: %s', ', '.join(refused))


def envelope_of(mail: str, sender: str | None, smtp: str) -> Envelope:
    """That of the settings with these names."""
    to = mail_addresses(mail)
    return Envelope(sender or to[0], to, smtp)
