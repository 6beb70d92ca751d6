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
"""Tasks that call something with an object of the site."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from datetime import timedelta
from typing import Any

from AccessControl import getSecurityManager
from AccessControl.unauthorized import Unauthorized
from AccessControl.ZopeGuards import guarded_getattr
from Acquisition import aq_base
from persistent import Persistent
from zope.component.hooks import getSite
from zope.globalrequest import getRequest

from zodbschedule import clock
from zodbschedule.callables.arguments import refuse_arguments
from zodbschedule.callables.reference import refuse_idle
from zodbschedule.execution.current import current_run
from zodbschedule.instant import moment_of
from zodbschedule.interfaces import InvalidTask
from zodbschedule.retry import GiveUp
from zodbschedule.store.inspection import oid_of
from zodbschedule.task import CallTask
from zodbschedule.zope.contexts import ContextReference
from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.contexts import path_below
from zodbschedule.zope.contexts import path_of
from zodbschedule.zope.contexts import uuid_of
from zodbschedule.zope.contributions import KEY_PREFIX
from zodbschedule.zope.discarded import warn_if_discarded
from zodbschedule.zope.environment import descend
from zodbschedule.zope.permissions import CONTROL
from zodbschedule.zope.permissions import SCHEDULE
from zodbschedule.zope.permissions import SCHEDULE_AS_OTHERS
from zodbschedule.zope.permissions import check_cancel
from zodbschedule.zope.permissions import check_permission
from zodbschedule.zope.permissions import current_principal
from zodbschedule.zope.permissions import own_principal
from zodbschedule.zope.sites import get_schedule
from zodbschedule.zope.sites import site_of


#: what to do when the object is gone: park the task, or cancel it
GONE = 'park', 'cancel'

#: the permission on the object that the user of a task needs
VIEW = 'View'


class ContextTask(ContextReference, CallTask):
    """A task that calls *func* with *context*, an object of the site.

    *func* is a module-level function or its dotted name; it is called with
    the object, *args* and *kwargs*.  Or it is the name of a method of the
    object, which is called with *args* and *kwargs*.

    The task does not store the object, but its UUID, if it has one, and its
    path.  With a UUID the object is found after it was moved, and another
    object at its path is not taken for it.  The path starts at the nearest
    site upward that has a schedule; schedule the task there.

    *time* is an aware datetime.  *language*, a language code, is the language
    of the request; by default it is that of the object, if it has one.
    *gone* says what happens when the object is gone: ``'park'`` parks the
    task, and ``'cancel'`` removes it with the outcome cancelled.  Other
    *options* are those of `CallTask`.

    Raises `InvalidTask` for what cannot be called, for an object without a
    path and for other values of *language* and *gone*.  Reads the object in
    the current transaction.

    The task runs in the transaction of its run.  Its user needs the
    permission View on the object, and for a method the permission that
    restricted code needs to call it.  Else the run raises Unauthorized, and
    fails.
    """

    language: str | None = None
    gone: str = 'park'
    #: the name of the method of the object, or '' for a function
    method: str = ''

    def __init__(self, context: Any, func: Callable[..., Any] | str,
                 args: Sequence[Any] = (),
                 kwargs: Mapping[str, Any] | None = None, *,
                 time: datetime | None = None, language: str | None = None,
                 gone: str = 'park', **options: Any) -> None:
        _refuse_unknown_gone(gone)
        _refuse_other_language(language)
        method = _method_name(context, func)
        if method:
            self.method = method
        super().__init__(
            call_method if method else func, args, kwargs, time=time,
            **options)
        if method:
            refuse_arguments(
                f'the method {method!r} of {context!r}',
                getattr(aq_base(context), method), self.args,
                self.kwargs or {})
        self.path = path_in_site(context)
        self.uuid = uuid_of(context)
        self._v_schedule = oid_of(get_schedule(context))
        # A default is not stored.
        if language is not None:
            self.language = language
        if gone != type(self).gone:
            self.gone = gone

    @property
    def leading(self) -> int:
        """The object, and for a method its name."""
        return 2 if self.method else 1

    @property
    def description(self) -> str:
        """The description; by default what is called, and the path."""
        return self._description or (
            f'{self.method or self.func} of {self.path or "the site"}')

    @description.setter
    def description(self, value: str) -> None:
        self._description = value

    def __call__(self) -> Any:
        """See `ITask`."""
        request = getRequest()
        run: Any = current_run()
        context = self.find(
            request['PUBLISHED'], run.schedule.has_other_uuids)
        if context is None:
            return self._handle_missing()
        descend(request, context)
        manager = getSecurityManager()
        if not manager.checkPermission(VIEW, context):
            raise Unauthorized(
                f'{manager.getUser()!r} may not view {self.path}')
        set_language(request, self.language or language_of(context))
        first = (context, self.method) if self.method else (context,)
        return self.called(*first)

    def _handle_missing(self) -> None:
        problem = f'{self.path} is gone'
        if self.gone == 'park':
            raise GiveUp(f'{problem}: the site has no object with the UUID '
                         f'{self.uuid}' if self.uuid else problem)
        run: Any = current_run()
        run.cancel(problem)
        run.schedule.unschedule(self)


def _refuse_unknown_gone(gone: str) -> None:
    if gone not in GONE:
        raise InvalidTask(
            f'gone is {gone!r}; it has to be one of '
            f'{", ".join(map(repr, GONE))}')


def _refuse_other_language(language: object) -> None:
    if not (language is None or isinstance(language, str)):
        raise InvalidTask(
            f"language is {language!r}; it has to be a language code, such as "
            f"'de', or None")


def _method_name(context: Any, func: Callable[..., Any] | str) -> str:
    """The name of the method of *context* that *func* is; '' if none."""
    if isinstance(getattr(func, '__self__', None), Persistent):
        raise InvalidTask(
            f'{func!r} is a method of an object; pass its name, or a '
            f'function')
    if not isinstance(func, str) or _is_dotted(func):
        return ''
    method = getattr(aq_base(context), func, None)
    if func.startswith('_') or not callable(method):
        raise InvalidTask(f'{context!r} has no public method {func!r}')
    refuse_idle(method, f'the method {func!r} of {context!r}')
    return func


def path_in_site(context: Any) -> str:
    """The path of *context*, from the nearest site that has a schedule.

    It leads to the same object after the site was moved, and to the copy of
    the object in a copy of the site.  Raises `InvalidTask` if *context* has no
    path that leads to it, or if there is no such site.
    """
    try:
        path = path_of(context)
    except AttributeError:
        raise InvalidTask(
            f'{context!r} is not an object of a site: it has no path'
        ) from None
    site = site_of(context)
    if site is None:
        raise InvalidTask(f'no site above {path} has a schedule')
    inside = path_below(site, path)
    if inside is None or (
            aq_base(object_at(site, inside)) is not aq_base(context)):
        raise InvalidTask(
            f'{context!r} would not be found again: its path, {path}, does '
            f'not lead to it; give the object that contains it')
    return inside


def call_method(context: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """Call that method of *context*, as restricted code may."""
    return guarded_getattr(context, method)(*args, **kwargs)


def language_of(context: Any) -> str | None:
    """The language of an object, or None."""
    language = getattr(aq_base(context), 'language', None)
    return language if isinstance(language, str) else None


def set_language(request: Any, language: str | None) -> None:
    """Make *request* ask for *language*, unless that is None or empty."""
    if not language:
        return
    request.environ['HTTP_ACCEPT_LANGUAGE'] = language
    request['LANGUAGE'] = language
    request.setupLocale()
    tool = request.get('LANGUAGE_TOOL')
    if tool is not None:
        # Plone has set it when the site was entered.
        tool.LANGUAGE = language


def call(context: Any, func: Callable[..., Any] | str, *args: Any,
         kwargs: Mapping[str, Any] | None = None, time: Any = None,
         delay: timedelta | None = None, duplicate: str = 'refuse',
         trusted: bool = False, **options: Any) -> Any:
    """Schedule a `ContextTask` that runs as the current user; return it.

    It goes into the schedule of the nearest site upward from *context*; None
    is the current site (see `zope.component.hooks.getSite`).
    *time* is an aware datetime or a Zope ``DateTime`` with a time zone;
    *delay* is a timedelta from now; without both the task is due at once.
    *duplicate* is that of `IScheduling.schedule`, *func*, *args*, *kwargs* and
    *options* are those of `ContextTask`.

    The current user needs the permission to schedule tasks on *context*.  The
    permission to schedule as others is needed in addition, on the site, for
    another *principalId* than that of the user, and for a dotted name as
    *func*, which can name any function; the permission to control, to replace
    a task of somebody else, and for the key of a contributed task.  With
    *trusted* no permission is checked: for code that schedules on behalf of
    the site, whoever the current user is.

    Writes in the current transaction and does not commit.  Raises LookupError
    if there is no schedule; Unauthorized; `UnknownUser` if the current user
    is in no user folder; `InvalidTask`; `InvalidTime`; and `AlreadyScheduled`.
    """
    if context is None:
        context = getSite()
    schedule = get_schedule(context)
    if not trusted:
        _check_call(context, func, options, schedule.keys.get(
            options.get('key', '')) if duplicate == 'replace' else None)
    if 'principalId' not in options:
        options['principalId'] = current_principal(context)
    task = ContextTask(
        context, func, args, kwargs, time=task_time(time, delay), **options)
    scheduled = schedule.schedule(task, duplicate=duplicate)
    warn_if_discarded(scheduled)
    return scheduled


def _check_call(context: Any, func: object, options: Mapping[str, Any],
                replaced: Any) -> None:
    """Raise Unauthorized unless the current user may do this call."""
    check_permission(SCHEDULE, context)
    site = site_of(context)
    if _is_dotted(func) or 'principalId' in options and (
            options['principalId'] != own_principal(context)):
        check_permission(SCHEDULE_AS_OTHERS, site)
    if replaced is not None:
        check_cancel(replaced, site)
    if str(options.get('key')).startswith(KEY_PREFIX):
        # No site gets a contributed task whose key is taken.
        check_permission(CONTROL, site)


def _is_dotted(func: object) -> bool:
    return isinstance(func, str) and not func.isidentifier()


def task_time(time: Any, delay: timedelta | None) -> datetime | None:
    """The time of a task, from the arguments of `call`.

    Raises `InvalidTask` for a ``DateTime`` without a time zone, and if both
    arguments are given.
    """
    if hasattr(time, 'asdatetime'):
        if time.timezoneNaive():
            raise InvalidTask(
                f'time is {time!r}; it has to have a time zone')
        time = time.asdatetime()
    return moment_of(time, delay, clock.now())
