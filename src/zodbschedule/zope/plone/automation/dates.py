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
"""Publishing and expiring content by its dates.

A task that repeats looks in the catalog for what has reached its date since it
last looked.  Each object gets a task of its own, so that an object that fails
keeps none of the others from it.
"""

from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import islice
from typing import Any

from Products.CMFCore.utils import getToolByName

from zodbschedule import clock
from zodbschedule.execution.current import current_run
from zodbschedule.zope.context_task import ContextTask
from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.contexts import path_below
from zodbschedule.zope.contexts import uuid_of
from zodbschedule.zope.plone.automation.settings import automation_of
from zodbschedule.zope.plone.automation.settings import stored_automation
from zodbschedule.zope.plone.transitions import decline
from zodbschedule.zope.plone.transitions import make
from zodbschedule.zope.plone.transitions import needs
from zodbschedule.zope.sites import get_schedule


EFFECTIVE = 'effective'
EXPIRES = 'expires'

# How many objects a run loads for each date.  More, and a run is long and its
# transaction large; fewer, and many that are due at once take many runs.
PORTION = 500

# Less than any record id: the catalog draws them by lot, also below 0.
BEFORE_ALL = -2 ** 63

# That of the indexes of dates: what has a later second of this minute is found
# when the minute is over.
MINUTE = timedelta(minutes=1)


def follow_dates(site: Any) -> None:
    """Schedule a task for each object that has reached one of its dates."""
    run: Any = current_run()
    automation = automation_of(run.schedule)
    until = _minute_of(clock.now())
    positions = dict(automation.positions)
    for index, transition in ((EFFECTIVE, automation.publish),
                              (EXPIRES, automation.expire)):
        if transition is not None:
            positions[index] = _follow(
                site, index, transition,
                positions.get(index, (until, BEFORE_ALL)), until)
        else:
            # Whoever sets it later means what comes then.
            positions.pop(index, None)
    if positions != automation.positions:
        stored_automation(run.schedule).positions = positions


def _follow(site: Any, index: str, transition: str,
            position: tuple[datetime, int], until: datetime
            ) -> tuple[datetime, int]:
    """Go on from *position*, for a portion; return how far that was."""
    brains = list(islice(_reached(site, index, position, until), PORTION))
    for brain in brains:
        context = object_at(site, path_below(site, brain.getPath()) or '')
        if context is not None and needs(context, transition):
            _schedule(context, index, transition)
    if len(brains) < PORTION:
        return until, BEFORE_ALL
    return _date_in(brains[-1], index), brains[-1].getRID()


def _reached(site: Any, index: str, position: tuple[datetime, int],
             until: datetime) -> Iterator[Any]:
    """What has that date from *position* on, before *until*, in order."""
    if position[0] >= until:
        return
    # The catalog orders those of one minute by their record ids.
    for brain in getToolByName(
            site, 'portal_catalog').unrestrictedSearchResults(
            {index: {'query': (position[0], until - MINUTE),
                     'range': 'min:max'}, 'sort_on': index}):
        if (_date_in(brain, index), brain.getRID()) > position:
            yield brain


def _date_in(brain: Any, index: str) -> datetime:
    return _minute_of(_instant(brain[index]))


def _minute_of(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _instant(date: Any) -> datetime:
    """A Zope ``DateTime`` in UTC."""
    found: datetime = date.asdatetime().astimezone(UTC)
    return found


def _schedule(context: Any, index: str, transition: str) -> None:
    run: Any = current_run()
    get_schedule(context).schedule(ContextTask(
        context, reach_date, (index, transition), gone='cancel',
        key=f'{index}:{uuid_of(context)}', principalId=run.task.principalId,
        description=f'{transition} {context.title_or_id()}'),
        duplicate='keep')


def reach_date(context: Any, index: str, transition: str) -> None:
    """Make the transition of an object that has reached that date.

    Its dates may have been changed since they were looked for.
    """
    now = clock.now()
    date = _instant(getattr(context, index)())
    if date > now:
        decline(f'its date {index!r} is {date:%Y-%m-%d %H:%M} UTC by now')
    elif index == EFFECTIVE and _instant(context.expires()) <= now:
        decline('it has expired as well')
    else:
        make(context, transition, f'{index} {date:%Y-%m-%d %H:%M} UTC')
