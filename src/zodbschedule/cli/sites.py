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
"""Schedules of the sites of a Zope, which is started for a command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from zodbschedule import Schedule
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.errors import in_a_line


@dataclass(frozen=True)
class Site:
    """A site, as a place; see `zodbschedule.cli.database.Place`."""

    conf: str
    #: from the root, or None for the only one that has a schedule
    path: str | None

    def __str__(self) -> str:
        return f'{self.path or "the only site"} in {self.conf}'

    @contextmanager
    def started(self) -> Iterator['Zope']:
        """The Zope, started up; its databases are closed in the end."""
        zope = Zope(self.conf)
        try:
            yield zope
        finally:
            zope.close()

    @contextmanager
    def database(self, access: Any) -> Iterator[Any]:
        """See `Place`.  Zope opens what its configuration says."""
        with self.started() as zope:
            yield zope.db

    def find(self, connection: Any) -> Schedule:
        """See `Place`."""
        return self._found(connection)[1]

    def make(self, connection: Any) -> bool:
        """See `Place`."""
        homes = import_module('zodbschedule.zope.sites')
        if self.path is None:
            raise Problem('--path has to say which site is to have it')
        site = self._site(connection, homes)
        if homes.schedule_of(site) is not None:
            return False
        try:
            homes.install(site)
        except ValueError as error:
            raise Problem(str(error)) from error
        return True

    def _found(self, connection: Any) -> tuple[Any, Schedule]:
        """The site and its schedule."""
        homes = import_module('zodbschedule.zope.sites')
        site = self._site(connection, homes)
        found: Schedule | None = homes.schedule_of(site)
        if found is None:
            raise Problem(f'there is no schedule at {self}; make one by '
                          f'zodbschedule init, or by installing the profile '
                          f'{homes.PROFILE}')
        return site, found

    def _site(self, connection: Any, homes: Any) -> Any:
        app = connection.root()['Application']
        path = self.path
        if path is None:
            paths = homes.site_paths(app)
            if len(paths) != 1:
                known = ', '.join(paths) or 'none'
                raise Problem(f'--path has to say which site is meant; those '
                              f'with a schedule: {known}')
            path = paths[0]
        found = homes.site_at(app, path)
        if found is None:
            raise Problem(f'there is nothing at {path} in {self.conf}')
        return found


@dataclass(frozen=True)
class WholeSite(Site):
    """A place where commands find the site and not its schedule alone."""

    def find(self, connection: Any) -> Any:
        return self._found(connection)[0]


class Zope:
    """A Zope that was started by this process; there can be one."""

    def __init__(self, conf: str) -> None:
        try:
            zope2 = import_module('Zope2')
            run = import_module('Zope2.Startup.run')
            self.workers = import_module('zodbschedule.zope.workers')
        except ImportError as error:
            raise Problem(f'--zope needs Zope: {in_a_line(error)}') from error
        os.environ['ZOPE_CONFIG'] = conf
        try:
            run.configure_wsgi(conf)
            zope2.startup_wsgi()
        except Exception as error:
            # Whatever is configured may be at fault.
            raise Problem(
                f'{conf}: Zope does not start: {type(error).__name__}: '
                f'{in_a_line(error)}') from error
        self.db = zope2.DB

    def worker(self, *paths: str, **options: Any) -> Any:
        """One for the sites at those paths, or for all."""
        self.workers.enlarge_pools(self.db, 2 * options['threads'] + 1)
        return self.workers.SitesWorker(self.db, *paths, **options)

    def close(self) -> None:
        """Close what it has opened."""
        for db in list(self.db.databases.values()):
            db.close()
