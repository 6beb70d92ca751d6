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
"""Retries: how long to wait before the next attempt, or to give up."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from zope.interface import implementer

from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import IRetry


NOTHING = timedelta()
# A timedelta can be longer, but no float says of how much.
LONGEST = timedelta(days=999_999_999).total_seconds()
DOTTED_NAME = re.compile(r'[^\W\d]\w*(\.[^\W\d]\w*)+')


class RetryLater(Exception):
    """To be raised by a task that wants to be tried again.

    After *delay*, a timedelta, or else when its `Retry` says.
    """

    def __init__(self, delay: timedelta | None = None,
                 reason: str = '') -> None:
        if delay is not None:
            _duration('delay', delay)
        super().__init__(delay, _text('reason', reason))
        self.delay = delay
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class GiveUp(Exception):
    """To be raised by a task for which no further attempt makes sense."""

    def __init__(self, reason: str) -> None:
        super().__init__(_text('reason', reason))
        self.reason = reason


@implementer(IRetry)
@dataclass(frozen=True)
class Retry:
    """See `IRetry`.

    The wait after attempt n is *delay* times *factor* to the power of n - 1,
    at most *max_delay*, or *delay* if that is longer; then up to the part
    *jitter* of that shorter or longer.  *on* are classes of exceptions or
    their dotted names.
    """

    attempts: int
    delay: timedelta = timedelta(minutes=1)
    factor: float = 2
    max_delay: timedelta = timedelta(hours=1)
    jitter: float = 0.1
    on: Iterable[type[BaseException] | str] = (Exception,)

    def __post_init__(self) -> None:
        _number('attempts', self.attempts, 1, None, whole=True)
        _duration('delay', self.delay)
        _number('factor', self.factor, 1, None)
        _duration('max_delay', self.max_delay)
        _number('jitter', self.jitter, 0, 1)
        vars(self)['on'] = _names(self.on)

    def delay_after(self, attempt: int, token: str,
                    error: BaseException) -> timedelta | None:
        if attempt >= self.attempts or not self._is_for(error):
            return None
        seconds = self._nominal(attempt)
        seconds += seconds * self.jitter * _spread(token, attempt)
        return timedelta(seconds=min(max(seconds, 0), LONGEST))

    def _is_for(self, error: BaseException) -> bool:
        """By name, so that nothing has to be imported."""
        return any(_name_of(cls) in self.on for cls in type(error).__mro__)

    def _nominal(self, attempt: int) -> float:
        """The wait in seconds, before the jitter."""
        longest = max(self.max_delay, self.delay).total_seconds()
        seconds = self.delay.total_seconds()
        try:
            return min(seconds * float(self.factor) ** (attempt - 1), longest)
        except OverflowError:
            return min(seconds and longest, longest)


def _spread(token: str, attempt: int) -> float:
    """From -1 to 1, the same for the same token and attempt, anywhere."""
    digest = sha256(f'{attempt} {token}'.encode()).digest()
    return int.from_bytes(digest[:4]) / 0xffffffff * 2 - 1


# -- What is given


def _duration(name: str, value: object) -> None:
    if not isinstance(value, timedelta) or value < NOTHING:
        raise InvalidTask(
            f'{name} is {value!r}; it has to be a timedelta of zero or more, '
            f'such as timedelta(minutes=1)')


def _number(name: str, value: object, low: int, high: int | None,
            whole: bool = False) -> None:
    kinds = int if whole else (int, float)
    if (not isinstance(value, kinds) or isinstance(value, bool)
            or not low <= value <= (value if high is None else high)
            or not _is_finite(value)):
        raise InvalidTask(
            f'{name} is {value!r}; it has to be '
            f'{"a whole number" if whole else "a number"} '
            f'{f"from {low} on" if high is None else f"from {low} to {high}"}')


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that no float comes near
        return False


def _text(name: str, value: object) -> object:
    if not isinstance(value, str):
        raise InvalidTask(f'{name} is {value!r}; it has to be a str')
    return value


def _names(on: object) -> tuple[str, ...]:
    """The dotted names of exceptions, sorted."""
    if isinstance(on, str) or not isinstance(on, Iterable):
        raise InvalidTask(f'on is {on!r}; it has to be a tuple, such as '
                          f'(OSError,)')
    names = tuple(sorted({_checked(one) for one in on}))
    if not names:
        raise InvalidTask('on is empty; name at least one exception, such as '
                          '(Exception,)')
    return names


def _checked(one: object) -> str:
    if isinstance(one, type) and issubclass(one, BaseException):
        name = _name_of(one)
    else:
        name = one if isinstance(one, str) else ''
    if not DOTTED_NAME.fullmatch(name):
        raise InvalidTask(
            f'on has {one!r}; it takes exceptions that stand in a module, or '
            f"their dotted names, such as 'builtins.OSError'")
    return name


def _name_of(cls: type) -> str:
    return f'{cls.__module__}.{cls.__qualname__}'
