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
from ZODB.POSException import POSKeyError

from zodbschedule.duty import Duty
from zodbschedule.heartbeat import Heart
from zodbschedule.reach import Reach
from zodbschedule.transact import abort
from zodbschedule.transact import is_storage_failure
from zodbschedule.waiting import Watcher
from zodbschedule.waiting import watching


log = logging.getLogger('zodbschedule')

# How long to wait before the next try, in seconds, while the database is
# away: at first, and at most.
FIRST_PAUSE = .1
LONGEST_PAUSE = 5.0


class Terms(NamedTuple):
    """What all threads of one worker have in common."""

    name: str
    #: gives the database, opened if need be; raises if that is away
    database: Callable[[], Any]
    paths: tuple[str, ...]
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
        self.duties = [Duty(
            path, transaction.manager, terms.heart, self.stopping.is_set,
            label=terms.name, lease=terms.lease, inherits=terms.inherits)
            for path in terms.paths]
        #: what it waits by, while it has a connection
        self.watcher: Watcher | None = None
        #: how often it has tried in vain to get on
        self.failures = 0
        self.thread = threading.Thread(
            target=self._run, name=f'zodbschedule {terms.name} {number}',
            daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self.thread.start()

    def finish(self) -> None:
        """Take nothing more; end when the run that goes on has ended."""
        self.stopping.set()
        watcher = self.watcher
        if watcher is not None:
            watcher.ring()

    def join(self, timeout: float) -> None:
        """Wait for its end, so many seconds at most."""
        self.thread.join(timeout)

    @property
    def is_alive(self) -> bool:
        """Whether its thread has not ended."""
        return self.thread.is_alive()

    @property
    def gets_on(self) -> bool:
        """Whether it works, and no error keeps it from that."""
        return self.is_alive and not self.failures and not any(
            duty.failures for duty in self.duties)

    def silence(self) -> float:
        """For how many seconds the database has not answered."""
        now = time.monotonic()
        since = [duty.asking for duty in self.duties]
        watcher = self.watcher
        if watcher is not None:
            since.append(watcher.asking)
        return max((now - then for then in since if then is not None),
                   default=0)

    # -- the thread

    def _run(self) -> None:
        transaction.manager.explicit = True
        while not self.stopping.is_set():
            try:
                self._work()
            except Exception as error:
                self.terms.reach.away(self, error)
                if not is_storage_failure(error):
                    log.warning('Worker %s has no connection.',
                                self.terms.name, exc_info=error)
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** self.failures)
                self.failures += 1
                self.stopping.wait(pause * random.uniform(.5, 1))
        self.terms.reach.leave(self)

    def _work(self) -> None:
        """Work with one connection, until that fails or it is to end."""
        db = self.terms.database()
        connection = db.open(transaction.manager)
        for duty in self.duties:
            duty.find = partial(find, connection, duty.name)
        try:
            with watching(db, self.terms.reach) as self.watcher:
                while not self.stopping.is_set():
                    mark = self.watcher.mark()
                    if not self._round():
                        self._wait(self.watcher, mark)
            for duty in self.duties:
                duty.end()
        finally:
            self.watcher = None
            for duty in self.duties:
                duty.drop()
            abort(transaction.manager)
            connection.close()

    def _round(self) -> bool:
        """Attend to each schedule once; whether there was any work."""
        worked = False
        for duty in self.duties:
            if self.stopping.is_set():
                break
            worked |= duty.attend(len(self.duties) > 1)
        self.failures = 0
        self.terms.reach.back(self)
        return worked

    def _wait(self, watcher: Watcher, mark: object) -> None:
        while not any(duty.stirs() for duty in self.duties):
            pause = min(duty.pause() for duty in self.duties)
            if watcher.wait(mark, pause, self.stopping.is_set):
                return


def find(connection: Any, path: str) -> Any:
    """What stands there, keys from the root separated by slashes; or None."""
    found = connection.root()
    for key in filter(None, path.split('/')):
        try:
            found = found[key]
        except POSKeyError:
            raise  # damage, and no key that is not there
        except (KeyError, TypeError, AttributeError):
            return None
    return found
