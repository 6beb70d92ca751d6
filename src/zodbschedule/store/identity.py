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
"""By what a copy of a schedule, or one that was imported, is told from it.

Much is noted of tasks by their oids.  A copy has others, and so does whatever
is imported.  Nobody tells the schedule of that: its records are written as
they were, under other oids.

The oid of the schedule does not tell it, since one that is imported into
another database may get the same.  The tid of a record does: a record that is
copied gets another.  So a schedule has a `Witness`, a record that is written
once, and remembers its tid.  A copy of all records with their oids and tids,
for instance of the file of a FileStorage, is the same schedule.
"""

from collections.abc import Mapping

from persistent import Persistent
from ZODB.utils import z64

from zodbschedule.store.remains import is_left


#: the oid of a schedule, and the tid of its witness; None if that is not
#: committed yet
Identity = tuple[int, bytes | None]


class Witness(Persistent):
    """Written once, together with its schedule."""


def tid_of(witness: Witness) -> bytes | None:
    """The tid of *witness*; None if it is not committed yet, or is gone."""
    tid: bytes = witness._p_serial if is_left(witness) else z64
    return None if tid == z64 else tid


def new_oid(oid: int, oids: Mapping[int, int]) -> int:
    """What *oid* is in a copy, as far as the task is there.

    Else below 0, as that of no task is.  That of the schedule as a whole, 0,
    stays.
    """
    return oids.get(oid, min(oid, -oid))
