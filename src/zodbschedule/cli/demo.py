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
"""The demo: a handful of tasks that keep a guestbook, for ten seconds."""

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from typing import Protocol
from typing import Self

import click
from rich.live import Live
from rich.table import Table
from transaction import TransactionManager
from ZODB.DB import DB
from ZODB.FileStorage.FileStorage import FileStorage

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli import output
from zodbschedule.cli.demo_tasks import Bell
from zodbschedule.cli.demo_tasks import Guestbook
from zodbschedule.cli.demo_tasks import Postman
from zodbschedule.cli.demo_tasks import hang
from zodbschedule.cli.demo_tasks import scrawl
from zodbschedule.cli.demo_tasks import sign
from zodbschedule.cli.process import subscribed
from zodbschedule.interfaces import RunEnded
from zodbschedule.reading import words


#: the folder that is made unless another is named
FOLDER = 'zodbschedule-demo'

# Not Data.fs, which in a folder of an application is a real database.
FILE = 'demo.fs'

SECOND = timedelta(seconds=1)
DURATION = 10 * SECOND

# Larger, and the display stutters; smaller, and drawing costs more than the
# runs do.
STEP = SECOND / 4

# The commands to call afterwards.
COMMANDS = ('list', 'history', 'forecast --limit 10', 'parked', 'check')

GUESTS = ('Ada', 'Grace', 'Barbara', 'Frances', 'Radia', 'Margaret')

# The lines above the rows of the table, and one below.
HEADING = 3

# The least number of runs that are shown, on any terminal.
LEAST = 3


@click.command('demo')
@click.argument('folder', default=FOLDER,
                type=click.Path(file_okay=False))
def run_demo(folder: str) -> None:
    """Schedule and process some tasks, for about ten seconds.

    The database is created in FOLDER, by default zodbschedule-demo in the
    current directory.  Call it twice: the second call finds the tasks and
    outcomes of the first.
    """
    with Demo(folder) as demo, display() as shown:
        demo.play(shown)


# -- the display -------------------------------------------------------------


@dataclass(frozen=True)
class EndedRun:
    """One run, as it is displayed."""

    at: datetime
    outcome: str
    description: str
    attempt: int

    @property
    def what(self) -> str:
        return _attempted(self.description, self.attempt)


@dataclass(frozen=True)
class Snapshot:
    """What is displayed at one moment, as plain data."""

    began: datetime
    now: datetime
    ended: tuple[EndedRun, ...]
    #: the waiting tasks: their times and descriptions
    waiting: tuple[tuple[datetime, str], ...]


class Display(Protocol):
    """Where the demo prints."""

    def say(self, line: str) -> None:
        """Print a line that stays."""

    def draw(self, snapshot: Snapshot) -> None:
        """Draw the present state."""

    def finish(self) -> None:
        """End the drawing."""


@contextmanager
def display() -> Iterator[Display]:
    """The display that suits standard output."""
    if not output.console().is_terminal:
        yield LineDisplay()
        return
    screen = LiveDisplay()
    try:
        yield screen
    finally:
        screen.live.stop()


class LineDisplay:
    """A line for each run, for files and pipes."""

    def __init__(self) -> None:
        self.told = 0

    def say(self, line: str) -> None:
        output.show(output.cell(line))

    def draw(self, snapshot: Snapshot) -> None:
        for run in snapshot.ended[self.told:]:
            offset = (run.at - snapshot.began).total_seconds()
            self.say(f'+{offset:.1f} s {run.outcome}: {run.what}')
        self.told = len(snapshot.ended)

    def finish(self) -> None:
        """Lines stay as they are."""


class LiveDisplay:
    """A table on a terminal, drawn anew while the tasks run."""

    def __init__(self) -> None:
        self.live = Live(console=output.console(), auto_refresh=False)
        self.last: Snapshot | None = None

    def say(self, line: str) -> None:
        self.live.console.print(output.cell(line), soft_wrap=True)

    def draw(self, snapshot: Snapshot) -> None:
        self.last = snapshot
        height = self.live.console.height
        self.live.start()
        self.live.update(_drawn(snapshot, height), refresh=True)

    def finish(self) -> None:
        """Draw the whole table, however high, and leave it on the screen."""
        if self.last is not None:
            self.live.update(_drawn(self.last))
        self.live.stop()


def _drawn(snapshot: Snapshot, height: int | None = None) -> Table | str:
    """A table of the runs, only the last ones if it would be too high."""
    ended = [(f'{(run.at - snapshot.began).total_seconds():.1f} s',
              run.outcome, run.what) for run in snapshot.ended]
    waiting = [(words.relative(time, snapshot.now), 'waiting', description)
               for time, description in snapshot.waiting]
    if height is not None:
        room = height - HEADING - len(waiting)
        ended = ended[-max(room, LEAST):]
    return output.table(('when', 'outcome', 'description'), ended + waiting)


# -- the story ---------------------------------------------------------------


class Demo:
    """One call of the demo, on the database in *folder*; a context manager."""

    schedule: Schedule
    book: Guestbook

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / FILE
        self.manager = TransactionManager()
        self.stack = ExitStack()
        self.ended: list[EndedRun] = []

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.stack:
            db = DB(FileStorage(str(self.path)))
            self.stack.callback(db.close)
            self.root = db.open(self.manager).root()
            self.stack.callback(self.manager.abort)
            self._find_or_make()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def _find_or_make(self) -> None:
        with self.manager:
            self.schedule = self._keep('schedule', Schedule)
            self.book = self._keep('guestbook', Guestbook)

    def _keep(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self.root:
            self.root[key] = make()
        return self.root[key]

    def play(self, display: Display) -> None:
        """Print what exists, schedule, process, and print a summary."""
        began = clock.now()
        for line in self._past(began):
            display.say(line)
        self._invite(began)
        display.say('Processing for about ten seconds:')
        with subscribed(self._collect):
            self._process(display, began)
        display.finish()
        for line in self._summary():
            display.say(line)

    # -- scheduling

    def _invite(self, began: datetime) -> None:
        """Schedule the tasks of this call, in one transaction."""
        with self.manager as transaction:
            transaction.note('zodbschedule demo')
            self.book.calls += 1
            for number, name in enumerate(GUESTS):
                self._call(sign, f'{name} signs', name,
                           began + number * SECOND)
            self._call(scrawl, 'Eve signs uninvited', 'Eve',
                       began + 2.5 * SECOND)
            self.schedule.schedule(Postman(
                self.book, self._named('the postman'), began + 3.5 * SECOND))
            self.schedule.call(
                hang, self.book, time=began + 1.5 * SECOND,
                description='the painter hangs a picture',
                retry=Retry(3, SECOND, jitter=0))
            if self.book.calls == 1:
                self.schedule.schedule(Bell(self.book, began + SECOND / 2))
            # Declared in each call; the existing task stays if it is the same.
            self.schedule.call(
                self.book.strike, description='the clock strikes',
                recurrence=Every(2 * SECOND), key='the clock',
                duplicate='replace')

    def _call(self, func: Any, description: str, name: str,
              time: datetime) -> None:
        self.schedule.call(func, self.book, self._named(name), time=time,
                           description=description)

    def _named(self, name: str) -> str:
        """Signatures are distinct, so that a second one would be noticed."""
        return f'{name} (call {self.book.calls})'

    # -- processing

    def _process(self, display: Display, began: datetime) -> None:
        while (now := clock.now()) < began + DURATION:
            self.schedule.process(now)
            display.draw(self._snapshot(began))
            clock.wait(STEP.total_seconds())

    def _collect(self, event: object) -> None:
        if isinstance(event, RunEnded):
            self.ended.append(EndedRun(
                clock.now(), event.outcome, event.description,
                event.attempt))

    def _snapshot(self, began: datetime) -> Snapshot:
        waiting = tuple(
            (task.time, task.description) for task in self.schedule)
        return Snapshot(began, clock.now(), tuple(self.ended), waiting)

    # -- printing

    def _past(self, now: datetime) -> Iterator[str]:
        """The state that an earlier call has left."""
        where = f'The database is {self.path}, a FileStorage'
        if not self.book.calls:
            yield f'{where}; it is new.'
            return
        yield f'{where}. It exists and contains:'
        yield f'- {sum(1 for _ in self.schedule.history)} runs on record'
        yield from self._effects()
        for task in self.schedule:
            yield f'- waiting: {task.description} ({_since(task.time, now)})'
        yield from self._parked()

    def _summary(self) -> Iterator[str]:
        """The effects of this call, and how to inspect them."""
        endings = Counter(run.outcome for run in self.ended)
        yield (f'{len(self.ended)} runs ended: ' + ', '.join(
            f'{number} {outcome}' for outcome, number in endings.items()))
        yield from self._effects()
        yield from self._parked()
        yield 'The latest outcomes on record:'
        for each in islice(self.schedule.history, 5):
            what = _attempted(each.description, each.attempt)
            yield f'- {each.outcome}: {what}'
        yield 'Call the demo again, or inspect its database:'
        for command in COMMANDS:
            yield f'- zodbschedule {command} --db {self.path}'

    def _effects(self) -> Iterator[str]:
        """The effects of the tasks: each exactly once."""
        book = self.book
        twice = len(book.signatures) - len(set(book.signatures))
        yield (f'- {len(book.signatures)} signatures in the guestbook, '
               f'{twice} of them twice; pictures on the wall: {book.pictures}')
        yield (f'- the bell has rung {book.rings} times, the clock has struck '
               f'{book.strikes} times')

    def _parked(self) -> Iterator[str]:
        for entry in self.schedule.parked:
            yield f'- parked: {entry.id} {entry.description}: {entry.reason}'


def _attempted(description: str, attempt: int) -> str:
    return f'{description} (attempt {attempt})' if attempt > 1 else description


def _since(time: datetime, now: datetime) -> str:
    if time <= now:
        return 'due since the last call'
    return f'due in {(time - now) // SECOND} s'
