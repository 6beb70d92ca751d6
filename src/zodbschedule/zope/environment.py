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
"""What surrounds an attempt of a run in Zope: what a request would have.

::

    transaction begins ─▶ connection ─▶ request ─▶ site ─▶ user ─▶ task, commit
                             closed ◀── cleared ◀── as before ◀── as before ◀╯

All of it is made for one attempt, and ends with it, whatever happens.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from io import BytesIO
from typing import Any

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

from zodbschedule.interfaces import IRunEnvironment
from zodbschedule.interfaces import PrincipalsMissing
from zodbschedule.retry import RetryLater
from zodbschedule.transactions.errors import is_storage_failure
from zodbschedule.transactions.errors import is_transient
from zodbschedule.transactions.retrying import abort
from zodbschedule.zope.settings import InvalidSettings
from zodbschedule.zope.settings import parse_url
from zodbschedule.zope.settings import settings
from zodbschedule.zope.sites import SiteSchedule
from zodbschedule.zope.sites import settled_at
from zodbschedule.zope.sites import site_at
from zodbschedule.zope.users import UnknownUser
from zodbschedule.zope.users import find_user


log = logging.getLogger('zodbschedule')

# What a database that Zope serves has at its root.
APPLICATION = 'Application'


#: under which a request says whether the run is committed
COMMITS = 'zodbschedule.commits'

#: of an address that names none
PORTS = {'http': 80, 'https': 443}


@implementer(IRunEnvironment)
class ZopeSite:
    """Each run is in the site of its schedule, as the user of the task.

    See `IRunEnvironment`.  Runs are on the transaction manager of the thread,
    which is what mail hosts and catalog queues join.
    """

    name = 'zope'
    manager = transaction.manager

    def ready(self) -> None:
        """If the settings are right; of the site it is seen by each run."""
        try:
            settings()
        except InvalidSettings as error:
            raise PrincipalsMissing(str(error)) from error

    @contextmanager
    def enter(self, schedule: Any, commits: bool = True) -> Iterator[Any]:
        if not commits:
            name = application_database(schedule).database_name
            with self._attempt(schedule, schedule._p_jar.get_connection(
                    name), False) as here:
                yield here
            return
        connection = application_database(schedule).open(self.manager)
        try:
            with self._attempt(schedule, connection, True) as here:
                yield here
        finally:
            abort(self.manager)
            connection.close()

    @contextmanager
    def _attempt(self, schedule: Any, connection: Any, commits: bool
                 ) -> Iterator[Any]:
        app = connection.root()[APPLICATION]
        here = settled_at(app, schedule.path)
        if here is None or here._p_oid != schedule._p_oid:
            raise PrincipalsMissing(
                f'The site of the schedule is not at {schedule.path} any more')
        with ExitStack() as stack:
            try:
                stack.enter_context(_in_site(app, here, commits))
            except Exception as error:
                if is_transient(error) or is_storage_failure(error):
                    raise
                # It is no fault of the task, and would be that of each.
                raise PrincipalsMissing(
                    f'The site {schedule.path} cannot be entered: {error!r}'
                ) from error
            try:
                yield here
            finally:
                if commits:
                    # What a failed attempt has joined may need the site.
                    abort(self.manager)

    @contextmanager
    def adopt(self, principal_id: str | None, task: Any) -> Iterator[None]:
        request = getRequest()
        user = self._found(principal_id, request['PUBLISHED'])
        before = getSecurityManager()
        newSecurityManager(request, user)
        request['AUTHENTICATED_USER'] = user
        try:
            yield
            if request.get(COMMITS):
                self._tell_success(request)
        finally:
            setSecurityManager(before)

    def _tell_success(self, request: Any) -> None:
        """After the commit: what was queued on the request is to be done.

        As in the publisher: no transaction has begun, and whoever needs one
        may begin, or just use it, and commit.
        """
        explicit, self.manager.explicit = self.manager.explicit, False
        try:
            notify(PubSuccess(request))
        except Exception:
            log.warning('A run was committed, and what was to follow failed.',
                        exc_info=True)
        finally:
            abort(self.manager)
            self.manager.explicit = explicit

    def _found(self, principal_id: str | None, site: Any) -> Any:
        try:
            return find_user(principal_id, site)
        except UnknownUser:
            raise
        except Exception as error:
            if is_transient(error) or is_storage_failure(error):
                raise
            # As when the directory is down that the users are kept in.
            raise RetryLater(reason=(
                f'{principal_id!r} could not be looked up: {error!r}'
            )) from error


def application_database(schedule: Any) -> Any:
    """The database with the application root, by that of the *schedule*.

    They differ if the site is mounted.
    """
    db = schedule._p_jar.db()
    main = Zope2.DB
    if main is not None and any(
            one is db for one in main.databases.values()):
        return main
    return db  # of a layer of tests, for instance


# -- the request, and the site


@contextmanager
def _in_site(app: Any, schedule: SiteSchedule, commits: bool
             ) -> Iterator[None]:
    """Inside, all is as in a request to the site of *schedule*."""
    request = make_request(app, schedule)
    kept = getSite(), getRequest(), vars(thread_local).copy()
    setSite(None)
    root = app.__of__(RequestContainer(REQUEST=request))
    request['PARENTS'] = [root]
    vars(thread_local).clear()
    thread_local.interaction = SecurityPolicy()
    setRequest(request)
    try:
        _traverse(root, schedule.path, request)
        request[COMMITS] = commits
        yield
    finally:
        request.close()
        site, before, interaction = kept
        setSite(site)
        setRequest(before)
        vars(thread_local).clear()
        vars(thread_local).update(interaction)


def make_request(app: Any, schedule: SiteSchedule) -> Any:
    """A request to the site of *schedule*, with the address that people see.

    Else links would read as if people came to this process.
    """
    told = settings().urls
    url = parse_url(schedule.url) if schedule.url else told.get(schedule.path)
    environ = {
        'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '', 'PATH_INFO': '/',
        'SERVER_PROTOCOL': 'HTTP/1.1', 'SERVER_NAME': 'localhost',
        'SERVER_PORT': '80', 'wsgi.url_scheme': 'http',
        'wsgi.input': BytesIO()}
    request = WSGIRequest(environ['wsgi.input'], environ, WSGIResponse())
    setDefaultSkin(request)
    request['ACTUAL_URL'] = request['URL']
    if url is not None:
        request.setServerURL(
            url.scheme, url.hostname, url.port or PORTS[url.scheme])
        site = site_at(app, schedule.path)
        request['PARENTS'] = [site]
        request.setVirtualRoot(url.path)
        request['ACTUAL_URL'] = request['URL']
    return request


def _traverse(root: Any, path: str, request: Any) -> None:
    """Go to the site, through all that are above, as a request does."""
    found = root
    _enter(found, request)
    for name in filter(None, path.split('/')):
        found = found._getOb(name)
        request['PARENTS'].insert(0, found)
        _enter(found, request)
    request['PUBLISHED'] = found


def _enter(found: Any, request: Any) -> None:
    if ISite.providedBy(found):
        setSite(found)
        notify(BeforeTraverseEvent(found, request))
