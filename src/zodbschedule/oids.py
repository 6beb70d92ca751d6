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
"""Oids that a client of ZEO holds in stock, and its server forgets.

A client fetches the oids of new objects a hundred at a time.  A server that
is started again begins after the highest one that is stored, and so gives
to others what such a client still has in stock.  Its new objects are then
refused, until the stock is used up.
"""

from typing import Any


def forget_when_away(db: Any) -> None:
    """Have the client of *db*, if it is one of ZEO, drop its stock with the
    connection to its server."""
    storage = db.storage
    notify = getattr(storage, 'notify_disconnected', None)
    if notify is None or 'notify_disconnected' in vars(storage):
        return

    def forget() -> None:
        storage._oids = []
        notify()

    storage.notify_disconnected = forget
