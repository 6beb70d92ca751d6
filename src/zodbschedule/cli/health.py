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
"""The file by which a probe knows that a worker is healthy."""

import logging
import os
import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zodbschedule.cli.errors import Problem


# Seconds between two touches.  Longer, and a probe has to be more patient;
# shorter, and disks are kept awake for nothing.
PULSE = 5.0

# Seconds between two looks at a worker that is not healthy yet, or any more.
LOOK = 0.2

log = logging.getLogger('zodbschedule')


@contextmanager
def shown_in(path: Path | None, is_healthy: Callable[[], bool]
             ) -> Iterator[None]:
    """Inside this context the file is there and new while all is well."""
    if path is None:
        yield
        return
    pulse = Pulse(path, is_healthy)
    pulse.start()
    try:
        yield
    finally:
        pulse.stop()


def clear(path: Path) -> None:
    """Remove what an earlier worker has left, and see that one can be made.

    Raises Problem if it cannot.
    """
    if not path.parent.is_dir():
        raise Problem(f'--health-file {path}: there is no folder '
                      f'{path.parent}')
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Problem(f'--health-file {path}: {error.strerror}') from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Problem(f'--health-file {path}: the folder cannot be written')


class Pulse:
    """Touches the file, in a thread of its own."""

    def __init__(self, path: Path, is_healthy: Callable[[], bool]) -> None:
        self.path = path
        self.is_healthy = is_healthy
        self.fails = False
        self.stopped = threading.Event()
        self.thread = threading.Thread(
            target=self._run, name='zodbschedule health', daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Touch it no more, and remove it."""
        self.stopped.set()
        self.thread.join()
        self._try(lambda: self.path.unlink(missing_ok=True))

    def _run(self) -> None:
        pause = 0.0
        while not self.stopped.wait(pause):
            healthy = self.is_healthy()
            if healthy:
                self._try(self.path.touch)
            pause = PULSE if healthy else LOOK

    def _try(self, change: Callable[[], None]) -> None:
        """A folder that is away is told once, and harms no worker."""
        try:
            change()
            self.fails = False
        except OSError as error:
            if not self.fails:
                log.warning('The health file is not to be had: %s', error)
            self.fails = True
