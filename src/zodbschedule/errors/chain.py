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
"""What an error is, what it groups, and what led to it, whatever it does.

The class of an error may belong to any application.  Its attributes may be
properties that raise, and so may those of its metaclass; it may be false, and
even ``isinstance`` asks it for a class.  So all is read as Python itself has
stored it.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Any


def is_a(error: BaseException,
         classes: type | tuple[type, ...]) -> bool:
    """Whether *error* is an instance of one of *classes*."""
    return issubclass(type(error), classes)


def class_names(error: BaseException) -> list[str]:
    """The dotted names of the class of *error*, and of all its bases."""
    mro = vars(type)['__mro__'].__get__(type(error))
    return [name_of(cls) for cls in mro]


def name_of(cls: type) -> str:
    """The dotted name of a class; without the module if it has none."""
    name: str = vars(type)['__qualname__'].__get__(cls)
    try:
        module = vars(type)['__module__'].__get__(cls)
    except AttributeError:
        module = None
    return f'{module}.{name}' if type(module) is str else name


def traceback_of(error: BaseException) -> TracebackType | None:
    """Where *error* was raised."""
    found: TracebackType | None = _stored(error, 'traceback')
    return found


def members(error: BaseException) -> tuple[BaseException, ...]:
    """What *error* groups; none if it is no exception group."""
    if not is_a(error, BaseExceptionGroup):
        return ()
    found: tuple[BaseException, ...] = vars(
        BaseExceptionGroup)['exceptions'].__get__(error)
    return found


def leaves(error: BaseException) -> Iterator[BaseException]:
    """What is in *error*, a group of groups perhaps; or itself."""
    todo = [error]
    while todo:
        each = todo.pop()
        todo += reversed(members(each))
        if not members(each):
            yield each


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error itself, what it groups, and what led to each of them.

    Also what was being handled when one was raised ``from None``.
    """
    seen: set[int] = set()
    todo = [error]
    while todo:
        each = todo.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [*_led_to(each), *members(each)]


def _led_to(error: BaseException) -> list[BaseException]:
    """What *error* was raised from; else what was handled then."""
    cause = _stored(error, 'cause')
    if cause is None:
        cause = _stored(error, 'context')
    return [] if cause is None else [cause]


def _stored(error: BaseException, name: str) -> Any:
    return vars(BaseException)[f'__{name}__'].__get__(error)
