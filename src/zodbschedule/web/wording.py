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
"""Times and durations on pages, for people."""

from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo

from zodbschedule.reading import words


@dataclass(frozen=True)
class Words:
    """What templates call to show times, in one zone."""

    now: datetime
    zone: tzinfo

    def iso(self, instant: datetime) -> str:
        """For the attribute *datetime* of an element ``time``."""
        return words.iso(instant)

    def moment(self, instant: datetime) -> str:
        """The day and the local time, as in ``2030-01-31 09:00:00``."""
        return f'{instant.astimezone(self.zone):%Y-%m-%d %H:%M:%S}'

    def relative(self, instant: datetime) -> str:
        """As in ``in 5 min``."""
        return words.relative(instant, self.now)

    def duration(self, span: timedelta) -> str:
        """As in ``5 min``."""
        return words.duration(span)
