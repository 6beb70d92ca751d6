"""A Zope of its own, made as its users make it, served by real processes."""

import os
import pathlib
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import ZODB
from databases import PATIENCE
from databases import ZEOServer
from databases import free_port
from databases import listens
from databases import wait_until
from heeding import heed_signals
from ZEO.ClientStorage import ClientStorage


HERE = pathlib.Path(__file__).parent
SUPPORT = HERE.parent / 'support'

__all__ = ['PATIENCE', 'Instance', 'wait_until']

INCLUDE = '<include package="zodbschedule.zope" />\n'

CLIENT = '''\
<zodb_db main>
    <zeoclient>
        server 127.0.0.1:{port}
    </zeoclient>
    mount-point /
</zodb_db>
'''


class Instance:
    """What ``mkwsgiinstance`` makes, on a ZEO server, with our package.

    Plone finds the package by itself, and needs no line to *include* it.
    """

    def __init__(self, folder, include=True):
        heed_signals()
        self.folder = pathlib.Path(folder)
        self.home = self.folder / 'instance'
        (self.folder / 'zeo').mkdir()
        self.zeo = ZEOServer(self.folder / 'zeo')
        self.processes = []
        subprocess.run(
            [program('mkwsgiinstance'), '-d', self.home,
             '-u', 'admin:secret'], check=True, stdout=subprocess.DEVNULL)
        includes = self.home / 'etc' / 'package-includes'
        self.include = includes / 'zodbschedule-configure.zcml'
        if include:
            includes.mkdir(exist_ok=True)
            self.include.write_text(INCLUDE)
        conf = self.conf.read_text()
        before, _, rest = conf.partition('<zodb_db main>')
        _, _, after = rest.partition('</zodb_db>')
        self.conf.write_text(
            before + CLIENT.format(port=self.zeo.port) + after)

    @property
    def conf(self):
        return self.home / 'etc' / 'zope.conf'

    def configure(self, **settings):
        """Add a section of ours to the configuration."""
        lines = '\n'.join(f'{name} {value}'
                          for name, value in settings.items())
        with open(self.conf, 'a') as conf:
            conf.write(f'<product-config zodbschedule>\n{lines}\n'
                       f'</product-config>\n')

    def ini(self, port):
        """The configuration of a server on that port, with our filter."""
        text = (self.home / 'etc' / 'zope.ini').read_text()
        text = text.replace('port = 8080', f'port = {port}')
        text = text.replace(
            '    zope\n', '    egg:zodbschedule#workers\n    zope\n')
        path = self.home / 'etc' / f'zope-{port}.ini'
        path.write_text(text)
        return path

    def serve(self):
        """Serve it, with workers, and return when it answers."""
        port = free_port()
        process = self.start('runwsgi', self.ini(port))
        process.port = port
        wait_until(lambda: listens(port), 'runwsgi', process)
        return process

    def work(self, *arguments):
        """A worker of its own, that has begun."""
        process = self.start(
            'zodbschedule', '-v', 'worker', '--zope', self.conf, *arguments)
        wait_until(lambda: ' begins,' in process.log.read_text(), 'a worker',
                   process)
        return process

    def start(self, name, *arguments):
        """Start a program; what it writes goes into a file."""
        log = self.folder / f'{len(self.processes)}.log'
        with open(log, 'wb') as file:
            process = subprocess.Popen(
                [program(name), *map(str, arguments)], stdout=file,
                stderr=file, stdin=subprocess.DEVNULL, env=environment())
        process.log = log
        self.processes.append(process)
        return process

    def run(self, name, *arguments, text=None, code=0, path=()):
        """What a program prints, when it has ended."""
        done = subprocess.run(
            [program(name), *map(str, arguments)], input=text, text=True,
            capture_output=True, env=environment(*path), timeout=PATIENCE)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def root(self):
        """The root of the database, from this process; committed."""
        storage = ClientStorage(
            ('127.0.0.1', self.zeo.port), wait_timeout=PATIENCE)
        db = ZODB.DB(storage)
        try:
            with db.transaction() as connection:
                yield connection.root()
        finally:
            db.close()

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.zeo.stop()


def program(name):
    return os.fspath(pathlib.Path(sys.executable).parent / name)


def environment(*path):
    """That of a program: it also imports from *path* and from these tests."""
    path = [*map(os.fspath, (*path, HERE, SUPPORT)),
            *filter(None, [os.environ.get('PYTHONPATH')])]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(path),
            'PYTHONUNBUFFERED': '1'}


def end(process, number=signal.SIGTERM):
    """Send it a signal, and return how it has ended."""
    process.send_signal(number)
    return process.wait(PATIENCE)


# -- What tasks of these processes do


def note(name, seconds=0):
    """Leave a line in the site, after so long."""
    from zope.component.hooks import getSite
    site = getSite()
    lines = getattr(site, 'lines', ())
    time.sleep(seconds)
    site.lines = (*lines, f'{name} {os.getpid()}')


def mark(path, seconds=0):
    """Say outside the database that it has begun, and take so long."""
    with open(path, 'a') as file:
        file.write(f'{os.getpid()}\n')
    time.sleep(seconds)
    note('marked')


def add_document(context, number):
    """Add one to a Plone site; touches what others touch."""
    from plone.dexterity.utils import createContentInContainer
    createContentInContainer(
        context, 'Document', id=f'document-{number}', title='A document')


def count():
    """A task of its own: touches nothing that others touch."""


