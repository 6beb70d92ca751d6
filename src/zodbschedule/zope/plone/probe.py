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
"""What a monitor asks of a site: whether its tasks run in time."""

from datetime import timedelta
from typing import Any

from Products.Five.browser import BrowserView

from zodbschedule.reading import health
from zodbschedule.reading.bounds import Bounds
from zodbschedule.zope.sites import schedule_of


class ScheduleOk(BrowserView):
    """The status 200 if all is well, else 503; and a line of text.

    Anybody may ask, so it says no more than that.  It is what
    ``zodbschedule check`` says, without the start of a process.
    """

    def __call__(self) -> str:
        """The line."""
        response = self.request.response
        response.setHeader('Content-Type', 'text/plain; charset=utf-8')
        response.setHeader('Cache-Control', 'no-store')
        try:
            bounds = bounds_in(self.request.form)
        except (ValueError, OverflowError):
            response.setStatus(400)
            return ('max_overdue is a number of seconds; max_parked and '
                    'min_workers are whole numbers\n')
        problems = self._problems(bounds)
        response.setStatus(503 if problems else 200)
        return f'{", ".join(problems) or "OK"}\n'

    def _problems(self, bounds: Bounds) -> list[str]:
        schedule = schedule_of(self.context)
        return ['NO SCHEDULE'] if schedule is None else [
            *bounds.problems(health(schedule, glance=True))]


def bounds_in(form: Any) -> Bounds:
    """The parameters of a request; raises ValueError for others."""
    bounds = Bounds(
        max_parked=_number(form, 'max_parked'),
        min_workers=_number(form, 'min_workers'))
    seconds = form.get('max_overdue')
    return bounds if seconds is None else bounds._replace(
        max_overdue=timedelta(seconds=float(seconds)))


def _number(form: Any, name: str) -> int | None:
    text = form.get(name)
    return None if text is None else int(text)
