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
"""Whether an exception came from outside, and not from the task that it ended.

Python calls the handler of a signal in the main thread, between two steps of
whatever is done there.  What the handler raises looks as if the task had
raised it that was just running.
"""

import signal
import threading
from collections.abc import Iterator
from dis import opmap
from types import CodeType
from types import TracebackType
from typing import Any

from zodbschedule.errors.chain import is_a
from zodbschedule.errors.chain import traceback_of


# The signals that ask a process to end.  Any other, such as SIGALRM, may be a
# means of the task, for a time limit of its own.
ENDING = tuple(getattr(signal, name) for name in (
    'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT') if hasattr(signal, name))


def is_told(error: BaseException) -> bool:
    """Whether *error* was raised since a signal has asked this process to end.

    By a handler of the application, or by that of Python for SIGINT, which
    has no frame: it leaves a KeyboardInterrupt that nothing has raised.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    handlers = {_code(signal.getsignal(number)) for number in ENDING}
    steps = list(_steps(traceback_of(error)))
    if any(code in handlers for code, _ in steps):
        return True
    code, instruction = steps[-1]
    return is_a(error, KeyboardInterrupt) and (
        code.co_code[instruction] != opmap['RAISE_VARARGS'])


def _code(handler: Any) -> CodeType | None:
    """What runs when *handler* is called, as far as that is Python."""
    handler = getattr(handler, 'func', handler)  # a functools.partial
    if callable(handler) and not hasattr(handler, '__code__'):
        handler = type(handler).__call__
    code: CodeType | None = getattr(handler, '__code__', None)
    return code


def _steps(traceback: TracebackType | None
           ) -> Iterator[tuple[CodeType, int]]:
    """Where *traceback* has been: each code, and the instruction in it."""
    while traceback is not None:
        yield traceback.tb_frame.f_code, traceback.tb_lasti
        traceback = traceback.tb_next
