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
"""What a person may do to a schedule, from a page or a service.

Each function does one thing to one task, by its id, in the caller's
transaction, with who did it on record.  A task that has ended or moved on
since the person saw it is no error: what is returned says so, in a sentence.
`several` does it to several at once, and `BulkAction` to all tasks that a
filter selects.
"""

from zodbschedule.steering.actions import Steered
from zodbschedule.steering.actions import cancel
from zodbschedule.steering.actions import change
from zodbschedule.steering.actions import discard
from zodbschedule.steering.actions import pause
from zodbschedule.steering.actions import resume
from zodbschedule.steering.actions import run_now
from zodbschedule.steering.actions import unpark
from zodbschedule.steering.bulk import ACTIONS
from zodbschedule.steering.bulk import BulkAction
from zodbschedule.steering.bulk import Preview
from zodbschedule.steering.bulk import Several
from zodbschedule.steering.bulk import preview
from zodbschedule.steering.bulk import several


__all__ = (
    'ACTIONS',
    'BulkAction',
    'Preview',
    'Several',
    'Steered',
    'cancel',
    'change',
    'discard',
    'pause',
    'preview',
    'resume',
    'run_now',
    'several',
    'unpark',
)
