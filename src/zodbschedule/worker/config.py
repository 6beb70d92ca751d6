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
"""What a worker is given: where its schedules are, and how it works."""

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from typing import NamedTuple

import transaction
from persistent import Persistent
from ZODB.interfaces import IDatabase
from zope.interface import Interface
from zope.schema import Int
from zope.schema import TextLine
from zope.schema import Timedelta
from zope.schema import getFields

from zodbschedule.interfaces import MIN_LEASE
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.liveness.heartbeat import HeartbeatThread
from zodbschedule.store.settings import check
from zodbschedule.worker.availability import Availability


#: keys from the root, separated by slashes; or a callable that is given the
#: root and returns the schedule, or None
Path = str | Callable[[Any], Any]


class Paths(ABC):
    """The places of several schedules, which may change: see `Worker`."""

    @abstractmethod
    def paths(self, root: Any) -> list[Path]:
        """Where they are now; equal paths mean the same schedule."""


class WorkerConfig(NamedTuple):
    """What all threads of one worker have in common."""

    #: the label of its claims
    name: str
    #: gives the database, opened if necessary; raises if that is away
    database: Callable[[], Any]
    paths: tuple[Path | Paths, ...]
    lease: timedelta | None
    #: whether the name was given, and not generated
    inherits: bool
    #: whether the worker was asked to stop
    stopping: Callable[[], bool]
    heartbeats: HeartbeatThread
    availability: Availability
    #: the last warning about each schedule, by its name
    warned: dict[str, str]
    #: gives the transaction manager of the turns of a thread
    manager: Callable[[], Any] = lambda: transaction.manager


# Each thread has connections and a claim; more are a mistake.
MAX_THREADS = 100


class IWorkerArguments(Interface):
    """The arguments of a `Worker` besides its database and its paths."""

    name = TextLine(title='The label of its claims', required=False)
    threads = Int(title='How many tasks it runs at once',
                  min=1, max=MAX_THREADS)
    lease = Timedelta(title='How long its claims are trusted',
                      min=MIN_LEASE, required=False)
    grace = Timedelta(title='How long a run may go on after a stop',
                      min=timedelta(0))


def check_arguments(db: Any, paths: tuple[Path | Paths, ...],
                    name: str | None, threads: int, lease: timedelta | None,
                    grace: timedelta) -> None:
    """Raise `InvalidSetting` for what a worker cannot work with."""
    # Some persistent objects are callable, too, such as the sites of a Zope.
    if not IDatabase.providedBy(db) and (
            not callable(db) or isinstance(db, Persistent)):
        raise InvalidSetting(
            f'db is {db!r}; it has to be an open ZODB.DB, such as '
            f'connection.db(), or a callable that opens one')
    for path in paths:
        _check_path(path)
    given = {'name': name, 'threads': threads, 'lease': lease, 'grace': grace}
    for argument, field in getFields(IWorkerArguments).items():
        check(field, given[argument])


def _check_path(path: Any) -> None:
    if not (isinstance(path, (str, Paths)) or callable(path)):
        raise InvalidSetting(
            f'the path {path!r} is not a str; write the keys from the root '
            f"to the schedule, for instance 'schedule'")
    if isinstance(path, str) and not path.strip('/'):
        raise InvalidSetting(
            f'the path {path!r} names no key; write, for instance, '
            f"'schedule'")


def opened(open: Callable[[], Any]) -> Any:
    """The database that *open* gives; raises `InvalidSetting` for another."""
    db = open()
    if not IDatabase.providedBy(db):
        raise InvalidSetting(
            f'{open!r} returns {db!r}; it has to return an open ZODB.DB')
    return db


def path_text(path: Path | Paths) -> str:
    """*path* for a person to read."""
    return path if isinstance(path, str) else (
        getattr(path, '__qualname__', None) or str(path))
