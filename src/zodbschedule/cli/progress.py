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
"""The progress bar of ``process``."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice

from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn

from zodbschedule import Schedule
from zodbschedule.cli.events import heard
from zodbschedule.cli.output import console
from zodbschedule.interfaces import RunEnded


# Seconds.  Shorter, and a bar flashes up where there is nothing to wait for.
LONG = 1.0

# So many due tasks are counted beforehand, by loading the lists that they are
# in; of more it is not said how many they are.
COUNTED = 10_000


@contextmanager
def shown(schedule: Schedule, until: datetime) -> Iterator[None]:
    """Inside this context a bar tells of runs, if it takes long.

    Only on a terminal, and on its standard error.
    """
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    progress = Progress(
        TextColumn('processing'), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), console=screen, transient=True)
    bar = Bar(progress, due(schedule, until))
    with heard(bar.hear):
        try:
            yield
        finally:
            progress.stop()


def due(schedule: Schedule, until: datetime) -> int | None:
    """How many tasks are due; None if they are too many to count."""
    number = sum(1 for _ in islice(schedule.tasks(max=until), COUNTED + 1))
    return number if number <= COUNTED else None


class Bar:
    """Moves on with each run that has ended."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self.progress = progress
        self.began = time.monotonic()
        self.task = progress.add_task('', total=total)

    def hear(self, event: object) -> None:
        """Subscriber of all events."""
        if isinstance(event, RunEnded):
            self.progress.advance(self.task)
            if time.monotonic() - self.began >= LONG:
                self.progress.start()
