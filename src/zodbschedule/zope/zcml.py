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
"""The ZCML directive ``<schedule:task … />``.

See `zodbschedule.zope.contributions`.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from zope.component.zcml import utility
from zope.configuration.exceptions import ConfigurationError
from zope.configuration.fields import Bool
from zope.configuration.fields import GlobalInterface
from zope.configuration.fields import GlobalObject
from zope.configuration.fields import MessageID
from zope.configuration.fields import Tokens
from zope.interface import Interface
from zope.schema import Choice
from zope.schema import Int
from zope.schema import TextLine

from zodbschedule.durations import span
from zodbschedule.interfaces import ScheduleError
from zodbschedule.retry import Retry
from zodbschedule.zope.contributions import Contribution
from zodbschedule.zope.interfaces import IContribution
from zodbschedule.zope.users import SYSTEM


#: the principal that stands for Anonymous
ANONYMOUS = 'zope.Anybody'


class ITaskDirective(Interface):
    """Contribute a task to sites, as `contribute` does.

    Registers a global utility.  Has one of *every*, *cron* and *rrule*.
    Raises ConfigurationError for options that are invalid.
    """

    name = TextLine(
        title='Name', description='Identifies the task in all sites.')
    handler = GlobalObject(
        title='Handler',
        description='A function, called with the site in the transaction of '
                    'the run.')
    title = MessageID(
        title='Title', description='Is shown to people.', required=False)
    description = MessageID(
        title='Description', description='What the task does.',
        required=False)
    every = TextLine(
        title='Every',
        description='A duration, as a number of seconds, minutes, hours or '
                    'days: 30s, 5m, 2h or 1d.',
        required=False)
    cron = TextLine(
        title='Cron', description='A cron expression.', required=False)
    rrule = TextLine(
        title='RRULE',
        description='A rule of RFC 5545, which starts at its line DTSTART, '
                    'else on 1 January 2001.',
        required=False)
    timezone = TextLine(
        title='Time zone',
        description='The name of the zone of cron or rrule; by default that '
                    'of the site, else UTC.',
        required=False)
    for_ = GlobalInterface(
        title='For',
        description='Only sites that provide this interface get the task.',
        required=False)
    profile = TextLine(
        title='Profile',
        description='Only sites that have this GenericSetup profile '
                    'installed get the task.',
        required=False)
    principal = TextLine(
        title='Principal',
        description='The user that the task runs as; by default the system '
                    'user; zope.Anybody is Anonymous.',
        required=False, default=SYSTEM)
    missed = Choice(
        title='Missed',
        description="'one' runs once for all occurrences that were missed, "
                    "'all' runs each of them.",
        values=('one', 'all'), required=False, default='one')
    expires = TextLine(
        title='Expires',
        description='A duration: how long after an occurrence its run may '
                    'begin.',
        required=False)
    retry = Int(
        title='Retry', description='The number of attempts, at most.',
        required=False, min=1)
    enabled = Bool(
        title='Enabled',
        description='If not, the task of a site is paused at first.',
        required=False, default=True)
    formerly = Tokens(
        title='Formerly',
        description='The names that the task had before: the task of a site '
                    'is renamed, and keeps what a manager has changed.',
        value_type=TextLine(), required=False)


def task(_context: Any, name: str, handler: Any, title: str = '',
         description: str = '', every: str | None = None,
         cron: str | None = None, rrule: str | None = None,
         timezone: str | None = None, for_: Any = None,
         profile: str | None = None, principal: str = SYSTEM,
         missed: str = 'one', expires: str | None = None,
         retry: int | None = None, enabled: bool = True,
         formerly: Sequence[str] = ()) -> None:
    """See `ITaskDirective`."""
    try:
        contribution = Contribution(
            name, handler, title, description,
            every=_duration(every), cron=cron, rrule=rrule, timezone=timezone,
            required=for_, profile=profile,
            principal=None if principal == ANONYMOUS else principal,
            missed=missed, expires=_duration(expires),
            retry=None if retry is None else Retry(retry), enabled=enabled,
            formerly=tuple(formerly))
    except (ScheduleError, ValueError) as error:
        raise ConfigurationError(str(error)) from error
    utility(
        _context, provides=IContribution, component=contribution, name=name)


def _duration(text: str | None) -> timedelta | None:
    return None if text is None else span(text)
