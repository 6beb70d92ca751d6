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
"""One thing, done to several tasks, or by a task to all of a filter.

That task goes through the others in portions, each in a run and so in a
transaction of its own.  It shows its progress, can be cancelled between two
portions, and is on record, as every single decision is.
"""

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import asdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from typing import NamedTuple

from zodbschedule import clock
from zodbschedule.execution.current import current_run
from zodbschedule.interfaces import InvalidTask
from zodbschedule.reading import pages
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.facts import Page
from zodbschedule.reading.paging import MOST
from zodbschedule.reading.paging import Loads
from zodbschedule.reading.parked import ParkedFacts
from zodbschedule.reading.selection import Filter
from zodbschedule.reading.tasks import TaskFacts
from zodbschedule.schedule import Schedule
from zodbschedule.steering import actions
from zodbschedule.task import Task


Row = TaskFacts | ParkedFacts


class Action(NamedTuple):
    """What may be done to many."""

    act: Callable[..., actions.Steered]
    #: the pages of what it is done to
    read: Callable[..., Page[Any]]
    #: that it is done, as in 'Cancelled: 2 of 3 tasks'
    done: str


ACTIONS = {
    'cancel': Action(actions.cancel, pages.upcoming, 'Cancelled'),
    'run-now': Action(actions.run_now, pages.upcoming, 'Due now'),
    'pause': Action(actions.pause, pages.upcoming, 'Paused'),
    'resume': Action(actions.resume, pages.upcoming, 'Resumed'),
    'unpark': Action(actions.unpark, pages.parked, 'Scheduled again'),
    'discard': Action(actions.discard, pages.parked, 'Discarded')}

# How many pages a preview looks at.
PREVIEWED = 10

# It looks at another page if fewer objects than these had to be loaded.
FEW_LOADS = 25

# How many a run decides about.  More, and it conflicts for longer with workers
# that run the same tasks.
PORTION = 50

# How many of those that are left are told of in one message.
TOLD = 3


def _known(action: str) -> Action:
    if action not in ACTIONS:
        raise InvalidTask(f'action is {action!r}; it has to be one of '
                          f'{", ".join(ACTIONS)}')
    return ACTIONS[action]


def _record(action: str, by: str, reason: str) -> dict[str, str]:
    """What is on record; nobody resumes for a reason."""
    return {'by': by} | ({} if action == 'resume' else {'reason': reason})


# -- some, each named --------------------------------------------------------


@dataclass(frozen=True)
class Several(Facts):
    """What came of it, of several."""

    #: to how many it was done
    done: int
    #: those to which it was not
    left: tuple[actions.Steered, ...]
    #: some sentences for the person
    message: str


def several(schedule: Schedule, action: str,
            chosen: Iterable[tuple[str, datetime | None]], *, by: str,
            reason: str = '') -> Several:
    """Do *action*, one of `ACTIONS`, to up to 100, in the same transaction.

    *chosen* has an id and what was seen of each.  One that is left does not
    stop the others.  Raises `InvalidTask`, and has done nothing then, if the
    action is unknown or there are too many.
    """
    act, _, done = _known(action)
    ids = list(chosen)
    if len(ids) > MOST:
        raise InvalidTask(f'{len(ids)} tasks are too many for one '
                          f'transaction; use a BulkAction for more than '
                          f'{MOST}')
    record = _record(action, by, reason)
    found = [act(schedule, id, seen=seen, **record) for id, seen in ids]
    left = tuple(each for each in found if not each.done)
    number = len(found)
    told = [each.message for each in left[:TOLD]]
    if len(left) > TOLD:
        told.append(f'{len(left) - TOLD} more were left.')
    return Several(number - len(left), left, ' '.join([
        f'{done}: {number - len(left)} of {number} '
        f'{"task" if number == 1 else "tasks"}.', *told]))


# -- all that a filter selects -----------------------------------------------


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
    read = _known(action).read
    loads = Loads(schedule)
    found: list[Row] = []
    cursor = None
    for _ in range(PREVIEWED):
        page = read(schedule, cursor, MOST, filter=filter)
        found += page.items
        cursor = page.cursor
        # Another page may load as many as it is allowed to.
        if cursor is None or loads.are(FEW_LOADS):
            break
    return Preview(len(found), cursor is not None, tuple(found[:10]))


class BulkAction(Task):
    """Does *action* to all tasks that *filter* selects.

    One of `ACTIONS`; *by* and *reason* are on record with each task.  Tasks
    that workers hold, or that come later, are left.  *expected* is how many
    there are, as far as a preview says it; it is for people only.
    """

    #: where the next portion begins; None: with the first
    cursor: str | None = None
    #: the ids of the last that were left: a page may begin with them again,
    #: if what stood behind them in their list has gone
    stayed: tuple[str, ...] = ()
    #: whether all was looked at, and whether that is on record
    ended = False
    told = False

    def __init__(self, action: str, filter: Filter, by: str,
                 reason: str = '', time: datetime | None = None,
                 expected: int | None = None, **options: Any) -> None:
        _known(action)
        super().__init__(time or clock.now(), **options)
        self.action = action
        self.chosen = asdict(filter)
        self.by = by
        self.reason = reason
        self.expected = expected
        #: to how many it was done, and how many it was not
        self.done = 0
        self.left = 0
        #: the problem, as in `Steered` -> how many were left for it
        self.problems: dict[str, int] = {}
        self._describe()

    def _describe(self) -> None:
        """Say how far it is, wherever the task is shown or on record."""
        done = f': {self.done}' if self.done or self.left else ''
        most = f' of {self.expected}' if done and self.expected else ''
        left = f', {self.left} left' if self.left else ''
        self.description = f'{self.action} for {self.by}{done}{most}{left}'

    def __call__(self) -> None:
        if self.ended:
            # The record of a run has the description from before it.
            self.told = True
            return
        run = current_run()
        assert run is not None
        if self.expected:
            so_far = self.done + self.left
            run.progress(so_far, max(so_far, self.expected))
        assert isinstance(run.schedule, Schedule)
        self._do_portion(run.schedule)
        self._describe()

    def _do_portion(self, schedule: Schedule) -> None:
        page = _known(self.action).read(
            schedule, self.cursor, PORTION, filter=Filter(**self.chosen))
        for row in page.items:
            if row.id not in self.stayed and not self._is_due(row):
                self._act(schedule, row)
        self.cursor = page.cursor
        self.ended = page.cursor is None

    def _is_due(self, row: Row) -> bool:
        """Whether it runs by itself, or is one that this has let run."""
        return self.action == 'run-now' and (
            row.time is not None and row.time <= clock.now())

    def _act(self, schedule: Schedule, row: Row) -> None:
        found = ACTIONS[self.action].act(
            schedule, row.id, **_record(self.action, self.by, self.reason))
        if found.problem is None:
            self.done += 1
            return
        self.left += 1
        self.stayed = (*self.stayed, row.id)[-MOST:]
        number = self.problems.get(found.problem, 0) + 1
        self.problems = self.problems | {found.problem: number}

    def schedule(self) -> Task | None:
        """It goes on with the next portion at once."""
        if self.told:
            return None
        self.time = clock.now()
        return self
