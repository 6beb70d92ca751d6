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
"""Which runs of this process go on beside each other, and which go on alone.

A task is a suspect when runs of it were cut off as often as it may happen to
one that has merely run beside another.  Its next run goes on alone in its
process: if the process ends then, it was the task.

::

    runs of others ──▶ end ──╮
                             ├─▶ alone ─▶ the run of the suspect ─▶ open again
    a suspect waits ─────────╯
          ╰─▶ they last too long: it is left for a next time
"""

import os
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager


# How often one that waits to be alone asks whether it is to stop, in seconds.
SLICE = .25


class Solitude:
    """Lets many threads run tasks beside each other, or one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        #: how many runs go on
        self._runs = 0
        self._is_closed = False
        self._here = threading.local()

    @property
    def is_closed(self) -> bool:
        """Whether another thread runs a suspect, or waits to be alone."""
        return self._is_closed and not self._is_inside

    @property
    def _is_inside(self) -> bool:
        """Whether this thread is in a run: the task may call process()."""
        return getattr(self._here, 'is_inside', False)

    @contextmanager
    def beside(self) -> Iterator[bool]:
        """A context for a run; gives whether it may begin."""
        with self._changed:
            counts = not self._is_inside
            may_begin = not self.is_closed
            if counts and may_begin:
                self._runs += 1
                self._here.is_inside = True
        try:
            yield may_begin
        finally:
            if counts and may_begin:
                self._end_run()

    def _end_run(self) -> None:
        with self._changed:
            self._here.is_inside = False
            self._runs -= 1
            self._changed.notify_all()

    @contextmanager
    def alone(self, seconds: float, stopping: Callable[[], bool]
              ) -> Iterator[bool]:
        """A context in which nothing else runs; gives whether that is so.

        The runs of others have so many *seconds* to end.
        """
        with self._changed:
            closes = not (self._is_closed or self._is_inside)
            if closes:
                self._is_closed = True
        try:
            alone = closes and self._wait(seconds, stopping)
            self._here.is_inside = self._is_inside or alone
            yield alone
        finally:
            if closes:
                self._here.is_inside = self._is_closed = False

    def _wait(self, seconds: float, stopping: Callable[[], bool]) -> bool:
        """Wait until no run goes on; whether that came to be."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._runs and not stopping() and time.monotonic() < end:
                self._changed.wait(SLICE)
            return not self._runs


#: that of this process
here = Solitude()


def _forget() -> None:
    """A fork has none of the threads that ran tasks."""
    global here
    here = Solitude()


os.register_at_fork(after_in_child=_forget)
