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
"""Whether a POST comes from one of our own pages.

Another page in the same browser can post to us, too, and the browser adds what
it knows of the user.  So a form has a hidden token, which others cannot read,
for a cookie, which others cannot set::

    cookie ──┐
    user ────┼── Seal ──▶ token in the form
    secret ──┘
"""

import re
import secrets

from webob import Request
from webob.exc import HTTPForbidden
from webob.exc import HTTPLengthRequired
from webob.exc import HTTPRequestEntityTooLarge
from webob.exc import HTTPUnsupportedMediaType

from zodbschedule.web.seal import Seal


#: the name of the field with the token
FIELD = 'token'

# Bytes of a form.  A hundred tasks with what was seen of them take a tenth.
LARGEST = 65_536

FORM = 'application/x-www-form-urlencoded'
UTF_8 = 'utf-8', 'utf8'

AGAIN = ('Nothing was changed. Go back, load the page again, and try once '
         'more; the browser has to accept cookies from here.')


def new_session() -> str:
    """The value of a new cookie."""
    return secrets.token_urlsafe(16)


def is_session(cookie: str) -> bool:
    """Whether we may have made it."""
    return re.fullmatch(r'[\w-]{22}', cookie, re.ASCII) is not None


def token_of(seal: Seal, session: str, user: str) -> str:
    """What a form holds that this user sends with that cookie."""
    return seal.mark('form', session, user)


def refuse_unfit(request: Request) -> None:
    """Raise an error for what is no form of ours, before it is read."""
    if request.content_length is None:
        raise HTTPLengthRequired('The request has no Content-Length.')
    if request.content_length > LARGEST:
        raise HTTPRequestEntityTooLarge(
            f'The form has {request.content_length} bytes; {LARGEST} are the '
            f'most.')
    if request.content_type != FORM or request.charset.lower() not in UTF_8:
        raise HTTPUnsupportedMediaType(
            f'A form is sent as {FORM}, in UTF-8.')


def refuse_forged(request: Request, seal: Seal, session: str, user: str
                  ) -> None:
    """Raise HTTPForbidden for what does not come from a form of ours."""
    if not _is_from_here(request):
        raise HTTPForbidden(
            f'The form comes from another site. {AGAIN} Behind a proxy, that '
            f'has to pass on the header Host.')
    if not seal.is_mark(request.POST.get(FIELD, ''), 'form', session, user):
        raise HTTPForbidden(f'The form is too old, or not from here. {AGAIN}')


def _is_from_here(request: Request) -> bool:
    """Whether the browser says so; True if it says nothing."""
    site = request.headers.get('Sec-Fetch-Site')
    if site is not None:
        return site in ('same-origin', 'none')
    origin = request.headers.get('Origin')
    host = request.host.removesuffix(':80').removesuffix(':443')
    return origin is None or origin.partition('://')[2] == host
