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
"""A database that many threads read, from now on.

It is opened when it is first needed, so that its server may come later.  A
file that was opened to be read stays as it was then; so it is opened anew when
another process has changed it.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from ZODB.Connection import Connection
from ZODB.DB import DB

from zodbschedule.errors.text import ErrorText
from zodbschedule.logger import log


# Seconds from one look at a file to the next.  Less, and a database that
# changes all the time is opened for each page; more, and pages are older.
LOOK_EVERY = 2.0

# Seconds from a try to open it that has failed to the next.
TRY_EVERY = 2.0


@dataclass(eq=False)
class Opened:
    """A database while it is open."""

    db: DB
    closing: ExitStack
    #: how its files were, if they were opened to be read
    files: dict[str, tuple[int, int]]
    #: when they were looked at, by a monotonic clock
    looked: float
    #: how many connections are in use
    used: int = 0

    def is_old(self) -> bool:
        """Whether its files have changed."""
        if not self.files or time.monotonic() < self.looked + LOOK_EVERY:
            return False
        self.looked = time.monotonic()
        return any(state_of(path) != state
                   for path, state in self.files.items())


class KeptOpen:
    """Gives connections, as a `ZODB.DB` does.

    *open* gives the database, open inside a context.  What it raises becomes
    an error of the class *away*.
    """

    def __init__(self, open: Callable[[], AbstractContextManager[DB]],
                 connections: int, away: type[Exception]) -> None:
        self.open_anew = open
        self.connections = connections
        self.away = away
        self.lock = threading.Lock()
        self.opened: Opened | None = None
        #: those that are replaced, and may be in use
        self.old: list[Opened] = []
        #: before this time it is not tried again, and why
        self.not_before = float('-inf')
        self.problem: str | None = None

    def open(self, transaction_manager: Any) -> Connection:
        """A connection; raises the error *away*."""
        with self.lock:
            opened = self._current()
            opened.used += 1
        with ExitStack() as failing:
            failing.callback(self._leave, opened)
            connection: Connection = opened.db.open(transaction_manager)
            connection.onCloseCallback(partial(self._leave, opened))
            failing.pop_all()
        return connection

    def prepare(self) -> None:
        """Open the database at once; raises what that raises."""
        with self.lock:
            self.opened = self._opened()

    def close(self) -> None:
        """Close the database, if it is open."""
        with self.lock:
            for each in [*self.old, *filter(None, [self.opened])]:
                each.closing.close()
            self.opened, self.old = None, []

    def _leave(self, opened: Opened) -> None:
        with self.lock:
            opened.used -= 1

    def _current(self) -> Opened:
        if self.opened is None or self.opened.is_old():
            new = self._open()
            self._close_unused()
            self.old += filter(None, [self.opened])
            self.opened = new
        return self.opened

    def _close_unused(self) -> None:
        """Those were replaced some seconds ago, when they were still used."""
        for each in [each for each in self.old if not each.used]:
            self.old.remove(each)
            each.closing.close()

    def _open(self) -> Opened:
        if time.monotonic() < self.not_before:
            raise self.away(self.problem)
        try:
            opened = self._opened()
        except Exception as error:
            self._note(str(ErrorText(error)))
            raise self.away(self.problem) from error
        self._note(None)
        return opened

    def _opened(self) -> Opened:
        with ExitStack() as stack:
            db = stack.enter_context(self.open_anew())
            for each in db.databases.values():
                each.setPoolSize(max(each.getPoolSize(), self.connections))
            files = files_of(db)
            return Opened(db, stack.pop_all(), files, time.monotonic())

    def _note(self, problem: str | None) -> None:
        """Log what is new."""
        if problem is not None:
            self.not_before = time.monotonic() + TRY_EVERY
        if problem is not None and problem != self.problem:
            log.warning('The database is not available: %s', problem)
        if problem is None and self.problem is not None:
            log.info('The database is available again.')
        self.problem = problem


def files_of(db: DB) -> dict[str, tuple[int, int]]:
    """The files of it that are read as they were when it was opened."""
    storages = [each.storage for each in db.databases.values()
                if each.storage.isReadOnly()]
    return {each.getName(): (each.getSize(), state_of(each.getName())[1])
            for each in storages if os.path.isfile(each.getName())}


def state_of(path: str) -> tuple[int, int]:
    """The size of a file, and its number, which another one has."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_size, found.st_ino
