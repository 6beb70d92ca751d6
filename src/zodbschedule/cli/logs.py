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
"""The log, on standard error."""

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager


FORMAT = '%(asctime)s %(levelname)s %(message)s'
# With the name of the logger, which tells the library.
FORMAT_OF_ALL = '%(asctime)s %(levelname)s %(name)s: %(message)s'

log = logging.getLogger('zodbschedule')


class Formatter(logging.Formatter):
    """With times in UTC, like all output of the commands."""

    converter = staticmethod(time.gmtime)
    default_time_format = '%Y-%m-%dT%H:%M:%S'
    default_msec_format = '%s.%03dZ'


def show_all() -> None:
    """Show what all libraries log, from INFO on."""
    logging.basicConfig(level=logging.INFO, handlers=[_handler(FORMAT_OF_ALL)])


def hide() -> None:
    """Show nothing; without a handler Python would print warnings."""
    logging.getLogger().addHandler(logging.NullHandler())


def shown() -> AbstractContextManager[None]:
    """Inside this context show our log from INFO on, and all warnings."""
    return _shown(logging.getLogger(), _handler(FORMAT))


def stopping_shown() -> AbstractContextManager[None]:
    """Inside this context show what is waited for, and what is cut off."""
    return _shown_of('stopping')


def damage_shown() -> AbstractContextManager[None]:
    """Inside this context show which records are gone."""
    return _shown_of('remains')


def _shown_of(module: str) -> AbstractContextManager[None]:
    handler = _handler(FORMAT)
    handler.addFilter(lambda record: record.module == module)
    return _shown(log, handler)


@contextmanager
def _shown(logger: logging.Logger, handler: logging.Handler
           ) -> Iterator[None]:
    """Add *handler* to *logger*, unless all is shown."""
    if log.isEnabledFor(logging.INFO):  # with --verbose
        yield
        return
    level = log.level
    logger.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        logger.removeHandler(handler)


def _handler(format: str) -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter(format))
    return handler
