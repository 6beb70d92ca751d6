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
"""Children that a task has forked, and that come back from it."""

import os
import sys
import traceback
from contextlib import suppress
from typing import Any
from typing import NoReturn


class Children:
    """Ends every child of this process that comes back from a task.

    Such a child has the connection of its parent, the claim and the socket of
    the storage as well, and would go on as a second worker.

    As a context manager it is for what may fork: a child that gets to the end
    goes no further.
    """

    def __init__(self) -> None:
        self.parent = os.getpid()

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: Any, raised: BaseException | None,
                 traceback: Any) -> None:
        self.end(raised)

    def end(self, error: BaseException | None = None) -> None:
        """End this process, by *error*, if it is such a child."""
        if os.getpid() != self.parent:
            end_process(error)


def end_process(error: BaseException | None) -> NoReturn:
    """End as a program does, but leave alone what the parent uses.

    The exit status is 0, or that of a SystemExit, or 1 after another error,
    whose traceback goes to the standard error stream.
    """
    status = 1
    # Nothing, not even another error, may bring the child back.
    try:
        for stream in sys.stdout, sys.stderr:
            with suppress(Exception):
                stream.flush()
        status, words = _last_words(error)
        # The lock of sys.stderr may be held by a thread that is not here.
        os.write(2, words.encode(errors='backslashreplace'))
    finally:
        os._exit(status)


def _last_words(error: BaseException | None) -> tuple[int, str]:
    """The exit status of a program that ends by *error*, and what it says."""
    if error is None:
        return 0, ''
    if not isinstance(error, SystemExit):
        return 1, ''.join(traceback.format_exception(error))
    if error.code is None:
        return 0, ''
    if isinstance(error.code, int):
        return error.code & 0xFF, ''
    return 1, f'{error.code}\n'
