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
"""Whether a database answers: one line in the log for each change."""

import threading

from zodbschedule.errors.text import ErrorText
from zodbschedule.logger import log


# How much of a problem is logged, in characters.
PROBLEM_LENGTH = 300


class Availability:
    """Whether a database answers, by what its users, the sources, report.

    It is away as soon as one source gets no answer, until one gets an answer
    and no source is left that gets none.
    """

    def __init__(self) -> None:
        #: whether it answers, as was logged last
        self.answers = True
        #: the sources that get no answer; none if it answers
        self.waiting: set[object] = set()
        #: set when it was restored to an older state: no answer of it is of
        #: use in this process any more
        self.restored: Exception | None = None
        self.lock = threading.Lock()

    def away(self, source: object, problem: object) -> None:
        """*source* gets no answer, for the reason *problem*."""
        with self.lock:
            self.waiting.add(source)
            if self.answers:
                self.answers = False
                if isinstance(problem, BaseException):
                    problem = ErrorText(problem).message
                line = ' '.join(str(problem).split())[:PROBLEM_LENGTH]
                log.warning('The database is away: %s', line)

    def back(self, source: object) -> None:
        """*source* gets an answer."""
        if self.answers:
            return
        with self.lock:
            self.waiting.discard(source)
            if not self.waiting and not self.answers:
                self.answers = True
                log.info('The database is back.')

    def leave(self, source: object) -> None:
        """*source* does not ask any more, and so cannot know."""
        with self.lock:
            self.waiting.discard(source)
