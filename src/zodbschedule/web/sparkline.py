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
"""Small drawings of the last hour: a bar for each minute."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from zodbschedule.reading import Activity
from zodbschedule.reading import Period
from zodbschedule.web.wording import Words


# Of a drawing, in its own units; the style sheet stretches it.
HEIGHT = 40
STEP = 4
WIDTH = 3

# A bar that is lower cannot be seen: one failure among thousands is to be.
LOWEST = 2.0

# From the ground up: what a part of a bar says, and the outcomes it counts.
PARTS = (('ok', ('succeeded',)),
         ('calm', ('cancelled',)),
         ('warn', ('retried', 'interrupted', 'expired')),
         ('bad', ('failed',)))


class Bar(NamedTuple):
    """A part of a bar, and what it is of."""

    x: int
    y: float
    height: float
    kind: str
    title: str


def outcome_bars(activity: Activity, words: Words) -> list[Bar]:
    """How many runs have ended, one part for each kind of outcome."""
    most = max(sum(_parts(each).values()) for each in activity.bins)
    return [bar for index, each in enumerate(activity.bins)
            for bar in _stacked(index, each, most, words)]


def _parts(period: Period) -> dict[str, int]:
    """How many there are of each kind."""
    return {kind: sum(getattr(period.counts, name) for name in names)
            for kind, names in PARTS}


def _stacked(index: int, period: Period, most: int, words: Words
             ) -> Iterator[Bar]:
    top = float(HEIGHT)
    title = f'{words.outcomes(period.counts)} at {words.clock(period.since)}'
    for kind, number in _parts(period).items():
        if number:
            height = _height(number / most)
            top = max(0.0, top - height)
            yield Bar(index * STEP, round(top, 2), height, kind, title)


def lag_bars(activity: Activity, words: Words) -> list[Bar]:
    """How late the last run of each part has begun."""
    lags = [part.greatest_lag for part in activity.bins]
    most = max((lag for lag in lags if lag), default=timedelta(1))
    return [
        Bar(index * STEP, round(HEIGHT - height, 2), height, 'busy',
            f'{words.run_time(lag)} at {words.clock(part.since)}')
        for index, (lag, part) in enumerate(
            zip(lags, activity.bins, strict=True)) if lag is not None
        for height in [_height(lag / most)]]


def _height(part: float) -> float:
    return round(max(LOWEST, part * HEIGHT), 2)
