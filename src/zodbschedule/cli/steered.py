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
"""What a command says of what it has done, or why it has not.

It does what pages and services do: see `zodbschedule.steering`.
"""

from collections.abc import Callable

import click

from zodbschedule import Schedule
from zodbschedule import clock
from zodbschedule.cli.database import Access
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import NoSuchTask
from zodbschedule.reading import words
from zodbschedule.steering import Steered


def steer(location: Location, note: str, act: Callable[[Schedule], Steered],
          by: str, access: Access = Access.CHANGE) -> None:
    """Do it, and say so; raises CommandError, and does nothing then."""
    def done(schedule: Schedule) -> Steered:
        found = act(schedule)
        refuse_left(found, schedule, location)
        return found

    click.echo(told(change_schedule(location, note, done, by, access),
                    location))


def told(found: Steered, location: Location) -> str:
    """As in ``2a was cancelled``."""
    return in_words(found, found.id or str(location))


def in_words(found: Steered, what: str) -> str:
    """The same of *what*."""
    return found.told(what, lambda time: words.when(time, clock.now()))


def refuse_left(found: Steered, schedule: Schedule, location: Location
                ) -> None:
    """Raise CommandError if it was not done, and that is not as wanted."""
    if found.problem not in (None, 'unchanged'):
        raise error_of(found, schedule, location)


def error_of(found: Steered, schedule: Schedule, location: Location
             ) -> CommandError:
    """Why it was not done, and what to do."""
    match found.problem:
        case 'gone':
            return NoSuchTask(
                f'there is no task {found.id} in {location}; zodbschedule '
                f'list shows the ids')
        case 'not-parked':
            return NoSuchTask(
                f'no task {found.id} is parked in {location}; zodbschedule '
                f'parked shows the ids')
        case 'parked':
            return CommandError(
                f'{found.id} is parked; use zodbschedule unpark or '
                f'zodbschedule discard')
        case 'paused':
            return _paused(found, schedule, location)
        case 'key-taken':
            return CommandError(f'{told(found, location)}, with: zodbschedule '
                                f'cancel {found.other}')
        case 'refused':
            return CommandError(found.said)
        case _:
            return CommandError(told(found, location))


def _paused(found: Steered, schedule: Schedule, location: Location
            ) -> CommandError:
    all_are = schedule.paused() is not None
    return CommandError(
        f'{location if all_are else found.id} is paused; resume it first, '
        f'with: zodbschedule resume {"--all" if all_are else found.id}')
