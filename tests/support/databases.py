"""Real databases for the tests: FileStorage, a ZEO server, RelStorage.

Servers are processes of their own, listen on 127.0.0.1 only, and end with the
tests, however those end: each watches its standard input, which is a pipe
from us.
"""

import glob
import os
import pathlib
import pwd
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

import psycopg2
import pytest
import ZODB
import zodburi
from transaction import TransactionManager
from transaction.interfaces import NoTransaction

from zodbschedule import Schedule
from zodbschedule.transactions.workarounds import mend


HERE = pathlib.Path(__file__).parent

STORAGES = ('FileStorage', 'ZEO', 'PostgreSQL')

# Also to be had, by tests to which that matters.
HISTORY = 'PostgreSQL with history'
SQLITE = 'SQLite'

# How long a server may take to come up, on a machine that is busy.
PATIENCE = 60

# After how many seconds a server that was told to stop is told again.
AGAIN = 10


def needs(there, what, remedy):
    """Skip a test that needs more than Python, or fail if all is required."""
    if not there:
        message = f'{what} is missing: {remedy}'
        if os.environ.get('ZODBSCHEDULE_REQUIRE_ALL'):
            pytest.fail(message)
        pytest.skip(message)


def free_port():
    """A port of 127.0.0.1 that nobody listens on.

    Below those that the system gives to clients: one that tries to reach a
    server that is down would now and then be given the server's port, reach
    itself, and keep the server from coming back.
    """
    ports = iter(lambda: random.SystemRandom().randint(15_000, 32_000), None)
    return next(filter(is_free, ports))


def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) != 0


def wait_until(condition, what, process=None):
    """Return when *condition* holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if process is not None and process.poll() is not None:
            raise RuntimeError(
                f'{what}: it has ended with {process.returncode}')
        if time.monotonic() > end:
            raise RuntimeError(f'{what}: not in {PATIENCE} s')
        time.sleep(.01)


def listens(port):
    """Whether somebody listens on that port of 127.0.0.1."""
    with socket.socket() as client:
        return client.connect_ex(('127.0.0.1', port)) == 0


# -- Servers


class ZEOServer:
    """A ZEO server that cannot import zodbschedule, on a FileStorage."""

    MAIN = '''if True:
        import os, sys, threading

        def watch():
            sys.stdin.read()
            os._exit(0)

        sys.modules['zodbschedule'] = None
        threading.Thread(target=watch, daemon=True).start()
        from ZEO.runzeo import main
        main()
        '''

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.uri = f'zeo://127.0.0.1:{self.port}?wait_timeout={PATIENCE}'
        self.start()

    def start(self, read_only=False):
        """Start it, also again: on the same port and the same data."""
        conf = self.folder / 'zeo.conf'
        conf.write_text(
            f'<zeo>\n  address 127.0.0.1:{self.port}\n</zeo>\n'
            f'<filestorage 1>\n  path {self.folder}/Data.fs\n'
            f'  read-only {read_only}\n</filestorage>\n')
        with open(self.folder / 'zeo.log', 'ab') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-c', self.MAIN, '-C', str(conf)],
                stdin=subprocess.PIPE, stdout=log, stderr=log,
                cwd=self.folder)
        # A client that finds nobody waits for 2 s before it tries again.
        wait_until(lambda: listens(self.port), 'ZEO', self.process)

    def stop(self):
        """End it as an operator does, who tells it again if need be.

        A signal that comes just before ZEO waits for clients is heeded when
        it wakes up next, which may be never.
        """
        ended = None
        while ended is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                ended = self.process.wait(AGAIN)
        self.process.stdin.close()

    def kill(self):
        """End it at once."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


class PostgreSQLServer:
    """A PostgreSQL server with databases of its own.

    One for RelStorage without history, and one for RelStorage with it: their
    tables have the same names.
    """

    # Each line of its standard input is one of the functions.
    MAIN = '''
        up() { "$@" & server=$!; }
        down() { kill -QUIT $server; wait $server; }
        up "$@"
        while read function; do $function "$@"; done
        down
        rm -rf "$0"
        '''

    def __init__(self):
        programs = self.programs()
        needs(programs, 'PostgreSQL (initdb, postgres)',
              'install the package postgresql of your system')
        # Not below pytest's folder, which nobody else can look into.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='postgresql-'))
        self.port = free_port()
        self.user = self.unprivileged()
        data = self.folder / 'data'
        subprocess.run(
            [f'{programs}/initdb', '-D', data, '-U', 'zodb', '-A', 'trust',
             '-E', 'UTF8', '--no-locale', '--no-sync'],
            check=True, stdout=subprocess.DEVNULL, cwd=self.folder,
            **self.user)
        with open(self.folder / 'log', 'wb') as log:
            self.process = subprocess.Popen(
                ['sh', '-c', self.MAIN, self.folder,
                 f'{programs}/postgres', '-D', data, '-p', str(self.port),
                 '-k', self.folder, '-c', 'listen_addresses=127.0.0.1',
                 '-c', 'fsync=off'],
                stdin=subprocess.PIPE, stdout=log, stderr=log,
                cwd=self.folder, **self.user)
        self.dsn = (f'host=127.0.0.1 port={self.port} user=zodb '
                    f'dbname=postgres')
        wait_until(self.answers, 'PostgreSQL', self.process)
        self.execute('CREATE DATABASE history')
        self.uri = self._uri('postgres', keep_history=0)
        self.history_uri = self._uri('history', keep_history=1)

    def _uri(self, name, keep_history):
        return (f'postgres://zodb:zodb@127.0.0.1:{self.port}/{name}'
                f'?keep_history={keep_history}')

    @staticmethod
    def programs():
        """The folder of the server's programs, or None."""
        found = [os.path.dirname(path) for path in [
            shutil.which('postgres'),
            *sorted(glob.glob('/usr/lib/postgresql/*/bin/postgres'))] if path]
        return found[-1] if found else None

    def unprivileged(self):
        """As whom to start it: it refuses to run as root."""
        if os.getuid():
            return {}
        with suppress(KeyError):
            user = pwd.getpwnam('postgres')
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            return {'user': user.pw_uid, 'group': user.pw_gid,
                    'extra_groups': []}
        needs(False, 'The user postgres',
              'install the package postgresql, or do not run tests as root')

    def answers(self):
        """Whether it accepts connections."""
        try:
            psycopg2.connect(self.dsn).close()
        except psycopg2.OperationalError:
            return False
        return True

    def terminate_backends(self):
        """End all sessions of clients, as a restart of the server does."""
        self.execute(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
            "WHERE usename = 'zodb' AND pid <> pg_backend_pid()")

    def kill(self):
        """End it at once, as a crash does."""
        self._tell('down')
        wait_until(lambda: not listens(self.port), 'the end of PostgreSQL')

    def start(self):
        """Start it again: on the same port and the same data."""
        self._tell('up')
        wait_until(self.answers, 'PostgreSQL', self.process)

    def _tell(self, function):
        self.process.stdin.write(f'{function}\n'.encode())
        self.process.stdin.flush()

    def execute(self, statement):
        """Execute it in a session, and in no transaction, of its own."""
        connection = psycopg2.connect(self.dsn)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def stop(self):
        """End it, and remove what it has stored."""
        self.process.communicate()


# -- Databases


class Client:
    """One client of a database: a `ZODB.DB`, opened when it is needed."""

    #: whether faults of its storage are mended, as by all who work there
    mended = True

    def __init__(self, uri, **options):
        self._uri = uri
        self._options = options
        self._db = None
        self._connections = []
        self._clients = []

    def uri(self):
        """By which other processes open it."""
        return self._uri

    @property
    def db(self):
        """The `ZODB.DB`."""
        if self._db is None:
            factory, keywords = zodburi.resolve_uri(self._uri)
            storage = factory()
            if self._uri.startswith('zeo:'):
                # So that a transaction sees all that was committed before it
                # began: a client hears of that a moment later.
                storage.sync = lambda: storage.ping()
            self._db = ZODB.DB(storage, **keywords, **self._options)
            if self.mended:
                mend(self._db)
        return self._db

    def open(self):
        """A new connection, closed when the test ends.

        It has an explicit transaction manager of its own, which is begun.
        """
        manager = TransactionManager(explicit=True)
        manager.begin()
        connection = self.db.open(manager)
        self._connections.append(connection)
        return connection

    def schedule(self):
        """The schedule at ``root['schedule']``, in a new connection."""
        return self.open().root()['schedule']

    def client(self):
        """Another client of the same database, with caches of its own.

        A FileStorage has one client only: this one.
        """
        client = Client(self._uri, **self._options)
        self._clients.append(client)
        return client

    def close(self):
        """End all transactions and connections, so that others may open it.

        It opens again when it is needed.
        """
        while self._clients:
            self._clients.pop().close()
        while self._connections:
            connection = self._connections.pop()
            if connection.opened:
                with suppress(NoTransaction):
                    connection.transaction_manager.abort()
                connection.close()
        if self._db is not None:
            self._db.close()
            self._db = None


class Database(Client):
    """A database that holds nothing but a schedule at ``root['schedule']``.
    """

    def __init__(self, storage, uri):
        super().__init__(uri)
        #: one of `STORAGES`, `HISTORY` or `SQLITE`
        self.storage = storage
        if storage in ('PostgreSQL', HISTORY):
            self.db.storage.zap_all()
            self.close()
        connection = self.open()
        root = connection.root()
        root.clear()
        root['schedule'] = Schedule()
        connection.transaction_manager.commit()
        connection.close()

    def client(self):
        return self if self.storage == 'FileStorage' else super().client()

    def released(self):
        """A context in which another process may open it."""
        # A server has room for all.
        return Released(self)


class Released:
    """Closes a FileStorage, since that is locked by one process."""

    def __init__(self, database):
        self.database = database

    def __enter__(self):
        if self.database.storage == 'FileStorage':
            self.database.close()

    def __exit__(self, *exception):
        """It opens again by itself."""


# -- Other processes


class Child:
    """Another Python process, which calls a function of a test module.

    *function* is its dotted name, and *args* are strings.  What it prints is
    read by `line` and `rest`; what it reads is written by `tell`.
    """

    MAIN = '''if True:
        import sys
        from importlib import import_module
        module, _, name = sys.argv[1].rpartition('.')
        getattr(import_module(module), name)(*sys.argv[2:])
        '''

    def __init__(self, function, *args):
        path = [str(HERE), *filter(None, sys.path)]
        self.process = subprocess.Popen(
            [sys.executable, '-c', self.MAIN, function, *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(path),
                 'PYTHONUNBUFFERED': '1'})
        self.pid = self.process.pid

    def line(self):
        """The next line that it prints, stripped; '' if it has ended."""
        return self.process.stdout.readline().strip()

    def tell(self, line=''):
        """Write a line to its standard input."""
        self.process.stdin.write(f'{line}\n')
        self.process.stdin.flush()

    def kill(self):
        """End it by SIGKILL."""
        self.process.kill()
        self.wait()

    def wait(self):
        """Wait for its end; what it has printed, and its exit status."""
        printed, _ = self.process.communicate()
        return printed, self.process.returncode
