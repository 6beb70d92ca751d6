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
"""The outcomes of runs, and how many of them one call of ``process()`` made.

The numbers are part of the format: they are in slots, in claims and in the
history.
"""

from typing import NamedTuple

from zope.interface import implementer

from zodbschedule.interfaces import ITally


SUCCEEDED = 1
RETRIED = 2
FAILED = 3
EXPIRED = 4
CANCELLED = 5
# It has ended before it had an outcome of its own.
INTERRUPTED = 6

#: the names of the outcomes, as in `IOutcome`
OUTCOMES = {
    SUCCEEDED: 'succeeded', RETRIED: 'retried', FAILED: 'failed',
    EXPIRED: 'expired', CANCELLED: 'cancelled', INTERRUPTED: 'interrupted'}


@implementer(ITally)
class Tally(NamedTuple):
    """See `ITally`."""

    succeeded: int = 0
    retried: int = 0
    failed: int = 0
    expired: int = 0
    left: int = 0
