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
"""The log, on standard error, unless the user or an application says else."""

import json
import logging
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from zodbschedule import CurrentRunFilter
from zodbschedule.cli.errors import CommandError
from zodbschedule.errors.text import ErrorText


FORMAT = '%(asctime)s %(levelname)s %(message)s'
# With the name of the logger, which tells the library.
FORMAT_OF_ALL = '%(asctime)s %(levelname)s %(name)s: %(message)s'

LEVELS = ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')

#: the attributes of every record, which are not shown as they are
COMMON = frozenset(vars(logging.makeLogRecord({}))) | {'message', 'asctime'}

log = logging.getLogger('zodbschedule')


class Formatter(logging.Formatter):
    """With times in UTC, like all output of the commands."""

    converter = staticmethod(time.gmtime)
    default_time_format = '%Y-%m-%dT%H:%M:%S'
    default_msec_format = '%s.%03dZ'


class JsonFormatter(Formatter):
    """An object a line, with the attributes that the record was given."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        found = {
            'time': self.formatTime(record), 'level': record.levelname,
            'logger': record.name, 'message': record.getMessage()}
        found |= {name: value for name, value in vars(record).items()
                  if name not in COMMON and value is not None}
        if record.exc_info:
            found['traceback'] = self.formatException(record.exc_info)
        return json.dumps(found, default=str)


FORMATS: dict[str, Callable[[], Formatter]] = {
    'text': lambda: Formatter(FORMAT), 'json': JsonFormatter}


class Chosen(NamedTuple):
    """What the options say; None: nothing."""

    format: str | None = None
    level: str | None = None
    config: Path | None = None


# -- for all of a command


def show_all() -> None:
    """Show what all libraries log, from INFO on."""
    logging.basicConfig(
        level=logging.INFO, handlers=[_handler(Formatter(FORMAT_OF_ALL))])


def is_shown() -> bool:
    """Whether the log is shown already."""
    return log.isEnabledFor(logging.INFO)


def hide() -> None:
    """Show nothing, unless somebody configures the log."""
    logging.lastResort = logging.NullHandler()


@contextmanager
def shown(chosen: Chosen, application: Callable[[], None],
          by_default: bool = True) -> Iterator[None]:
    """Inside this context the log is shown as *chosen*.

    *application* imports modules, which may configure logging: then their
    handlers are used, unless more is chosen.  If nothing is, our lines are
    shown from INFO on, and the warnings of all, if that is so *by_default*.
    """
    root = logging.getLogger()
    before = root.handlers[:], root.level, log.level, logging.lastResort
    by_default = by_default or any(chosen)
    try:
        if by_default:
            logging.lastResort = _handler(FORMATS[chosen.format or 'text']())
            logging.lastResort.setLevel(logging.WARNING)
        verbose = is_shown()
        application()
        if chosen.config is not None:
            _load(chosen.config)
        configured = verbose or root.handlers != before[0]
        if chosen.format is not None:
            root.handlers[:] = [_handler(FORMATS[chosen.format]())]
        elif by_default and not configured:
            root.addHandler(_handler(FORMATS['text']()))
        if by_default or configured:
            _set_level(chosen)
        yield
    finally:
        root.handlers[:], level, ours, logging.lastResort = before
        root.setLevel(level)
        log.setLevel(ours)


def _load(path: Path) -> None:
    """Configure logging by a file; raises CommandError."""
    from logging.config import dictConfig
    from logging.config import fileConfig
    try:
        if path.suffix == '.json':
            dictConfig({
                'disable_existing_loggers': False,
                **json.loads(path.read_text())})
        else:
            fileConfig(path, _defaults(path), disable_existing_loggers=False)
    except Exception as error:
        raise CommandError(
            f'--log-config {path}: {ErrorText(error)}; correct it: a file '
            f'named .json has a dict for logging.config.dictConfig, another '
            f'is for logging.config.fileConfig') from error


def _defaults(path: Path) -> dict[str, str]:
    """What a file may refer to, as where PasteDeploy reads it."""
    found = {'here': str(path.parent), '__file__': str(path)}
    return {name: value.replace('%', '%%') for name, value in found.items()}


def _set_level(chosen: Chosen) -> None:
    """Our own level is set in any case: then `_shown` shows nothing twice."""
    if chosen.level is not None:
        logging.getLogger().setLevel(chosen.level)
        log.setLevel(chosen.level)
    elif chosen.config is not None:
        log.setLevel(log.getEffectiveLevel())
    elif not log.level:
        log.setLevel(logging.INFO)


# -- for a part of it


def stopping_shown() -> AbstractContextManager[None]:
    """Inside this context show what is waited for, and what is cut off."""
    return _shown('stopping')


def damage_shown() -> AbstractContextManager[None]:
    """Inside this context show which records are gone."""
    return _shown('remains')


@contextmanager
def _shown(module: str) -> Iterator[None]:
    """Show what *module* of ours logs, unless the log is shown already."""
    if log.level or log.isEnabledFor(logging.INFO):
        yield
        return
    handler = _handler(Formatter(FORMAT))
    handler.addFilter(lambda record: record.module == module)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(logging.NOTSET)
        log.removeHandler(handler)


def _handler(formatter: Formatter) -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    handler.addFilter(CurrentRunFilter())
    return handler
