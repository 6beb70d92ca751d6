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
"""The arguments of a call: a record of their own, and copies of them.

A task is written at each of its occurrences and attempts, and its arguments
stay the same.  So large ones are stored apart, once.  Small ones would cost
each run another record to load.

A run does not change the arguments for the next: it is given copies, or a
record that is loaded anew for the next.
"""

from io import BytesIO
from typing import Any

from persistent import Persistent
from persistent.wref import WeakRef
from zodbpickle.pickle import Pickler
from zodbpickle.pickle import Unpickler


# From how many bytes of its record on the arguments of a task are stored
# apart.  Smaller, and more runs load two records; larger, and more is written
# at each run.
LARGE = 4096


class Arguments(Persistent):
    """The arguments of one task: `args` and `kwargs`, those that it has.

    It stays with its task, and is written only if they are set anew.
    """


def copied(value: Any) -> Any:
    """A copy of *value*, equal to what a load of its record gives.

    What has a record of its own is not copied, and stays the same object.
    """
    kept: list[Any] = []

    def keep(part: Any) -> int | None:
        if not isinstance(part, (Persistent, WeakRef)):
            return None
        kept.append(part)
        return len(kept) - 1

    file = BytesIO()
    pickler = Pickler(file)
    pickler.persistent_id = keep
    pickler.dump(value)
    file.seek(0)
    unpickler = Unpickler(file)
    unpickler.persistent_load = kept.__getitem__
    return unpickler.load()
