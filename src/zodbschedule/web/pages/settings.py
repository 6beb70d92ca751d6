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
"""The settings: their values, their defaults, and what they mean."""

from zodbschedule import reading
from zodbschedule.reading.setting import SETTINGS
from zodbschedule.web.forms.settings_form import NAMES
from zodbschedule.web.forms.settings_form import SettingsForm
from zodbschedule.web.forms.settings_form import wanted
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit


def body(visit: Visit, form: SettingsForm | None = None) -> Body:
    """All of them; *form* is one in which something is wrong."""
    return Body('settings', 'Settings', {
        'settings': reading.settings(visit.schedule),
        'unfit': [*visit.schedule.unfit_settings,
                  *visit.schedule.history.unfit_settings],
        'wanted': {name: wanted(SETTINGS[name].field) for name in NAMES},
        'form': form or SettingsForm.of(visit.schedule)})
