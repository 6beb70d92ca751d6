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
"""Signals that end a command in order, for `worker` and `process` alike.

===================  ========================================================
SIGTERM, SIGINT,     the first lets what runs end and hands back the rest;
SIGHUP, SIGQUIT      the second cuts off what runs
SIGUSR1, SIGUSR2     nothing: by default they would kill the process
===================  ========================================================

One that is ignored stays so: ``nohup`` ignores SIGHUP, and a shell SIGINT for
what it runs in the background.  A process that a task forks does what it would
do without us.
"""

import logging
import os
import signal
import sys
import time
from types import FrameType
from typing import Any
from typing import Protocol

from zodbschedule.execution.interruption import ENDING


# Signals that other programs use for their own purposes, for instance to
# open their log anew.
UNUSED = tuple(getattr(signal, name) for name in ('SIGUSR1', 'SIGUSR2')
               if hasattr(signal, name))

# Within so many seconds the same signal again is the same request: timeout(1)
# signals the process and then its group, and a shell passes on what a
# terminal has sent to all.  Longer, and a second Ctrl-C is not noticed.
ECHO = .3


class Stoppable(Protocol):
    """What a signal stops; both are called at any moment."""

    def finish(self) -> None:
        """Take nothing more, and end when what runs has ended."""

    def abort(self) -> None:
        """Cut off what runs."""


class StoppedEarly(BaseException):
    """A signal has stopped the command before there was anything to stop."""


class Signals:
    """Inside this context signals stop *work*, once that is set.

    Before that nothing has to be handed back, and the context ends at once.
    """

    work: Stoppable | None = None
    #: the first signal that was to stop it, and when it came
    first: int | None = None
    since = 0.0
    #: the exit code: 0 unless something was cut off by a signal
    code = 0

    def __enter__(self) -> 'Signals':
        self.pid = os.getpid()
        handlers = dict.fromkeys(ENDING, self.stop) | dict.fromkeys(
            UNUSED, self.ignore)
        self.before: dict[int, Any] = {
            number: signal.signal(number, handler)
            for number, handler in handlers.items()
            if signal.getsignal(number) not in (signal.SIG_IGN, None)}
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 *exception: object) -> bool:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        return kind is StoppedEarly

    def stop(self, number: int, frame: FrameType | None) -> None:
        """A handler; it logs nothing, since it may interrupt the log."""
        if self._is_forked(number):
            return
        if self.first is None:
            self.first, self.since = number, time.monotonic()
            if self.work is None:
                raise StoppedEarly
            self.work.finish()
        elif self.work is not None and not self._is_echo(number):
            self.code = 128 + number
            self.work.abort()

    def ignore(self, number: int, frame: FrameType | None) -> None:
        """A handler, unlike SIG_IGN not inherited by what a task starts."""
        self._is_forked(number)

    def _is_echo(self, number: int) -> bool:
        return number == self.first and time.monotonic() - self.since < ECHO

    def _is_forked(self, number: int) -> bool:
        """Whether this is another process; then it does as if without us."""
        if os.getpid() == self.pid:
            return False
        signal.signal(number, self.before[number])
        os.kill(os.getpid(), number)
        return True


def exit_at_once(code: int) -> None:
    """End the process, although a thread still runs what it has cut off."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
