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
"""Recurrences: rules that name the next occurrence of a task.

Pure: nothing here reads a clock, or needs a database or a transaction.
"""

from zodbschedule.recurrence.rules import Cron as Cron
from zodbschedule.recurrence.rules import Every as Every
from zodbschedule.recurrence.rules import RRule as RRule
