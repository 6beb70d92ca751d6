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
"""What an act has said, for the next page to show, once.

It is kept by the browser, in a cookie with a seal; the page escapes it.
"""

import json
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from typing import NamedTuple

from zodbschedule.plain_text import text
from zodbschedule.web.seal import Seal


#: how long a browser keeps it, in seconds
KEPT = 60

# In characters.  A cookie has room for 4096 bytes.
LONGEST = 500


class Message(NamedTuple):
    """A sentence for the person, and whether it tells of a problem."""

    text: str
    problem: bool


def packed(message: Message, seal: Seal, session: str) -> str:
    """The value of the cookie."""
    said = json.dumps(
        [text(message.text, LONGEST), message.problem], ensure_ascii=False)
    value = urlsafe_b64encode(said.encode()).decode()
    return f'{value}.{seal.mark("message", session, value)}'


def unpacked(cookie: str, seal: Seal, session: str) -> list[Message]:
    """The message in that cookie; none if we have not made it."""
    value, _, mark = cookie.partition('.')
    if not seal.is_mark(mark, 'message', session, value):
        return []
    return [Message(*json.loads(urlsafe_b64decode(value)))]
