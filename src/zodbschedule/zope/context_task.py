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

import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from typing import Any

from AccessControl import getSecurityManager
from AccessControl.unauthorized import Unauthorized
from AccessControl.ZopeGuards import guarded_getattr
from Acquisition import aq_base
from persistent import Persistent
from zope.globalrequest import getRequest

from zodbschedule import clock
from zodbschedule.execution.current import current_run
from zodbschedule.instant import moment_of
from zodbschedule.interfaces import InvalidTask
from zodbschedule.retry import GiveUp
from zodbschedule.task import CallTask
from zodbschedule.zope.permissions import CONTROL
from zodbschedule.zope.permissions import SCHEDULE
from zodbschedule.zope.permissions import check
from zodbschedule.zope.sites import get_schedule
from zodbschedule.zope.sites import path_of
from zodbschedule.zope.sites import site_at
from zodbschedule.zope.sites import site_of
from zodbschedule.zope.users import spelled


try:
    from plone.uuid.interfaces import IUUID
except ImportError:
    IUUID = None

log = logging.getLogger('zodbschedule')

#: what to do if the object is gone: park the task, or cancel it
GONE = 'park', 'cancel'

#: what the user needs on the object to have anything called with it
VIEW = 'View'


class ContextTask(CallTask):
    """Call *func* with *context*, an object of the site, and *args*.

    *func* is a module-level function or its dotted name, called with the
    object and the arguments; or the name of a method of the object.  The
    object is kept by its UUID if it has one, and by its path else: so that
    it is found where it was moved to, and another that has come to its path
    is not taken for it.  The path is from the nearest site upward that has a
    schedule, which is the one to put this into.

    When the task runs, its user needs the permission View on the object; and
    for a method what is needed to call that from restricted code.

    *language* is that of the request; by default that of the object, if it
    has one.  *gone* says what becomes of the task if the object is gone:
    ``'park'`` parks it, ``'cancel'`` forgets it.  Raises `InvalidTask`.
    """

    uuid: str | None = None
    language: str | None = None
    gone: str = 'park'
    #: of the object, if that is what is called
    method: str = ''

    def __init__(self, context: Any, func: Callable[..., Any] | str,
                 args: Iterable[Any] = (),
                 kwargs: Mapping[str, Any] | None = None, *,
                 time: datetime | None = None, language: str | None = None,
                 gone: str = 'park', **options: Any) -> None:
        if gone not in GONE:
            raise InvalidTask(
                f'gone is {gone!r}; it has to be one of '
                f'{", ".join(map(repr, GONE))}')
        method = '' if not isinstance(func, str) or _is_dotted(func) else func
        if isinstance(getattr(func, '__self__', None), Persistent):
            raise InvalidTask(
                f'{func!r} is a method of an object; pass its name, or a '
                f'function')
        # What calls a method, by its name.
        super().__init__(
            call_method if method else func, tuple(args), kwargs, time=time,
            **options)
        if method:
            _refuse_no_method(context, method)
            self.method = method
        try:
            self.path = place_of(context)
        except AttributeError:
            raise InvalidTask(
                f'{context!r} is no object of a site: it has no path'
            ) from None
        self.uuid = uuid_of(context)
        if language is not None:
            self.language = language
        if gone != type(self).gone:
            self.gone = gone

    @property
    def description(self) -> str:
        """What the task is for; by default, what it calls, and where."""
        return self._description or (
            f'{self.method or self.func} of {self.path or "the site"}')

    @description.setter
    def description(self, value: str) -> None:
        self._description = value

    def __call__(self) -> Any:
        request = getRequest()
        context = self.find(request['PUBLISHED'])
        if context is None:
            return self._gone()
        user = getSecurityManager()
        if not user.checkPermission(VIEW, context):
            raise Unauthorized(
                f'{user.getUser()!r} may not view {self.path}')
        speak(context, request, self.language)
        first = (context, self.method) if self.method else (context,)
        return self.called(*first)

    def find(self, site: Any) -> Any:
        """The object, in *site*; None if it is gone."""
        found = site_at(site.getPhysicalRoot() if self.path.startswith('/')
                        else site, self.path)
        if found is not None and uuid_of(found) == self.uuid:
            return found
        return None if self.uuid is None else by_uuid(site, self.uuid)

    def _gone(self) -> None:
        what = f'{self.path} is gone'
        if self.gone == 'park':
            raise GiveUp(f'{what}: there is no object with the UUID '
                         f'{self.uuid}' if self.uuid else what)
        run: Any = current_run()
        log.info('Task %s is cancelled: %s.', run.token, what)
        run.schedule.unschedule(self)


def place_of(context: Any) -> str:
    """The path of *context*, from the nearest site that has a schedule.

    So that it leads to the same object in a site that was moved, and to
    another one in a copy.  From the root if there is no such site.
    """
    path, site = path_of(context), site_of(context)
    if site is None:
        return path
    return path.removeprefix(path_of(site)).strip('/')


def call_method(context: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """Call that method of *context*, as restricted code might."""
    return guarded_getattr(context, method)(*args, **kwargs)


def _refuse_no_method(context: Any, name: str) -> None:
    if name.startswith('_') or not callable(
            getattr(aq_base(context), name, None)):
        raise InvalidTask(
            f'{context!r} has no method {name!r} that others may call')


def uuid_of(context: Any) -> str | None:
    """The UUID of an object, if it has one."""
    found = None if IUUID is None else IUUID(context, None)
    return None if found is None else str(found)


def by_uuid(site: Any, uuid: str) -> Any:
    """The object of *site* that has that UUID, by the catalog; or None."""
    catalog = getattr(site, 'portal_catalog', None)
    if catalog is None:
        return None
    for brain in catalog.unrestrictedSearchResults(UID=uuid):
        found = site_at(site.getPhysicalRoot(), brain.getPath())
        if found is not None and uuid_of(found) == uuid:
            return found
    return None


def speak(context: Any, request: Any, language: str | None) -> None:
    """Let the request ask for *language*, by default that of *context*."""
    own = getattr(aq_base(context), 'language', None)
    language = language or (own if isinstance(own, str) else None)
    if not language:
        return
    request.environ['HTTP_ACCEPT_LANGUAGE'] = language
    request['LANGUAGE'] = language
    request.setupLocale()
    tool = request.get('LANGUAGE_TOOL')
    if tool is not None:
        # What Plone has found out of the request when the site was entered.
        tool.LANGUAGE = language


def call(context: Any, func: Callable[..., Any] | str, *args: Any,
         kwargs: Mapping[str, Any] | None = None, time: Any = None,
         delay: timedelta | None = None, duplicate: str = 'refuse',
         **options: Any) -> Any:
    """Schedule a `ContextTask`, to run as the current user; returned.

    Into the schedule of the nearest site upward from *context*; LookupError
    if there is none.  *time* is an aware datetime or a Zope ``DateTime``,
    *delay* a timedelta from now; without both it is due at once.  *options*
    are those of `ContextTask`; *duplicate* as for `IScheduling.schedule`.

    The current user needs the permission to schedule there, else this raises
    Unauthorized; and it is who runs the task, by the id and the user folder,
    unless *principalId* says otherwise, which needs the permission to
    control; so does a function by its dotted name, which might be any that
    there is.  Happens in the current transaction.
    """
    schedule, site = get_schedule(context), site_of(context)
    check(SCHEDULE, site)
    if 'principalId' in options or _is_dotted(func):
        check(CONTROL, site)
    if 'principalId' not in options:
        options['principalId'] = spelled(
            getSecurityManager().getUser(), site)
    task = ContextTask(
        context, func, args, kwargs, time=when(time, delay), **options)
    return schedule.schedule(task, duplicate=duplicate)


def _is_dotted(func: object) -> bool:
    return isinstance(func, str) and not func.isidentifier()


def when(time: Any, delay: timedelta | None) -> datetime | None:
    """The time of a task, from what a caller of `call` says."""
    if hasattr(time, 'asdatetime'):
        if time.timezoneNaive():
            raise InvalidTask(
                f'time is {time!r}; it has to have a time zone')
        time = time.asdatetime()
    return moment_of(time, delay, clock.now())
