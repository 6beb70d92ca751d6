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
"""The settings of a schedule and of its history."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from typing import NamedTuple

from zope.schema import Field
from zope.schema import getFieldsInOrder

from zodbschedule.interfaces import IHistory
from zodbschedule.interfaces import IScheduleSettings
from zodbschedule.reading.facts import Facts
from zodbschedule.schedule import Schedule


@dataclass(frozen=True)
class SettingFacts(Facts):
    """One setting; a name with a dot is one of the history."""

    name: str
    value: str | int | timedelta | None
    default: str | int | timedelta | None
    meaning: str


class Setting(NamedTuple):
    """One setting: an attribute of the schedule, or of its history."""

    name: str
    field: Field

    def owner(self, schedule: Schedule) -> Any:
        """The object that has it."""
        return schedule.history if '.' in self.name else schedule

    def value(self, schedule: Schedule) -> Any:
        """The value that is in force."""
        return getattr(self.owner(schedule), self.field.__name__)

    def facts(self, schedule: Schedule) -> SettingFacts:
        """The setting as plain data."""
        return SettingFacts(
            self.name, self.value(schedule), self.field.default,
            self.field.description or self.field.title)


SETTINGS = {
    f'{prefix}{name}': Setting(f'{prefix}{name}', field)
    for prefix, schema in (('', IScheduleSettings), ('history.', IHistory))
    for name, field in getFieldsInOrder(schema)}


def settings(schedule: Schedule) -> tuple[SettingFacts, ...]:
    """All settings, as they are in force."""
    return tuple(each.facts(schedule) for each in SETTINGS.values())
