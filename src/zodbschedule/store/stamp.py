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
"""The stamp: by what a task says where it was scheduled last.

The class of a task may be anybody's, may be missing, and may answer anything.
"""

from datetime import datetime
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError

from zodbschedule.instant import to_micros


# The attribute by which a task says at which instant it was scheduled last,
# in microseconds since 1970.  Writing it makes two who schedule one task at
# the same time conflict, in both orders of commits.  Named after us, since
# the class of the task may be anybody's.
STAMP = '_zodbschedule'


def stamp(task: Any, instant: datetime) -> None:
    """Write at which instant *task* is scheduled; written in any case."""
    try:
        setattr(task, STAMP, to_micros(instant))
    except Exception:
        # It takes no attribute of ours; then it is looked for everywhere.
        pass
    task._p_changed = True


def stamp_of(task: Any) -> int | None:
    """When *task* was scheduled last, if it says so."""
    try:
        if isinstance(task, Broken):
            stamped = task.__Broken_state__.get(STAMP)
        else:
            stamped = getattr(task, STAMP, None)
    except (POSKeyError, AttributeError):
        return None
    # Its class may answer anything to anybody who asks.
    return stamped if type(stamped) is int else None


def never_stamped(task: Any) -> bool:
    """Whether *task* stands nowhere, for certain: whatever does has a stamp.

    Asked first: looking into the claims loads every slot that a run has
    written meanwhile, and each insert would pay for that.
    """
    return stamp_of(task) is None and keeps_stamp(task)


def keeps_stamp(task: Any) -> bool:
    """Whether *task* certainly keeps an attribute that it is given.

    If its record is gone, or its class, it is not certain.
    """
    cls = type(task)
    try:
        task._p_activate()
    except POSKeyError:
        return False
    return not isinstance(task, Broken) and cls.__dictoffset__ != 0 and all(
        getattr(cls, name) is getattr(Persistent, name)
        for name in ('__getattribute__', '__setattr__', '__getstate__',
                     '__setstate__'))
