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
"""Who is told how a run goes, while it lasts.

Events tell of what is committed.  This is for what has to be there meanwhile,
such as the log of runs, and traces.
"""

from collections.abc import Callable
from typing import Any
from typing import Protocol


class RunObserver(Protocol):
    """Is told how one run goes, in the thread of the run; must not raise."""

    def begins(self, task: Any) -> None:
        """*task* is about to be called, in a transaction of the run.

        Again, if that one was not committed and another is tried.
        """

    def fails(self, error: BaseException) -> None:
        """A transaction of the run has ended by *error*.

        Another one may be tried.  The same error may be told twice, or before
        the task was called.
        """

    def ends(self, outcome: str) -> None:
        """The run, which had begun, is over.

        *outcome* is committed: one of `OUTCOMES`; or else `LEFT`, or
        'interrupted'.
        """


#: the outcome of a run whose task goes on waiting in its place
LEFT = 'left in its place'

#: each makes the observer of a run, when its task is taken
observers: list[Callable[[Any], RunObserver]] = []
