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
"""Facts in words for people."""

from collections.abc import Callable
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from zodbschedule import clock
from zodbschedule.reading.facts import Facts
from zodbschedule.reading.one_task import PauseFacts
from zodbschedule.reading.one_task import RetryFacts
from zodbschedule.reading.tasks import ProgressFacts
from zodbschedule.reading.words import duration
from zodbschedule.reading.words import full_duration
from zodbschedule.reading.words import when
from zodbschedule.reading.workers import WorkerCounts


#: the outcomes that a tally counts, as people read them
OUTCOMES = {
    'succeeded': 'succeeded', 'retried': 'to be retried', 'failed': 'parked',
    'expired': 'expired', 'left': 'left for the next call (-v shows why)'}

def tasks(number: int) -> str:
    """As in ``1 task``, ``2 tasks``."""
    return '1 task' if number == 1 else f'{number} tasks'


def tasks_are(number: int) -> str:
    """As in ``1 task is``, ``2 tasks are``."""
    return '1 task is' if number == 1 else f'{number} tasks are'


# -- facts -------------------------------------------------------------------


# The usual values, which are not shown.
FIRST_ATTEMPT = 1
ANY_ERROR = ('builtins.Exception',)


def pause(facts: PauseFacts) -> str:
    """As in ``since 2030-01-31T08:00:00Z (now) by zoe: we move house``."""
    since = when(facts.since, clock.now())
    by = f' by {facts.by}' if facts.by else ''
    reason = f': {facts.reason}' if facts.reason else ''
    return f'since {since}{by}{reason}'


def schedule_pause(facts: PauseFacts) -> str:
    """The pause of a whole schedule, as a sentence."""
    return f'the schedule has been paused {pause(facts)}'


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


def workers(counts: WorkerCounts) -> str:
    """As in ``2 workers are alive, 1 is dead``."""
    if not (counts.alive or counts.silent or counts.dead):
        return 'no workers are registered'
    said = ['1 worker is alive' if counts.alive == 1 else
            f'{counts.alive or "no"} workers are alive']
    for word, number in ('silent', counts.silent), ('dead', counts.dead):
        if number:
            said.append(f'{number} {"is" if number == 1 else "are"} {word}')
    return ', '.join(said)


def progress(facts: ProgressFacts) -> str:
    """As in ``30 of 120 (25 %)``."""
    done, total = facts.done, facts.total
    part = f' ({done / total:.0%})'.replace('%', ' %') if total > 0 else ''
    return f'{done:g} of {total:g}{part}'


def retry(facts: RetryFacts | str) -> str:
    """As in ``3 attempts; delay 1 min, then 2 times as long, up to 1 h``."""
    if isinstance(facts, str):
        return facts
    text = f'{facts.attempts} attempts; delay {full_duration(facts.delay)}'
    if facts.factor != 1 and facts.delay < facts.max_delay:
        text += (f', then {facts.factor:g} times as long, up to '
                 f'{full_duration(facts.max_delay)}')
    if facts.on == ANY_ERROR:
        return text
    return f'{text}; on {_error_names(facts.on)}'


def _error_names(on: Iterable[str]) -> str:
    return ', '.join(name.removeprefix('builtins.') for name in on)


#: fact -> the function that puts its value into words
IN_WORDS: dict[str, Callable[[Any], str]] = {
    'pause': pause, 'schedule_pause': pause, 'progress': progress,
    'retry': retry, 'expires': full_duration, 'parked': ', '.join}

# What has a place of its own, or none, when one task is shown.
SHOWN_APART = ('attributes', 'outcomes', 'traceback', 'short_recurrence',
               'position')


def readable(facts: Facts) -> dict[str, Any]:
    """The facts of one task for people, without the usual values."""
    values = {name: value for name, value in vars(facts).items()
              if name not in SHOWN_APART}
    return {
        name: IN_WORDS[name](value) if name in IN_WORDS and value else value
        for name, value in values.items() if not _is_usual(name, values)}


def _is_usual(name: str, facts: dict[str, Any]) -> bool:
    match name:
        case 'attempt':
            return bool(facts[name] == FIRST_ATTEMPT)
        case 'occurrence':
            return bool(facts[name] == facts.get('time'))
        case 'missed':
            return facts.get('recurrence') is None
        case _:
            return facts[name] in (None, ())
