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
"""What a task itself says of its failure."""

from zodbschedule.errors.chain import is_a
from zodbschedule.errors.chain import leaves


class Verdict(Exception):
    """What is to become of a task, said by that task as it raises this.

    It comes before whatever led to it.
    """


class FinalVerdict(Verdict):
    """That nothing more is to be tried; it comes before other verdicts."""


def verdict(error: BaseException) -> Verdict | None:
    """What the task has said with *error*, also in a group; None: nothing."""
    # The first question is safe, and the second only after the first.
    said = [each for each in leaves(error)
            if is_a(each, Verdict) and isinstance(each, Verdict)]
    said.sort(key=lambda each: not is_a(each, FinalVerdict))
    return said[0] if said else None
