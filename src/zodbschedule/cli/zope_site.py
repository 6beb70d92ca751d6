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
"""The schedule of a site of a Zope.

Most commands open the databases of the Zope themselves.  Those that run or
make something need its code: for them the Zope is started.
"""

import os
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from configparser import RawConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from zodbschedule import Schedule
from zodbschedule.cli.database import Access
from zodbschedule.cli.errors import EXIT_FAILED
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.zope_databases import configured
from zodbschedule.cli.zope_databases import errors_as
from zodbschedule.cli.zope_databases import zope_database
from zodbschedule.cli.zope_objects import APPLICATION
from zodbschedule.cli.zope_objects import Classes
from zodbschedule.cli.zope_objects import is_without_zope


# What Zope and cookiecutter-zope-instance, and plone.recipe.zope2instance,
# call the file that the server is started by.
INIS = 'zope.ini', 'wsgi.ini'


@dataclass(frozen=True)
class ZopeLocation:
    """A site, as a `zodbschedule.cli.database.Location`."""

    conf: str
    #: from the root, or None for the only one that has a schedule
    path: str | None

    def __str__(self) -> str:
        return f'{self.path or "the only site"} in {self.conf}'

    @property
    def log_config(self) -> Path | None:
        """The file beside *conf* by which the server of the Zope logs."""
        for path in map(Path(self.conf).with_name, INIS):
            parser = RawConfigParser(strict=False)
            parser.read(path)
            if parser.has_section('loggers'):
                return path
        return None

    @contextmanager
    def started(self) -> Iterator['Zope']:
        """The Zope, started; its databases are closed in the end."""
        zope = Zope(self.conf)
        try:
            yield zope
        finally:
            zope.close()

    @contextmanager
    def database(self, access: Access) -> Iterator[Any]:
        """See `Location`.  Zope's configuration says how to open it."""
        if access in (Access.RUN, Access.CREATE):
            with self.started() as zope:
                yield zope.db
        else:
            with zope_database(self.conf, access) as db:
                yield db

    def find(self, connection: Any) -> Any:
        """See `Location`."""
        if not is_without_zope(connection):
            return self._site_and_schedule(connection)[1]
        classes = connection.db().classFactory
        sites = import_module('zodbschedule.zope.sites')
        with classes.application(connection) as app:
            return self._found(self._look(classes, app, sites), sites)

    def _look(self, classes: Classes, app: Any, sites: Any) -> Any:
        """What the annotation of the site is, where no Zope is started."""
        paths = classes.annotation(app, sites.PATHS_KEY) or ()
        site = self._refuse_gone(
            lambda path: classes.object_at(app, path), paths)
        return classes.annotation(site, sites.SCHEDULE_KEY)

    @property
    def label(self) -> str:
        """See `Location`."""
        return self.path or ''

    def schedules(self, connection: Any) -> list[Any]:
        """See `Location`.  No Zope is started for that."""
        if self.path is not None:
            return [self]
        classes = connection.db().classFactory
        sites = import_module('zodbschedule.zope.sites')
        with classes.application(connection) as app:
            paths = list(classes.annotation(app, sites.PATHS_KEY) or ())
        return [replace(self, path=path) for path in paths]

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
            schedule = sites.install(site)
        except ValueError as error:
            raise CommandError(str(error)) from error
        for hint in schedule.hints:
            click.echo(f'Warning: {hint}', err=True)
        return True

    def _site_and_schedule(self, connection: Any) -> tuple[Any, Schedule]:
        sites = import_module('zodbschedule.zope.sites')
        site = self._site(connection, sites)
        return site, self._found(sites.schedule_of(site), sites)

    def _found(self, found: Any, sites: Any) -> Schedule:
        if not isinstance(found, Schedule):
            raise CommandError(
                f'there is no schedule at {self}; create one with: '
                f'zodbschedule init, or install the profile {sites.PROFILE}')
        return found

    def _site(self, connection: Any, sites: Any) -> Any:
        app = connection.root()[APPLICATION]
        return self._refuse_gone(
            partial(sites.object_at, app), sites.site_paths(app))

    def _refuse_gone(self, object_at: Callable[[str], Any],
                     paths: Collection[str]) -> Any:
        """The site, found by its path; *paths* are those with a schedule."""
        path = self.path
        if path is None:
            if len(paths) != 1:
                raise CommandError(
                    f'--path is missing; give one of the sites that have a '
                    f'schedule: {", ".join(paths) or "none"}')
            [path] = paths
        found = object_at(path)
        if found is None:
            raise CommandError(f'there is no object at {path} in {self.conf}; '
                               f'correct --path')
        return found


@dataclass(frozen=True)
class SiteLocation(ZopeLocation):
    """A site, where commands find the site and not its schedule alone."""

    @contextmanager
    def database(self, access: Access) -> Iterator[Any]:
        """See `Location`.  Only a Zope knows what is contributed."""
        with self.started() as zope:
            yield zope.db

    def find(self, connection: Any) -> Any:
        return self._site_and_schedule(connection)[0]


class ZopeFailed(CommandError):
    """The configuration is right, but the Zope does not start with it.

    That may pass: a database is away, or an add-on is being replaced.  So a
    service manager may try again.
    """

    exit_code = EXIT_FAILED


class Zope:
    """A Zope that this process has started; there can be one."""

    def __init__(self, conf: str) -> None:
        configured(conf)
        os.environ['ZOPE_CONFIG'] = conf
        zope2 = import_module('Zope2')
        self.workers = import_module('zodbschedule.zope.workers')
        with errors_as(ZopeFailed, f'{conf}: Zope does not start'):
            zope2.startup_wsgi()
        self.db = zope2.DB

    def worker(self, *paths: str, **options: Any) -> Any:
        """A worker for the sites at those paths, or for all sites."""
        self.workers.enlarge_pools(self.db, 2 * options['threads'] + 2)
        return self.workers.SitesWorker(self.db, *paths, **options)

    def close(self) -> None:
        """Close the databases of the Zope."""
        for db in list(self.db.databases.values()):
            db.close()
