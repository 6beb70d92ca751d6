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
"""What a schedule holds, read as plain data: for pages, services, monitors.

Nothing here writes, or hands out a task.  Each function reads in the current
transaction, as much as it says.
"""

from zodbschedule.reading.coming import ComingRun as ComingRun
from zodbschedule.reading.coming import ExpectedRun as ExpectedRun
from zodbschedule.reading.contributed import Contributed as Contributed
from zodbschedule.reading.contributed import (
    ContributedFacts as ContributedFacts,
)
from zodbschedule.reading.contributed import contributed as contributed
from zodbschedule.reading.facts import Facts as Facts
from zodbschedule.reading.facts import Page as Page
from zodbschedule.reading.facts import json_schema as json_schema
from zodbschedule.reading.facts import to_json as to_json
from zodbschedule.reading.healthcheck import Health as Health
from zodbschedule.reading.healthcheck import OverdueTask as OverdueTask
from zodbschedule.reading.healthcheck import health as health
from zodbschedule.reading.one_task import EndedTask as EndedTask
from zodbschedule.reading.one_task import ParkedDetails as ParkedDetails
from zodbschedule.reading.one_task import PausedFacts as PausedFacts
from zodbschedule.reading.one_task import PauseFacts as PauseFacts
from zodbschedule.reading.one_task import RetryFacts as RetryFacts
from zodbschedule.reading.one_task import TaskDetails as TaskDetails
from zodbschedule.reading.one_task import task as task
from zodbschedule.reading.outlook import Outlook as Outlook
from zodbschedule.reading.outlook import outlook as outlook
from zodbschedule.reading.pages import parked as parked
from zodbschedule.reading.pages import paused as paused
from zodbschedule.reading.pages import running as running
from zodbschedule.reading.pages import tasks_of as tasks_of
from zodbschedule.reading.pages import upcoming as upcoming
from zodbschedule.reading.paging import InvalidCursor as InvalidCursor
from zodbschedule.reading.parked import ParkedFacts as ParkedFacts
from zodbschedule.reading.past import OutcomeFacts as OutcomeFacts
from zodbschedule.reading.past import history as history
from zodbschedule.reading.recent import Activity as Activity
from zodbschedule.reading.recent import Period as Period
from zodbschedule.reading.recent import RunCounts as RunCounts
from zodbschedule.reading.recent import activity as activity
from zodbschedule.reading.rules import OccurrenceFacts as OccurrenceFacts
from zodbschedule.reading.rules import RuleFacts as RuleFacts
from zodbschedule.reading.rules import rule as rule
from zodbschedule.reading.selection import Filter as Filter
from zodbschedule.reading.setting import SettingFacts as SettingFacts
from zodbschedule.reading.setting import settings as settings
from zodbschedule.reading.tasks import ProgressFacts as ProgressFacts
from zodbschedule.reading.tasks import TaskFacts as TaskFacts
from zodbschedule.reading.timeline import Timeline as Timeline
from zodbschedule.reading.timeline import TimelineTask as TimelineTask
from zodbschedule.reading.timeline import timeline as timeline
from zodbschedule.reading.workers import OutcomeCounts as OutcomeCounts
from zodbschedule.reading.workers import WorkerCounts as WorkerCounts
from zodbschedule.reading.workers import WorkerFacts as WorkerFacts
