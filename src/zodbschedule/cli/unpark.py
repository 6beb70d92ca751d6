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
"""The commands that decide about parked tasks."""

from datetime import datetime
from functools import partial

import click

from zodbschedule import steering
from zodbschedule.cli import parse
from zodbschedule.cli.database import Location
from zodbschedule.cli.options import location_options
from zodbschedule.cli.options import record_options
from zodbschedule.cli.portions import Action
from zodbschedule.cli.portions import act_on
from zodbschedule.cli.selection import Targets
from zodbschedule.cli.selection import target_options
from zodbschedule.reading.parked import all_parked


@click.command()
@target_options('function', 'key', 'text', 'parked_for')
@click.option('--at', 'time', type=parse.moment, metavar='TIME',
              help='When to run it.  Default: the time of the parked task.')
@record_options
@location_options
def unpark(location: Location, targets: Targets, time: datetime | None,
           by: str, reason: str) -> None:
    """Schedule parked tasks, or parked occurrences, again.

    Those that are given by their IDs are scheduled at once.  For others, the
    first are shown, and you are asked.
    """
    act_on(location, targets, Action(
        'unpark', 'unparked', all_parked,
        partial(steering.unpark, by=by, reason=reason, time=time)), by)


@click.command()
@target_options('function', 'key', 'text', 'parked_for')
@record_options
@location_options
def discard(location: Location, targets: Targets, by: str, reason: str
            ) -> None:
    """Delete parked tasks, or parked occurrences.

    Those that are given by their IDs are deleted at once.  For others, the
    first are shown, and you are asked.
    """
    act_on(location, targets, Action(
        'discard', 'discarded', all_parked,
        partial(steering.discard, by=by, reason=reason)), by)
