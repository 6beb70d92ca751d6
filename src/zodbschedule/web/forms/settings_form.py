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
"""The settings, as texts that people change."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from zope.schema import Field
from zope.schema import Timedelta

from zodbschedule.durations import span
from zodbschedule.durations import typed
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.reading.setting import SETTINGS
from zodbschedule.schedule import Schedule
from zodbschedule.store.settings import check
from zodbschedule.web.forms.fields import Fields
from zodbschedule.web.visit import Visit


#: what is not changed from a page: it says who enforces as whom tasks run
APART = 'principals'

NAMES = [name for name in SETTINGS if name != APART]


@dataclass
class SettingsForm:
    """The form, and the values that the person wants."""

    fields: Fields
    values: dict[str, Any]

    @classmethod
    def of(cls, schedule: Schedule) -> 'SettingsForm':
        """As it is shown to begin with."""
        return cls(Fields.shown(_texts(schedule)), {})

    @classmethod
    def sent(cls, visit: Visit) -> 'SettingsForm':
        """As a browser has sent it."""
        form = cls(Fields.sent(visit, NAMES), {})
        now = _texts(visit.schedule)
        for name in form.fields.changed:
            if now[name] != form.fields.was[name]:
                form.errors[name] = (
                    f'Somebody has changed it meanwhile: it is '
                    f'{now[name] or "empty"} now.')
                continue
            form.values[name] = form.fields.read(
                name, partial(_value, SETTINGS[name].field))
        return form

    @property
    def errors(self) -> dict[str, str]:
        """What is wrong, by field."""
        return self.fields.errors

    def apply(self, schedule: Schedule) -> None:
        """Set what is wanted, all of which is right."""
        for name, value in self.values.items():
            setting = SETTINGS[name]
            setattr(setting.owner(schedule), setting.field.__name__, value)


def _texts(schedule: Schedule) -> dict[str, str]:
    return {name: _text(SETTINGS[name].value(schedule)) for name in NAMES}


def _text(value: Any) -> str:
    if value is None:
        return ''
    return typed(value) if isinstance(value, timedelta) else str(value)


def _value(field: Field, text: str) -> Any:
    """What *text* means; raises ValueError if the schedule refuses that."""
    if not text and not field.required:
        return None
    try:
        value = span(text) if isinstance(field, Timedelta) else int(text)
        check(field, value)
    except (InvalidSetting, ValueError):
        raise ValueError(wanted(field)) from None
    return value


def wanted(field: Any) -> str:
    """What that setting has to be, for people."""
    if isinstance(field, Timedelta):
        kind, low = 'a duration, as in 30s, 5m, 2h or 1d', typed(field.min)
    else:
        kind, low = 'a whole number', str(field.min)
    empty = '' if field.required else ', or empty for none'
    return f'It takes {kind}, {low} or more{empty}.'
