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
"""The databases of a Zope, opened as its ``zope.conf`` says.

The Zope is not started: its products, its add-ons and their configuration are
not loaded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from zc.lockfile import LockError
from ZODB.DB import DB
from ZODB.POSException import ReadOnlyError

from zodbschedule.cli.database import Access
from zodbschedule.cli.database import only_read
from zodbschedule.cli.database import refuse_missing
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.zope_objects import APPLICATION
from zodbschedule.cli.zope_objects import Classes
from zodbschedule.errors.text import ErrorText
from zodbschedule.plain_text import one_line
from zodbschedule.transactions.workarounds import mend


@contextmanager
def zope_database(conf: str, access: Access) -> Iterator[DB]:
    """The database of the application root, and with it those mounted."""
    tab = configured(conf).dbtab
    classes = Classes(partial(_mount, tab))
    for factory in tab.db_factories.values():
        _prepare(factory.config, access, classes)
    try:
        for path in dict(tab.listMountPaths()):
            mend(_opened(conf, tab, path))
        yield _opened(conf, tab, '/')
    finally:
        for db in tab.databases.values():
            db.close()


def configured(conf: str) -> Any:
    """The configuration of the Zope, which is that of this process then."""
    try:
        run = import_module('Zope2.Startup.run')
        import_module('zodbschedule.zope')
    except ImportError as error:
        raise CommandError(
            f"--zope needs Zope ({one_line(error)}); install it with: "
            f"pip install 'zodbschedule[zope]'") from error
    with errors_as(CommandError, f'{conf}: Zope does not start'):
        run.configure_wsgi(conf)
        return import_module('App.config').getConfiguration()


@contextmanager
def errors_as(kind: type[CommandError], what: str) -> Iterator[None]:
    """Say *what* has failed in one line, whatever an add-on raises."""
    try:
        yield
    except (LockError, ReadOnlyError):
        raise
    except (Exception, SystemExit) as error:
        raise kind(f'{what}: {ErrorText(error)}') from error


def _prepare(section: Any, access: Access, classes: Classes) -> None:
    section.class_factory = classes
    storage = section.storage.config
    refuse_missing(getattr(storage, 'path', None))
    if access is Access.READ:
        only_read(storage)


def _opened(conf: str, tab: Any, path: str) -> DB:
    try:
        with errors_as(CommandError, f'{conf}: the database at {path} cannot '
                                     f'be opened'):
            db: DB = tab.getDatabase(path)
            return db
    except ReadOnlyError as error:
        raise CommandError(
            f'{conf}: the database at {path} is empty; start the Zope once'
        ) from error


def _mount(tab: Any, path: str) -> tuple[str, str, str]:
    """See `Mounts`."""
    root, real_path, _ = tab.getDatabaseFactory(path).getMountParams(path)
    return tab.getName(path), root or APPLICATION, real_path or path
