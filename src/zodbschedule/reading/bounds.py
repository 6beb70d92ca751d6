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
"""How well a schedule has to be: what a monitor calls a problem."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from zodbschedule.reading.healthcheck import Health


#: how long a task may be overdue
MAX_OVERDUE = timedelta(minutes=5)


class Bounds(NamedTuple):
    """What is to be: None if it does not matter."""

    max_overdue: timedelta = MAX_OVERDUE
    max_parked: int | None = None
    min_workers: int | None = None

    def problems(self, found: Health) -> Iterator[str]:
        """What is out of bounds, in a word or a few each."""
        if found.overdue > self.max_overdue:
            yield 'OVERDUE'
        if self.max_parked is not None and found.parked > self.max_parked:
            yield 'TOO MANY PARKED'
        if self.min_workers is not None and (
                found.workers.alive < self.min_workers):
            yield 'TOO FEW WORKERS'
