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
"""``check --deep``: whether a schedule is sound, and mending what is not."""

from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

from zodbschedule import Schedule
from zodbschedule.cli import output
from zodbschedule.cli.database import Location
from zodbschedule.cli.database import change_schedule
from zodbschedule.cli.database import read_schedule
from zodbschedule.scheduling.soundness.flaw import Flaw
from zodbschedule.scheduling.soundness.survey import Survey
from zodbschedule.scheduling.soundness.survey import mend


# What to do: if something can be mended, and if nothing can.
MEND = 'to mend them, make a backup and run: zodbschedule check --deep --mend'
RESTORE = ('to mend them, restore the database from a backup, or install the '
           'classes that are missing')


class Report(NamedTuple):
    """What a deep check has found."""

    #: the number of tasks that were checked
    tasks: int
    mended: list[Flaw]
    left: list[Flaw]


def report(schedule: Schedule) -> Report:
    """Check *schedule*; reads only.

    A pack may take away what the current transaction has yet to read, and
    what has not been there any more since.  So whatever is found is looked
    for once more, in a new transaction.
    """
    found = _survey(schedule)
    if not found.left:
        return found
    schedule._p_jar.sync()
    seen = {(flaw.kind, flaw.id) for flaw in found.left}
    again = _survey(schedule)
    return again._replace(left=[
        flaw for flaw in again.left if (flaw.kind, flaw.id) in seen])


def mending_report(schedule: Schedule) -> Report:
    """Mend *schedule* in the current transaction, and check it."""
    mended = mend(schedule)
    return _survey(schedule)._replace(mended=mended)


def _survey(schedule: Schedule) -> Report:
    survey = Survey(schedule)
    left = list(survey.flaws())
    return Report(len(survey.places), [], left)


def deep_check(location: Location, mending: bool, as_json: bool) -> bool:
    """Check the schedule and print the flaws; whether it is sound now."""
    if mending:
        found = change_schedule(location, 'check --deep --mend',
                                mending_report)
    else:
        with read_schedule(location) as schedule:
            found = report(schedule)
    if as_json:
        output.show_json_lines(_facts(found))
    else:
        output.show(*map(output.cell, _lines(found)))
    return not found.left


def _facts(found: Report) -> Iterator[dict[str, Any]]:
    for flaw in (*found.mended, *found.left):
        yield {
            'kind': flaw.kind, 'task': flaw.id or None,
            'description': flaw.description, 'problem': flaw.problem,
            'remedy': flaw.remedy or None, 'mended': flaw in found.mended}


def _lines(found: Report) -> Iterator[str]:
    yield _summary(found)
    for flaw in found.mended:
        yield f'{_problem(flaw)}; mended: {flaw.remedy}'
    for flaw in found.left:
        yield f'{_problem(flaw)}; {_remedy(flaw)}'
    if any(flaw.mendable for flaw in found.left):
        yield MEND
    elif found.left:
        yield RESTORE


def _summary(found: Report) -> str:
    """One line, since a monitor may show the first line only."""
    word = 'FLAWED' if found.left else 'OK'
    tasks = _number(found.tasks, 'task')
    checked = f'{word}: {tasks} {_were(found.tasks)} checked'
    mended = len(found.mended)
    if mended:
        checked += f'; {_number(mended, "flaw")} {_were(mended)} mended'
    left = len(found.left)
    return f'{checked}; ' + (
        f'{_number(left, "flaw")} {_were(left)} found' if left
        else 'the schedule is sound')


def _number(count: int, noun: str) -> str:
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def _were(count: int) -> str:
    return 'was' if count == 1 else 'were'


def _problem(flaw: Flaw) -> str:
    task = ' '.join(filter(None, [flaw.id, flaw.description]))
    return f'{flaw.kind}: {task}: {flaw.problem}' if task else (
        f'{flaw.kind}: {flaw.problem}')


def _remedy(flaw: Flaw) -> str:
    return f'mending: {flaw.remedy}' if flaw.mendable else 'cannot be mended'
