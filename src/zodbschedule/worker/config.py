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

from zodbschedule.liveness.heartbeat import HeartbeatThread
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


def path_text(path: Path | Paths) -> str:
    """*path* for a person to read."""
    return path if isinstance(path, str) else (
        getattr(path, '__qualname__', None) or str(path))
