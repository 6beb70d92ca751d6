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
"""The tasks of a principal, and those for an object."""

from collections.abc import Iterator
from typing import Any

from ZODB.POSException import POSKeyError
from ZODB.utils import p64

from zodbschedule.store.labels import label_of
from zodbschedule.store.labels import labels_of
from zodbschedule.store.state import ScheduleState


def tasks_of(schedule: ScheduleState, principal: str | None, uuid: str | None,
             after: int) -> Iterator[Any]:
    """See `IScheduleReading`."""
    wanted = [label_of(uuid=uuid)] if uuid else []
    if principal:
        wanted.append(label_of(principal))
    if not wanted:
        raise ValueError('give principalId or uuid, a str that is not empty')
    return _tasks(schedule, wanted, after)


def _tasks(schedule: ScheduleState, wanted: list[str], after: int
           ) -> Iterator[Any]:
    # Those for an object are fewer, so that comes first.
    for oid in schedule.labels.oids(wanted[0], after):
        try:
            task = schedule._p_jar.get(p64(oid))
        except POSKeyError:
            continue
        if set(wanted) <= set(labels_of(task)):
            yield task
