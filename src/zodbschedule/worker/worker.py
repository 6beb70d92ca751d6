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
"""Threads that run what is due, until they are asked to stop: `Worker`."""

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
from zodbschedule.liveness.heartbeat import CHECK_INTERVAL
from zodbschedule.liveness.heartbeat import ClaimHeartbeat
from zodbschedule.liveness.heartbeat import HeartbeatThread
from zodbschedule.scheduling.turn import relieve
from zodbschedule.scheduling.turn import withdraw
from zodbschedule.transactions import workarounds
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.retrying import in_own_connection
from zodbschedule.worker.availability import Availability
from zodbschedule.worker.config import Path
from zodbschedule.worker.config import Paths
from zodbschedule.worker.config import WorkerConfig
from zodbschedule.worker.config import path_text
from zodbschedule.worker.thread import WorkerThread


log = logging.getLogger('zodbschedule')

# How often a worker checks whether it is to stop, and how its threads are, in
# seconds.
SUPERVISE = .1

# After how many seconds without an answer a database is considered away.
SILENT = 10.0

# For how long runs may go on when a worker is to stop.  Shorter than the 10 s
# that Docker gives a container.
GRACE = timedelta(seconds=8)

# For how many seconds to try to hand back what was cut off.
HAND_BACK = 2.0

# What a worker is asked for; plain ints, since a signal handler may run at any
# moment, also while a lock is held.
WORK, FINISH, ABORT = range(3)


class Worker:
    """Runs what is due, in threads, until it is asked to stop.

    *db* is an open `ZODB.DB`, or a callable without arguments that opens one:
    then it is called until the database is available, and what it has opened
    is closed in the end.  *paths* say where the schedules are: keys from the
    root, separated by slashes, by default ``'schedule'``; or a callable that
    is given the root and returns the schedule; or a `Paths`, of which each
    thread attends to all that there are at the moment.  A schedule that does
    not exist yet is waited for.

    *name* is the label of its claims, by default host and process.  A worker
    that is given a name recovers at once what an earlier one of that name has
    left behind, unless that is known to be alive on this machine.  *threads*
    is how many tasks it runs at once, each in a thread with a connection and
    a claim of its own.  *lease*, a timedelta, is for how long its claims are
    believed without a sign of life, by default as `IScheduleSettings.lease`
    says.  *grace*, a timedelta, is for how long a run may go on when the
    worker is asked to stop.

    Raises ValueError for arguments that it cannot work with.  It can be
    started once.
    """

    #: gives the transaction manager of the turns of a thread, by default that
    #: of the runs
    manager: Callable[[], Any] = staticmethod(lambda: transaction.manager)
    #: the class of its threads
    thread = WorkerThread

    def __init__(self, db: Any, *paths: Path | Paths, name: str | None = None,
                 threads: int = 1, lease: timedelta | None = None,
                 grace: timedelta = GRACE) -> None:
        _refuse_unfit(paths, threads, lease)
        self.name = name or f'{socket.gethostname()}:{os.getpid()}'
        self.grace = grace
        self._source = DatabaseSource(db)
        self._availability = Availability()
        self._heartbeats = HeartbeatThread(
            CHECK_INTERVAL, _relieve, _log_lost_heartbeat)
        config = WorkerConfig(
            self.name, self._source.get, paths or ('schedule',), lease,
            bool(name), self._stopping, self._heartbeats, self._availability,
            {}, self.manager)
        self._threads = [
            self.thread(config, number) for number in range(threads)]
        self._asked = WORK
        self._result = True
        self._supervisor: threading.Thread | None = None
        self._begun = False
        #: when it was asked to stop, by a monotonic clock
        self._finishing_since: float | None = None
        self._silent = False

    # -- from outside

    def run(self) -> bool:
        """Work until `finish` or `abort` is called, or KeyboardInterrupt.

        A KeyboardInterrupt is raised again in the end, and a second one cuts
        off what runs.  Returns True if every run has ended by itself and
        everything was handed back, so that no claim is left.  False if a run
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
                 ', '.join(map(path_text, self._threads[0].config.paths)))
        self._heartbeats.start()
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
        """Do as `run`, in the background; returns at once."""
        self._begin()
        self._supervisor = threading.Thread(
            target=self._work, name=f'zodbschedule {self.name}', daemon=True)
        self._supervisor.start()
        # A program that just ends leaves no claim behind.
        atexit.register(self.stop)

    def stop(self, timeout: timedelta | None = None) -> bool:
        """End what `start` has begun; returns as `run` does.

        Takes nothing more, lets runs end within *timeout*, a timedelta, by
        default the grace of this worker, and hands the rest back.
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
        """Ask it to stop, within its grace; for signal handlers too."""
        self._asked = max(self._asked, FINISH)

    def abort(self) -> None:
        """Ask it to cut off what runs, and stop; for signal handlers too."""
        self._asked = ABORT

    def _stopping(self) -> bool:
        return self._asked != WORK

    @property
    def healthy(self) -> bool:
        """Whether it works, and the database answers.

        It is healthy during a run, however long that lasts.
        """
        return (self._begun and self._asked == WORK
                and self._availability.answers
                and all(thread.healthy for thread in self._threads))

    # -- the supervisor

    def _supervise(self) -> bool:
        in_time = True
        while self._is_alive():
            self._finish_threads()
            if self._is_grace_over():
                in_time = self._cut_off()
                break
            self._check_silence()
            time.sleep(SUPERVISE)
        self._heartbeats.stop(HAND_BACK)
        if not self._is_alive():
            self._source.close()
        return in_time and all(
            thread.handed_back for thread in self._threads)

    def _finish_threads(self) -> None:
        if self._asked and self._finishing_since is None:
            self._finishing_since = time.monotonic()
            for thread in self._threads:
                thread.finish()

    def _is_grace_over(self) -> bool:
        since = self._finishing_since
        return self._asked == ABORT or since is not None and (
            time.monotonic() - since > self.grace.total_seconds())

    def _is_alive(self) -> bool:
        return any(thread.is_alive for thread in self._threads)

    def _check_silence(self) -> None:
        """Notice a database that does not answer, and raises nothing."""
        silence = max(thread.silence() for thread in self._threads)
        if silence > SILENT:
            self._availability.away(
                self, f'it has not answered for {SILENT:.0f} seconds')
            self._silent = True
        elif self._silent:
            self._silent = False
            self._availability.back(self)

    def _cut_off(self) -> bool:
        """Hand back what is held, so that the commits of runs will conflict.

        Returns whether that has cut off no run.
        """
        cut_off: list[ClaimHeartbeat] = []
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
            thread.join_unless_running(HAND_BACK)
        return not cut_off

    def _hand_back(self, cut_off: list[ClaimHeartbeat]) -> None:
        for heartbeat in self._heartbeats.heartbeats:
            try:
                if in_own_connection(heartbeat.db, partial(
                        _withdraw, heartbeat), TURN_TRIES):
                    cut_off.append(heartbeat)
            except Exception:
                cut_off.append(heartbeat)
                log.warning(
                    'The claim %s could not be withdrawn; others will '
                    'recover it.', heartbeat.claim_id, exc_info=True)


class DatabaseSource:
    """Gives a worker its database: an open one, or one that it opens."""

    def __init__(self, db: Any) -> None:
        self.open: Callable[[], Any] | None = db if callable(db) else None
        self.db = None if callable(db) else db
        #: whether it was said what is safe there
        self.told = False
        self.lock = threading.Lock()

    def get(self) -> Any:
        """The `ZODB.DB`; raises what the callable that opens it raises."""
        with self.lock:
            if self.db is None and self.open is not None:
                self.db = self.open()
            workarounds.mend(self.db)
            if not self.told:
                workarounds.tell_of_packs(self.db)
                self.told = True
            return self.db

    def close(self) -> None:
        """Close the database if it was opened here."""
        if self.open is not None and self.db is not None:
            try:
                self.db.close()
            except Exception:
                log.warning('The database could not be closed.',
                            exc_info=True)
            self.db = None


def _refuse_unfit(paths: tuple[Path | Paths, ...], threads: int,
                  lease: timedelta | None) -> None:
    if threads < 1:
        raise ValueError(f'threads is {threads}; it has to be 1 or more')
    if lease is not None and lease <= timedelta(0):
        raise ValueError(f'lease is {lease}; it has to be longer than 0')
    for path in paths:
        if isinstance(path, str) and not path.strip('/'):
            raise ValueError(
                f'the path {path!r} names no key; write, for instance, '
                f"'schedule'")


def _log_lost_heartbeat(error: Exception) -> None:
    if is_storage_failure(error):
        log.debug('A heartbeat was lost: %r', error)
    else:
        log.warning('A heartbeat was lost.', exc_info=error)


def _relieve(heartbeat: ClaimHeartbeat, index: int) -> None:
    def work(connection: Any) -> None:
        relieve(connection.get(heartbeat.schedule_oid), heartbeat.claim_id,
                index, clock.now())

    in_own_connection(heartbeat.db, work, TURN_TRIES)


def _withdraw(heartbeat: ClaimHeartbeat, connection: Any) -> bool:
    """Withdraw that claim; whether a run is cut off by that."""
    schedule = connection.get(heartbeat.schedule_oid)
    claim = schedule.claims.get(heartbeat.claim_id)
    if claim is None:
        return False  # it was withdrawn by its thread just now
    running = heartbeat.running
    cuts_off = running is not None and claim.slots[running[0]].waiting
    withdraw(schedule, heartbeat.claim_id, claim, clock.now())
    return cuts_off
