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
"""The settings of alarms."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from zope.interface import Interface
from zope.schema import Int
from zope.schema import TextLine
from zope.schema import Timedelta

from zodbschedule.alarms.addresses import http_address
from zodbschedule.alarms.addresses import is_variable
from zodbschedule.alarms.addresses import mail_addresses
from zodbschedule.alarms.addresses import mail_server


# How many failures of a task are remembered, at most.
MOST_FAILURES = 100


class Words(TextLine):
    """A text that *fits*; *wanted* says what to write."""

    def __init__(self, wanted: str, fits: Callable[[str], object],
                 **options: Any) -> None:
        self.wanted = wanted
        super().__init__(constraint=lambda value: bool(fits(value)), **options)


def _is_server(text: str) -> bool:
    found = mail_server(text)
    return found is not None and not found.user


def _or_variable(fits: Callable[[str], object]) -> Callable[[str], object]:
    return lambda text: is_variable(text) or fits(text)


def _http(setting: str, title: str, description: str) -> Words:
    return Words(
        f'an http or https address, such as https://example.org/{setting}, '
        f'without a user and a password, or env:NAME for what the environment '
        f'variable NAME holds', _or_variable(http_address), title=title,
        description=description, required=False, default=None)


class IAlarms(Interface):
    """What is an alarm, and where it is told; checked when it is set.

    None: never, or nowhere.
    """

    failures = Int(
        title='Failures',
        description='How many failures of a task in a row are an alarm.',
        min=1,
        max=MOST_FAILURES,
        required=False,
        default=3,
    )

    parked = Int(
        title='Parked',
        description='How many parked tasks are an alarm.',
        min=1,
        required=False,
        default=1,
    )

    late = Timedelta(
        title='Late',
        description='How long a task may be due before that is an alarm.',
        min=timedelta(0),
        required=False,
        default=timedelta(minutes=5),
    )

    no_worker = Timedelta(
        title='No worker',
        description='How long all workers may be missing before that is an '
                    'alarm.',
        min=timedelta(0),
        required=False,
        default=timedelta(minutes=5),
    )

    spacing = Timedelta(
        title='Spacing',
        description='The least time between two messages.',
        min=timedelta(0),
        default=timedelta(minutes=10),
    )

    name = TextLine(
        title='Name',
        description='What the messages call this schedule.',
        default='zodbschedule',
    )

    mail = Words(
        'one or several addresses with commas between them, such as '
        'ann@example.org, bob@example.org', mail_addresses,
        title='Mail',
        description='The addresses that alarms are mailed to.',
        required=False,
        default=None,
    )

    sender = Words(
        'one address, such as schedule@example.org',
        lambda text: len(mail_addresses(text)) == 1,
        title='Sender',
        description='Whom that mail is from.  None: the first of mail.',
        required=False,
        default=None,
    )

    smtp = Words(
        'smtp://HOST, smtp+tls://HOST or smtps://HOST, perhaps with :PORT, '
        'or, with a user and a password, env:NAME for what the environment '
        'variable NAME holds', _or_variable(_is_server),
        title='SMTP',
        description='The mail server.',
        default='smtp://localhost',
    )

    webhook = _http(
        'hook', 'Webhook', 'The address that each message is posted to.')

    heartbeat = _http(
        'ping', 'Heartbeat', 'The address that is called while all is well.')
