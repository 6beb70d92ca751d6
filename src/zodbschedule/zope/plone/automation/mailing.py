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
"""Mail to the people of a site when a task is parked, fails or is late.

These are the alarms of `zodbschedule.alarms`, with the mail host of the site.
The task of the site looks itself, so that nothing is told while it is paused.
"""

from typing import Any

from plone.registry.interfaces import IRegistry
from Products.CMFCore.utils import getToolByName
from zope.component import getUtility

from zodbschedule import clock
from zodbschedule.alarms import Alarms
from zodbschedule.alarms import alarms_of
from zodbschedule.alarms import look
from zodbschedule.execution.current import current_run
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.zope.plone.automation.settings import automation_of
from zodbschedule.zope.plone.transitions import pause
from zodbschedule.zope.sites import SiteSchedule


NO_ADDRESS = ('there is nobody to mail to: set alarm_mail, or the address of '
              'the site in the control panel for mail')
NEEDS_USER = ('the mail server of the site wants a user and a password, which '
              'alarms do not store: set alarm_smtp to env:NAME for what the '
              'environment variable NAME of the worker holds')


def mail_alarms(site: Any) -> None:
    """Look for alarms, and have new ones mailed, each once.

    If the site cannot mail, the task is paused with that reason.
    """
    run: Any = current_run()
    schedule = run.schedule
    alarms = alarms_of(schedule) or Alarms()
    try:
        alarms.note(**_settings(site, schedule))
    except InvalidSetting as error:
        pause(str(error))
        return
    if schedule.alarms is not alarms:
        schedule.alarms = alarms
    look(schedule, alarms, clock.now())


def _settings(site: Any, schedule: SiteSchedule
              ) -> dict[str, str | None]:
    """The settings of alarms that are those of the site."""
    automation = automation_of(schedule)
    sender = getUtility(IRegistry).get('plone.email_from_address')
    mail = automation.alarm_mail or sender
    if not mail:
        raise InvalidSetting(NO_ADDRESS)
    return {'mail': mail, 'sender': sender or None, 'name': schedule.path,
            'smtp': automation.alarm_smtp or _server(site)}


def _server(site: Any) -> str:
    """The address of the mail server of the site, for alarms."""
    host = getToolByName(site, 'MailHost')
    if host.smtp_uid:
        raise InvalidSetting(NEEDS_USER)
    way = 'smtp+tls' if host.force_tls else 'smtp'
    return f'{way}://{host.smtp_host}:{host.smtp_port}'
