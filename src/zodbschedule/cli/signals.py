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
"""

import logging
import os
import signal
import sys
from types import FrameType
from typing import Protocol

from zodbschedule.execution.signals import EndingSignals
from zodbschedule.execution.signals import Handler


# Signals that other programs use for their own purposes, for instance to
# open their log anew.
UNUSED = tuple(getattr(signal, name) for name in ('SIGUSR1', 'SIGUSR2')
               if hasattr(signal, name))


class Stoppable(Protocol):
    """What a signal stops; both are called at any moment."""

    def finish(self) -> None:
        """Take nothing more, and end when what runs has ended."""

    def abort(self) -> None:
        """Cut off what runs."""


class StoppedEarly(BaseException):
    """A signal has stopped the command before there was anything to stop."""


class Signals(EndingSignals):
    """Inside this context signals stop *work*, once that is set.

    Before that nothing has to be handed back, and the context ends at once.
    """

    work: Stoppable | None = None
    #: the exit code: 0 unless something was cut off by a signal
    code = 0

    def __enter__(self) -> 'Signals':
        self.install()
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 *exception: object) -> bool:
        self.restore()
        return kind is StoppedEarly

    def handlers(self) -> dict[int, Handler]:
        return super().handlers() | dict.fromkeys(UNUSED, self.ignore)

    def finish(self, number: int) -> None:
        if self.work is None:
            raise StoppedEarly
        self.work.finish()

    def abort(self, number: int) -> None:
        if self.work is not None:
            self.code = 128 + number
            self.work.abort()

    def ignore(self, number: int, frame: FrameType | None) -> None:
        """A handler, unlike SIG_IGN not inherited by what a task starts."""
        self.is_sent_on(number)


def exit_at_once(code: int) -> None:
    """End the process, although a thread still runs what it has cut off."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
