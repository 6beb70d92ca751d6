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
"""What is to run on a day, or in a week, as a drawing."""

from datetime import date
from datetime import datetime
from datetime import timedelta
from itertools import islice

from webob.exc import HTTPBadRequest

from zodbschedule import reading
from zodbschedule.instant import MICROSECOND
from zodbschedule.web.lanes import DAY
from zodbschedule.web.lanes import Frame
from zodbschedule.web.lanes import lanes
from zodbschedule.web.lanes import notes
from zodbschedule.web.lanes import ticks
from zodbschedule.web.links import here
from zodbschedule.web.visit import Body
from zodbschedule.web.visit import Visit
from zodbschedule.web.wording import Words


#: by its name, how many days it has
SPANS = {'day': 1, 'week': 7}

# How many lanes a page has, and how many notes are told below it.
LANES = 25
NOTES = 20


def body(visit: Visit) -> Body:
    """The lanes, and what is left out."""
    span = visit.choice('span', SPANS) or 'day'
    frame = _frame(visit, SPANS[span])
    words = Words(visit.now, visit.site.zone)
    found = _read(visit, frame)
    drawn = lanes(found.tasks, frame, words) if found else []
    return Body('timeline', 'Timeline', {
        'page': found,
        'frame': frame,
        'span': span,
        'text': visit.text('text'),
        'ticks': ticks(frame),
        'lanes': drawn,
        'notes': list(islice(notes(drawn), NOTES)),
        'now': frame.place(visit.now) if frame.since < visit.now else 0,
        'forward': frame.shift > timedelta(0),
        **_others(visit, frame)})


def _frame(visit: Visit, days: int) -> Frame:
    start = (visit.day('from') or visit.now).astimezone(visit.site.zone)
    frame = Frame(start.date(), days, visit.site.zone)
    try:
        frame.until + days * DAY  # the next one is linked to
    except OverflowError:
        raise HTTPBadRequest(
            f'from is {start.date()}; that is too late.') from None
    return frame


def _read(visit: Visit, frame: Frame) -> reading.Timeline | None:
    """None: it is over, and nothing is to run then."""
    if frame.until <= visit.now:
        return None
    since = None if frame.since <= visit.now else frame.since
    return reading.timeline(
        visit.schedule, since, frame.until - MICROSECOND,
        visit.text('cursor'), LANES,
        filter=reading.Filter(text=visit.text('text'),
                              masked=visit.site.mask is not None))


def _others(visit: Visit, frame: Frame) -> dict[str, str | None]:
    """The addresses of what comes before and after, and of today."""
    def at(day: date) -> str:
        return here(visit, cursor=None, back=None,
                    **{'from': day.isoformat()})

    def is_over(instant: datetime) -> bool:
        return instant <= visit.now

    return {
        'earlier': None if is_over(frame.since) else at(
            frame.first - frame.days * DAY),
        'later': at(frame.first + frame.days * DAY),
        'today': here(visit, cursor=None, back=None, **{'from': None})}
