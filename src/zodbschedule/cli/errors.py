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
"""What went wrong, in one line, and the exit codes."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from zc.lockfile import LockError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadOnlyError

from zodbschedule.interfaces import ScheduleError


#: something was parked in this call, or is overdue
BAD_NEWS = 1
#: wrong usage, no such thing, or it could not be done
REFUSED = 2
#: the user has interrupted it
INTERRUPTED = 130

# Longer, and one line of a driver fills a screen; shorter, and the end of a
# long path, which tells most, is lost.
LONGEST = 500

log = logging.getLogger('zodbschedule')


class Problem(click.ClickException):
    """Ends the command with one line and exit code 2."""

    exit_code = REFUSED

    def __init__(self, message: str) -> None:
        super().__init__(in_a_line(message))


def in_a_line(text: object) -> str:
    """*text* on one line that a terminal can show, and not too long."""
    line = ' '.join(str(text).split())
    line = ''.join(c if c.isprintable() else '\N{REPLACEMENT CHARACTER}'
                   for c in line)
    return line if len(line) <= LONGEST else f'{line[:LONGEST]}…'


@contextmanager
def told_in_a_line() -> Iterator[None]:
    """Inside this context every error ends as one line, with its exit code.

    With ``--verbose`` the log shows the traceback.  Nothing may end by
    Python's own exit code, 1: a monitor would take it for bad news.
    """
    try:
        yield
    except Problem:
        log.info('what went wrong', exc_info=True)
        raise
    except (click.ClickException, click.exceptions.Exit, click.Abort,
            BrokenPipeError):
        raise  # click itself knows what to do
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    except Exception as error:
        log.info('what went wrong', exc_info=True)
        raise Problem(_explained(error)) from error


def _explained(error: Exception) -> str:
    match error:
        case ScheduleError():
            return str(error)
        case LockError():
            return _who_locks(str(error))
        case ReadOnlyError():
            return 'the database is read-only here'
        case POSKeyError():
            return f'the database is damaged: object {error} is gone'
        case _:
            return f'{type(error).__name__}: {error}'


def _who_locks(message: str) -> str:
    """Name the process, which has put its id into the lock file."""
    quoted = re.search(r"lock '(.+)\.lock'", message)
    path = quoted[1] if quoted else 'the database'
    lock = Path(f'{path}.lock')
    pid = f' ({lock.read_text().strip()})' if lock.is_file() else ''
    return (f'{path} is in use by another process{pid}; meanwhile it can '
            f'only be looked at (several processes share a database by ZEO)')
