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
"""The log of runs: when each begins, and how it has ended."""

from dataclasses import dataclass
from typing import Any

from zodbschedule import clock
from zodbschedule.logger import Subject
from zodbschedule.logger import log


@dataclass(frozen=True)
class RunEnd(Subject):
    """How a run has ended, and after how many seconds, for the log."""

    outcome: str
    seconds: float

    def __str__(self) -> str:
        return f'after {self.seconds:.3f} s: {self.outcome}'

    def log_attributes(self) -> dict[str, object]:
        """See `Subject`."""
        return {'run_outcome': self.outcome, 'run_duration': self.seconds}


class RunLog:
    """The log of one run, a `zodbschedule.execution.run.Run`."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def begins(self, task: Any) -> None:
        """See `RunObserver`."""
        if self.run.has_begun:
            log.info('The run of %s begins again, since its transaction was '
                     'not committed.', self.run)
        else:
            log.info('The run of %s begins.', self.run)

    def fails(self, error: BaseException) -> None:
        """Nothing to do: what becomes of that is logged."""

    def ends(self, outcome: str) -> None:
        """See `RunObserver`."""
        seconds = (clock.now() - self.run.began).total_seconds()
        log.info('The run of %s has ended %s', self.run,
                 RunEnd(outcome, seconds))
