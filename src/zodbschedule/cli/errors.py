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
"""Errors in one line, and the exit codes."""

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from zc.lockfile import LockError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadOnlyError

from zodbschedule.errors.text import ErrorText
from zodbschedule.interfaces import ScheduleError
from zodbschedule.logger import log
from zodbschedule.plain_text import one_line
from zodbschedule.transactions.errors import is_full


#: a task was parked by this call, or what is checked is out of its bounds
EXIT_ALERT = 1
#: wrong usage, or the command failed
EXIT_ERROR = 2
#: the worker failed, or the Zope of the command did not start, for a reason
#: that may pass: it may be started again
EXIT_FAILED = 3
#: the user interrupted the command
EXIT_INTERRUPTED = 130
#: nobody reads the output, as a shell says it of a program that SIGPIPE ends
EXIT_UNREAD = 141

EXIT_CODES = """\b
Exit codes:
  0    success
  1    a task was parked by this call; for check: a task is overdue,
       more tasks are parked or fewer workers alive than may be, or the
       schedule is not sound
  2    wrong usage, no such task, or the command failed
  3    the Zope did not start, although its configuration is right
  130  interrupted; tasks that did not run are back in the schedule
  141  nobody reads the output"""


class CommandError(click.ClickException):
    """Ends the command with one line and exit code 2."""

    exit_code = EXIT_ERROR

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class NoSuchTask(CommandError):
    """Nothing has that id, or not any more."""


class WorkerFailed(CommandError):
    """Ends the worker with one line and exit code 3."""

    exit_code = EXIT_FAILED


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Inside this context every error becomes one line and an exit code.

    With ``--verbose`` the log shows the traceback.  No error ends with
    Python's own exit code, 1: a monitor would take it for `EXIT_ALERT`.
    """
    try:
        yield
    except CommandError as error:
        log.info('The command failed', exc_info=ErrorText(error).exc_info)
        raise
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise  # click handles these itself
    except BrokenPipeError:
        # What is left in the buffer must not fail at the end.
        sys.stdout = io.StringIO()
        raise click.exceptions.Exit(EXIT_UNREAD) from None
    except KeyboardInterrupt:
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    except Exception as error:
        log.info('The command failed', exc_info=ErrorText(error).exc_info)
        raise CommandError(_message(error)) from error


@contextmanager
def failures_of_worker() -> Iterator[None]:
    """Inside this context no error is one of usage."""
    try:
        yield
    except Exception as error:
        raise WorkerFailed(_message(error)) from error


def _message(error: Exception) -> str:
    match error:
        case CommandError():
            return error.message
        case ScheduleError():
            return str(error)
        case LockError():
            return _lock_message(str(error))
        case ReadOnlyError():
            return ('the database is read-only; to change it, open it, or '
                    'have its server open it, without read_only')
        case POSKeyError():
            return (f'the database is damaged: object {error} is missing; '
                    f'restore it from a backup')
        case _ if is_full(error):
            return (f'the database has no room for what is written: '
                    f'{ErrorText(error)}; make room, and do it again: nothing '
                    f'is lost')
        case _:
            return str(ErrorText(error))


def _lock_message(message: str) -> str:
    """Name the process, which has written its id to the lock file."""
    quoted = re.search(r"lock '(.+)\.lock'", message)
    path = quoted[1] if quoted else 'the database'
    lock = Path(f'{path}.lock')
    pid = f' ({lock.read_text().strip()})' if lock.is_file() else ''
    return (f'{path} is in use by another process{pid}; stop that process, '
            f'or share the database through ZEO (commands that only read '
            f'work meanwhile)')
