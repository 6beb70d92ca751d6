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
"""The one logger of the package, ``zodbschedule``, which does not raise.

A handler or a filter of the application may raise.  That is no reason for a
run to fail or for a thread of a worker to end.
"""

import logging
import sys
import traceback
from abc import ABC
from abc import abstractmethod
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any


#: what this thread works for, as attributes of each record
place: ContextVar[Mapping[str, object]] = ContextVar(
    'zodbschedule.place', default=MappingProxyType({}))


@contextmanager
def working_for(**attributes: object) -> Iterator[None]:
    """Inside this context each record has these attributes as well."""
    token = place.set({**place.get(), **attributes})
    try:
        yield
    finally:
        place.reset(token)


class Subject(ABC):
    """What a line is about: given as an argument, it is in the text.

    Its attributes become attributes of the record, for formatters and filters.
    """

    @abstractmethod
    def log_attributes(self) -> dict[str, object]:
        """By names that no other record has."""


class Logger(logging.LoggerAdapter[logging.Logger]):
    """Logs to a logger; what a handler or a filter raises is said once.

    On standard error, as the handlers of the standard library do, and not at
    all without `logging.raiseExceptions`.
    """

    said = False

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """As the logger does; the caller is whoever has called us."""
        kwargs.setdefault('stacklevel', 2)
        try:
            if self.isEnabledFor(level):
                self.logger.log(
                    level, msg, *args, extra=_attributes(args), **kwargs)
        except Exception as error:
            # stderr may be closed, or not be there
            with suppress(Exception):
                self._say(error, msg)

    def _say(self, error: Exception, msg: object) -> None:
        if self.said or not logging.raiseExceptions:
            return
        self.said = True
        print(f'zodbschedule: a handler or a filter of logging raises; '
              f'correct it. This is said only once. It was given: {msg}',
              file=sys.stderr)
        traceback.print_exception(error, file=sys.stderr)


def _attributes(args: tuple[object, ...]) -> dict[str, object]:
    attributes = dict(place.get())
    for arg in args:
        if isinstance(arg, Subject):
            attributes |= arg.log_attributes()
    return attributes


log = Logger(logging.getLogger('zodbschedule'), {})
