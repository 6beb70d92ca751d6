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
"""Functions and methods by name: how another process finds them again.

What is called is stored as a name, so that a database opens without the code,
and a run uses the code as it is then.
"""

from importlib import import_module
from types import FunctionType
from typing import Any
from typing import NamedTuple

from persistent import Persistent
from ZODB.broken import Broken

from zodbschedule.callables.deferred import refuse_deferring
from zodbschedule.errors.text import ErrorText
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidTask
from zodbschedule.store.inspection import class_name


class Reference(NamedTuple):
    """What is stored of a function or method; plain, but for *owner*."""

    #: the dotted name of a function, or the bare name of a method
    name: str
    #: the persistent object that has the method; None: it is a function
    owner: Persistent | None = None

    def resolve(self) -> Any:
        """The function or method; `CodeMissing` if it is not found."""
        if self.owner is None:
            return _find(self.name)
        return _find_method(self.owner, self.name)

    def __str__(self) -> str:
        """The dotted name, for a method with that of the class."""
        if self.owner is None:
            return self.name
        return f'{class_name(self.owner)}.{self.name}'


def refer(func: Any) -> Reference:
    """The reference to *func*: a function, its dotted name, or a method.

    Raises `InvalidTask` if that would not find *func* again, and if to call
    it would not do its work.
    """
    reference = _refer(func)
    refuse_idle(reference.resolve(), reference)
    return reference


def refuse_idle(func: Any, name: object) -> None:
    """Raise `InvalidTask` if a call of *func* would not do its work."""
    refuse_deferring(func, name)
    if not isinstance(func, FunctionType):
        # An instance of a class that defines __call__().
        refuse_deferring(type(func).__call__, name)


def _refer(func: Any) -> Reference:
    if type(func) is not func.__class__:
        raise InvalidTask(
            f'{func!r} is wrapped or proxied; pass the function itself')
    if isinstance(func, str):
        return Reference(_checked_name(func))
    owner = getattr(func, '__self__', None)
    if isinstance(owner, Persistent):
        return Reference(_method_name(func, owner), owner)
    return Reference(_dotted_name(func))


# -- The names


def _dotted_name(func: object) -> str:
    module = getattr(func, '__module__', None)
    name = getattr(func, '__qualname__', None)
    if not callable(func) or not module or not name:
        raise InvalidTask(
            f'{func!r} has no name to find it again by; pass a module-level '
            f'function, and what it needs as arguments')
    if '.' in name or '<' in name or module == '__main__':
        raise InvalidTask(
            f'{module}.{name} cannot be found again by its name from another '
            f'process; move it to the top level of a module')
    dotted = f'{module}.{name}'
    if _find_or_refuse(dotted) is not func:
        raise InvalidTask(
            f'{dotted} is now another object than {func!r}; pass the object '
            f'that the module has under that name')
    return dotted


def _checked_name(name: str) -> str:
    if not all(part.isidentifier() for part in name.split('.')) or (
            '.' not in name):
        raise InvalidTask(
            f'{name!r} is not a dotted name; write package.module.function')
    if not callable(_find_or_refuse(name)):
        raise InvalidTask(f'{name} cannot be called')
    return name


def _method_name(method: Any, owner: Persistent) -> str:
    if type(owner) is not owner.__class__:
        raise InvalidTask(
            f'{owner!r} is wrapped or proxied; pass a method of the object '
            f'itself')
    name = method.__name__
    if getattr(owner, name, None) != method:
        raise InvalidTask(
            f'{method!r} is not what its object has under the name {name}; '
            f'pass what is found there')
    return str(name)


# -- What has that name


def _find(name: str) -> Any:
    """The module-level object with that dotted name, or `CodeMissing`."""
    module, _, attribute = name.rpartition('.')
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        # Anything can go wrong while a module is imported.
        raise CodeMissing(
            f'{name} cannot be imported: {ErrorText(error)}') from error


def _find_or_refuse(name: str) -> Any:
    try:
        return _find(name)
    except CodeMissing as error:
        raise InvalidTask(str(error)) from error


def _find_method(obj: Persistent, name: str) -> Any:
    """That method of *obj*, or `CodeMissing`."""
    cls = type(obj)
    if isinstance(obj, Broken):
        raise CodeMissing(
            f'{cls.__module__}.{cls.__name__} cannot be imported')
    try:
        return getattr(obj, name)
    except AttributeError as error:
        raise CodeMissing(
            f'{cls.__module__}.{cls.__name__} has no method {name}'
        ) from error
