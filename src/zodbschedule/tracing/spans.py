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
"""What all spans have in common."""

from collections.abc import Callable
from collections.abc import Mapping
from functools import wraps
from typing import ParamSpec

from zodbschedule.errors.text import ErrorText
from zodbschedule.logger import log
from zodbschedule.store.state import ScheduleState


P = ParamSpec('P')

MESSAGE_ID = 'messaging.message.id'

#: the observers of which it was said that they have failed
failed: list[object] = []


def harmless(observer: Callable[P, None]) -> Callable[P, None]:
    """*observer*, but it logs what it raises, and that once.

    A sampler or a processor of spans may be anybody's.
    """
    @wraps(observer)
    def observe(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            observer(*args, **kwargs)
        except Exception as error:
            if observer not in failed:
                failed.append(observer)
                log.error('Tracing has failed, and goes on; this is said '
                          'once.', exc_info=ErrorText(error).exc_info)

    return observe


def attributes(operation: str, schedule: ScheduleState, type: str
               ) -> dict[str, str]:
    """What each span says, by the conventions for messaging."""
    return {
        'messaging.system': 'zodbschedule',
        'messaging.operation.name': operation,
        'messaging.operation.type': operation,
        'messaging.destination.name': destination_of(schedule),
        'zodbschedule.task.type': type}


def name_of(said: Mapping[str, str]) -> str:
    """The name of the span with those attributes."""
    return (f'{said["messaging.operation.name"]} '
            f'{said["messaging.destination.name"]}')


def destination_of(schedule: ScheduleState) -> str:
    """The schedule, as both who schedules and who runs can know it.

    The path of its site, or its key in the root of the database, or its id.
    """
    id, site = schedule.origin
    return site or _key_of(schedule) or id


def _key_of(schedule: ScheduleState) -> str:
    """Its key in the root; '' if it is somewhere else."""
    # Looked for once: that takes longer than all else that is ours.
    found: str | None = getattr(schedule, '_v_key_in_root', None)
    if found is None:
        found = schedule._v_key_in_root = next(
            (str(key) for key, value in schedule._p_jar.root().items()
             if value is schedule), '')
    return found
