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

import logging
import threading


log = logging.getLogger('zodbschedule')

# How much is said of what is wrong, in characters.
REASON = 300


class Reach:
    """What those who use a database say of it.

    It is away as long as one of them says so.
    """

    def __init__(self) -> None:
        self.problems: dict[object, str] = {}
        self.lock = threading.Lock()

    @property
    def answers(self) -> bool:
        """Whether nobody says that it is away."""
        return not self.problems

    def away(self, source: object, problem: object) -> None:
        """*source* gets no answer, for the reason *problem*."""
        said = ' '.join(str(problem).split()) or type(problem).__name__
        with self.lock:
            first = self.answers
            self.problems[source] = said
        if first:
            log.warning('The database is away: %s', said[:REASON])

    def back(self, source: object) -> None:
        """*source* gets an answer."""
        if source not in self.problems:
            return
        with self.lock:
            del self.problems[source]
            all_say_so = self.answers
        if all_say_so:
            log.info('The database is back.')
