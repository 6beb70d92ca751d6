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
"""The loop that does turns and runs, unattended: `Worker`."""

import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any

import transaction

from zodbschedule import clock
from zodbschedule.execution.consumer import TURN_TRIES
from zodbschedule.liveness.heartbeat import LOOK
from zodbschedule.liveness.heartbeat import Heart
from zodbschedule.liveness.heartbeat import Pulse
from zodbschedule.scheduling.turn import relieve
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.transactions import workarounds as faults
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.retrying import in_own_connection
from zodbschedule.worker.availability import Availability
from zodbschedule.worker.thread import Path
from zodbschedule.worker.thread import Paths
from zodbschedule.worker.thread import WorkerConfig
from zodbschedule.worker.thread import WorkerThread
from zodbschedule.worker.thread import spelled


log = logging.getLogger('zodbschedule')

# How often a worker looks whether it is to end, and how its threads are.
SUPERVISE = .1

# After how many seconds without an answer a database is said to be away.
SILENT = 10.0

# Shorter than what Docker gives a container to end, which is 10 s.
GRACE = timedelta(seconds=8)

# How many seconds to try to hand back what was cut off.
HAND_BACK = 2.0

# What a worker is asked for; plain ints, since a signal handler may run in
# the middle of anything, also while a lock is held.
WORK, FINISH, ABORT = range(3)


class Worker:
    """Runs what is due, in threads, until it is asked to end.

    *db* is an open `ZODB.DB`, or a callable without arguments that opens one:
    then it is opened here, as often as it takes until the database is there,
    and closed in the end.  *paths* say where the schedules stand: keys from
    the root, separated by slashes, by default ``'schedule'``; or a callable
    that gives it, called with the root; or a `Paths`, of which each thread
    looks after all that there are at the moment.  One that is not there yet
    is waited for.

    *name* is the label of its claims, by default host and process.  A worker
    that is given a name recovers at once what an earlier one of that name has
    left behind, unless that is known to be alive on this machine.  *threads*
    is how many tasks it runs at once, each in a thread with a connection and
    a claim of its own.  *lease*, a timedelta, is for how long its claims are
    believed without a sign of life, by default as `IScheduleSettings.lease`
    says.  *grace*, a timedelta, is how long it lets a run go on when it is
    asked to end.

    Raises ValueError for what it cannot work with.  It can be started once.
    """

    #: on what the turns of a thread are made; that of the runs, by default
    manager: Callable[[], Any] = staticmethod(lambda: transaction.manager)
    #: what its threads do
    thread = WorkerThread

    def __init__(self, db: Any, *paths: Path | Paths, name: str | None = None,
                 threads: int = 1, lease: timedelta | None = None,
                 grace: timedelta = GRACE) -> None:
        if threads < 1:
            raise ValueError(f'threads is {threads}; it has to be 1 or more')
        if lease is not None and lease <= timedelta(0):
            raise ValueError(f'lease is {lease}; it has to be longer than 0')
        for path in paths:
            if isinstance(path, str) and not path.strip('/'):
                raise ValueError(
                    f'the path {path!r} names no key; write, for instance, '
                    f"'schedule'")
        self.name = name or f'{socket.gethostname()}:{os.getpid()}'
        self.grace = grace
        self._database = Database(db)
        self._availability = Availability()
        self._heart = Heart(LOOK, _relieve, self._heart_failed)
        config = WorkerConfig(
            self.name, self._database.get, paths or ('schedule',), lease,
            bool(name), self._ends, self._heart, self._availability, {},
            self.manager)
        self._threads = [
            self.thread(config, number) for number in range(threads)]
        self._asked = WORK
        self._result = True
        self._supervisor: threading.Thread | None = None
        self._begun = False
        self._silent = False

    # -- from outside

    def run(self) -> bool:
        """Work until `finish` or `abort` is called, or KeyboardInterrupt.

        A KeyboardInterrupt is raised again in the end, and a second one cuts
        off what runs.  Returns True if every run has ended by itself and
        everything is handed back, so that no claim is left.  False if a run
        was cut off, whose task is back in its place; or if the database did
        not answer, as the log says: then others recover what it held.
        """
        self._begin()
        return self._work()

    def _begin(self) -> None:
        if self._begun:
            raise RuntimeError(
                f'Worker {self.name} was started before; make another one')
        self._begun = True

    def _work(self) -> bool:
        log.info('Worker %s begins, process %d, threads: %d, schedules: %s',
                 self.name, os.getpid(), len(self._threads),
                 ', '.join(map(spelled, self._threads[0].config.paths)))
        self._heart.start()
        for thread in self._threads:
            thread.start()
        interrupted: BaseException | None = None
        while True:
            try:
                self._result = self._supervise()
                break
            except BaseException as error:
                interrupted = error
                self._asked = min(ABORT, self._asked + 1)
        log.info('Worker %s has ended.', self.name)
        if interrupted is not None:
            raise interrupted
        return self._result

    def start(self) -> None:
        """Do as `run`, in threads in the background; returns at once."""
        self._begin()
        self._supervisor = threading.Thread(
            target=self._work, name=f'zodbschedule {self.name}', daemon=True)
        self._supervisor.start()
        # So that a program that ends without a word leaves no claim behind.
        atexit.register(self.stop)

    def stop(self, timeout: timedelta | None = None) -> bool:
        """End what `start` has begun; returns as `run`.

        Takes nothing more, lets runs end within *timeout*, by default the
        grace of this worker, and hands the rest back.
        """
        if timeout is not None:
            self.grace = timeout
        self.finish()
        if self._supervisor is not None:
            self._supervisor.join()
        atexit.unregister(self.stop)
        return self._result

    def __enter__(self) -> 'Worker':
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.stop()

    def finish(self) -> None:
        """Ask it to end, within its grace; for signal handlers too."""
        self._asked = max(self._asked, FINISH)

    def abort(self) -> None:
        """Ask it to cut off what runs, and end; for signal handlers too."""
        self._asked = ABORT

    def _ends(self) -> bool:
        return self._asked != WORK

    @property
    def healthy(self) -> bool:
        """Whether it works, and the database answers.

        A run that lasts long is healthy.
        """
        return (self._begun and self._asked == WORK
                and self._availability.answers
                and all(thread.healthy for thread in self._threads))

    # -- looking after the threads

    def _supervise(self) -> bool:
        since = None
        ended = True
        while self._is_alive():
            if self._asked and since is None:
                since = time.monotonic()
                for thread in self._threads:
                    thread.finish()
            if self._asked == ABORT or since is not None and (
                    time.monotonic() - since > self.grace.total_seconds()):
                ended = self._cut_off()
                break
            self._listen()
            time.sleep(SUPERVISE)
        self._heart.stop(HAND_BACK)
        if not self._is_alive():
            self._database.close()
        return ended and all(thread.handed_back for thread in self._threads)

    def _is_alive(self) -> bool:
        return any(thread.is_alive for thread in self._threads)

    def _listen(self) -> None:
        """Notice a database that says nothing, not even that it is away."""
        silence = max(thread.silence() for thread in self._threads)
        if silence > SILENT:
            self._availability.away(
                self, f'it has not answered for {SILENT:.0f} seconds')
            self._silent = True
        elif self._silent:
            self._silent = False
            self._availability.back(self)

    def _heart_failed(self, error: Exception) -> None:
        if is_storage_failure(error):
            log.debug('A heartbeat was lost: %r', error)
        else:
            log.warning('A heartbeat was lost.', exc_info=error)

    def _cut_off(self) -> bool:
        """Hand back what is held: the commit of a run will conflict.

        Whether no run was cut off.
        """
        cut_off: list[Pulse] = []
        handing = threading.Thread(
            target=self._hand_back, args=(cut_off,), daemon=True)
        handing.start()
        handing.join(HAND_BACK)
        if handing.is_alive():
            log.warning('Worker %s could not hand back what it held, since '
                        'the database does not answer; others will recover '
                        'it.', self.name)
            return False
        if cut_off:
            log.warning('Worker %s has cut off what ran.', self.name)
        for thread in self._threads:
            thread.settle(HAND_BACK)
        return not cut_off

    def _hand_back(self, cut_off: list[Pulse]) -> None:
        for pulse in self._heart.pulses:
            try:
                if in_own_connection(
                        pulse.db, partial(_dissolve, pulse), TURN_TRIES):
                    cut_off.append(pulse)
            except Exception:
                cut_off.append(pulse)
                log.warning(
                    'The claim %s could not be withdrawn; others will '
                    'recover it.', pulse.claim_id, exc_info=True)


class Database:
    """What a worker works with; opened by it, or by somebody else."""

    def __init__(self, db: Any) -> None:
        self.open: Callable[[], Any] | None = db if callable(db) else None
        self.db = None if callable(db) else db
        self.lock = threading.Lock()

    def get(self) -> Any:
        """The `ZODB.DB`; raises whatever keeps it from being opened."""
        with self.lock:
            if self.db is None and self.open is not None:
                self.db = self.open()
            faults.mend(self.db)
            return self.db

    def close(self) -> None:
        """Close what was opened here."""
        if self.open is not None and self.db is not None:
            try:
                self.db.close()
            except Exception:
                log.warning('The database could not be closed.',
                            exc_info=True)
            self.db = None


def _relieve(pulse: Pulse, index: int) -> None:
    def work(connection: Any) -> None:
        relieve(connection.get(pulse.schedule_oid), pulse.claim_id, index,
                clock.now())

    in_own_connection(pulse.db, work, TURN_TRIES)


def _dissolve(pulse: Pulse, connection: Any) -> bool:
    """Whether that is in vain which runs."""
    schedule = connection.get(pulse.schedule_oid)
    claim = schedule.claims.get(pulse.claim_id)
    if claim is None:
        return False  # it has just ended by itself
    running = pulse.running
    in_vain = running is not None and claim.slots[running[0]].waiting
    withdraw(schedule, pulse.claim_id, claim, clock.now())
    return in_vain
