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
"""How the turns of several workers keep out of each other's way.

Each turn takes the first tasks that are due; two that take the same conflict.
So a turn leaves some portions to others: by lot, among more of them the more
workers there are, and after each conflict.
"""

import random


# Among how many portions, at most, a turn looks for one that no other worker
# takes at the same time.
CROWD = 16

# How many portions there are to choose from for each worker with a claim, if
# there are several.  Fewer, and more turns conflict; more, and tasks run less
# in the order of time.
ROOM = 3

# For how many of them there is room at most: a turn has to step over what it
# leaves to others.
ROOMS = 8


class Crowd:
    """Among how many portions the next turn of one worker chooses."""

    def __init__(self) -> None:
        self.size = 1.0

    def skip(self, tries: int, claims: int) -> int:
        """How many portions the turn leaves to others.

        It is tried for so many *tries*, and there are so many *claims*.
        """
        if tries > 1:
            self.size = min(CROWD, self.size * 2)
        holders = min(ROOMS, claims)
        return random.randrange(round(
            max(self.size, ROOM * holders if holders > 1 else 1)))

    def shrink(self) -> None:
        """A turn was committed."""
        self.size = max(1, self.size * .9)
