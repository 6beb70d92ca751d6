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
"""Rules as people type them: ``every 15m``, a cron expression, an RRULE."""

import re
import warnings
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo
from threading import Lock
from typing import NamedTuple

from zodbschedule.durations import span
from zodbschedule.durations import typed as typed_duration
from zodbschedule.interfaces import InvalidRecurrence
from zodbschedule.interfaces import RecurrenceWarning
from zodbschedule.recurrence import rrule_text
from zodbschedule.recurrence.periods import calendar_rule
from zodbschedule.recurrence.rules import Cron
from zodbschedule.recurrence.rules import Every
from zodbschedule.recurrence.rules import RRule
from zodbschedule.recurrence.zones import zone_of


EVERY = re.compile(r'every\s+(.+)', re.IGNORECASE)
CALENDAR = re.compile(
    r'(FREQ|RRULE|DTSTART|EXDATE|RDATE)\s*[=:;]', re.IGNORECASE)
IN_WORDS = re.compile(
    r'([0-9]{1,6}\s*)?(second|minute|hour)s?', re.IGNORECASE)

# What is warned of here is told by `RRule.unmatched_exdate`; the filters of
# warnings belong to the whole process.
_QUIET = Lock()


class Typed(NamedTuple):
    """A rule as people type it."""

    text: str
    #: of its local times; None: it has none
    zone: str | None


def read(text: str, zone: str, start: datetime) -> Every | Cron | RRule:
    """The rule that *text* says, in that zone of the zone database.

    *start* is where an RRULE without a DTSTART begins: an instant, or without
    a zone, a wall time there.  Raises `InvalidRecurrence`.
    """
    text = text.strip()
    if period := EVERY.fullmatch(text):
        return Every(_period(period[1].strip()))
    if not CALENDAR.search(text):
        return Cron(text, zone)
    line = rrule_text.read(text).start
    info = zone_of(zone).info
    at = _in_zone(start, info) if line is None else line.at(None)
    at = at.replace(tzinfo=info) if at.tzinfo is None else at
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter('ignore', RecurrenceWarning)
        return RRule(text, at)


def _in_zone(start: datetime, zone: tzinfo) -> datetime:
    """That wall time, or the one that an instant has there."""
    try:
        return start if start.tzinfo is None else start.astimezone(zone)
    except OverflowError:
        raise InvalidRecurrence(
            f'a rule that begins at {start.isoformat()} has no first day in '
            f'{zone}; choose another time, or UTC') from None


def _period(text: str) -> timedelta:
    if rule := calendar_rule(text):
        raise InvalidRecurrence(
            f'{text} has no fixed length, so it is no interval; write {rule}')
    if words := IN_WORDS.fullmatch(text):
        text = f'{(words[1] or "1").strip()}{words[2][0].lower()}'
    try:
        return span(text)
    except ValueError as error:
        raise InvalidRecurrence(str(error)) from None


def typed(rule: object) -> Typed | None:
    """The text and the zone of a rule of ours; None for another one.

    What is not in that text: the start of an `Every` and of an `RRule`, the
    dates of that, and policies for gaps and folds.
    """
    match rule:
        case Every():
            return Typed(f'every {typed_duration(rule.period)}', None)
        case Cron():
            return Typed(rule.expression, rule.timezone)
        case RRule():
            return Typed(rule.text, str(rule.dtstart.tzinfo))
        case _:
            return None
