"""The databases that the benchmarks share between processes.

Each server is a process of its own, listens on 127.0.0.1 only, and writes
with fsync.
"""

import argparse
import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import transaction
import ZODB
from transaction import TransactionManager
from ZODB.FileStorage import FileStorage


#: what the workers are measured on
SHARED = 'ZEO', 'PostgreSQL'

#: a server that has no class of ours, for conflicts, as most have none
RUN_ZEO = (
    'import sys; sys.modules["zodbschedule"] = None; '
    'from ZEO.runzeo import main; main()')

# How many seconds a server may take to come up.
PATIENCE = 60


class Where(NamedTuple):
    """Where a database is, for any process."""

    storage: str
    #: host and port, or None for a file
    address: tuple[str, int] | None
    #: where it keeps its data
    folder: Path
    #: the process of the server
    pid: int = 0

    @property
    def path(self) -> Path:
        """The file of a FileStorage, our own or the one of the server."""
        return self.folder / 'Data.fs'

    def open(self, **options) -> ZODB.DB:
        """A client of its own; *options* are of the ZEO client."""
        if self.storage == 'FileStorage':
            return ZODB.DB(FileStorage(str(self.path)))
        if self.storage == 'ZEO':
            import ZEO
            return ZEO.DB(self.address, **options)
        from relstorage.adapters.postgresql import PostgreSQLAdapter
        from relstorage.options import Options
        from relstorage.storage import RelStorage
        settings = Options(keep_history=False)
        return ZODB.DB(RelStorage(
            PostgreSQLAdapter(dsn=dsn(self.address), options=settings),
            options=settings))

    @contextmanager
    def client(self) -> Iterator:
        """A connection of a client of its own, with an explicit manager."""
        db = self.open()
        manager = TransactionManager(explicit=True)
        connection = db.open(manager)
        try:
            yield connection
        finally:
            connection.close()
            db.close()


def dsn(address: tuple[str, int]) -> str:
    """What psycopg2 wants to know."""
    host, port = address
    return f'host={host} port={port} user=zodb dbname=postgres'


@contextmanager
def server(storage: str) -> Iterator[Where]:
    """A new database; a server for it, unless it is a FileStorage."""
    with tempfile.TemporaryDirectory(prefix='benchmark-') as name:
        folder = Path(name)
        if storage == 'FileStorage':
            yield Where(storage, None, folder)
            return
        address = '127.0.0.1', free_port()
        where = Where(storage, address, folder)
        start = _start_zeo if storage == 'ZEO' else _start_postgresql
        process = start(where)
        try:
            _wait_for(where, process)
            # Two that open a new one at once conflict about its root.
            where.open().close()
            yield where._replace(pid=process.pid)
        finally:
            # PostgreSQL takes that as "do not wait for the clients".
            process.send_signal(
                subprocess.signal.SIGTERM if storage == 'ZEO'
                else subprocess.signal.SIGINT)
            process.wait()


def _start_zeo(where: Where) -> subprocess.Popen:
    host, port = where.address
    conf = where.folder / 'zeo.conf'
    conf.write_text(
        f'<zeo>\n  address {host}:{port}\n</zeo>\n'
        f'<filestorage>\n  path {where.path}\n</filestorage>\n')
    return subprocess.Popen(
        [sys.executable, '-c', RUN_ZEO, '-C', str(conf)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _start_postgresql(where: Where) -> subprocess.Popen:
    programs = postgresql_programs()
    user = _unprivileged(where.folder)
    data = where.folder / 'data'
    subprocess.run(
        [f'{programs}/initdb', '-D', data, '-U', 'zodb', '-A', 'trust',
         '-E', 'UTF8', '--no-locale', '--no-sync'],
        check=True, stdout=subprocess.DEVNULL, cwd=where.folder, **user)
    return subprocess.Popen(
        [f'{programs}/postgres', '-D', data, '-p', str(where.address[1]),
         '-k', where.folder, '-c', 'listen_addresses=127.0.0.1'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        cwd=where.folder, **user)


def postgresql_programs() -> str | None:
    """The folder of the server's programs, or None."""
    found = [os.path.dirname(path) for path in [
        shutil.which('postgres'),
        *sorted(glob.glob('/usr/lib/postgresql/*/bin/postgres'))] if path]
    return found[-1] if found else None


def _unprivileged(folder: Path) -> dict:
    """As whom to start PostgreSQL: it refuses to run as root."""
    if os.getuid():
        return {}
    user = pwd.getpwnam('postgres')
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {'user': user.pw_uid, 'group': user.pw_gid, 'extra_groups': []}


def _wait_for(where: Where, process: subprocess.Popen) -> None:
    answers = _listens if where.storage == 'ZEO' else _accepts
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if answers(where.address):
            return
        time.sleep(.02)
    raise SystemExit(f'The {where.storage} server did not start.')


def server_time(pid: int) -> float:
    """Seconds that a server and its children have used of the processor."""
    return sum(sum(_ticks(path)) for path in (
        f'/proc/{one}/stat' for one in (pid, *_children(pid)))
        ) / os.sysconf('SC_CLK_TCK')


def _children(pid: int) -> list[str]:
    return Path(f'/proc/{pid}/task/{pid}/children').read_text().split()


def _ticks(path: str) -> list[int]:
    """Of the process, and of those children that it has waited for."""
    try:
        fields = Path(path).read_text().rpartition(')')[2].split()
    except OSError:
        return []
    return [int(field) for field in fields[11:15]]


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def _accepts(address: tuple[str, int]) -> bool:
    import psycopg2
    try:
        psycopg2.connect(dsn(address)).close()
    except psycopg2.OperationalError:
        return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


# -- which of them


def choose_storages(parser: argparse.ArgumentParser) -> None:
    """The option that says which are measured; see `arguments`."""
    parser.add_argument(
        '--storage', action='append', metavar='NAME',
        help='FileStorage, ZEO or PostgreSQL; default: all that are there')


def storages(args: argparse.Namespace, *known: str) -> list[str]:
    """Those of *known* that are asked for, and can be started."""
    wanted = [name for name in known if name in (args.storage or known)]
    if 'PostgreSQL' in wanted and (problem := _without_postgresql()):
        print(f'PostgreSQL is left out: {problem}')
        wanted.remove('PostgreSQL')
    return wanted


def _without_postgresql() -> str | None:
    """Why it cannot be measured here, or None."""
    try:
        import psycopg2  # noqa: F401
        import relstorage  # noqa: F401
    except ImportError as error:
        return f"{error}; pip install 'zodbschedule[benchmarks]'"
    if postgresql_programs() is None:
        return 'no program postgres; install the package postgresql'
    return None


# -- for `process()`


@contextmanager
def zeo_server() -> Iterator[tuple[str, int]]:
    """The address of a ZEO server."""
    with server('ZEO') as where:
        yield where.address


@contextmanager
def zeo_client(address: tuple[str, int]) -> Iterator:
    """A connection to that server, on the thread's transaction manager."""
    import ZEO
    db = ZEO.DB(address)
    connection = db.open()
    try:
        yield connection
    finally:
        transaction.abort()
        db.close()
