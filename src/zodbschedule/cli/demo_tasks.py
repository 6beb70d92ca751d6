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
"""The tasks of the demo.

The demo's database refers to these classes and functions by name, so this
module imports only the package and the ZODB.
"""

from datetime import datetime
from datetime import timedelta

from persistent import Persistent
from persistent.list import PersistentList

from zodbschedule import Task
from zodbschedule import clock
from zodbschedule import current_run


SECOND = timedelta(seconds=1)


class Guestbook(Persistent):
    """The object that the tasks change."""

    #: the number of times that the bell has rung
    rings = 0
    #: the number of times that the clock has struck
    strikes = 0
    #: the number of pictures on the wall
    pictures = 0
    #: the number of calls of the demo
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
    """Signs and then fails, so the signature is rolled back."""
    sign(book, name)
    raise ValueError(f'{name} has no invitation')


def hang(book: Guestbook) -> None:
    """Hangs a picture, and fails twice, which rolls that back."""
    book.pictures += 1
    run = current_run()
    if run is not None and run.attempt < 3:
        raise OSError('the picture has fallen down')


class Postman(Task):
    """Finds nobody at first and comes again, by returning itself."""

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
    """Rings about every three seconds, by scheduling itself again."""

    def __init__(self, book: Guestbook, time: datetime) -> None:
        super().__init__(time, description='the bell rings')
        self.book = book

    def __call__(self) -> None:
        self.book.rings += 1

    def schedule(self) -> Task:
        self.time = clock.now() + 3 * SECOND
        return self
