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
"""The settings of what a site has done by itself.

They are stored with the schedule, so that they go when it does.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from zope.interface import Interface
from zope.interface import implementer
from zope.schema import Int
from zope.schema import TextLine
from zope.schema import getFieldNames

from zodbschedule.interfaces import InvalidSetting
from zodbschedule.store.settings import Configurable
from zodbschedule.zope.sites import SiteSchedule
from zodbschedule.zope.sites import get_schedule


class IAutomation(Interface):
    """What a site has done by itself; checked when it is set."""

    publish = TextLine(
        title='Publish by',
        description='The workflow transition of content that becomes '
                    'effective.  None: no content is published.',
        required=False,
        default='publish',
    )

    expire = TextLine(
        title='Expire by',
        description='The workflow transition of content that expires.  None: '
                    'no content is.',
        required=False,
        default='retract',
    )

    alarm_mail = TextLine(
        title='Mail alarms to',
        description='Addresses, with commas between them.  None: the address '
                    'of the site.',
        required=False,
        default=None,
    )

    alarm_smtp = TextLine(
        title='Mail alarms by',
        description='smtp://HOST, smtp+tls://HOST, smtps://HOST, or env:NAME '
                    'for what the environment variable NAME of the worker '
                    'holds.  None: the mail server of the site.',
        required=False,
        default=None,
    )

    pack_days = Int(
        title='Keep when packing',
        description='Of how many days the history of the database is kept.',
        min=1,
        default=7,
    )


@implementer(IAutomation)
class Automation(Configurable):
    """The settings of a site, and how far its tasks have come."""

    settings = IAutomation

    publish: str | None = 'publish'
    expire: str | None = 'retract'
    alarm_mail: str | None = None
    alarm_smtp: str | None = None
    pack_days = 7

    #: a date index -> the minute and the record id that it was followed up to
    positions: Mapping[str, tuple[datetime, int]] = {}


def automation_of(schedule: SiteSchedule) -> Automation:
    """What *schedule* has, or the defaults, which are not stored."""
    found = schedule.automation
    return found if isinstance(found, Automation) else Automation()


def stored_automation(schedule: SiteSchedule) -> Automation:
    """What *schedule* has, in its caller's transaction, to be changed."""
    automation = automation_of(schedule)
    if schedule.automation is not automation:
        schedule.automation = automation
    return automation


def configure(context: Any, **settings: Any) -> Automation:
    """Change some of the settings, which are the names of `IAutomation`.

    :param context: an object of the site, or the site.
    :returns: all settings.
    :raises InvalidSetting: for a name or a value that is none.
    :raises LookupError: if no site above has a schedule.

    Writes in the caller's transaction.
    """
    known = getFieldNames(IAutomation)
    for name in settings:
        if name not in known:
            raise InvalidSetting(
                f'there is no setting {name!r}; use one of '
                f'{", ".join(known)}')
    automation = stored_automation(get_schedule(context))
    for name, value in settings.items():
        setattr(automation, name, value)
    return automation
