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

from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from datetime import tzinfo
from typing import Any

from zodbschedule import clock
from zodbschedule.durations import UNITS
from zodbschedule.store.inspection import label


#: the outcomes that a tally counts, as people read them
OUTCOMES = {
    'succeeded': 'succeeded', 'retried': 'to be retried', 'failed': 'parked',
    'expired': 'expired', 'left': 'left for the next call (-v shows why)'}

MILLISECOND = timedelta(milliseconds=1)

# The units, the largest first.
SHOWN = (('d', UNITS['d']), ('h', UNITS['h']), ('min', UNITS['m']),
         ('s', UNITS['s']))


# -- times and durations -----------------------------------------------------


def iso(instant: datetime, zone: tzinfo = UTC) -> str:
    """ISO 8601, by default in UTC, as in 2030-01-31T09:00:00Z."""
    return instant.astimezone(zone).isoformat().replace('+00:00', 'Z')


def json_default(value: object) -> Any:
    """For JSON: an instant in UTC as ISO 8601, a duration in seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f'{value!r} cannot be written as JSON')


def timestamp(instant: datetime, zone: tzinfo = UTC) -> str:
    """ISO 8601 without the fraction of the second."""
    return iso(instant.replace(microsecond=0), zone)


def when(instant: datetime, now: datetime, zone: tzinfo = UTC) -> str:
    """As in ``2030-01-31T09:00:00Z (in 5 min)``."""
    return f'{timestamp(instant, zone)} ({relative(instant, now)})'


def beside(instant: datetime, now: datetime, zone: tzinfo | None) -> str:
    """The same in UTC, with the local time in *zone* beside it, if any.

    As in ``2030-01-31T08:00:00Z = Thu 09:00:00+01:00 (in 5 min)``.
    """
    if zone is None:
        return when(instant, now)
    local = instant.replace(microsecond=0).astimezone(zone)
    _, _, clock_time = local.isoformat().partition('T')
    return (f'{timestamp(instant)} = {local:%a} {clock_time} '
            f'({relative(instant, now)})')


def local_time(local: datetime) -> str:
    """The day of the week, the local time and its offset from UTC."""
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


def full_duration(span: timedelta) -> str:
    """A duration in all of its units, as in ``1 h 30 min``."""
    parts = []
    for name, unit in (*SHOWN, ('ms', MILLISECOND)):
        number, span = divmod(span, unit)
        if number:
            parts.append(f'{number} {name}')
    return ' '.join(parts) or '0 s'


def run_time(span: timedelta) -> str:
    """The duration of a run, to three digits: ``12 ms``, ``3.25 s``."""
    if span < UNITS['s']:
        return f'{span // MILLISECOND} ms'
    if span < UNITS['m']:
        return f'{span.total_seconds():.3g} s'
    return duration(span)


def tasks(number: int) -> str:
    """As in ``1 task``, ``2 tasks``."""
    return '1 task' if number == 1 else f'{number} tasks'


def tasks_are(number: int) -> str:
    """As in ``1 task is``, ``2 tasks are``."""
    return '1 task is' if number == 1 else f'{number} tasks are'


# -- facts, which are plain data ---------------------------------------------


# The usual values, which are not shown.
FIRST_ATTEMPT = 1
ANY_ERROR = ['builtins.Exception']


def pause(facts: dict[str, Any]) -> str:
    """As in ``since 2030-01-31T08:00:00Z (now) by zoe: we move house``."""
    since = when(facts['since'], clock.now())
    by = f' by {facts["by"]}' if facts['by'] else ''
    reason = f': {facts["reason"]}' if facts['reason'] else ''
    return f'since {since}{by}{reason}'


def schedule_pause(facts: dict[str, Any]) -> str:
    """The pause of a whole schedule, as a sentence."""
    return f'the schedule has been paused {pause(facts)}'


def task(facts: dict[str, Any]) -> str:
    """As in ``task 2c 'deliver order 8' (shop.deliver), held by w1:4711,``.
    """
    held = f', held by {facts["worker"]},' if facts['worker'] else ''
    return label(
        int(facts['id'], 16), facts['description'], facts['function']) + held


def worker(state: str, silence: timedelta) -> str:
    """As in ``working``, ``idle for 14 min``, ``dead, silent for 2 h``."""
    match state:
        case 'idle':
            return f'idle for {duration(silence)}'
        case 'dead':
            return f'dead, silent for {duration(silence)}'
        case 'silent' if silence < timedelta(0):
            return f'silent, by a clock that is {duration(-silence)} ahead'
        case 'silent':
            return f'silent for {duration(silence)}'
        case _:
            return state


def progress(facts: dict[str, Any]) -> str:
    """As in ``30 of 120 (25 %)``."""
    done, total = facts['done'], facts['total']
    part = f' ({done / total:.0%})'.replace('%', ' %') if total > 0 else ''
    return f'{done:g} of {total:g}{part}'


def retry(facts: dict[str, Any]) -> str:
    """As in ``3 attempts; delay 1 min, then 2 times as long, up to 1 h``."""
    delay, longest = facts['delay'], facts['max_delay']
    text = f'{facts["attempts"]} attempts; delay {full_duration(delay)}'
    if facts['factor'] != 1 and delay < longest:
        text += (f', then {facts["factor"]:g} times as long, up to '
                 f'{full_duration(longest)}')
    if facts['on'] == ANY_ERROR:
        return text
    return f'{text}; on {_error_names(facts["on"])}'


def _error_names(on: list[str]) -> str:
    return ', '.join(name.removeprefix('builtins.') for name in on)


#: fact -> the function that puts its value into words
IN_WORDS: dict[str, Callable[[Any], str]] = {
    'pause': pause, 'schedule_pause': pause, 'progress': progress,
    'retry': retry, 'expires': full_duration, 'parked': ', '.join}


def readable(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of one task for people, without the usual values."""
    return {
        name: IN_WORDS[name](value) if name in IN_WORDS and value else value
        for name, value in facts.items() if not _is_usual(name, facts)}


def _is_usual(name: str, facts: dict[str, Any]) -> bool:
    match name:
        case 'attempt':
            return bool(facts[name] == FIRST_ATTEMPT)
        case 'occurrence':
            return bool(facts[name] == facts.get('time'))
        case 'missed':
            return facts.get('recurrence') is None
        case _:
            return facts[name] in (None, [])
