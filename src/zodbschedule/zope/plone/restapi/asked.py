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
"""What is asked for: the parameters of a query, and the fields of a body."""

from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

from zodbschedule import clock
from zodbschedule.recurrence import expressions
from zodbschedule.retry import Retry
from zodbschedule.zope.plone.restapi.refusals import bad_request


# How many items a page has, and the most: each may need the object that its
# task is for, and a request loads less than 200 objects.
BATCH = 25
MOST = 50

#: the fields of `Retry` that are durations
DURATIONS = 'delay', 'max_delay'


class Asked:
    """Values by their names; each method raises a `Refusal` for a bad one."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def refuse_others(self, *known: str) -> None:
        """Refuse what is none of these names, rather than ignore it."""
        others = sorted(set(self.values) - set(known))
        if others:
            raise bad_request(f'{", ".join(others)}: not known here; known '
                              f'are {", ".join(known)}.')

    def text(self, name: str) -> str | None:
        """A text; None if it is missing or empty."""
        return self._of_type(name, str, 'a text') or None

    def flag(self, name: str) -> bool | None:
        """True or false; None if it is missing."""
        found: bool | None = self._of_type(name, bool, 'true or false')
        return found

    def _of_type(self, name: str, kind: type, what: str) -> Any:
        value = self.values.get(name)
        if not (value is None or isinstance(value, kind)):
            raise bad_request(f'{name} is {value!r}; it has to be {what}.')
        return value

    def instant(self, name: str) -> datetime | None:
        """An instant with an offset from UTC; None if it is missing."""
        value = self.text(name)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(value)
            if found.tzinfo is not None:
                return found.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise bad_request(f'{name} is {value!r}; it has to be a time with an '
                          f'offset, as in 2030-01-31T09:00:00Z.')

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within these bounds."""
        value = self.values.get(name, default)
        try:
            found = int(value)
        except (TypeError, ValueError):
            found = least - 1
        if not least <= found <= most:
            raise bad_request(f'{name} is {value!r}; it has to be a number '
                              f'from {least} to {most}.')
        return found

    def word(self, name: str, words: tuple[str, ...]) -> str | None:
        """One of these words; None if it is missing."""
        value = self.text(name)
        if value is not None and value not in words:
            raise bad_request(f'{name} is {value!r}; it has to be one of '
                              f'{", ".join(words)}.')
        return value

    @property
    def page(self) -> tuple[str | None, int]:
        """The cursor, and how many items the page has."""
        return self.text('cursor'), self.number('b_size', BATCH, 1, MOST)

    # -- what a task can be changed to

    def duration(self, name: str) -> timedelta | None:
        """A number of seconds; None for null."""
        value = self.values[name]
        try:
            return None if value is None else timedelta(seconds=value)
        except (TypeError, OverflowError, ValueError):
            raise bad_request(f'{name} is {value!r}; it has to be a number of '
                              f'seconds, or null.') from None

    def rule(self, name: str, zone: str) -> Any:
        """A recurrence as people type it; None for null.

        *zone* is that of its local times, unless `timezone` says another one.
        """
        text = self.text(name)
        return None if text is None else expressions.read(
            text, self.text('timezone') or zone, clock.now())

    def retry(self, name: str) -> Retry | None:
        """The fields of a `Retry`, with durations in seconds; or null."""
        fields = self._of_type(name, dict, 'an object, or null')
        if fields is None:
            return None
        asked = Asked(fields)
        asked.refuse_others('attempts', 'factor', 'jitter', *DURATIONS)
        options: dict[str, Any] = {
            each: asked.duration(each) if each in DURATIONS else fields[each]
            for each in fields}
        try:
            return Retry(**options)
        except TypeError:
            raise bad_request(f'{name} has no attempts.') from None
