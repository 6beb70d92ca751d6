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

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from zope.interface import implementer

from zodbschedule.errors.chain import class_names
from zodbschedule.errors.chain import leaves
from zodbschedule.errors.chain import name_of
from zodbschedule.errors.verdict import FinalVerdict
from zodbschedule.errors.verdict import Verdict
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import IRetry


ZERO = timedelta()
# In seconds.  A timedelta can be longer, but no float is exact enough for it.
LONGEST = timedelta(days=999_999_999).total_seconds()
DOTTED_NAME = re.compile(r'[^\W\d]\w*(\.[^\W\d]\w*)+')


class RetryLater(Verdict):
    """A task raises it to ask for another attempt.

    *delay* is how long to wait, a timedelta of zero or more.  With None the
    `Retry` of the task decides; without one it is 1, 2, 4, ... minutes, up to
    an hour.  *reason* is a str for log and history.  What the run has changed
    is aborted.  If the attempts of its `Retry` are used up, the task is parked
    all the same.

    Raises `InvalidTask`, a ValueError, for other arguments.
    """

    # For subclasses that do not call this __init__.
    delay: timedelta | None = None
    reason = ''

    def __init__(self, delay: timedelta | None = None,
                 reason: str = '') -> None:
        if delay is not None:
            _check_duration('delay', delay)
        super().__init__(delay, _check_text('reason', reason))
        self.delay = delay
        self.reason = reason

    def __str__(self) -> str:
        return self.reason if isinstance(self.reason, str) else ''


class GiveUp(FinalVerdict):
    """A task raises it to ask for no further attempt.

    *reason* is a str for log, history and the parked entry.  What the run has
    changed is aborted, and the task is parked, also if its `Retry` has
    attempts left.  A task with a recurrence goes on: only the occurrence is
    parked.

    Raises `InvalidTask`, a ValueError, if *reason* is not a str.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_check_text('reason', reason))
        self.reason = reason


def delay_asked(said: Any) -> timedelta | None:
    """The delay of a `RetryLater`, of any class; None if it names none.

    Raises `InvalidTask` for what `RetryLater` does not take, and whatever
    that class raises.
    """
    delay: timedelta | None = said.delay
    if delay is not None:
        _check_duration('delay', delay)
    return delay


@implementer(IRetry)
@dataclass(frozen=True)
class Retry:
    """How often a failed task is tried again, and after which waits.

    *attempts* is the largest number of runs, the first included, an int from
    1 on.  The wait after attempt n is *delay*, a timedelta, times *factor*, a
    number from 1 on, to the power of n - 1; at most *max_delay*, a timedelta,
    or *delay* if that is longer.  *jitter*, from 0 to 1, is the part by which
    a wait is then made longer or shorter; it follows from the occurrence and
    the attempt, not from chance.  *on* are the errors that are tried again:
    exception classes or their dotted names, with all that inherit from them.

    An immutable value, see `IRetry`.  Raises `InvalidTask`, a ValueError.
    """

    attempts: int
    delay: timedelta = timedelta(minutes=1)
    factor: float = 2
    max_delay: timedelta = timedelta(hours=1)
    jitter: float = 0.1
    on: Iterable[type[BaseException] | str] = (Exception,)

    def __post_init__(self) -> None:
        _check_number('attempts', self.attempts, 1, kinds=(int,))
        _check_duration('delay', self.delay)
        _check_number('factor', self.factor, 1)
        _check_duration('max_delay', self.max_delay)
        _check_number('jitter', self.jitter, 0, 1)
        vars(self)['on'] = _check_names(self.on)

    def delay_after(self, attempt: int, token: str,
                    error: BaseException) -> timedelta | None:
        """How long to wait after a failed attempt; None: give up.

        *attempt* counts from 1.  *token* names the occurrence: the same token,
        attempt and rule give the same timedelta, in every process.  None if
        the attempts are used up, or if *error* is none of ``on``.
        """
        if attempt >= self.attempts or not self._is_for(error):
            return None
        seconds = self._nominal(attempt)
        seconds += seconds * self.jitter * _spread(token, attempt)
        return timedelta(seconds=min(max(seconds, 0), LONGEST))

    def _is_for(self, error: BaseException) -> bool:
        """By name, so that nothing has to be imported.

        Of a group, for any of its errors.
        """
        return any(name in self.on for each in (error, *leaves(error))
                   for name in class_names(each))

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


# -- Checks of arguments: each raises `InvalidTask`


def _check_duration(name: str, value: object) -> None:
    if not isinstance(value, timedelta) or value < ZERO:
        raise InvalidTask(
            f'{name} is {value!r}; it has to be a timedelta of zero or more, '
            f'such as timedelta(minutes=1)')


def _check_number(name: str, value: float, low: int,
                  high: float = sys.float_info.max,
                  kinds: tuple[type, ...] = (int, float)) -> None:
    if (not isinstance(value, kinds) or isinstance(value, bool)
            or not low <= value <= high):
        noun = 'a number' if float in kinds else 'a whole number'
        limits = f'from {low} to {high}' if high == 1 else f'from {low} on'
        raise InvalidTask(f'{name} is {value!r}; it has to be {noun} {limits}')


def _check_text(name: str, value: object) -> object:
    if not isinstance(value, str):
        raise InvalidTask(f'{name} is {value!r}; it has to be a str')
    return value


def _check_names(on: object) -> tuple[str, ...]:
    """The dotted names of exceptions, sorted."""
    if isinstance(on, str) or not isinstance(on, Iterable):
        raise InvalidTask(f'on is {on!r}; it has to be a tuple, such as '
                          f'(OSError,)')
    names = tuple(sorted({_check_exception(each) for each in on}))
    if not names:
        raise InvalidTask('on is empty; name at least one exception, such as '
                          '(Exception,)')
    return names


def _check_exception(exception: object) -> str:
    """The dotted name of an exception, a class or that name."""
    name = exception if isinstance(exception, str) else ''
    if isinstance(exception, type) and issubclass(exception, BaseException):
        name = name_of(exception)
    if not DOTTED_NAME.fullmatch(name):
        raise InvalidTask(
            f'on has {exception!r}; it takes exception classes of a module, '
            f"or their dotted names, such as 'builtins.OSError'")
    return name
