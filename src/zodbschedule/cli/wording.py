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
"""Facts, which are plain data, in words for people."""

from typing import Any

from zodbschedule import clock
from zodbschedule.cli import values


# What need not be said: a task that was tried once, an error of any kind.
FIRST = 1
ANY = ['builtins.Exception']


def pause(facts: dict[str, Any]) -> str:
    """As in ``since 2030-01-31T08:00:00Z (now) by zoe: we move house``."""
    since = values.shown(facts['since'], clock.now())
    by = f' by {facts["by"]}' if facts['by'] else ''
    reason = f': {facts["reason"]}' if facts['reason'] else ''
    return f'since {since}{by}{reason}'


def whole_pause(facts: dict[str, Any]) -> str:
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
    said = f'{facts["attempts"]} attempts; waits {values.span(delay)}'
    if facts['factor'] != 1 and delay < longest:
        said += (f', then {facts["factor"]:g} times as long, up to '
                 f'{values.span(longest)}')
    return said if facts['on'] == ANY else f'{said}; on {_names(facts["on"])}'


def _names(on: list[str]) -> str:
    return ', '.join(name.removeprefix('builtins.') for name in on)


#: how a fact of that name is said
WORDS = {'pause': pause, 'schedule_pause': pause, 'progress': progress,
         'retry': retry, 'expires': lambda span: values.span(span),
         'parked': ', '.join}


def parked_event(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of one task for people, without what need not be said."""
    return {name: WORDS[name](value) if name in WORDS and value else value
            for name, value in facts.items() if not _idle(name, facts)}


def _idle(name: str, facts: dict[str, Any]) -> bool:
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
