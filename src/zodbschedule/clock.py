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
"""The one clock: what time it is, and waiting.

Everything that needs "now" gets it as an argument; the edges of the package
ask here.  Tests put another clock in its place, see `zodbschedule.testing`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """What a clock can do."""

    def now(self) -> datetime:
        """The current instant, in UTC."""

    def wait(self, seconds: float) -> None:
        """Return when that many seconds have passed."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


_current: Clock = SystemClock()


def current() -> Clock:
    """The injected clock itself."""
    return _current


def now() -> datetime:
    """The current instant of the injected clock, in UTC."""
    return _current.now()


def wait(seconds: float) -> None:
    """Wait by the injected clock."""
    _current.wait(seconds)


@contextmanager
def use(clock: Clock) -> Iterator[Clock]:
    """Inside this context *clock* is the clock, in every thread."""
    global _current
    before, _current = _current, clock
    try:
        yield clock
    finally:
        _current = before
