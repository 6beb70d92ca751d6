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
"""Tasks of ours: `Task` to subclass, `CallTask` to call a function."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from datetime import timedelta
from importlib import import_module
from typing import Any

from persistent import Persistent
from ZODB.broken import Broken
from ZODB.POSException import POSKeyError
from zope.interface import implementer

from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import CodeMissing
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import IRecurrence
from zodbschedule.interfaces import IRetry
from zodbschedule.interfaces import IScheduledTask
from zodbschedule.interfaces import ITask
from zodbschedule.store.inspection import task_id


# What says that an option is not given; for all others that is None.
NOT_GIVEN = {'description': '', 'missed': ''}


@implementer(IScheduledTask)
class Task(Persistent):
    """Subclass this, and define ``__call__``.  See `IScheduledTask`.

    *time* is an aware datetime in any zone; it is kept in UTC.  Without one,
    the task is due at the next occurrence of its *recurrence* when it is
    scheduled, and without either at once.  *expires* is a timedelta; *retry*
    a `zodbschedule.Retry`.  What is not given is as the class says, and then
    *missed* is ``'one'``.  Raises `InvalidTask` for a wrong value.
    """

    _time: int | None = None
    description: str = ''
    principalId: str | None = None
    key: str | None = None
    recurrence: Any = None
    missed: str = 'one'
    expires: timedelta | None = None
    retry: Any = None

    #: where it is in its series: see `zodbschedule.scheduling.series.Series`
    _series: tuple[Any, ...] = ()

    def __init__(self, time: datetime | None = None, *, description: str = '',
                 principalId: str | None = None, key: str | None = None,
                 recurrence: Any = None, missed: str = '',
                 expires: timedelta | None = None, retry: Any = None) -> None:
        if time is not None:
            self.time = time
        given = {
            'description': description, 'principalId': principalId,
            'key': key, 'recurrence': recurrence, 'missed': missed,
            'expires': expires, 'retry': retry}
        for name, value in given.items():
            # What is not given is not stored: it is as the class says.
            if value != NOT_GIVEN.get(name):
                check_option(name, value)
                setattr(self, name, value)

    @property
    def time(self) -> datetime | None:
        """When it should execute, in UTC; None until that is known."""
        return None if self._time is None else from_micros(self._time)

    @time.setter
    def time(self, time: datetime) -> None:
        self._time = to_micros(as_utc(time))

    def __call__(self) -> Any:
        raise TypeError(f'{type(self).__name__} does not define __call__')

    def schedule(self) -> Any:
        """A task is executed once, unless a subclass says otherwise."""

    def __repr__(self) -> str:
        try:
            what = f'{self.description!r} at {self.time}'
        except POSKeyError:
            what = 'whose record is gone'
        return f'<{type(self).__name__} {task_id(self) or "(new)"} {what}>'


class CallTask(Task):
    """Call *func* with *args* and *kwargs*; *options* are those of `Task`.

    *func* is a module-level function, its dotted name, or a method of a
    persistent object of the same database.  It is kept by name and found
    when it runs, so that a database opens without the code.  What it returns
    is dropped, unless that is a task.

    Raises `InvalidTask` for a function that cannot be found again by name.
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] | None = None
    #: the object whose method is called, if it is one
    of: Persistent | None = None
    _description = ''

    def __init__(self, func: Callable[..., Any] | str,
                 args: Sequence[Any] = (),
                 kwargs: Mapping[str, Any] | None = None, *,
                 time: datetime | None = None, **options: Any) -> None:
        super().__init__(time, **options)
        _refuse_proxied(func)
        owner = getattr(func, '__self__', None)
        if isinstance(owner, Persistent):
            self.of = owner
            self.func = _method_name(func, owner)
        else:
            self.func = _dotted_name(func)
        if args:
            self.args = _args(args)
        if kwargs:
            self.kwargs = _kwargs(kwargs)

    @property
    def description(self) -> str:
        """What the task is for; by default, the name of what it calls."""
        return self._description or self.function

    @description.setter
    def description(self, value: str) -> None:
        self._description = value

    @property
    def function(self) -> str:
        """The dotted name of the function or method that it calls."""
        if self.of is None:
            return self.func
        return f'{class_name(self.of)}.{self.func}'

    def __call__(self) -> Any:
        return self.called()

    def called(self, *first: Any) -> Any:
        """Call it, with arguments *first* before its own."""
        if self.of is None:
            func = _find(self.func)
        else:
            func = _find_method(self.of, self.func)
        result = func(*first, *self.args, **(self.kwargs or {}))
        return result if ITask.providedBy(result) else None


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


def _find(name: str) -> Any:
    """The module-level object with that dotted name, or `CodeMissing`."""
    module, _, attribute = name.rpartition('.')
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        # Anything can go wrong while a module is imported.
        raise CodeMissing(
            f'{name} cannot be imported: {type(error).__name__}: {error}'
        ) from error


def _dotted_name(func: object) -> str:
    if isinstance(func, str):
        return _checked_name(func)
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
            f'{dotted} is not {func!r} but something else by now; pass what '
            f'stands in the module under that name')
    return dotted


def _checked_name(name: str) -> str:
    if not all(part.isidentifier() for part in name.split('.')) or (
            '.' not in name):
        raise InvalidTask(
            f'{name!r} is no dotted name; write package.module.function')
    if not callable(_find_or_refuse(name)):
        raise InvalidTask(f'{name} cannot be called')
    return name


def _find_or_refuse(name: str) -> Any:
    try:
        return _find(name)
    except CodeMissing as error:
        raise InvalidTask(str(error)) from error


def _refuse_proxied(func: object) -> None:
    if type(func) is not func.__class__:
        raise InvalidTask(
            f'{func!r} is wrapped or proxied; pass the function itself')


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


def _args(args: Any) -> tuple[Any, ...]:
    if not isinstance(args, Iterable) or isinstance(args, (str, bytes)):
        raise InvalidTask(
            f'args is {args!r}; it has to be a tuple or a list')
    return tuple(args)


def _kwargs(kwargs: Any) -> dict[str, Any]:
    if not isinstance(kwargs, Mapping) or not all(
            isinstance(name, str) for name in kwargs):
        raise InvalidTask(
            f'kwargs is {kwargs!r}; it has to be a mapping of names to '
            f'values')
    return dict(kwargs)


def type_of(task: Any) -> str:
    """What *task* does: the dotted name of what it calls, or of its class.

    As far as that can be known; the class may be missing.
    """
    try:
        return task.function if isinstance(task, CallTask) else (
            class_name(task))
    except Exception:
        return class_name(task)


def class_name(obj: object) -> str:
    """The dotted name of the class of *obj*."""
    cls = type(obj)
    return f'{cls.__module__}.{cls.__qualname__}'


def key_of(task: Any) -> str | None:
    """The key that *task* asks for."""
    key = task.key if isinstance(task, Task) else None
    return key if isinstance(key, str) else None


# -- What options may be -----------------------------------------------------


def check_option(name: str, value: Any) -> None:
    """Raise `InvalidTask` if an option of `Task` cannot have that value."""
    fits, wanted = OPTIONS[name]
    if not fits(value):
        raise InvalidTask(f'{name} is {value!r}; it has to be {wanted}')


def check_options(task: Task) -> None:
    """Check what *task* carries by now: attributes can be set by anybody."""
    for name in OPTIONS.keys() - {'description', 'principalId'}:
        check_option(name, getattr(task, name))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_key(value: object) -> bool:
    return value is None or isinstance(value, str) and value != ''


OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    'description': (_is_text, 'a str'),
    'principalId': (
        lambda value: value is None or _is_text(value), 'a str or None'),
    'key': (_is_key, 'a str that is not empty, or None'),
    'recurrence': (
        lambda value: value is None or IRecurrence.providedBy(value),
        'an Every, a Cron, an RRule, or another IRecurrence'),
    'missed': (lambda value: value in ('one', 'all'), "'one' or 'all'"),
    'expires': (
        lambda value: value is None or (
            isinstance(value, timedelta) and value > timedelta(0)),
        'a timedelta above zero, or None'),
    'retry': (
        lambda value: value is None or IRetry.providedBy(value),
        'a Retry, or None'),
}
