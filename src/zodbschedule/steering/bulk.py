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
"""One thing, done to all tasks that a filter selects, by a task of its own.

It goes through the tasks in portions, each in a run and so in a transaction of
its own.  It shows its progress, can be cancelled between two portions, and is
on record, as every single decision is.
"""

from collections.abc import Callable
from dataclasses import asdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zodbschedule import clock
from zodbschedule.execution.current import current_run
from zodbschedule.interfaces import InvalidTask
from zodbschedule.reading import pages
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import Page
from zodbschedule.reading.paging import MOST
from zodbschedule.reading.parked import ParkedFacts
from zodbschedule.reading.selection import Filter
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.schedule import Schedule
from zodbschedule.steering import actions
from zodbschedule.task import Task


Row = TaskFacts | ParkedFacts

#: what it may do -> the function, and the pages of what it is done to
ACTIONS: dict[str, tuple[Callable[..., actions.Steered],
                         Callable[..., Page[Any]]]] = {
    'cancel': (actions.cancel, pages.upcoming),
    'run-now': (actions.run_now, pages.upcoming),
    'pause': (actions.pause, pages.upcoming),
    'resume': (actions.resume, pages.upcoming),
    'unpark': (actions.unpark, pages.parked),
    'discard': (actions.discard, pages.parked)}

# How many pages a preview looks at.
PREVIEWED = 10


@dataclass(frozen=True)
class Preview(Facts):
    """What a filter selects."""

    #: how many were found
    number: int
    #: whether there may be more
    more: bool
    first: tuple[TaskFacts | ParkedFacts, ...]


def preview(schedule: Schedule, action: str, filter: Filter) -> Preview:
    """What *action* would be done to; looks at a bounded number of tasks."""
    read = _known(action)[1]
    found: list[Row] = []
    cursor = None
    for _ in range(PREVIEWED):
        page = read(schedule, cursor, MOST, filter=filter)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return Preview(len(found), cursor is not None, tuple(found[:10]))


def _known(action: str) -> tuple[Callable[..., actions.Steered],
                                 Callable[..., Page[Any]]]:
    if action not in ACTIONS:
        raise InvalidTask(f'action is {action!r}; it has to be one of '
                          f'{", ".join(ACTIONS)}')
    return ACTIONS[action]


class BulkAction(Task):
    """Does *action* to all tasks that *filter* selects.

    One of `ACTIONS`; *by* and *reason* are on record with each task.  Tasks
    that workers hold, or that come later, are left.
    """

    #: where the next portion begins; None: with the first
    cursor: str | None = None
    ended = False
    #: to how many it was done, and how many it was not
    done = 0
    left = 0

    def __init__(self, action: str, filter: Filter, by: str,
                 reason: str = '', time: datetime | None = None,
                 **options: Any) -> None:
        _known(action)
        super().__init__(
            time or clock.now(), description=f'{action} for {by}', **options)
        self.action = action
        self.chosen = asdict(filter)
        self.by = by
        self.reason = reason

    def __call__(self) -> None:
        run = current_run()
        assert run is not None
        schedule = run.schedule
        assert isinstance(schedule, Schedule)
        act, read = _known(self.action)
        page = read(schedule, self.cursor, filter=Filter(**self.chosen))
        for row in page.items:
            self._act(act, schedule, row)
        self.cursor = page.cursor
        self.ended = page.cursor is None
        run.progress(self.done + self.left,
                     self.done + self.left + len(page.items))

    def _act(self, act: Callable[..., actions.Steered], schedule: Schedule,
             row: Row) -> None:
        if act is actions.run_now and row.time and row.time <= clock.now():
            return  # it is due by itself, or is one that this has moved
        record = {} if act is actions.resume else {'reason': self.reason}
        if act(schedule, row.id, by=self.by, **record).done:
            self.done += 1
        else:
            self.left += 1

    def schedule(self) -> Task | None:
        """It goes on with the next portion at once."""
        if self.ended:
            return None
        self.time = clock.now()
        return self
