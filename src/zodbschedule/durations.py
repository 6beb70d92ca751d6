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
"""Durations as people write them: ``30s``, ``5m``, ``2h``, ``1d``."""

import re
from datetime import timedelta


UNITS = {'s': timedelta(seconds=1), 'm': timedelta(minutes=1),
         'h': timedelta(hours=1), 'd': timedelta(days=1)}


def span(text: str) -> timedelta:
    """The duration in *text*, a number and a unit, as a timedelta.

    Raises ValueError if *text* is not a duration, or a longer one than a
    timedelta can be.
    """
    match = re.fullmatch(r'(\d+(?:\.\d+)?)([smhd])', text, re.ASCII)
    if match is None:
        raise ValueError(f'{text} is not a duration; write 30s, 5m, 2h or 1d')
    try:
        return float(match[1]) * UNITS[match[2]]
    except OverflowError:
        raise ValueError(f'{text} is out of range') from None


def typed(duration: timedelta) -> str:
    """The text for `span`, in the largest unit that needs no fraction."""
    for name, unit in reversed(UNITS.items()):
        number, rest = divmod(duration, unit)
        if number and not rest:
            return f'{number}{name}'
    return f'{duration.total_seconds():g}s'
