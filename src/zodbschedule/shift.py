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
"""One thread of a worker: attends to its schedules in turn, and waits."""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from typing import NamedTuple

import transaction

from zodbschedule.duty import Duty
from zodbschedule.heartbeat import Heart
from zodbschedule.reach import Reach
from zodbschedule.transact import abort
from zodbschedule.transact import is_storage_failure
from zodbschedule.waiting import watching


log = logging.getLogger('zodbschedule')

# How long to wait before the next try after an error, in seconds: at first,
# and at most while the database is away, or for any other reason.
FIRST_PAUSE = .1
AWAY_PAUSE = 5.0
OTHER_PAUSE = 60.0

# If the database has changed and there was nothing to do, again and again,
# each look comes so much later, in seconds, up to the second.
LAG = .005
LONGEST_LAG = .1


#: keys from the root, or what gives the schedule in the root, or None
Path = str | Callable[[Any], Any]


class Terms(NamedTuple):
    """What all threads of one worker have in common."""

    name: str
    #: gives the database, opened if need be; raises if that is away
    database: Callable[[], Any]
    paths: tuple['Path', ...]
    lease: timedelta | None
    #: whether the name was given, and is not made up
    inherits: bool
    heart: Heart
    reach: Reach


class Shift:
    """One thread, with a connection and a claim of its own.

    Its connection is on the thread's own transaction manager, which is the
    one that packages know that join the current transaction.
    """

    def __init__(self, terms: Terms, number: int) -> None:
        self.terms = terms
        self.stopping = threading.Event()
        self.duties: list[Duty] = []
        self.failures = 0
        #: whether it has left no claim behind
        self.handed_back = True
        #: whether it has ever looked into the database
        self.has_begun = False
        #: has the thread see that it is to end, while it waits
        self.ring: Callable[[], object] = self.stopping.is_set
        self.thread = threading.Thread(
            target=self._run, name=f'zodbschedule {terms.name} {number}',
            daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self.thread.start()

    def finish(self) -> None:
        """Take nothing more; end when the run that goes on has ended."""
        self.stopping.set()
        self.ring()

    @property
    def is_alive(self) -> bool:
        """Whether its thread has not ended."""
        return self.thread.is_alive()

    def silence(self) -> float:
        """For how many seconds the database has not answered it."""
        now = time.monotonic()
        return max((now - duty.asking for duty in self.duties
                    if duty.asking is not None), default=0)

    # -- the thread

    def _run(self) -> None:
        transaction.manager.explicit = True
        while not self.stopping.is_set():
            try:
                self._work()
            except BaseException as error:
                self._pause_after(error)
        self.terms.reach.back(self)

    def _pause_after(self, error: BaseException) -> None:
        if self.stopping.is_set():
            self.handed_back = False
            log.warning('Worker %s could not hand back what it held; others '
                        'will recover it: %r', self.terms.name, error)
            return
        longest = AWAY_PAUSE
        if is_storage_failure(error) or isinstance(error, Unopened):
            self.terms.reach.away(self, error)
        else:
            longest = OTHER_PAUSE
            log.error('Worker %s: an error that is no task\'s; it goes on.',
                      self.terms.name, exc_info=error)
        pause = min(longest, FIRST_PAUSE * 2 ** self.failures)
        self.failures += 1
        self.stopping.wait(pause * random.uniform(.5, 1))

    def _work(self) -> None:
        """Work with one connection, until it fails or is to end."""
        db = self._database()
        connection = db.open(transaction.manager)
        self.duties = [self._duty(path, connection)
                       for path in self.terms.paths]
        try:
            with watching(db, self.terms.reach) as watcher:
                self.ring = watcher.ring
                in_vain = 0
                while not self.stopping.is_set():
                    mark = watcher.mark()
                    if self._round():
                        in_vain = 0
                    elif self._wait(watcher, mark):
                        # Others change what is no business of ours.
                        self.stopping.wait(min(LONGEST_LAG, LAG * in_vain))
                        in_vain += 1
                    else:
                        in_vain = 0
            for duty in self.duties:
                duty.end()
        finally:
            for duty in self.duties:
                duty.drop()
            abort(transaction.manager)
            connection.close()

    def _database(self) -> Any:
        try:
            return self.terms.database()
        except Exception as error:
            raise Unopened(str(error) or type(error).__name__) from error

    def _duty(self, path: Path, connection: Any) -> Duty:
        return Duty(
            spelled(path), partial(find, connection, path),
            transaction.manager, self.terms.heart, self.stopping.is_set,
            label=self.terms.name, lease=self.terms.lease,
            inherits=self.terms.inherits)

    def _round(self) -> bool:
        """Attend to each schedule once; whether there was any work."""
        worked = False
        for duty in self.duties:
            if self.stopping.is_set():
                break
            worked |= duty.attend()
            if len(self.duties) > 1:
                duty.settle()
        self.failures = 0
        self.has_begun = True
        self.terms.reach.back(self)
        return worked

    def _wait(self, watcher: Any, mark: object) -> bool:
        """Wait for something to do; whether the database has changed."""
        while not any(duty.stirs() for duty in self.duties):
            pause = min(duty.pause() for duty in self.duties)
            if watcher.wait(mark, pause, self.stopping.is_set):
                return True
        return False


class Unopened(Exception):
    """The database could not be opened."""


def spelled(path: Path) -> str:
    """*path* for a person to read."""
    return path if isinstance(path, str) else path.__qualname__


def find(connection: Any, path: Path) -> Any:
    """What stands there, keys from the root separated by slashes; or None."""
    found = connection.root()
    if not isinstance(path, str):
        return path(found)
    for key in filter(None, path.split('/')):
        try:
            found = found[key]
        except (KeyError, TypeError, AttributeError):
            return None
    return found
