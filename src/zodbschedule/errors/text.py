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
"""How an error is told: the only place that turns one into text.

Telling an error runs code of its class, which may belong to any application:
``__str__``, ``__notes__``, ``__cause__``, those of its metaclass.  Each may
raise anything, or return what is no text.  Here none of that fails.
"""

import os
import traceback
from collections.abc import Callable
from types import TracebackType

from zodbschedule.errors.chain import causes
from zodbschedule.errors.chain import name_of
from zodbschedule.errors.chain import traceback_of
from zodbschedule.errors.verdict import verdict
from zodbschedule.plain_text import text


# How much of an error one line has, in characters.
LINE = 200

# How much of its reason and of its traceback, at most, before whoever stores
# it cuts that to a length of its own.
WHOLE = 100_000


# The frames below are ours, and say nothing of what a task has done.
OURS = os.path.join(os.path.dirname(os.path.dirname(__file__)), '')

#: for the log, what was raised and where
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class Untold(Exception):
    """Stands in for an error whose class does not let it be told."""


class ErrorText:
    """What *error* says; as a str, in one line of bounded length."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        return text(' '.join(self.reason.split()), LINE)

    @property
    def message(self) -> str:
        """What it says, without the name of its class if there is more."""
        return _first(
            lambda: str(self.error), lambda: _name(self.error))

    @property
    def reason(self) -> str:
        """What went wrong: in its own words, if the task has said so."""
        said = verdict(self.error)
        told = self.error if said is None else said
        return _first(
            lambda: '' if said is None else str(said),
            lambda: ''.join(traceback.format_exception_only(told)),
            lambda: str(told) and f'{_name(told)}: {told}',
            lambda: _name(told))

    @property
    def traceback(self) -> str:
        """The reason, how it came to that, and all that led to it."""
        return _first(
            lambda: ''.join(traceback.format_exception(self.error)),
            lambda: '\n'.join(map(_in_short, self._chain())))

    @property
    def exc_info(self) -> ExcInfo:
        """For the log: the error itself, if any handler can tell it."""
        found = traceback_of(self.error)
        try:
            ''.join(traceback.format_exception(self.error)).encode()
        except BaseException:
            return Untold, Untold(self.traceback), found
        return type(self.error), self.error, found

    @property
    def user_exc_info(self) -> ExcInfo:
        """The same from where a task was called, without our own frames."""
        kind, error, found = self.exc_info
        while found is not None and (
                found.tb_frame.f_code.co_filename.startswith(OURS)):
            found = found.tb_next
        return kind, error, found

    def _chain(self) -> list[BaseException]:
        return list(causes(self.error))[::-1]


def _in_short(error: BaseException) -> str:
    """One error of a chain that cannot be told as a whole."""
    return _first(
        lambda: ''.join([*traceback.format_tb(traceback_of(error)),
                         ErrorText(error).reason]),
        lambda: ErrorText(error).reason)


def _first(*ways: Callable[[], str]) -> str:
    """What the first of *ways* gives that gives text, as valid Unicode.

    The last one does.
    """
    *uncertain, last = ways
    for way in uncertain:
        try:
            # Not by a class of its own, which may do anything.
            found = ''.join(('', way()))
        except BaseException:
            continue
        if found:
            return text(found, WHOLE)
    return text(last(), WHOLE)


def _name(error: BaseException) -> str:
    """The name of its class, as Python shows it."""
    return name_of(type(error)).removeprefix('builtins.')
