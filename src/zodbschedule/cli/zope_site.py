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
"""The schedule of a site of a Zope, which is started for a command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from zodbschedule import Schedule
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.errors import one_line
from zodbschedule.errors.text import ErrorText


@dataclass(frozen=True)
class ZopeLocation:
    """A site, as a `zodbschedule.cli.database.Location`."""

    conf: str
    #: from the root, or None for the only one that has a schedule
    path: str | None

    def __str__(self) -> str:
        return f'{self.path or "the only site"} in {self.conf}'

    @contextmanager
    def started(self) -> Iterator['Zope']:
        """The Zope, started; its databases are closed in the end."""
        zope = Zope(self.conf)
        try:
            yield zope
        finally:
            zope.close()

    @contextmanager
    def database(self, access: Any) -> Iterator[Any]:
        """See `Location`.  Zope's configuration says how to open it."""
        with self.started() as zope:
            yield zope.db

    def find(self, connection: Any) -> Schedule:
        """See `Location`."""
        return self._site_and_schedule(connection)[1]

    def make(self, connection: Any) -> bool:
        """See `Location`."""
        sites = import_module('zodbschedule.zope.sites')
        if self.path is None:
            raise CommandError(
                '--path is missing; give the path of the site that is to '
                'have a schedule')
        site = self._site(connection, sites)
        if sites.schedule_of(site) is not None:
            return False
        try:
            sites.install(site)
        except ValueError as error:
            raise CommandError(str(error)) from error
        return True

    def _site_and_schedule(self, connection: Any) -> tuple[Any, Schedule]:
        sites = import_module('zodbschedule.zope.sites')
        site = self._site(connection, sites)
        found: Schedule | None = sites.schedule_of(site)
        if found is None:
            raise CommandError(
                f'there is no schedule at {self}; create one with: '
                f'zodbschedule init, or install the profile {sites.PROFILE}')
        return site, found

    def _site(self, connection: Any, sites: Any) -> Any:
        app = connection.root()['Application']
        path = self.path
        if path is None:
            paths = sites.site_paths(app)
            if len(paths) != 1:
                raise CommandError(
                    f'--path is missing; give one of the sites that have a '
                    f'schedule: {", ".join(paths) or "none"}')
            path = paths[0]
        found = sites.object_at(app, path)
        if found is None:
            raise CommandError(f'there is no object at {path} in {self.conf}; '
                               f'correct --path')
        return found


@dataclass(frozen=True)
class SiteLocation(ZopeLocation):
    """A site, where commands find the site and not its schedule alone."""

    def find(self, connection: Any) -> Any:
        return self._site_and_schedule(connection)[0]


class ZopeFailed(CommandError):
    """The configuration is right, but the Zope does not start with it.

    That may pass: a database is away, or an add-on is being replaced.
    """


class Zope:
    """A Zope that this process has started; there can be one."""

    def __init__(self, conf: str) -> None:
        try:
            zope2 = import_module('Zope2')
            run = import_module('Zope2.Startup.run')
            self.workers = import_module('zodbschedule.zope.workers')
        except ImportError as error:
            raise CommandError(
                f"--zope needs Zope ({one_line(error)}); install it with: "
                f"pip install 'zodbschedule[zope]'") from error
        os.environ['ZOPE_CONFIG'] = conf
        with _errors_as(CommandError, conf):
            run.configure_wsgi(conf)
        with _errors_as(ZopeFailed, conf):
            zope2.startup_wsgi()
        self.db = zope2.DB

    def worker(self, *paths: str, **options: Any) -> Any:
        """A worker for the sites at those paths, or for all sites."""
        self.workers.enlarge_pools(self.db, 2 * options['threads'] + 1)
        return self.workers.SitesWorker(self.db, *paths, **options)

    def close(self) -> None:
        """Close the databases of the Zope."""
        for db in list(self.db.databases.values()):
            db.close()


@contextmanager
def _errors_as(kind: type[CommandError], conf: str) -> Iterator[None]:
    """Say in a line that the Zope does not start, whatever an add-on raises.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        raise kind(
            f'{conf}: Zope does not start: {ErrorText(error)}') from error
