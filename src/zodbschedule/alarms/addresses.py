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
"""Addresses: of people, of a mail server, of what is called over HTTP.

``env:NAME`` stands for what the environment variable NAME holds, where it is
used: so no secret need be in the database.
"""

import os
import re
from collections.abc import Callable
from typing import NamedTuple
from typing import TypeVar
from urllib.parse import unquote
from urllib.parse import urlsplit


T = TypeVar('T')

ENVIRONMENT = re.compile('env:([A-Za-z_][A-Za-z0-9_]*)')

# The host is that of urlsplit, or else it is refused.
HTTP = re.compile(r'https?://[^\s/?#@\\]+([/?#][^\s\\]*)?', re.I)

SMTP = re.compile(
    r'(smtp|smtp\+tls|smtps)://(?:([^\s:@/]+):([^\s:@/]+)@)?'
    r'([^\s:@/?#\[\]]+|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?/?')

#: the port of each way to a mail server
PORTS = {'smtp': 25, 'smtp+tls': 587, 'smtps': 465}

MAIL = re.compile(r'[!-~]+@[!-~]+')
NOT_IN_MAIL = frozenset('<>()",;:\\')


class AddressError(ValueError):
    """An address of the environment is missing, or is none."""


class MailServer(NamedTuple):
    """A mail server, and how it is spoken to."""

    #: smtp, smtp+tls or smtps
    way: str
    host: str
    port: int
    user: str = ''
    password: str = ''


def http_address(text: str) -> str | None:
    """*text* if it can be called, else None."""
    try:
        fits = (text.isascii() and text.isprintable() and HTTP.fullmatch(text)
                and urlsplit(text).hostname and urlsplit(text).port != 0)
    except ValueError:  # no port is that large
        return None
    return text if fits else None


def mail_server(text: str) -> MailServer | None:
    """The server in an address as ``smtps://me:secret@example.org:465``.

    None if it is no such address, or would send the password in clear.
    """
    match = SMTP.fullmatch(text)
    if match is None:
        return None
    way, user, password, host, port = match.groups('')
    number = int(port or PORTS[way])
    if not 0 < number < 65536 or (user and way == 'smtp'):
        return None
    return MailServer(way, host.strip('[]'), number, unquote(user),
                      unquote(password))


def mail_addresses(text: str) -> tuple[str, ...]:
    """Those in *text*, which has commas between them; () if one is none."""
    found = tuple(each.strip() for each in text.split(','))
    fit = all(MAIL.fullmatch(each) and each.count('@') == 1
              and not NOT_IN_MAIL.intersection(each) for each in found)
    return found if fit else ()


def is_variable(text: str) -> bool:
    """Whether that is ``env:NAME``."""
    return ENVIRONMENT.fullmatch(text) is not None


def is_there(text: str) -> bool:
    """Whether it is an address, or its variable is set in this process."""
    match = ENVIRONMENT.fullmatch(text)
    return match is None or bool(os.environ.get(match[1]))


def resolved(setting: str, text: str, parse: Callable[[str], T | None]) -> T:
    """What *parse* makes of the address, or of that of the environment.

    Raises `AddressError`, which does not say what the variable holds.
    """
    match = ENVIRONMENT.fullmatch(text)
    if match and not is_there(text):
        raise AddressError(
            f'{setting} is {text}, and this process has no environment '
            f'variable {match[1]}; set it, or change {setting}')
    found = parse(os.environ[match[1]] if match else text)
    if found is None:
        raise AddressError(
            f'{setting} is {text}, and what that holds is no address that can '
            f'be used; correct it')
    return found
