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
from contextlib import ExitStack
from contextlib import closing
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import SplitResult

import transaction
import Zope2
from AccessControl.security import SecurityPolicy
from AccessControl.SecurityManagement import getSecurityManager
from AccessControl.SecurityManagement import newSecurityManager
from AccessControl.SecurityManagement import setSecurityManager
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

from zodbschedule.interfaces import InvalidSetting
from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.logger import log
from zodbschedule.retry import RetryLater
from zodbschedule.store.state import ScheduleState
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient
from zodbschedule.transactions.retrying import abort
from zodbschedule.zope.settings import parse_url
from zodbschedule.zope.settings import read_settings
from zodbschedule.zope.sites import SiteSchedule
from zodbschedule.zope.sites import bound_schedule
from zodbschedule.zope.sites import site_at
from zodbschedule.zope.users import UnknownUser
from zodbschedule.zope.users import find_user


# The key of the application root in the root of a database that Zope serves.
APPLICATION = 'Application'

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
        db = application_database(schedule)
        if not commits:
            connection = schedule._p_jar.get_connection(db.database_name)
            with self._in_connection(schedule, connection, False) as local:
                yield local
            return
        connection = db.open(self.manager)
        try:
            with self._in_connection(schedule, connection, True) as local:
                yield local
        finally:
            abort(self.manager)
            connection.close()

    @contextmanager
    def _in_connection(self, schedule: SiteSchedule, connection: Any,
                       commits: bool) -> Iterator[SiteSchedule]:
        app = connection.root()[APPLICATION]
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
        except Exception:
            log.warning('A run was committed, but an IPubSuccess subscriber '
                        'failed afterwards.', exc_info=True)
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
            f'{principal_id!r} could not be looked up: {error!r}'
        )) from error


def application_database(schedule: ScheduleState) -> Any:
    """The database with the application root, for that of *schedule*.

    They differ if the site is mounted.
    """
    db = schedule._p_jar.db()
    main = Zope2.DB
    if main is not None and any(
            each is db for each in main.databases.values()):
        return main
    return db  # of a test layer, for instance


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
            f'The site {schedule.path} cannot be entered: {error!r}'
        ) from error


@contextmanager
def _in_site(app: Any, schedule: SiteSchedule, commits: bool
             ) -> Iterator[None]:
    """Make this thread handle a request to the site of *schedule*."""
    request = make_request(app, schedule)
    with _thread_state_restored(), closing(request):
        setSite(None)
        root = app.__of__(RequestContainer(REQUEST=request))
        request['PARENTS'] = [root]
        vars(thread_local).clear()
        thread_local.interaction = SecurityPolicy()
        setRequest(request)
        _traverse(root, schedule.path, request)
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


def _traverse(root: Any, path: str, request: Any) -> None:
    """Go to the site through all objects above it, as a request does."""
    context = root
    _notify_traversal(context, request)
    for name in filter(None, path.split('/')):
        context = context._getOb(name)
        request['PARENTS'].insert(0, context)
        _notify_traversal(context, request)
    request['PUBLISHED'] = context


def _notify_traversal(context: Any, request: Any) -> None:
    if ISite.providedBy(context):
        setSite(context)
        notify(BeforeTraverseEvent(context, request))


# -- the request


def make_request(app: Any, schedule: SiteSchedule) -> Any:
    """A request to the site of *schedule*, with the address that people see.

    Without that address, links would lead to this process.
    """
    environ = {
        'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '', 'PATH_INFO': '/',
        'SERVER_PROTOCOL': 'HTTP/1.1', 'SERVER_NAME': 'localhost',
        'SERVER_PORT': '80', 'wsgi.url_scheme': 'http',
        'wsgi.input': BytesIO()}
    url = _url_of(schedule)
    request = WSGIRequest(environ['wsgi.input'], environ, WSGIResponse())
    setDefaultSkin(request)
    if url is not None:
        _set_address(request, url, site_at(app, schedule.path))
    request['ACTUAL_URL'] = request['URL']
    return request


def _url_of(schedule: SiteSchedule) -> SplitResult | None:
    urls = read_settings().urls
    return (parse_url(schedule.url) if schedule.url
            else urls.get(schedule.path))


def _set_address(request: Any, url: SplitResult, site: Any) -> None:
    """Have *site* appear at *url*, as a virtual host does."""
    request.setServerURL(
        url.scheme, url.hostname, url.port or PORTS[url.scheme])
    request['PARENTS'] = [site]
    request.setVirtualRoot(url.path)
