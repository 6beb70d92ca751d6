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
"""How the demo is shown: live on a terminal, else line by line."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.table import Table

from zodbschedule.cli import format
from zodbschedule.cli import output
from zodbschedule.cli.demo import Picture
from zodbschedule.cli.demo import View


# The lines above the rows of the table, and one below.
HEADING = 3

# So many of the last runs are shown, be the terminal ever so low.
LEAST = 3


@contextmanager
def view() -> Iterator[View]:
    """The view that suits standard output."""
    if not output.console().is_terminal:
        yield Lines()
        return
    screen = Screen()
    try:
        yield screen
    finally:
        screen.live.stop()


class Lines:
    """A line for each run, for files and pipes."""

    def __init__(self) -> None:
        self.told = 0

    def say(self, line: str) -> None:
        output.show(output.cell(line))

    def draw(self, picture: Picture) -> None:
        for run in picture.ended[self.told:]:
            offset = (run.at - picture.began).total_seconds()
            self.say(f'+{offset:.1f} s {run.outcome}: {run.what}')
        self.told = len(picture.ended)

    def finish(self) -> None:
        """Nothing is on the screen that changes."""


class Screen:
    """A table that changes while the tasks run."""

    def __init__(self) -> None:
        self.live = Live(console=output.console(), auto_refresh=False)
        self.last: Picture | None = None

    def say(self, line: str) -> None:
        self.live.console.print(output.cell(line), soft_wrap=True)

    def draw(self, picture: Picture) -> None:
        self.last = picture
        height = self.live.console.height
        self.live.start()
        self.live.update(_drawn(picture, height), refresh=True)

    def finish(self) -> None:
        """Leave all of it on the screen, however high that is."""
        if self.last is not None:
            self.live.update(_drawn(self.last))
        self.live.stop()


def _drawn(picture: Picture, height: int | None = None) -> Table:
    """A table; of the runs only the last ones, if it would be too high."""
    ended = [(f'{(run.at - picture.began).total_seconds():.1f} s',
              run.outcome, run.what) for run in picture.ended]
    waiting = [(format.relative(time, picture.now), 'waiting', description)
               for time, description in picture.waiting]
    if height is not None:
        room = height - HEADING - len(waiting)
        ended = ended[-max(room, LEAST):]
    return output.table(('when', 'outcome', 'what'), ended + waiting)
