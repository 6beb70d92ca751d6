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
"""One request for a page: what is asked for, of which schedule."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import time
from datetime import tzinfo
from typing import Any

from webob.exc import HTTPBadRequest

from zodbschedule.reading.attributes import CANNOT_LOAD
from zodbschedule.reading.masking import masked_error
from zodbschedule.reading.masking import masked_traceback
from zodbschedule.schedule import Schedule
from zodbschedule.web.visitor import Visitor


# How long a parameter may be, in characters.
MOST = 500


def local_instant(text: str, zone: tzinfo) -> datetime:
    """The instant in UTC of a text in ISO 8601, by default in that zone.

    Raises ValueError.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(
            tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f'{text!r} is no time; write it as in '
                         f'2030-01-31T09:00') from None


@dataclass(frozen=True)
class Body:
    """What a page says: a template of `templates/`, and its values."""

    template: str
    title: str
    values: dict[str, Any]


@dataclass
class Visit(Visitor):
    """One request; each of its methods raises HTTPBadRequest for bad ones."""

    schedule: Schedule
    #: what the page is about: the id of a task; '' for most pages
    id: str

    # -- what was asked for

    def text(self, name: str) -> str | None:
        """The parameter with that name; None if it is missing or empty."""
        value: str = self.request.params.get(name, '').strip()
        if len(value) > MOST:
            raise HTTPBadRequest(
                f'{name} has {len(value)} characters; {MOST} are the most.')
        return value or None

    def day(self, name: str) -> datetime | None:
        """The beginning of that day, as in ``2030-01-31``, in the zone."""
        value = self.text(name)
        if value is None:
            return None
        try:
            day = datetime.combine(
                date.fromisoformat(value), time.min, self.site.zone)
            return day.astimezone(UTC)
        except (ValueError, OverflowError):
            raise HTTPBadRequest(f'{name} is {value!r}; it has to be a day, '
                                 f'as in 2030-01-31.') from None

    def choice(self, name: str, words: Iterable[str]) -> str | None:
        """The same for one of those words."""
        value = self.text(name)
        if value is not None and value not in words:
            raise HTTPBadRequest(f'{name} is {value!r}; it has to be one of '
                                 f'{", ".join(words)}.')
        return value

    def instant(self, name: str) -> datetime | None:
        """The parameter as an instant, ISO 8601; by default in our zone."""
        text = self.text(name)
        return None if text is None else self.as_instant(name, text)

    def as_instant(self, name: str, text: str) -> datetime:
        """The instant that *text* says, which is a part of that parameter."""
        try:
            return local_instant(text, self.site.zone)
        except ValueError as error:
            raise HTTPBadRequest(f'{name}: {error}') from None

    # -- what may be shown

    def error(self, text: str | None) -> str | None:
        """What an error has said; with a mask, its class alone."""
        if text is None or self.site.mask is None:
            return text
        return masked_error(text)

    def problem(self, text: str | None) -> str | None:
        """Why a task cannot run here, without what `error` hides of it."""
        if text is None or not text.startswith(CANNOT_LOAD):
            return text
        return f'{CANNOT_LOAD}{self.error(text.removeprefix(CANNOT_LOAD))}'

    def traceback(self, text: str | None) -> str | None:
        """A traceback, where these are shown; with a mask, without values."""
        if not text or not self.site.tracebacks:
            return None
        return text if self.site.mask is None else masked_traceback(text)
