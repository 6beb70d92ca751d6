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
"""The demo: a handful of tasks that keep a guestbook, for ten seconds.

The classes and functions stand in the demo's database by name, so this module
imports nothing but the package and the ZODB.
"""

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from typing import Protocol
from typing import Self

from persistent import Persistent
from persistent.list import PersistentList
from transaction import TransactionManager
from ZODB.DB import DB
from ZODB.FileStorage.FileStorage import FileStorage

from zodbschedule import Every
from zodbschedule import Retry
from zodbschedule import Schedule
from zodbschedule import Task
from zodbschedule import clock
from zodbschedule import current_run
from zodbschedule.cli.process import subscribed
from zodbschedule.interfaces import RunEnded


#: the folder that is made unless another is named
FOLDER = 'zodbschedule-demo'

# Not Data.fs, which in a folder of somebody else's is a real database.
FILE = 'demo.fs'

SECOND = timedelta(seconds=1)
DURATION = 10 * SECOND

# Larger, and the view stutters; smaller, and looking costs more than running.
STEP = SECOND / 4

# What to call afterwards.
LOOKS = ('list', 'history', 'forecast --limit 10', 'parked', 'check')

GUESTS = ('Ada', 'Grace', 'Barbara', 'Frances', 'Radia', 'Margaret')


# -- what the tasks do -------------------------------------------------------


class Guestbook(Persistent):
    """What the tasks change."""

    #: how often the bell has rung
    rings = 0
    #: how often the clock has struck
    strikes = 0
    #: how many pictures hang on the wall
    pictures = 0
    #: how often the demo was called
    calls = 0

    def __init__(self) -> None:
        self.signatures = PersistentList()

    def strike(self) -> None:
        """The clock strikes: a task that declares its recurrence."""
        self.strikes += 1


def sign(book: Guestbook, name: str) -> None:
    """A guest signs the book."""
    book.signatures.append(name)


def scrawl(book: Guestbook, name: str) -> None:
    """Signs, and then fails: so the signature is rolled back."""
    sign(book, name)
    raise ValueError(f'{name} has no invitation')


def hang(book: Guestbook) -> None:
    """Hangs a picture, which falls down twice: so it is not there yet."""
    book.pictures += 1
    run = current_run()
    if run is not None and run.attempt < 3:
        raise OSError('the picture has fallen down')


class Postman(Task):
    """Finds nobody at first, and comes again: returns itself."""

    tries = 0

    def __init__(self, book: Guestbook, name: str, time: datetime) -> None:
        super().__init__(time, description=f'{name} wants to sign')
        self.book = book
        self.name = name

    def __call__(self) -> Task | None:
        self.tries += 1
        if self.tries > 1:
            sign(self.book, self.name)
            return None
        self.time = clock.now() + 2 * SECOND
        return self


class Bell(Task):
    """Rings about every three seconds: schedules itself again."""

    def __init__(self, book: Guestbook, time: datetime) -> None:
        super().__init__(time, description='the bell rings')
        self.book = book

    def __call__(self) -> None:
        self.book.rings += 1

    def schedule(self) -> Task:
        self.time = clock.now() + 3 * SECOND
        return self


# -- how it is shown ---------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """One run, as the view tells of it."""

    at: datetime
    outcome: str
    description: str
    attempt: int

    @property
    def what(self) -> str:
        return _attempted(self.description, self.attempt)


@dataclass(frozen=True)
class Picture:
    """What there is to see at one moment, as plain data."""

    began: datetime
    now: datetime
    ended: tuple[Ended, ...]
    #: the tasks that wait: when, and what they are for
    waiting: tuple[tuple[datetime, str], ...]


class View(Protocol):
    """Where the demo is shown."""

    def say(self, line: str) -> None:
        """Show a line for good."""

    def draw(self, picture: Picture) -> None:
        """Show how things stand."""

    def finish(self) -> None:
        """Nothing more is drawn."""


# -- the story ---------------------------------------------------------------


class Demo:
    """One call of the demo, on the database in *folder*; a context manager."""

    schedule: Schedule
    book: Guestbook

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / FILE
        self.manager = TransactionManager()
        self.stack = ExitStack()
        self.ended: list[Ended] = []

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

    def play(self, view: View) -> None:
        """Tell what is there, schedule, process, sum up."""
        began = clock.now()
        for line in self._past(began):
            view.say(line)
        self._invite(began)
        view.say('Processing for about ten seconds:')
        with subscribed(self._hear):
            self._process(view, began)
        view.finish()
        for line in self._summary():
            view.say(line)

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
            # Declared in each call: it stays as it is if it says the same.
            self.schedule.call(
                self.book.strike, description='the clock strikes',
                recurrence=Every(2 * SECOND), key='the clock',
                duplicate='replace')

    def _call(self, func: Any, description: str, name: str,
              time: datetime) -> None:
        self.schedule.call(func, self.book, self._named(name), time=time,
                           description=description)

    def _named(self, name: str) -> str:
        """A signature is distinct, so that a second one would be seen."""
        return f'{name} (call {self.book.calls})'

    # -- processing

    def _process(self, view: View, began: datetime) -> None:
        while (now := clock.now()) < began + DURATION:
            self.schedule.process(now)
            view.draw(self._picture(began))
            clock.wait(STEP.total_seconds())

    def _hear(self, event: object) -> None:
        if isinstance(event, RunEnded):
            self.ended.append(Ended(
                clock.now(), event.outcome, event.description,
                event.attempt))

    def _picture(self, began: datetime) -> Picture:
        waiting = tuple(
            (task.time, task.description) for task in self.schedule)
        return Picture(began, clock.now(), tuple(self.ended), waiting)

    # -- telling

    def _past(self, now: datetime) -> Iterator[str]:
        """What an earlier call has left."""
        where = f'The database is {self.path}, a FileStorage'
        if not self.book.calls:
            yield f'{where}; it is new.'
            return
        yield f'{where}. It was here before, and holds:'
        yield f'- {sum(1 for _ in self.schedule.history)} runs on record'
        yield from self._effects()
        for task in self.schedule:
            yield f'- waiting: {task.description} ({_since(task.time, now)})'
        yield from self._parked()

    def _summary(self) -> Iterator[str]:
        """What this call has done, and how to look at it."""
        endings = Counter(run.outcome for run in self.ended)
        yield (f'{len(self.ended)} runs ended: ' + ', '.join(
            f'{number} {outcome}' for outcome, number in endings.items()))
        yield from self._effects()
        yield from self._parked()
        yield 'The newest on record:'
        for each in islice(self.schedule.history, 5):
            what = _attempted(each.description, each.attempt)
            yield f'- {each.outcome}: {what}'
        yield 'Call the demo again, or look around:'
        for command in LOOKS:
            yield f'- zodbschedule {command} --db {self.path}'

    def _effects(self) -> Iterator[str]:
        """What the tasks have done: each once, whatever happened."""
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
