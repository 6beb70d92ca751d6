"""Workers in processes of their own, to be started, stopped and killed.

A new interpreter takes half a second to begin.  So they are forked from one
that has imported everything, and has neither threads nor databases: a `Crew`
talks to it by its standard input and output, and to its children by signals.
"""

import logging
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from functools import partial
from importlib import import_module

import ZODB
import zodburi
from databases import wait_until
from mixture import is_done
from mixture import looking

from zodbschedule import Worker
from zodbschedule.cli.worker import fix_asyncio
from zodbschedule.store import incarnation


# -- In the process that forks, and in its children

EARLY = (
    'relstorage.adapters.postgresql.adapter',
    'relstorage.adapters.postgresql.drivers.psycopg2',
    'relstorage.adapters.sqlite.adapter',
    'ZEO.ClientStorage',
    'ZODB.FileStorage',
)


def fork(*modules):
    """Fork children as told, until the standard input ends; kill them then.

    They have imported those modules.  A line says ``fork LOG FUNCTION
    ARGUMENT...`` or ``wait PID``, with tabs between the words; the answer is
    the process id or the exit status.
    """
    for name in EARLY + modules:
        import_module(name)
    children = set()
    # Nobody may read any more what we print.
    with suppress(BrokenPipeError):
        serve(children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def serve(children):
    """Do as told, and keep in *children* who has not been waited for."""
    print('ready', flush=True)
    for line in sys.stdin:
        command, *words = line.rstrip('\n').split('\t')
        if command == 'fork':
            # It is not to be told to end before it knows how.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            pid = os.fork()
            if not pid:
                be(*words)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            children.add(pid)
            print(pid, flush=True)
        else:
            pid = int(words[0])
            children.remove(pid)
            print(exit_status(pid), flush=True)


def exit_status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def be(log, function, *args):
    """Call a function of a test module, and end with it."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in 1, 2:
        os.dup2(file, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    module, _, name = function.rpartition('.')
    try:
        getattr(import_module(module), name)(*args)
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
    sys.exit(0)


def open_database(uri):
    """As the command line does."""
    factory, keywords = zodburi.resolve_uri(uri)
    return ZODB.DB(factory(), **keywords)


def worker(uri, **options):
    """A worker that ends by SIGTERM; it logs what it does."""
    logging.basicConfig(
        level=logging.INFO, format='%(levelname)s %(message)s')
    fix_asyncio()
    worker = Worker(partial(open_database, uri), **options)
    signal.signal(signal.SIGTERM, lambda *_: worker.finish())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return worker


# -- In the test

# How long some thousand tasks may take, on a machine that is busy.
PATIENCE = 300


def drain(database, **options):
    """Have a worker in this process do all that is due, and stop it."""
    with Worker(database.db, **options):
        wait_until_done(database)


def wait_until_done(database, patience=PATIENCE):
    """Wait until nothing is due, and no worker holds anything."""
    end = time.monotonic() + patience
    with looking(database) as schedule:
        while not is_done(schedule):
            assert time.monotonic() < end, 'it takes too long'
            # What this process looks at, workers wait for.
            time.sleep(.02)


class Crew:
    """Has *forking* fork processes that call functions.

    As `databases.Child` does; what they print goes into the *folder*.
    """

    def __init__(self, forking, folder):
        self.forking = forking
        self.folder = folder
        self.members = []

    def tell(self, *words):
        self.forking.tell('\t'.join(words))
        return int(self.forking.line())

    def dismiss(self):
        """Kill whoever is left."""
        for member in self.members:
            if member.status is None:
                # It may have been told to end.
                member.signal(signal.SIGKILL)
                member.wait()

    def start(self, function, *args):
        """A `Member` that calls the function of that dotted name."""
        log = str(self.folder / f'{len(self.members)}.log')
        open(log, 'w').close()
        pid = self.tell('fork', log, function, *args)
        self.members.append(Member(self, pid, log))
        return self.members[-1]


class Member:
    """One process of a crew."""

    def __init__(self, crew, pid, log):
        self.crew = crew
        self.pid = pid
        self.log = log
        #: when it has ended
        self.status = None

    def signal(self, number):
        """Send it that signal."""
        os.kill(self.pid, number)

    def wait(self):
        """Wait for its end; the exit status, or the signal as -number."""
        wait_until(lambda: not self.is_alive(), f'the end of {self.pid}')
        self.status = self.crew.tell('wait', str(self.pid))
        return self.status

    def kill(self):
        """End it by SIGKILL."""
        self.signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL

    def finish(self):
        """Ask it to end, as an operator does, and wait for that."""
        self.signal(signal.SIGTERM)
        self.has_finished()

    def has_finished(self):
        """Wait for its end, for which it was asked."""
        assert self.wait() == 0, self.said()

    def is_alive(self):
        return incarnation.started(self.pid) is not None

    def is_stopped(self):
        """Whether it was stopped by a signal."""
        with open(f'/proc/{self.pid}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] == 'T'

    def said(self):
        """What it has printed and logged."""
        with open(self.log) as file:
            return file.read()

    def wait_for(self, text):
        """Wait until it has printed that."""
        wait_until(lambda: text in self.said(), f'{text!r} in {self.log}')

