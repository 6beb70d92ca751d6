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
"""What a process is told of the sites that it serves.

By a section of ``zope.conf``, or by the environment, which goes first::

    <product-config zodbschedule>
        threads 2
        urls /Plone=https://www.example.org /Intranet=http://intranet:8080
    </product-config>

    ZODBSCHEDULE_THREADS=2
    ZODBSCHEDULE_URLS='/Plone=https://www.example.org'
"""

import os
from collections.abc import Callable
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from typing import NamedTuple
from urllib.parse import SplitResult
from urllib.parse import urlsplit

from App.config import getConfiguration


#: the section of ``zope.conf``, and the beginning of each variable
SECTION = 'zodbschedule'

# Threads that look into one database, each with a connection and a claim.
MANY = 100


class InvalidSettings(ValueError):
    """A setting that nobody can work with."""


class Settings(NamedTuple):
    """What a process is told; see the docs for each."""

    #: how many tasks the serving process runs at once; 0: none
    threads: int = 1
    #: the label of its claims, or None
    name: str | None = None
    lease: timedelta | None = None
    grace: timedelta | None = None
    #: the path of a site -> the address at which people see it
    urls: Mapping[str, SplitResult] = {}


NAMES = Settings._fields


def settings(given: Mapping[str, str] | None = None) -> Settings:
    """Those of this process; `InvalidSettings` says what is wrong.

    What is *given* goes before ``zope.conf``.
    """
    found = {**_configured(), **(given or {})}
    unknown = sorted(set(found) - set(NAMES))
    if unknown:
        raise InvalidSettings(
            f'{", ".join(unknown)} is no setting of {SECTION}; there are '
            f'{", ".join(NAMES)}')
    for name in NAMES:
        value = os.environ.get(f'{SECTION}_{name}'.upper())
        if value is not None:
            found[name] = value
    read: dict[str, Any] = {
        name: READ[name](name, value.strip())
        for name, value in found.items() if value.strip()}
    return Settings(**read)


def _configured() -> dict[str, str]:
    sections = getattr(getConfiguration(), 'product_config', None) or {}
    return dict(sections.get(SECTION) or {})


def _threads(name: str, value: str) -> int:
    if not value.isdecimal() or int(value) > MANY:
        raise InvalidSettings(
            f'{name} is {value!r}; it has to be a number from 0 to {MANY}')
    return int(value)


def _seconds(name: str, value: str) -> timedelta:
    try:
        found = timedelta(seconds=float(value))
    except (ValueError, OverflowError):
        found = timedelta(0)
    if found <= timedelta(0):
        raise InvalidSettings(
            f'{name} is {value!r}; it has to be a number of seconds')
    return found


def _name(name: str, value: str) -> str:
    return value


def _urls(name: str, value: str) -> dict[str, SplitResult]:
    return dict(_url(name, each) for each in value.split())


def _url(name: str, value: str) -> tuple[str, SplitResult]:
    path, _, url = value.partition('=')
    if not path.startswith('/'):
        raise InvalidSettings(
            f'{name} has {value!r}; write the path of a site, from the root '
            f'on, and its address, as in /Plone=https://www.example.org')
    return '/' + path.strip('/'), parse_url(url)


def parse_url(url: str) -> SplitResult:
    """The address of a site; `InvalidSettings` if it is none."""
    found = urlsplit(url)
    try:
        valid = (found.scheme in ('http', 'https') and found.hostname
                 and (found.port or 80) and not found.query
                 and not found.fragment)
    except ValueError:
        valid = False
    if not valid:
        raise InvalidSettings(
            f'{url!r} is no address of a site; write, for instance, '
            f'https://www.example.org')
    return found


READ: dict[str, Callable[[str, str], Any]] = {
    'threads': _threads, 'name': _name, 'lease': _seconds,
    'grace': _seconds, 'urls': _urls}
