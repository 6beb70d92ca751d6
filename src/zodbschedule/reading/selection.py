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
"""Which tasks are meant: what their facts have in common."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from zodbschedule.reading.facts import Facts
from zodbschedule.reading.masking import masked_error


# The facts in which `Filter.text` is looked for.
ERRORS = 'reason', 'error'
SEARCHED = 'description', 'function', 'key', *ERRORS


@dataclass(frozen=True)
class Filter:
    """What the facts of a task have to be; None matches any."""

    state: str | None = None
    function: str | None = None
    key: str | None = None
    #: a part of one of its texts
    text: str | None = None
    #: a part of the reason for which it was parked
    parked_for: str | None = None
    #: whether errors are looked at as a mask shows them, by their classes
    masked: bool = False

    def selects(self) -> bool:
        """Whether anything is given."""
        return any(value is not None for name, value in vars(self).items()
                   if name != 'masked')

    def matches(self, facts: Facts) -> bool:
        """Whether a task with these facts is meant."""
        return (
            self.state in (None, _fact(facts, 'state'))
            and _fits(self.function, _fact(facts, 'function'))
            and _fits(self.key, _fact(facts, 'key'))
            and _is_in(self.parked_for, self._shown(facts, 'reason'))
            and (self.text is None or any(
                _is_in(self.text, self._shown(facts, name))
                for name in SEARCHED)))

    def _shown(self, facts: Facts, name: str) -> str | None:
        """What may be found out about a fact by looking for parts of it."""
        value = _fact(facts, name)
        return masked_error(value) if (
            self.masked and value and name in ERRORS) else value


def _fact(facts: Facts, name: str) -> str | None:
    value: str | None = getattr(facts, name, None)
    return value


def _fits(pattern: str | None, value: str | None) -> bool:
    return pattern is None or value is not None and (
        pattern == value or fnmatchcase(value, pattern))


def _is_in(part: str | None, value: str | None) -> bool:
    return part is None or (
        value is not None and part.casefold() in value.casefold())
