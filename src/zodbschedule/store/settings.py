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
"""Settings: attributes of a persistent object that a schema describes.

What is not valid is refused when it is set.  A database may hold what is not
valid all the same, since older code has accepted it.  Then the default is in
force, and `Configurable.unfit_settings` says so.
"""

from datetime import timedelta
from typing import Any
from typing import ClassVar

from persistent import Persistent
from zope.interface.interfaces import IInterface
from zope.schema import Field
from zope.schema import Int
from zope.schema import Timedelta
from zope.schema import ValidationError
from zope.schema import getFields

from zodbschedule.interfaces import InvalidSetting
from zodbschedule.plain_text import without_password


class Configurable(Persistent):
    """The base of what has settings; its class attributes are the defaults."""

    #: the schema of the settings
    settings: ClassVar[IInterface]

    def __setattr__(self, name: str, value: Any) -> None:
        # Not that of the object: ZODB sets attributes before it can be loaded.
        field = getFields(type(self).settings).get(name)
        if field is not None:
            check(field, value)
        super().__setattr__(name, value)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        unfit = self._unfit()
        for name, _problem in unfit:
            del self.__dict__[name]
        if unfit:
            self._v_unfit_settings = [problem for _name, problem in unfit]

    @property
    def unfit_settings(self) -> list[str]:
        """What is wrong with stored settings, whose defaults are in force."""
        self._p_activate()
        return list(getattr(self, '_v_unfit_settings', ()))

    def _unfit(self) -> list[tuple[str, str]]:
        """The names of stored settings that are not valid, and why."""
        stored = ((name, field, self.__dict__[name])
                  for name, field in getFields(self.settings).items()
                  if name in self.__dict__)
        return [(name, problem_with(field, value))
                for name, field, value in stored if not _is_fit(field, value)]


def check(field: Field, value: Any) -> None:
    """Raise `InvalidSetting` if *value* is not one that *field* takes."""
    if not _is_fit(field, value):
        raise InvalidSetting(problem_with(field, value))


def _is_fit(field: Field, value: Any) -> bool:
    try:
        field.validate(value)
    except ValidationError:
        return False
    return type(value) is not bool


def problem_with(field: Field, value: Any) -> str:
    """What is wrong with *value*, and what to write."""
    return (f'{field.__name__} is {without_password(repr(value))}; '
            f'it has to be {_wanted(field, value)}')


def _wanted(field: Field, value: Any) -> str:
    if isinstance(field, Timedelta):
        return f'a timedelta{_bounds(field)}, such as {_example(field, value)}'
    if isinstance(field, Int):
        return f'an int{_bounds(field)}'
    return getattr(field, 'wanted', 'a str')


def _bounds(field: Any) -> str:
    low = '' if field.min is None else f' of {field.min} or more'
    return low if field.max is None else f'{low}, and {field.max} or less'


def _example(field: Timedelta, value: Any) -> str:
    """A timedelta that is taken; of so many seconds, if that may be meant."""
    seconds = value if type(value) in (int, float) else 60
    try:
        field.validate(timedelta(seconds=seconds))
    except (ValidationError, ValueError, OverflowError):
        seconds = 60
    return f'timedelta(seconds={seconds})'
