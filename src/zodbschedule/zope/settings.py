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
"""The settings of a process for the sites that it serves.

They are in a section of ``zope.conf`` and in the environment, which has
precedence::

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
from functools import partial
from typing import Any
from typing import NamedTuple
from urllib.parse import SplitResult
from urllib.parse import urlsplit

from App.config import getConfiguration

from zodbschedule.interfaces import MIN_LEASE
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.worker.config import MAX_THREADS


#: the section of ``zope.conf``, and the prefix of each variable
SECTION = 'zodbschedule'

class Settings(NamedTuple):
    """The settings of a process.  See the chapter on Zope for each."""

    #: how many tasks the serving process runs at once; 0: none
    threads: int = 1
    #: the label of the claims, or None
    name: str | None = None
    lease: timedelta | None = None
    grace: timedelta | None = None
    #: where the worker of the serving process serves metrics; None: nowhere
    metrics_port: int | None = None
    metrics_address: str = '127.0.0.1'
    #: the path of a site -> the address at which people see it
    urls: Mapping[str, SplitResult] = {}


NAMES = Settings._fields


def read_settings(options: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process.

    *options* have precedence over ``zope.conf``, and the environment has
    precedence over both.  An empty text stands for the default.  Raises
    `InvalidSetting`.
    """
    texts = {**_configuration(), **(options or {})}
    _refuse_unknown(texts)
    texts.update(_environment())
    values: dict[str, Any] = {
        name: READERS[name](name, text.strip())
        for name, text in texts.items() if text.strip()}
    if 'metrics_address' in values and 'metrics_port' not in values:
        raise InvalidSetting('metrics_address needs metrics_port')
    return Settings(**values)


def address_of(url: str, path: str) -> SplitResult | None:
    """The address at which people see the site at *path*, or None.

    *url* is that of its schedule, and goes before the settings of the process.
    Raises `InvalidSetting`.
    """
    return parse_url(url) if url else read_settings().urls.get(path)


def hints_of_address(url: str, path: str) -> list[str]:
    """That no address is set, or what is wrong with it; empty if all is well.
    """
    try:
        if address_of(url, path) is not None:
            return []
    except InvalidSetting as error:
        return [str(error)]
    return [f'no address is set for the site {path}, so that links that its '
            f'tasks make begin with http://localhost; set the url of its '
            f'schedule, or urls in zope.conf']


def _configuration() -> dict[str, str]:
    sections = getattr(getConfiguration(), 'product_config', None) or {}
    return dict(sections.get(SECTION) or {})


def _environment() -> dict[str, str]:
    variables = {name: f'{SECTION}_{name}'.upper() for name in NAMES}
    return {name: os.environ[variable]
            for name, variable in variables.items() if variable in os.environ}


def _refuse_unknown(names: Mapping[str, str]) -> None:
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise InvalidSetting(
            f'{", ".join(unknown)}: not a setting of {SECTION}; the settings '
            f'are {", ".join(NAMES)}')


def _read_number(most: int, name: str, text: str) -> int:
    if not text.isdecimal() or int(text) > most:
        raise InvalidSetting(
            f'{name} is {text!r}; it has to be a number from 0 to {most}')
    return int(text)


def _read_seconds(name: str, text: str) -> timedelta:
    try:
        duration = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        duration = timedelta(0)
    if duration <= timedelta(0):
        raise InvalidSetting(
            f'{name} is {text!r}; it has to be a positive number of seconds')
    return duration


def _read_lease(name: str, text: str) -> timedelta:
    lease = _read_seconds(name, text)
    if lease < MIN_LEASE:
        raise InvalidSetting(
            f'{name} is {text!r}; it has to be '
            f'{MIN_LEASE.total_seconds():g} or more seconds')
    return lease


def _read_text(name: str, text: str) -> str:
    return text


def _read_urls(name: str, text: str) -> dict[str, SplitResult]:
    return dict(_read_url(name, each) for each in text.split())


def _read_url(name: str, text: str) -> tuple[str, SplitResult]:
    path, _, url = text.partition('=')
    if not path.startswith('/'):
        raise InvalidSetting(
            f'{name} has {text!r}; write the path of a site, from the '
            f'application root, and its address, as in '
            f'/Plone=https://www.example.org')
    return '/' + path.strip('/'), parse_url(url)


def parse_url(url: str) -> SplitResult:
    """Return the parts of the address of a site.

    Raises `InvalidSetting` unless it has the scheme http or https, a host,
    a valid port if any, and neither a query nor a fragment.
    """
    parts = urlsplit(url)
    try:
        valid = (parts.scheme in ('http', 'https') and parts.hostname
                 and (parts.port or 80) and not parts.query
                 and not parts.fragment)
    except ValueError:
        valid = False
    if not valid:
        raise InvalidSetting(
            f'{url!r} is not an address of a site; write, for instance, '
            f'https://www.example.org')
    return parts


READERS: dict[str, Callable[[str, str], Any]] = {
    'threads': partial(_read_number, MAX_THREADS), 'name': _read_text,
    'lease': _read_lease, 'grace': _read_seconds,
    'metrics_port': partial(_read_number, 65535),
    'metrics_address': _read_text, 'urls': _read_urls}
