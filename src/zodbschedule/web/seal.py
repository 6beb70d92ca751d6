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
"""Texts that a browser keeps for us, and cannot make by itself."""

import hmac
import secrets
from base64 import urlsafe_b64encode


class Seal:
    """Signs texts by a secret, for one purpose each.

    *secret* has to be the same in all processes that answer the same browser;
    without one it is random.
    """

    def __init__(self, secret: str | bytes | None = None) -> None:
        if isinstance(secret, str):
            secret = secret.encode()
        self.secret = secret or secrets.token_bytes(32)

    def mark(self, purpose: str, *texts: str) -> str:
        """What only we can say of these texts."""
        said = '\0'.join((purpose, *texts)).encode('utf-8', 'replace')
        mark = hmac.digest(self.secret, said, 'sha256')
        return urlsafe_b64encode(mark).rstrip(b'=').decode()

    def is_mark(self, mark: str, purpose: str, *texts: str) -> bool:
        """Whether that was said of these texts; takes the same time for all.
        """
        return hmac.compare_digest(
            mark.encode('utf-8', 'replace'),
            self.mark(purpose, *texts).encode())
