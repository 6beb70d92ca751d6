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
"""From a URI to an open database, and to the schedule in it."""

import os
import re
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import closing
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import entry_points
from typing import Any
from typing import Protocol
from typing import TypeVar
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import zodburi
from transaction import TransactionManager
from zc.lockfile import LockError
from ZODB.Connection import Connection
from ZODB.DB import DB
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadOnlyError

from zodbschedule import Schedule
from zodbschedule.cli.errors import Problem
from zodbschedule.cli.errors import in_a_line
from zodbschedule.transactions.workarounds import mend


T = TypeVar('T')

# How often a change is tried that conflicts with the work that goes on.
TRIES = 10

# Where the query of a URI can ask for a read-only storage.
READ_ONLY = frozenset({'file', 'zeo', 'postgres', 'mysql', 'oracle', 'sqlite'})

# Seconds to wait for a ZEO server, unless the URI says otherwise.  ZEO's own
# default, 30, outlasts the patience of people and of probes.
ZEO_WAIT = 5


class Access(Enum):
    """What a command is going to do with the database."""

    LOOK = 'read only; it has to exist'
    CHANGE = 'it has to exist'
    CREATE = 'it may be new'


class Place(Protocol):
    """Where a schedule stands, as the user says it; str() shows it."""

    def database(self, access: Access) -> AbstractContextManager[DB]:
        """The database, opened; closed in the end."""

    def find(self, connection: Connection) -> Schedule:
        """What stands there, if that is a schedule."""

    def make(self, connection: Connection) -> bool:
        """Put a schedule there; False if there is one already."""


@dataclass(frozen=True)
class Path:
    """A place that keys lead to, from the root of a database on."""

    uri: str
    path: str

    @property
    def keys(self) -> list[str]:
        keys = [key for key in self.path.split('/') if key]
        if not keys:
            raise Problem('--path names no key; write, for instance, schedule')
        return keys

    def __str__(self) -> str:
        return f'{"/".join(self.keys)} in {without_password(self.uri)}'

    @contextmanager
    def database(self, access: Access) -> Iterator[DB]:
        """See `Place`."""
        with closing(open_database(self.uri, access)) as db:
            yield db

    def find(self, connection: Connection) -> Schedule:
        """See `Place`."""
        parent = parent_of(connection, self)
        found = _child(parent, self.keys[-1], self)
        if found is None:
            raise Problem(f'there is no schedule at {self}; make one by '
                          f'zodbschedule init')
        return a_schedule(found, self)

    def make(self, connection: Connection) -> bool:
        """See `Place`."""
        parent, key = parent_of(connection, self), self.keys[-1]
        if _child(parent, key, self) is None:
            parent[key] = Schedule()
            return True
        self.find(connection)
        return False


# -- URIs --------------------------------------------------------------------


def full_uri(uri: str) -> str:
    """*uri*, or that of a FileStorage if it is the plain path of a file."""
    return uri if re.match(r'[A-Za-z][\w.+-]+:', uri) else f'file://{uri}'


def scheme_of(uri: str) -> str:
    return uri.partition(':')[0]


def without_password(uri: str) -> str:
    """*uri* as it may be shown, in mails of cron for instance."""
    uri = re.sub(r'(://[^:/@]*:)[^/]*@', r'\1***@', uri)
    return re.sub(r'\b(password|passwd)=[^&]*', r'\1=***', uri)


def with_query(uri: str, **options: object) -> str:
    """*uri* with more options; of two of a name the last one counts."""
    query = '&'.join(f'{name}={value}' for name, value in options.items())
    return f'{uri}{"&" if "?" in uri else "?"}{query}'


def _uri_for(uri: str, access: Access) -> str:
    scheme = scheme_of(uri)
    if scheme == 'zeo' and 'wait_timeout=' not in uri:
        uri = with_query(uri, wait_timeout=ZEO_WAIT)
    if access is Access.LOOK and scheme in READ_ONLY:
        uri = with_query(uri, read_only=1)
    return uri


# -- storages and databases --------------------------------------------------


class Source:
    """A database that can be opened, as often as need be.

    What is wrong for good is said when this is made.
    """

    def __init__(self, uri: str, access: Access) -> None:
        self.uri = full_uri(uri)
        self.access = access
        self.factory, self.options = _resolve(self.uri, access)
        config = _configured(self.factory)
        if access is Access.LOOK and hasattr(config, 'read_only'):
            config.read_only = True
        #: where its file is; None if it is not a file of this machine
        self.file = _file_of(self.uri, config)
        if access is not Access.CREATE:
            _refuse_missing(self.file)

    def open(self) -> DB:
        """Open it, read-only for looking where the storage can."""
        storage = _open_storage(self.uri, self.factory)
        try:
            db = DB(storage, **self.options)
            mend(db)
            return db
        except BaseException as error:
            storage.close()
            if isinstance(error, ReadOnlyError) and (
                    self.access is Access.LOOK):
                raise Problem(
                    f'{without_password(self.uri)} is empty') from error
            raise


def open_database(uri: str, access: Access) -> DB:
    """Open the database at once."""
    return Source(uri, access).open()


def _resolve(uri: str, access: Access
             ) -> tuple[Callable[[], Any], dict[str, Any]]:
    full = _uri_for(uri, access)
    try:
        resolved: tuple[Callable[[], Any], dict[str, Any]] = (
            zodburi.resolve_uri(full))
        return resolved
    except zodburi.NoResolverForScheme:
        known = sorted(
            each.name for each in entry_points(group='zodburi.resolvers'))
        raise Problem(
            f'unknown scheme {scheme_of(uri)!r}; installed are '
            f'{", ".join(known)}') from None
    except Exception as error:
        # Each resolver has errors of its own for a URI that is wrong.
        reason = in_a_line(error.args[0] if error.args else error)
        raise Problem(
            f'{without_password(uri)} cannot be understood: {reason}'
        ) from error


def _configured(factory: Callable[[], Any]) -> Any:
    """The storage's section of a ZConfig file, or None if there is none."""
    return getattr(getattr(factory, '__self__', None), 'config', None)


def _refuse_missing(path: str | None) -> None:
    """Storages that are files would make new ones where there are none."""
    if path and not os.path.exists(path):
        raise Problem(
            f'there is no database at {path}; zodbschedule init makes one')


def _file_of(uri: str, config: Any) -> str | None:
    match scheme_of(uri):
        case 'file':
            return uri.removeprefix('file://').partition('?')[0]
        case 'sqlite':
            options = dict(parse_qsl(urlsplit(uri).query))
            return os.path.join(options.get('data_dir', ''), 'main.sqlite3')
        case _:
            return getattr(config, 'path', None)


def _open_storage(uri: str, factory: Callable[[], Any]) -> Any:
    try:
        return factory()
    except LockError:
        raise
    except Exception as error:
        # Each storage, and each driver of one, has errors of its own.
        raise Problem(
            f'cannot open {without_password(uri)}: '
            f'{str(error) or type(error).__name__}') from error


# -- the schedule ------------------------------------------------------------


@contextmanager
def looking_at(place: Place) -> Iterator[Schedule]:
    """The schedule, to be read within one transaction."""
    with place.database(Access.LOOK) as db:
        with db.transaction() as connection:
            yield place.find(connection)


def changing(place: Place, note: str, change: Callable[[Schedule], T]) -> T:
    """What *change* returns; tried again if it conflicts."""
    with opened(place, Access.CHANGE) as connection:
        manager = connection.transaction_manager
        for attempt in manager.attempts(TRIES):
            with attempt as transaction:
                transaction.note(f'zodbschedule {note}')
                result = change(place.find(connection))
    return result


@contextmanager
def opened(place: Place, access: Access) -> Iterator[Connection]:
    """A connection with a transaction manager of its own."""
    with place.database(access) as db:
        connection = db.open(TransactionManager())
        try:
            yield connection
        finally:
            connection.transaction_manager.abort()
            connection.close()


def a_schedule(found: Any, place: object) -> Schedule:
    """*found*, if that is a schedule."""
    if not isinstance(found, Schedule):
        raise Problem(f'what stands at {place} is a {type(found).__name__}, '
                      f'not a schedule')
    return found


def parent_of(connection: Connection, place: Path) -> Any:
    """The mapping that holds, or is to hold, the schedule."""
    parent = connection.root()
    for key in place.keys[:-1]:
        parent = _child(parent, key, place)
        if parent is None:
            raise Problem(f'there is no {key!r} on the way to {place}')
    return parent


def _child(parent: Any, key: str, place: Path) -> Any:
    try:
        return parent[key]
    except POSKeyError:  # is a KeyError, and means damage
        raise
    except KeyError:
        return None
    except (TypeError, AttributeError):
        raise Problem(
            f'{key!r} on the way to {place} would be in a '
            f'{type(parent).__name__}, which is no mapping') from None
