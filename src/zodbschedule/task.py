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
"""The two classes of tasks: `Task` to subclass, `CallTask` to call a function.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import date
from datetime import datetime
from datetime import timedelta
from typing import Any

from persistent import Persistent
from ZODB.POSException import POSKeyError
from zope.interface import implementer

from zodbschedule.callables.arguments import refuse_arguments
from zodbschedule.callables.deferred import refuse_deferred
from zodbschedule.callables.reference import Reference
from zodbschedule.callables.reference import refer
from zodbschedule.instant import as_utc
from zodbschedule.instant import from_micros
from zodbschedule.instant import to_micros
from zodbschedule.interfaces import InvalidTask
from zodbschedule.interfaces import IRecurrence
from zodbschedule.interfaces import IRetry
from zodbschedule.interfaces import IScheduledTask
from zodbschedule.interfaces import ITask
from zodbschedule.store.arguments import Arguments
from zodbschedule.store.arguments import copied
from zodbschedule.store.inspection import TaskLabel
from zodbschedule.store.inspection import class_name
from zodbschedule.store.inspection import known_text
from zodbschedule.store.inspection import oid_of
from zodbschedule.store.inspection import task_id


# -- What options may be -----------------------------------------------------


def _optional(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_key(value: object) -> bool:
    return isinstance(value, str) and value != ''


def _is_period(value: object) -> bool:
    return isinstance(value, timedelta) and value > timedelta(0)


#: the options of `Task` but its time: whether a value fits, and what does, in
#: words
OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    'description': (_is_text, 'a str'),
    'principalId': (_optional(_is_text), 'a str or None'),
    'key': (_optional(_is_key), 'a str that is not empty, or None'),
    'recurrence': (_optional(IRecurrence.providedBy),
                   'an Every, a Cron, an RRule, or another IRecurrence'),
    'missed': (lambda value: value in ('one', 'all'), "'one' or 'all'"),
    'expires': (_optional(_is_period), 'a timedelta above zero, or None'),
    'retry': (_optional(IRetry.providedBy), 'a Retry, or None'),
}

# The value that says that an option is not given; for the others it is None.
NOT_GIVEN = {'description': '', 'missed': ''}


def check_option(name: str, value: Any) -> None:
    """Raise `InvalidTask` if an option of `Task` cannot have that value."""
    fits, wanted = OPTIONS[name]
    if not fits(value):
        raise InvalidTask(f'{name} is {value!r}; it has to be {wanted}')


def check_options(task: 'Task') -> None:
    """Check the options that *task* has now: anybody can set attributes."""
    for name, default in DEFAULTS:
        value = getattr(task, name)
        if value is not default:
            check_option(name, value)


# -- The tasks ---------------------------------------------------------------


@implementer(IScheduledTask)
class Task(Persistent):
    """A task to subclass: define ``__call__``, which does the work.

    ::

        class Cleanup(Task):

            def __call__(self):
                remove_old_files(self.days)

        schedule.schedule(
            Cleanup(recurrence=Cron('0 3 * * *', 'Europe/Berlin')))

    An option that is not given has the value of the class, which a subclass
    may set.

    :param time: when to run: an aware datetime in any zone, kept in UTC.  By
        default the next occurrence of *recurrence* when the task is
        scheduled; without that, the time at which it is scheduled.
    :param description: what the task is for; it appears in the undo log.  By
        default the dotted name of what it calls, or of its class.
    :param principalId: the id of the principal that it runs as; None:
        anonymous.
    :param key: at most one waiting task of a schedule has a key, and two
        tasks with the same key never run at once.
    :param recurrence: the rule by which it repeats: an `Every`, a `Cron` or
        an `RRule`.
    :param missed: ``'one'``, the default, runs once for all occurrences that
        were missed; ``'all'`` runs each, as far back as ``catch_up`` of the
        schedule.
    :param expires: how long after its time a run may begin; a later one is
        not made, and its outcome is ``'expired'``.
    :param retry: how often a failed run is retried, and after how long: a
        `Retry`.  Without it, the task is parked at its first failure.
    :raises InvalidTask: if an option has a wrong value.
    :raises InvalidTime: (an `InvalidTask`) if *time* is not aware.
    """

    _time: int | None = None
    _description = ''
    principalId: str | None = None
    key: str | None = None
    recurrence: Any = None
    missed: str = 'one'
    expires: timedelta | None = None
    retry: Any = None
    #: see `IScheduledTask`; for subclasses to set
    uuid: str | None = None

    #: its place in its series: see `zodbschedule.scheduling.series.Series`
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
            # Only what is given is stored: the class has the rest.
            if value != NOT_GIVEN.get(name):
                check_option(name, value)
                setattr(self, name, value)

    @property
    def time(self) -> datetime | None:
        """When to run, in UTC; None until that is known.

        It can be set to an aware datetime in any zone; another value raises
        `InvalidTime`.  That does not move a task that is scheduled: use
        `Schedule.change`.
        """
        return None if self._time is None else from_micros(self._time)

    @time.setter
    def time(self, time: datetime) -> None:
        self._time = to_micros(as_utc(time))

    @property
    def description(self) -> str:
        """What the task is for; by default the name of its class."""
        cls = type(self)
        return self._description or f'{cls.__module__}.{cls.__qualname__}'

    @description.setter
    def description(self, value: str) -> None:
        self._description = value

    def __call__(self) -> Any:
        """Do the work, in a transaction of the task's own.

        To be defined by a subclass.  It must not end the transaction.
        `current_run` tells it about its run.

        :returns: None for success; the task itself, to be retried at its
            ``time``; or, without a recurrence, another task to replace it.
        :raises Exception: everything that it has written is aborted; it is
            retried if it has a ``retry``, and parked otherwise.
        """
        raise TypeError(f'{type(self).__name__} does not define __call__')

    def schedule(self) -> Any:
        """Called after a success, in the same transaction; may be overridden.

        :returns: the next task, this one or another; or None, and then the
            task continues by its recurrence, or ends without one.
        """

    def refuse_codeless(self) -> None:
        """Raise `CodeMissing` if a run would lack code besides the class.

        For those who look at a task before it runs.  A subclass that finds
        its code by name may extend this; it writes nothing.
        """

    def __repr__(self) -> str:
        try:
            what = f'{self.description!r} at {self.time}'
        except POSKeyError:
            what = 'whose record is gone'
        except Exception:
            # An error with a repr of its own would hide the one it is for.
            what = 'which cannot be read'
        return f'<{type(self).__name__} {task_id(self) or "(new)"} {what}>'


# The options that a schedule checks, each with its default in `Task`.
DEFAULTS = [(name, getattr(Task, name))
            for name in OPTIONS.keys() - {'description', 'principalId'}]


# What cannot be changed, so that a call needs no copy of it.
FIXED = frozenset({type(None), bool, int, float, complex, str, bytes,
                   date, datetime, timedelta})


class CallTask(Task):
    """A task that calls a function or a method.  See `Schedule.call`.

    What it calls is stored by name and found when it runs.  The return value
    is discarded, unless it is a task: see ``Task.__call__``.  If it is an
    awaitable, a generator or a future, whose work nobody would do, the run
    fails.

    A run does not change the arguments for the next: what it changes in a
    list or a dict that it is given is not stored.  ``args``, a tuple, and
    ``kwargs``, a dict or None, can be set.  Large arguments have a record of
    their own, which is stored once and not with each run.

    :param func: a module-level function, its dotted name, or a method of a
        persistent object of the same database.
    :param args: the positional arguments: a tuple or a list.
    :param kwargs: the keyword arguments: a mapping, or None.
    :param time: as for `Task`.
    :param options: those of `Task`.  The *description* is by default the
        dotted name of *func*.
    :raises InvalidTask: if *func* cannot be found again by its name, or is a
        coroutine function or a generator function; if it does not take the
        arguments; or if an option is unknown or has a wrong value.
    """

    #: the record that holds the arguments; None: the task itself holds them
    _arguments: Arguments | None = None
    #: the object whose method is called; None: it calls a function
    of: Persistent | None = None

    def __init__(self, func: Callable[..., Any] | str,
                 args: Sequence[Any] = (),
                 kwargs: Mapping[str, Any] | None = None, *,
                 time: datetime | None = None, **options: Any) -> None:
        _refuse_unknown(options)
        super().__init__(time, **options)
        reference = refer(func)
        self.func, owner = reference
        if owner is not None:
            self.of = owner
        if args:
            self.args = _args(args)
        if kwargs:
            self.kwargs = _kwargs(kwargs)
        refuse_arguments(
            reference, reference.resolve(),
            (None,) * self.leading + self.args, self.kwargs or {})

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments; set them to others to change them."""
        args: tuple[Any, ...] = self._holder().get('args', ())
        return args

    @args.setter
    def args(self, args: tuple[Any, ...]) -> None:
        self._set('args', args)

    @property
    def kwargs(self) -> dict[str, Any] | None:
        """The keyword arguments; set them to others to change them."""
        return self._holder().get('kwargs')

    @kwargs.setter
    def kwargs(self, kwargs: dict[str, Any] | None) -> None:
        self._set('kwargs', kwargs)

    def _holder(self) -> dict[str, Any]:
        """The attributes of what holds the arguments."""
        holder = self if self._arguments is None else self._arguments
        holder._p_activate()
        attributes: dict[str, Any] = holder.__dict__
        return attributes

    def _set(self, name: str, value: Any) -> None:
        # The task itself has changed in any case, since that is an assignment:
        # so it conflicts with a run.
        self._holder()[name] = value
        if self._arguments is not None:
            self._arguments._p_changed = True

    def set_apart(self) -> None:
        """Move the arguments into a record of their own.

        Only while the task is new: a pack may lose what moves from one record
        into another, see `zodbschedule.store.moved`.
        """
        # A subclass may have attributes of its own in their place.
        names = [name for name in ('args', 'kwargs') if name in vars(self)
                 and getattr(type(self), name) is getattr(CallTask, name)]
        if names:
            arguments = Arguments()
            for name in names:
                setattr(arguments, name, self.__dict__.pop(name))
            self._arguments = arguments

    def _p_deactivate(self) -> None:
        """Give back the memory, that of the arguments as well."""
        arguments = vars(self).get('_arguments')
        if arguments is not None:
            arguments._p_deactivate()
        super()._p_deactivate()

    @property
    def description(self) -> str:
        """What the task is for; by default the name of what it calls."""
        return self._description or self.function

    @description.setter
    def description(self, value: str) -> None:
        self._description = value

    @property
    def leading(self) -> int:
        """How many arguments `called` is given, before those of the task."""
        return 0

    @property
    def function(self) -> str:
        """The dotted name of the function or method that it calls."""
        return str(Reference(self.func, self.of))

    def __call__(self) -> Any:
        """Call it; a task that it returns is returned, see `Task`."""
        return self.called()

    def called(self, *first: Any) -> Any:
        """Call it, with arguments *first* before its own.

        For subclasses, which say in ``leading`` how many there are.
        """
        func = self._resolved()
        args, kwargs = self._given()
        result = func(*first, *args, **kwargs)
        if result is None or ITask.providedBy(result):
            return result
        refuse_deferred(self.function, result)
        return None

    def refuse_codeless(self) -> None:
        """Raise `CodeMissing` if what it calls is not found."""
        self._resolved()

    def _resolved(self) -> Any:
        return Reference(self.func, self.of).resolve()

    def _given(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What a call is given, and may change: copies, if need be.

        A record of arguments is not copied, but loaded anew for the next run.
        """
        given = self.args, self.kwargs or {}
        if self._arguments is None and not all(
                type(value) in FIXED or isinstance(value, Persistent)
                for value in (*given[0], *given[1].values())):
            given = copied(given)
        return given


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        name = unknown[0]
        raise InvalidTask(
            f'a task has no option {name}; if it is an argument of the '
            f'function, give it in kwargs={{{name!r}: ...}}. The options are '
            f'time, {", ".join(OPTIONS)}')


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


# -- What any task says of itself --------------------------------------------


def type_of(task: Any) -> str:
    """What *task* does: the dotted name of what it calls, or of its class.

    As far as that can be known; the class may be missing.
    """
    try:
        return task.function if isinstance(task, CallTask) else (
            class_name(task))
    except Exception:
        return class_name(task)


def description_of(task: Any) -> str:
    """What *task* is for, or else what it does; never empty."""
    return known_text(task, 'description') or type_of(task)


def label_of(task: Any) -> TaskLabel:
    """What the log says of *task*, as far as that can be known."""
    return TaskLabel(oid_of(task), known_text(task, 'description'),
                     type_of(task), known_text(task, 'key') or None)


def key_of(task: Any) -> str | None:
    """The key that *task* has, or None."""
    key = task.key if isinstance(task, Task) else None
    return key if isinstance(key, str) else None
