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
"""Links from a page to itself: what comes next in a list, and drawn anew."""

from dataclasses import dataclass
from urllib.parse import urlencode

from zodbschedule.web.visit import Visit


# How many pages of a list one can go back; each one is in the address.
BACK = 8

# What stands for the first page among them: it has no cursor.
FIRST = '-'

# Each shows a page anew: less, and the database has work; more, and what one
# sees is old.
SECONDS = 5


def here(visit: Visit, **changes: str | None) -> str:
    """The address of this page, with those parameters changed."""
    given = {**visit.request.GET, **changes}
    kept = {name: value for name, value in given.items() if value}
    address = visit.url(visit.name, visit.id)
    return f'{address}?{urlencode(kept)}' if kept else address


@dataclass(frozen=True)
class Pager:
    """Where the rest of a list is; None: there is none."""

    earlier: str | None
    more: str | None


def pager(visit: Visit, cursor: str | None) -> Pager:
    """Of this page; what follows begins at *cursor*."""
    shown = visit.text('cursor')
    past = (visit.text('back') or '').split()
    *older, last = past or [FIRST]
    earlier = shown and here(
        visit, cursor=None if last == FIRST else last, back=' '.join(older))
    more = cursor and here(
        visit, cursor=cursor, back=' '.join([*past, shown or FIRST][-BACK:]))
    return Pager(earlier, more)


@dataclass(frozen=True)
class Live:
    """How a page is drawn anew."""

    seconds: int
    #: whether it is
    on: bool
    #: its address, and the same with that turned
    address: str
    other: str


def live(visit: Visit) -> Live:
    """Of this page; its visitor may stop that."""
    on = visit.choice('live', ['off']) is None
    return Live(SECONDS, on, here(visit), here(
        visit, live='off' if on else None))
