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
"""The timeline as a drawing: a lane for each task, a mark for each run.

Places are percents of the width: the browser knows how wide it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from datetime import tzinfo
from functools import cached_property

from zodbschedule.reading import ExpectedRun
from zodbschedule.reading import TimelineTask
from zodbschedule.web.wording import Words


DAY = timedelta(days=1)

# Runs that are nearer, in percent, are one mark: else they hide each other,
# and a page has thousands.
NEAR = 1.3

# How many runs of a lane are told as text; of others, their number.
TOLD = 24

# The hours of a day that have a line.
HOURS = range(0, 24, 3)


@dataclass(frozen=True)
class Frame:
    """The days that are drawn, in a time zone."""

    first: date
    days: int
    zone: tzinfo

    @cached_property
    def since(self) -> datetime:
        """When it begins, in UTC."""
        return self.at(self.first)

    @cached_property
    def until(self) -> datetime:
        """When it ends, in UTC; raises OverflowError after the last day."""
        return self.at(self.first + self.days * DAY)

    def at(self, day: date, hour: int = 0) -> datetime:
        """A local time, in UTC."""
        return datetime.combine(day, time(hour), self.zone).astimezone(UTC)

    def place(self, instant: datetime) -> float:
        """Where that is, from 0 to 100."""
        part = (instant - self.since) / (self.until - self.since)
        return round(min(max(100 * part, 0), 100), 2)

    @property
    def shift(self) -> timedelta:
        """How far the clocks are put forward within; negative: back."""
        offsets = [instant.astimezone(self.zone).utcoffset() or timedelta(0)
                   for instant in (self.since, self.until)]
        return offsets[1] - offsets[0]


@dataclass(frozen=True)
class Tick:
    """A line across all lanes, and what stands above it."""

    place: float
    text: str
    #: whether its text gives way where there is little room
    minor: bool = False


def ticks(frame: Frame) -> list[Tick]:
    """Of the hours of one day, or of the days."""
    if frame.days == 1:
        return [Tick(frame.place(frame.at(frame.first, hour)),
                     f'{hour:02}:00', hour % 6 > 0) for hour in HOURS]
    days = [frame.first + number * DAY for number in range(frame.days)]
    return [Tick(frame.place(frame.at(day)), f'{day:%a} {day.day}',
                 number % 2 > 0) for number, day in enumerate(days)]


@dataclass
class Mark:
    """One run, or some that are near to each other."""

    place: float
    runs: list[ExpectedRun] = field(default_factory=list)
    end: float = 0

    @property
    def width(self) -> float:
        """From the first of its runs to the last."""
        return round(self.end - self.place, 2)

    @property
    def noted(self) -> bool:
        """Whether one of them has a note."""
        return any(run.note for run in self.runs)


def marks(runs: tuple[ExpectedRun, ...], frame: Frame) -> list[Mark]:
    """Those of one task, by time."""
    found: list[Mark] = []
    for run in runs:
        place = frame.place(run.time)
        if not found or place - found[-1].end >= NEAR:
            found.append(Mark(place))
        found[-1].runs.append(run)
        found[-1].end = place
    return found


@dataclass(frozen=True)
class Lane:
    """One task."""

    task: TimelineTask
    marks: list[Mark]
    #: where the runs begin that are left out, since there are too many
    goes_on: float | None
    #: when it runs, for a line below its name
    short: str
    #: the same with each run and its note
    long: str

    def title(self, mark: Mark, words: Words) -> str:
        """What is told of a mark when one points at it."""
        return f'{self.task.description}: {_mark_text(mark, words)}'


def lanes(tasks: tuple[TimelineTask, ...], frame: Frame, words: Words
          ) -> list[Lane]:
    """A lane for each of them."""
    return [Lane(
        task, marks(task.runs, frame),
        None if task.goes_on is None else frame.place(task.goes_on),
        _short(task, frame, words), _long(task, words)) for task in tasks]


def _mark_text(mark: Mark, words: Words) -> str:
    first, *_, last = [mark.runs[0], *mark.runs]
    if len(mark.runs) == 1:
        return _run_text(first, words)
    return (f'{len(mark.runs)} runs from {words.moment(first.time)} to '
            f'{words.moment(last.time)}')


def _run_text(run: ExpectedRun, words: Words) -> str:
    note = f' ({run.note})' if run.note else ''
    return f'{words.moment(run.time)}{note}'


def _short(task: TimelineTask, frame: Frame, words: Words) -> str:
    def at(run: ExpectedRun) -> str:
        clock = words.clock(run.time)
        return clock if frame.days == 1 else f'{words.day(run.time)} {clock}'

    first, *_, last = [task.runs[0], *task.runs]
    number = len(task.runs)
    if task.goes_on is not None:
        return f'more than {number} runs, from {at(first)}'
    return at(first) if number == 1 else (
        f'{number} runs, {at(first)} to {at(last)}')


def _long(task: TimelineTask, words: Words) -> str:
    told = ', '.join(_run_text(run, words) for run in task.runs[:TOLD])
    more = len(task.runs) - TOLD
    return told + (f', and {more} more' if more > 0 else '')


def notes(lanes: list[Lane]) -> Iterator[tuple[Lane, ExpectedRun]]:
    """The runs of which there is something to be said."""
    for lane in lanes:
        for run in lane.task.runs:
            if run.note:
                yield lane, run
