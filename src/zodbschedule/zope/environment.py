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
"""The environment of a run in Zope: what a request to the site would have.

::

    transaction begins ─▶ connection ─▶ request ─▶ site ─▶ user ─▶ task, commit
                             closed ◀── closed ◀─ restored ◀─ restored ◀───╯

It is made anew each time a run is tried, and ends with that in any case.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import closing
from contextlib import contextmanager
from io import BytesIO
from itertools import takewhile
from typing import Any
from urllib.parse import SplitResult

import transaction
from AccessControl.security import SecurityPolicy
from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
from Acquisition import aq_base
from zope.component.hooks import getSite
from zope.component.hooks import setSite
from zope.component.interfaces import ISite
from zope.event import notify
from zope.globalrequest import getRequest
from zope.globalrequest import setRequest
from zope.interface import implementer
from zope.publisher.browser import setDefaultSkin
from zope.security.management import thread_local
from zope.traversing.interfaces import BeforeTraverseEvent
from ZPublisher.BaseRequest import RequestContainer
from ZPublisher.HTTPRequest import WSGIRequest
from ZPublisher.HTTPResponse import WSGIResponse
from ZPublisher.pubevents import PubSuccess

from zodbschedule.errors.text import ErrorText
from zodbschedule.execution.current import current_run
from zodbschedule.interfaces import InvalidSetting
from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.logger import log
from zodbschedule.retry import RetryLater
from zodbschedule.task import label_of
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient
from zodbschedule.transactions.retrying import abort
from zodbschedule.zope.contexts import object_at
from zodbschedule.zope.contexts import upward
from zodbschedule.zope.settings import address_of
from zodbschedule.zope.settings import read_settings
from zodbschedule.zope.sites import APPLICATION
from zodbschedule.zope.sites import SiteSchedule
from zodbschedule.zope.sites import application_database
from zodbschedule.zope.sites import application_of
from zodbschedule.zope.sites import bound_schedule
from zodbschedule.zope.users import UnknownUser
from zodbschedule.zope.users import find_user


#: the key of a request that says whether the run is committed
COMMITS = 'zodbschedule.commits'

#: the port of an address that names none
PORTS = {'http': 80, 'https': 443}


@implementer(IRunEnvironment)
class ZopeSite:
    """See `IRunEnvironment`.

    Each run is in the site of its schedule, as the user of the task.  It is
    on the transaction manager of the thread, which mail hosts and catalog
    queues join.
    """

    name = 'zope'
    manager = transaction.manager

    def ready(self) -> None:
        """Raise `PrincipalsMissing` if the settings are invalid.

        Whether the site is there is checked by each run.
        """
        try:
            read_settings()
        except InvalidSetting as error:
            raise PrincipalsMissing(str(error)) from error

    @contextmanager
    def enter(self, schedule: SiteSchedule, commits: bool = True
              ) -> Iterator[SiteSchedule]:
        """See `IRunEnvironment`.

        Raises `PrincipalsMissing` if the site cannot be entered.
        """
        if not commits:
            app = application_of(schedule)
            with self._in_application(schedule, app, False) as local:
                yield local
            return
        connection = application_database(schedule).open(self.manager)
        try:
            app = connection.root()[APPLICATION]
            with self._in_application(schedule, app, True) as local:
                yield local
        finally:
            abort(self.manager)
            connection.close()

    @contextmanager
    def _in_application(self, schedule: SiteSchedule, app: Any, commits: bool
                        ) -> Iterator[SiteSchedule]:
        local = _local_schedule(app, schedule)
        with ExitStack() as stack:
            _enter_site(stack, app, local, commits)
            try:
                yield local
            finally:
                if commits:
                    # What has joined the transaction may need the site.
                    abort(self.manager)

    @contextmanager
    def adopt(self, principal_id: str | None, task: Any) -> Iterator[None]:
        """See `IPrincipals`.

        Raises `UnknownUser`, and `RetryLater` if a user folder fails.
        """
        request = getRequest()
        user = _find_user(principal_id, request['PUBLISHED'])
        before = getSecurityManager()
        newSecurityManager(request, user)
        request['AUTHENTICATED_USER'] = user
        try:
            yield
            if request.get(COMMITS):
                self._notify_success(request)
        finally:
            setSecurityManager(before)

    def _notify_success(self, request: Any) -> None:
        """Have subscribers do, after the commit, what the request has queued.

        As in the publisher, no transaction has begun.  A subscriber may begin
        one, or use the current one without that, and commit.
        """
        explicit, self.manager.explicit = self.manager.explicit, False
        try:
            notify(PubSuccess(request))
        except Exception as error:
            log.warning('A run was committed, but an IPubSuccess subscriber '
                        'failed afterwards.',
                        exc_info=ErrorText(error).exc_info)
        finally:
            abort(self.manager)
            self.manager.explicit = explicit


def _find_user(principal_id: str | None, site: Any) -> Any:
    try:
        return find_user(principal_id, site)
    except UnknownUser:
        raise
    except Exception as error:
        if is_transient(error) or is_storage_failure(error):
            raise
        # For instance, the directory that holds the users is down.
        raise RetryLater(reason=(
            f'{principal_id!r} could not be looked up: {ErrorText(error)}'
        )) from error


# -- the site


def _local_schedule(app: Any, schedule: SiteSchedule) -> SiteSchedule:
    """*schedule*, as the connection of *app* has it."""
    local = bound_schedule(app, schedule.path)
    if local is None or local._p_oid != schedule._p_oid:
        raise PrincipalsMissing(
            f'The site of the schedule is not at {schedule.path} any more')
    return local


def _enter_site(stack: ExitStack, app: Any, schedule: SiteSchedule,
                commits: bool) -> None:
    try:
        stack.enter_context(_in_site(app, schedule, commits))
    except Exception as error:
        if is_transient(error) or is_storage_failure(error):
            raise
        # The task is not at fault: every task of the site would fail.
        raise PrincipalsMissing(
            f'The site {schedule.path} cannot be entered: {ErrorText(error)}'
        ) from error


@contextmanager
def _in_site(app: Any, schedule: SiteSchedule, commits: bool
             ) -> Iterator[None]:
    """Make this thread handle a request to the site of *schedule*."""
    request = make_request(app, schedule)
    with _thread_state_restored(), closing(request):
        setSite(None)
        root = app.__of__(RequestContainer(REQUEST=request))
        vars(thread_local).clear()
        thread_local.interaction = SecurityPolicy()
        setRequest(request)
        request['PARENTS'], request['PUBLISHED'] = [root], root
        _notify_traversal(root, request)
        descend(request, object_at(root, schedule.path))
        request[COMMITS] = commits
        yield


@contextmanager
def _thread_state_restored() -> Iterator[None]:
    """Restore the site, the request and the interaction of the thread."""
    site, request = getSite(), getRequest()
    interaction = vars(thread_local).copy()
    try:
        yield
    finally:
        setSite(site)
        setRequest(request)
        vars(thread_local).clear()
        vars(thread_local).update(interaction)


def descend(request: Any, context: Any) -> None:
    """Go on to *context*, through all objects above it, as a request does.

    *context* is inside of what the request has reached.
    """
    reached = aq_base(request['PUBLISHED'])
    way = list(takewhile(
        lambda each: aq_base(each) is not reached, upward(context)))
    for each in reversed(way):
        request['PARENTS'].insert(0, each)
        _notify_traversal(each, request)
    request['PUBLISHED'] = context


def _notify_traversal(context: Any, request: Any) -> None:
    if ISite.providedBy(context):
        setSite(context)
        notify(BeforeTraverseEvent(context, request))


# -- the request


class RunRequest(WSGIRequest):
    """The request of a run; it says once if a link has no known address."""

    #: what to say
    hints: Sequence[str] = ()

    def physicalPathToURL(self, path: Any, relative: bool = False) -> str:
        """See `HTTPRequest`; this is how objects make their addresses."""
        if not relative:
            for hint in self.hints:
                _say_once(hint)
        url: str = super().physicalPathToURL(path, relative)
        return url


# What was said in this process.
_said: set[str] = set()


def _say_once(hint: str) -> None:
    run = current_run()
    if run is not None and hint not in _said:
        _said.add(hint)
        log.warning('Task %s makes a link: %s.', label_of(run.task), hint)


def make_request(app: Any, schedule: SiteSchedule) -> Any:
    """A request to the site of *schedule*, with the address that people see.

    Without that address, links would lead to this process.
    """
    environ = {
        'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '', 'PATH_INFO': '/',
        'SERVER_PROTOCOL': 'HTTP/1.1', 'SERVER_NAME': 'localhost',
        'SERVER_PORT': '80', 'wsgi.url_scheme': 'http',
        'wsgi.input': BytesIO()}
    url = address_of(schedule.url, schedule.path)
    request = RunRequest(environ['wsgi.input'], environ, WSGIResponse())
    setDefaultSkin(request)
    if url is not None:
        _set_address(request, url, object_at(app, schedule.path))
    else:
        request.hints = schedule.hints
    request['ACTUAL_URL'] = request['URL']
    return request


def _set_address(request: Any, url: SplitResult, site: Any) -> None:
    """Have *site* appear at *url*, as a virtual host does."""
    request.setServerURL(
        url.scheme, url.hostname, url.port or PORTS[url.scheme])
    request['PARENTS'] = [site]
    request.setVirtualRoot(url.path)
