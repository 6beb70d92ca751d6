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
"""Alarms inside the database: by mail, by a webhook, by a heartbeat.

See ``docs/alarms.rst``.
"""

from zodbschedule.alarms.looking import LookForAlarms as LookForAlarms
from zodbschedule.alarms.looking import look as look
from zodbschedule.alarms.record import Alarms as Alarms
from zodbschedule.alarms.record import alarms_of as alarms_of
from zodbschedule.alarms.settings import IAlarms as IAlarms
from zodbschedule.alarms.setup import set_up as set_up
from zodbschedule.alarms.setup import take_down as take_down
from zodbschedule.alarms.telling import Tell as Tell
