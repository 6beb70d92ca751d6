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
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any
from typing import Protocol
from typing import TypeVar
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

from transaction import TransactionManager
from zc.lockfile import LockError
from ZODB.Connection import Connection
from ZODB.DB import DB
from ZODB.FileStorage.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import FileStorageFormatError
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadOnlyError
from ZODB.POSException import StorageError

from zodbschedule import Schedule
from zodbschedule.cli import logs
from zodbschedule.cli.errors import CommandError
from zodbschedule.cli.user import name_user
from zodbschedule.errors.text import ErrorText
from zodbschedule.plain_text import one_line
from zodbschedule.plain_text import without_password
from zodbschedule.scheduling.soundness.parts import naming_damage
from zodbschedule.transactions.lines import remember_sessions
from zodbschedule.transactions.workarounds import mend


T = TypeVar('T')

#: what opens a storage, and the options of its database
Resolved = tuple[Callable[[], Any], dict[str, Any]]

# How often a change is tried that conflicts with other transactions.
TRIES = 10

# The schemes whose query can ask for a read-only storage.
READ_ONLY = frozenset({'file', 'zeo', 'postgres', 'mysql', 'oracle', 'sqlite'})

# Those of them that are RelStorage, which makes tables if there are none.
RELSTORAGE = READ_ONLY - {'file', 'zeo'}

# The default of zodburi, in objects.
ZODBURI_CACHE_SIZE = 10_000

# Seconds to wait for a ZEO server, unless the URI says otherwise.  ZEO's own
# default, 30, outlasts the patience of people and of probes.
ZEO_WAIT = 5

# The same for a PostgreSQL server.  The default of its driver is for ever,
# also behind something that takes the connection and never answers.
POSTGRESQL_WAIT = 10


class Access(Enum):
    """What a command does with the database."""

    READ = 'read only; it must exist'
    CHANGE = 'it must exist'
    RUN = 'it must exist, and code of the application is used'
    CREATE = 'it may be new'


class Location(Protocol):
    """Which schedule the user means; str() shows it."""

    @property
    def path(self) -> str | None:
        """Where it is; None: at the only place that has one."""

    def database(self, access: Access) -> AbstractContextManager[DB]:
        """The open database; closed at the end of the context."""

    def find(self, connection: Connection) -> Schedule:
        """The schedule at this location; raises CommandError."""

    @property
    def label(self) -> str:
        """The path, as metrics have it; '' if it is not known."""

    def schedules(self, connection: Connection) -> 'list[Location]':
        """Where the schedules are, if it may mean several."""

    def make(self, connection: Connection) -> bool:
        """Create a schedule at this location; False if one exists."""


@dataclass(frozen=True)
class DatabaseLocation:
    """A path of keys from the root of a database."""

    uri: str
    path: str

    @property
    def keys(self) -> list[str]:
        keys = [key for key in self.path.split('/') if key]
        if not keys:
            raise CommandError(
                f'--path {self.path!r} has no key; write, for example, '
                f'--path schedule')
        return keys

    def __str__(self) -> str:
        return f'{"/".join(self.keys)} in {without_password(self.uri)}'

    @contextmanager
    def database(self, access: Access) -> Iterator[DB]:
        """See `Location`."""
        with closing(open_database(self.uri, access)) as db:
            yield db

    def find(self, connection: Connection) -> Schedule:
        """See `Location`."""
        parent = parent_of(connection, self)
        found = _child(parent, self.keys[-1], self)
        if found is None:
            raise CommandError(f'there is no schedule at {self}; create one '
                               f'with: zodbschedule init')
        return checked_schedule(found, self)

    @property
    def label(self) -> str:
        """See `Location`."""
        return '/'.join(self.keys)

    def schedules(self, connection: Connection) -> list[Location]:
        """See `Location`."""
        return [self]

    def make(self, connection: Connection) -> bool:
        """See `Location`."""
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


def with_query(uri: str, **options: object) -> str:
    """*uri* with more options; the last of two with one name counts."""
    query = '&'.join(f'{name}={value}' for name, value in options.items())
    return f'{uri}{"&" if "?" in uri else "?"}{query}'


def _uri_for(uri: str, access: Access) -> str:
    scheme = scheme_of(uri)
    if scheme == 'zeo' and 'wait_timeout=' not in uri:
        uri = with_query(uri, wait_timeout=ZEO_WAIT)
    if scheme == 'postgres' and 'connect_timeout=' not in uri:
        uri = with_query(uri, connect_timeout=POSTGRESQL_WAIT)
    if access is Access.READ and scheme in READ_ONLY:
        uri = with_query(uri, read_only=1)
    elif scheme == 'zeo' and 'read_only' not in uri:
        # Else a server that is read-only looks as if it were not there.
        uri = with_query(uri, read_only_fallback=1)
    return uri


# -- storages and databases --------------------------------------------------


class Source:
    """A database that can be opened any number of times.

    The constructor raises CommandError for errors that no retry can fix.
    """

    def __init__(self, uri: str, access: Access) -> None:
        self.uri = full_uri(uri)
        self.access = access
        self.factory, self.options = _resolve(self.uri, access)
        config = _configured(self.factory)
        if access is Access.READ:
            only_read(config)
        #: the path of its file; None if it is not a file of this machine
        self.file = _file_of(self.uri, config)
        if access is not Access.CREATE:
            refuse_missing(self.file)

    def open(self) -> DB:
        """Open it, for `Access.READ` read-only if the storage can do that."""
        with _tables_as_they_are(self.uri, self.access):
            storage = _open_storage(self.uri, self.factory)
        # The first session is opened with the database.
        remember_sessions(storage)
        try:
            db = DB(storage, **self.options)
            mend(db)
            return db
        except BaseException as error:
            storage.close()
            if isinstance(error, ReadOnlyError) and (
                    self.access is Access.READ):
                raise CommandError(
                    f'{without_password(self.uri)} is empty; create a '
                    f'schedule with: zodbschedule init') from error
            raise


def only_read(config: Any) -> None:
    """Set what a section of a ZConfig file has of that."""
    for name, value in ('read_only', True), ('create_schema', False):
        if hasattr(config, name):
            setattr(config, name, value)


@contextmanager
def _tables_as_they_are(uri: str, access: Access) -> Iterator[None]:
    """Inside, RelStorage makes no tables for who only reads.

    Its URIs have no option for that; so the default is another meanwhile.
    """
    if access is not Access.READ or scheme_of(uri) not in RELSTORAGE:
        yield
        return
    from relstorage.options import Options
    Options.create_schema = False
    try:
        yield
    finally:
        Options.create_schema = True


def open_database(uri: str, access: Access) -> DB:
    """Open the database at once."""
    return Source(uri, access).open()


def _resolve(uri: str, access: Access) -> Resolved:
    if uri.startswith('file://') and '?' not in uri:
        return _resolve_file(uri, access)
    return _resolve_with_zodburi(uri, access)


def _resolve_file(uri: str, access: Access) -> Resolved:
    """The same as zodburi, which would import ZEO, asyncio and ssl for it."""
    path = os.path.normpath(uri.removeprefix('file://'))
    factory = partial(FileStorage, path, read_only=access is Access.READ)
    return factory, {'cache_size': ZODBURI_CACHE_SIZE}


def _resolve_with_zodburi(uri: str, access: Access) -> Resolved:
    import zodburi
    try:
        resolved: Resolved = zodburi.resolve_uri(_uri_for(uri, access))
        return resolved
    except zodburi.NoResolverForScheme:
        raise CommandError(
            f'the URI scheme {scheme_of(uri)!r} is unknown; use one of '
            f'{", ".join(_schemes())}') from None
    except Exception as error:
        # Each resolver has errors of its own for a wrong URI.
        reason = one_line(error.args[0] if error.args else error)
        raise CommandError(
            f'the URI {without_password(uri)} is invalid: {reason}'
        ) from error


def _schemes() -> list[str]:
    from importlib.metadata import entry_points
    return sorted(each.name for each in entry_points(
        group='zodburi.resolvers'))


def _configured(factory: Callable[[], Any]) -> Any:
    """The storage's section of a ZConfig file, or None if there is none."""
    return getattr(getattr(factory, '__self__', None), 'config', None)


def refuse_missing(path: str | None) -> None:
    """Raise CommandError if there is no such file.

    A storage that is a file would create a new one.
    """
    if path and not os.path.exists(path):
        raise CommandError(
            f'there is no database at {path}; create one with: '
            f'zodbschedule init')


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
        raise CommandError(_why_not_opened(uri, error)) from error


def _why_not_opened(uri: str, error: Exception) -> str:
    shown, message = without_password(uri), ErrorText(error).message
    match error:
        case FileStorageFormatError():
            return (f'{shown} is no database: the file is of another kind, or '
                    f'its beginning is damaged; correct --db, or restore it '
                    f'from a backup')
        case Exception() if scheme_of(uri) == 'file' and not isinstance(
                error, OSError):
            return f'{shown} is damaged: {message}; restore it from a backup'
        case StorageError() if message.startswith('Schema mismatch'):
            # RelStorage names other reasons for tables that are not there,
            # and then all of the system's.
            return (f'cannot open {shown}: {message.partition(".")[0]}; if it '
                    f'is empty, create a schedule with: zodbschedule init')
        case _:
            # Each storage, and each database driver, has errors of its own.
            return f'cannot open {shown}: {message}'


# -- the schedule ------------------------------------------------------------


@contextmanager
def read_schedule(location: Location) -> Iterator[Schedule]:
    """The schedule, to be read within one transaction, which is aborted.

    A copy that nobody has used arrives in it: see `scheduling.arrival`.
    """
    with open_connection(location, Access.READ) as connection:
        schedule = location.find(connection)
        with logs.damage_shown(), naming_damage(schedule):
            yield schedule


def change_schedule(location: Location, note: str,
                    change: Callable[[Schedule], T], by: str | None = None,
                    access: Access = Access.CHANGE) -> T:
    """What *change* returns; it is committed, and retried on conflicts.

    The transaction names *by*, or else the user of the system.
    """
    with changing(location, by, access) as commit:
        result: T = commit(note, change)
    return result


@contextmanager
def changing(location: Location, by: str | None,
             access: Access = Access.CHANGE
             ) -> Iterator[Callable[[str, Callable[[Schedule], Any]], Any]]:
    """The same for several changes, each in its own transaction.

    The value is a function of a note and a change.
    """
    with open_connection(location, access) as connection:
        yield partial(_commit, location, connection, by)


def _commit(location: Location, connection: Connection, by: str | None,
            note: str, change: Callable[[Schedule], T]) -> T:
    for attempt in connection.transaction_manager.attempts(TRIES):
        with attempt as transaction:
            transaction.note(f'zodbschedule {note}')
            name_user(transaction, by)
            schedule = location.find(connection)
            with logs.damage_shown(), naming_damage(schedule):
                result = change(schedule)
    connection.cacheGC()  # or a million tasks stay in memory
    return result


@contextmanager
def open_connection(location: Location, access: Access
                    ) -> Iterator[Connection]:
    """A connection with a transaction manager of its own."""
    with location.database(access) as db:
        connection = db.open(TransactionManager())
        try:
            yield connection
        finally:
            connection.transaction_manager.abort()
            connection.close()


def checked_schedule(found: Any, location: object) -> Schedule:
    """*found*, if that is a schedule; raises CommandError."""
    if not isinstance(found, Schedule):
        raise CommandError(
            f'the object at {location} is a {type(found).__name__}, not a '
            f'schedule; correct --path')
    return found


def refuse_other(connection: Connection, location: DatabaseLocation) -> None:
    """Raise CommandError if something else stands in the path of a schedule.

    What is not there may come.
    """
    found: Any = connection.root()
    with suppress(POSKeyError):  # Damage is told by who reads more.
        for key in location.keys:
            found = _child(found, key, location)
            if found is None:
                return
        checked_schedule(found, location)


def parent_of(connection: Connection, location: DatabaseLocation) -> Any:
    """The mapping that holds, or is to hold, the schedule."""
    parent = connection.root()
    for key in location.keys[:-1]:
        parent = _child(parent, key, location)
        if parent is None:
            raise CommandError(
                f'there is no key {key!r} in the path {location}; correct '
                f'--path, or create the mapping in your application')
    return parent


def _child(parent: Any, key: str, location: DatabaseLocation) -> Any:
    try:
        return parent[key]
    except POSKeyError:  # a KeyError that means damage
        raise
    except KeyError:
        return None
    except (TypeError, AttributeError):
        raise CommandError(
            f'{key!r} in the path {location} would be in a '
            f'{type(parent).__name__}, which is not a mapping; correct --path'
        ) from None
