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
"""Attributes and arguments that must not be shown, told by their names.

What cannot be told is not shown either: an argument whose name is not known,
and what an object of an application says of itself.
"""

import re
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import date
from datetime import timedelta
from fnmatch import fnmatch
from inspect import Parameter
from inspect import signature
from itertools import zip_longest
from typing import Any

from persistent import Persistent

from zodbschedule.store.inspection import class_name


#: whether what has this name must not be shown
Mask = Callable[[str], bool]

#: what is shown in its place
HIDDEN = '•••'

# These say nothing but themselves.
PLAIN = (bool, int, float, date, timedelta, type(None))

# How deep lists and dicts are looked into.
DEEPEST = 20


def mask_of(patterns: Iterable[str]) -> Mask | None:
    """The mask for names such as ``password`` or ``*_key``, in any case.

    None without a pattern.
    """
    lower = [pattern.lower() for pattern in patterns]
    if not lower:
        return None
    return lambda name: any(fnmatch(name.lower(), each) for each in lower)


def masked(task: Persistent, state: Mapping[str, Any], mask: Mask
           ) -> dict[str, Any]:
    """The attributes in *state*, of *task*, as far as they may be shown."""
    shown = _items(state, mask, ())
    args = state.get('args')
    if isinstance(args, (tuple, list)) and not mask('args'):
        names = _parameters(task, state)[:len(args)]
        shown['args'] = [
            HIDDEN if name is None or mask(name) else _value(value, mask, ())
            for value, name in zip_longest(args, names)]
    return shown


def _items(values: Mapping[Any, Any], mask: Mask, path: tuple[object, ...]
           ) -> dict[str, Any]:
    return {str(_value(name, mask, path)): HIDDEN if mask(str(name)) else
            _value(value, mask, path) for name, value in values.items()}


def _value(value: Any, mask: Mask, path: tuple[object, ...]) -> Any:
    """*value*, which is in those lists and dicts."""
    if isinstance(value, (str, *PLAIN)):
        return value
    if len(path) == DEEPEST or any(value is each for each in path):
        return HIDDEN
    if type(value) is dict:
        return _items(value, mask, (*path, value))
    if type(value) in (list, tuple):
        return [_value(each, mask, (*path, value)) for each in value]
    return f'<{class_name(value)}>'


# -- the names of positional arguments


def _parameters(task: Persistent, state: Mapping[str, Any]) -> list[str]:
    """The names of the parameters that get them, as far as they are known."""
    function, skipped = _function(state), getattr(task, 'leading', 0)
    try:
        found = signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    names = [each.name for each in found if each.kind in (
        Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    return names[skipped:]


def _function(state: Mapping[str, Any]) -> Any:
    """What is called, if that is loaded."""
    name, owner = state.get('func'), state.get('of')
    if owner is not None:
        return getattr(owner, str(name), None)
    module, _, name = str(name).rpartition('.')
    return getattr(sys.modules.get(module), name, None)


# -- what errors say


def masked_error(text: str) -> str:
    """The class of an error alone: what it says may hold an argument."""
    found = re.match(r'(\w+\.)*([A-Z]\w*|error)(?=: )|'
                     r'[\w.]*(Error|Exception)(?=:?$)', text)
    return f'{found[0]}: {HIDDEN}' if found else HIDDEN


def masked_traceback(text: str) -> str:
    """A traceback, with the places and the classes of errors alone."""
    kept, in_frames, source = [], False, False
    for line in text.splitlines():
        place = re.match(r'  File ".*", line \d+, in ', line) is not None
        if place or (source and line.startswith('    ')):
            kept.append(line)
        elif in_frames and not line.startswith(' '):
            kept.append(masked_error(line))
            in_frames = False
        source, in_frames = place, in_frames or place
    return '\n'.join(kept)
