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
"""Calls over HTTP: of a webhook, and of a heartbeat."""

import json
import urllib.request
from collections.abc import Mapping
from http.client import HTTPConnection
from http.client import HTTPResponse
from http.client import HTTPSConnection
from typing import Any
from urllib.error import HTTPError

from zodbschedule.alarms.addresses import AddressError
from zodbschedule.alarms.addresses import http_address
from zodbschedule.alarms.addresses import is_there
from zodbschedule.alarms.addresses import resolved
from zodbschedule.alarms.limits import STEP
from zodbschedule.alarms.limits import Limit
from zodbschedule.errors.text import ErrorText
from zodbschedule.plain_text import one_line


class CallError(Exception):
    """What was called has not taken it.  It does not say the address."""


class Limited(HTTPConnection):
    """A connection that is cut when a call takes too long in all."""

    def connect(self) -> None:
        """See `HTTPConnection`."""
        super().connect()
        self.limit = Limit(self.sock)

    def getresponse(self) -> HTTPResponse:
        """See `HTTPConnection`; it reads the head of the answer."""
        try:
            return super().getresponse()
        finally:
            self.limit.end()


class LimitedTLS(Limited, HTTPSConnection):
    """The same with TLS."""


class Opener(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens http and https with such connections."""

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(Limited, req)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(LimitedTLS, req)


def _opener() -> urllib.request.OpenerDirector:
    """One that knows no other scheme, and follows no redirect."""
    opener = urllib.request.OpenerDirector()
    for handler in (
            urllib.request.ProxyHandler(), Opener(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor()):
        opener.add_handler(handler)
    return opener


def call(url: str, body: bytes | None = None,
         headers: Mapping[str, str] | None = None) -> None:
    """GET *url*, or POST *body*; what is answered is not read.

    Raises `CallError` unless that says that it was taken.
    """
    request = urllib.request.Request(
        url, body, {'User-Agent': 'zodbschedule', **(headers or {})})
    try:
        _opener().open(request, timeout=STEP).close()
    except HTTPError as error:
        with error:
            raise CallError(_answer(error)) from None
    except Exception as error:
        # Each library below has errors of its own.
        raise CallError(one_line(ErrorText(error))) from None


def _answer(error: HTTPError) -> str:
    said = one_line(f'the answer is {error.code} {error.reason}')
    if 300 <= error.code < 400:
        return (f'{said}, which is not followed; write the address to which '
                f'that leads')
    return said


def call_webhook(address: str, id: str, data: Mapping[str, Any]) -> None:
    """POST *data* as JSON; raises `CallError`, `AddressError`."""
    call(resolved('webhook', address, http_address),
         json.dumps(data).encode(),
         {'Content-Type': 'application/json', 'Idempotency-Key': id})


def call_heartbeat(address: str | None) -> str | None:
    """Call it, if this process knows it; why it was not taken, or None."""
    if address is None or not is_there(address):
        return None
    try:
        call(resolved('heartbeat', address, http_address))
    except (AddressError, CallError) as error:
        return str(error)
    return None
