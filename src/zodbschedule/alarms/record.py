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
"""What is kept about alarms: settings, what was told, what is to be told."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from typing import NamedTuple

from BTrees.OOBTree import OOBTree
from persistent import Persistent
from zope.interface import implementer

from zodbschedule.alarms.settings import IAlarms
from zodbschedule.schedule import Schedule
from zodbschedule.store.settings import Configurable
from zodbschedule.task import Task


#: the kind of an alarm and what it is about: the id of a task, for instance
Key = tuple[str, str]


class Streak(NamedTuple):
    """That a task has failed, and not succeeded since.  Stored as a tuple."""

    #: the task, as the log names it
    label: str
    #: what went wrong last
    error: str
    #: when each failure was, in microseconds, ascending
    ended: tuple[int, ...]


class Message(Persistent):
    """One message for one channel, until it is handed over."""

    #: until when somebody is at it, in microseconds; 0: nobody is
    taken = 0
    #: what went wrong last
    error = ''
    #: the task that sends it
    task: Task

    def __init__(self, id: str, channel: str, at: int, subject: str,
                 text: str, data: Mapping[str, Any]) -> None:
        #: the same for all channels, and for each time that it is sent
        self.id = id
        self.channel = channel
        self.at = at
        self.subject = subject
        self.text = text
        #: for programs: what `json.dumps` takes
        self.data = data


@implementer(IAlarms)
class Alarms(Configurable):
    """The alarms of a schedule: ``schedule.alarms``.

    Each look that changes something writes this object, so that two looks at
    the same time conflict.
    """

    settings = IAlarms

    failures: int | None = 3
    parked: int | None = 1
    late: timedelta | None = timedelta(minutes=5)
    no_worker: timedelta | None = timedelta(minutes=5)
    spacing = timedelta(minutes=10)
    name = 'zodbschedule'
    mail: str | None = None
    sender: str | None = None
    smtp = 'smtp://localhost'
    webhook: str | None = None
    heartbeat: str | None = None

    #: the position of the oldest parked entry that may still be told
    floor = 0
    #: since when there is no worker; this and what follows in microseconds
    alone_since: int | None = None
    #: when the last message was made
    spoke: int | None = None
    #: up to when the history is known
    looked: int | None = None

    def __init__(self) -> None:
        #: the alarms that were told and are not over -> what they are about
        self.told: dict[Key, str] = {}
        #: id of a task -> a `Streak`
        self.streaks: dict[str, tuple[Any, ...]] = {}
        #: the messages that are not handed over, in their order
        self.outbox = OOBTree()

    def note(self, **values: Any) -> None:
        """Set these attributes, if that changes them."""
        for name, value in values.items():
            if getattr(self, name) != value:
                setattr(self, name, value)


def alarms_of(schedule: Schedule) -> Alarms | None:
    """The alarms of a schedule, if they are set up."""
    found = schedule.alarms
    return found if isinstance(found, Alarms) else None
