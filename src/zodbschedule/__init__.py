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
"""A task scheduler that lives in the ZODB."""

from zodbschedule.execution.current import current_run
from zodbschedule.execution.log_filter import CurrentRunFilter
from zodbschedule.interfaces import AlreadyScheduled
from zodbschedule.interfaces import ClaimLost
from zodbschedule.interfaces import InProgress
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import InvalidTime
from zodbschedule.interfaces import NotScheduled
from zodbschedule.interfaces import NotStored
from zodbschedule.interfaces import PendingChanges
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.interfaces import RecurrenceWarning
from zodbschedule.interfaces import ScheduleDamaged
from zodbschedule.interfaces import ScheduleError
from zodbschedule.recurrence.rules import Cron
from zodbschedule.recurrence.rules import Every
from zodbschedule.recurrence.rules import RRule
from zodbschedule.retry import GiveUp
from zodbschedule.retry import Retry
from zodbschedule.retry import RetryLater
from zodbschedule.schedule import Schedule
from zodbschedule.task import CallTask
from zodbschedule.task import Task
from zodbschedule.worker.worker import Worker


__all__ = (
    # the schedule
    'Schedule',
    # what runs its tasks
    'Worker',
    # what is scheduled
    'Task',
    'CallTask',
    # when next
    'Every',
    'Cron',
    'RRule',
    # what happens after a failure
    'Retry',
    'RetryLater',
    'GiveUp',
    # while a task runs
    'current_run',
    'CurrentRunFilter',
    # what can go wrong
    'ScheduleError',
    'InvalidTask',
    'InvalidTime',
    'InvalidRecurrence',
    'RecurrenceWarning',
    'InvalidSetting',
    'AlreadyScheduled',
    'NotScheduled',
    'InProgress',
    'PendingChanges',
    'NotStored',
    'PrincipalsMissing',
    'ClaimLost',
    'ScheduleDamaged',
)
