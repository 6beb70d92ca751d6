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
"""Signals that ask this process to end, and what they are to its work.

The first lets what runs end and hands back the rest; the second cuts off what
runs.

One that is ignored stays so: ``nohup`` ignores SIGHUP, and a shell SIGINT for
what it runs in the background.  A process that a task forks does what it would
do without us.
"""

import os
import signal
import time
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from types import FrameType
from typing import Any

from zodbschedule.execution.interruption import ENDING


Handler = Callable[[int, FrameType | None], None]

# Within so many seconds the same signal again is the same request: timeout(1)
# signals the process and then its group, and a shell passes on what a
# terminal has sent to all.  Longer, and a second Ctrl-C is not noticed.
ECHO = .3


class EndingSignals(ABC):
    """Has signals end the work of this process in order.

    A subclass says in `finish` and `abort` what that work is.  Only the main
    thread may call `install` and `restore`.
    """

    #: the first signal that was to end it, and when it came
    first: int | None = None
    since = 0.0
    #: whether the work has ended: then signals do as if without us
    ended = False

    def install(self) -> None:
        """Handle the signals from now on."""
        self.pid = os.getpid()
        self.before: dict[int, Any] = {
            number: signal.signal(number, handler)
            for number, handler in self.handlers().items()
            if signal.getsignal(number) not in (signal.SIG_IGN, None)}

    def restore(self) -> None:
        """Handle them no longer."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def handlers(self) -> dict[int, Handler]:
        """What handles which signal, unless that is ignored."""
        return dict.fromkeys(ENDING, self.stop)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """A handler; it logs nothing, since it may interrupt the log."""
        if self.is_sent_on(number):
            return
        if self.first is None:
            self.first, self.since = number, time.monotonic()
            self.finish(number)
        elif not self._is_echo(number):
            self.abort(number)

    @abstractmethod
    def finish(self, number: int) -> None:
        """Let what runs end, since signal *number* came; return at once."""

    @abstractmethod
    def abort(self, number: int) -> None:
        """Cut off what runs, since signal *number* came; return at once."""

    def is_sent_on(self, number: int) -> bool:
        """Whether that signal is not for us, and did as if without us.

        So it is in a process that a task has forked, and after the end.
        """
        if os.getpid() == self.pid and not self.ended:
            return False
        signal.signal(number, self.before[number])
        os.kill(os.getpid(), number)
        return True

    def _is_echo(self, number: int) -> bool:
        return number == self.first and time.monotonic() - self.since < ECHO
