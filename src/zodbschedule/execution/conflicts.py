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
"""Who is told that a transaction has met a conflict, and is tried again.

Events tell of what is committed, so this is none.
"""

from collections.abc import Callable
from typing import NamedTuple

from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient


class Conflict(NamedTuple):
    """A conflict after which a transaction is tried again."""

    #: 'turn' if it takes tasks, 'run' if it runs one
    of: str
    #: what the task of a run does, as far as that is known
    type: str
    #: the id of the schedule
    schedule: str
    #: the path of its site in Zope
    site: str | None


#: who is told, outside of a transaction; must not raise
observers: list[Callable[[Conflict], None]] = []


def tell_conflict(error: BaseException, schedule: ScheduleState, of: str,
                  type: str = '') -> None:
    """Tell the observers, if *error* is a conflict."""
    if observers and is_transient(error) and not is_storage_failure(error):
        conflict = Conflict(of, type, *schedule.origin)
        for observer in list(observers):
            observer(conflict)
