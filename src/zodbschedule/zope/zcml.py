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
"""ZCML: ``<schedule:task … />``, see `zodbschedule.zope.contributions`."""

from datetime import timedelta
from typing import Any

from zope.component.zcml import utility
from zope.configuration.exceptions import ConfigurationError
from zope.configuration.fields import Bool
from zope.configuration.fields import GlobalInterface
from zope.configuration.fields import GlobalObject
from zope.configuration.fields import MessageID
from zope.interface import Interface
from zope.schema import Choice
from zope.schema import Int
from zope.schema import TextLine

from zodbschedule.durations import span
from zodbschedule.interfaces import ScheduleError
from zodbschedule.retry import Retry
from zodbschedule.zope.contributions import Contributed
from zodbschedule.zope.interfaces import IContributed
from zodbschedule.zope.users import SYSTEM


#: the principal that is nobody
ANONYMOUS = 'zope.Anybody'


class ITaskDirective(Interface):
    """Contribute a task to sites."""

    name = TextLine(
        title='Name', description='By which it is known, in all sites.')
    handler = GlobalObject(
        title='Handler', description='A function, called with the site.')
    title = MessageID(title='Title', required=False)
    description = MessageID(title='Description', required=False)
    every = TextLine(
        title='Every', description='A duration: 30s, 5m, 2h or 1d.',
        required=False)
    cron = TextLine(
        title='Cron', description='A cron expression.', required=False)
    rrule = TextLine(
        title='RRULE', description='A rule of RFC 5545.', required=False)
    timezone = TextLine(
        title='Time zone', description="By its name; by default the site's.",
        required=False)
    for_ = GlobalInterface(
        title='For', description='What a site has to provide to have it.',
        required=False)
    profile = TextLine(
        title='Profile',
        description='What has to be installed in a site that is to have it.',
        required=False)
    principal = TextLine(
        title='Principal',
        description='As whom it runs; by default the system user.',
        required=False, default=SYSTEM)
    missed = Choice(
        title='Missed', values=('one', 'all'), required=False, default='one')
    expires = TextLine(
        title='Expires', description='A duration.', required=False)
    retry = Int(
        title='Retry', description='How often it is tried, at most.',
        required=False, min=1)
    enabled = Bool(title='Enabled', required=False, default=True)


def task(_context: Any, name: str, handler: Any, title: str = '',
         description: str = '', every: str | None = None,
         cron: str | None = None, rrule: str | None = None,
         timezone: str | None = None, for_: Any = None,
         profile: str | None = None, principal: str = SYSTEM,
         missed: str = 'one', expires: str | None = None,
         retry: int | None = None, enabled: bool = True) -> None:
    """See `ITaskDirective`."""
    try:
        found = Contributed(
            name, handler, title, description,
            every=_span(every), cron=cron, rrule=rrule, timezone=timezone,
            required=for_, profile=profile,
            principal=None if principal == ANONYMOUS else principal,
            missed=missed, expires=_span(expires),
            retry=None if retry is None else Retry(retry), enabled=enabled)
    except (ScheduleError, ValueError) as error:
        raise ConfigurationError(str(error)) from error
    utility(_context, provides=IContributed, component=found, name=name)


def _span(text: str | None) -> timedelta | None:
    return None if text is None else span(text)
