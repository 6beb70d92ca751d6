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
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from types import TracebackType
from typing import Any

import transaction

from zodbschedule import clock
from zodbschedule.errors.text import ErrorText
from zodbschedule.execution.stopping import ABORT
from zodbschedule.execution.stopping import GRACE
from zodbschedule.execution.stopping import HAND_BACK
from zodbschedule.execution.stopping import SUPERVISE
from zodbschedule.execution.stopping import Stop
from zodbschedule.interfaces import WorkerEnded
from zodbschedule.liveness.heartbeat import CHECK_INTERVAL
from zodbschedule.liveness.heartbeat import ClaimHeartbeat
from zodbschedule.liveness.heartbeat import HeartbeatThread
from zodbschedule.logger import log
from zodbschedule.plain_text import without_password
from zodbschedule.scheduling.turn import relieve
from zodbschedule.transactions import workarounds
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.retrying import OWN_TRIES
from zodbschedule.transactions.retrying import in_own_connection
from zodbschedule.worker.availability import Availability
from zodbschedule.worker.config import Path
from zodbschedule.worker.config import Paths
from zodbschedule.worker.config import WorkerConfig
from zodbschedule.worker.config import check_arguments
from zodbschedule.worker.config import opened
from zodbschedule.worker.config import path_text
from zodbschedule.worker.thread import WorkerThread


# After how many seconds without an answer a database is considered away.
SILENT = 10.0


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

    Raises `InvalidSetting`, a ValueError, for arguments that it cannot work
    with.  It can be started once.
    """

    #: gives the transaction manager of the turns of a thread, by default that
    #: of the runs
    manager: Callable[[], Any] = staticmethod(lambda: transaction.manager)
    #: the class of its threads
    thread = WorkerThread

    def __init__(self, db: Any, *paths: Path | Paths, name: str | None = None,
                 threads: int = 1, lease: timedelta | None = None,
                 grace: timedelta = GRACE) -> None:
        check_arguments(db, paths, name, threads, lease, grace)
        self.name = name or f'{socket.gethostname()}:{os.getpid()}'
        self._source = DatabaseSource(db)
        self._availability = Availability()
        self._heartbeats = HeartbeatThread(
            CHECK_INTERVAL, _relieve, _log_lost_heartbeat)
        self._stop = Stop(f'Worker {self.name}', grace, self._heartbeats)
        config = WorkerConfig(
            self.name, self._source.get, paths or ('schedule',), lease,
            bool(name), self._stop.was_asked, self._heartbeats,
            self._availability, {}, self.manager)
        self._threads = [
            self.thread(config, number) for number in range(threads)]
        self._result = True
        self._supervisor: threading.Thread | None = None
        self._begun = False
        self._failed = False
        self._silent = False

    # -- from outside

    def run(self) -> bool:
        """Work until `finish` or `abort` is called, or KeyboardInterrupt.

        A KeyboardInterrupt is raised again in the end, and a second one cuts
        off what runs.  Raises `WorkerEnded` if its threads have ended although
        it was not asked to stop, or if it has stopped since the database was
        restored to an older state.  Returns True if every run has ended by
        itself and everything was handed back, so that no claim is left.  False
        if a run was cut off, whose task is back in its place; or if the
        database did not answer, as the log says: then others recover what it
        held.
        """
        self._begin()
        return self._work()

    def _begin(self) -> None:
        if self._begun:
            raise RuntimeError(
                f'Worker {self.name} was started before; make another one')
        self._begun = True

    def _work(self) -> bool:
        log.info('Worker %s begins, process %d, threads: %d, schedules: %s, '
                 'database: %s, zodbschedule %s', self.name, os.getpid(),
                 len(self._threads),
                 ', '.join(map(path_text, self.paths)),
                 str(self._source), _version())
        interrupted: BaseException | None = None
        aborted = False
        while not aborted:
            try:
                if interrupted is None:
                    self._start_threads()
                self._result = self._supervise()
                self._refuse_end()
                break
            except BaseException as error:
                # What fails when all was cut off is not tried again.
                aborted = self._stop.asked == ABORT
                interrupted, self._result = error, False
                self._stop.hurry()
        log.info('Worker %s has ended.', self.name)
        if interrupted is not None:
            raise interrupted
        return self._result

    def _refuse_end(self) -> None:
        """Raise `WorkerEnded` if nobody else has asked it to stop."""
        if self._availability.restored is not None:
            raise WorkerEnded(
                f'Worker {self.name}: its database was restored to an older '
                f'state while it worked, and what this process has in its '
                f'memory is of another one. Start the process again.')
        if not self._stop.was_asked():
            errors = [ErrorText(thread.error) for thread in self._threads
                      if thread.error is not None]
            raise WorkerEnded(
                f'Worker {self.name}: all its threads have ended, although it '
                f'was not asked to stop: {", ".join(map(str, errors))}. Start '
                f'another worker.')

    def _start_threads(self) -> None:
        """Raises RuntimeError if the system has no thread left."""
        self._heartbeats.start()
        for thread in self._threads:
            thread.start()

    def start(self) -> None:
        """Do as `run`, in the background; returns at once.

        Raises RuntimeError if no thread can be started for that.
        """
        self._begin()
        supervisor = threading.Thread(
            target=self._work_aside, name=f'zodbschedule {self.name}',
            daemon=True)
        supervisor.start()
        self._supervisor = supervisor
        # A program that just ends leaves no claim behind.
        atexit.register(self.stop)

    def _work_aside(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._failed = True
            log.error('Worker %s has failed: %s', self.name, ErrorText(error),
                      exc_info=ErrorText(error).exc_info)

    def stop(self, timeout: timedelta | None = None) -> bool:
        """End what `start` has begun; returns as `run` does.

        Takes nothing more, lets runs end within *timeout*, a timedelta, by
        default the grace of this worker, and hands the rest back.
        """
        if timeout is not None:
            self._stop.grace = timeout
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
        self._stop.finish()

    def abort(self) -> None:
        """Ask it to cut off what runs, and stop; for signal handlers too."""
        self._stop.abort()

    @property
    def grace(self) -> timedelta:
        """For how long a run may go on when this is to stop."""
        return self._stop.grace

    @property
    def healthy(self) -> bool:
        """Whether it works, and the database answers.

        It is healthy during a run, however long that lasts.
        """
        return (self._begun and not self._stop.was_asked()
                and self._availability.answers
                and all(thread.healthy for thread in self._threads))

    @property
    def intact(self) -> bool:
        """Whether it goes on, or will, once its database answers.

        False if it has lost a thread, has ended by an error, or has worked
        while its database was restored to an older state: then another
        process is needed.
        """
        return not self._failed and all(
            thread.error is None for thread in self._threads)

    @property
    def ending(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.was_asked()

    @property
    def database(self) -> Any:
        """The open database; None while there is none that answers."""
        return self._source.db if self._availability.answers else None

    @property
    def paths(self) -> tuple[Path | Paths, ...]:
        """Where its schedules are."""
        return self._threads[0].config.paths

    # -- the supervisor

    def _supervise(self) -> bool:
        in_time = True
        while in_time and self._is_alive():
            in_time = not self._is_over()
            self._check_silence()
            time.sleep(SUPERVISE)
        complete = in_time or self._cut_off()
        self._heartbeats.stop(HAND_BACK if in_time else SUPERVISE)
        if not self._is_alive():
            self._source.close()
        return complete and all(
            thread.handed_back and thread.error is None
            for thread in self._threads)

    def _is_over(self) -> bool:
        """Whether it stops, and has waited for its threads long enough."""
        if self._availability.restored is not None:
            self._stop.abort()
        if self._stop.has_begun():
            for thread in self._threads:
                thread.finish()
        return self._stop.is_over(self._availability.answers)

    def _cut_off(self) -> bool:
        """Hand back what is held; see `Stop.cut_off`."""
        if self._availability.restored is not None:
            return False  # What it held is of another state.
        end = time.monotonic() + HAND_BACK
        complete = self._stop.cut_off()
        for thread in self._threads:
            thread.join_unless_running(max(0, end - time.monotonic()))
        return complete

    def _is_alive(self) -> bool:
        return any(thread.is_alive for thread in self._threads)

    def _check_silence(self) -> None:
        """Notice a database that does not answer, and raises nothing."""
        for thread in self._threads:
            thread.cut_if_silent()
        silence = max(thread.silence() for thread in self._threads)
        if silence > SILENT:
            self._availability.away(
                self, f'it has not answered for {SILENT:.0f} seconds')
            self._silent = True
        elif self._silent:
            self._silent = False
            self._availability.back(self)


class DatabaseSource:
    """Gives a worker its database: an open one, or one that it opens."""

    def __init__(self, db: Any) -> None:
        self.open: Callable[[], Any] | None = db if callable(db) else None
        self.db = None if callable(db) else db
        #: whether it was said what is safe there
        self.told = False
        self.lock = threading.Lock()

    def __str__(self) -> str:
        """Its name, as the log may have it."""
        return 'not open yet' if self.db is None else (
            without_password(self.db.getName()))

    def get(self) -> Any:
        """The `ZODB.DB`; raises what the callable that opens it raises."""
        with self.lock:
            if self.db is None and self.open is not None:
                self.db = opened(self.open)
                log.info('The database was opened: %s', str(self))
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
            except Exception as error:
                log.warning('The database could not be closed.',
                            exc_info=ErrorText(error).exc_info)
            self.db = None


def _version() -> str:
    try:
        return version('zodbschedule')
    except PackageNotFoundError:  # it runs from its sources
        return 'that is not installed'


def _log_lost_heartbeat(error: Exception) -> None:
    if is_storage_failure(error):
        log.debug('A heartbeat was lost: %s', ErrorText(error))
    else:
        log.warning('A heartbeat was lost.',
                    exc_info=ErrorText(error).exc_info)


def _relieve(heartbeat: ClaimHeartbeat, index: int) -> None:
    def work(connection: Any) -> None:
        relieve(connection.get(heartbeat.schedule_oid), heartbeat.claim_id,
                index, clock.now())

    in_own_connection(heartbeat.db, work, OWN_TRIES)
