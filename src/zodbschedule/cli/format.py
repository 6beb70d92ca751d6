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
"""Times, durations and facts, in words for people and in JSON."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo
from typing import Any

from zodbschedule import clock
from zodbschedule.durations import UNITS


#: the names of a tally, as people are told them
OUTCOMES = {
    'succeeded': 'succeeded', 'retried': 'to be retried', 'failed': 'parked',
    'expired': 'expired', 'left': 'left for a next time (-v says why)'}

MILLISECOND = timedelta(milliseconds=1)

# How each unit is shown, the largest first.
SHOWN = (('d', UNITS['d']), ('h', UNITS['h']), ('min', UNITS['m']),
         ('s', UNITS['s']))


def iso(instant: datetime, zone: tzinfo = UTC) -> str:
    """ISO 8601, by default in UTC, as in 2030-01-31T09:00:00Z."""
    return instant.astimezone(zone).isoformat().replace('+00:00', 'Z')


def json_default(value: object) -> Any:
    """What JSON does not know: an instant in UTC, a duration in seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f'{value!r} cannot be written as JSON')


def timestamp(instant: datetime, zone: tzinfo = UTC) -> str:
    """The instant for people."""
    return iso(instant.replace(microsecond=0), zone)


def when(instant: datetime, now: datetime, zone: tzinfo = UTC) -> str:
    """The instant for people, with a hint how far away it is."""
    return f'{timestamp(instant, zone)} ({relative(instant, now)})'


def local_time(local: datetime) -> str:
    """What a clock shows, and how far from UTC it is."""
    shown = local.isoformat(sep=' ', timespec='seconds')
    return f'{local:%a} {shown}'


def relative(instant: datetime, now: datetime) -> str:
    """As in ``in 5 min``, ``3 h ago``, ``now``."""
    if abs(instant - now) < UNITS['s']:
        return 'now'
    if instant > now:
        return f'in {duration(instant - now)}'
    return f'{duration(now - instant)} ago'


def duration(span: timedelta) -> str:
    """A duration in its largest unit, as in ``5 min``."""
    for name, unit in SHOWN:
        if span >= unit:
            return f'{span // unit} {name}'
    return '0 s'


def full_duration(whole: timedelta) -> str:
    """A duration in all of its units, as in ``1 h 30 min``."""
    parts = []
    for name, unit in (*SHOWN, ('ms', MILLISECOND)):
        number, whole = divmod(whole, unit)
        if number:
            parts.append(f'{number} {name}')
    return ' '.join(parts) or '0 s'


def run_time(span: timedelta) -> str:
    """How long a run took, to three digits: ``12 ms``, ``3.25 s``."""
    if span < UNITS['s']:
        return f'{span // MILLISECOND} ms'
    if span < UNITS['m']:
        return f'{span.total_seconds():.3g} s'
    return duration(span)


# -- facts, which are plain data ---------------------------------------------


# What need not be said: a task that was tried once, an error of any kind.
FIRST = 1
ANY = ['builtins.Exception']


def pause(facts: dict[str, Any]) -> str:
    """As in ``since 2030-01-31T08:00:00Z (now) by zoe: we move house``."""
    since = when(facts['since'], clock.now())
    by = f' by {facts["by"]}' if facts['by'] else ''
    reason = f': {facts["reason"]}' if facts['reason'] else ''
    return f'since {since}{by}{reason}'


def schedule_pause(facts: dict[str, Any]) -> str:
    """The same of the schedule as a whole."""
    return f'the schedule is paused {pause(facts)}'


def progress(facts: dict[str, Any]) -> str:
    """As in ``30 of 120 (25 %)``."""
    done, total = facts['done'], facts['total']
    part = f' ({done / total:.0%})'.replace('%', ' %') if total > 0 else ''
    return f'{done:g} of {total:g}{part}'


def retry(facts: dict[str, Any]) -> str:
    """As in ``3 attempts; waits 1 min, then 2 times as long, up to 1 h``."""
    delay, longest = facts['delay'], facts['max_delay']
    said = f'{facts["attempts"]} attempts; waits {full_duration(delay)}'
    if facts['factor'] != 1 and delay < longest:
        said += (f', then {facts["factor"]:g} times as long, up to '
                 f'{full_duration(longest)}')
    return said if facts['on'] == ANY else f'{said}; on {_names(facts["on"])}'


def _names(on: list[str]) -> str:
    return ', '.join(name.removeprefix('builtins.') for name in on)


#: how a fact of that name is said
WORDS = {'pause': pause, 'schedule_pause': pause, 'progress': progress,
         'retry': retry, 'expires': lambda span: full_duration(span),
         'parked': ', '.join}


def readable(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of one task for people, without what need not be said."""
    return {name: WORDS[name](value) if name in WORDS and value else value
            for name, value in facts.items() if not _is_default(name, facts)}


def _is_default(name: str, facts: dict[str, Any]) -> bool:
    """Whether a fact says what everybody takes for granted."""
    match name:
        case 'attempt':
            return bool(facts[name] == FIRST)
        case 'occurrence':
            return bool(facts[name] == facts.get('time'))
        case 'missed':
            return facts.get('recurrence') is None
        case _:
            return facts[name] in (None, [])
