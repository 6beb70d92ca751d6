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
"""The one clock of the process: what time it is, and waiting.

What needs "now" gets it as an argument; only the edges of the package ask
here.  Tests use another clock, see `zodbschedule.testing`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """The current instant, in UTC."""

    def wait(self, seconds: float) -> None:
        """Return after so many *seconds*."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


_current: Clock = SystemClock()


def current() -> Clock:
    """The clock in use."""
    return _current


def now() -> datetime:
    """The current instant by the clock in use, in UTC."""
    return _current.now()


def wait(seconds: float) -> None:
    """Wait so many *seconds* by the clock in use."""
    _current.wait(seconds)


@contextmanager
def use(clock: Clock) -> Iterator[Clock]:
    """A context in which *clock* is the one in use, in all threads."""
    global _current
    before, _current = _current, clock
    try:
        yield clock
    finally:
        _current = before
