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
"""Setting up alarms for a schedule, and taking them down."""

from typing import Any

from zope.schema import getFieldNames

from zodbschedule.alarms.looking import KEY
from zodbschedule.alarms.looking import LookForAlarms
from zodbschedule.alarms.looking import give_up
from zodbschedule.alarms.record import Alarms
from zodbschedule.alarms.record import alarms_of
from zodbschedule.alarms.settings import IAlarms
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.schedule import Schedule


def set_up(schedule: Schedule, **settings: Any) -> Alarms:
    """Have alarms of a schedule be told, in the caller's transaction.

    Again: to change some of the settings, which are the names of `IAlarms`.

    :param schedule: the schedule, which is in a database.
    :param settings: the settings that are not to be the default.
    :returns: ``schedule.alarms``.
    :raises InvalidSetting: for a name or a value that is none.
    """
    alarms = alarms_of(schedule) or Alarms()
    known = getFieldNames(IAlarms)
    for name, value in settings.items():
        if name not in known:
            raise InvalidSetting(
                f'there is no setting {name!r} of alarms; use one of '
                f'{", ".join(known)}')
        setattr(alarms, name, value)
    if schedule.alarms is not alarms:
        schedule.alarms = alarms
    if looking(schedule) is None:
        schedule.schedule(LookForAlarms())
    return alarms


def take_down(schedule: Schedule) -> None:
    """Tell nothing any more, in the caller's transaction."""
    task = looking(schedule)
    if task is not None:
        schedule.unschedule(task)
    alarms = alarms_of(schedule)
    if alarms is not None:
        for message in alarms.outbox.values():
            give_up(schedule, message)
        schedule.alarms = None


def looking(schedule: Schedule) -> LookForAlarms | None:
    """The task that looks, where it waits or a worker holds it."""
    found = schedule.keys.get(KEY)
    oid = schedule.keys.running_with(KEY)
    if found is None and oid is not None:
        found = schedule.get(f'{oid:x}')
    return found if isinstance(found, LookForAlarms) else None
